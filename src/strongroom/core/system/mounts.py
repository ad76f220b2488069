"""`sys/mounts`, `sys/auth` and `sys/remount`: what is mounted where.

Vault   Enabling, tuning, moving and disabling as in Vault; no mount lies inside another. `kv`
        takes its version from `options.version`; `kv-v1` and `kv-v2` are `kv` with one.
Differs A move keeps the mount's uuid, and with it data, leases, tokens and aliases: Vault revokes
        leases and tokens. It is done when the reply leaves; `sys/remount/status` knows moves from
        this server's log only until it restarts. `kv` version 1 becomes version 2 while empty.
Order   Disabling a mount that has leases hides it at once; its data is what revoking them needs,
        so it goes when the last lease is gone (`core.revocation`). Its path is free then.
Trust   Who may write `sys/mounts/*` can destroy what is stored, and `sys/auth/*` decides who may
        become whom: the latter asks for sudo.
        A row that was changed in the database serves nothing, and is listed with the type
        `changed`. It is repaired by mounting anew in its place or by disabling it: neither touches
        what the mount held, for the row no longer says what that is. `cubbyhole/` comes back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.core.records import LEASES, MOUNTS, Mount
from strongroom.core.request import SystemCall
from strongroom.core.revocation import expire_leases, expire_tokens, wipe
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_mount, check_unbound, check_whole
from strongroom.core.system.first import cubbyhole, new_mount
from strongroom.core.system.mount_settings import (
    AUTH,
    AtMount,
    Enable,
    MountConfig,
    Tune,
    configured,
    mount_path,
    shown_mount,
    shown_path,
    shown_tuning,
)
from strongroom.core.views import Live
from strongroom.identity.policy.capability import Operation
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route
from strongroom.storage.guard import Broken
from strongroom.storage.records import CELLS
from strongroom.storage.transaction import Transaction

TOKENS_OWN = "auth/token/"
PROTECTED = ("sys/", "auth/", "cubbyhole/", "identity/", "audit/", "strongroom/")
UNMOUNTABLE = frozenset({"cubbyhole", "system", "identity", "strongroom", "token", "ns_token"})
KV_VERSIONS = ("1", "2")
CHANGED = "changed"  # stands for the type of a mount whose row was changed in the database
CUBBYHOLE_PATH = "cubbyhole/"
PLUGIN_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")  # anything else is not repeated to anybody
REMEMBERED_MOVES = 100
SETTABLE = ("default_lease_ttl", "max_lease_ttl", "description", "options", "listing_visibility")


@dataclass(frozen=True, kw_only=True)
class Move:
    """From where to where."""

    source: Annotated[str, Help("Path of the mount now.", was=("from",))] = ""
    to: Annotated[str, Help("Path that it is to have.")] = ""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """Which move."""

    migration_id: Annotated[str, Help("Id that the move returned.", most=64)]


class MountRoutes:
    """See the module. One instance remembers the moves of this run."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._moves: dict[str, tuple[str, str]] = {}

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        return (
            *_family("mounts", _Table(self._server, ""), sudo=False),
            *_family("auth", _Table(self._server, AUTH), sudo=True),
            Route(
                path="remount",
                summary="Move a mount to another path.",
                sudo=True,
                write=Endpoint(Move, self.move, "mount.move"),
            ),
            Route(
                path="remount/status/{migration_id}",
                summary="How a move went.",
                read=Endpoint(Migration, self.status, "mount.move.status"),
            ),
        )

    async def move(self, call: SystemCall, given: Move) -> Reply:
        """Give a mount another path; what it holds stays with it."""
        if not given.source or not given.to:
            raise InputError("", "both 'from' and 'to' path must be specified as a string")
        source, to = mount_path(given.source, "from"), mount_path(given.to, "to")
        if _reserved(source):
            raise InputError("", f'cannot remount "{source}"')
        same_family = source.startswith(AUTH) == to.startswith(AUTH)
        if _reserved(to) or not same_family:
            raise InputError("", f"cannot remount to destination {to}")
        row = await _sound(call.transaction, source)
        if row is None or row.config.get("tainted"):
            raise InputError("", f'no matching mount at "{source}"')
        rows, broken = await call.transaction.examine(MOUNTS)
        taken = _conflict([*_paths(rows), *_changed(broken)], to)
        if taken is not None:
            raise InputError("", f'path already in use at "{taken}"')
        await check_whole(self._server, call, source, Operation.UPDATE)
        await check_mount(self._server, call, source, to)
        call.transaction.delete(MOUNTS, source)
        call.transaction.put(MOUNTS, replace(row, path=to))
        call.transaction.changed("mounts")
        call.details |= {"mount": source, "to": to, "accessor": row.accessor}
        migration = uuid_of(call.entropy(16))
        call.after_commit(lambda: self._remember(migration, source, to))
        data = {"migration_id": migration}
        return Reply(data, fields=data)

    def _remember(self, migration: str, source: str, to: str) -> None:
        self._moves[migration] = (source, to)
        while len(self._moves) > REMEMBERED_MOVES:
            del self._moves[next(iter(self._moves))]

    async def status(self, _: SystemCall, given: Migration) -> Reply:
        found = self._moves.get(given.migration_id)
        if found is None:
            raise NotFoundError
        info = {"source_mount": found[0], "target_mount": found[1], "status": "success"}
        return Reply({"migration_id": given.migration_id, "migration_info": info})


