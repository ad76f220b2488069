"""`strongroom break-glass`, on a server of ours, by people with security keys."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests import servers
from tests.cli.conftest import Shell
from tests.cli.test_request_commands import Firm, of
from tests.core.system.authenticator import ORIGIN, Authenticator
from tests.core.system.people import OWN

PASSWORD = "marmalade-Tuesday-orbit"
STAFF = """
path "strongroom/break-glass*" { capabilities = ["create", "read", "update", "list"] }
path "strongroom/notices*" { capabilities = ["update", "list"] }
path "strongroom/requests*" { capabilities = ["create", "read", "update", "list"] }
"""


@pytest.fixture(scope="module")
def firm() -> Iterator[Firm]:
    """Two people with keys, and a secret of production that nobody may read."""
    with servers.strongroom(extra_tables=f'[console]\norigins = ["{ORIGIN}"]') as server:

        def did(path: str, body: object, token: str | None = None) -> dict[str, object]:
            got = server.ask("POST", path, body, token=token)
            assert got.status in (200, 204), (path, got.raw)
            return dict((got.body or {}).get("data") or {})

        did("sys/auth/userpass", {"type": "userpass"})
        did("sys/mounts/shop", {"type": "kv"})
        did("sys/policies/acl/staff", {"policy": f"{STAFF}\n{OWN}"})
        did("shop/prod/db", {"k": "v"})
        did("shop/drill", {"k": "no secret"})
        did("strongroom/environments/production", {"paths": ["shop/prod/*"], "people": "granted"})
        did("strongroom/step-up/rules/reveals", {"enabled": False})
        tokens = {}
        for name in ("ann", "bob"):
            did(f"auth/userpass/users/{name}", {"password": PASSWORD, "token_policies": ["staff"]})
            path = f"auth/userpass/login/{name}"
            login = server.ask("POST", path, {"password": PASSWORD}, token="").body["auth"]
            token, entity = login["client_token"], login["entity_id"]
            did(f"identity/entity/id/{entity}", {"policies": ["staff"]})
            did(f"strongroom/people/{entity}", {"name": name.title()})
            key = Authenticator()
            begun = did("strongroom/factors/webauthn/begin", {"name": "key"}, token)
            made = key.create(begun["options"])  # type: ignore[arg-type]
            finish = {"id": begun["id"], "credential": made}
            did("strongroom/factors/webauthn/finish", finish, token)
            waits = server.ask("POST", path, {"password": PASSWORD}, token="").body["auth"]
            needs = waits["mfa_requirement"]
            [way] = [
                way
                for each in needs["mfa_constraints"].values()
                for way in each["any"]
                if "options" in way
            ]
            shown = key.get(way["options"])
            given = {
                "mfa_request_id": needs["mfa_request_id"],
                "mfa_payload": {"webauthn": [json.dumps(shown)]},
            }
            done = server.ask("POST", "sys/mfa/validate", given, token="")
            assert done.status == 200, done.raw
            tokens[name] = done.body["auth"]["client_token"]
        yield Firm(server=server, tokens=tokens)


@pytest.fixture
def shell(firm: Firm, nowhere: Shell) -> Shell:
    nowhere.environment |= {"STRONGROOM_ADDR": firm.server.address}
    return nowhere


def test_a_case_is_opened_used_extended_closed_and_reviewed(firm: Firm, shell: Shell) -> None:
    root = of(firm, shell, "root")
    rule = ("--environment=production", "--drill-path=shop/drill", "--longest=10m")
    root.ok("break-glass", "rule", "write", "on-call", *rule)
    assert "on-call" in root.ok("break-glass", "rule", "list").out

    ann = of(firm, shell, "ann")
    assert ann("break-glass", "open", "shop/prod/db").code != 0
    opened = ann.ok("break-glass", "open", "shop/prod/db", "--reason=it is down")
    [case] = ann.ok("break-glass", "list", "--mine", "--format=json").data
    assert "1 who could have approved it" in opened.err
    assert ann.ok("read", "shop/prod/db", "--field=k").out == "v"
    assert ann("break-glass", "extend", case["id"], "--for=1h", "--because=more").code == 2

    bob = of(firm, shell, "bob")
    bob.ok("break-glass", "extend", case["id"], "--for=1h", "--because=more")
    assert "shop/prod/db" in bob.ok("break-glass", "show", case["id"]).out
    of(firm, shell, "ann").ok("break-glass", "close", case["id"], "--done=restarted it")
    assert of(firm, shell, "ann")("read", "shop/prod/db").code == 2
    bob = of(firm, shell, "bob")
    words = "--words=it was down"
    assert bob("break-glass", "review", case["id"], words).code != 0
    bob.ok("break-glass", "review", case["id"], "--justified", words, "--finding=watch it")

    assert bob.ok("break-glass", "show", case["id"], "--field=state").out == "reviewed"
    assert "reviewed" in bob.ok("break-glass", "list").out


def test_a_drill_says_how_long_it_took(firm: Firm, shell: Shell) -> None:
    ann = of(firm, shell, "ann")

    told = ann.ok("break-glass", "drill")

    assert "shop/drill was read" in told.out + told.err
    assert "the target is 5" in told.err
    [drill] = ann.ok("break-glass", "list", "--drills=only", "--format=json").data
    assert drill["state"] == "closed"


def test_who_could_have_approved_finds_it_in_their_inbox(firm: Firm, shell: Shell) -> None:
    of(firm, shell, "ann").ok("break-glass", "open", "shop/prod/db", "--reason=down again")
    bob = of(firm, shell, "bob")

    assert "Break-glass by Ann" in bob.ok("inbox", "--unread", "--read").out

    assert bob.ok("inbox", "--unread", "--format=json").data == []


def test_notifiers_are_written_without_a_secret_on_the_command_line(
    firm: Firm, shell: Shell
) -> None:
    root = of(firm, shell, "root")
    chat = ("notifier", "write", "chat", "--kind=webhook", "--network=127.0.0.0/8")

    refused = root(*chat, "--secret=https://127.0.0.1:1/token")
    root.ok(*chat, "--secret=-", given="https://127.0.0.1:1/token\n")

    assert refused.code != 0
    assert "chat" in root.ok("notifier", "list").out
    assert "token" not in root.ok("notifier", "read", "chat").out
    root.ok("notifier", "test", "chat")
    assert root.ok("notifier", "deliveries", "chat", "--format=json").data
    root.ok("notifier", "delete", "chat", "--yes")
