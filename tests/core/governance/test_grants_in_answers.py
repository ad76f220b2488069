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


async def only_granted(ours: Room) -> None:
    given = {"people": "granted"}
    answer = await ours.ask("POST", "strongroom/environments/production", given)
    assert answer.status == 204


async def may(ours: Room, whose: str, path: str = "secret/prod/db") -> dict[str, Any]:
    answer = await ours.ask("GET", f"strongroom/access/may?capability=read&path={path}&{whose}")
    assert answer.status == 200, answer
    return dict(answer.data)


async def test_may_of_an_entity_or_its_token_counts_a_grant_and_says_what_refused(
    ours: Room,
) -> None:
    ann, hers = await person(ours, "ann", "reader")
    _, bobs = await person(ours, "bob")
    await only_granted(ours)
    accessor = (await ours.ask("GET", "auth/token/lookup-self", token=hers)).data["accessor"]
    made = await ours.ask("POST", "auth/token/create", {"policies": ["reader"]})
    child = made.auth["accessor"]
    before = await may(ours, f"entity={ann}")
    elsewhere = await may(ours, f"entity={ann}", "secret/other")
    assert (await decide(ours, await asked(ours, hers), bobs)).status == 200

    after = await may(ours, f"entity={ann}")
    by_token = await may(ours, f"accessor={accessor}")

    assert (before["allowed"], elsewhere["allowed"]) == (False, True)
    assert before["guardrail"] == "environment:production: people need a grant"
    assert (after["allowed"], by_token["allowed"]) == (True, True)
    assert after["subject"] == by_token["subject"]
    assert after["subject"].startswith("grant:")
    assert by_token["ends"] == after["ends"] == "2026-01-01T01:00:00Z"
    assert not (await may(ours, f"accessor={child}"))["allowed"]
    assert not (await may(ours, "policies=reader"))["allowed"]


async def test_the_callers_own_rights_and_a_small_matrix_tell_grants_from_policies(
    ours: Room,
) -> None:
    ann, hers = await person(ours, "ann", "reader")
    _, bobs = await person(ours, "bob")
    await ours.policy("me", 'path "strongroom/access/self" { capabilities = ["read"] }')
    await ours.ask("POST", f"identity/entity/id/{ann}", {"policies": ["staff", "reader", "me"]})
    await only_granted(ours)
    assert (await decide(ours, await asked(ours, hers), bobs)).status == 200

    own = (await ours.ask("GET", "strongroom/access/self", token=hers)).data
    asked_for = {"entities": [ann], "paths": ["secret/prod/db", "secret/other"]}
    cells = (await ours.ask("POST", "strongroom/access/matrix", asked_for)).data["cells"]

    told = {each["pattern"]: each for each in own["grants"]}
    assert told["secret/*"]["refused_in"] == ["production"]
    assert "ends" not in told["secret/*"]
    assert told["secret/prod/db"]["refused_in"] == []
    assert told["secret/prod/db"]["ends"] == "2026-01-01T01:00:00Z"
    found = {(each["subject"][:5], each["path"]): each["capabilities"] for each in cells}
    assert found == {
        ("entit", "secret/prod/db"): [],
        ("entit", "secret/other"): ["read"],
        ("grant", "secret/prod/db"): ["read"],
        ("grant", "secret/other"): [],
    }


async def test_what_own_policies_deny_is_no_grants(ours: Room) -> None:
    await ours.policy("closed", 'path "secret/prod/hr" { capabilities = ["deny"] }')
    ann, hers = await person(ours, "ann", "closed")
    _, bobs = await person(ours, "bob")
    await ours.ask("POST", "secret/prod/hr", {"x": "1"})
    id_ = await asked(ours, hers, paths=["secret/prod/*"])
    assert (await decide(ours, id_, bobs)).status == 200

    served = [await reads(ours, hers, f"secret/prod/{each}") for each in ("db", "hr")]
    answers = [await may(ours, f"entity={ann}", f"secret/prod/{e}") for e in ("db", "hr")]
    hr = await ours.ask("GET", "strongroom/access/who?capability=read&path=secret/prod/hr")
    rows = (await ours.ask("GET", "strongroom/access/everybody?below=secret/prod/")).data["rows"]

    assert served == [200, 403]
    assert [each["allowed"] for each in answers] == [True, False]
    assert ann not in {each["entity"] for each in hr.data["subjects"]}
    [lent] = [r for r in rows if r["subjects"][0]["subject"].startswith("grant:")]
    assert {right["sample"] for right in lent["rights"]} & {"secret/prod/hr"} == set()
    assert sum(right["paths"] for right in lent["rights"]) == 2  # db, and one for the pattern


async def test_a_grant_that_was_ended_since_held_then_and_that_is_said(ours: Room) -> None:
    _, hers = await person(ours, "ann")
    _, bobs = await person(ours, "bob")
    id_ = await asked(ours, hers)
    assert (await decide(ours, id_, bobs)).status == 200
    ours.clock.advance(timedelta(minutes=1))
    at = rfc3339(ours.clock.now())
    ours.clock.advance(timedelta(minutes=1))
    grant = (await ours.ask("GET", f"strongroom/requests/{id_}")).data["outcome"]
    assert (await ours.ask("POST", f"strongroom/grants/{grant}/end", {})).status == 204

    now = await who(ours)
    answer = await ours.ask("GET", f"{WHO}&at={at}")

    then = {each["subject"]: each for each in answer.data["subjects"]}
    assert "grant" not in now
    assert then[f"grant:{grant}"]["ends"] == "2026-01-01T01:00:00Z"
    assert any(grant in each for each in answer.data["uncertain"])


async def test_an_interface_is_told_what_was_granted(ours: Room) -> None:
    _, hers = await person(ours, "ann")
    _, bobs = await person(ours, "bob")
    assert (await decide(ours, await asked(ours, hers), bobs)).status == 200

    told = (await ours.ask("GET", "sys/internal/ui/resultant-acl", token=hers)).data

    assert told["exact_paths"]["secret/prod/db"] == {"capabilities": ["read"]}
    shown = await ours.ask("GET", "sys/internal/ui/mounts/secret", token=hers)
    assert shown.status == 200
