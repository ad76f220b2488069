"""What somebody was granted is among who can do what, until it ends; so is who needs a grant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.base.clock import rfc3339
from tests.core.governance.office import asked, decide, office, person, reads, rule
from tests.core.system.room import Room

READ = 'path "secret/*" { capabilities = ["read"] }'
WHO = "strongroom/access/who?capability=read&path=secret/prod/db"


@pytest.fixture
async def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch) as made:
        await made.policy("reader", READ)
        yield made


async def who(ours: Room, more: str = "") -> dict[str, Any]:
    answer = await ours.ask("GET", f"{WHO}{more}")
    assert answer.status == 200, answer
    return {each["subject"].partition(":")[0]: each for each in answer.data["subjects"]}


async def test_a_grant_is_told_with_its_end_and_is_gone_then(ours: Room) -> None:
    ann, hers = await person(ours, "ann")
    _, bobs = await person(ours, "bob")
    assert (await rule(ours)).status in (200, 204)
    before = await who(ours)
    assert (await decide(ours, await asked(ours, hers), bobs)).status == 200
    ours.clock.advance(timedelta(minutes=1))
    at, during = rfc3339(ours.clock.now()), await who(ours)
    assert await reads(ours, hers) == 200
    ours.clock.advance(timedelta(hours=1))

    after, then = await who(ours), await who(ours, f"&at={at}")

    assert "grant" not in before
    assert "grant" not in after
    assert during["grant"]["entity"] == then["grant"]["entity"] == ann
    assert during["grant"]["ends"] == then["grant"]["ends"]
    assert during["grant"]["why"][0].startswith("grant/")


async def test_where_people_need_a_grant_their_policies_are_not_told(ours: Room) -> None:
    _, hers = await person(ours, "ann", "reader")
    _, bobs = await person(ours, "bob")
    assert (await rule(ours)).status in (200, 204)
    before = await who(ours)
    given = {"people": "granted"}
    answer = await ours.ask("POST", "strongroom/environments/production", given)
    assert answer.status == 204

    without = await who(ours)
    matrix = await ours.ask("GET", "strongroom/access/everybody?below=secret/prod/")
    assert (await decide(ours, await asked(ours, hers), bobs)).status == 200
    granted = await who(ours)

    assert {"entity", "token"} <= set(before)
    assert without == {}
    assert [row for row in matrix.data["rows"] if row["rights"]] == []
    assert set(granted) == {"grant"}
