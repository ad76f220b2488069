"""Whose factors wait for somebody's approval, and who could have been whom."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from strongroom.storage.migrations.versions.v0001_spine import INTEGER, TEXT, guarded

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and add the columns. NULL in a row from before: its MAC holds as it is."""
    text, integer = (TEXT, False), (INTEGER, False)
    guarded(
        "factor_hold",
        ("entity",),
        entity=text,
        since=integer,
        removed_by=text,
        code=text,
        code_until=(INTEGER, True),
        known_to=text,
        changed_at=integer,
    )
    for table, column in (
        ("factor", "helped_by"),
        ("factor_ceremony", "helped_by"),
        ("factor_ceremony", "lifts"),
        ("sign_in", "enrolled_by"),
        ("person", "made_by"),
        ("registration", "purpose"),
        ("registration", "helpers"),
    ):
        op.add_column(table, sa.Column(column, TEXT, nullable=True))
