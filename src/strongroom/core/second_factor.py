"""From a first factor to a token: what else is demanded, and the login that waits for it.

    first factor → what is demanded → nothing: the token
                                    → shown at once (`X-Vault-MFA`): the token, or 403
                                    → a request id; `sys/mfa/validate` with it: the token, or 403

Vault   Login MFA in two phases and in one. A request id stands for five minutes and is used once.
        Beside what Vault says of a method, one for security keys has `options`: what
        `navigator.credentials.get()` takes; its answer, as JSON, is the passcode. `page` is where
        a browser asks the key for a program that has none (`console.pages.key`).
Differs A refusal says the same whatever was wrong. A code is taken once, with all before it.
        Failures are counted for each entity, and lock its second factors for half an hour. The
        word `passcode=` may stand before a code anywhere, and one code meets every demand of its
        method (OpenBao wants another for each enforcement). A waiting login is judged anew when
        its factor is shown: one whose user was deleted, disabled or has left meanwhile, whose
        password, role or mount was changed, or which is not admitted any more, gives no token; and
        what is demanded is what is demanded then.
Order   The waiting login holds what the token would be; no token exists. What was shown is spent in
        the transaction that makes the token, or with the refusal.
Trust   Whoever has the request id and a factor gets the token. The id is kept as a keyed digest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from strongroom.audit.entry import Actor, Kind
from strongroom.base.errors import InputError
from strongroom.base.ids import uuid_of
from strongroom.base.secret import Secret
from strongroom.core.attempt import Attempt
from strongroom.core.views import Live, Views
from strongroom.identity.admission import NotAdmittedError
from strongroom.identity.factors.authenticators import (
    CHALLENGE_BYTES,
    RelyingParty,
    request_options,
)
from strongroom.identity.factors.checking import (
    FAILURES,
    FactorRefusedError,
    Presented,
    Shown,
    Trying,
    factors_of,
    verify,
)
from strongroom.identity.factors.demands import (
    ENROL,
    Book,
    Comer,
    applies,
    asking,
    demanded,
    read_book,
    refused_rule,
)
from strongroom.identity.factors.holds import FACTOR_HOLDS
from strongroom.identity.factors.records import (
    FACTORS,
    MFA_PENDING,
    WEBAUTHN,
    Demand,
    Factor,
    Option,
    Pending,
)
from strongroom.identity.records import NONE, Token
from strongroom.identity.sessions import actor_of
from strongroom.identity.shown import auth_of
from strongroom.identity.sign_ins import API, SIGN_INS, Limits, SignIn, network_of
from strongroom.identity.sign_ins import limits as limits_now
from strongroom.identity.standing import Standing
from strongroom.identity.tokens import Tokens, Wanted, kept
from strongroom.sdk.auth import Proof
from strongroom.sdk.engine import Json, Reply
from strongroom.sdk.rules import for_people
from strongroom.storage.register import micros
from strongroom.storage.transaction import Transaction

LASTS: Final = timedelta(minutes=5)  # a login that waits
ENROLS_FOR: Final = timedelta(minutes=15)  # a token that can only enrol
LABEL: Final = "mfa-request"
MOST_SHOWN: Final = 8  # factors in one request
TIDIED: Final = 8  # waiting logins that are over, removed with each one made
OVER: Final = "SELECT lookup FROM mfa_pending WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
WAITS: Final = (
    "A login request was issued that is subject to MFA validation. Please make sure to validate "
    "the login by sending another request to mfa/validate endpoint."
)
Credentials = Mapping[str, Sequence[str]]  # what is shown, by the id or name of a method


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstFactor:
    """A login that has shown its first factor, and the token that it asks for."""

    proof: Proof
    standing: Standing
    wanted: Wanted
    proven: Callable[[], Awaitable[str]] | None = None  # of one that was just shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What an entity shows for some demands; `challenge` is what its authenticator was asked."""

    entity: str
    demands: tuple[Demand, ...]
    given: Credentials
    challenge: bytes | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The token to make; or, where the login has to wait, the reply that says so.

    `factors` are the kinds that were shown beside the login, or that a provider vouches for.
    """

    wanted: Wanted
    waiting: Reply | None = None
    factors: tuple[str, ...] = ()
    enrolled_at: datetime | None = None
    enrolled_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """What is kept beside a person's token: which factors were shown, and from where."""

    id: str
    factors: tuple[str, ...]
    address: str
    provided: tuple[str, ...] = ()  # by a trusted provider, beside what was shown here
    enrolled_at: datetime | None = None  # the oldest of what was shown here
    enrolled_by: tuple[str, ...] = ()  # who else could have enrolled all of it
    limits: Limits | None = None  # of a registered person, whose token is a session from here on
    hands: tuple[str, ...] = ()  # who could log in at the mount as anybody


