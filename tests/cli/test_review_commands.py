"""`strongroom review`, on a server of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.cli.conftest import Shell
from tests.cli.test_compliance_commands import PASSWORD, Firm, of

ALL = '["create", "read", "update", "list"]'
STAFF = f"""
path "strongroom/review*" {{ capabilities = {ALL} }}
path "strongroom/evidence/reviews/*" {{ capabilities = ["read"] }}
path "identity/entity/name/*" {{ capabilities = ["read"] }}
"""


@pytest.fixture(scope="module")
def firm() -> Iterator[Firm]:
    """Two people who review each other, and Cem, who holds a policy."""
    with servers.strongroom() as server:

        def did(path: str, body: object) -> dict[str, str]:
            got = server.ask("POST", path, body)
            assert got.status in (200, 204), (path, got.raw)
            return dict((got.body or {}).get("data") or {})

        did("sys/auth/userpass", {"type": "userpass"})
        did("sys/policies/acl/staff", {"policy": STAFF})
        did("sys/policies/acl/reader", {"policy": 'path "shop/*" { capabilities = ["read"] }'})
        did("strongroom/factors/rules/staff", {"policies": ["staff"], "kinds": ["none"]})
        did("strongroom/step-up/rules/approvals", {"enabled": False})
        accessor = server.ask("GET", "sys/auth").body["data"]["userpass/"]["accessor"]
        tokens, made = {}, {}
        for name in ("ann", "bob", "cem"):
            policies = ["staff", *(["reader"] if name == "cem" else [])]
            did(f"auth/userpass/users/{name}", {"password": PASSWORD})
            made[name] = did("identity/entity", {"name": name, "policies": policies})["id"]
            alias = {"name": name, "canonical_id": made[name], "mount_accessor": accessor}
            did("identity/entity-alias", alias)
            did(f"strongroom/people/{made[name]}", {"name": name.title()})
            given = {"password": PASSWORD}
            login = server.ask("POST", f"auth/userpass/login/{name}", given, token="")
            tokens[name] = login.body["auth"]["client_token"]
        members = [made["ann"], made["bob"]]
        did("identity/group", {"name": "reviewers", "member_entity_ids": members})
        yield Firm(server=server, tokens=tokens)


@pytest.fixture
def shell(firm: Firm, nowhere: Shell) -> Shell:
    nowhere.environment |= {"STRONGROOM_ADDR": firm.server.address}
    return nowhere


def test_a_review_is_begun_decided_and_signed_off(firm: Firm, shell: Shell, tmp_path: Path) -> None:
    ann = of(firm, shell, "ann")
    id_ = ann.ok("review", "start", "people", "--reviewers=reviewers", "--field=id").out
    found = ann.ok("review", "lines", id_, "--format=json").data
    reader = next(str(e["number"]) for e in found if e["name"] == "reader")
    theirs = [
        str(e["number"]) for e in found if e["holder_name"] != "Ann" and e["name"] != "reader"
    ]
    mine = [str(e["number"]) for e in found if e["holder_name"] == "Ann"]

    revoked = ann.ok("review", "decide", id_, "revoke", reader, "--because=moved to sales")
    ann.ok("review", "decide", id_, "keep", *theirs, "--because=still at work on it")
    own = ann("review", "decide", id_, "keep", *mine, "--because=mine")
    early = ann("review", "sign-off", id_, "--statement=all looked at")
    bob = of(firm, shell, "bob")
    assert bob.ok("review", "lines", id_, "--mine", "--format=json").data
    bob.ok("review", "decide", id_, "keep", *mine, "--because=she is the first of us")
    signed = bob.ok("review", "sign-off", id_, "--statement=all looked at", "--field=state").out

    assert "took the policy reader" in revoked.out + revoked.err
    assert (own.code, early.code, signed) == (2, 2, "signed")
    assert "signed" in bob.ok("review", "list").out
    assert "revoked" in bob.ok("review", "lines", id_, "--state=revoked").out
    assert bob.ok("review", "line", id_, reader, "--field=state").out == "revoked"
    assert bob.ok("review", "read", id_, "--field=undecided").out == "0"
    for ending, begins in (("pdf", b"%PDF"), ("xlsx", b"PK")):
        target = tmp_path / f"review.{ending}"
        bob.ok("review", "record", id_, str(target))
        assert target.read_bytes().startswith(begins)
    assert bob("review", "record", id_, str(tmp_path / "review.doc")).code != 0


def test_reviews_begin_by_themselves(firm: Firm, shell: Shell) -> None:
    root = of(firm, shell, "root")
    root.ok("review", "schedule", "workloads", "--reviewers=reviewers", "--off")

    assert "workloads" in root.ok("review", "schedules").out
    assert root("review", "schedule", "keys", "--reviewers=reviewers").code == 2
