"""Which factors count for a fresh one, what a session has shown, and what a rule leaves out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from strongroom.storage.migrations.versions.v0001_spine import INTEGER, TEXT

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. NULL in a row from before: its MAC holds as it is."""
    op.add_column("factor", sa.Column("vouched", INTEGER, nullable=True))
    op.add_column("factor_ceremony", sa.Column("vouched", INTEGER, nullable=True))
    op.add_column("mfa_pending", sa.Column("provided", TEXT, nullable=True))
    op.add_column("sign_in", sa.Column("shown", TEXT, nullable=True))
    op.add_column("step_up_rule", sa.Column("apart", TEXT, nullable=True))
