"""Vendors, training, documents, exceptions of controls, and what is refused for a control."""

from __future__ import annotations

from strongroom.storage.migrations.versions.v0001_spine import INTEGER, TEXT, guarded, index

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    text, integer, maybe_integer = (TEXT, False), (INTEGER, False), (INTEGER, True)

    guarded(
        "vendor",
        ("name",),
        name=text,
        owner=text,
        tier=text,
        holds=text,
        names=text,
        contracts=text,
        contract_ends_at=maybe_integer,
        report=text,
        report_at=maybe_integer,
        report_from=maybe_integer,
        report_until=maybe_integer,
        reference=text,
        assessed_at=maybe_integer,
        assess_again_at=maybe_integer,
        state=text,
        left_at=maybe_integer,
        left_by=text,
        why=text,
        created_at=integer,
        updated_at=integer,
    )
    guarded(
        "course",
        ("name",),
        name=text,
        title=text,
        version=text,
        validity=integer,
        required=integer,
        self_attested=integer,
        description=text,
        created_at=integer,
        updated_at=integer,
    )
    guarded(
        "completion",
        ("id",),
        id=text,
        course=text,
        version=text,
        entity=text,
        completed_at=integer,
        recorded_by=text,
        recorded_at=integer,
        reference=text,
        void_at=maybe_integer,
        void_by=text,
        void_because=text,
    )
    index("completion", "entity")
    index("completion", "course")
    guarded(
        "document",
        ("name",),
        name=text,
        title=text,
        kind=text,
        rendered=text,
        owner=text,
        review_every=integer,
        acknowledge=integer,
        groups=text,
        in_force=integer,
        reviewed_at=maybe_integer,
        reviewed_by=text,
        withdrawn_at=maybe_integer,
        created_at=integer,
        updated_at=integer,
    )
    guarded(
        "document_version",
        ("document", "version"),
        document=text,
        version=integer,
        text=text,
        sha256=text,
        proposal=text,
        proposed_by=text,
        proposed_at=integer,
        approved_by=text,
        approved_at=maybe_integer,
    )
    guarded(
        "acknowledgement",
        ("document", "version", "entity"),
        document=text,
        version=integer,
        entity=text,
        at=integer,
    )
    index("acknowledgement", "entity")
    guarded(
        "control_exception",
        ("id",),
        id=text,
        control=text,
        subject=text,
        kind=text,
        reason=text,
        compensating=text,
        owner=text,
        proposal=text,
        extends=text,
        asked_by=text,
        approved_by=text,
        begins_at=integer,
        expires_at=integer,
        target_at=maybe_integer,
        ended_at=maybe_integer,
        ended_by=text,
        why=text,
    )
    index("control_exception", "control")
    guarded("admission", ("control",), control=text, mode=text, updated_at=integer)
