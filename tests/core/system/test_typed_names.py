"""What was typed as a name at a login, and may be a password: in no entry, whatever came of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from strongroom.app import METHODS
from tests.core.system.room import Room, room

TYPED = "Hunter2"


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.ask("POST", "sys/auth/up", {"type": "userpass"})
        await made.ask("POST", "auth/up/users/al", {"password": "right"})
        yield made


async def paths(r: Room) -> list[str]:
    return [entry["unmapped"]["path"] for entry in await r.entries()]


async def leaves(r: Room) -> str:
    return json.dumps(await r.entries())


REQUESTS: dict[str, tuple[str, bytes, object]] = {
    "an unknown name": ("POST", b"auth/up/login/Hunter2", {"password": "x"}),
    "no password": ("POST", b"auth/up/login/Hunter2", {}),
    "no JSON": ("POST", b"auth/up/login/Hunter2", "{"),
    "another method": ("GET", b"auth/up/login/Hunter2", None),
    "a list": ("LIST", b"auth/up/login/Hunter2", None),
    "help": ("GET", b"auth/up/login/Hunter2?help=1", None),
    "a path below": ("POST", b"auth/up/login/Hunter2/x", {"password": "x"}),
    "a slash in it": ("POST", b"auth/up/login/x/Hunter2", {"password": "x"}),
    "an encoded slash": ("POST", b"auth/up/login/x%2FHunter2", {"password": "x"}),
    "a slash at the end": ("POST", b"auth/up/login/Hunter2/", {"password": "x"}),
    "a stray percent sign": ("POST", b"auth/up/login/Hunter2%", {"password": "x"}),
    "dots": ("POST", b"auth/up/login/../Hunter2", {"password": "x"}),
    "two slashes": ("POST", b"auth/up/login//Hunter2", {"password": "x"}),
    "two slashes in front": ("POST", b"/auth/up/login/Hunter2", {"password": "x"}),
    "not UTF-8": ("POST", b"auth/up/login/Hunter2%ff", {"password": "x"}),
    "NUL": ("POST", b"auth/up/login/Hunter2%00", {"password": "x"}),
    "an encoded prefix": ("POST", b"%61uth%2Fup%2Flogin/Hunter2%", {"password": "x"}),
    "a line break": ("POST", b"auth/up/login/Hunter2%0a%0d", {"password": "x"}),
    "too long": ("POST", b"auth/up/login/Hunter2" + b"a" * 5000, {"password": "x"}),
    "a name that nobody can have": ("POST", b"auth/up/login/%20Hunter2%20", {"password": "x"}),
    "no such mount": ("POST", b"auth/gone/login/Hunter2", {"password": "x"}),
    "a deeper mount": ("POST", b"auth/team/up/login/Hunter2", {"password": "x"}),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS.keys())
@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
async def test_what_was_typed_stands_in_no_entry(
    ours: Room, request_: tuple[str, bytes, object], sealed: bool
) -> None:
    method, raw, body = request_
    plain, _, query = raw.partition(b"?")
    content = b"{" if body == "{" else None
    if sealed:
        await ours.ask("POST", "sys/seal")
    before = len(await ours.entries())

    for token in ("", ours.root):
        await ours.ask(
            method,
            f"?{query.decode()}",
            None if content else body,
            token=token,
            raw=b"/v1/" + plain,
            content=content,
        )

    assert len(await ours.entries()) == before + 2
    assert TYPED.lower() not in (await leaves(ours)).lower()
    assert quote(TYPED) not in await leaves(ours)


async def test_an_unknown_name_is_known_again_by_its_digest(ours: Room) -> None:
    for name in (TYPED, TYPED, TYPED.lower(), "other"):
        await ours.ask("POST", f"auth/up/login/{name}", {"password": "x"}, token="")

    *_, first, second, third, other = await paths(ours)
    assert first.startswith("auth/up/login/hmac-sha256:")
    assert first == second == third != other


async def test_a_known_name_is_in_clear_whether_the_login_succeeds_or_not(ours: Room) -> None:
    for password in ("wrong", "right"):
        await ours.ask("POST", "auth/up/login/AL", {"password": password}, token="")

    assert (await paths(ours))[-2:] == ["auth/up/login/AL"] * 2


async def test_a_known_name_is_in_clear_where_nobody_is_locked_out(ours: Room) -> None:
    off = {"user_lockout_config": {"lockout_disable": True}}
    await ours.ask("POST", "sys/auth/up/tune", off)

    for name in ("al", TYPED):
        await ours.ask("POST", f"auth/up/login/{name}", {"password": "wrong"}, token="")

    known, unknown = (await paths(ours))[-2:]
    assert known == "auth/up/login/al"
    assert TYPED not in unknown


async def test_a_mount_that_is_called_login_hides_nothing_of_its_users(ours: Room) -> None:
    await ours.ask("POST", "sys/auth/team/login", {"type": "userpass"})

    await ours.ask("POST", "auth/team/login/users/bo", {"password": "x"})
    await ours.ask("POST", f"auth/team/login/login/{TYPED}", {"password": "x"}, token="")

    users, typed = (await paths(ours))[-2:]
    assert users == "auth/team/login/users/bo"
    assert TYPED not in typed


async def test_the_client_is_still_told_which_route_there_is_not(ours: Room) -> None:
    answer = await ours.ask("POST", "auth/gone/login/x", {"password": "x"})

    assert answer.errors == ['no handler for route "auth/gone/login/x". route entry not found.']
    assert (await ours.last())["status_detail"] == "no such route"


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_every_way_in_that_has_a_name_in_its_path_can_be_hidden(method: object) -> None:
    login = method.login()  # type: ignore[attr-defined]

    assert login.path.split("/")[0] == "login"
    assert ("{" in login.path) == (login.knows is not None)


@pytest.mark.parametrize(
    "path", ["auth/token/lookup/", "auth/token/renew/", "sys/wrapping/unwrap/"]
)
async def test_a_token_in_a_path_that_is_not_served_is_a_digest(ours: Room, path: str) -> None:
    token = await ours.token("default")
    for method in ("GET", "POST"):
        assert (await ours.ask(method, path + token)).status in (404, 405)

    assert token not in await leaves(ours)
    assert f"{path}hmac-sha256:" in (await paths(ours))[-1]
