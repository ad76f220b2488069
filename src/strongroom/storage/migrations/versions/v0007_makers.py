"""Who made a token through another one, and who could have signed in for somebody else."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from strongroom.storage.migrations.versions.v0001_spine import INTEGER, TEXT, index

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. NULL in a row from before: its MAC holds as it is."""
    op.add_column("token", sa.Column("makers", TEXT, nullable=True))
    index("token", "makers")
    op.add_column("alias", sa.Column("made_by", TEXT, nullable=True))
    op.add_column("sign_in", sa.Column("helped_by", TEXT, nullable=True))
    op.add_column("sign_in", sa.Column("enrolled_at", INTEGER, nullable=True))
