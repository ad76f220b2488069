"""The contract of a control test.

A control test is a function from a period and the evidence to items: one for each member of its
population, or for a group of members that are all alike. It never says "pass": the verdict
follows from the items, so that no data, unreadable data and good data cannot be mistaken for one
another.

Trust   Evidence is read from the server that is tested. What was written down at the time is
        proven by the log; what is true now is what this server says of itself, by its own code.
        A probe acts under a throw-away identity named `control:<id>`, which the log shows.
Units   Moments are aware `datetime`, UTC; durations are `timedelta`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

# Requests that are committed together may stand in another order than their times; a clock that
# is corrected goes back by less. What goes back further than this is said.
CLOCK_TOLERANCE = timedelta(seconds=2)
# Whoever changes something there decides what others may do.
ADMINISTRATION = (
    "sys/policies/",
    "sys/policy/",
    "sys/auth/",
    "sys/mounts/",
    "identity/",
    "strongroom/environments/",
    "strongroom/factors/rules/",
    "strongroom/people/",
    "strongroom/registrations/+/approve",
    "strongroom/step-up/rules/",
)

# -- what a test says --------------------------------------------------------------------------


class Verdict(StrEnum):
    """What the items of a period add up to."""

    EFFECTIVE = "effective"  # every item held
    EXCEPTIONS = "exceptions"  # some item broke
    INCONCLUSIVE = "inconclusive"  # none broke, but some could not be judged
    NOT_EXERCISED = "not exercised"  # the population is empty


class Kind(StrEnum):
    """How a test comes to its items."""

    CFG = "configuration"  # inspects a setting
    POP = "population"  # judges every member, without sampling
    PROBE = "probe"  # performs the control again, on the live system
    DRILL = "drill"  # exercises a rare procedure


@dataclass(frozen=True, slots=True)
class Period:
    """From `start`, up to but not including `end`; both aware."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class Item:
    """One member of the population, or `members` of them that are all alike.

    `held` is None where it could not be judged. `proof` holds the indices of log entries that
    show it; an evidence pack carries those entries with their inclusion proofs.
    """

    subject: str
    held: bool | None
    because: str
    proof: tuple[int, ...] = ()
    members: int = 1


def verdict(items: Sequence[Item]) -> Verdict:
    """Add items up. The worst one decides, and none at all is never a pass."""
    if not items:
        return Verdict.NOT_EXERCISED
    if any(item.held is False for item in items):
        return Verdict.EXCEPTIONS
    if any(item.held is None for item in items):
        return Verdict.INCONCLUSIVE
    return Verdict.EFFECTIVE


