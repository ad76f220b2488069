"""The log, the stores behind the barrier, and the registers of the spine."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Text compares by bytes in both databases, so that lists and ranges agree.
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
# SQLite takes only the very word INTEGER for a table keyed by its rowid.
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTES = sa.LargeBinary()

Kind = tuple[sa.types.TypeEngine[Any], bool]  # of a column, and whether it may be NULL

APPEND_ONLY = ("entry", "tile", "checkpoint", "cosignature")
# What a second row of the same key must not differ in; a cosignature proves itself.
REPLACED = {
    "entry": ("idx = NEW.idx", "leaf <> NEW.leaf"),
    "tile": ("level = NEW.level AND n = NEW.n", "hashes <> NEW.hashes"),
    "checkpoint": ("size = NEW.size", "note <> NEW.note"),
}


def table(name: str, key: tuple[str, ...], /, **columns: Kind) -> None:
    """Create a table; each column is (type, nullable)."""
    built: list[sa.Column[object]] = [
        sa.Column(c, kind, nullable=null) for c, (kind, null) in columns.items()
    ]
    op.create_table(
        name,
        *built,
        sa.PrimaryKeyConstraint(*key),
        sqlite_with_rowid=columns[key[0]][0] is INTEGER and len(key) == 1,
    )


def register(name: str, key: tuple[str, ...], /, **columns: Kind) -> None:
    """Create a table whose rows name the entry that wrote them."""
    table(name, key, **columns, entry=(INTEGER, False))


def guarded(name: str, key: tuple[str, ...], /, **columns: Kind) -> None:
    """Create a register whose rows are authenticated."""
    register(name, key, **columns, mac=(BYTES, False))


def index(name: str, *columns: str, unique: bool = False) -> None:
    """Create an index named after its table and columns."""
    op.create_index(f"{name}_{'_'.join(columns)}", name, list(columns), unique=unique)


def upgrade() -> None:
    """Create everything."""
    text, integer, blob = (TEXT, False), (INTEGER, False), (BYTES, False)
    maybe_text, maybe_integer, maybe_blob = (TEXT, True), (INTEGER, True), (BYTES, True)

    table("head", ("id",), id=integer, next=integer, generation=integer)
    op.execute("INSERT INTO head (id, next, generation) VALUES (1, 0, 1)")
    table("entry", ("idx",), idx=integer, leaf=blob)
    table("tile", ("level", "n"), level=integer, n=integer, hashes=blob)
    table("checkpoint", ("size",), size=integer, at=integer, note=text)
    table("cosignature", ("size", "witness"), size=integer, witness=text, at=integer, line=text)
    register("sink_cursor", ("name",), name=text, next=integer)

    register("cell", ("mount", "key"), mount=text, key=text, value=blob, fingerprint=maybe_blob)
    index("cell", "fingerprint")
    register(
        "wrapped_key",
        ("name", "term"),
        name=text,
        term=integer,
        wrapped=blob,
        created_at=integer,
        retired_at=maybe_integer,
        encryptions=integer,
    )
    register("clear_setting", ("name",), name=text, value=text)
    register("setting", ("name",), name=text, value=blob)

    guarded(
        "mount",
        ("path",),
        path=text,
        uuid=text,
        accessor=text,
        kind=text,
        description=text,
        options=text,
        config=text,
        default_ttl=integer,
        max_ttl=integer,
        created_at=integer,
    )
    index("mount", "uuid", unique=True)
    register(
        "lease",
        ("id",),
        id=text,
        token=blob,
        mount=text,
        path=text,
        issued_at=integer,
        renewed_at=maybe_integer,
        expires_at=integer,
        max_at=integer,
        renewable=integer,
        data=blob,
    )
    for column in ("token", "expires_at", "mount"):
        index("lease", column)

    guarded(
        "token",
        ("lookup",),
        lookup=blob,
        accessor=text,
        parent=maybe_blob,
        entity=text,
        kind=text,
        path=text,
        display=text,
        policies=text,
        metadata=text,
        issued_at=integer,
        renewed_at=maybe_integer,
        expires_at=maybe_integer,
        ttl=integer,
        max_ttl=integer,
        explicit_max_ttl=integer,
        period=integer,
        renewable=integer,
        uses=integer,
        uses_left=integer,
        cidrs=text,
        role=text,
        alias=text,
        environment=text,
        mount=text,
    )
    index("token", "accessor", unique=True)
    for column in ("parent", "entity", "expires_at", "path"):
        index("token", column)
    guarded(
        "entity",
        ("id",),
        id=text,
        name=text,
        metadata=text,
        policies=text,
        disabled=integer,
        created_at=integer,
        updated_at=integer,
    )
    index("entity", "name", unique=True)
    guarded(
        "alias",
        ("id",),
        id=text,
        entity=text,
        mount_accessor=text,
        name=text,
        metadata=text,
        custom_metadata=text,
        created_at=integer,
        updated_at=integer,
    )
    index("alias", "mount_accessor", "name", unique=True)
    index("alias", "entity")
    guarded(
        "policy",
        ("name",),
        name=text,
        version=integer,
        text=text,
        options=text,
        modified_at=integer,
        expires_at=maybe_integer,
    )
    guarded(
        "policy_version",
        ("name", "version"),
        name=text,
        version=integer,
        text=maybe_text,
        changed_at=integer,
        changed_by=text,
    )
    guarded(
        "environment",
        ("name",),
        name=text,
        paths=text,
        protected=integer,
        open=integer,
        description=text,
    )
    register(
        "lockout",
        ("mount", "subject"),
        mount=text,
        subject=text,
        name=blob,
        failures=integer,
        last_at=integer,
        locked_until=maybe_integer,
    )
    register(
        "control_run",
        ("id",),
        id=text,
        control=text,
        definition=text,
        period_start=integer,
        period_end=integer,
        ran_at=integer,
        verdict=text,
        population=integer,
        exceptions=integer,
        checkpoint_size=integer,
        result=blob,
    )
    index("control_run", "control", "ran_at")
    for name in APPEND_ONLY:
        _refuse_changes(name)


def _refuse_changes(name: str) -> None:
    """Make the database itself refuse UPDATE and DELETE on a table of the log."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {name}_refuses_{verb.lower()} BEFORE {verb} ON {name} "
                "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
            )
        if name in REPLACED:
            _refuse_replacing(name, *REPLACED[name])
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name}_refuses_change BEFORE UPDATE OR DELETE ON {name} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER {name}_refuses_truncate BEFORE TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {name} FROM PUBLIC")
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {name} FROM CURRENT_USER")


def _refuse_replacing(name: str, same: str, other: str) -> None:
    """Stop REPLACE, which deletes in SQLite without asking the trigger for deletes."""
    there = f"EXISTS (SELECT 1 FROM {name} WHERE {same} AND {other})"  # noqa: S608 - ours
    op.execute(
        f"CREATE TRIGGER {name}_refuses_replace BEFORE INSERT ON {name} WHEN {there} "
        "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
    )
