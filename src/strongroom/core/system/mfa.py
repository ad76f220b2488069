"""`identity/mfa/method…`: the methods of Vault's login MFA, over the same factors as our own.

Vault   Methods of type `totp`. A key is made by its owner (`generate`) or by an administrator, who
        sees it (`admin-generate`).
Differs Types `duo`, `okta` and `pingid` are refused by name: there is no push, SMS or e-mail
        through a third party. A type of our own, `webauthn`, asks for a security key or passkey;
        people enrol theirs at `strongroom/factors`. `provider_factors` on a method lets the word of
        an OIDC provider do that is trusted for it. `barcode` is empty where `qr_size` is 0, or the
        URL longer than a camera likes, and has at most 1024 pixels a side. A TOTP factor that
        somebody enrolled at `strongroom/factors` does for every method of type `totp`, and a
        recovery code stands in for a code. `generate` asks for a factor (`code`, or `challenge_id`
        and `answer`) where there is another already. `key_size` is at least 16 bytes, `period` at
        most five minutes. `max_validation_attempts` wrong codes lock for half an hour. A method
        that an enforcement uses is not deleted (400; OpenBao 500); one that is deleted takes the
        keys with it that were made by it. Nobody but root makes a key for a registered person, and
        one's own is not deleted by `admin-destroy` (400).
Trust   Whoever may write methods decides what does as a second factor; a caller that is bound to an
        environment may not. Whoever may `admin-generate` has the second factor that comes of it:
        `strongroom/factors`, where nobody enrols for another, is the better way.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any, Final

from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.base.secret import Secret
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_alias, check_unbound
from strongroom.core.system.factors import (
    Enrolling,
    FactorRoutes,
    lift,
    new_factor,
    own,
    told,
)
from strongroom.core.system.mfa_enforcements import EnforcementRoutes, listed
from strongroom.core.system.people_factors import hold_removed
from strongroom.crypto.errors import PictureError
from strongroom.crypto.qr_code import qr_code
from strongroom.crypto.totp import Algorithm, Rules, otpauth
from strongroom.identity.factors.checking import factors_of
from strongroom.identity.factors.holds import ASK, FACTOR_HOLDS
from strongroom.identity.factors.records import (
    FACTORS,
    KINDS,
    MFA_ENFORCEMENTS,
    MFA_METHODS,
    TOTP,
    WEBAUTHN,
    MfaMethod,
)
from strongroom.identity.records import ENTITIES, PEOPLE, Entity
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route
from strongroom.storage.transaction import Transaction

ELSEWHERE: Final = ("duo", "okta", "pingid")
TRIES: Final = 5
LEAST_KEY, MOST_KEY = 16, 256  # bytes
LONGEST_PERIOD: Final = timedelta(minutes=5)
MOST_NAMED: Final = 256
NOT_FOR_PEOPLE: Final = (
    "a registered person enrols their own factors: at strongroom/factors, or by `generate`"
)
NO_METHOD: Final = 'configuration for method ID "{}" does not exist'

MethodId = Annotated[str, Help("Id of the method.", most=64)]
Texts = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ById:
    """Which method."""

    method_id: MethodId


@dataclass(frozen=True, kw_only=True)
class TotpGiven:
    """A TOTP method as written; what is not sent is as by default."""

    method_id: MethodId = ""
    method_name: Annotated[str, Help("Name, for `X-Vault-MFA`.", most=128)] = ""
    issuer: Annotated[str, Help("What apps show as the issuer.", most=256)] = ""
    period: Annotated[timedelta, Help("For how long one code stands.")] = timedelta(seconds=30)
    digits: Annotated[int, Help("Digits of a code: 6 or 8.")] = 6
    algorithm: Annotated[str, Help("SHA1, SHA256 or SHA512.")] = Algorithm.SHA1.value
    skew: Annotated[int, Help("Periods allowed either side: 0 or 1.")] = 1
    key_size: Annotated[int, Help("Bytes of a key.")] = 20
    qr_size: Annotated[int, Help("Pixels of a picture's side; 0: none.")] = 200
    max_validation_attempts: Annotated[int, Help("Wrong codes that lock; 0 means 5.")] = TRIES
    provider_factors: Annotated[bool, Help("A trusted provider's word will do.")] = False


@dataclass(frozen=True, kw_only=True)
class KeyGiven:
    """A method for security keys and passkeys as written."""

    method_id: MethodId = ""
    method_name: Annotated[str, Help("Name.", most=128)] = ""
    provider_factors: Annotated[bool, Help("A trusted provider's word will do.")] = False


@dataclass(frozen=True, kw_only=True)
class Anything:
    """For types that are not offered, whatever is sent."""

    method_id: MethodId = ""


@dataclass(frozen=True, kw_only=True)
class Generate(Enrolling):
    """A key for oneself."""

    method_id: MethodId = ""


@dataclass(frozen=True, kw_only=True)
class ForEntity:
    """A method, and an entity."""

    method_id: MethodId = ""
    entity_id: Annotated[str, Help("Id of the entity.", most=64)] = ""


class MfaRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._own = FactorRoutes(server)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `identity/`."""
        return (
            *self._methods(),
            *(route for kind in ELSEWHERE for route in _refused(kind)),
            *self._keys(),
            *EnforcementRoutes(self._server).routes(),
        )

    def _methods(self) -> tuple[Route, ...]:
        event = "mfa.method"
        show, drop = f"{event}.read", f"{event}.delete"
        return (
            Route(
                path="mfa/method",
                summary="All MFA methods.",
                list=Endpoint(Nothing, self.list_methods, f"{event}.list"),
            ),
            Route(
                path="mfa/method/{method_id}",
                summary="One MFA method, of whatever type.",
                read=Endpoint(ById, self.show_method, show),
            ),
            *(
                route
                for kind, given, write in (
                    (TOTP, TotpGiven, self.write_totp),
                    (WEBAUTHN, KeyGiven, self.write_webauthn),
                )
                for route in (
                    Route(
                        path=f"mfa/method/{kind}",
                        summary=f"MFA methods of type {kind}; write one to make it.",
                        list=Endpoint(Nothing, self._lister(kind), f"{event}.list"),
                        write=Endpoint(given, write, f"{event}.write"),
                    ),
                    Route(
                        path=f"mfa/method/{kind}/{{method_id}}",
                        summary=f"An MFA method of type {kind}.",
                        read=Endpoint(ById, self._shower(kind), show),
                        write=Endpoint(given, write, f"{event}.write"),
                        delete=Endpoint(ById, self._dropper(kind), drop),
                    ),
                )
            ),
        )

    def _keys(self) -> tuple[Route, ...]:
        return (
            Route(
                path="mfa/method/totp/generate",
                summary="Make a key for oneself.",
                write=Endpoint(Generate, self.generate, "factor.enrol"),
            ),
            Route(
                path="mfa/method/totp/admin-generate",
                summary="Make a key for somebody, and see it.",
                write=Endpoint(ForEntity, self.admin_generate, "factor.enrol"),
            ),
            Route(
                path="mfa/method/totp/admin-destroy",
                summary="Delete somebody's key.",
                write=Endpoint(ForEntity, self.admin_destroy, "factor.delete"),
            ),
        )

    # -- methods

    async def list_methods(self, call: SystemCall, _given: Nothing) -> Reply:
        return listed({m.id: _method(m) for m in await call.transaction.all(MFA_METHODS)})

    def _lister(self, kind: str) -> Callable[..., Any]:
        async def list_kind(call: SystemCall, _given: Nothing) -> Reply:
            found = await call.transaction.all(MFA_METHODS)
            return listed({m.id: _method(m) for m in found if m.kind == kind})

        return list_kind

    async def show_method(self, call: SystemCall, given: ById) -> Reply:
        return Reply(_method(await _found(call.transaction, given.method_id)))

    def _shower(self, kind: str) -> Callable[..., Any]:
        async def show_kind(call: SystemCall, given: ById) -> Reply:
            return Reply(_method(await _found(call.transaction, given.method_id, kind)))

        return show_kind

    async def write_totp(self, call: SystemCall, given: TotpGiven) -> Reply | None:
        _check_totp(given)
        return await self._write(
            call,
            given,
            TOTP,
            issuer=given.issuer,
            period=int(given.period.total_seconds()),
            digits=given.digits,
            algorithm=given.algorithm,
            skew=given.skew,
            key_size=given.key_size,
            qr_size=given.qr_size,
            most_tries=given.max_validation_attempts or TRIES,
        )

    async def write_webauthn(self, call: SystemCall, given: KeyGiven) -> Reply | None:
        return await self._write(call, given, WEBAUTHN)

    async def _write(
        self, call: SystemCall, given: TotpGiven | KeyGiven, kind: str, **settings: Any
    ) -> Reply | None:
        """Store a method; one that is new, or found by its name, is told its id."""
        check_unbound(call)
        tx, name = call.transaction, given.method_name
        if name in KINDS or name.startswith("{"):
            raise InputError("method_name", "is taken for what one's own factors are called")
        named = await tx.all(MFA_METHODS, name=name) if name else []
        if given.method_id:
            old: MfaMethod | None = await _found(tx, given.method_id, kind)
            if any(each.id != given.method_id for each in named):
                raise InputError("method_name", "is the name of another method")
        else:
            old = named[0] if named else None
            if old is not None and old.kind != kind:
                raise InputError("method_name", "is the name of another method")
        base = _new_method(old.id if old else uuid_of(call.entropy(16)), kind, call)
        method = replace(base, name=name, provider_factors=given.provider_factors, **settings)
        if old is not None:
            method = replace(method, created_at=old.created_at)
        tx.put(MFA_METHODS, method)
        tx.changed(f"mfa_method:{method.id}")
        call.details |= {"method": method.id, "kind": kind, "by_provider": method.provider_factors}
        return None if given.method_id else Reply({"method_id": method.id})

    def _dropper(self, kind: str) -> Callable[..., Any]:
        async def drop_kind(call: SystemCall, given: ById) -> None:
            """Delete a method that no enforcement uses, and the keys that it made."""
            check_unbound(call)
            tx = call.transaction
            method = await _found(tx, given.method_id, kind)
            for each in await tx.all(MFA_ENFORCEMENTS):
                if method.id in each.methods:
                    raise InputError("", f"the enforcement {each.name} still uses this method")
            keys = await tx.all(FACTORS, method=method.id)
            for factor in keys:
                tx.delete(FACTORS, factor.id)
            for entity in dict.fromkeys(factor.entity for factor in keys):
                await hold_removed(call, entity)
            tx.delete(MFA_METHODS, method.id)
            tx.changed(f"mfa_method:{method.id}")
            call.details |= {"method": method.id, "kind": kind, "factors_deleted": len(keys)}

        return drop_kind

    # -- keys

    async def generate(self, call: SystemCall, given: Generate) -> Reply | None:
        method = await _totp(call.transaction, given.method_id)
        if call.session is None or call.session.entity is None:
            raise InputError("", "missing entityID")
        entity = own(call)
        factors = await factors_of(call.transaction, entity.id)
        if any(factor.method == method.id for factor in factors):
            return await self._made(call, method, entity, ())
        allowed = await self._own.allowed(call, entity, given)
        await lift(call, entity.id, allowed.lifts)
        return await self._made(call, method, entity, allowed.helped_by)

    async def admin_generate(self, call: SystemCall, given: ForEntity) -> Reply | None:
        method, entity = await _for_entity(call, given)
        call.details["seen_by_another"] = True
        if call.makers and await call.transaction.get(PEOPLE, entity.id) is not None:
            raise InputError("", NOT_FOR_PEOPLE)
        if await call.transaction.get(FACTOR_HOLDS, entity.id) is not None:
            raise InputError("", ASK)
        return await self._made(call, method, entity, call.behind)

    async def _made(
        self, call: SystemCall, method: MfaMethod, entity: Entity, known_to: tuple[str, ...]
    ) -> Reply | None:
        """Make a key, unless there is one: that is said, and it stays."""
        tx = call.transaction
        if any(f.method == method.id for f in await factors_of(tx, entity.id)):
            call.warnings.append(f'Entity already has a secret for MFA method "{method.name}"')
            return None
        key = Secret(call.entropy(method.key_size))
        row = replace(
            new_factor(call, entity.id, TOTP),
            method=method.id,
            name=method.name or method.issuer,
            secret=key.reveal(),
            period=method.period,
            digits=method.digits,
            algorithm=method.algorithm,
            skew=method.skew,
            helped_by=known_to or None,
        )
        tx.put(FACTORS, row)
        told(call, row)
        rules = Rules(
            period=row.period,
            digits=row.digits,
            algorithm=Algorithm(row.algorithm),
            skew=row.skew,
        )
        url = otpauth(key, rules, issuer=method.issuer, account=entity.id)
        return Reply({"barcode": _barcode(url, method.qr_size), "url": url})

    async def admin_destroy(self, call: SystemCall, given: ForEntity) -> None:
        method, entity = await _for_entity(call, given)
        if entity.id in call.makers:
            raise InputError("", "one's own factors are deleted at strongroom/factors")
        for factor in await factors_of(call.transaction, entity.id):
            if factor.method == method.id:
                call.transaction.delete(FACTORS, factor.id)
                told(call, factor)
                await hold_removed(call, entity.id)


