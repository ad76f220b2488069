"""`strongroom access matrix|unused|… --at` and `policy propose|replay|impact`; our server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import servers
from tests.cli.conftest import Shell
from tests.servers import Strongroom

POLICY = """
path "secret/data/app/*" { capabilities = ["read", "update"] }
path "secret/data/other/*" { capabilities = ["read"] }
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Strongroom]:
    """A server on which mei has read one of two secrets."""
    with servers.strongroom() as server:
        for path, body in (
            ("sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}),
            ("sys/policies/acl/app", {"policy": POLICY}),
            ("sys/auth/userpass", {"type": "userpass"}),
            ("auth/userpass/users/mei", {"password": "correct-horse", "token_policies": "app"}),
            ("secret/data/app/a", {"data": {"k": "v"}}),
            ("secret/data/other/b", {"data": {"k": "v"}}),
        ):
            made = server.ask("POST", path, body)
            assert made.status in (200, 204), made.raw
        login = server.ask("POST", "auth/userpass/login/mei", {"password": "correct-horse"})
        token = login.body["auth"]["client_token"]
        assert server.ask("GET", "secret/data/app/a", token=token).status == 200
        yield server


@pytest.fixture
def served(server: Strongroom, nowhere: Shell) -> Shell:
    nowhere.environment |= {"STRONGROOM_ADDR": server.address, "STRONGROOM_TOKEN": server.root}
    return nowhere


def test_a_proposal_is_a_policy_that_replays(served: Shell, tmp_path: Path) -> None:
    proposed = served.ok("policy", "propose", "app")
    file = tmp_path / "app.hcl"
    file.write_text(proposed.out)

    assert 'path "secret/data/app/a" {\n  capabilities = ["read"]\n}' in proposed.out
    assert "secret/data/other/*: dropped; used for nothing" in proposed.err
    served.ok("policy", "check", str(file))
    assert "nothing would have been refused" in served.ok("policy", "replay", "app", str(file)).err


def test_a_replay_that_refuses_something_ends_with_three(served: Shell) -> None:
    done = served("policy", "replay", "app", "-", given="")

    assert done.code == 3
    assert "secret/data/app/a" in done.out
    assert "1 of 1 requests" in done.out


def test_who_gains_and_who_loses(served: Shell) -> None:
    same = served.ok("policy", "impact", "app", "-", given=POLICY)
    done = served("policy", "impact", "app", "-", given=POLICY.replace("other", "third"))

    assert "no change" in same.out
    assert done.code == 3
    assert "gains" in done.out
    assert "secret/data/third/*" in done.out


def test_unused_rules_of_a_policy_and_of_somebody(served: Shell) -> None:
    policy = served.ok("access", "unused", "policy:app").out

    assert "app#secret/data/other/*" in policy
    assert "1 of 2 rules were not used" in policy
    assert "give" in served("access", "unused", "login:auth/userpass/users/mei").err


def test_the_matrix_shows_rows_and_what_they_are_of(served: Shell) -> None:
    found = served.ok("access", "matrix", "--below", "secret/", "--rows", "0")

    assert "secret/data/app/*" in found.out
    assert "different rows" in found.out


def test_past_moments_are_asked_about(server: Strongroom, served: Shell) -> None:
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    server.ask("POST", "sys/policies/acl/late", {"policy": POLICY})
    server.ask("POST", "identity/entity", {"name": "late", "policies": ["late"]})

    now = served.ok("access", "who", "read", "secret/data/app/a").out
    then = served.ok("access", "who", "read", "secret/data/app/a", "--at", at).out

    assert "late#secret/data/app/*" in now
    assert "late" not in then
    assert served("access", "who", "read", "a", "--at", "yesterday").code == 2
