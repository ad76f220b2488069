"""`strongroom request`, `requests`, `approve`, `deny`, `grants` and `approval-rule`; our server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests import servers
from tests.cli.conftest import Shell
from tests.servers import Strongroom

PASSWORD = "marmalade-Tuesday-orbit"
STAFF = """
path "strongroom/requests*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "strongroom/grants*" { capabilities = ["read", "update", "list"] }
"""


@dataclass(frozen=True, kw_only=True)
class Firm:
    """A server, and who signs in there."""

    server: Strongroom
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def firm() -> Iterator[Firm]:
    """Two people who ask and approve, and a secret of production."""
    with servers.strongroom() as server:

        def did(path: str, body: object) -> dict[str, str]:
            got = server.ask("POST", path, body)
            assert got.status in (200, 204), (path, got.raw)
            return dict((got.body or {}).get("data") or {})

        did("sys/auth/userpass", {"type": "userpass"})
        did("sys/mounts/shop", {"type": "kv"})
        did("sys/policies/acl/staff", {"policy": STAFF})
        did("strongroom/factors/rules/staff", {"policies": ["staff"], "kinds": ["none"]})
        for name in ("approvals", "reveals"):
            did(f"strongroom/step-up/rules/{name}", {"enabled": False})
        accessor = server.ask("GET", "sys/auth").body["data"]["userpass/"]["accessor"]
        tokens = {}
        for name in ("ann", "bob"):
            user = {"password": PASSWORD, "token_policies": ["staff"]}
            did(f"auth/userpass/users/{name}", user)
            made = did("identity/entity", {"name": name, "policies": ["staff"]})["id"]
            alias = {"name": name, "canonical_id": made, "mount_accessor": accessor}
            did("identity/entity-alias", alias)
            did(f"strongroom/people/{made}", {"name": name.title()})
            login = server.ask(
                "POST", f"auth/userpass/login/{name}", {"password": PASSWORD}, token=""
            )
            tokens[name] = login.body["auth"]["client_token"]
        did("shop/prod/db", {"k": "v"})
        prod = {"paths": ["shop/prod/*"], "people": "granted"}
        did("strongroom/environments/production", prod)
        yield Firm(server=server, tokens=tokens)


@pytest.fixture
def shell(firm: Firm, nowhere: Shell) -> Shell:
    nowhere.environment |= {"STRONGROOM_ADDR": firm.server.address}
    return nowhere


def of(firm: Firm, shell: Shell, name: str) -> Shell:
    shell.environment["STRONGROOM_TOKEN"] = firm.tokens.get(name, firm.server.root)
    return shell


def test_access_is_asked_for_approved_used_and_ended(firm: Firm, shell: Shell) -> None:
    ann = of(firm, shell, "ann")
    refused = ann("read", "shop/prod/db")
    preview = ann.ok("request", "shop/prod/db", "--for=1h", "--reason=a fault", "--preview")
    asked = ann.ok("request", "shop/prod/db", "--for=1h", "--reason=a fault")
    told = ann.ok("requests", "--mine", "--format=json").data
    id_ = told[0]["id"]
    own = ann("approve", id_, "--yes")

    assert "strongroom request" in refused.err
    assert "needed" in preview.out
    assert "rule at-least-one: 1 of any who may" in asked.err
    assert (own.code, "may not decide" in own.err) == (2, True)

    bob = of(firm, shell, "bob")
    assert id_ in bob.ok("requests", "--inbox").out
    assert "is approved" in bob.ok("approve", id_, "--yes", "--because=a fault").out

    ann = of(firm, shell, "ann")
    assert ann.ok("read", "shop/prod/db", "--field=k").out == "v"
    assert ann.ok("requests", id_, "--field=state").out == "approved"
    assert "shop/prod/db" in ann.ok("grants").out
    [grant] = ann.ok("grants", "--format=json").data
    ann.ok("grants", f"--end={grant['id']}")
    assert ann("read", "shop/prod/db").code == 2
    assert "ended" in ann.ok("grants").out


def test_who_waits_is_told_of_a_denial(firm: Firm, shell: Shell) -> None:
    ann = of(firm, shell, "ann")
    asked = ann.ok("request", "shop/prod/db", "--for=1h", "--reason=a look", "--field=id")
    of(firm, shell, "bob").ok("deny", asked.out, "--yes")

    told = of(firm, shell, "ann")("requests", asked.out, "--field=state")
    again = ann("request", "shop/prod/db", "--for=1h", "--reason=more", f"--id={asked.out}")
    ann.ok("requests", asked.out, "--withdraw")

    assert (told.out, again.code) == ("denied", 0)
    assert ann.ok("requests", asked.out, "--field=state").out == "withdrawn"


def test_rules_are_written_listed_and_removed(firm: Firm, shell: Shell) -> None:
    root = of(firm, shell, "root")
    root.ok("approval-rule", "write", "prod", "--environment=production", "--need=1")
    too_many = root("approval-rule", "write", "prod", "--need=9")
    unread = root("approval-rule", "write", "prod", "--need=some")

    assert (too_many.code, unread.code) == (2, 1)
    assert "1 of any" in root.ok("approval-rule", "list").out
    assert root.ok("approval-rule", "read", "prod", "--field=name").out == "prod"
    root.ok("approval-rule", "delete", "prod", "--yes")
    assert "prod" not in root.ok("approval-rule", "list").out
