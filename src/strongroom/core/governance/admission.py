"""Compliance as admission control: what would break a control is refused, or goes by an exception.

    handler → what it wrote is judged, in its own transaction → entry → commit

A control is judged by what the handler has written and not yet committed, and only for what the
change breaks: what was broken before it stays as it was. Switched on control by control at
`strongroom/admission/{control}`; without that nothing is judged.

    T06  a rule that demands factors is loosened       T17  an environment is loosened
    T11  a token is made that lives too long           T20  registration is no longer required
    T12  a root token is made by another token         T36  a rule of a policy is over-broad
    T16  a step-up rule or the limits of sessions      T40  a policy or environment lets people
         are loosened                                       read production for good

Trust   Whoever may write the modes can switch it off, which asks for sudo and is an alert. The
        server's own acts are not judged, nor ceremonies that a quorum holds (T12 tells of those).
        An exception in force that names the subject lets a change through, and the entry names it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.core.attempt import Attempt
from strongroom.core.governance.asking import listed
from strongroom.core.governance.breadth import protected_areas, rules_of
from strongroom.core.governance.organisation import active_people, names_of
from strongroom.core.guardrails import GRANTED
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_unbound
from strongroom.core.views import parsed
from strongroom.identity.governance.admission import (
    ADMISSIONS,
    MODES,
    OFF,
    REFUSE,
    Admission,
    modes,
)
from strongroom.identity.governance.exceptions import ControlException, covering
from strongroom.identity.policy.acl import compile_acl
from strongroom.identity.policy.questions import reaches
from strongroom.identity.records import (
    ENTITIES,
    ENVIRONMENTS,
    NONE,
    POLICIES,
    TOKENS,
    Environment,
    StoredPolicy,
    Token,
)
from strongroom.sdk.engine import Call, Endpoint, Help, Page, Reply, Route
from strongroom.sdk.limits import PRODUCTION, TOKEN_LIFE
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

Row = TypeVar("Row")
LOOSENED: Final = "admission_loosened"
WATCHED: Final = frozenset(
    {"environment", "factor_rule", "policy", "setting", "step_up_rule", "token"}
)
HOW: Final = "or ask for an exception at strongroom/exceptions"


@dataclass(frozen=True, slots=True)
class Breach:
    """A subject of a control that a change would break. Any of `subjects` names it."""

    subjects: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a request has written, before and after."""

    server: Server
    attempt: Attempt
    details: Mapping[str, object]

    @property
    def tx(self) -> Transaction:
        """The transaction that has written it."""
        return self.attempt.transaction

    def before(self) -> Transaction:
        """Return a transaction that sees what was there."""
        return Transaction(self.server.database, self.server.barrier)

    def written(self, register: Register[Row]) -> list[Row]:
        """Return the rows of a table that the request leaves."""
        return [
            each.row
            for (name, _), each in self.tx.pending.items()
            if name == register.name and each.row is not None
        ]


Judge = Callable[[Change], Awaitable[list[Breach]]]


def watches(tx: Transaction) -> bool:
    """Say whether a request has written something that is judged."""
    return any(name in WATCHED for name, _ in tx.pending)


async def admit(server: Server, attempt: Attempt, call: Call) -> list[str]:
    """Judge what a request has written; return warnings. InputError for what is refused."""
    tx = attempt.transaction
    if attempt.incoming.actor is not None or tx.barrier.sealed or not watches(tx):
        return []
    asked = {control: mode for control, mode in (await modes(tx)).items() if mode != OFF}
    details: dict[str, Any] = call.details if isinstance(call, SystemCall) else attempt.details
    warnings: list[str] = []
    noted: list[dict[str, object]] = []
    for control in sorted(asked.keys() & JUDGES.keys()):
        for breach in await JUDGES[control](Change(server, attempt, details)):
            covered = await _covered(attempt, control, breach)
            told: dict[str, object] = {"control": control, "subject": breach.subjects[0]}
            told |= {"exception": covered.id} if covered is not None else {"mode": asked[control]}
            noted.append(told)
            details["admission"] = noted
            words = f"{control} would break: {breach.subjects[0]} {breach.because}"
            if covered is not None:
                warnings.append(f"{words}; exception {covered.id} covers it")
            elif asked[control] == REFUSE:
                names = " or ".join(f"'{each}'" for each in breach.subjects)
                raise InputError("", f"{words}. Change it, {HOW} (control {control}, {names})")
            else:
                warnings.append(words)
    return warnings


async def _covered(attempt: Attempt, control: str, breach: Breach) -> ControlException | None:
    for subject in breach.subjects:
        found = await covering(attempt.transaction, control, subject, attempt.now)
        if found is not None:
            return found
    return None


# -- judges


def _loosening(prefix: str, named: str, what: str) -> Judge:
    """Return a judge of what its own handler says that it loosened."""

    async def judge(change: Change) -> list[Breach]:
        if not change.attempt.code.startswith(prefix) or not change.details.get("loosened"):
            return []
        name = change.details.get(named) if named else ""
        return [Breach((f"{what} {name}".strip(),), "is loosened")]

    return judge


async def _fresh_factors(change: Change) -> list[Breach]:
    rules = await _loosening("step_up.rule.", "rule", "step-up rule")(change)
    return rules or await _loosening("session.limits.", "", "session limits")(change)


async def _new_tokens(change: Change) -> list[Token]:
    before = change.before()
    written = change.written(TOKENS)
    return [row for row in written if await before.get(TOKENS, row.lookup) is None]