def issued(  # noqa: PLR0913 - each is something that the token goes by
    tokens: Tokens,
    tx: Transaction,
    wanted: Wanted,
    standing: Standing,
    *,
    now: datetime,
    signing: Signing | None,
) -> tuple[Reply, Actor]:
    """Make the token of a login; return the reply, and who the log says it was.

    `signing` is None for who is no person.
    """
    if signing is not None and signing.limits is not None:
        wanted = no_longer(wanted, signing.limits.longest)
    made = tokens.issue(tx, wanted, now)
    if signing is not None and made.token.lookup:
        tx.put(SIGN_INS, signed_in(made.token, signing, now, wanted.helped_by))
    enrols = ENROL in wanted.policies  # and has nothing else: see `Views.open`
    bound = {standing.environment, made.token.environment} - {""}
    policies = wanted.policies if enrols else kept((*made.token.policies, *standing.policies))
    actor = actor_of(made.token, frozenset(bound), policies, standing.kind)
    return Reply(fields={"auth": auth_of(made, None if enrols else standing)}), actor


def batch_details(wanted: Wanted) -> dict[str, object]:
    """Return what the log has of a login's batch token: no entry ever has an accessor of it."""
    if wanted.kind != "batch":
        return {}
    return {
        "token_type": wanted.kind,
        "token_policies": wanted.policies,
        "token_mount": wanted.mount,
        "ttl": int(wanted.ttl.total_seconds()),
    }


def signed_in(token: Token, signing: Signing, now: datetime, helped_by: tuple[str, ...]) -> SignIn:
    """Return what is known of a login: a token like any other, until it is opened as a session.

    That of a registered person is one from the beginning.
    """
    limits, address = signing.limits, signing.address
    if limits is not None:
        others = (each for each in signing.hands if each != token.entity)
        helped_by = tuple(dict.fromkeys((*helped_by, *others)))
    return SignIn(
        lookup=token.lookup,
        id=signing.id,
        entity=token.entity,
        surface=API,
        factors=signing.factors,
        factor_at=now if signing.factors else None,
        shown=tuple(sorted({*signing.factors, *signing.provided})),
        opened_at=now,
        seen_at=now,
        idle=NONE if limits is None else limits.idle,
        ends_at=None if limits is None else now + limits.longest,
        until=None,
        address=address,
        agent="",
        network=None if limits is None else network_of(address, limits.bound) or None,
        helped_by=helped_by or None,
        enrolled_at=signing.enrolled_at,
        enrolled_by=signing.enrolled_by or None,
    ).used(now)


def no_longer(wanted: Wanted, longest: timedelta) -> Wanted:
    """Return the token for a session that lives so long at most."""
    return replace(
        wanted,
        ttl=min(wanted.ttl, longest),
        explicit_max_ttl=min(filter(None, (wanted.explicit_max_ttl, longest))),
    )


async def session_limits(tx: Transaction, standing: Standing) -> Limits | None:
    """Return the limits that the login of a registered person has; None for anybody else's."""
    return await limits_now(tx) if standing.person is not None else None


def limit_details(signing: Signing | None) -> dict[str, object]:
    """Return what the entry of a login says of its session."""
    if signing is None or signing.limits is None:
        return {}
    idle, longest = signing.limits.idle, signing.limits.longest
    seconds = {"idle": int(idle.total_seconds()), "longest": int(longest.total_seconds())}
    return {"session": signing.id, **seconds}


