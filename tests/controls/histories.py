"""Short histories: evidence of a server that never was, in days from the first of July."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from strongroom.sdk.batch_tokens import BatchToken
from strongroom.sdk.control import ControlTest, Evidence, Item, Verdict, verdict
from strongroom.sdk.facts.access import (
    Bearing,
    Crossing,
    DutiesFact,
    EnvironmentFact,
    HeldRules,
    LiveToken,
    MatrixRow,
    RuleFact,
    ShareFact,
)
from strongroom.sdk.facts.compliance import (
    CompletionFact,
    CourseFact,
    DocumentFact,
    ExceptionFact,
    VendorFact,
)
from strongroom.sdk.facts.identities import (
    EntranceFact,
    FactorFact,
    FactorRuleFact,
    FreshFactor,
    PersonFact,
    SecretIdFact,
    WayIn,
    WorkloadFact,
)
from strongroom.sdk.facts.log import DailyCheckpoint, LogEntry, Setback
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.probes import Answered, ListenerFact, Prober, Searched, WriteRoute
from strongroom.sdk.facts.storage import Blob, GuardedRow, Refusal, RunRow
from tests.controls.governance import FakeGovernance
from tests.controls.reviews import FakeReviews

EPOCH = datetime(2026, 7, 1, tzinfo=UTC)


def day(n: float) -> datetime:
    return EPOCH + timedelta(days=n)


MONTH = Period(day(0), day(30))


def entry(index: int, code: str, on: float = 1, **own: object) -> LogEntry:
    """An entry that says everything that an entry must."""
    return LogEntry(
        index=index,
        time=day(on),
        code=code,
        operation=str(own.pop("operation", "read")),
        path=str(own.pop("path", "secret/one")),
        actor=str(own.pop("actor", "e-1")),
        kind=str(own.pop("kind", "")),
        source="203.0.113.9",
        ok=bool(own.pop("ok", True)),
        token=str(own.pop("token", "")),
        own=own,
    )


@dataclass
class FakeLog:
    history: Sequence[LogEntry] = ()
    daily: Sequence[DailyCheckpoint] = ()
    verifier_key: str = ""
    witnesses: Sequence[str] = ()
    first: LogEntry | None = None
    written: dict[int, LogEntry] = field(default_factory=dict)
    back: Sequence[Setback] = ()
    lacking: str = ""

    @property
    def before(self) -> LogEntry | None:
        return self.first

    async def entries(
        self, start: datetime, end: datetime | None, codes: tuple[str, ...] = ()
    ) -> AsyncIterator[LogEntry]:
        for each in self.history:
            inside = each.time is None or (start <= each.time and (end is None or each.time < end))
            if inside and (not codes or each.code.startswith(codes)):
                yield each

    async def stretch(self, start: datetime, end: datetime | None) -> tuple[int, int]:
        at = [each.index async for each in self.entries(start, end)]
        return (at[0], at[-1] + 1) if at else (0, 0)

    async def setbacks(self, start: datetime, end: datetime | None) -> Sequence[Setback]:
        return self.back

    def uncovered(self, period: Period) -> str:
        return self.lacking

    async def checkpoints(self, period: Period) -> AsyncIterator[DailyCheckpoint]:
        for each in self.daily:
            yield each

    async def entry(self, index: int) -> LogEntry | None:
        return self.written.get(index)


@dataclass
class FakeStorage:
    stored: Sequence[Blob] = ()
    strange: Sequence[str] = ()
    tables: Mapping[str, bool | None] = field(default_factory=dict)
    rows: Sequence[GuardedRow] = ()
    ran: Sequence[RunRow] = ()

    async def runs(self, size: int) -> AsyncIterator[RunRow]:
        for each in self.ran:
            if each.index is None or each.index < size:
                yield each

    async def guarded(self) -> AsyncIterator[GuardedRow]:
        for each in self.rows:
            yield each

    async def blobs(self) -> AsyncIterator[Blob]:
        for each in self.stored:
            yield each

    async def unexplained(self) -> Sequence[str]:
        return self.strange

    async def append_only(self) -> Sequence[Refusal]:
        return [
            Refusal(table=name, verb="UPDATE", refused=refused, because="tried")
            for name, refused in self.tables.items()
        ]


@dataclass
class FakeTokens:
    """`bearings` are those of batch tokens, by the entry of their making; others stand."""

    there: Sequence[LiveToken] = ()
    bearings: Mapping[int, Bearing] = field(default_factory=dict)

    async def live(self) -> AsyncIterator[LiveToken]:
        for each in self.there:
            yield each

    async def bearing(self, batch: BatchToken) -> Bearing:
        return self.bearings.get(batch.entry, Bearing(stands=True))


@dataclass
class FakeAccess:
    boundaries: Sequence[EnvironmentFact] = ()
    crossed: Sequence[Crossing] = ()
    rows: Sequence[MatrixRow] = ()
    ruled: Sequence[RuleFact] = ()
    shared: Sequence[ShareFact] = ()
    holding: Sequence[HeldRules] = ()
    apart: Sequence[DutiesFact] = ()

    async def duties(self) -> AsyncIterator[DutiesFact]:
        for each in self.apart:
            yield each

    async def held_rules(self, left_out: Sequence[str]) -> AsyncIterator[HeldRules]:
        for each in self.holding:
            yield each

    async def environments(self) -> Sequence[EnvironmentFact]:
        return self.boundaries

    async def crossings(self) -> AsyncIterator[Crossing]:
        for each in self.crossed:
            yield each

    async def matrix(self) -> AsyncIterator[MatrixRow]:
        for each in self.rows:
            yield each

    async def rules(self) -> AsyncIterator[RuleFact]:
        for each in self.ruled:
            yield each

    async def shares(self) -> AsyncIterator[ShareFact]:
        for each in self.shared:
            yield each


@dataclass
class FakeIdentities:
    persons: Sequence[PersonFact] = ()
    machines: Sequence[WorkloadFact] = ()
    enrolled: Sequence[FactorFact] = ()
    demands: Sequence[FactorRuleFact] = ()
    ways: Sequence[WayIn] = ()
    secrets: Sequence[SecretIdFact] = ()
    opened: Sequence[EntranceFact] = ()
    fresh: Mapping[str, FreshFactor] = field(default_factory=dict)  # by the beginning of a path

    async def people(self) -> Sequence[PersonFact]:
        return self.persons

    async def workloads(self) -> Sequence[WorkloadFact]:
        return self.machines

    async def factors(self) -> Sequence[FactorFact]:
        return self.enrolled

    async def factor_rules(self) -> Sequence[FactorRuleFact]:
        return self.demands

    async def ways_in(self) -> Sequence[WayIn]:
        return self.ways

    async def secret_ids(self) -> AsyncIterator[SecretIdFact]:
        for each in self.secrets:
            yield each

    async def entrances(self) -> Sequence[EntranceFact]:
        return self.opened

    async def step_up(self, path: str, operation: str) -> Sequence[FreshFactor]:
        return [rule for start, rule in self.fresh.items() if path.startswith(start)]


@dataclass
class FakeCompliance:
    suppliers: Sequence[VendorFact] = ()
    taught: Sequence[CourseFact] = ()
    completed: Sequence[CompletionFact] = ()
    reaching: Mapping[str, str] = field(default_factory=dict)
    papers: Sequence[DocumentFact] = ()
    excepted: Sequence[ExceptionFact] = ()

    async def vendors(self) -> Sequence[VendorFact]:
        return self.suppliers

    async def courses(self) -> Sequence[CourseFact]:
        return self.taught

    async def completions(self) -> Sequence[CompletionFact]:
        return self.completed

    async def readers(self) -> Mapping[str, str]:
        return self.reaching

    async def documents(self) -> Sequence[DocumentFact]:
        return self.papers

    async def exceptions(self) -> Sequence[ExceptionFact]:
        return self.excepted


@dataclass
class FakeProbe:
    """Answers every request alike, and remembers them; the log gets an entry for each."""

    log: FakeLog
    status: int = 403
    body: bytes = b""
    guardrail: str = "environment:production"
    logged: bool = True
    echo: bool = False
    routes: Sequence[WriteRoute] = ()
    knocked: Sequence[str] = ()
    asked: list[tuple[str, str, bytes | None]] = field(default_factory=list)
    accept_on: str = "control-"

    @asynccontextmanager
    async def identity(
        self, control: str, *, environment: str = "", policy: str = ""
    ) -> AsyncIterator[Prober]:
        yield self

    @asynccontextmanager
    async def mounts(self, control: str) -> AsyncIterator[Mapping[str, str]]:
        yield {"kv-v2": "control-t03/"}

    async def writes(self) -> Sequence[WriteRoute]:
        return self.routes

    async def paths(self) -> Sequence[str]:
        return self.knocked

    def random_name(self) -> str:
        return f"{len(self.asked):016x}"

    async def request(
        self, operation: str, path: str, body: bytes | None = None, *, token: str | None = None
    ) -> Answered:
        self.asked.append((operation, path, body))
        index = len(self.asked)
        if self.logged:
            self.log.written[index] = LogEntry(
                index=index, ok=self.status < 400, own={"guardrail": self.guardrail}
            )
        taken = path.startswith(self.accept_on) and body is not None and _is_good(body)
        status = 200 if taken else self.status
        return Answered(status, (body or b"") if self.echo else self.body, index)


def _is_good(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body).get("data"), dict)
    except (ValueError, AttributeError):
        return False


@dataclass
class FakePlaces:
    """`found` maps a place to what lies in it."""

    found: Mapping[str, bytes] = field(default_factory=dict)
    locked: Sequence[str] = ()

    async def search(self, needles: Sequence[bytes]) -> AsyncIterator[Searched]:
        for place, content in self.found.items():
            hits = tuple(at for at, needle in enumerate(needles) if needle in content)
            yield Searched(place=place, size=len(content), hits=hits)
        for place in self.locked:
            yield Searched(place=place, size=0, problem="permission denied")


@dataclass
class FakeListeners:
    facts: Sequence[ListenerFact] = ()

    async def probe(self) -> Sequence[ListenerFact]:
        return self.facts


def evidence(**parts: Any) -> Evidence:
    """Put evidence together; the parts that are not named hold nothing."""
    log = parts.setdefault("log", FakeLog())
    return Evidence(
        log=log,
        storage=parts.get("storage", FakeStorage()),
        tokens=parts.get("tokens", FakeTokens()),
        access=parts.get("access", FakeAccess()),
        identities=parts.get("identities", FakeIdentities()),
        compliance=parts.get("compliance", FakeCompliance()),
        governance=parts.get("governance", FakeGovernance()),
        reviews=parts.get("reviews", FakeReviews()),
        probe=parts.get("probe", FakeProbe(log)),
        places=parts.get("places", FakePlaces()),
        listeners=parts.get("listeners", FakeListeners()),
    )


def login(index: int, *factors: str, on: float = 1, **own: object) -> LogEntry:
    """A login of a person that gave a token, with what was shown in it."""
    plain: dict[str, Any] = {"kind": "user", "path": "auth/userpass/login/ada"}
    plain |= {"operation": "update", "token": f"t-{index}", "factors": list(factors)}
    return entry(index, "auth.login", on, **(plain | own))


async def items(control: ControlTest, **parts: Any) -> list[Item]:
    """Return what a test finds in a history."""
    return [item async for item in control.evaluate(MONTH, evidence(**parts))]


async def found(control: ControlTest, **parts: Any) -> Verdict:
    """Return the verdict on a history."""
    return verdict(await items(control, **parts))
