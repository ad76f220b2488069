"""What a server may ask of a key from the command line, and what counts as its answer."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strongroom.cli.errors import CommandError
from strongroom.cli.security_key import address, fits, read
from tests.cli.conftest import Shell
from tests.cli.pretending import Pretender

CHALLENGE, KEY = "c" * 43, "k" * 43
PAGE = "https://vault.example.test/key"
OPTIONS: dict[str, Any] = {
    "challenge": CHALLENGE,
    "rpId": "vault.example.test",
    "allowCredentials": [{"id": KEY, "type": "public-key", "transports": ["usb", "<b>", 1]}],
}


def way(page: object = PAGE, **changed: object) -> dict[str, object]:
    return {"options": {**OPTIONS, **changed}, "page": page}


def answer(**changed: object) -> str:
    client = {
        "type": "webauthn.get",
        "challenge": CHALLENGE,
        "origin": "https://vault.example.test",
        **changed,
    }
    raw = urlsafe_b64encode(json.dumps(client).encode()).rstrip(b"=").decode()
    return json.dumps({"id": KEY, "response": {"clientDataJSON": raw}})


@pytest.mark.parametrize(
    "page",
    [
        PAGE,
        "https://vault.example.test:8200/key",
        "https://console.vault.example.test/key",
    ],
)
def test_a_page_of_the_host_that_keys_are_bound_to_is_opened(page: str) -> None:
    asked = read(way(page))

    url, code = address(asked, port=40_000, state="s" * 43, purpose="login", who="ada\x1b[2J<b>")

    assert url.startswith(f"{page}#")
    assert asked.origin == page.removesuffix("/key")
    assert asked.keys == ((KEY, ("usb",)),)
    assert len(code) == len("7QXM-2FKD")
    other = address(asked, port=40_001, state="s" * 43, purpose="login", who="ada")
    assert other[1] != code


@pytest.mark.parametrize(
    "page",
    [
        None,
        "",
        "/key",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://vault.example.test/key",
        "https://evil.example/key",
        "https://vault.example.test.evil.example/key",
        "https://evilvault.example.test/key",
        "https://vault.example.test@evil.example/key",
        "https://ada:pw@vault.example.test/key",
        "https://vault.example.test/key?to=evil",
        "https://vault.example.test/key#evil",
        "https://vault.example.test:99999/key",
        "https://vault.example.test/key --new-window",
        "https://vault.example.test/\x1b]0;evil\x07",
        "https://[vault.example.test/key",
        "--help",
    ],
)
def test_another_page_is_not(page: object) -> None:
    with pytest.raises(CommandError):
        read(way(page))


@pytest.mark.parametrize(
    "changed",
    [
        {"challenge": None},
        {"challenge": "short"},
        {"challenge": 'c"' * 30},
        {"challenge": "c" * 2000},
        {"rpId": None},
        {"rpId": "VAULT.example.test"},
        {"rpId": ""},
        {"allowCredentials": None},
        {"allowCredentials": []},
        {"allowCredentials": {"id": KEY}},
        {"allowCredentials": ["k"]},
        {"allowCredentials": [{"id": 1}]},
        {"allowCredentials": [{"id": "<b>" * 20}]},
    ],
)
def test_options_that_no_server_of_ours_sends_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(CommandError):
        read(way(**changed))


def test_only_an_answer_to_this_challenge_on_this_page_by_a_key_of_theirs_fits() -> None:
    asked = read(way())
    deep = "[" * 100_000

    assert fits(asked, answer())
    assert not fits(asked, answer(challenge="d" * 43))
    assert not fits(asked, answer(origin="https://evil.example"))
    assert not fits(asked, answer(type="webauthn.create"))
    assert not fits(asked, answer().replace(KEY, "x" * 43))
    odd = ("", "null", "[]", "{}", '{"response":{}}', '{"response":[]}', deep, f'{{"id":{deep}')
    assert not any(fits(asked, text) for text in odd)
    folded = json.dumps({"id": KEY, "response": {"clientDataJSON": b64encode(b"\xff").decode()}})
    assert not fits(asked, folded)


class TestAServerThatIsOdd:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Pretender]:
        with Pretender(tmp_path) as pretender:
            yield pretender

    def asks(self, server: Pretender, shell: Shell, *ways: dict[str, object]) -> tuple[str, ...]:
        """Have a login ask for these, and return the words that log in."""
        asked = {"mfa_request_id": "r", "mfa_constraints": {"keys": {"any": list(ways)}}}
        reply = {"auth": {"client_token": "", "mfa_requirement": asked}}
        server.answers = {("POST", "auth/userpass/login/ada"): reply}
        shell.environment |= {"STRONGROOM_ADDR": server.address, "BROWSER": "false"}
        return ("login", "-method=userpass", "username=ada", "password=x")

    def test_a_page_of_elsewhere_is_neither_opened_nor_shown(
        self, server: Pretender, nowhere: Shell
    ) -> None:
        evil = way("https://evil.example/key")
        words = self.asks(server, nowhere, {"type": "webauthn", "id": "k", **evil})

        done = nowhere.terminal(*words)

        assert done.code == 1
        assert "in a way that this command does not know; use the console" in done.out
        assert "evil" not in done.out

    def test_where_there_is_no_key_to_ask_it_says_so(
        self, server: Pretender, nowhere: Shell
    ) -> None:
        words = self.asks(server, nowhere, {"type": "webauthn", "id": "k", "uses_passcode": False})

        done = nowhere.terminal(*words)

        assert done.code == 1
        assert "keys asks for a security key or passkey, and none is there to ask" in done.out