def _family(name: str, table: _Table, *, sudo: bool) -> tuple[Route, ...]:
    what = "auth method" if sudo else "secrets engine"
    return (
        Route(
            path=name,
            summary=f"Every {what} with its settings.",
            read=Endpoint(Nothing, table.show_all, "mount.list"),
        ),
        Route(
            path=f"{name}/{{path...}}",
            summary=f"Enable, show or disable one {what}.",
            sudo=sudo,
            read=Endpoint(AtMount, table.show, "mount.read"),
            write=Endpoint(Enable, table.enable, "mount.enable"),
            delete=Endpoint(AtMount, table.disable, "mount.disable"),
        ),
        Route(
            path=f"{name}/{{path...}}/tune",
            summary=f"Settings of one {what}.",
            sudo=sudo,
            read=Endpoint(AtMount, table.tuning, "mount.tune.read"),
            write=Endpoint(Tune, table.tune, "mount.tune"),
        ),
    )


class _Table:
    """The engines (`prefix` empty) or the auth methods (`auth/`)."""

    def __init__(self, server: Server, prefix: str) -> None:
        self._server = server
        self._prefix = prefix

    async def show_all(self, call: SystemCall, _: Nothing) -> Reply:
        mounts = await self._server.views.mounts(call.transaction)
        data = {
            path.removeprefix(self._prefix): shown_mount(live.row, fixed=_is_fixed(live.row))
            for path, live in sorted(mounts.by_path.items())
            if path.startswith(AUTH) == bool(self._prefix)
        }
        for each in mounts.broken:
            path = each.name
            if path.startswith(AUTH) == bool(self._prefix) and path not in mounts.by_path:
                row = new_mount(call, path, CHANGED, each.problem)
                data[path.removeprefix(self._prefix)] = shown_mount(row, fixed=False)
        return Reply(data, fields=data)

    async def show(self, call: SystemCall, given: AtMount) -> Reply:
        path = self._path(given)
        row = await self._find(call.transaction, path)
        if row is None or row.path.startswith(AUTH) != bool(self._prefix):
            kind = "auth engine" if self._prefix else "secret engine mount"
            raise InputError("", f"No {kind} at {shown_path(path)}")
        data = shown_mount(row, fixed=_is_fixed(row))
        return Reply(data, fields=data)

    async def enable(self, call: SystemCall, given: Enable) -> None:
        """Mount an engine or a method where nothing is in the way."""
        tx, path = call.transaction, self._path(given)
        kind, options = self._kind(given)
        if not self._prefix and path.startswith(PROTECTED):
            raise InputError("", f'cannot mount "{path}"')
        rows, broken = await tx.examine(MOUNTS)
        rows += [live.row for live in await self._fixed(tx)]
        others = [each for each in _changed(broken) if each != path]
        taken = _conflict([*_paths(rows), *others], path)
        if taken is not None:
            raise InputError("", f"path is already in use at {shown_path(taken)}")
        await check_mount(self._server, call, path)
        config: dict[str, object] = {
            name: True
            for name in ("local", "seal_wrap", "external_entropy_access")
            if getattr(given, name)
        }
        row = new_mount(call, path, kind, given.description, options=options, config=config)
        row = configured(row, given.config or MountConfig(), self._server.settings)
        tx.put(MOUNTS, row)
        tx.changed("mounts")
        call.details |= _details(row)
        if any(each.name == path for each in broken):
            call.details["repaired"] = True

    def _kind(self, given: Enable) -> tuple[str, dict[str, str]]:
        """Return the type that is meant, and its options. Raises InputError for none."""
        named = given.plugin_name if given.type == "plugin" else given.type
        options = {
            name: value for name, value in (given.options or {}).items() if value is not None
        }
        if not named:
            raise InputError("", "backend type must be specified as a string")
        if self._prefix and named == "token":
            raise InputError("", "token credential backend cannot be instantiated")
        if named in UNMOUNTABLE:
            raise InputError("", f'mount type of "{named}" is not mountable')
        if not self._prefix and named in ("kv", "kv-v1", "kv-v2"):
            if named != "kv":
                options["version"] = named[-1]
            if options.get("version", "1") not in KV_VERSIONS:
                raise InputError("options.version", "kv has versions 1 and 2")
            return "kv", options
        known = self._server.methods if self._prefix else self._server.engines
        if named not in known:
            missing = "plugin not found in the catalog"
            shown = f": {named}" if PLUGIN_NAME.fullmatch(named) else ""
            raise InputError("", missing + shown, logged=missing)
        return named, options

    async def disable(self, call: SystemCall, given: AtMount) -> None:
        """Hide a mount, revoke what it gave out, and destroy what it holds."""
        tx, path = call.transaction, self._path(given)
        if self._prefix and path == "auth/token/":
            raise InputError("", "token credential backend cannot be disabled")
        row = await tx.find(MOUNTS, path)
        if not self._prefix and path.startswith(PROTECTED) and not isinstance(row, Broken):
            raise InputError("", f'cannot unmount "{path}"')
        await check_mount(self._server, call, path)
        await check_whole(self._server, call, path, Operation.DELETE)
        if isinstance(row, Broken):
            self._put_right(call, path)
            return
        if row is None:
            call.details["mount"] = path
            return
        await expire_tokens(tx, row, call.now)
        expire_leases(tx, row, call.now)
        if await tx.all(LEASES, mount=row.uuid, limit=1):
            tx.put(MOUNTS, replace(row, config={**row.config, "tainted": True}))
            call.details["pending"] = "leases are being revoked"
        else:
            wipe(tx, row)
        tx.changed("mounts")
        call.details |= _details(row)

    def _put_right(self, call: SystemCall, path: str) -> None:
        """Remove a row that was changed; the one of `cubbyhole/` is made anew."""
        if path == CUBBYHOLE_PATH:
            call.transaction.put(MOUNTS, cubbyhole(call))
        else:
            call.transaction.delete(MOUNTS, path)
        call.transaction.changed("mounts")
        call.details |= {"mount": path, "repaired": True}

    async def tuning(self, call: SystemCall, given: AtMount) -> Reply:
        path = self._path(given)
        row = await self._find(call.transaction, path)
        if row is None:
            raise InputError("", f'cannot fetch sysview for path "{path}"')
        data = shown_tuning(row, self._server.settings)
        return Reply(data, fields=data)

    async def tune(self, call: SystemCall, given: Tune) -> Reply | None:
        """Change what was sent, and nothing else."""
        tx, path = call.transaction, self._path(given)
        row = await self._find(tx, path)
        if row is None:
            raise InputError("", f'tune of path "{path}" failed: no mount entry found')
        await check_mount(self._server, call, path)
        await check_whole(self._server, call, path, Operation.UPDATE)
        if "environment" in {**row.options, **(given.options or {})}:
            check_unbound(call)
        if path == TOKENS_OWN:
            _check_token_tuning(given)
        elif _is_fixed(row) or _reserved(path):
            for name in SETTABLE:
                if name in given.sent:
                    raise InputError("", f"cannot tune parameter {name} of {path}")
            raise InputError("", f"cannot tune {path}")
        changed = configured(row, given, self._server.settings)
        if given.description is not None:
            changed = replace(changed, description=given.description)
        if given.options is not None:
            changed = replace(changed, options=await _options(tx, row, given.options))
        tx.put(MOUNTS, changed)
        tx.changed("mounts")
        call.details |= _details(changed) | {"changed": sorted(given.sent)}
        return None

    def _path(self, given: AtMount) -> str:
        return self._prefix + mount_path(given.path)

    async def _find(self, tx: Transaction, path: str) -> Mount | None:
        """Return a mount's row, those of the core included; InputError if it was changed."""
        row = await _sound(tx, path)
        if row is not None:
            return None if row.config.get("tainted") else row
        return next((live.row for live in await self._fixed(tx) if live.row.path == path), None)

    async def _fixed(self, tx: Transaction) -> list[Live]:
        mounts = await self._server.views.mounts(tx)
        return [live for live in mounts.by_path.values() if live.system]


