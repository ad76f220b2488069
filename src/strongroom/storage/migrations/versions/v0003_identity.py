"""Groups, merged entities, people, workloads, and the requests to register them."""

from __future__ import annotations

from strongroom.storage.migrations.versions.v0001_spine import INTEGER, TEXT, guarded, index

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of identity."""
    text, integer, maybe_integer = (TEXT, False), (INTEGER, False), (INTEGER, True)

    guarded("merged_entity", ("id",), id=text, entity=text, at=integer)
    index("merged_entity", "entity")
    guarded(
        "entity_group",
        ("id",),
        id=text,
        name=text,
        external=integer,
        metadata=text,
        policies=text,
        members=text,
        version=integer,
        created_at=integer,
        updated_at=integer,
    )
    index("entity_group", "name", unique=True)
    guarded("group_member", ("group_id", "entity"), group_id=text, entity=text, since=integer)
    index("group_member", "entity")
    guarded(
        "group_alias",
        ("id",),
        id=text,
        group_id=text,
        mount_accessor=text,
        name=text,
        created_at=integer,
        updated_at=integer,
    )
    index("group_alias", "mount_accessor", "name", unique=True)
    index("group_alias", "group_id")
    guarded(
        "person",
        ("entity",),
        entity=text,
        name=text,
        email=text,
        worker=text,
        contract=text,
        external_id=text,
        state=text,
        ends_at=maybe_integer,
        registration=text,
        created_at=integer,
        updated_at=integer,
        left_at=maybe_integer,
    )
    index("person", "email")
    index("person", "external_id")
    guarded(
        "workload",
        ("entity",),
        entity=text,
        owner=text,
        justification=text,
        environment=text,
        vendor=text,
        state=text,
        ends_at=maybe_integer,
        registration=text,
        created_at=integer,
        updated_at=integer,
        left_at=maybe_integer,
    )
    index("workload", "owner")
    guarded(
        "registration",
        ("id",),
        id=text,
        state=text,
        revision=integer,
        wish=text,
        reason=text,
        requesters=text,
        known_as=text,
        created_at=integer,
        edited_at=integer,
        expires_at=integer,
        decided_by=text,
        decided_at=maybe_integer,
        because=text,
        entity=text,
    )
    index("registration", "state")
