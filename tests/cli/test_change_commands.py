"""`strongroom change`, `change-rule`, `plan`, `apply`, and approving by accessor; our server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import hvac
import pytest

from tests import servers
from tests.cli.conftest import Run, Shell
from tests.servers import Strongroom

PASSWORD = "marmalade-Tuesday-orbit"
STAFF = """
path "strongroom/changes*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "strongroom/change-rules*" { capabilities = ["create", "read", "update", "list", "sudo"] }
path "strongroom/environments*" { capabilities = ["create", "read", "update", "list", "sudo"] }
path "strongroom/policies/*" { capabilities = ["update"] }
path "sys/control-group/*" { capabilities = ["update"] }
path "sys/policies/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/auth*" { capabilities = ["create", "read", "update", "list", "sudo"] }
path "sys/mounts*" { capabilities = ["create", "read", "update", "list", "sudo"] }
path "auth/*" { capabilities = ["create", "read", "update", "list"] }
path "shop/*" {
  capabilities = ["read"]
  control_group = {
    factor "others" {
      identity {
        group_names = ["others"]
      }
    }
  }
}
"""
POLICY = 'path "shop/billing/*" {\n  capabilities = ["read"]\n}\n'


@dataclass(frozen=True, kw_only=True)
class Firm:
    """A server, and who signs in there."""

    server: Strongroom
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def firm() -> Iterator[Firm]:
    """Two people who change things, and approve each other's changes."""
    with servers.strongroom() as server:

        def did(path: str, body: object) -> dict[str, str]:
            got = server.ask("POST", path, body)
            assert got.status in (200, 204), (path, got.raw)
            return dict((got.body or {}).get("data") or {})

        did("sys/auth/userpass", {"type": "userpass"})
        did("sys/mounts/shop", {"type": "kv"})
        did("sys/policies/acl/staff", {"policy": STAFF})
        did("strongroom/factors/rules/staff", {"policies": ["staff"], "kinds": ["none"]})
        for name in ("approvals", "policies", "factors"):
            did(f"strongroom/step-up/rules/{name}", {"enabled": False})
        accessor = server.ask("GET", "sys/auth").body["data"]["userpass/"]["accessor"]
        tokens, made = {}, {}
        for name in ("ann", "bob"):
            user = {"password": PASSWORD, "token_policies": ["staff"]}
            did(f"auth/userpass/users/{name}", user)
            made[name] = did("identity/entity", {"name": name, "policies": ["staff"]})["id"]
            alias = {"name": name, "canonical_id": made[name], "mount_accessor": accessor}
            did("identity/entity-alias", alias)
            did(f"strongroom/people/{made[name]}", {"name": name.title()})
            login = server.ask(
                "POST", f"auth/userpass/login/{name}", {"password": PASSWORD}, token=""
            )
            tokens[name] = login.body["auth"]["client_token"]
        did("identity/group", {"name": "others", "member_entity_ids": [made["bob"]]})
        did("shop/db", {"k": "v"})
        yield Firm(server=server, tokens=tokens)


Runs = Callable[..., Run]


@pytest.fixture
def by(firm: Firm, nowhere: Shell) -> dict[str, Runs]:
    """What runs the command line as each."""
    nowhere.environment |= {"STRONGROOM_ADDR": firm.server.address}

    def run(name: str, *words: str) -> Run:
        nowhere.environment["STRONGROOM_TOKEN"] = firm.tokens[name]
        return nowhere(*words)

    return {name: partial(run, name) for name in firm.tokens}


def test_a_control_group_is_authorized_by_its_accessor_and_answers_a_vault_client(
    firm: Firm, by: dict[str, Runs]
) -> None:
    client = hvac.Client(url=firm.server.address, token=firm.tokens["ann"])
    info = client.read("shop/db")["wrap_info"]

    done = by["bob"]("approve", info["accessor"], "--yes", "-format=json")
    made = client.sys.unwrap(info["token"])

    assert done.data["data"] == {"approved": True}, done
    assert made["data"] == {"k": "v"}