class SecondFactors:
    """See the module."""

    def __init__(self, views: Views, entropy: Callable[[int], bytes], party: RelyingParty) -> None:
        self.party = party
        self._views = views
        self._entropy = entropy
        self._book: tuple[int, Book] | None = None

    async def book(self, tx: Transaction) -> Book:
        """Return all that demands factors. The commit fences what is remembered of it."""
        generation = self._views.generation
        if self._book is None or self._book[0] != generation:
            book = await read_book(tx)
            if generation == self._views.generation:
                self._book = (generation, book)
            return book
        return self._book[1]

    async def judge(self, attempt: Attempt, first: FirstFactor) -> Verdict:
        """Say what comes of a login: its token, a narrower one, or that it waits.

        Raises FactorRefusedError for factors that were sent along and do not do, and
        NotAdmittedError for who is no person, and would get what a rule asks a factor for.
        """
        tx, (live, _) = attempt.transaction, attempt.serving
        attempt.details = {**attempt.details, "factors": [first.proof.shown_by]}
        if first.proof.factors:
            attempt.details["provider_factors"] = list(first.proof.factors)
        book, comer = await self.book(tx), comer_of(live, first, await _held(tx, first))
        if name := refused_rule(book, comer):
            raise NotAdmittedError(f"rule {name} asks for a factor, and this is no person's login")
        if not applies(book, comer):
            return Verdict(first.wanted, factors=first.proof.factors)
        asked = asking(book.rules, comer.policies, comer.groups)
        if asked or comer.registered:  # what was shown is kept beside it
            first = replace(first, wanted=replace(first.wanted, kind="service"))
        factors = await factors_of(tx, comer.entity)
        found, wanted = demanded(book, comer, factors), first.wanted
        if found.missing:
            wanted = to_enrol(wanted)
            attempt.details |= {"only_enrols": list(found.missing)}
        if not found.demands:
            return Verdict(wanted, factors=first.proof.factors)
        if attempt.incoming.mfa:
            given = credentials_of(attempt.incoming.mfa)
            answering = Answering(entity=comer.entity, demands=found.demands, given=given)
            shown = await self.met(tx, answering, attempt.now)
            attempt.details |= shown_details([first.proof.shown_by], shown)
            return Verdict(
                wanted,
                factors=kinds_of(shown),
                enrolled_at=enrolled_at(shown),
                enrolled_by=enrolled_by(shown),
            )
        attempt.details["complete"] = False
        reply = await self._wait(attempt, first, found.demands, factors)
        return Verdict(wanted, reply)

    async def _wait(
        self,
        attempt: Attempt,
        first: FirstFactor,
        demands: tuple[Demand, ...],
        factors: Sequence[Factor],
    ) -> Reply:
        """Keep the login, and return what Vault's clients are told of one that waits."""
        tx, (live, _), now = attempt.transaction, attempt.serving, attempt.now
        keys = [f for f in factors if f.kind == WEBAUTHN and not f.disabled]
        asks_key = any(way.kind == WEBAUTHN for demand in demands for way in demand.any)
        challenge = self._entropy(CHALLENGE_BYTES) if asks_key and keys else None
        id_ = uuid_of(self._entropy(16))
        await self._tidy(tx, now)
        tx.put(
            MFA_PENDING,
            Pending(
                lookup=lookup_of(tx, id_),
                entity=first.standing.entity.id,
                mount=live.row.uuid,
                path=attempt.incoming.path,
                role=first.proof.role,
                alias=first.proof.alias,
                wanted=first.wanted,
                demands=demands,
                shown=(first.proof.shown_by,),
                provided=first.proof.factors,
                challenge=challenge,
                expires_at=now + LASTS,
                proven=None if first.proven is None else await first.proven(),
                workload=first.proof.workload,
            ),
        )
        options = None
        if challenge is not None:
            options = Json(request_options(self.party, challenge=challenge, known=keys))
        constraints = {
            d.name: {"any": [self._shown(way, options) for way in d.any]} for d in demands
        }
        requirement = {"mfa_request_id": id_, "mfa_constraints": constraints}
        return Reply(fields={"auth": _without_token(requirement)}, warnings=(WAITS,))

    def _shown(self, way: Option, options: Json | None) -> dict[str, object]:
        """Return one way to meet a demand, in Vault's form."""
        shown: dict[str, object] = {
            "type": way.kind,
            "id": way.id,
            "uses_passcode": way.kind != WEBAUTHN,
        }
        if way.name:
            shown["name"] = way.name
        if way.kind == WEBAUTHN and options is not None:
            shown |= {"options": options, "page": self.party.key_page}
        return shown

    async def _tidy(self, tx: Transaction, now: datetime) -> None:
        """Remove a few of those whose time is over; to remove one twice is to remove it once."""
        for [lookup] in await tx.reader.rows(OVER, (micros(now), TIDIED)):
            tx.delete(MFA_PENDING, bytes(lookup))

    async def find(self, tx: Transaction, request_id: str, now: datetime) -> Pending:
        """Return the login that waits under this id. Raises InputError for none, or none now."""
        found = await tx.get(MFA_PENDING, lookup_of(tx, request_id))
        if found is None or found.expires_at <= now:
            raise InputError("", "invalid request ID")
        return found

    async def anew(
        self, tx: Transaction, live: Live, pending: Pending, first: FirstFactor
    ) -> tuple[tuple[Demand, ...], Verdict]:
        """Return what a login that waits must show as of now, and what comes of it then.

        Raises FactorRefusedError for who is no person, and would get what a rule asks a factor for.
        """
        comer = comer_of(live, first, await _held(tx, first))
        book, wanted = await self.book(tx), first.wanted
        if name := refused_rule(book, comer):
            raise FactorRefusedError(f"rule {name} asks for a factor: this is no person's login")
        if asking(book.rules, comer.policies, comer.groups) or comer.registered:
            wanted = replace(wanted, kind="service")
        found = demanded(book, comer, await factors_of(tx, comer.entity))
        if found.missing:
            wanted = to_enrol(wanted)
        return found.demands or pending.demands, Verdict(wanted)

    async def met(self, tx: Transaction, answering: Answering, now: datetime) -> list[Shown]:
        """Return the factors that were shown, if they meet every demand.

        Raises FactorRefusedError. What was shown before the one that failed is spent as well.
        """
        shown: dict[str, Shown] = {}
        demands = answering.demands
        try:
            for name, text in _values(answering.given)[:MOST_SHOWN]:
                ways = [w for d in demands for w in d.any if name in (w.id, w.name)]
                if ways and not _has(shown.get(text), ways):
                    what = presented(text, answering.challenge)
                    shown[text] = await verify(tx, answering.entity, what, now, self._trying(ways))
            _check_met(demands, list(shown.values()))
        except FactorRefusedError as error:
            spent = tuple((FACTORS, each.row) for each in shown.values())
            raise FactorRefusedError(error.reason, (*spent, *error.rows), error.details) from None
        return list(shown.values())

    def _trying(self, ways: Sequence[Option]) -> Trying:
        return Trying(
            party=self.party,
            takes=lambda factor: any(way.takes(factor.kind, factor.method) for way in ways),
            most=min((way.most_tries for way in ways if way.most_tries), default=FAILURES),
        )


