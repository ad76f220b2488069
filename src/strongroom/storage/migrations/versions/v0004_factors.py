"""Second factors, what enrols and what demands them, and logins that wait for one."""

from __future__ import annotations

from strongroom.storage.migrations.versions.v0001_spine import (
    BYTES,
    INTEGER,
    TEXT,
    guarded,
    index,
    register,
)

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of second factors."""
    text, integer, blob = (TEXT, False), (INTEGER, False), (BYTES, False)
    maybe_integer, maybe_blob = (INTEGER, True), (BYTES, True)

    guarded(
        "factor",
        ("id",),
        id=text,
        entity=text,
        kind=text,
        method=text,
        name=text,
        secret=maybe_blob,
        period=integer,
        digits=integer,
        algorithm=text,
        skew=integer,
        spent=integer,
        codes=text,
        credential=maybe_blob,
        signs=integer,
        aaguid=text,
        transports=text,
        user_verified=integer,
        backup_eligible=integer,
        backed_up=integer,
        created_at=integer,
        used_at=maybe_integer,
        disabled=text,
    )
    for column in ("entity", "credential", "method"):
        index("factor", column, unique=column == "credential")
    guarded(
        "factor_ceremony",
        ("id",),
        id=text,
        entity=text,
        purpose=text,
        name=text,
        secret=blob,
        tries=integer,
        expires_at=integer,
    )
    for column in ("entity", "expires_at"):
        index("factor_ceremony", column)
    register(
        "factor_lockout",
        ("entity",),
        entity=text,
        failures=integer,
        last_at=integer,
        locked_until=maybe_integer,
    )
    guarded(
        "factor_rule",
        ("name",),
        name=text,
        policies=text,
        groups=text,
        kinds=text,
        provider_factors=integer,
    )
    guarded(
        "mfa_method",
        ("id",),
        id=text,
        kind=text,
        name=text,
        issuer=text,
        period=integer,
        digits=integer,
        algorithm=text,
        skew=integer,
        key_size=integer,
        qr_size=integer,
        most_tries=integer,
        provider_factors=integer,
        created_at=integer,
    )
    index("mfa_method", "name")
    guarded(
        "mfa_enforcement",
        ("name",),
        name=text,
        id=text,
        methods=text,
        accessors=text,
        mount_types=text,
        groups=text,
        entities=text,
    )
    guarded(
        "mfa_pending",
        ("lookup",),
        lookup=blob,
        entity=text,
        mount=text,
        path=text,
        role=text,
        alias=text,
        wanted=blob,
        demands=blob,
        shown=text,
        challenge=maybe_blob,
        expires_at=integer,
    )
    for column in ("expires_at", "entity"):
        index("mfa_pending", column)
