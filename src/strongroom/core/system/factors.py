"""`strongroom/factors`: one's own second factors: enrol, list, delete.

Order   Where there is a factor already, one must be shown in the very request that begins to enrol
        another, makes recovery codes anew, or deletes one: a token that was stolen cannot add its
        thief's key. An enrolment is begun, then finished within ten minutes, by the same entity.
        Whose factors somebody else removed shows one that was there before, or the code of an
        approval (`identity.factors.holds`).
Units   An enrolment that was begun stands for ten minutes, a challenge for five. A TOTP key has 20
        bytes, an entity at most 20 factors, and ten recovery codes.
Trust   A TOTP key and the recovery codes leave once, in the reply that makes them. Of a key or
        passkey nothing secret is ever here. Who came by an approval enrols the first one by its
        code; of anybody else whoever is first with the password does, and who set that counts as
        one who could have. Nobody who must have a factor of some kind can delete the last of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.base.secret import Secret
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.crypto.errors import CodeError
from strongroom.crypto.recovery_codes import new_code
from strongroom.crypto.totp import NEVER, Rules, base32, check, otpauth
from strongroom.identity.factors.authenticators import (
    CHALLENGE_BYTES,
    AuthenticatorError,
    registered,
    registration_options,
    request_options,
)
from strongroom.identity.factors.checking import (
    FactorRefusedError,
    Presented,
    Shown,
    Trying,
    factors_of,
    recovery_digest,
    verify,
)
from strongroom.identity.factors.demands import ENOUGH, NOTHING, rules_for
from strongroom.identity.factors.holds import ASK, FACTOR_HOLDS, check_code
from strongroom.identity.factors.records import (
    CEREMONIES,
    FACTORS,
    RECOVERY,
    TOTP,
    WEBAUTHN,
    Ceremony,
    Factor,
)
from strongroom.identity.groups import belonging_of
from strongroom.identity.makers import check_own
from strongroom.identity.people import FOUNDERS
from strongroom.identity.records import PEOPLE, Entity
from strongroom.identity.sign_ins import login_behind
from strongroom.identity.step_up import TEN_MINUTES
from strongroom.sdk.engine import Endpoint, Help, Json, Nothing, Reply, Route
from strongroom.storage.register import micros
from strongroom.storage.transaction import Transaction

MOST: Final = 20  # factors of one entity
CODES: Final = 10
KEY_BYTES: Final = 20
TRIES: Final = 5  # of the first code of a key that is being enrolled
ENROLLING: Final = timedelta(minutes=10)
CHALLENGED: Final = timedelta(minutes=5)
CHALLENGE: Final = "challenge"
TIDIED: Final = 8  # ceremonies over, removed with each one begun
OVER: Final = "SELECT id FROM factor_ceremony WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"

Name = Annotated[str, Help("What it is called.", most=128)]


@dataclass(frozen=True, kw_only=True)
class Proving:
    """A factor that is there already, shown in this request."""

    code: Annotated[Secret | None, Help("A one-time or recovery code of a factor there is.")] = None
    challenge_id: Annotated[str, Help("Id of a challenge, for `answer`.", most=64)] = ""
    answer: Annotated[Json | None, Help("What the authenticator answered to it.")] = None


@dataclass(frozen=True, kw_only=True)
class Enrolling(Proving):
    """A factor that is there already, or the code of an approval."""

    enrolment_code: Annotated[
        Secret | None, Help("The code of an approval, for whom somebody else has to allow it.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Begin(Enrolling):
    """A factor to enrol."""

    name: Name = ""


@dataclass(frozen=True, kw_only=True)
class Confirm:
    """The first code of a new key."""

    id: Annotated[str, Help("Id of the enrolment.", least=1, most=64)]
    code: Annotated[Secret, Help("The code that the app shows now.")]


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What an authenticator answered to an enrolment."""

    id: Annotated[str, Help("Id of the enrolment.", least=1, most=64)]
    credential: Annotated[Json, Help("What `navigator.credentials.create()` gave, as JSON.")]


@dataclass(frozen=True, kw_only=True)
class Drop(Proving):
    """A factor to delete."""

    id: Annotated[str, Help("Id of the factor.", least=1, most=64)]