def kinds_of(shown: Sequence[Shown]) -> tuple[str, ...]:
    """Return the kinds of factors, each once."""
    return tuple(sorted({each.kind for each in shown}))


def enrolled_at(shown: Sequence[Shown]) -> datetime | None:
    """Return since when the oldest of these factors is there."""
    return min((each.row.created_at for each in shown), default=None)


def enrolled_by(shown: Sequence[Shown]) -> tuple[str, ...]:
    """Return who else could have enrolled every one of these factors."""
    first, *others = [each.row.helped_by or () for each in shown] or [()]
    return tuple(each for each in first if all(each in other for other in others))


def comer_of(live: Live, first: FirstFactor, held: bool) -> Comer:
    """Return a login as demands see it."""
    return Comer(
        entity=first.standing.entity.id,
        accessor=live.row.accessor,
        mount_type=live.row.kind,
        groups=first.standing.belonging.all,
        policies=kept((*first.wanted.policies, *first.standing.policies)),
        provided=first.proof.factors,
        workload=is_workload(first.standing, first.proof.workload),
        people=for_people(live.row.options),
        registered=first.standing.person is not None,
        held=held,
    )


async def _held(tx: Transaction, first: FirstFactor) -> bool:
    """Say whether somebody else removed a factor of a person who logs in (`factors.holds`)."""
    if first.standing.person is None:
        return False
    return await tx.get(FACTOR_HOLDS, first.standing.entity.id) is not None


