"""A login that is locked out: refused whatever it brings, and never told from a wrong password."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.api.wire import HttpRequest, HttpResponse
from strongroom.app import Application
from strongroom.auth.userpass import method as userpass
from strongroom.core.login import LOCKED
from tests.core.system.room import Room, room

THRESHOLD = 5


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.ask("POST", "sys/auth/up", {"type": "userpass"})
        await made.ask("POST", "auth/up/users/al", {"password": "right"})
        await made.ask("POST", "auth/up/users/bo", {"password": "right"})
        yield made


async def log_in(r: Room, name: str, password: str = "wrong") -> HttpResponse:
    """Return the whole answer of a login, headers too."""
    body = json.dumps({"password": password}).encode()
    path = f"/v1/auth/up/login/{name}".encode()
    request = HttpRequest("POST", path, b"", [], body, ("192.0.2.1", 4711), None)
    return await Application(r.server)(request)


async def lock(r: Room, name: str) -> None:
    for _ in range(THRESHOLD):
        await log_in(r, name)


def seen(answer: HttpResponse) -> tuple[object, ...]:
    """Return what of an answer a stranger can compare."""
    return answer.status, answer.body, sorted(name for name, _ in answer.headers)


@pytest.mark.parametrize("password", ["wrong", "right"])
async def test_a_locked_login_is_answered_like_a_wrong_password(ours: Room, password: str) -> None:
    wrong = await log_in(ours, "bo")
    await lock(ours, "al")
    await lock(ours, "nobody")

    for _ in range(15):  # beyond what noise lets through as entries of its own
        locked, unknown = await log_in(ours, "al", password), await log_in(ours, "nobody", password)

        assert seen(locked) == seen(unknown) == seen(wrong)


@pytest.mark.parametrize("body", [{}, {"password": ""}, {"password": "x" * 2000}, {"password": 5}])
async def test_what_is_wrong_with_a_login_is_said_locked_or_not(ours: Room, body: object) -> None:
    open_ = await ours.ask("POST", "auth/up/login/bo", body, token="")
    await lock(ours, "al")

    locked = await ours.ask("POST", "auth/up/login/al", body, token="")

    assert locked == open_


@pytest.mark.parametrize("password", ["wrong", "right"])
async def test_a_locked_login_costs_the_same_hash(
    ours: Room, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    await lock(ours, "al")
    costs: list[str] = []
    verify = userpass.verify_password

    def counted(phc: str, given: object) -> None:
        costs.append(phc.partition("p=")[0])
        verify(phc, given)  # type: ignore[arg-type]

    monkeypatch.setattr(userpass, "verify_password", counted)
    for name in ("al", "bo", "nobody"):
        await log_in(ours, name, password if name == "al" else "wrong")

    assert len(costs) == 3
    assert len(set(costs)) == 1


async def test_the_entry_says_that_it_was_locked_out(ours: Room) -> None:
    await lock(ours, "al")

    await log_in(ours, "al", "right")

    entry = await ours.last()
    assert (entry["status_detail"], entry["status_code"]) == ("locked out", "400")


async def test_a_lock_ends_when_it_would_have_however_often_it_is_tried(ours: Room) -> None:
    await lock(ours, "al")
    for _ in range(3):
        ours.clock.advance(LOCKED / 4)
        await log_in(ours, "al", "right")
    ours.clock.advance(LOCKED / 4)

    assert (await log_in(ours, "al", "right")).status == 200


async def test_a_login_that_is_locked_out_spends_no_secret_id(ours: Room) -> None:
    await ours.ask("POST", "sys/auth/approle", {"type": "approle"})
    await ours.ask("POST", "auth/approle/role/ci", {"role_id": "ci", "secret_id_num_uses": 1})
    made = await ours.ask("POST", "auth/approle/role/ci/secret-id", {})
    right = {"role_id": "ci", "secret_id": made.data["secret_id"]}
    for _ in range(THRESHOLD):
        wrong = {"role_id": "ci", "secret_id": "wrong"}
        refused = await ours.ask("POST", "auth/approle/login", wrong, token="")

    locked = await ours.ask("POST", "auth/approle/login", right, token="")
    ours.clock.advance(LOCKED)
    later = await ours.ask("POST", "auth/approle/login", right, token="")

    assert locked == refused
    assert later.status == 200


async def test_the_failure_that_begins_a_lock_is_an_alert_and_no_other_is(ours: Room) -> None:
    for _ in range(THRESHOLD + 2):
        await log_in(ours, "al")

    entries = [e for e in await ours.entries() if e["metadata"]["event_code"] == "auth.login"]
    alerts = [e["unmapped"].get("alert") for e in entries]

    assert alerts == [None] * (THRESHOLD - 1) + ["login_locked_out", None, None]
    assert [e["severity_id"] for e in entries] == [2] * (THRESHOLD - 1) + [4, 2, 2]


async def test_who_is_locked_out_is_listed_as_an_alert_without_the_name(ours: Room) -> None:
    await lock(ours, "al")
    await lock(ours, "my-password-typed-as-a-name")

    answer = await ours.ask("GET", "strongroom/alerts")

    assert [(a["kind"], a["mount"], a["failures"]) for a in answer.data["alerts"]] == [
        ("login_locked_out", "auth/up/", THRESHOLD)
    ] * 2
    assert "typed" not in json.dumps(answer.data)
    ours.clock.advance(LOCKED)
    assert (await ours.ask("GET", "strongroom/alerts")).data["alerts"] == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"lockout_counter_reset_duration": "1s"}, "lockout_counter_reset_duration"),
        ({"lockout_counter_reset_duration": "500ms"}, "lockout_counter_reset_duration"),
        ({"lockout_counter_reset_duration": "59s"}, "lockout_counter_reset_duration"),
        ({"lockout_duration": "1s"}, "lockout_duration"),
        ({"lockout_threshold": 101}, "lockout_threshold"),
        ({"lockout_threshold": "1000000"}, "lockout_threshold"),
    ],
    ids=str,
)
async def test_a_lock_that_would_stop_nobody_is_refused(
    ours: Room, given: dict[str, object], field: str
) -> None:
    tuned = await ours.ask("POST", "sys/auth/up/tune", {"user_lockout_config": given})
    config = {"type": "userpass", "config": {"user_lockout_config": given}}
    enabled = await ours.ask("POST", "sys/auth/other", config)

    assert [tuned.status, enabled.status] == [400, 400]
    assert all(field in answer.errors[0] for answer in (tuned, enabled))
    shown = await ours.ask("GET", "sys/auth/up/tune")
    assert "user_lockout_config" not in shown.data


async def test_who_waits_between_guesses_is_locked_out_all_the_same(ours: Room) -> None:
    rules = {"lockout_counter_reset_duration": "1m"}
    await ours.ask("POST", "sys/auth/up/tune", {"user_lockout_config": rules})
    for _ in range(THRESHOLD):
        await log_in(ours, "al")
        ours.clock.advance(timedelta(seconds=59))

    assert (await log_in(ours, "al", "right")).status == 400