def _barcode(url: Secret, side: int) -> Secret:
    """Return a URL's picture as Vault has it: a PNG in base64; nothing where none is wanted."""
    if side <= 0:
        return Secret("")
    try:
        return Secret(b64encode(qr_code(url).png(side).reveal()))
    except PictureError:
        return Secret("")


def _refused(kind: str) -> tuple[Route, ...]:
    """Return the routes of a type that is not offered: they say so."""

    async def refuse(_call: SystemCall, _given: Anything) -> Reply:
        raise InputError(
            "", f"type {kind} is not offered: no push, SMS or e-mail; use totp or webauthn"
        )

    async def nothing(_call: SystemCall, _given: Nothing) -> Reply:
        return Reply({"keys": []})

    write = Endpoint(Anything, refuse, "mfa.method.write")
    return (
        Route(
            path=f"mfa/method/{kind}",
            summary=f"Type {kind} is not offered.",
            list=Endpoint(Nothing, nothing, "mfa.method.list"),
            write=write,
        ),
        Route(
            path=f"mfa/method/{kind}/{{method_id}}",
            summary=f"Type {kind} is not offered.",
            read=Endpoint(Anything, refuse, "mfa.method.read"),
            write=write,
            delete=Endpoint(Anything, refuse, "mfa.method.delete"),
        ),
    )


