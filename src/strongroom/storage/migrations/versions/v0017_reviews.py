"""Access reviews: campaigns, their lines, decisions on them, and when they begin by themselves."""

from __future__ import annotations

from strongroom.storage.migrations.versions.v0001_spine import INTEGER, TEXT, guarded, index

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    text, integer, maybe_integer = (TEXT, False), (INTEGER, False), (INTEGER, True)

    guarded(
        "review_campaign",
        ("id",),
        id=text,
        title=text,
        kind=text,
        environments=text,
        groups=text,
        reviewers=text,
        fallback=text,
        quarter=text,
        state=text,
        started_at=integer,
        started_by=text,
        period_from=integer,
        deadline_at=integer,
        grace=integer,
        lines=integer,
        root=text,
        signed_at=maybe_integer,
        signed_by=text,
        statement=text,
        reminded_at=maybe_integer,
        overdue_at=maybe_integer,
    )
    for column in ("kind", "state"):
        index("review_campaign", column)
    guarded(
        "review_line",
        ("campaign", "number"),
        campaign=text,
        number=integer,
        holder=text,
        holder_name=text,
        held_as=text,
        owner=text,
        kind=text,
        via=text,
        name=text,
        path=text,
        policies=text,
        rights=text,
        environment=text,
        reason=text,
        approval=text,
        since=maybe_integer,
        last_use=integer,
        last_use_at=text,
        uses=integer,
        peers=integer,
        alike=integer,
        flags=text,
        digest=text,
    )
    guarded(
        "review_decision",
        ("campaign", "line", "number"),
        campaign=text,
        line=integer,
        number=integer,
        verdict=text,
        final=integer,
        because=text,
        decided_by=text,
        decided_at=integer,
        until=maybe_integer,
        otherwise=text,
        passed_to=text,
        executed=text,
        task=text,
        proof=text,
        proof_text=text,
        proof_entry=integer,
        proven_at=maybe_integer,
        pending=integer,
    )
    index("review_decision", "pending")
    guarded(
        "review_schedule",
        ("kind",),
        kind=text,
        enabled=integer,
        reviewers=text,
        fallback=text,
        environments=text,
        deadline=integer,
        grace=integer,
        since=integer,
        tried=text,
        problem=text,
    )
