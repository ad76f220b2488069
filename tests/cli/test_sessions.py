"""Sessions, step-up and second factors on the command line; logins by a browser; our server."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from base64 import b32decode
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from strongroom.base.secret import Secret
from strongroom.cli import browser
from strongroom.crypto.totp import hotp
from tests import servers
from tests.cli.conftest import Shell
from tests.cli.pretending import Pretender
from tests.crypto.pictures import of_blocks, scanned
from tests.servers import Strongroom

WORD = "marmalade Tuesday orbit"
POLICY = 'path "sys/policies/acl/*" { capabilities = ["create", "update", "read"] }'
CODE = "Code of your app, or a recovery code: "


@pytest.fixture(scope="module")
def server() -> Iterator[Strongroom]:
    with servers.strongroom() as server:
        server.ask("POST", "sys/auth/userpass", {"type": "userpass"})
        server.ask("POST", "sys/policies/acl/writer", {"policy": POLICY})
        kinds = {"kinds": ["totp", "recovery"]}  # a key at a terminal: see tests/console/test_key
        server.ask("POST", "strongroom/step-up/rules/policies", kinds)
        yield server


@pytest.fixture
def ada(server: Strongroom, nowhere: Shell, request: pytest.FixtureRequest) -> Shell:
    """A shell in which somebody of this test's own has logged in."""
    name = re.sub(r"\W", "-", request.node.name).strip("-")[:60]
    given = {"password": WORD, "token_policies": "default,writer"}
    assert server.ask("POST", f"auth/userpass/users/{name}", given).status == 204
    nowhere.environment["STRONGROOM_ADDR"] = server.address
    nowhere.environment["ADA"] = name
    log_in(nowhere)
    return nowhere


def log_in(ada: Shell) -> None:
    """Log in anew, so that what was enrolled before counts."""
    name = ada.environment["ADA"]
    ada.ok("login", "-method=userpass", f"username={name}", f"password={WORD}")


def enrol(shell: Shell) -> tuple[bytes, list[str]]:
    """Enrol an app and make recovery codes; return the app's key and the codes."""
    keys: list[bytes] = []

    def first(shown: str) -> str:
        [found] = re.findall(r"key: ([A-Z2-7]+)", shown)
        keys.append(b32decode(found + "=" * (-len(found) % 8)))
        return code(keys[0], -1)

    shell.terminal("factor", "enrol-app", answers=[("First code of the app: ", first)])
    made = shell.ok("factor", "recovery-codes", given=code(keys[0], 0) + "\n")
    return keys[0], made.out.split()