async def _found(tx: Transaction, id_: str, kind: str = "") -> MfaMethod:
    found = await tx.get(MFA_METHODS, id_)
    if found is None:
        raise NotFoundError
    if kind and found.kind != kind:
        raise InputError("", f"failed to find the method ID under MFA type {kind}.")
    return found


async def _totp(tx: Transaction, id_: str) -> MfaMethod:
    """Return the TOTP method that a key is to be of."""
    if not id_:
        raise InputError("", "missing method ID")
    found = await tx.get(MFA_METHODS, id_)
    if found is None or found.kind != TOTP:
        raise InputError("", NO_METHOD.format(id_), logged="no such method")
    return found


async def _for_entity(call: SystemCall, given: ForEntity) -> tuple[MfaMethod, Entity]:
    if not given.method_id:
        raise InputError("", "missing method ID")
    if not given.entity_id:
        raise InputError("", "missing entity ID")
    entity = await call.transaction.get(ENTITIES, given.entity_id)
    method = await _totp(call.transaction, given.method_id)
    if entity is None:
        raise InputError("", "invalid entity ID")
    await check_alias(call, entity)
    return method, entity


def _new_method(id_: str, kind: str, call: SystemCall) -> MfaMethod:
    return MfaMethod(
        id=id_,
        kind=kind,
        name="",
        issuer="",
        period=0,
        digits=0,
        algorithm="",
        skew=0,
        key_size=0,
        qr_size=0,
        most_tries=TRIES,
        provider_factors=False,
        created_at=call.now,
    )


