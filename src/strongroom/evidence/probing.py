"""Throw-away identities and mounts, and real requests through the whole pipeline.

Everything is named `control:<id>` or `control-<id>-<random>`, so that the log tells a probe from
everybody else; it is removed when the probe is over, and what a crash left, before the next run.

Trust   An identity has one policy at most, written here for its probe, and lives ten minutes at
        the longest. Nobody but the probe has its token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from strongroom.base.ids import uuid_of
from strongroom.base.secret import Secret
from strongroom.core.records import MOUNTS, Mount
from strongroom.core.request import Incoming
from strongroom.core.router import Operation, parts
from strongroom.core.server import Server
from strongroom.core.views import Live
from strongroom.evidence.acting import act
from strongroom.identity.records import (
    ENTITIES,
    LOCKOUTS,
    POLICIES,
    TOKENS,
    Entity,
    StoredPolicy,
)
from strongroom.identity.tokens import Issued, Wanted
from strongroom.sdk.engine import Endpoint, Help, Json, Route
from strongroom.sdk.facts.probes import Answered, Prober, WriteRoute
from strongroom.storage.records import CELLS
from strongroom.storage.transaction import Transaction

LIFE: Final = timedelta(minutes=10)
OWN: Final = "control:"
PREFIX: Final = "control-"
ZERO: Final = timedelta(0)
METHODS: Final = {
    "read": "GET",
    "list": "LIST",
    "scan": "SCAN",
    "write": "POST",
    "patch": "PATCH",
    "delete": "DELETE",
}
_SECRETS: Final = (Secret, Json)


@dataclass(frozen=True, slots=True)
class Requests:
    """See `sdk.facts.probes.Prober`."""

    server: Server
    token: Secret

    async def request(
        self,
        operation: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str | None = None,
    ) -> Answered:
        """Make one request, as if it had come over the network from this machine."""
        answer = await self.server.pipeline.handle(
            Incoming(
                id=uuid_of(self.server.entropy(16)),
                operation=Operation(operation),
                path=path,
                method=METHODS[operation],
                token=self.token.text() if token is None else token,
                body=body,
                merge_patch=operation == "patch",
                address="127.0.0.1",
            )
        )
        return Answered(answer.status, answer.body or b"", answer.index)


@dataclass(frozen=True, slots=True)
class Probing:
    """See `sdk.facts.probes.Probe`."""

    server: Server

    def random_name(self) -> str:
        return self.server.entropy(8).hex()

    # -- identities

    @asynccontextmanager
    async def identity(
        self, control: str, *, environment: str = "", policy: str = ""
    ) -> AsyncIterator[Prober]:
        name = f"{OWN}{control}"
        details: dict[str, object] = {"control": control, "synthetic": True, "made": True}
        details["bound_to"] = environment

        async def make(tx: Transaction) -> Secret:
            issued = await self._make(tx, name, environment, policy)
            details["accessor"] = issued.token.accessor
            return issued.text

        path = f"strongroom/evidence/identity/{control}"
        token, _ = await act(self.server, "control.identity", path, details, make)
        try:
            yield Requests(self.server, token)
        finally:
            await self._remove(control, [name], [])

    async def _make(self, tx: Transaction, name: str, environment: str, policy: str) -> Issued:
        now = self.server.clock.now()
        metadata = {"synthetic": "true"} | ({"environment": environment} if environment else {})
        held = (name.lower(),) if policy else ()
        if policy:
            row = StoredPolicy(
                name=name.lower(),
                version=1,
                text=policy,
                options={},
                modified_at=now,
                expires_at=now + LIFE,
            )
            tx.put(POLICIES, row)
            tx.changed(f"policy:{row.name}")
        tx.put(ENTITIES, _entity(name, metadata, now))
        tx.changed(f"entity:{name}")
        wanted = Wanted(
            path="strongroom/evidence",
            display=name,
            policies=held,
            ttl=LIFE,
            explicit_max_ttl=LIFE,
            renewable=False,
            entity=name,
        )
        return self.server.tokens.issue(tx, wanted, now)

    # -- mounts

    @asynccontextmanager
    async def mounts(self, control: str) -> AsyncIterator[Mapping[str, str]]:
        base = f"{PREFIX}{control.lower()}-{self.random_name()}"
        now = self.server.clock.now()
        rows = {
            kind: self._mount(f"{base}-{kind}/", kind, now)
            for kind in sorted(self.server.engines)
            if kind != "cubbyhole"
        }
        for kind in sorted(self.server.methods):
            rows[f"auth/{kind}"] = self._mount(f"auth/{base}-{kind}/", kind, now)

        async def make(tx: Transaction) -> None:
            for row in rows.values():
                tx.put(MOUNTS, row)
            tx.changed("mounts")

        details: dict[str, object] = {"control": control, "synthetic": True, "made": True}
        path = f"strongroom/evidence/mounts/{base}"
        await act(self.server, "control.mounts", path, details, make)
        try:
            yield {kind: row.path for kind, row in rows.items()}
        finally:
            await self._remove(control, [], list(rows.values()))

    def _mount(self, path: str, kind: str, now: datetime) -> Mount:
        name, _, version = kind.partition("-v")
        return Mount(
            path=path,
            uuid=uuid_of(self.server.entropy(16)),
            accessor=f"control_{self.random_name()}",
            kind=name,
            description="a control's, for a moment",
            options={"version": version} if version else {},
            config={},
            default_ttl=ZERO,
            max_ttl=ZERO,
            created_at=now,
        )

    # -- removal

    async def _remove(self, control: str, entities: Sequence[str], mounts: Sequence[Mount]) -> None:
        async def change(tx: Transaction) -> None:
            for name in entities:
                await self._drop_identity(tx, name)
            for mount in mounts:
                await self._drop_mount(tx, mount)
            await self._drop_lockouts(tx)

        details: dict[str, object] = {"control": control, "synthetic": True, "made": False}
        path = f"strongroom/evidence/removal/{control}"
        await act(self.server, "control.removal", path, details, change)

    async def _drop_identity(self, tx: Transaction, name: str) -> None:
        for token in (await tx.examine(TOKENS, entity=name))[0]:
            await self.server.tokens.revoke(tx, token, self.server.clock.now())
        tx.delete(ENTITIES, name)
        tx.delete(POLICIES, name.lower())
        tx.changed(f"entity:{name}")
        tx.changed(f"policy:{name.lower()}")

    async def _drop_mount(self, tx: Transaction, mount: Mount) -> None:
        tx.purge(CELLS, mount=mount.uuid)
        tx.delete(MOUNTS, mount.path)
        tx.changed("mounts")
        for token in (await tx.examine(TOKENS))[0]:
            if token.mount == mount.uuid:
                await self.server.tokens.revoke(tx, token, self.server.clock.now())

    async def _drop_lockouts(self, tx: Transaction) -> None:
        for row in await tx.all(LOCKOUTS):
            if row.name.startswith((PREFIX, "canary-")):
                tx.delete(LOCKOUTS, row.mount, row.subject)

    async def sweep(self) -> None:
        """Remove what a run that was cut off has left behind."""
        tx = Transaction(self.server.database, self.server.barrier)
        left = [e.id for e in (await tx.examine(ENTITIES))[0] if e.id.startswith(OWN)]
        mounts = [
            m
            for m in (await tx.examine(MOUNTS))[0]
            if m.path.removeprefix("auth/").startswith(PREFIX) and m.accessor.startswith("control_")
        ]
        if left or mounts:
            await self._remove("sweep", left, mounts)

    # -- where to knock

    async def writes(self) -> Sequence[WriteRoute]:
        found: list[WriteRoute] = []
        for live, route, login in await self._routes():
            for operation, endpoint in (("write", route.write), ("patch", route.patch)):
                if endpoint is not None:
                    path = live.row.path + filled(route.path, f"{PREFIX}t03")
                    found.append(
                        WriteRoute(
                            operation=operation,
                            path=path,
                            fields=fields_of(endpoint, _SECRETS),
                            names=fields_of(endpoint, (str,)),
                            login=login,
                        )
                    )
        return found

    async def paths(self) -> Sequence[str]:
        found = [
            live.row.path + filled(route.path, f"{PREFIX}t35")
            for live, route, login in await self._routes()
            if not login
        ]
        return sorted(dict.fromkeys(found))

    async def _routes(self) -> list[tuple[Live, Route, bool]]:
        """Return every route but those that are open to anybody by design; log-ins stay in."""
        tx = Transaction(self.server.database, self.server.barrier)
        live = (await self.server.views.mounts(tx)).by_path
        found: list[tuple[Live, Route, bool]] = []
        for _, mount in sorted(live.items()):
            way_in = mount.routes.login.path if mount.routes.login is not None else None
            for route in mount.routes.routes:
                login = route.path == way_in
                if login or not route.open:
                    found.append((mount, route, login))
        return found


def filled(path: str, name: str) -> str:
    """Return a path that fits a route, with a name that nobody has in each field."""
    return "/".join(name if part.is_field else part.text for part in parts(path))


def fields_of(endpoint: Endpoint[Any], kinds: tuple[object, ...]) -> tuple[str, ...]:
    """Return the names of the fields that are declared to be of one of these types."""
    if not is_dataclass(endpoint.given):
        return ()
    hints = get_type_hints(endpoint.given, include_extras=True)
    return tuple(f.name for f in fields(endpoint.given) if _is_one(hints[f.name], kinds))


def _is_one(hint: object, kinds: tuple[object, ...]) -> bool:
    if get_origin(hint) is Annotated:
        kind, *told = get_args(hint)
        closed = any(isinstance(each, Help) and each.choices for each in told)
        return not closed and _is_one(kind, kinds)
    return hint in kinds or any(arm in kinds for arm in get_args(hint))


def _entity(name: str, metadata: dict[str, str], now: datetime) -> Entity:
    return Entity(
        id=name,
        name=name,
        metadata=metadata,
        policies=(),
        disabled=False,
        created_at=now,
        updated_at=now,
    )
