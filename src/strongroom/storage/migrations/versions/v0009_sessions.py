"""What a login that waits was judged by, and where a session may be used from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from strongroom.storage.migrations.versions.v0001_spine import INTEGER, TEXT

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. NULL in a row from before: its MAC holds as it is."""
    op.add_column("mfa_pending", sa.Column("proven", TEXT, nullable=True))
    op.add_column("mfa_pending", sa.Column("workload", INTEGER, nullable=True))
    op.add_column("sign_in", sa.Column("network", TEXT, nullable=True))
