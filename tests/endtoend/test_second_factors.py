"""Vault's login MFA as unchanged clients use it: `bao` and hvac, in both phases and in one."""

from __future__ import annotations

import json
import os
import pty
import select
import time
from base64 import b32decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import hvac
import pytest

from strongroom.base.secret import Secret
from strongroom.crypto.totp import hotp
from tests.endtoend.test_bao import Bao, program
from tests.endtoend.test_hvac import connected
from tests.servers import Strongroom

PATIENCE = 30
LOGIN = "auth/people/login/ada"


@dataclass(kw_only=True)
class Ada:
    """Somebody whose logins need a code."""

    server: Strongroom
    method: str
    secret: Secret
    step: int = 0

    def code(self) -> str:
        """Return a code that was not given before; waits for the next period if it must."""
        while self.step > int(time.time()) // 30:
            time.sleep(0.2)
        self.step = max(self.step + 1, int(time.time()) // 30)
        return hotp(self.step, self.secret, 6)


@pytest.fixture
def ada(strongroom_server: Strongroom) -> Iterator[Ada]:
    ask = strongroom_server.ask
    ask("POST", "sys/auth/people", {"type": "userpass"})
    ask("POST", "auth/people/users/ada", {"password": "right", "policies": "default"})
    login = ask("POST", LOGIN, {"password": "right"}, token="")
    method = ask("POST", "identity/mfa/method/totp", {"issuer": "test"}).body["data"]["method_id"]
    whom = {"method_id": method, "entity_id": login.body["auth"]["entity_id"]}
    key = ask("POST", "identity/mfa/method/totp/admin-generate", whom)
    [text] = parse_qs(urlsplit(key.body["data"]["url"]).query)["secret"]
    enforcement = {"mfa_method_ids": [method], "auth_method_types": ["userpass"]}
    ask("POST", "identity/mfa/login-enforcement/codes", enforcement)
    secret = Secret(b32decode(text + "=" * (-len(text) % 8)))
    yield Ada(server=strongroom_server, method=method, secret=secret)
    ask("DELETE", "identity/mfa/login-enforcement/codes")
    ask("DELETE", "sys/auth/people")
    ask("DELETE", f"identity/mfa/method/totp/{method}")


@pytest.fixture
def bao(strongroom_server: Strongroom, tmp_path: Path) -> Bao:
    return Bao(program=program(), server=strongroom_server, home=tmp_path)


def test_bao_login_waits_and_bao_write_validates(bao: Bao, ada: Ada, tmp_path: Path) -> None:
    words = ("-method=userpass", "-path=people", "-non-interactive", "username=ada")
    waiting = json.loads(bao.ok("login", *words, "password=right"))
    required = waiting["auth"]["mfa_requirement"]
    given = {
        "mfa_request_id": required["mfa_request_id"],
        "mfa_payload": {ada.method: [ada.code()]},
    }
    payload = tmp_path / "payload.json"
    payload.write_text(json.dumps(given))

    done = json.loads(bao.ok("write", "sys/mfa/validate", f"@{payload}"))
    bao.token = done["auth"]["client_token"]

    assert json.loads(bao.ok("token", "lookup"))["data"]["display_name"] == "people-ada"
    assert bao("write", "sys/mfa/validate", f"@{payload}").status != 0


def test_bao_login_asks_for_the_code_on_a_terminal(bao: Bao, ada: Ada) -> None:
    words = ["login", "-method=userpass", "-path=people", "username=ada", "password=right"]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(bao.home),
        "BAO_ADDR": bao.server.address,
    }
    if bao.server.tls:
        environment["BAO_CACERT"] = str(bao.server.ca_file)
    pid, screen = pty.fork()
    if pid == 0:
        os.execve(bao.program, [bao.program, *words], environment)
    seen = until(screen, b"Enter the passphrase")
    time.sleep(0.2)  # the echo is switched off behind the question
    os.write(screen, ada.code().encode() + b"\n")
    seen += until(screen, None)
    os.close(screen)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0, seen
    assert b"Success! You are now authenticated" in seen


def test_bao_shows_a_code_along_with_the_login(bao: Bao, ada: Ada) -> None:
    code = ada.code()
    words = ("write", f"-mfa={ada.method}:{code}", LOGIN, "password=right")

    done = json.loads(bao.ok(*words))
    again = bao(*words)

    assert done["auth"]["client_token"].startswith("hvs.")
    assert again.status != 0


def test_hvac_logs_in_in_both_phases(strongroom_server: Strongroom, ada: Ada) -> None:
    client = connected(strongroom_server, "")
    waiting = client.auth.userpass.login("ada", "right", mount_point="people", use_token=False)
    required = waiting["auth"]["mfa_requirement"]

    done = client.write_data(
        "sys/mfa/validate",
        data={
            "mfa_request_id": required["mfa_request_id"],
            "mfa_payload": {ada.method: [ada.code()]},
        },
    )
    client.token = done["auth"]["client_token"]

    assert client.lookup_token()["data"]["display_name"] == "people-ada"
    with pytest.raises(hvac.exceptions.InvalidRequest):
        client.write_data(
            "sys/mfa/validate",
            data={"mfa_request_id": required["mfa_request_id"], "mfa_payload": {}},
        )
    client.adapter.close()


def test_no_key_or_code_is_in_what_the_server_writes(
    strongroom_server: Strongroom, ada: Ada
) -> None:
    wrong, right = "918273645546", ada.code()
    for code in (wrong, right):
        waiting = strongroom_server.ask("POST", LOGIN, {"password": "right"}, token="")
        id_ = waiting.body["auth"]["mfa_requirement"]["mfa_request_id"]
        given = {"mfa_request_id": id_, "mfa_payload": {ada.method: [code]}}
        strongroom_server.ask("POST", "sys/mfa/validate", given, token="")

    written = strongroom_server.stderr.read_bytes()
    stored = b"".join(p.read_bytes() for p in strongroom_server.data.glob("strongroom.db*"))
    for planted in (wrong.encode(), id_.encode(), ada.secret.reveal()):
        assert planted not in written
        assert planted not in stored


def until(screen: int, awaited: bytes | None) -> bytes:
    """Return what appears up to a question, or to the end."""
    seen, deadline = b"", time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not (awaited and awaited in seen):
        if not select.select([screen], [], [], 0.5)[0]:
            continue
        try:
            more = os.read(screen, 65_536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not more:
            break
        seen += more
    return seen
