"""Logging in and out."""

from __future__ import annotations

import time
from base64 import b32decode
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from strongroom.base.secret import Secret
from strongroom.cli import token_file
from strongroom.crypto.totp import hotp
from tests.cli.conftest import Shell
from tests.oracles.openbao import OpenBao


@pytest.fixture
def stranger(shell: Shell) -> Shell:
    """A shell of somebody who has no token yet."""
    del shell.environment["STRONGROOM_TOKEN"]
    return shell


@pytest.fixture
def ada(vault: OpenBao) -> Iterator[str]:
    """A person with a password."""
    vault.ask("POST", "sys/auth/userpass", {"type": "userpass"})
    vault.ask(
        "POST", "auth/userpass/users/ada", {"password": "hunter2", "token_policies": "default"}
    )
    yield "ada"
    vault.ask("DELETE", "sys/auth/userpass")


def token_of(vault: OpenBao) -> str:
    """Make a token that may look itself up."""
    made = vault.ask("POST", "auth/token/create", {"policies": ["default"]})
    return str(made.body["auth"]["client_token"])


def stored(shell: Shell) -> str | None:
    token = token_file.find(shell.home)
    return None if token is None else token.text()


class TestTokens:
    def test_a_typed_token_is_kept_and_shown_nowhere(self, stranger: Shell, vault: OpenBao) -> None:
        token = token_of(vault)

        done = stranger.terminal("login", answers=[("Token: ", token)])

        assert done.code == 0
        assert "✓ logged in to http://127.0.0.1:" in done.out
        assert token not in done.out
        assert stored(stranger) == token
        assert stranger.ok("token", "lookup", "-format=json").data["data"]["id"] == token

    def test_a_token_may_be_piped_in(self, stranger: Shell, vault: OpenBao) -> None:
        token = token_of(vault)

        stranger.ok("login", "-", given=f"{token}\n")

        assert stored(stranger) == token

    def test_a_wrong_token_is_refused_not_shown_and_not_kept(self, stranger: Shell) -> None:
        done = stranger("login", "s.hunter2")

        assert done.code == 2
        assert "hunter2" not in done.err
        assert stored(stranger) is None

    def test_a_token_in_the_environment_is_pointed_out(self, shell: Shell, vault: OpenBao) -> None:
        done = shell.ok("login", "-", given=token_of(vault))

        assert "VAULT_TOKEN is set, and counts first" in done.err


class TestUserpass:
    def test_the_password_is_typed_without_an_echo(self, stranger: Shell, ada: str) -> None:
        done = stranger.terminal(
            "login",
            "-method=userpass",
            f"username={ada}",
            answers=[("Password of ada: ", "hunter2")],
        )

        assert done.code == 0
        assert "as ada" in done.out
        assert "hunter2" not in done.out
        assert stored(stranger) is not None

    def test_the_token_alone_is_printed_and_not_kept(self, stranger: Shell, ada: str) -> None:
        words = ("login", "-method=userpass", "-token-only", f"username={ada}")

        done = stranger.ok(*words, given="hunter2\n")

        assert stored(stranger) is None
        stranger.environment["STRONGROOM_TOKEN"] = done.out.strip()
        assert stranger.ok("token", "lookup", "-field=display_name").out == "userpass-ada"

    def test_json_is_the_servers_answer(self, stranger: Shell, ada: str) -> None:
        words = ("login", "-method=userpass", "-format=json", "username=ada", "password=hunter2")

        assert stranger.ok(*words).data["auth"]["metadata"] == {"username": "ada"}

    def test_a_wrong_password_is_refused(self, stranger: Shell, ada: str) -> None:
        done = stranger("login", "-method=userpass", "username=ada", "password=hunter3")

        assert done.code == 2
        assert "hunter3" not in done.err
        assert stored(stranger) is None

    def test_a_name_is_needed(self, stranger: Shell) -> None:
        assert "write username=NAME" in stranger("login", "-method=userpass").err


class TestAppRole:
    def test_the_secret_id_is_asked_for(self, stranger: Shell, vault: OpenBao) -> None:
        vault.ask("POST", "sys/auth/machines", {"type": "approle"})
        vault.ask("POST", "auth/machines/role/app", {"token_policies": "default"})
        role = vault.ask("GET", "auth/machines/role/app/role-id").body["data"]["role_id"]
        made = vault.ask("POST", "auth/machines/role/app/secret-id", {})
        secret_id = made.body["data"]["secret_id"]

        words = ("login", "-method=approle", "-path=machines", f"role_id={role}")
        done = stranger.terminal(*words, answers=[("Secret id: ", secret_id)])

        vault.ask("DELETE", "sys/auth/machines")
        assert done.code == 0
        assert secret_id not in done.out
        assert stored(stranger) is not None


class TestLogout:
    def test_the_token_is_forgotten_and_ended_if_asked(
        self, stranger: Shell, vault: OpenBao
    ) -> None:
        kept, ended = token_of(vault), token_of(vault)
        stranger.ok("login", "-", given=kept)
        stranger.ok("logout")
        stranger.ok("login", "-", given=ended)
        stranger.ok("logout", "--revoke")

        assert stored(stranger) is None
        assert vault.ask("GET", "auth/token/lookup-self", token=kept).status == 200
        assert vault.ask("GET", "auth/token/lookup-self", token=ended).status == 403

    def test_with_nobody_logged_in_it_says_so(self, stranger: Shell) -> None:
        assert stranger.ok("logout").err == "nobody was logged in\n"


class TestSecondFactors:
    @pytest.fixture
    def secret(self, vault: OpenBao, ada: str) -> Iterator[bytes]:
        """The key of ada's authenticator app, which each of her logins needs."""
        login = vault.ask("POST", f"auth/userpass/login/{ada}", {"password": "hunter2"})
        entity = login.body["auth"]["entity_id"]
        made = vault.ask("POST", "identity/mfa/method/totp", {"issuer": "test"})
        method = made.body["data"]["method_id"]
        given = {"method_id": method, "entity_id": entity}
        key = vault.ask("POST", "identity/mfa/method/totp/admin-generate", given)
        body = {"mfa_method_ids": [method], "identity_entity_ids": [entity]}
        vault.ask("POST", "identity/mfa/login-enforcement/codes", body)
        [text] = parse_qs(urlsplit(key.body["data"]["url"]).query)["secret"]
        yield b32decode(text + "=" * (-len(text) % 8))
        vault.ask("DELETE", "identity/mfa/login-enforcement/codes")
        vault.ask("DELETE", f"identity/mfa/method/totp/{method}")

    def code(self, secret: bytes) -> str:
        return hotp(int(time.time()) // 30, Secret(secret), 6)

    def test_a_code_is_asked_for(self, stranger: Shell, ada: str, secret: bytes) -> None:
        code = self.code(secret)
        answers = [("Password of ada: ", "hunter2"), ("Code (app): ", code)]

        done = stranger.terminal("login", "-method=userpass", f"username={ada}", answers=answers)

        assert done.code == 0
        assert code not in done.out
        assert stored(stranger) is not None

    def test_a_wrong_code_keeps_no_token(self, stranger: Shell, ada: str, secret: bytes) -> None:
        words = ("login", "-method=userpass", f"username={ada}", "password=hunter2")

        done = stranger(*words, given="000000\n")

        assert done.code != 0
        assert stored(stranger) is None
