"""T21, T22, T40, T41 and T42, each case a short history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from strongroom.base.clock import rfc3339
from strongroom.controls import (
    approvals_replayed,
    approver_apart,
    grants_end,
    production_reads,
    standing_production,
)
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import EnvironmentFact
from strongroom.sdk.facts.governance import (
    ApprovalFact,
    ApprovalRuleFact,
    GrantFact,
    MemberFact,
    StandingFact,
)
from strongroom.sdk.facts.identities import PersonFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.governance import FakeGovernance
from tests.controls.histories import FakeAccess, FakeIdentities, FakeLog, day, entry, found

HOUR = timedelta(hours=1)
ASKED = entry(1, "access_request.ask", actor="ann", proposal="p", revision=1, requesters=["ann"])
PLACE = {"count": 1, "groups": ["dba"], "rule": "r", "by": ["bob"]}


def approval(index: int = 2, actor: str = "bob", **more: Any) -> LogEntry:
    given: dict[str, Any] = {"proposal": "p", "revision": 1, "actor": actor, **more}
    return entry(index, "access_request.approve", on=2, **given)


def granting(index: int = 2, hours: float = 1, **more: Any) -> LogEntry:
    end = day(2) + hours * HOUR
    own: dict[str, Any] = {
        "grant": "g",
        "granted_to": "ann",
        "begins": rfc3339(day(2)),
        "ends": rfc3339(end),
        "longest_seconds": 8 * 3600,
        "places": [PLACE],
        "state": "approved",
        **more,
    }
    return approval(index, **own)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([ASKED, approval()], Verdict.EFFECTIVE, id="another"),
        pytest.param([ASKED], Verdict.NOT_EXERCISED, id="nobody approved"),
        pytest.param([ASKED, approval(actor="ann")], Verdict.EXCEPTIONS, id="who asked"),
        pytest.param([ASKED, approval(makers=["eve"])], Verdict.EXCEPTIONS, id="made token"),
        pytest.param([approval()], Verdict.INCONCLUSIVE, id="nobody asked"),
        pytest.param([ASKED, approval(cut={"proposal": 1})], Verdict.INCONCLUSIVE, id="cut"),
        pytest.param(
            [ASKED, approval(), entry(3, "entity.merge", on=3, entity="ann", entities=["bob"])],
            Verdict.EXCEPTIONS,
            id="merged since",
        ),
        pytest.param(
            [
                replace(ASKED, code="registration.request", own={**ASKED.own, "registration": "q"}),
                entry(2, "registration.approve", on=2, actor="ann", registration="p"),
            ],
            Verdict.EXCEPTIONS,
            id="registrations too",
        ),
    ],
)
async def test_t21_joins_approvals_with_requests(log: list[LogEntry], expected: Verdict) -> None:
    assert await found(approver_apart.CONTROL, log=FakeLog(log)) is expected


BOB = PersonFact(entity="bob", created_at=day(0))
SAID = ApprovalFact(proposal="p", revision=1, approver="bob", verdict="approve", entry=2)
IN = MemberFact(entity="bob", group="dba", since=day(1))
RULE = ApprovalRuleFact(name="r", needed=1, counts=(1,))
TWICE = {**PLACE, "groups": []}


@pytest.mark.parametrize(
    ("log", "parts", "expected"),
    [
        pytest.param([ASKED, granting()], {}, Verdict.EFFECTIVE, id="enough"),
        pytest.param([], {}, Verdict.NOT_EXERCISED, id="nothing"),
        pytest.param([ASKED, granting(places=[])], {}, Verdict.EXCEPTIONS, id="nobody"),
        pytest.param(
            [ASKED, granting(places=[{**PLACE, "count": 0}])], {}, Verdict.EXCEPTIONS, id="zero"
        ),
        pytest.param(
            [ASKED, granting(places=[{**PLACE, "count": 2}])], {}, Verdict.EXCEPTIONS, id="too few"
        ),
        pytest.param(
            [ASKED, granting(places=[PLACE, TWICE])], {}, Verdict.EXCEPTIONS, id="two places"
        ),
        pytest.param([ASKED, granting()], {"said": []}, Verdict.EXCEPTIONS, id="no row"),
        pytest.param(
            [ASKED, granting(actor="eve")], {}, Verdict.EXCEPTIONS, id="approval is another's"
        ),
        pytest.param(
            [ASKED, granting()],
            {"people": [replace(BOB, left_at=day(1))]},
            Verdict.EXCEPTIONS,
            id="had left",
        ),
        pytest.param(
            [ASKED, granting()],
            {"people": [replace(BOB, created_at=day(3))]},
            Verdict.EXCEPTIONS,
            id="came later",
        ),
        pytest.param([ASKED, granting()], {"within": []}, Verdict.EXCEPTIONS, id="no member"),
        pytest.param(
            [ASKED, granting()],
            {"within": [replace(IN, since=day(3))]},
            Verdict.EXCEPTIONS,
            id="member later",
        ),
        pytest.param(
            [ASKED, granting(), entry(4, "group.write", on=4, group="dba", let_out=["bob"])],
            {"within": []},
            Verdict.EFFECTIVE,
            id="let out since",
        ),
        pytest.param([ASKED, granting(cut={"places": 9})], {}, Verdict.INCONCLUSIVE, id="cut"),
        pytest.param(
            [], {"ruled": [replace(RULE, counts=(0,))]}, Verdict.EXCEPTIONS, id="rule of nobody"
        ),
        pytest.param(
            [], {"ruled": [replace(RULE, problem="x")]}, Verdict.INCONCLUSIVE, id="broken rule"
        ),
        pytest.param([ASKED, granting(revision=2)], {}, Verdict.EXCEPTIONS, id="another text"),
    ],
)
async def test_t22_replays_each_decision(
    log: list[LogEntry], parts: dict[str, Any], expected: Verdict
) -> None:
    people = FakeIdentities(parts.get("people", [BOB]))
    stored = {"said": [SAID], "within": [IN]}
    governance = FakeGovernance(**{k: parts.get(k, stored.get(k, [])) for k in (*stored, "ruled")})

    verdict = await found(
        approvals_replayed.CONTROL, log=FakeLog(log), identities=people, governance=governance
    )

    assert verdict is expected


@pytest.mark.parametrize(
    ("after", "due", "expected"),
    [
        ([], 40, Verdict.INCONCLUSIVE),
        ([], 5, Verdict.EXCEPTIONS),
        ([approval(3, state="approved")], 5, Verdict.EFFECTIVE),
        ([replace(approval(3, state="approved"), time=day(9))], 5, Verdict.EXCEPTIONS),
        ([entry(3, "access_request.deny", on=3, proposal="p")], 5, Verdict.EFFECTIVE),
    ],
)
async def test_t22_wants_what_began_before_its_approval_decided_in_time(
    after: list[LogEntry], due: float, expected: Verdict
) -> None:
    begun = replace(
        granting(requesters=["ann"], due_at=rfc3339(day(due))), code="access_request.ask"
    )

    verdict = await found(
        approvals_replayed.CONTROL,
        log=FakeLog([begun, *after]),
        identities=FakeIdentities([BOB]),
        governance=FakeGovernance(),
    )

    assert verdict is expected


STANDS = StandingFact(
    entity="ann", name="Ann", environment="production", by_policy=True, by_grant=False
)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (STANDS, Verdict.EXCEPTIONS),
        (replace(STANDS, by_grant=True), Verdict.EFFECTIVE),
        (replace(STANDS, by_policy=False), Verdict.EFFECTIVE),
        (replace(STANDS, isolated=True), Verdict.EFFECTIVE),
        (replace(STANDS, problem="x"), Verdict.INCONCLUSIVE),
        (replace(STANDS, environment="staging"), Verdict.NOT_EXERCISED),
    ],
)
async def test_t40_wants_nobody_to_read_production_for_good(
    fact: StandingFact, expected: Verdict
) -> None:
    governance = FakeGovernance(stands=[fact])

    assert await found(standing_production.CONTROL, governance=governance) is expected


PRODUCTION = EnvironmentFact(name="production", paths=("secret/prod/*",), protected=True, open=True)


def read(index: int = 5, hours: float = 0.5, **more: Any) -> LogEntry:
    given: dict[str, Any] = {
        "actor": "ann",
        "kind": "user",
        "path": "secret/prod/db",
        "rules": ["grant/g#secret/prod/db"],
        **more,
    }
    made = entry(index, "secret.read", **given)
    return replace(made, time=day(2) + hours * HOUR)


ENDED = entry(4, "grant.end", on=2, grant="g", ended_at=rfc3339(day(2)))


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([granting(), read()], Verdict.EFFECTIVE, id="covered"),
        pytest.param([granting()], Verdict.NOT_EXERCISED, id="no read"),
        pytest.param([read(path="secret/dev/db")], Verdict.NOT_EXERCISED, id="elsewhere"),
        pytest.param(
            [read(actor="job", kind="service", rules=["p#x"])],
            Verdict.NOT_EXERCISED,
            id="a workload",
        ),
        pytest.param([granting(), read(rules=["p#secret/*"])], Verdict.EXCEPTIONS, id="by policy"),
        pytest.param([read()], Verdict.EXCEPTIONS, id="made by nothing"),
        pytest.param([granting(granted_to="eve"), read()], Verdict.EXCEPTIONS, id="another's"),
        pytest.param([granting(), read(hours=1)], Verdict.EXCEPTIONS, id="over"),
        pytest.param([granting(), ENDED, read()], Verdict.EXCEPTIONS, id="ended"),
        pytest.param([granting(), read(cut={"rules": 9})], Verdict.INCONCLUSIVE, id="cut"),
        pytest.param(
            [read(actor="root", kind="admin", rules=["root#*"])], Verdict.EXCEPTIONS, id="root"
        ),
    ],
)
async def test_t41_wants_a_grant_behind_each_read(log: list[LogEntry], expected: Verdict) -> None:
    parts = {"access": FakeAccess([PRODUCTION]), "identities": FakeIdentities()}

    assert await found(production_reads.CONTROL, log=FakeLog(log), **parts) is expected


ROW = GrantFact(id="g", entity="ann", request="p", begins=day(2), ends=day(2) + HOUR, entry=2)


@pytest.mark.parametrize(
    ("log", "rows", "expected"),
    [
        pytest.param([granting()], [ROW], Verdict.EFFECTIVE, id="ends"),
        pytest.param([], [], Verdict.NOT_EXERCISED, id="none"),
        pytest.param(
            [granting(hours=9)],
            [replace(ROW, ends=day(2) + 9 * HOUR)],
            Verdict.EXCEPTIONS,
            id="too long",
        ),
        pytest.param([granting(longest_seconds=1800)], [ROW], Verdict.EXCEPTIONS, id="by its rule"),
        pytest.param([granting()], [replace(ROW, ends=day(9))], Verdict.EXCEPTIONS, id="prolonged"),
        pytest.param([granting(), ENDED], [ROW], Verdict.EXCEPTIONS, id="begun again"),
        pytest.param(
            [granting(), ENDED], [replace(ROW, ended_at=day(2))], Verdict.EFFECTIVE, id="ended"
        ),
        pytest.param([granting(), read(hours=1)], [ROW], Verdict.EXCEPTIONS, id="used when over"),
        pytest.param(
            [granting(), ENDED, read()],
            [replace(ROW, ended_at=day(2))],
            Verdict.EXCEPTIONS,
            id="used when ended",
        ),
        pytest.param([], [ROW], Verdict.EXCEPTIONS, id="from nowhere"),
        pytest.param(
            [granting()], [GrantFact(id="g", problem="x")], Verdict.INCONCLUSIVE, id="changed row"
        ),
        pytest.param([granting(cut={"ends": 9})], [ROW], Verdict.INCONCLUSIVE, id="cut"),
    ],
)
async def test_t42_wants_grants_to_end(
    log: list[LogEntry], rows: list[GrantFact], expected: Verdict
) -> None:
    governance = FakeGovernance(granted=rows)

    assert await found(grants_end.CONTROL, log=FakeLog(log), governance=governance) is expected
