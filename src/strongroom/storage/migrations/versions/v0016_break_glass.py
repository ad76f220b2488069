"""Break-glass: its rules and cases; and what people are told of, and by what."""

from __future__ import annotations

from strongroom.storage.migrations.versions.v0001_spine import (
    BYTES,
    INTEGER,
    TEXT,
    guarded,
    index,
)

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    text, integer, maybe_integer = (TEXT, False), (INTEGER, False), (INTEGER, True)

    guarded(
        "break_glass_rule",
        ("name",),
        name=text,
        groups=text,
        paths=text,
        environments=text,
        longest=integer,
        in_all=integer,
        close_within=integer,
        blocks=integer,
        drill_path=text,
        drill_target=integer,
        description=text,
    )
    guarded(
        "break_glass_case",
        ("id",),
        id=text,
        holder=text,
        known_as=text,
        helpers=text,
        reason=text,
        rule=text,
        in_all=integer,
        close_within=integer,
        paths=text,
        capabilities=text,
        groups=text,
        grant_id=text,
        drill=integer,
        target=integer,
        notified=text,
        opened_at=integer,
        ends_at=integer,
        extensions=text,
        closed_at=maybe_integer,
        closed_by=text,
        done=text,
        close_due_at=integer,
        review_due_at=integer,
        reviewed_at=maybe_integer,
        reviewer=text,
        verdict=text,
        words=text,
        findings=text,
        waived_at=maybe_integer,
        waived_by=text,
        reminded_at=maybe_integer,
        close_late_at=maybe_integer,
        review_late_at=maybe_integer,
        looked_from=integer,
        looked_to=maybe_integer,
        accounted_at=maybe_integer,
        touched=integer,
        first_read_at=maybe_integer,
        first_read=maybe_integer,
    )
    for column in ("holder", "reviewed_at", "accounted_at"):
        index("break_glass_case", column)
    guarded(
        "notice",
        ("id",),
        id=text,
        topic=text,
        about=text,
        title=text,
        text=text,
        place=text,
        recipients=text,
        at=integer,
        spread=integer,
    )
    index("notice", "spread")
    index("notice", "about")
    guarded(
        "notice_inbox",
        ("entity", "notice"),
        entity=text,
        notice=text,
        at=integer,
        read_at=maybe_integer,
    )
    index("notice_inbox", "entity")
    guarded(
        "notifier",
        ("name",),
        name=text,
        kind=text,
        topics=text,
        enabled=integer,
        host=text,
        port=integer,
        security=text,
        username=text,
        sender=text,
        recipients=text,
        ca=text,
        networks=text,
        secret=(BYTES, True),
        description=text,
    )
    guarded(
        "delivery",
        ("notice", "notifier", "recipient"),
        notice=text,
        notifier=text,
        recipient=text,
        state=text,
        attempts=integer,
        next_at=integer,
        problem=text,
        done_at=maybe_integer,
    )
    index("delivery", "state")
    index("delivery", "notifier")