def test_a_directory_is_planned_and_applied_and_then_nothing_differs(
    firm: Firm, by: dict[str, Runs], tmp_path: Path
) -> None:
    folder = tmp_path / "setup"
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "billing.hcl").write_text(POLICY)
    (folder / "policies" / "staff.hcl").write_text(STAFF)
    (folder / "auth.toml").write_text(
        '[userpass]\ntype = "userpass"\n[ci]\ntype = "approle"\ndescription = "of CI"\n'
    )
    (folder / "roles.toml").write_text(
        '["ci/role/build"]\ntoken_policies = ["billing"]\ntoken_ttl = "10m"\n'
    )
    (folder / "environments.json").write_text(
        json.dumps({"production": {"paths": ["shop/prod/*"], "open": False}})
    )
    ann = by["ann"]

    first = ann("plan", str(folder), "-format=json")
    done = ann("apply", str(folder), "--yes")
    again = ann("plan", str(folder), "-format=json")
    twice = ann("apply", str(folder), "--yes", "-format=json")

    assert first.code == 3, first
    assert [each["path"] for each in first.data["steps"]] == [
        "sys/auth/ci",
        "sys/policies/acl/billing",
        "strongroom/environments/production",
        "auth/ci/role/build",
    ]
    assert done.code == 0, done
    assert (again.code, again.data["steps"]) == (0, []), again
    assert twice.data["applied"] == []
    (folder / "policies" / "billing.hcl").write_text(POLICY.replace("read", "list"))
    firm.server.ask("POST", "sys/policies/acl/stray", {"policy": POLICY})
    differs = ann("plan", str(folder))
    assert differs.code == 3
    assert "~ sys/policies/acl/billing (policy)" in differs.out
    assert "? sys/policies/acl/stray" in differs.out
    assert ann("apply", str(folder), "--prune", "--yes").code == 0
    assert firm.server.ask("GET", "sys/policies/acl/stray").status == 404


def test_a_change_is_proposed_shown_approved_and_applied(
    firm: Firm, by: dict[str, Runs], tmp_path: Path
) -> None:
    ann, bob = by["ann"], by["bob"]
    assert ann("change-rule", "write", "admin", "--area", "policies").code == 0
    folder = tmp_path / "setup"
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "staff.hcl").write_text(STAFF)
    (folder / "policies" / "wages.hcl").write_text(POLICY)

    refused = ann("apply", str(folder), "--yes")
    proposed = ann(
        "apply", str(folder), "--propose", "--reason", "wages are asked for", "-format=json"
    )
    [id_] = proposed.data["changes"]
    shown = bob("change", "read", id_, "--impact")
    inbox = bob("change", "list", "--inbox")
    own = ann("change", "approve", id_, "--yes")
    approved = bob("change", "approve", id_, "--yes", "--because", "looked at it")
    applied = ann("apply", str(folder), "--change", id_)

    assert refused.code == 2
    assert "--propose" in refused.err
    assert '+path "shop/billing/*" {' in shown.out
    assert "the policy is new" in shown.err
    assert id_ in inbox.out
    assert (own.code, approved.code, applied.code) == (2, 0, 0), (own, approved, applied)
    assert firm.server.ask("GET", "sys/policies/acl/wages").body["data"]["policy"] == POLICY
    made = ann(
        *("change", "propose", "sys/policies/acl/wages", "--delete"),
        *("--reason", "no longer asked for", "--field", "id"),
    )
    assert bob("change", "deny", made.out.strip(), "--yes").code == 0
    assert ann("change", "apply", made.out.strip()).code == 2
    assert "admin" in ann("change-rule", "list").out
    staff = ann(
        *("change", "propose", "sys/policies/acl/staff", "policy=" + POLICY),
        *("--reason", "much less", "--field", "id"),
    )
    lost = bob("change", "read", staff.out.strip(), "--impact")
    assert (lost.code, "loses" in lost.out) == (0, True), lost
    preview = ann(
        *("change", "propose", "sys/policies/acl/wages", "policy=" + POLICY),
        *("--preview", "--reason", "to see", "-format=json"),
    )
    assert preview.data["data"]["enough"] is True
