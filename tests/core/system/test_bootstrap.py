"""The first administrator, by a code that is good once, for a day, and to nobody who guesses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.core.system.bootstrap import FAILURES, LOCKED, SETTING, WORDS
from strongroom.storage.records import SETTINGS, Setting
from strongroom.storage.transaction import Transaction
from tests.core.system.authenticator import Authenticator
from tests.core.system.room import Answer, Room, room

PASSWORD = "marmalade Tuesday orbit"
ADA = {"name": "Ada", "email": "ada@example.org", "username": "Ada", "password": PASSWORD}


class Begun:
    """A server that was initialized with a code, unsealed."""

    def __init__(self, made: Room, told: dict[str, Any]) -> None:
        self.room, self.told, self.code = made, told, str(told["bootstrap_code"])

    async def start(self, code: str | None = None, **changed: object) -> Answer:
        given = {**ADA, "code": self.code if code is None else code, **changed}
        return await self.room.ask("POST", "strongroom/bootstrap", given, token="")

    async def key(self, token: str) -> Authenticator:
        """Enrol a security key with this token."""
        begin = "strongroom/factors/webauthn/begin"
        begun = (await self.room.ask("POST", begin, {"name": "key"}, token=token)).data
        key = Authenticator()
        answer = {"id": begun["id"], "credential": key.create(begun["options"])}
        done = await self.room.ask(
            "POST", "strongroom/factors/webauthn/finish", answer, token=token
        )
        assert done.status == 200, done
        return key

    async def log_in(self, key: Authenticator) -> Answer:
        path = "auth/people/login/ada"
        waits = await self.room.ask("POST", path, {"password": PASSWORD}, token="")
        requirement = waits.auth["mfa_requirement"]
        [constraint] = [
            way
            for demand in requirement["mfa_constraints"].values()
            for way in demand["any"]
            if way["type"] == "webauthn"
        ][:1]
        shown = json.dumps(key.get(constraint["options"]))
        given = {
            "mfa_request_id": requirement["mfa_request_id"],
            "mfa_payload": {constraint["id"]: [shown]},
        }
        return await self.room.ask("POST", "sys/mfa/validate", given, token="")


@pytest.fixture
async def begun(tmp_path: Path) -> AsyncIterator[Begun]:
    async with room(tmp_path, initialized=False) as made:
        given = {"secret_shares": 1, "secret_threshold": 1, "bootstrap": True}
        told = (await made.ask("POST", "sys/init", given, token="")).body
        await made.ask("POST", "sys/unseal", {"key": told["keys"][0]}, token="")
        yield Begun(made, told)


def refused(answer: Answer) -> bool:
    return (answer.status, answer.errors) == (403, [WORDS])


async def test_there_is_no_root_token_and_no_entry_has_the_code(begun: Begun) -> None:
    assert begun.told["root_token"] == ""
    assert begun.told["bootstrap_expires_at"] == "2026-01-02T00:00:00Z"
    assert (await begun.start()).status == 200

    entries = await begun.room.entries()

    text = json.dumps(entries)
    for secret in (begun.code, PASSWORD, "ada@example.org", "root_accessor"):
        assert secret not in text


async def test_the_administrator_enrols_a_key_and_then_logs_in_with_it(begun: Begun) -> None:
    started = await begun.start()
    token = started.auth["client_token"]
    assert started.auth["policies"] == ["enrol-factors"]
    assert (await begun.room.ask("GET", "sys/policies/acl/default", token=token)).status == 403

    key = await begun.key(token)
    inside = await begun.log_in(key)

    assert inside.status == 200, inside
    assert set(inside.auth["policies"]) >= {"administrator", "default"}
    read = await begun.room.ask(
        "GET", "sys/policies/acl/administrator", token=inside.auth["client_token"]
    )
    assert "strongroom/*" in read.data["policy"]


async def test_a_password_alone_gives_no_administrator(begun: Begun) -> None:
    await begun.start()

    answer = await begun.room.ask("POST", "auth/people/login/ada", {"password": PASSWORD}, token="")

    assert answer.auth["policies"] == ["enrol-factors"]


async def test_an_administrator_reaches_what_asks_for_sudo_and_no_secret(begun: Begun) -> None:
    key = await begun.key((await begun.start()).auth["client_token"])
    token = (await begun.log_in(key)).auth["client_token"]
    ask = begun.room.ask
    mount = {"type": "kv", "options": {"version": "2"}}

    assert (await ask("POST", "sys/auth/approle", {"type": "approle"}, token=token)).status == 204
    assert (await ask("POST", "sys/mounts/secret", mount, token=token)).status == 204
    assert (await ask("GET", "strongroom/sessions/limits", token=token)).status == 200
    assert (await ask("GET", "secret/data/a", token=token)).status == 403
    root = {"policies": ["root"]}
    assert (await ask("POST", "auth/token/create", root, token=token)).status in (400, 403)


async def test_the_person_is_registered_and_the_setting_can_be_made_at_once(begun: Begun) -> None:
    started = await begun.start(registration="required")
    key = await begun.key(started.auth["client_token"])
    token = (await begun.log_in(key)).auth["client_token"]

    person = await begun.room.ask(
        "GET", f"strongroom/people/{started.data['entity_id']}", token=token
    )
    settings = await begun.room.ask("GET", "strongroom/identity/settings", token=token)

    assert (person.data["name"], person.data["email"]) == ("Ada", "ada@example.org")
    assert settings.data["registration"] == "required"


async def test_a_code_is_good_once(begun: Begun) -> None:
    assert (await begun.start()).status == 200

    assert refused(await begun.start(username="eve"))


async def test_of_two_at_once_with_one_code_exactly_one_wins(begun: Begun) -> None:
    answers = await asyncio.gather(*(begun.start(username=f"user{n}") for n in range(6)))

    assert sorted(each.status for each in answers) == [200, 403, 403, 403, 403, 403]
    assert all(refused(each) for each in answers if each.status == 403)


async def test_a_code_is_over_after_a_day(begun: Begun) -> None:
    begun.room.clock.advance(timedelta(hours=24))

    assert refused(await begun.start())
    assert (await begun.room.last())["status_detail"] == "the code is over"


@pytest.mark.parametrize(
    "code", ["", "0000-0000-0000-0000", "x" * 5000, "é" * 16, "0000000000000000 OR 1=1"]
)
async def test_what_is_no_code_is_refused_like_a_wrong_one(begun: Begun, code: str) -> None:
    assert refused(await begun.start(code))
    assert (await begun.start()).status == 200


async def test_guesses_are_bounded_and_the_right_code_waits_like_any_other(begun: Begun) -> None:
    for _ in range(FAILURES):
        assert refused(await begun.start("0000-0000-0000-0000"))

    assert refused(await begun.start())
    assert (await begun.room.last())["status_detail"] == "too many wrong codes"
    begun.room.clock.advance(LOCKED)
    assert (await begun.start()).status == 200


async def test_guesses_at_once_are_each_counted(begun: Begun) -> None:
    wrong = await asyncio.gather(*(begun.start("0000-0000-0000-0000") for _ in range(20)))

    assert all(map(refused, wrong))
    assert refused(await begun.start())


@pytest.mark.parametrize(
    "changed",
    [{"password": "password1234"}, {"username": "a/b"}, {"email": "nobody"}, {"name": " "}],
)
async def test_what_cannot_be_taken_costs_no_code(begun: Begun, changed: dict[str, str]) -> None:
    answer = await begun.start(**changed)

    assert answer.status == 400
    assert (await begun.start()).status == 200


async def test_a_row_that_is_brought_back_brings_no_code_back(begun: Begun) -> None:
    tx = Transaction(begun.room.server.database, begun.room.server.barrier)
    found = await tx.get(SETTINGS, SETTING)
    assert found is not None
    assert (await begun.start()).status == 200
    await begun.room.store(lambda tx: tx.put(SETTINGS, Setting(SETTING, found.value)))

    assert refused(await begun.start(username="eve"))


async def test_init_in_vaults_way_leaves_nothing_to_begin_with(tmp_path: Path) -> None:
    async with room(tmp_path) as made:
        answer = await made.ask(
            "POST", "strongroom/bootstrap", {**ADA, "code": "0000-0000-0000-0000"}
        )

        assert made.root
        assert refused(answer)


async def test_a_sealed_server_says_so(tmp_path: Path) -> None:
    async with room(tmp_path, initialized=False) as made:
        given = {"secret_shares": 1, "secret_threshold": 1, "bootstrap": True}
        told = (await made.ask("POST", "sys/init", given, token="")).body

        answer = await Begun(made, told).start()

        assert answer.status == 503


async def test_a_root_token_that_a_quorum_makes_is_an_alert(begun: Begun) -> None:
    key = await begun.key((await begun.start()).auth["client_token"])
    token = (await begun.log_in(key)).auth["client_token"]
    started = (await begun.room.ask("POST", "sys/generate-root/attempt", {}, token="")).body
    given = {"key": begun.told["keys"][0], "nonce": started["nonce"]}

    made = await begun.room.ask("POST", "sys/generate-root/update", given, token="")

    assert made.body["complete"]
    entry = await begun.room.last()
    assert (entry["severity_id"], entry["unmapped"]["alert"]) == (
        4,
        "root_token_generated",
    )
    [alert] = (await begun.room.ask("GET", "strongroom/alerts", token=token)).data["alerts"]
    assert alert["lives"]
    assert alert["accessor"] == entry["unmapped"]["root_accessor"]
    assert (await begun.room.ask("GET", "strongroom/alerts", token="")).status == 403