def code(key: bytes, step: int) -> str:
    return hotp(int(time.time()) // 30 + step, Secret(key), 6)


def test_a_login_is_a_session_of_the_command_line_that_can_be_ended(ada: Shell) -> None:
    info = ada.ok("session", "list", "-format=json").data
    [id_] = info
    shown = ada.ok("session", "list")

    assert info[id_]["surface"] == "cli"
    assert id_ in shown.out
    assert ada.ok("session", "end", id_).out == "✓ ended\n"
    assert ada("session", "list").code == 2


def test_what_needs_a_fresh_factor_asks_for_one_on_a_terminal_and_goes_on(ada: Shell) -> None:
    key, recovery = enrol(ada)
    assert len(recovery) == 10
    log_in(ada)
    write = ("write", "sys/policies/acl/mine", 'policy=path "a" { capabilities = ["read"] }')

    piped = ada(*write)
    asked = f"A fresh factor is needed. {CODE}"
    wrong = ada.terminal(*write, answers=[(asked, "000000")])
    done = ada.terminal(*write, answers=[(asked, recovery[0])])
    again = ada.terminal(*write, answers=[])

    assert (piped.code, "a fresh factor is needed here" in piped.err) == (2, True)
    assert (wrong.code, done.code, again.code) == (2, 0, 0)
    assert recovery[0] not in done.out
    assert key


@pytest.mark.parametrize(
    ("changed", "words", "drawn"),
    [
        ({}, (), True),
        ({"NO_COLOR": ""}, (), True),
        ({"TERM": "dumb"}, (), False),
        ({"PYTHONIOENCODING": "ascii"}, (), False),
        ({}, ("-format=json",), False),
    ],
)
def test_the_key_of_an_app_is_drawn_where_a_camera_could_read_it(
    ada: Shell, changed: dict[str, str], words: tuple[str, ...], drawn: bool
) -> None:
    ada.environment |= changed
    seen: list[str] = []

    def first(shown: str) -> str:
        seen.append(shown)
        return "000000"

    ada.terminal("factor", "enrol-app", *words, answers=[("First code of the app: ", first)])

    [shown] = seen
    [link] = re.findall(r"or, as a link: (\S+)", shown)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    picture = [line for line in plain if line and set(line) <= set("█▀▄ ")]
    assert bool(picture) is drawn
    assert ("\x1b[38;5;231;48;5;16m" in shown) is (drawn and "NO_COLOR" in changed)
    assert not drawn or scanned(of_blocks("\n".join(picture))) == link


def test_what_is_piped_holds_no_picture(ada: Shell) -> None:
    piped = ada("factor", "enrol-app", given="000000\n")

    assert "or, as a link: otpauth://" in piped.err
    assert "█" not in piped.err + piped.out


def test_a_code_steps_up_and_one_that_was_used_does_not(ada: Shell) -> None:
    _, recovery = enrol(ada)
    early = ada("step-up", given=f"{recovery[0]}\n")
    assert (early.code, "log in again" in early.err) == (2, True)
    log_in(ada)

    first = ada("step-up", given=f"{recovery[0]}\n")
    second = ada("step-up", given=f"{recovery[0]}\n")

    assert (first.code, second.code) == (0, 2)
    assert "the second factor was not accepted" in second.err


def test_factors_are_listed_and_deleted_by_showing_one(ada: Shell) -> None:
    _, recovery = enrol(ada)
    info = ada.ok("factor", "list", "-format=json").data
    [app] = [id_ for id_, each in info.items() if each["kind"] == "totp"]

    refused = ada("factor", "delete", app, given="000000\n")
    deleted = ada.ok("factor", "delete", app, given=f"{recovery[1]}\n")

    assert refused.code == 2
    assert deleted.out == "✓ deleted\n"
    assert ada.ok("factor", "list").err == "no factors\n"


def test_a_signed_token_is_sent_and_never_kept(nowhere: Shell, tmp_path: Path) -> None:
    auth = {"client_token": "hvs.x" * 5, "entity_id": "", "lease_duration": 60}
    answers = {("POST", "auth/jwt/login"): {"auth": auth}}
    with Pretender(tmp_path, answers) as pretender:
        nowhere.environment["STRONGROOM_ADDR"] = pretender.address
        nowhere.ok("login", "-method=jwt", "role=ci", "jwt=ey.j.w")

    assert ("POST", "/v1/auth/jwt/login", {"role": "ci", "jwt": "ey.j.w"}) in pretender.asked
    files = [each for each in nowhere.home.rglob("*") if each.is_file()]
    assert files
    assert all(b"ey.j.w" not in each.read_bytes() for each in files)


class TestBrowser:
    @pytest.fixture
    def provider(self, nowhere: Shell, tmp_path: Path) -> Iterator[Pretender]:
        """A server that sends browsers to a provider, and takes what comes back."""
        auth = {"client_token": "hvs.y" * 5, "entity_id": "", "lease_duration": 60}

        class Knowing(Pretender):
            def answer(self, method: str, path: str) -> tuple[int, str, bytes]:
                if path.startswith("/v1/auth/oidc/oidc/callback?"):
                    return 200, "application/json", json.dumps({"auth": auth}).encode()
                return super().answer(method, path)

        url = "http://127.0.0.1:1/authorize?state=st-ours&nonce=n"
        answers = {("POST", "auth/oidc/oidc/auth_url"): {"data": {"auth_url": url}}}
        with Knowing(tmp_path, answers) as pretender:
            nowhere.environment["STRONGROOM_ADDR"] = pretender.address
            yield pretender

    def visit(
        self, monkeypatch: pytest.MonkeyPatch, port: int, *visits: dict[str, str]
    ) -> Callable[[], list[int]]:
        """Have a browser come back with each of these queries; return the statuses that it saw."""
        seen: list[int] = []

        def go() -> None:
            for query in visits:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", f"/oidc/callback?{urlencode(query)}")
                seen.append(connection.getresponse().status)
                connection.close()

        def opened(_url: str) -> bool:
            threading.Thread(target=go, daemon=True).start()
            return True

        monkeypatch.setattr(browser.webbrowser, "open", opened)
        return lambda: seen

    def test_it_comes_back_with_a_code_and_another_state_is_turned_away(
        self, nowhere: Shell, provider: Pretender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = servers.free_port()
        theirs = {"code": "evil", "state": "st-theirs"}
        ours = {"code": "c-1", "state": "st-ours"}
        seen = self.visit(monkeypatch, port, theirs, {"state": "é"}, ours)

        done = nowhere.ok("login", "-method=oidc", "role=staff", f"port={port}")

        assert "logged in" in done.out
        assert "http://127.0.0.1:1/authorize" in done.err
        [(_, _, asked)] = [each for each in provider.asked if each[1].endswith("auth_url")]
        assert asked["redirect_uri"] == f"http://localhost:{port}/oidc/callback"
        [path] = [each[1] for each in provider.asked if "/oidc/callback?" in each[1]]
        query = parse_qs(urlsplit(path).query)
        assert (query["code"], query["state"]) == (["c-1"], ["st-ours"])
        assert query["client_nonce"] == [asked["client_nonce"]]
        assert seen()[:2] == [404, 404]

    def test_a_provider_that_refuses_gets_nobody_in(
        self, nowhere: Shell, provider: Pretender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = servers.free_port()
        self.visit(monkeypatch, port, {"error": "access_denied", "state": "st-ours"})

        done = nowhere("login", "-method=oidc", f"port={port}")

        assert (done.code, "the provider let nobody in" in done.err) == (1, True)
        assert not [each for each in provider.asked if "/oidc/callback?" in each[1]]

    def test_a_port_that_is_none_or_taken_is_said_to_be(
        self, nowhere: Shell, provider: Pretender
    ) -> None:
        taken = urlsplit(provider.address).port

        none = nowhere("login", "-method=oidc", "port=x")
        other = nowhere("login", "-method=oidc", f"port={taken}")

        assert "the port is not a number" in none.err
        assert "give port=NUMBER" in other.err