def _reserved(path: str) -> bool:
    """Say whether a path is the core's own; of auth methods, the token's is."""
    if path.startswith(AUTH):
        return path == AUTH or path.startswith("auth/token/")
    return path.startswith(PROTECTED)


def _check_token_tuning(given: Tune) -> None:
    """Of the core's own mounts, the token method alone can be tuned: it has lifetimes."""
    if "token_type" in given.sent:
        raise InputError("", "'token_type' cannot be set for 'token' or 'ns_token' auth mounts")
    if "user_lockout_config" in given.sent:
        words = 'tuning of user lockout configuration for auth type "token" not allowed'
        raise InputError("", words)
    if "options" in given.sent:
        raise InputError("", f"cannot tune parameter options of {TOKENS_OWN}")


def _is_fixed(row: Mount) -> bool:
    return row.uuid.startswith("core/") or row.kind == "cubbyhole"


async def _sound(tx: Transaction, path: str) -> Mount | None:
    """Return the row of a mount. InputError, which names it, for one that was changed."""
    row = await tx.find(MOUNTS, path)
    if isinstance(row, Broken):
        problem = f"{row.problem}; mount anew in its place, or disable it"
        raise InputError("", problem, logged=f"tampered: {row.problem}")
    return row


def _paths(rows: list[Mount]) -> list[str]:
    return [row.path for row in rows]


