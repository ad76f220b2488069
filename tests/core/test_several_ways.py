"""Auth methods with more than one way in, and ways in that are reached by reading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom import app
from strongroom.base.errors import DeniedError, UnsupportedError
from strongroom.core.router import Operation, routes_of
from strongroom.testing.mount import Mount
from tests.core.several_ways import TwoDoors
from tests.core.system.room import Room, room


@pytest.fixture
async def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    monkeypatch.setattr(app, "METHODS", {**app.METHODS, "doors": TwoDoors()})
    async with room(tmp_path) as made:
        await made.mount("auth/doors/", "doors")
        yield made


def test_every_way_in_is_a_route_that_asks_for_no_token() -> None:
    routes = routes_of(TwoDoors())

    front, back = (routes.match(p, Operation.WRITE).bound for p in ("login", "back/door"))
    reading = routes.match("back/door", Operation.READ).bound
    assert front.login is not None
    assert back.login == reading.login != front.login
    assert front.route.open
    assert back.route.open
    assert routes.login == front.login
    with pytest.raises(UnsupportedError):
        routes.match("login", Operation.READ)


async def test_a_mount_for_tests_has_them_all() -> None:
    mount = Mount(TwoDoors())

    assert (await mount.login(word="sesame")).alias == "guest"
    assert (await mount.login_at("back/door", word="sesame")).alias == "guest"
    assert (await mount.login_at("back/door", query={"word": "sesame"})).alias == "guest"
    with pytest.raises(DeniedError):
        await mount.login_at("back/door", query={"word": "wrong"})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "auth/doors/login", {"word": "sesame"}),
        ("POST", "auth/doors/back/door", {"word": "sesame"}),
        ("GET", "auth/doors/back/door?word=sesame", None),
    ],
)
async def test_each_way_gives_a_token_and_is_on_record_as_a_login(
    ours: Room, method: str, path: str, body: object
) -> None:
    answer = await ours.ask(method, path, body, token="")

    entry = await ours.last()
    assert answer.status == 200
    assert (await ours.ask("GET", "auth/token/lookup-self", token=answer.auth["client_token"])).data
    assert entry["metadata"]["event_code"] == "auth.login"
    assert entry["status_id"] == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_way_in_is_on_record_and_says_no_more(ours: Room, method: str) -> None:
    answer = await ours.ask(method, "auth/doors/back/door?word=wrong", token="")

    entry = await ours.last()
    assert (answer.status, answer.errors) == (400, ["no"])
    assert entry["metadata"]["event_code"] == "auth.login"
    assert entry["status_id"] == 2
    assert "wrong" not in str(entry)


async def test_a_way_in_that_counts_nobody_locks_nobody_out(ours: Room) -> None:
    for _ in range(8):
        await ours.ask("POST", "auth/doors/login", {"word": "wrong"}, token="")

    assert (await ours.ask("POST", "auth/doors/login", {"word": "sesame"}, token="")).status == 200


async def test_every_way_is_in_the_openapi_document(ours: Room) -> None:
    asked = await ours.ask("GET", "sys/internal/specs/openapi?generic_mount_paths=true")
    found = asked.body["paths"]

    assert set(found["/auth/{doors_mount_path}/login"]) >= {"post"}
    assert set(found["/auth/{doors_mount_path}/back/door"]) >= {"get", "post"}
