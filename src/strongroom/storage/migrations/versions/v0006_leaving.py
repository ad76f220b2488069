"""Who has left and what ended with them, what is to be rotated for it, and SCIM's users."""

from __future__ import annotations

from strongroom.storage.migrations.versions.v0001_spine import INTEGER, TEXT, guarded, index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    text, integer, maybe_integer = (TEXT, False), (INTEGER, False), (INTEGER, True)

    guarded(
        "leaver",
        ("entity",),
        entity=text,
        kind=text,
        at=integer,
        by=text,
        why=text,
        ended=text,
        queued_at=maybe_integer,
        missed_at=maybe_integer,
    )
    guarded(
        "rotation_due",
        ("entity", "path", "version"),
        entity=text,
        path=text,
        version=integer,
        why=text,
        read_at=integer,
        read_entry=integer,
        since=integer,
        state=text,
        looked=integer,
        resolved_at=maybe_integer,
        resolved_entry=maybe_integer,
    )
    index("rotation_due", "state")
    guarded(
        "scim_user",
        ("entity",),
        entity=text,
        user_name=text,
        attributes=text,
        deleted=integer,
        created_at=integer,
        updated_at=integer,
    )
    index("scim_user", "user_name")
