"""Training: who writes down what of whom, and for how long it counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.base.clock import rfc3339
from strongroom.evidence.compliance_facts import ComplianceFacts
from tests.core.governance.office import entity, office, person
from tests.core.system.room import START, Answer, Room
from tests.core.system.test_groups import acting_as

TOMORROW = rfc3339(START + timedelta(days=1))
KEEPER = 'path "strongroom/training/*" { capabilities = ["create", "read", "update", "delete"] }'


@pytest.fixture
async def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch) as made:
        await made.policy("keeper", KEEPER)
        yield made


async def course(ours: Room, name: str = "handling", **more: object) -> Answer:
    given = {"title": "Handling secrets", "version": "1", **more}
    return await ours.ask("POST", f"strongroom/training/courses/{name}", given)


async def record(ours: Room, token: str, who: str, **more: object) -> Answer:
    given = {"course": "handling", "entity": who, **more}
    return await ours.ask("POST", "strongroom/training/completions", given, token=token)


class TestCourses:
    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"title": "\u200b"}, "title"),
            ({"version": " "}, "version"),
            ({"validity": "1h"}, "validity"),
            ({"validity": "99999h"}, "validity"),
        ],
    )
    async def test_lack_nothing(self, ours: Room, more: dict[str, object], field: str) -> None:
        answer = await course(ours, **more)

        assert answer.status == 400
        assert answer.errors[0].startswith(field), answer

    async def test_one_that_somebody_completed_stays_on_record(self, ours: Room) -> None:
        await course(ours)
        await course(ours, "spare")
        ada, _ = await person(ours, "ada")
        _, keeper = await person(ours, "kay", "keeper")
        await record(ours, keeper, ada)

        used = await ours.ask("DELETE", "strongroom/training/courses/handling")
        spare = await ours.ask("DELETE", "strongroom/training/courses/spare")

        assert (used.status, spare.status) == (400, 204)
        listed = await ours.ask("LIST", "strongroom/training/courses")
        assert listed.data["keys"] == ["handling"]


class TestCompletions:
    async def test_count_for_as_long_as_the_course_says(self, ours: Room) -> None:
        await course(ours, validity="720h")
        ada, _ = await person(ours, "ada")
        kay, keeper = await person(ours, "kay", "keeper")

        answer = await record(ours, keeper, ada, reference="lms/17")

        id_ = answer.data["id"]
        shown = await ours.ask("GET", f"strongroom/training/completions/{id_}")
        assert (shown.data["state"], shown.data["recorded_by"]) == ("current", kay)
        ours.clock.advance(timedelta(days=30))
        later = await ours.ask("LIST", f"strongroom/training/completions?entity={ada}")
        assert later.data["key_info"][id_]["state"] == "over"

    async def test_nobody_records_their_own(self, ours: Room) -> None:
        await course(ours)
        kay, keeper = await person(ours, "kay", "keeper")

        named = await record(ours, keeper, kay)
        unnamed = await ours.ask(
            "POST", "strongroom/training/completions", {"course": "handling"}, token=keeper
        )

        assert (named.status, unnamed.status) == (403, 403)

    async def test_but_of_a_course_that_lets_them(self, ours: Room) -> None:
        await course(ours, self_attested=True)
        kay, keeper = await person(ours, "kay", "keeper")

        answer = await record(ours, keeper, kay)

        assert answer.status == 200
        assert (await ours.last())["unmapped"]["self_attested"] is True

    async def test_a_second_alias_is_the_same_person(self, ours: Room) -> None:
        await course(ours)
        kay, _ = await person(ours, "kay", "keeper")
        other = await entity(ours, "kay2", policies=["keeper"])
        token = await acting_as(ours, other)
        merged = {"from_entity_ids": [other], "to_entity_id": kay}
        assert (await ours.ask("POST", "identity/entity/merge", merged)).status in (200, 204)

        assert (await record(ours, token, kay)).status == 403

    async def test_a_token_that_somebody_made_records_nothing(self, ours: Room) -> None:
        await course(ours)
        ada, _ = await person(ours, "ada")
        await ours.policy("maker", 'path "auth/token/create" { capabilities = ["update"] }')
        _, keeper = await person(ours, "kay", "keeper", "maker")
        made = await ours.ask("POST", "auth/token/create", {}, token=keeper)

        assert (await record(ours, made.auth["client_token"], ada)).status == 403

    async def test_a_workload_records_nothing_and_completes_nothing(self, ours: Room) -> None:
        await course(ours)
        kay, keeper = await person(ours, "kay", "keeper")
        robot = await entity(ours, "robot", policies=["keeper"])
        given = {"owner": kay, "justification": "tests", "environment": "production"}
        await ours.ask("POST", f"strongroom/workloads/{robot}", given)

        by = await record(ours, await acting_as(ours, robot), kay)
        of = await record(ours, keeper, robot)

        assert (by.status, of.status) == (403, 400)

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"course": "none"}, "course"),
            ({"entity": "nobody"}, "entity"),
            ({"completed_at": TOMORROW}, "completed_at"),
        ],
    )
    async def test_say_what_can_be(self, ours: Room, more: dict[str, object], field: str) -> None:
        await course(ours)
        ada, _ = await person(ours, "ada")
        _, keeper = await person(ours, "kay", "keeper")

        answer = await record(ours, keeper, **{"who": ada, **more})  # type: ignore[arg-type]

        assert answer.status == 400
        assert answer.errors[0].startswith(field), answer

    async def test_one_is_taken_back_by_name_and_stays(self, ours: Room) -> None:
        await course(ours)
        ada, _ = await person(ours, "ada")
        _, keeper = await person(ours, "kay", "keeper")
        id_ = (await record(ours, keeper, ada)).data["id"]
        path = f"strongroom/training/completions/{id_}"

        silent = await ours.ask("DELETE", path, token=keeper)
        said = await ours.ask("DELETE", f"{path}?because=was+not+there", token=keeper)

        assert (silent.status, said.status) == (400, 204)
        assert (await ours.ask("GET", path)).data["state"] == "void"
        [fact] = await ComplianceFacts(ours.server).completions()
        assert fact.void

    async def test_who_can_reach_a_secret_is_found_by_policy(self, ours: Room) -> None:
        await ours.policy("reader", 'path "secret/a/*" { capabilities = ["read"] }')
        ada, _ = await person(ours, "ada", "reader")
        await person(ours, "ben")

        assert await ComplianceFacts(ours.server).readers() == {ada: "secret/*"}