@dataclass(frozen=True, slots=True)
class Allowed:
    """An enrolment that may begin: the factors that are there, and what comes of the new one.

    `lifts` is the mark of the hold that it ends.
    """

    factors: list[Factor]
    vouched: bool = False
    helped_by: tuple[str, ...] = ()
    lifts: str | None = None


class FactorRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""

        def write(path: str, summary: str, endpoint: Endpoint[Any]) -> Route:
            return Route(path=f"factors/{path}", summary=summary, write=endpoint)

        return (
            Route(
                path="factors",
                summary="One's own factors; nothing secret of them.",
                list=Endpoint(Nothing, self.list_own, "factor.list"),
            ),
            write(
                "challenge",
                "Ask one's own security keys to sign: for requests that want a fresh factor.",
                Endpoint(Nothing, self.challenge, "factor.challenge"),
            ),
            write(
                "totp/begin",
                "Make a key for an authenticator app; it is shown this once.",
                Endpoint(Begin, self.begin_totp, "factor.begin"),
            ),
            write(
                "totp/confirm",
                "Enrol it by its first code.",
                Endpoint(Confirm, self.confirm_totp, "factor.enrol"),
            ),
            write(
                "webauthn/begin",
                "Begin to enrol a security key or passkey.",
                Endpoint(Begin, self.begin_webauthn, "factor.begin"),
            ),
            write(
                "webauthn/finish",
                "Enrol it by what it answered.",
                Endpoint(Finish, self.finish_webauthn, "factor.enrol"),
            ),
            write(
                "recovery",
                "Make ten recovery codes, shown this once; older ones do not work any more.",
                Endpoint(Proving, self.make_recovery, "factor.enrol"),
            ),
            write(
                "{id}/delete",
                "Delete one of one's own factors, showing one.",
                Endpoint(Drop, self.drop, "factor.delete"),
            ),
        )

    async def list_own(self, call: SystemCall, _given: Nothing) -> Reply:
        entity = own(call)
        told = listing(await factors_of(call.transaction, entity.id))
        held = await call.transaction.get(FACTOR_HOLDS, entity.id)
        data = {**(told.data or {}), "enrolment_code_needed": held is not None}
        if held is not None and not data["keys"]:  # else a list of nothing has no body
            raise NotFoundError(data=data)
        return told._replace(data=data)

    # -- showing one that is there

    async def challenge(self, call: SystemCall, _given: Nothing) -> Reply:
        """Begin an assertion; InputError for somebody without a key."""
        factors = await factors_of(call.transaction, own(call).id)
        keys = [f for f in factors if f.kind == WEBAUTHN and not f.disabled]
        if not keys:
            raise InputError("", "there is no security key or passkey to ask")
        secret = call.entropy(CHALLENGE_BYTES)
        begun = await self._begin(call, CHALLENGE, "", secret, CHALLENGED)
        party = self._server.factors.party
        options = request_options(party, challenge=secret, known=keys)
        told = {"challenge_id": begun.id, "options": Json(options), "page": party.key_page}
        return Reply(told)

    async def prove(self, call: SystemCall, entity: str, given: Proving) -> Shown:
        """Return which factor was shown in this request. Raises FactorRefusedError for none."""
        begun = None
        if given.answer is not None:
            begun = await self._begun(call, given.challenge_id, CHALLENGE)
        presented = Presented(
            code=given.code,
            answer=Secret(given.answer.raw) if given.answer is not None else None,
            challenge=begun.secret if begun is not None else None,
        )
        trying = Trying(party=self._server.factors.party)
        try:
            shown = await verify(call.transaction, entity, presented, call.now, trying)
        except FactorRefusedError as error:
            if begun is None:
                raise
            over = ((CEREMONIES, replace(begun, expires_at=call.now)),)
            raise FactorRefusedError(error.reason, (*error.rows, *over), error.details) from None
        call.details |= {"shown": shown.kind, "shown_factor": shown.row.id}
        return shown

    async def counts(self, call: SystemCall, factor: Factor) -> bool:
        """Say whether a factor is more than whoever holds a token could have made with it.

        It was there before the login behind the token, or was enrolled by somebody who showed one
        that counted.
        """
        if factor.vouched:
            return True
        token = call.session.token if call.session is not None else None
        login = None if token is None else await login_behind(call.transaction, token)
        return login is not None and factor.created_at <= login.issued_at

    async def allowed(self, call: SystemCall, entity: Entity, given: Proving) -> Allowed:
        """Ask for a factor if there is one, or for what an approval gave; say what comes of it.

        One that was shown with this token a short time ago counts too. Raises FactorRefusedError
        for a wrong one, InputError for who is held (`identity.factors.holds`) and shows neither.
        """
        tx = call.transaction
        factors, held = await factors_of(tx, entity.id), await tx.get(FACTOR_HOLDS, entity.id)
        code = given.enrolment_code if isinstance(given, Enrolling) else None
        if held is not None and code is not None:
            check_code(tx.barrier, held, code, call.now)
            call.details["enrolment_code"] = "shown"
            return Allowed(factors, helped_by=held.known_to, lifts=held.mark)
        if held is not None and not any(held.outlived_by(f) for f in factors if not f.disabled):
            raise InputError("", ASK, logged="held, and no enrolment code was given")
        sign_in = call.session.sign_in if call.session is not None else None
        fresh = sign_in is not None and sign_in.fresh(call.now, TEN_MINUTES)
        if not factors:
            founds = len(await tx.all(PEOPLE, limit=FOUNDERS + 1)) <= FOUNDERS
            helped_by = () if founds else _could_be(call)  # one vouches for the other
            return Allowed(factors, vouched=fresh, helped_by=helped_by)
        shown = await self.prove(call, entity.id, given)
        if held is not None and not held.outlived_by(shown.row):
            raise FactorRefusedError(
                "the factor that was shown came after the removal, or is of who removed",
                ((FACTORS, shown.row),),
            )
        return Allowed(
            factors,
            vouched=fresh or await self.counts(call, shown.row),
            helped_by=shown.row.helped_by or (),
            lifts=None if held is None else held.mark,
        )

    # -- enrolling

    async def begin_totp(self, call: SystemCall, given: Begin) -> Reply:
        entity = own(call)
        allowed = await self.allowed(call, entity, given)
        _check_room(allowed.factors)
        key = Secret(call.entropy(KEY_BYTES))
        begun = await self._begin(call, TOTP, given.name, key.reveal(), ENROLLING, allowed)
        url = otpauth(key, Rules(), issuer=self._server.settings.cluster_name, account=entity.name)
        return Reply(
            {
                "id": begun.id,
                "secret": base32(key),
                "url": url,
                "expires_at": rfc3339(begun.expires_at),
            }
        )

    async def confirm_totp(self, call: SystemCall, given: Confirm) -> Reply:
        """Enrol a key whose code is right. A few wrong ones end the enrolment."""
        begun, rules = await self._begun(call, given.id, TOTP), Rules()
        try:
            step = check(
                given.code,
                Secret(begun.secret),
                rules,
                seconds=call.now.timestamp(),
                spent=NEVER,
            )
        except CodeError:
            tried = replace(begun, tries=begun.tries + 1)
            if tried.tries >= TRIES:
                tried = replace(tried, expires_at=call.now)
            raise FactorRefusedError("the first code is wrong", ((CEREMONIES, tried),)) from None
        return await self._enrolled(
            call, begun, replace(new_factor(call, own(call).id, TOTP), spent=step)
        )

    async def begin_webauthn(self, call: SystemCall, given: Begin) -> Reply:
        entity = own(call)
        allowed = await self.allowed(call, entity, given)
        _check_room(allowed.factors)
        secret = call.entropy(CHALLENGE_BYTES)
        begun = await self._begin(call, WEBAUTHN, given.name, secret, ENROLLING, allowed)
        options = registration_options(
            self._server.factors.party,
            challenge=secret,
            entity=entity.id,
            name=entity.name,
            known=allowed.factors,
        )
        return Reply(
            {
                "id": begun.id,
                "options": Json(options),
                "expires_at": rfc3339(begun.expires_at),
            }
        )

    async def finish_webauthn(self, call: SystemCall, given: Finish) -> Reply:
        """Enrol an authenticator whose answer holds; one that does not ends the enrolment."""
        begun = await self._begun(call, given.id, WEBAUTHN)
        try:
            found = registered(self._server.factors.party, given.credential.raw, begun.secret)
        except AuthenticatorError as error:
            over = ((CEREMONIES, replace(begun, expires_at=call.now)),)
            raise FactorRefusedError(str(error), over) from None
        if await call.transaction.all(FACTORS, credential=found.credential):
            raise InputError("credential", "this authenticator is enrolled already")
        factor = replace(
            new_factor(call, own(call).id, WEBAUTHN),
            credential=found.credential,
            signs=found.signs,
            aaguid=found.aaguid,
            transports=found.transports,
            user_verified=found.user_verified,
            backup_eligible=found.backup_eligible,
            backed_up=found.backed_up,
        )
        return await self._enrolled(call, replace(begun, secret=found.public_key), factor)

    async def _enrolled(self, call: SystemCall, begun: Ceremony, factor: Factor) -> Reply:
        """Store the factor that an enrolment was for, and end that."""
        await lift(call, begun.entity, begun.lifts)
        row = replace(
            factor,
            name=begun.name,
            secret=begun.secret,
            vouched=begun.vouched,
            helped_by=begun.helped_by,
        )
        call.transaction.delete(CEREMONIES, begun.id)
        call.transaction.put(FACTORS, row)
        told(call, row)
        return Reply({"factor_id": row.id, **shown(row)})

    async def make_recovery(self, call: SystemCall, given: Proving) -> Reply:
        tx, entity = call.transaction, own(call)
        allowed = await self.allowed(call, entity, given)
        factors = allowed.factors
        if not any(factor.kind != RECOVERY for factor in factors):
            raise InputError("", "enrol a security key or an authenticator app first")
        for factor in factors:
            if factor.kind == RECOVERY:
                tx.delete(FACTORS, factor.id)
        codes = [new_code(call.entropy) for _ in range(CODES)]
        digests = tuple(recovery_digest(tx.barrier, entity.id, code).hex() for code in codes)
        row = replace(
            new_factor(call, entity.id, RECOVERY),
            codes=digests,
            vouched=allowed.vouched,
            helped_by=allowed.helped_by or None,
        )
        tx.put(FACTORS, row)
        told(call, row)
        return Reply({"factor_id": row.id, "codes": codes})

    async def _begin(  # noqa: PLR0913, PLR0917 - each is one column
        self,
        call: SystemCall,
        purpose: str,
        name: str,
        secret: bytes,
        lasts: timedelta,
        allowed: Allowed | None = None,
    ) -> Ceremony:
        begun = Ceremony(
            id=uuid_of(call.entropy(16)),
            entity=own(call).id,
            purpose=purpose,
            name=name or purpose,
            secret=secret,
            tries=0,
            expires_at=call.now + lasts,
            vouched=allowed is not None and allowed.vouched,
            helped_by=(allowed.helped_by or None) if allowed is not None else None,
            lifts=allowed.lifts if allowed is not None else None,
        )
        await _tidy(call.transaction, call.now)
        call.transaction.put(CEREMONIES, begun)
        return begun

    async def _begun(self, call: SystemCall, id_: str, purpose: str) -> Ceremony:
        """Return what was begun, ended for the next request. Raises InputError where none stands.

        It is one's own, of this purpose, and in time; another's is none.
        """
        begun = await call.transaction.get(CEREMONIES, id_)
        stands = begun is not None and begun.expires_at > call.now
        if begun is None or not stands or (begun.entity, begun.purpose) != (own(call).id, purpose):
            raise InputError("", "nothing of this id was begun, or it is over: begin again")
        call.transaction.delete(CEREMONIES, begun.id)
        return begun

    # -- deleting

    async def drop(self, call: SystemCall, given: Drop) -> None:
        """Delete one of one's own factors; recovery codes go with the last that they stood for."""
        tx, entity = call.transaction, own(call)
        factors = await factors_of(tx, entity.id)
        if not any(factor.id == given.id for factor in factors):
            raise NotFoundError
        await self.prove(call, entity.id, given)
        left = [factor for factor in factors if factor.id != given.id]
        if all(factor.kind == RECOVERY for factor in left):
            left = []
        await self._check_left(call, entity, left)
        for factor in factors:
            if factor not in left:
                tx.delete(FACTORS, factor.id)
                told(call, factor)

    async def _check_left(self, call: SystemCall, entity: Entity, left: Sequence[Factor]) -> None:
        tx, views = call.transaction, self._server.views
        belonging = await belonging_of(tx, entity.id, await views.graph(tx))
        policies = call.session.policies if call.session is not None else ()
        kinds = {factor.kind for factor in left if not factor.disabled}
        rules = rules_for(await self._server.factors.book(tx), policies, belonging.all)
        waived = any(NOTHING in rule.kinds for rule in rules)
        person = call.session is not None and call.session.person
        if person and not waived and kinds.isdisjoint(ENOUGH):
            raise InputError("", "enrol another app or security key first: you must have one")
        for rule in rules:
            if NOTHING not in rule.kinds and kinds.isdisjoint(rule.kinds):
                needed = " or ".join(rule.kinds)
                raise InputError("", f"enrol another {needed} first: you must have one")