def is_workload(standing: Standing, said: bool) -> bool:
    """Say whether a login is of a workload: a registered person is none, by whatever way in."""
    return standing.person is None and (said or standing.kind is Kind.SERVICE)


def to_enrol(wanted: Wanted) -> Wanted:
    """Return the token that can only enrol, in place of the one that was wanted."""
    return replace(
        wanted,
        policies=(ENROL,),
        ttl=ENROLS_FOR,
        max_ttl=ENROLS_FOR,
        explicit_max_ttl=ENROLS_FOR,
        period=NONE,
        renewable=False,
        kind="service",
    )


def actor_waiting(standing: Standing, path: str) -> Actor:
    """Return who the log says it was, of a login that has no token."""
    return Actor(id=standing.entity.id, kind=standing.kind or Kind.UNKNOWN, issuer=path)


def shown_details(first: Sequence[str], shown: Sequence[Shown]) -> dict[str, object]:
    """Return what the entry of a login says of factors."""
    details: dict[str, object] = {"factors": [*first, *(each.kind for each in shown)]}
    details["factor_ids"] = [each.row.id for each in shown]
    if any(each.kind == WEBAUTHN for each in shown):
        details["user_verified"] = all(
            each.user_verified for each in shown if each.kind == WEBAUTHN
        )
    return details


def lookup_of(tx: Transaction, request_id: str) -> bytes:
    """Return the digest under which a waiting login is stored."""
    return tx.barrier.digest(LABEL, request_id.encode("utf-8", "surrogatepass"))


def credentials_of(headers: Sequence[str]) -> dict[str, list[str]]:
    """Read `X-Vault-MFA` headers: `method:passcode`, or a method alone."""
    given: dict[str, list[str]] = {}
    for header in headers:
        name, colon, value = header.partition(":")
        given.setdefault(name.strip(), []).extend([value.strip()] if colon else [])
    return given


def presented(text: str, challenge: bytes | None) -> Presented:
    """Return what a text shows: an authenticator's answer is JSON, all else a code."""
    if text.lstrip().startswith("{"):
        return Presented(answer=Secret(text), challenge=challenge)
    return Presented(code=Secret(text.removeprefix("passcode=")))


def _values(given: Credentials) -> list[tuple[str, str]]:
    return [(name, values[0]) for name, values in given.items() if values]


def _has(shown: Shown | None, ways: Sequence[Option]) -> bool:
    return shown is not None and any(way.takes(shown.kind, shown.row.method) for way in ways)


def _check_met(demands: Sequence[Demand], shown: Sequence[Shown]) -> None:
    for demand in demands:
        if not any(_has(each, demand.any) for each in shown):
            kinds = ", ".join(sorted({way.kind for way in demand.any})) or "what is not there"
            raise FactorRefusedError(f"{demand.name} needs {kinds}")


def _without_token(requirement: Mapping[str, object]) -> dict[str, object]:
    return {
        "client_token": "",
        "accessor": "",
        "policies": None,
        "metadata": None,
        "lease_duration": 0,
        "renewable": False,
        "entity_id": "",
        "token_type": "default",
        "orphan": False,
        "mfa_requirement": requirement,
        "num_uses": 0,
    }