# -- what the log proves -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry, decoded. None stands for a field that the entry does not have."""

    index: int
    readable: bool = True  # False: the leaf is no JSON object, and nothing else here is set
    time: datetime | None = None
    code: str = ""
    operation: str | None = None
    path: str | None = None
    actor: str | None = None
    token: str = ""  # accessor
    kind: str = ""  # of the actor: "user", "admin", "system", "service", or nothing
    source: str | None = None  # network address, or "strongroom" for the server's own acts
    ok: bool | None = None
    reason: str = ""  # why it was refused or failed
    simulated: bool = False
    own: Mapping[str, Any] = field(default_factory=dict)  # what the schema has no place for

    def lacks(self, *names: str) -> bool:
        """Say whether one of these fields was shortened, or left out, to keep the entry small.

        Of one that was shortened `own` holds the first: whoever needs the whole cannot judge.
        """
        cut = self.own.get("cut")
        return isinstance(cut, Mapping | list) and not {"details", *names}.isdisjoint(cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyCheckpoint:
    """The last signed checkpoint of a day; the last that a witness cosigned, if one did.

    `proof` shows that it goes on from the one before in this list; `recomputed` is the root that
    the stored entries give at its size. `cosigned` are lines by witnesses.
    """

    day: str
    note: bytes
    proof: tuple[bytes, ...] | None
    recomputed: bytes
    cosigned: tuple[str, ...] = ()
    fresh: bool = False  # signed for the run: no witness can have seen it yet
    further: int = 0  # entries to the day's last checkpoint, if that one is not cosigned


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """The clock went back: the entry `index` is of `time`, an entry `before` it was of `was`."""

    before: int
    was: datetime
    index: int
    time: datetime

    def __str__(self) -> str:
        was, time = (f"{m:%Y-%m-%d %H:%M:%S}" for m in (self.was, self.time))
        return f"entry {self.before} is of {was} UTC, entry {self.index} after it of {time} UTC"


class Log(Protocol):
    """The log, up to the checkpoint that the run is about."""

    @property
    def verifier_key(self) -> str:
        """The log's own public key, as a vkey."""
        ...

    @property
    def witnesses(self) -> Sequence[str]:
        """The vkeys of the witnesses that are configured."""
        ...

    @property
    def before(self) -> LogEntry | None:
        """The very first entry of the log; None if index 0 is gone."""
        ...

    def entries(
        self, start: datetime, end: datetime | None, codes: tuple[str, ...] = ()
    ) -> AsyncIterator[LogEntry]:
        """Give the entries of the stretch of [start, end), by their indexes.

        None means up to the checkpoint. `codes` are prefixes of event codes; without any, every
        entry is given. Where the clock went back, some are of a time outside.
        """
        ...

    async def stretch(self, start: datetime, end: datetime | None) -> tuple[int, int]:
        """Return the indexes of the first entry of a period, and behind the last.

        The first is that of the first entry not before `start`, whatever comes after it; the last
        entry is the last before `end`. The second is 0 only where no entry is before `end`.
        """
        ...

    async def setbacks(self, start: datetime, end: datetime | None) -> Sequence[Setback]:
        """Return where in the stretch the clock went back by more than CLOCK_TOLERANCE."""
        ...

    def uncovered(self, period: Period) -> str:
        """Say what of a period lies before the log begins; nothing if none of it does."""
        ...

    def checkpoints(self, period: Period) -> AsyncIterator[DailyCheckpoint]:
        """Give the last checkpoint of each day of the period that has one, and the run's own."""
        ...

    async def entry(self, index: int) -> LogEntry | None:
        """Return one entry, however young; None if there is none."""
        ...


# -- what is stored now ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A stored value that must be encrypted. `problem` says why it did not open, if so."""

    place: str  # table.column
    key: str
    algorithm: str  # empty when unknown
    term: int
    term_held: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedRow:
    """A row that authorization goes by. `problem` says why it is not as it was written, if so."""

    table: str
    key: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One kind of change to one table of the log, and whether the database itself refuses it.

    `refused` is None where that could not be tried.
    """

    table: str
    verb: str
    refused: bool | None
    because: str


class Storage(Protocol):
    """The database, as it is."""

    def blobs(self) -> AsyncIterator[Blob]:
        """Open every sealed value and every wrapped key, and say what came of it."""
        ...

    def guarded(self) -> AsyncIterator[GuardedRow]:
        """Verify every guarded row, and give those that are gone and known to be."""
        ...

    async def unexplained(self) -> Sequence[str]:
        """Return the columns of bytes that are neither sealed nor known to hold no secret."""
        ...

    async def append_only(self) -> Sequence[Refusal]:
        """Try each change of each table of the log, and leave nothing of it behind."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveToken:
    """A token that would be accepted now; never its text."""

    accessor: str
    path: str
    policies: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime | None
    explicit_max_ttl: timedelta
    period: timedelta
    entry: int | None
    entity: str = ""


class Tokens(Protocol):
    """The tokens that live."""

    def live(self) -> AsyncIterator[LiveToken]:
        """Give each one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFact:
    """A boundary, as it is configured. `problem` says why it is not stored as written, if so."""

    name: str
    paths: tuple[str, ...]
    protected: bool
    open: bool
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Whether an identity of one environment can reach a pattern of another.

    `by_policy`: some path under the pattern is granted. `guardrail` refuses all of it; empty
    where none does.
    """

    identity: str
    bound: tuple[str, ...]
    environment: str
    pattern: str
    by_policy: bool
    guardrail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one subject may do on one path: as the stored policies say, and as the engine does."""

    path: str
    stored: tuple[str, ...]
    engine: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One subject of the access matrix."""

    subject: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFact:
    """One rule of a stored policy.

    `within` are the protected environments all of whose paths the pattern covers.
    """

    policy: str
    pattern: str
    capabilities: tuple[str, ...]
    within: tuple[str, ...]
    entry: int | None

    @property
    def broad(self) -> str:
        """Say how it grants more than a task takes; nothing if it does not."""
        wild = self.pattern.endswith("*") or "+" in self.pattern.split("/")
        if self.pattern.strip("+/") in ("*", ""):
            return "covers every path there is"
        if self.within:
            return f"covers all of {', '.join(self.within)}"
        if wild and "sudo" in self.capabilities:
            return "grants sudo on a wildcard"
        return ""

    @property
    def privileged(self) -> str:
        """Say how it lets its holders decide what others may; nothing if it does not."""
        granted = set(self.capabilities) - {"deny"}
        if granted and self.broad:
            return self.broad
        changes = granted & {"create", "update", "patch", "delete"}
        if changes and self.pattern.startswith(ADMINISTRATION):
            return f"changes {self.pattern}"
        return ""


class Access(Protocol):
    """Policies and identities, as data."""

    async def environments(self) -> Sequence[EnvironmentFact]:
        """Return every environment."""
        ...

    def crossings(self) -> AsyncIterator[Crossing]:
        """Give every bound identity against every pattern of every other protected environment."""
        ...

    def matrix(self) -> AsyncIterator[MatrixRow]:
        """Give what each subject may do on each path, from the rows and from the engine."""
        ...

    def rules(self) -> AsyncIterator[RuleFact]:
        """Give every rule of every stored policy."""
        ...


# -- who there is ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorFact:
    """A second factor that somebody has enrolled, or a method that is set up (`entity` empty).

    `shown`: its holder has shown it at least once. `disabled` says why it is not taken any more.
    """

    id: str
    entity: str
    kind: str
    shown: bool = True
    user_verified: bool = False
    disabled: str = ""
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFact:
    """Somebody who is registered as a person. `problem`: the row is not as it was written."""

    entity: str
    name: str = ""
    active: bool = True
    worker: str = "employee"
    contract: str = ""
    ends_at: datetime | None = None
    left_at: datetime | None = None
    created_at: datetime | None = None
    policies: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFact:
    """What is registered as a workload. `owner_problem`: why its owner is nobody who is there."""

    entity: str
    name: str = ""
    active: bool = True
    owner: str = ""
    owner_problem: str = ""
    vendor: str = ""
    ends_at: datetime | None = None
    left_at: datetime | None = None
    created_at: datetime | None = None
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRuleFact:
    """Who holds one of these policies, or is in one of these groups, needs one of these kinds."""

    name: str
    policies: tuple[str, ...]
    groups: tuple[str, ...]
    kinds: tuple[str, ...]
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """An auth mount, and what locks a name out there after failed logins."""

    path: str
    method: str
    locks: bool
    failures: int
    lasts: timedelta
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretIdFact:
    """A secret id of an AppRole that would be accepted now. `ends`: it has an end."""

    mount: str
    digest: str
    ends: bool
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshFactor:
    """A rule that asks people for a fresh factor, as it holds now. `kinds` empty: any."""

    name: str
    within: timedelta
    kinds: tuple[str, ...] = ()


class Identities(Protocol):
    """People and workloads, and what they log in with. As of now."""

    async def people(self) -> Sequence[PersonFact]:
        """Return everybody who is registered as a person, also who has left."""
        ...

    async def workloads(self) -> Sequence[WorkloadFact]:
        """Return everything that is registered as a workload, also what is decommissioned."""
        ...

    async def factors(self) -> Sequence[FactorFact]:
        """Return every enrolled factor, and every method of login MFA."""
        ...

    async def factor_rules(self) -> Sequence[FactorRuleFact]:
        """Return the rules that demand factors."""
        ...

    async def ways_in(self) -> Sequence[WayIn]:
        """Return every auth mount."""
        ...

    def secret_ids(self) -> AsyncIterator[SecretIdFact]:
        """Give every secret id of every AppRole mount."""
        ...

    async def step_up(self, path: str, operation: str) -> Sequence[FreshFactor]:
        """Return the rules that a request of a person falls under."""
        ...


# -- what is tried -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back of a probe's request. `index` is that of its entry, -1 if it has none."""

    status: int
    body: bytes
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRoute:
    """A way to write: a path that fits the route, and its fields.

    `fields` are declared to hold a secret or any JSON; `names` to hold other text.
    """

    operation: str  # "write" or "patch"
    path: str
    fields: tuple[str, ...]
    names: tuple[str, ...] = ()
    login: bool = False


class Prober(Protocol):
    """Makes real requests, through the whole pipeline, as a throw-away identity."""

    async def request(
        self,
        operation: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str | None = None,
    ) -> Answered:
        """Make one request; `token` stands in for the identity's own."""
        ...


class Probe(Protocol):
    """Makes throw-away identities and mounts, and takes them away again, whatever happens."""

    def identity(
        self, control: str, *, environment: str = "", policy: str = ""
    ) -> AbstractAsyncContextManager[Prober]:
        """Lend an identity that is bound to an environment and has one policy, or none at all."""
        ...

    def mounts(self, control: str) -> AbstractAsyncContextManager[Mapping[str, str]]:
        """Lend an empty mount of each kind of engine: kind to path. Removed with its contents."""
        ...

    async def writes(self) -> Sequence[WriteRoute]:
        """Return every way to write that the running server has."""
        ...

    async def paths(self) -> Sequence[str]:
        """Return paths of every mount, to knock at."""
        ...

    def random_name(self) -> str:
        """Return a name that nobody else has."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A place that was searched. `hits` are the positions of the needles that were found."""

    place: str
    size: int
    hits: tuple[int, ...] = ()
    problem: str = ""  # why it could not be searched


class Places(Protocol):
    """Wherever this server leaves bytes: its database, files of sinks, logs, packs."""

    def search(self, needles: Sequence[bytes]) -> AsyncIterator[Searched]:
        """Look for each needle in each place."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What became of one version of TLS at a listener."""

    version: str
    suites: tuple[str, ...]  # accepted
    ended: str
    conclusive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerFact:
    """A listener, and what it answered. `problem`: it could not be asked."""

    address: str
    tls: bool
    handshakes: tuple[Handshake, ...] = ()
    certificate_problem: str = ""
    days_left: float | None = None
    problem: str = ""


class Listeners(Protocol):
    """The addresses where this server can be reached."""

    async def probe(self) -> Sequence[ListenerFact]:
        """Ask each of them."""
        ...


# -- the test ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a test is given. It uses the parts that it names, and no other."""

    log: Log
    storage: Storage
    tokens: Tokens
    access: Access
    identities: Identities
    probe: Probe
    places: Places
    listeners: Listeners


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTest:
    """What an auditor reads, and the function that answers it.

    `id` never changes: `strongroom/evidence/frameworks/*.toml` map criteria to it, not it to
    them. `limits` says what an effective verdict does not show.
    """

    id: str
    title: str
    kind: Kind
    population: str
    procedure: str
    holds_when: str
    limits: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    evaluate: Callable[[Period, Evidence], AsyncIterator[Item]]