async def lift(call: SystemCall, entity: str, mark: str | None) -> None:
    """End the hold under which an enrolment began; InputError where it is another by now."""
    held = await call.transaction.get(FACTOR_HOLDS, entity)
    if (None if held is None else held.mark) != mark:
        raise InputError("", f"what this enrolment was begun by is not so any more: {ASK}")
    if held is not None:
        call.transaction.delete(FACTOR_HOLDS, entity)
        call.transaction.changed(f"entity:{entity}")
        call.details |= {"hold_ended": True, "code_known_to": held.known_to}


def _could_be(call: SystemCall) -> tuple[str, ...]:
    """Return who else could enrol what the caller does without showing a factor."""
    sign_in = None if call.session is None else call.session.sign_in
    helpers = (sign_in.helped_by or ()) if sign_in is not None else ()
    return tuple(dict.fromkeys((*call.helped_by, *helpers)))


def own(call: SystemCall) -> Entity:
    """Return whose token asks.

    Raises InputError for a token that is nobody's, DeniedError for one that another entity made.
    """
    entity = call.session.entity if call.session is not None else None
    if entity is None:
        raise InputError("", "this token is nobody's who could have factors: log in as yourself")
    if call.session is not None:
        check_own(call.session.made)
    return entity


def new_factor(call: SystemCall, entity: str, kind: str) -> Factor:
    """Return a factor with nothing set."""
    rules = Rules()
    return Factor(
        id=uuid_of(call.entropy(16)),
        entity=entity,
        kind=kind,
        method="",
        name="",
        secret=None,
        period=rules.period,
        digits=rules.digits,
        algorithm=rules.algorithm.value,
        skew=rules.skew,
        spent=NEVER,
        codes=(),
        credential=None,
        signs=0,
        aaguid="",
        transports=(),
        user_verified=False,
        backup_eligible=False,
        backed_up=False,
        created_at=call.now,
    )


