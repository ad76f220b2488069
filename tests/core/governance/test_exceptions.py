"""Exceptions: asked for by one, approved by another, of one subject, with an end that holds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.base.clock import rfc3339
from strongroom.controls import CONTROLS
from strongroom.evidence.compliance_facts import ComplianceFacts
from strongroom.evidence.run import ControlRuns
from strongroom.evidence.surroundings import Surroundings
from strongroom.sdk.facts.period import Period
from tests.core.governance.office import entity, office, person
from tests.core.system.room import START, Answer, Room
from tests.core.system.test_groups import acting_as

PAPERS = """
path "strongroom/exceptions*" { capabilities = ["create", "read", "update", "delete", "list"] }
"""
SOON = rfc3339(START + timedelta(days=30))
LATER = rfc3339(START + timedelta(days=60))


@pytest.fixture
async def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch) as made:
        await made.policy("papers", PAPERS)
        yield made


async def ask(ours: Room, token: str, owner: str, **more: object) -> Answer:
    given = {
        "control": "T36",
        "subject": "wide: secret/prod/*",
        "type": "legacy-system",
        "reason": "the old billing needs it",
        "compensating": ["it is watched"],
        "owner": owner,
        "expires_at": SOON,
        **more,
    }
    return await ours.ask("POST", "strongroom/exceptions", given, token=token)


async def decide(ours: Room, id_: str, token: str, how: str = "approve") -> Answer:
    path = f"strongroom/exceptions/proposals/{id_}/{how}"
    return await ours.ask("POST", path, {"revision": 1}, token=token)


async def in_force(ours: Room, **more: object) -> tuple[str, str, str]:
    """Put one in force; return its id, and the tokens of who asked and who approved."""
    ada, asks = await person(ours, "ada", "papers")
    _, decides = await person(ours, "ben", "papers")
    asked = await ask(ours, asks, ada, **more)
    assert asked.status == 200, asked
    answer = await decide(ours, asked.data["id"], decides)
    assert answer.status == 200, answer
    return str(answer.data["outcome"]), asks, decides


async def verdict(ours: Room, control: str = "T36") -> tuple[str, dict[str, Any]]:
    """Run a control, and return its verdict with the item that broke."""
    runs = ControlRuns(server=ours.server, controls=CONTROLS, surroundings=Surroundings())
    now = ours.clock.now()
    [row] = await runs.run(Period(START, now + timedelta(hours=1)), [control])
    broken = [i for i in json.loads(row.result)["items"] if i["held"] is False]
    return row.verdict, (broken or [{}])[0]


class TestAsking:
    async def test_one_is_in_force_when_another_person_approved_it(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        ben, decides = await person(ours, "ben", "papers")
        id_ = (await ask(ours, asks, ada)).data["id"]

        own = await decide(ours, id_, asks)
        answer = await decide(ours, id_, decides)

        assert (own.status, answer.data["state"]) == (403, "approved")
        path = f"strongroom/exceptions/{answer.data['outcome']}"
        shown = (await ours.ask("GET", path)).data
        assert (shown["state"], shown["owner"], shown["approved_by"]) == ("in force", ada, [ben])
        again = await decide(ours, id_, decides)
        assert again.status == 400

    async def test_a_second_alias_of_the_asker_approves_nothing(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        other = await entity(ours, "ada2", policies=["papers"])
        token = await acting_as(ours, other)
        merged = {"from_entity_ids": [other], "to_entity_id": ada}
        assert (await ours.ask("POST", "identity/entity/merge", merged)).status in (200, 204)
        id_ = (await ask(ours, asks, ada)).data["id"]

        assert (await decide(ours, id_, token)).status == 403

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"control": "X36"}, "control"),
            ({"control": "T3\u0663"}, "control"),
            ({"subject": " wide"}, "subject"),
            ({"subject": "*", "compensating": []}, "compensating"),
            ({"compensating": ["\u200b"]}, "compensating"),
            ({"compensating": ["x" * 2000]}, "compensating"),
            ({"type": "because"}, "kind"),
            ({"reason": "\u200b"}, "reason"),
            ({"expires_at": rfc3339(START - timedelta(days=1))}, "expires_at"),
            ({"expires_at": rfc3339(START + timedelta(days=400))}, "expires_at"),
            ({"expires_at": "never"}, "expires_at"),
            ({"owner": "nobody"}, "owner"),
        ],
    )
    async def test_it_says_what_it_must(
        self, ours: Room, more: dict[str, object], field: str
    ) -> None:
        ada, asks = await person(ours, "ada", "papers")

        answer = await ask(ours, asks, **{"owner": ada, **more})  # type: ignore[arg-type]

        assert answer.status == 400
        assert answer.errors[0].startswith(field), answer

    async def test_what_was_right_when_asked_is_judged_again(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        cy, _ = await person(ours, "cy")
        id_ = (await ask(ours, asks, cy)).data["id"]
        await ours.ask("POST", f"strongroom/people/{cy}/leave")

        answer = await decide(ours, id_, decides)

        assert (answer.status, answer.errors[0][:5]) == (400, "owner")
        assert (await ours.ask("LIST", "strongroom/exceptions")).status == 404
        assert ada

    async def test_one_that_was_taken_back_denied_or_is_too_old_is_never_in_force(
        self, ours: Room
    ) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        ids = [(await ask(ours, asks, ada)).data["id"] for _ in range(3)]
        await decide(ours, ids[0], decides, "deny")
        await ours.ask("DELETE", f"strongroom/exceptions/proposals/{ids[1]}", token=asks)
        waiting = await ours.ask("LIST", "strongroom/exceptions/proposals/inbox", token=decides)
        assert waiting.data["keys"] == [ids[2]]
        ours.clock.advance(timedelta(days=14))

        for each in ids:
            assert (await decide(ours, each, decides)).status in (400, 403)

        assert (await ours.ask("LIST", "strongroom/exceptions")).status == 404

    async def test_root_asks_for_none(self, ours: Room) -> None:
        ada, _ = await person(ours, "ada")

        assert (await ask(ours, ours.root, ada)).status == 403


class TestItsEnd:
    async def test_it_is_over_by_the_clock_alone(self, ours: Room) -> None:
        id_, _, _ = await in_force(ours)
        ours.clock.advance(timedelta(days=30))

        shown = (await ours.ask("GET", f"strongroom/exceptions/{id_}")).data

        assert shown["state"] == "expired"

    async def test_it_goes_on_only_by_another_approval(self, ours: Room) -> None:
        id_, asks, decides = await in_force(ours)
        given = {"reason": "not moved yet", "expires_at": LATER}
        path = f"strongroom/exceptions/{id_}/extend"

        asked = await ours.ask("POST", path, given, token=asks)
        before = (await ours.ask("GET", f"strongroom/exceptions/{id_}")).data
        own = await decide(ours, asked.data["id"], asks)
        answer = await decide(ours, asked.data["id"], decides)

        assert (before["expires_at"], own.status) == (SOON, 403)
        old = (await ours.ask("GET", f"strongroom/exceptions/{id_}")).data
        new = (await ours.ask("GET", f"strongroom/exceptions/{answer.data['outcome']}")).data
        assert (old["state"], new["state"], new["expires_at"]) == ("ended", "in force", LATER)
        assert (new["extends"], old["why"]) == (id_, f"extended by {new['id']}")

    async def test_it_is_ended_before_its_time_for_a_reason(self, ours: Room) -> None:
        id_, asks, _ = await in_force(ours)
        path = f"strongroom/exceptions/{id_}/end"

        silent = await ours.ask("POST", path, {"reason": "\u200b"}, token=asks)
        said = await ours.ask("POST", path, {"reason": "it was moved"}, token=asks)

        assert (silent.status, said.status) == (400, 204)
        shown = (await ours.ask("GET", f"strongroom/exceptions/{id_}")).data
        assert (shown["state"], shown["why"]) == ("ended", "it was moved")


class TestWhatItCovers:
    async def test_its_control_is_excepted_until_its_end_and_red_from_then_on(
        self, ours: Room
    ) -> None:
        await ours.policy("wide", 'path "secret/prod/*" { capabilities = ["read"] }')
        red, _ = await verdict(ours)
        id_, _, _ = await in_force(ours)

        covered, item = await verdict(ours)
        ours.clock.advance(timedelta(days=30) - timedelta(seconds=1))
        last, _ = await verdict(ours)
        ours.clock.advance(timedelta(seconds=1))
        over, plain = await verdict(ours)

        assert (red, covered, last, over) == ("exceptions", "excepted", "excepted", "exceptions")
        assert (item["exception"], item["held"], plain["exception"]) == (id_, False, "")
        assert id_ in item["because"]

    @pytest.mark.parametrize(
        "more",
        [
            {"subject": "wide"},
            {"subject": "wide: secret/*"},
            {"subject": "*"},
            {"control": "T11"},
        ],
    )
    async def test_nothing_else_is_covered(self, ours: Room, more: dict[str, object]) -> None:
        await ours.policy("wide", 'path "secret/prod/*" { capabilities = ["read"] }')
        await in_force(ours, **more)

        assert (await verdict(ours))[0] == "exceptions"

    async def test_one_that_was_ended_covers_nothing(self, ours: Room) -> None:
        await ours.policy("wide", 'path "secret/prod/*" { capabilities = ["read"] }')
        id_, asks, _ = await in_force(ours)
        path = f"strongroom/exceptions/{id_}/end"
        await ours.ask("POST", path, {"reason": "it was moved"}, token=asks)

        assert (await verdict(ours))[0] == "exceptions"

    async def test_one_that_was_changed_in_the_database_covers_nothing(self, ours: Room) -> None:
        await ours.policy("wide", 'path "secret/prod/*" { capabilities = ["read"] }')
        await in_force(ours)
        ours.clock.advance(timedelta(days=30))
        await ours.store(lambda tx: tx.run("UPDATE control_exception SET expires_at = 1 << 60", ()))

        assert (await verdict(ours))[0] == "exceptions"
        [fact] = await ComplianceFacts(ours.server).exceptions()
        assert fact.problem
