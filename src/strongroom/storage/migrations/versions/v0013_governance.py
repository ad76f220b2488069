"""What people ask for, who approved it, the rules of that, and what was granted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from strongroom.storage.migrations.versions.v0001_spine import INTEGER, TEXT, guarded, index

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and add the column. NULL in a row from before: its MAC holds as it is."""
    text, integer, maybe_integer = (TEXT, False), (INTEGER, False), (INTEGER, True)

    guarded(
        "approval_rule",
        ("name",),
        name=text,
        paths=text,
        environments=text,
        groups=text,
        kinds=text,
        needs=text,
        longest=integer,
        afterwards=integer,
        description=text,
    )
    guarded(
        "proposal",
        ("id",),
        id=text,
        kind=text,
        title=text,
        reason=text,
        revision=integer,
        body=text,
        requesters=text,
        known_as=text,
        helpers=text,
        rules=text,
        state=text,
        created_at=integer,
        edited_at=integer,
        expires_at=integer,
        due_at=maybe_integer,
        decided_at=maybe_integer,
        outcome=text,
    )
    index("proposal", "kind")
    index("proposal", "state")
    guarded(
        "approval",
        ("proposal", "revision", "approver"),
        proposal=text,
        revision=integer,
        approver=text,
        verdict=text,
        because=text,
        vouching=text,
        at=integer,
    )
    index("approval", "approver")
    guarded(
        "access_grant",
        ("id",),
        id=text,
        entity=text,
        request=text,
        paths=text,
        capabilities=text,
        groups=text,
        begins=integer,
        ends=integer,
        ended_at=maybe_integer,
        ended_by=text,
        why=text,
    )
    for column in ("entity", "request", "ends"):
        index("access_grant", column)
    op.add_column("environment", sa.Column("people", TEXT, nullable=True))
