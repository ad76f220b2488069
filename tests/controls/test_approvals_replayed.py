"""T22, each case a short history: `strongroom.controls.approvals_replayed`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from strongroom.base.clock import rfc3339
from strongroom.controls.approvals_replayed import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.governance import (
    ApprovalFact,
    ApprovalRuleFact,
    MemberFact,
)
from strongroom.sdk.facts.identities import PersonFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.governance import FakeGovernance
from tests.controls.granting import ASKED, PLACE, approval, granting
from tests.controls.histories import FakeIdentities, FakeLog, day, entry, found

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

    verdict = await found(CONTROL, log=FakeLog(log), identities=people, governance=governance)

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
        CONTROL,
        log=FakeLog([begun, *after]),
        identities=FakeIdentities([BOB]),
        governance=FakeGovernance(),
    )

    assert verdict is expected
