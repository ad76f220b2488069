"""What exceptions cover: by name, in the result, in the pack, and for who verifies it offline."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.controls import CONTROLS
from strongroom.evidence.acting import act
from strongroom.evidence.canonical import canonical
from strongroom.evidence.pack import Packs
from strongroom.evidence.run import ControlRuns
from strongroom.evidence.verify import Value, follows, rolled_up, verify_pack
from strongroom.identity.governance.exceptions import EXCEPTIONS, ControlException
from strongroom.sdk.control import Item, Verdict, verdict
from strongroom.sdk.exceptions import excepted
from strongroom.sdk.facts.compliance import ExceptionFact
from strongroom.storage.transaction import Transaction
from tests.evidence.playing import Company, company, quarter

NOW = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SUBJECTS = st.sampled_from(["shop (e-1)", "e-1", "shop", "token a", "rule (x)", "x", "a)", "()"])
ITEMS = st.lists(st.builds(Item, SUBJECTS, st.sampled_from([True, False, None]), st.just("so")))
FACTS = st.lists(
    st.builds(
        ExceptionFact,
        id=st.sampled_from(["one", "two"]),
        control=st.sampled_from(["T10", "T36"]),
        subject=SUBJECTS,
        begins=st.sampled_from([NOW - DAY, NOW, NOW + DAY]),
        ends=st.sampled_from([NOW - DAY, NOW, NOW + DAY]),
        problem=st.sampled_from(["", "changed"]),
    )
)


@settings(max_examples=60, deadline=None)
@given(ITEMS, FACTS)
def test_only_what_broke_is_covered_by_what_is_in_force_and_names_it(
    items: list[Item], facts: list[ExceptionFact]
) -> None:
    found = excepted("T10", items, facts, NOW)

    for before, after in zip(items, found, strict=True):
        assert (after.held, after.subject, after.members) == (
            before.held,
            before.subject,
            before.members,
        )
        names = {before.subject, before.subject[:-1].rpartition("(")[2]}
        covering = {
            f.id
            for f in facts
            if f.control == "T10" and f.subject in names and not f.problem and f.begins and f.ends
            if f.begins <= NOW < f.ends
        }
        assert not after.exception or after.exception in covering
        assert not after.exception or before.held is False
    if any(i.held is False and not i.exception for i in found):
        assert verdict(found) is Verdict.EXCEPTIONS
    if verdict(items) is not Verdict.EFFECTIVE:
        assert verdict(found) is not Verdict.EFFECTIVE


def test_an_item_that_says_that_it_is_covered_without_having_broken_is_not() -> None:
    def said(**item: object) -> list[str]:
        items = [{"held": False, "members": 1, "exception": "x", **item}]
        result = {"verdict": "excepted", "items": items, "population": 1}
        counts = {"exceptions": 0, "excepted": 1, "unjudged": 0}
        return list(follows(Value("result.json", {**result, **counts})))

    assert said() == []
    assert said(held="excepted")
    assert said(held=True)
    assert said(exception="")


def test_a_run_under_an_exception_is_not_erased_by_a_later_one_without() -> None:
    result = {"control": "T36", "verdict": "effective", "period_start": "", "period_end": ""}
    run = {"index": 1, "run": "r", "definition": "d", "exceptions": 0, **result}

    rolled = rolled_up(result, [{**run, "verdict": "excepted"}, run])

    assert rolled["verdict"] == "excepted"


async def _cover(lent: Company, subject: str) -> None:
    now = lent.clock.now()
    row = ControlException(
        id="0-1",
        control="T36",
        subject=subject,
        kind="other",
        reason="the old billing",
        compensating=("it is watched",),
        owner="e-1",
        proposal="",
        extends="",
        asked_by=("e-1",),
        approved_by=("e-2",),
        begins_at=now,
        expires_at=now + DAY,
        target_at=None,
        ended_at=None,
        ended_by="",
        why="",
    )

    async def put(tx: Transaction) -> None:
        tx.put(EXCEPTIONS, row)

    await act(lent.server, "exception.approve", "strongroom/exceptions", {}, put)


async def test_the_pack_names_it_and_holds(tmp_path: Path) -> None:
    async with company(tmp_path) as lent:
        await quarter(lent)
        await lent.policy("wide", 'path "secret/*" { capabilities = ["read"] }')
        await _cover(lent, "wide: secret/*")
        runs = ControlRuns(server=lent.server, controls=CONTROLS, surroundings=lent.surroundings)

        [row] = await runs.run(lent.period(), ["T36"])
        made = await Packs(server=lent.server, runs=runs).make(lent.period(), ["T36"])

        vkey = lent.server.log.verifier_key
    result = json.loads(row.result)
    assert (row.verdict, row.exceptions, result["excepted"]) == ("excepted", 0, 1)
    [broken] = [item for item in result["items"] if item["held"] is False]
    assert (broken["exception"], "the old billing" in broken["because"]) == ("0-1", True)
    assert canonical(result) == row.result
    assert verify_pack(made.path, vkey, lambda _: None).ok