def listing(factors: Sequence[Factor]) -> Reply:
    """Return factors as a list shows them."""
    info = {factor.id: {**shown(factor), "entry": factor.entry} for factor in factors}
    return Reply({"keys": list(info), "key_info": info})


def shown(factor: Factor) -> dict[str, object]:
    """Return what may be seen of a factor."""
    data: dict[str, object] = {
        "kind": factor.kind,
        "name": factor.name,
        "method_id": factor.method,
        "created_at": rfc3339(factor.created_at),
        "used_at": None if factor.used_at is None else rfc3339(factor.used_at),
        "disabled": factor.disabled,
    }
    if factor.kind == RECOVERY:
        data["codes_left"] = len(factor.codes)
    if factor.kind == WEBAUTHN:
        data |= {
            "aaguid": factor.aaguid,
            "transports": list(factor.transports),
            "user_verified": factor.user_verified,
            "backup_eligible": factor.backup_eligible,
            "backed_up": factor.backed_up,
            "sign_count": factor.signs,
        }
    return data


def told(call: SystemCall, factor: Factor) -> None:
    """Say in the entry which factor was made or deleted."""
    call.details |= {"entity": factor.entity, "factor": factor.id, "kind": factor.kind}
    if factor.kind == WEBAUTHN:
        call.details |= {"aaguid": factor.aaguid, "backup_eligible": factor.backup_eligible}


def _check_room(factors: Sequence[Factor]) -> None:
    if len(factors) >= MOST:
        raise InputError("", f"at most {MOST} factors: delete one first")


async def _tidy(tx: Transaction, now: datetime) -> None:
    """Remove a few ceremonies whose time is over; to remove one twice is to remove it once."""
    for [id_] in await tx.reader.rows(OVER, (micros(now), TIDIED)):
        tx.delete(CEREMONIES, id_)