def _check_totp(given: TotpGiven) -> None:
    """Raise InputError for what no method is like, in OpenBao's words where it has any."""
    if not given.issuer:
        raise InputError("", "issuer must be set")
    if given.digits not in (6, 8):
        raise InputError("", "digits can only be 6 or 8")
    if given.algorithm not in list(Algorithm):
        raise InputError("", "unrecognized algorithm")
    if given.skew not in (0, 1):
        raise InputError("", "skew must be 0 or 1")
    if given.period < timedelta(seconds=1):
        raise InputError("", "period must be greater than zero")
    if given.period > LONGEST_PERIOD:
        raise InputError("period", "at most five minutes")
    if not LEAST_KEY <= given.key_size <= MOST_KEY:
        raise InputError("key_size", f"from {LEAST_KEY} to {MOST_KEY} bytes")
    if given.max_validation_attempts < 0:
        raise InputError("", "max_validation_attempts must be greater than zero")


def _method(method: MfaMethod) -> dict[str, object]:
    """Return a method as OpenBao shows it; what is ours is there where it is set."""
    data: dict[str, object] = {
        "id": method.id,
        "name": method.name,
        "namespace_id": "root",
        "namespace_path": "",
        "type": method.kind,
    }
    if method.provider_factors:
        data["provider_factors"] = True
    if method.kind == TOTP:
        data |= {
            "algorithm": method.algorithm,
            "digits": method.digits,
            "issuer": method.issuer,
            "key_size": method.key_size,
            "max_validation_attempts": method.most_tries,
            "period": method.period,
            "qr_size": method.qr_size,
            "skew": method.skew,
        }
    return data
