"""`strongroom/bootstrap`: the first administrator, by a code instead of a root token.

    init with `bootstrap` → code → `strongroom/bootstrap`: mount, person, policy, rule
                                 → a token that can only enrol → a key → a login like any other

Vault   Not Vault's. Where `sys/init` was done in Vault's way there is no code, and this refuses.
Units   The code has 80 random bits and stands for 24 hours. After five wrong ones in a row none is
        judged for a minute, and each further wrong one begins that minute anew.
Order   All that the first administrator needs is written in one transaction with the end of the
        code: of two requests with one code, the second is served again and finds it used.
Trust   Whoever has the code becomes the administrator; a keyed digest of it is kept, sealed. Wrong,
        used and late codes, and none that stands, answer alike and cost alike. Nothing slow is
        done before the code was right. Who floods this path delays it. Once there ever was the
        policy `administrator` no code counts, so that an older row of the database brings none
        back. A weak password costs no code.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError
from strongroom.base.ids import uuid_of
from strongroom.base.secret import Secret
from strongroom.core.records import MOUNTS, Mount
from strongroom.core.request import SystemCall
from strongroom.core.router import Operation
from strongroom.core.second_factor import (
    ENROLS_FOR,
    Signing,
    issued,
    session_limits,
    to_enrol,
)
from strongroom.core.server import Server
from strongroom.core.system.administrator import (
    ADMINISTRATOR,
    ever_written,
    write_policy,
    write_rule,
)
from strongroom.core.system.ceremonies import unsealed
from strongroom.core.system.first import new_mount
from strongroom.core.system.identity import by_name
from strongroom.core.system.people import put_person
from strongroom.crypto.errors import CodeError
from strongroom.crypto.recovery_codes import canonical, new_code
from strongroom.identity.admission import Registering, put_registering
from strongroom.identity.entities import Known, new_alias, new_entity
from strongroom.identity.factors.checking import FactorRefusedError
from strongroom.identity.people import check_person, new_person
from strongroom.identity.records import ALIASES, ENTITIES, Entity
from strongroom.identity.standing import standing_of
from strongroom.identity.tokens import Wanted
from strongroom.sdk.engine import Call, Endpoint, Help, Reply, Route
from strongroom.sdk.rules import for_people, valid_name
from strongroom.storage.barrier import Barrier
from strongroom.storage.records import SETTINGS, Setting
from strongroom.storage.store import MountStore

SETTING: Final = "bootstrap"
LABEL: Final = "bootstrap-code"
LASTS: Final = timedelta(hours=24)
FAILURES: Final = 5
LOCKED: Final = timedelta(minutes=1)
SLACK: Final = timedelta(minutes=1)  # of a clock that is set back
WORDS: Final = "the code is wrong, was used, or is over"
METHOD: Final = "userpass"
PLACES: Final = ("auth/people/", "auth/administrators/")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The code that stands, as it is kept."""

    digest: str  # base64
    made_at: datetime
    failures: int = 0
    locked_until: datetime | None = None


class CodeRefusedError(FactorRefusedError):
    """No code, or another; the failure is written although it is refused."""

    def __init__(self, reason: str, row: Setting | None, failures: int = 0) -> None:
        rows = () if row is None else ((SETTINGS, row),)
        super().__init__(reason, rows, {"failures": failures} if failures else {})
        self.args = (WORDS,)


@dataclass(frozen=True, kw_only=True)
class Given:
    """The first administrator, and the code."""

    code: Annotated[Secret, Help("The code that `sys/init` gave.")]
    name: Annotated[str, Help("Name, for people to read.", least=1, most=256)]
    email: Annotated[str, Help("E-mail address.", least=3, most=320)]
    username: Annotated[str, Help("User name; case does not matter.", least=1, most=512)]
    password: Annotated[Secret, Help("Password; one that is easy to guess is refused.")]
    registration: Annotated[
        str,
        Help(
            "required: nobody logs in who was not registered before; left out, as it is.",
            choices=("", *map(str, Registering)),
        ),
    ] = ""


class BootstrapRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="bootstrap",
                summary="Make the first administrator, by the code of `sys/init`.",
                open=True,
                write=Endpoint(Given, self.begin, "bootstrap.administrator"),
            ),
        )

    async def begin(self, call: SystemCall, given: Given) -> Reply:
        """Make the administrator; return a token that can enrol a key, and nothing else."""
        unsealed(self._server.seal)
        await _spend(call, given.code)
        name = valid_name(given.username.lower(), "username")
        mount = await self._mount(call)
        await self._put_user(call, mount, name, given.password)
        entity = await _put_entity(call, mount, name, given)
        write_policy(call, entity.id)
        write_rule(call)
        if given.registration:
            put_registering(call.transaction, Registering(given.registration))
            call.details["registration"] = given.registration
        return await self._admit(call, mount, name, entity)

    async def _mount(self, call: SystemCall) -> Mount:
        """Return the mount of people's passwords; one is made where there is none."""
        rows, broken = await call.transaction.examine(MOUNTS)
        for row in rows:
            if row.path.startswith("auth/") and row.kind == METHOD and for_people(row.options):
                return row
        taken = [*(row.path for row in rows), *(each.name for each in broken)]
        free = (p for p in PLACES if not any(p.startswith(t) or t.startswith(p) for t in taken))
        path = next(free, None)
        if path is None:
            raise InputError("", f"there are other mounts at {' and '.join(PLACES)}")
        made = new_mount(
            call,
            path,
            METHOD,
            "passwords of people",
            options={"people": "true"},
            config={"listing_visibility": "unauth"},  # so that the console's sign-in offers it
        )
        call.transaction.put(MOUNTS, made)
        call.transaction.changed("mounts")
        return made

    async def _put_user(self, call: SystemCall, mount: Mount, name: str, password: Secret) -> None:
        """Make the user through the method's own path, which judges the password."""
        live = self._server.views.live(mount)
        bound, fields = live.routes.match(f"users/{name}", Operation.WRITE)
        body = msgspec.json.encode({"password": password.text(), "token_policies": []})
        user = bound.decode(fields, None, body).given
        inner = Call(
            store=MountStore(call.transaction, mount.uuid, ""),
            now=call.now,
            entropy=call.entropy,
            fingerprint=call.fingerprint,
            mount=live.mounted,
            address=call.address,
        )
        exists = bound.route.exists
        if exists is not None and await exists(inner, user):
            raise InputError("username", "is taken")
        await bound.endpoint.serve(inner, user)

    async def _admit(self, call: SystemCall, mount: Mount, name: str, entity: Entity) -> Reply:
        server, tx = self._server, call.transaction
        standing = await standing_of(tx, entity.id, await server.views.graph(tx))
        if standing is None:
            raise LookupError("the entity that was just made")
        wanted = Wanted(
            path=f"{mount.path}login/{name}",
            display=f"{mount.path.removeprefix('auth/').rstrip('/')}-{name}",
            policies=("default",),
            ttl=ENROLS_FOR,
            entity=entity.id,
            metadata={"username": name},
            role=name,
            alias=name,
            mount=mount.uuid,
        )
        signing = Signing(
            id=uuid_of(call.entropy(16)),
            factors=(),
            address=call.address,
            limits=await session_limits(tx, standing),
        )
        reply, call.actor = issued(
            server.tokens, tx, to_enrol(wanted), standing, now=call.now, signing=signing
        )
        call.details |= {"mount": mount.path, "entity_policies": [ADMINISTRATOR]}
        told = {"entity_id": entity.id, "username": name, "mount": mount.path}
        return reply._replace(data=told)


def new_bootstrap(call: SystemCall, barrier: Barrier) -> dict[str, object]:
    """Store a code, and return it as `sys/init` tells it."""
    code = new_code(call.entropy)
    digest = b64encode(_digest(barrier, code)).decode()
    call.transaction.put(SETTINGS, _row(Standing(digest=digest, made_at=call.now)))
    return {"bootstrap_code": code, "bootstrap_expires_at": rfc3339(call.now + LASTS)}


async def _spend(call: SystemCall, code: Secret) -> None:
    """End the code that stands, if this is it. Raises CodeRefusedError, always alike."""
    tx, now = call.transaction, call.now
    row = await tx.get(SETTINGS, SETTING)
    found = None if row is None else msgspec.json.decode(row.value, type=Standing)
    kept = bytes(32) if found is None else b64decode(found.digest)
    right = hmac.compare_digest(_digest(tx.barrier, code), kept)
    if found is None or await ever_written(tx):
        raise CodeRefusedError("no code stands", row)
    if found.locked_until is not None and now < found.locked_until:
        raise CodeRefusedError("too many wrong codes", row)
    if not found.made_at - SLACK <= now < found.made_at + LASTS:
        raise CodeRefusedError("the code is over", row)
    if not right:
        failures = found.failures + 1
        until = now + LOCKED if failures >= FAILURES else None
        tried = msgspec.structs.replace(found, failures=failures, locked_until=until)
        raise CodeRefusedError("a wrong code", _row(tried), failures)
    tx.delete(SETTINGS, SETTING)


async def _put_entity(call: SystemCall, mount: Mount, name: str, given: Given) -> Entity:
    """Store the entity, its alias and its person."""
    tx = call.transaction
    if await tx.all(ALIASES, mount_accessor=mount.accessor, name=name):
        raise InputError("username", "is taken")
    free = await by_name(call, name) is None
    made = new_entity(call.now, call.entropy, name if free else "")
    entity = replace(made, policies=(ADMINISTRATOR,))
    known = Known(mount.accessor, name, {"person": "true"})
    tx.put(ENTITIES, entity)
    tx.put(ALIASES, new_alias(entity.id, known, call.now, call.entropy))
    person = replace(new_person(entity.id, call.now), name=given.name, email=given.email)
    check_person(person)
    put_person(call, person)
    return entity


def _digest(barrier: Barrier, code: Secret) -> bytes:
    """Return the keyed digest of a code; of what no code is, that of nothing."""
    try:
        text = canonical(code).reveal()
    except CodeError:
        text = b""
    return barrier.digest(LABEL, text)


def _row(standing: Standing) -> Setting:
    return Setting(SETTING, msgspec.json.encode(standing))