async def _long_tokens(change: Change) -> list[Breach]:
    found: list[Breach] = []
    for token in await _new_tokens(change):
        life = None if token.expires_at is None else token.expires_at - token.issued_at
        longest = max(token.explicit_max_ttl, token.period, NONE if token.period else life or NONE)
        if life is not None and longest <= TOKEN_LIFE:
            continue
        because = "has no end" if life is None else f"may live {longest.days} days"
        found.append(Breach((change.attempt.incoming.path, f"token {token.accessor}"), because))
    return found


async def _root_tokens(change: Change) -> list[Breach]:
    return [
        Breach((change.attempt.incoming.path, f"token {token.accessor}"), "makes a root token")
        for token in await _new_tokens(change)
        if "root" in token.policies and token.parent is not None
    ]


async def _broad_rules(change: Change) -> list[Breach]:
    """Name the rules that are broad now, and were not so before."""
    found: list[Breach] = []
    before, now = change.before(), change.attempt.now
    areas = await protected_areas(change.server, change.tx)
    for row in change.written(POLICIES):
        old = await before.find(POLICIES, row.name)
        known = rules_of(old, areas, now) if isinstance(old, StoredPolicy) else ()
        was = {fact.pattern: fact.broad for fact in known}
        for fact in rules_of(row, areas, now):
            granted = set(fact.capabilities) - {"deny"}
            if granted and fact.broad and was.get(fact.pattern) != fact.broad:
                found.append(Breach((f"{row.name}: {fact.pattern}",), fact.broad))
    return found


async def _standing_reads(change: Change) -> list[Breach]:
    """Name who could read production for good by a policy, and whom an environment lets in so."""
    before = change.before()
    found: list[Breach] = []
    for row in change.written(ENVIRONMENTS):
        if row.name in PRODUCTION and row.people != GRANTED:
            old = await before.get(ENVIRONMENTS, row.name)
            if old is not None and old.people == GRANTED:
                found.append(Breach((f"environment {row.name}",), "lets people in by policies"))
    for policy in change.written(POLICIES):
        found += await _readers_by(change, before, policy)
    return found


async def _readers_by(change: Change, before: Transaction, row: StoredPolicy) -> list[Breach]:
    """Name the active people to whom a policy newly opens an environment of production."""
    old = await before.find(POLICIES, row.name)
    opened = [
        each.name
        for each in (await change.tx.examine(ENVIRONMENTS))[0]
        if each.name in PRODUCTION
        and each.people != GRANTED
        and _reaches(row, each, change)
        and not (isinstance(old, StoredPolicy) and _reaches(old, each, change))
    ]
    if not opened:
        return []
    tx = change.tx
    graph = await change.server.views.graph(tx)
    giving = {id_ for id_, group in graph.groups.items() if row.name in group.policies}
    holders: dict[str, object] = {}
    for who, groups in (await active_people(tx, graph, change.attempt.now)).items():
        entity = await tx.get(ENTITIES, who)
        if groups & giving or (entity is not None and row.name in entity.policies):
            holders[who] = groups
    names = await names_of(tx, holders)
    because = f"could read it at any time, by policy {row.name}"
    return [
        Breach((f"{names[who]} ({who}) on {each}", f"{row.name}: {each}"), because)
        for who in sorted(holders)
        for each in opened
    ]


def _reaches(row: StoredPolicy, environment: Environment, change: Change) -> bool:
    acl = compile_acl([parsed(row)], None, change.attempt.now)
    return any(reaches(acl, pattern) for pattern in environment.paths)


JUDGES: Final[Mapping[str, Judge]] = {
    "T06": _loosening("factor.rule.", "rule", "factor rule"),
    "T11": _long_tokens,
    "T12": _root_tokens,
    "T16": _fresh_factors,
    "T17": _loosening("environment.", "boundary", "environment"),
    "T20": _loosening("identity.settings.", "", "registration"),
    "T36": _broad_rules,
    "T40": _standing_reads,
}


# -- modes


@dataclass(frozen=True, kw_only=True)
class ControlName:
    """For paths that name a control."""

    control: Annotated[str, Help("Id of the control.", least=3, most=3)]


@dataclass(frozen=True, kw_only=True)
class Given(ControlName):
    """What becomes of a change that would break it."""

    mode: Annotated[str, Help("off, warn or refuse.", choices=MODES)]


class AdmissionRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="admission",
                summary="For which controls a change that would break them is refused.",
                list=Endpoint(Page, self.all, "admission.list"),
            ),
            Route(
                path="admission/{control}",
                summary="What becomes of a change that would break a control.",
                read=Endpoint(ControlName, self.show, "admission.read"),
                write=Endpoint(Given, self.write, "admission.write"),
            ),
        )

    async def all(self, call: SystemCall, page: Page) -> Reply:
        found = await modes(call.transaction)
        said: list[tuple[str, dict[str, object]]] = [
            (each, {"control": each, "mode": found.get(each, OFF)}) for each in JUDGES
        ]
        return Reply(listed(said, page.after, page.limit))

    async def show(self, call: SystemCall, given: ControlName) -> Reply:
        _check_known(given.control)
        mode = (await modes(call.transaction)).get(given.control, OFF)
        return Reply({"control": given.control, "mode": mode})

    async def write(self, call: SystemCall, given: Given) -> None:
        """Set a mode; a looser one asks for sudo."""
        check_unbound(call)
        _check_known(given.control)
        before = (await modes(call.transaction)).get(given.control, OFF)
        session = call.session
        if MODES.index(given.mode) < MODES.index(before):
            if session is not None and not session.acl.sudo(call.request.path).allowed:
                raise DeniedError
            call.details |= {"loosened": True, "alert": LOOSENED}
        row = Admission(control=given.control, mode=given.mode, updated_at=call.now)
        call.transaction.put(ADMISSIONS, row)
        call.details |= {"control": given.control, "mode": given.mode}


def _check_known(control: str) -> None:
    if control not in JUDGES:
        raise NotFoundError
