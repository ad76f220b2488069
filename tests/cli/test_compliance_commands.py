"""`strongroom vendor`, `training`, `document`, `exception` and `admission`, on a server of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom.base.clock import rfc3339
from tests import servers
from tests.cli.conftest import Shell
from tests.servers import Strongroom

PASSWORD = "marmalade-Tuesday-orbit"
ALL = '["create", "read", "update", "delete", "list"]'
STAFF = "\n".join(
    f'path "strongroom/{each}*" {{ capabilities = {ALL} }}'
    for each in ("training", "documents", "exceptions")
)
STAFF += '\npath "identity/entity/name/*" { capabilities = ["read"] }'
SOON = rfc3339(datetime.now(UTC).replace(microsecond=0) + timedelta(days=30))
WIDE = 'path "shop/*" { capabilities = ["read"] }'


@dataclass(frozen=True, kw_only=True)
class Firm:
    """A server, who signs in there, and their entities."""

    server: Strongroom
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def firm() -> Iterator[Firm]:
    """Two people, one of whom approves what the other asks for."""
    with servers.strongroom() as server:

        def did(path: str, body: object) -> dict[str, str]:
            got = server.ask("POST", path, body)
            assert got.status in (200, 204), (path, got.raw)
            return dict((got.body or {}).get("data") or {})

        did("sys/auth/userpass", {"type": "userpass"})
        did("sys/mounts/shop", {"type": "kv"})
        did("sys/policies/acl/staff", {"policy": STAFF})
        did("strongroom/factors/rules/staff", {"policies": ["staff"], "kinds": ["none"]})
        did("strongroom/step-up/rules/approvals", {"enabled": False})
        did("strongroom/environments/production", {"paths": ["shop/*"]})
        accessor = server.ask("GET", "sys/auth").body["data"]["userpass/"]["accessor"]
        tokens = {}
        for name in ("ann", "bob"):
            did(f"auth/userpass/users/{name}", {"password": PASSWORD})
            made = did("identity/entity", {"name": name, "policies": ["staff"]})["id"]
            alias = {"name": name, "canonical_id": made, "mount_accessor": accessor}
            did("identity/entity-alias", alias)
            did(f"strongroom/people/{made}", {"name": name.title()})
            given = {"password": PASSWORD}
            login = server.ask("POST", f"auth/userpass/login/{name}", given, token="")
            tokens[name] = login.body["auth"]["client_token"]
        yield Firm(server=server, tokens=tokens)


@pytest.fixture
def shell(firm: Firm, nowhere: Shell) -> Shell:
    nowhere.environment |= {"STRONGROOM_ADDR": firm.server.address}
    return nowhere


def of(firm: Firm, shell: Shell, name: str) -> Shell:
    shell.environment["STRONGROOM_TOKEN"] = firm.tokens.get(name, firm.server.root)
    return shell


def test_a_vendor_is_written_and_leaves(firm: Firm, shell: Shell) -> None:
    root = of(firm, shell, "root")
    options = ("--tier=high", "--holds=our scanner", "--owner=ann", "--contract=C-7")
    root.ok("vendor", "write", "acme", *options)
    worker = {"name": "Bo", "worker": "vendor", "contract": "C-7", "ends_at": SOON}
    made = firm.server.ask("POST", "identity/entity", {"name": "bo"}).body["data"]["id"]
    firm.server.ask("POST", f"strongroom/people/{made}", worker)

    listed = root.ok("vendor", "list")
    left = root.ok("vendor", "leave", "acme", "--yes", "--reason=over")

    assert "acme high none" in " ".join(listed.out.split())
    assert made in left.out
    assert root.ok("vendor", "read", "acme", "--field=state").out == "left"
    assert "nothing" in root.ok("vendor", "knowledge", "acme").err
    root.ok("vendor", "return", "acme")
    assert root.ok("vendor", "read", "acme", "--field=state").out == "active"


def test_training_is_recorded_by_another(firm: Firm, shell: Shell) -> None:
    root = of(firm, shell, "root")
    root.ok("training", "course", "handling", "--title=Handling secrets", "--version=1")
    own = of(firm, shell, "ann")("training", "record", "handling")
    of(firm, shell, "bob").ok("training", "record", "handling", "ann", "--reference=lms/1")
    [done] = shell.ok("training", "list", "--format=json").data
    shell.ok("training", "void", done["id"], "--because=was not there")

    assert own.code == 2
    assert "handling" in shell.ok("training", "courses").out
    assert "void" in shell.ok("training", "list", "--entity=ann").out


def test_a_document_is_proposed_approved_and_acknowledged(
    firm: Firm, shell: Shell, tmp_path: Path
) -> None:
    text = tmp_path / "policy.md"
    text.write_text("# Secrets\n\nBe careful.\n")
    of(firm, shell, "root").ok("document", "write", "secrets", "--title=Secrets", "--owner=ann")
    ann = of(firm, shell, "ann")
    id_ = ann.ok("document", "propose", "secrets", str(text), "--reason=new", "--field=id").out
    own = ann("document", "approve", id_, "--yes")
    bob = of(firm, shell, "bob")
    assert id_ in bob.ok("document", "proposals", "--inbox").out
    bob.ok("document", "approve", id_, "--yes", "--because=read it")

    told = bob.ok("document", "acknowledge", "secrets")

    assert own.code == 2
    assert "Be careful." in told.out
    text.write_text("# Secrets\n\nBe very careful.\n")
    of(firm, shell, "ann").ok("document", "propose", "secrets", str(text), "--reason=more")
    differs = shell("document", "diff", "secrets")
    assert (differs.code, "+Be very careful." in differs.out) == (2, True)
    assert shell("document", "diff", "secrets", "--newer=1").code == 0
    assert "version 1" in shell.ok("document", "list").out
    reviewed = of(firm, shell, "bob").ok("document", "review", "secrets", "--because=read it whole")
    assert "reviewed" in reviewed.err + reviewed.out


def test_a_change_is_refused_until_an_exception_covers_it(
    firm: Firm, shell: Shell, tmp_path: Path
) -> None:
    root = of(firm, shell, "root")
    root.ok("admission", "set", "T36", "refuse")
    wide = tmp_path / "wide.hcl"
    wide.write_text(WIDE)
    refused = root("write", "sys/policies/acl/wide", f"policy=@{wide}")
    words = ("--reason=the old billing", "--compensating=it is watched", "--owner=ann")
    ask = ("exception", "ask", "T36", "wide: shop/*", *words, f"--expires-at={SOON}")
    id_ = of(firm, shell, "ann").ok(*ask, "--field=id").out
    done = of(firm, shell, "bob").ok("exception", "approve", id_, "--yes", "--field=outcome").out

    allowed = of(firm, shell, "root")("write", "sys/policies/acl/wide", f"policy=@{wide}")

    assert (refused.code, "T36 would break" in refused.err) == (2, True)
    assert (allowed.code, done in allowed.err + allowed.out) == (0, True)
    assert "in force" in shell.ok("exception", "list", "--control=T36").out
    assert "refuse" in shell.ok("admission", "list").out
    more = ("--reason=not moved yet", f"--expires-at={SOON}", "--field=id")
    of(firm, shell, "ann").ok("exception", "extend", done, *more)
    shell.ok("exception", "end", done, "--reason=it was moved")
    assert shell.ok("exception", "read", done, "--field=state").out == "ended"
