"""T25 and T27, each case a short history: `controls.leavers`, `controls.decommissioned`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom.controls.decommissioned import CONTROL as WORKLOADS
from strongroom.controls.leavers import CONTROL as PEOPLE
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import LiveToken
from strongroom.sdk.facts.identities import EntranceFact, PersonFact, WorkloadFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeIdentities, FakeLog, FakeTokens, day, entry, found, items

ZERO = timedelta(0)
MEI = PersonFact(entity="e-1", name="Mei", active=False, left_at=day(5), entry=4)
THERE = PersonFact(entity="e-1", name="Mei")
TOKENS = {"tokens": {"count": 2, "ms": 1.25}}
LEFT = replace(
    entry(4, "person.leave", 5, actor="e-boss"),
    own={"entity": "e-1", "kind": "person", "ended": TOKENS},
)
TOKEN = LiveToken(
    accessor="a1",
    path="auth/up/login/mei",
    policies=(),
    issued_at=day(4),
    expires_at=day(40),
    explicit_max_ttl=ZERO,
    period=ZERO,
    entry=2,
    entity="e-1",
)
MADE = replace(TOKEN, entity="", makers=("e-1",))
BY_MADE = entry(9, "secret.read", 6, actor="token:a2", makers=["e-1"])
MISSED = entry(6, "leaver.missed", 6, actor="system", entity="e-1", missed={"tokens": 1})


@pytest.mark.parametrize(
    ("person", "log", "tokens", "expected"),
    [
        pytest.param(MEI, [LEFT], [], Verdict.EFFECTIVE, id="at once"),
        pytest.param(MEI, [], [], Verdict.EXCEPTIONS, id="left, and nothing ended it"),
        pytest.param(MEI, [LEFT, entry(9, "secret.read", 6)], [], Verdict.EXCEPTIONS, id="served"),
        pytest.param(
            MEI, [LEFT, entry(9, "secret.read", 6, ok=False)], [], Verdict.EFFECTIVE, id="refused"
        ),
        pytest.param(MEI, [entry(3, "secret.read", 4), LEFT], [], Verdict.EFFECTIVE, id="before"),
        pytest.param(MEI, [LEFT], [TOKEN], Verdict.EXCEPTIONS, id="a token lives"),
        pytest.param(MEI, [LEFT], [MADE], Verdict.EXCEPTIONS, id="a token that they made lives"),
        pytest.param(MEI, [LEFT, BY_MADE], [], Verdict.EXCEPTIONS, id="such a token was served"),
        pytest.param(MEI, [LEFT, MISSED], [], Verdict.EXCEPTIONS, id="the look found something"),
        pytest.param(MEI, [replace(LEFT, time=day(7))], [], Verdict.EXCEPTIONS, id="too late"),
        pytest.param(MEI, [replace(LEFT, ok=False)], [], Verdict.EXCEPTIONS, id="was refused"),
        pytest.param(
            replace(THERE, ends_at=day(9)), [], [], Verdict.EXCEPTIONS, id="over, and not ended"
        ),
        pytest.param(
            THERE,
            [replace(LEFT, own={"cut": ["details"]})],
            [],
            Verdict.INCONCLUSIVE,
            id="the entry was cut",
        ),
        pytest.param(
            MEI,
            [replace(LEFT, own={"entity": "e-1", "kind": "person", "ended": "all"})],
            [],
            Verdict.EFFECTIVE,
            id="of another shape",
        ),
        pytest.param(replace(MEI, problem="changed"), [], [], Verdict.INCONCLUSIVE, id="tampered"),
        pytest.param(THERE, [], [TOKEN], Verdict.NOT_EXERCISED, id="nobody left"),
    ],
)
async def test_a_person(
    person: PersonFact, log: list[LogEntry], tokens: list[LiveToken], expected: Verdict
) -> None:
    given = FakeIdentities(persons=[person])

    verdict = await found(PEOPLE, identities=given, log=FakeLog(log), tokens=FakeTokens(tokens))

    assert verdict is expected


ROLE = EntranceFact(name="auth/ar/ci", known_to=("e-0", "e-1"), entry=3)


@pytest.mark.parametrize(
    ("entrance", "expected"),
    [
        pytest.param(ROLE, Verdict.EXCEPTIONS, id="lets anybody in"),
        pytest.param(replace(ROLE, closed=("e-1",)), Verdict.INCONCLUSIVE, id="to be looked at"),
        pytest.param(replace(ROLE, known_to=("e-0",)), Verdict.EFFECTIVE, id="somebody else's"),
        pytest.param(EntranceFact(name="x", problem="changed"), Verdict.INCONCLUSIVE, id="changed"),
    ],
)
async def test_a_way_in_that_a_leaver_made(entrance: EntranceFact, expected: Verdict) -> None:
    given = FakeIdentities(persons=[MEI], opened=[entrance])

    assert await found(PEOPLE, identities=given, log=FakeLog([LEFT])) is expected


async def test_a_way_in_of_who_came_back_is_no_leavers() -> None:
    back = replace(entry(6, "person.write", 6), own={"entity": "e-1", "state": "active"})
    given = FakeIdentities(persons=[THERE], opened=[ROLE])

    verdict = await found(PEOPLE, identities=given, log=FakeLog([LEFT, back]))

    assert verdict is Verdict.EFFECTIVE


async def test_a_token_that_a_leaver_was_let_in_by_is_one_of_theirs() -> None:
    tokens = FakeTokens([replace(TOKEN, entity="e-9", let_in_by=("e-1",))])
    served = entry(9, "secret.read", 6, actor="e-9", let_in_by=["e-1"])
    given = FakeIdentities(persons=[MEI])

    [living] = await items(PEOPLE, identities=given, log=FakeLog([LEFT]), tokens=tokens)
    [used] = await items(PEOPLE, identities=given, log=FakeLog([LEFT, served]))

    assert (living.held, used.held) == (False, False)
    assert used.proof == (4, 9)


SHOP = WorkloadFact(entity="e-1", name="shop", active=False, left_at=day(5))
GONE = replace(LEFT, own={"entity": "e-1", "kind": "workload", "ended": TOKENS})


@pytest.mark.parametrize(
    ("workload", "log", "expected"),
    [
        pytest.param(SHOP, [GONE], Verdict.EFFECTIVE, id="at once"),
        pytest.param(SHOP, [], Verdict.EXCEPTIONS, id="nothing ended it"),
        pytest.param(SHOP, [GONE, entry(9, "secret.read", 6)], Verdict.EXCEPTIONS, id="served"),
        pytest.param(SHOP, [LEFT], Verdict.EXCEPTIONS, id="a person's ending"),
        pytest.param(replace(SHOP, problem="x"), [], Verdict.INCONCLUSIVE, id="tampered"),
        pytest.param(
            replace(SHOP, left_at=None, active=True), [], Verdict.NOT_EXERCISED, id="still there"
        ),
    ],
)
async def test_a_workload(workload: WorkloadFact, log: list[LogEntry], expected: Verdict) -> None:
    given = FakeIdentities(machines=[workload])

    assert await found(WORKLOADS, identities=given, log=FakeLog(log)) is expected


async def test_it_says_what_was_ended_and_how_long_it_took() -> None:
    [item] = await items(PEOPLE, identities=FakeIdentities(persons=[MEI]), log=FakeLog([LEFT]))

    assert item.subject == "Mei (e-1)"
    assert item.because == "ended at once: 2 tokens, found within 1.2 ms each"
    assert item.proof == (4,)


async def test_it_says_how_soon_it_was_committed_where_that_was_measured() -> None:
    measured = entry(5, "leaver.measured", 5, actor="system", entity="e-1", took_ms=540.25)
    log = FakeLog([LEFT, measured, replace(measured, index=6, own={"entity": "e-1", "took_ms": 1})])

    [item] = await items(PEOPLE, identities=FakeIdentities(persons=[MEI]), log=log)

    assert item.because == "ended at once: 2 tokens, 540.2 ms after it was asked for"


async def test_who_was_merged_is_judged_as_who_they_are() -> None:
    merged = entry(5, "entity.merge", 5, actor="e-boss", entity="e-2", entities=["e-1"])

    found = await items(PEOPLE, identities=FakeIdentities(persons=[MEI]), log=FakeLog([merged]))

    assert found == []
