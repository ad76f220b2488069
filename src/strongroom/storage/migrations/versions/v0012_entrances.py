"""Who made what people log in by, and with whom else a token ends for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from strongroom.storage.migrations.versions.v0001_spine import INTEGER, TEXT, guarded, index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and add the column. NULL in a row from before: its MAC holds as it is."""
    text = (TEXT, False)
    guarded(
        "entrance",
        ("mount", "name"),
        mount=text,
        name=text,
        makers=text,
        readers=text,
        refused_for=text,
        refused_at=(INTEGER, True),
    )
    op.add_column("token", sa.Column("let_in_by", TEXT, nullable=True))
    index("token", "let_in_by")