def _changed(broken: list[Broken]) -> list[str]:
    """Return where changed rows say that they are, as far as that is the path of a mount."""
    return [each.name for each in broken if each.name.endswith("/")]


def _conflict(taken: list[str], path: str) -> str | None:
    """Return the path of a mount that this one would hide, or lie inside of."""
    return next((each for each in taken if each.startswith(path) or path.startswith(each)), None)


async def _options(tx: Transaction, row: Mount, given: Mapping[str, str | None]) -> dict[str, str]:
    """Return a mount's options with changes; a null takes one away."""
    options = {**row.options, **given}
    before, after = row.options.get("version", "1"), options.get("version") or "1"
    if row.kind == "kv" and before != after:
        if after not in KV_VERSIONS:
            raise InputError("options.version", "kv has versions 1 and 2")
        if before == "2":
            raise InputError("", "cannot downgrade mount from version 2")
        if await tx.all(CELLS, mount=row.uuid, limit=1):
            raise InputError(
                "options.version", "only an empty mount can be upgraded; copy to a new one"
            )
    return {name: value for name, value in options.items() if value is not None}


def _details(row: Mount) -> dict[str, object]:
    """Return what an entry says of a mount."""
    found: dict[str, object] = {"mount": row.path, "kind": row.kind, "accessor": row.accessor}
    bound = row.options.get("environment")
    return found | ({"bound_environment": bound} if bound else {})
