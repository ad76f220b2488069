"""Which writes need an approved change, and the writes of changes."""

from __future__ import annotations

from strongroom.storage.migrations.versions.v0001_spine import (
    BYTES,
    INTEGER,
    TEXT,
    guarded,
    index,
)

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    text, integer, maybe_integer = (TEXT, False), (INTEGER, False), (INTEGER, True)

    guarded(
        "change_rule",
        ("name",),
        name=text,
        areas=text,
        paths=text,
        operations=text,
        propose=integer,
        enabled=integer,
        description=text,
    )
    guarded("change_setting", ("name",), name=text, holidays=text)
    guarded(
        "change_write",
        ("change", "revision", "at"),
        change=text,
        revision=integer,
        at=integer,
        path=text,
        operation=text,
        digest=text,
        base=text,
        follows=integer,
        content=(BYTES, False),
        shown=text,
        applied_at=maybe_integer,
        applied_by=text,
    )
    index("change_write", "digest")
