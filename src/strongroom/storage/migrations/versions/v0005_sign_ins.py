"""Sessions of people, and the rules that ask them for a fresh factor."""

from __future__ import annotations

from strongroom.storage.migrations.versions.v0001_spine import BYTES, INTEGER, TEXT, guarded, index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    text, integer, blob = (TEXT, False), (INTEGER, False), (BYTES, False)
    maybe_integer = (INTEGER, True)

    guarded(
        "sign_in",
        ("lookup",),
        lookup=blob,
        id=text,
        entity=text,
        surface=text,
        factors=text,
        factor_at=maybe_integer,
        opened_at=integer,
        seen_at=integer,
        idle=integer,
        ends_at=maybe_integer,
        until=maybe_integer,
        address=text,
        agent=text,
    )
    index("sign_in", "id", unique=True)
    index("sign_in", "entity")
    index("sign_in", "until")
    guarded(
        "step_up_rule",
        ("name",),
        name=text,
        paths=text,
        operations=text,
        environments=text,
        within=integer,
        kinds=text,
        enabled=integer,
        description=text,
    )
