"""Policies and capabilities beside OpenBao: the same requests, the same answers, or why not."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.system.room import room
from tests.core.system.side_by_side import Script, step
from tests.oracles.openbao import OpenBao

READ = 'path "secret/*" { capabilities = ["read"] }'
IN_BASE64 = base64.b64encode(READ.encode()).decode()
MERGE = {"Content-Type": "application/merge-patch+json"}
ACL, OLDER, PASSWORD = "sys/policies/acl", "sys/policy", "sys/policies/password"
RULES = (
    'length=20\nrule "charset" { charset = "abcde" }\n'
    'rule "charset" { charset = "0123" min-chars = 2 }'
)
ODD = """
path "secret/data/a*" { capabilities = ["read", "list"] }
path "secret/data/x" { capabilities = ["sudo", "update"] }
path "secret/+/y/*" { capabilities = ["create"] }
path "secret/den" { capabilities = ["deny", "read"] }
path "sys/capabilities*" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
"""


@pytest.fixture
async def script(tmp_path: Path, openbao: OpenBao) -> AsyncIterator[Script]:
    for name in openbao.ask("LIST", ACL).body["data"]["keys"]:
        if name not in {"root", "default"}:
            openbao.ask("DELETE", f"{ACL}/{name}")
    async with room(tmp_path) as ours:
        yield Script(openbao, ours)


async def test_a_policy_is_written_read_listed_and_deleted(script: Script) -> None:
    await script.run(
        step("LIST", ACL),
        step("GET", f"{ACL}?list=true"),
        step("GET", ACL),
        step("GET", OLDER),
        step("LIST", OLDER),
        step("POST", f"{ACL}/p", {"policy": READ}),
        step("GET", f"{ACL}/p"),
        step("GET", f"{OLDER}/p"),
        step("POST", f"{ACL}/b64", {"policy": IN_BASE64}),
        step("GET", f"{ACL}/b64"),
        step("POST", f"{OLDER}/old", {"rules": READ}),
        step("POST", f"{OLDER}/old", {"policy": READ, "rules": "x"}),
        step("GET", f"{OLDER}/old"),
        step("POST", f"{ACL}/UpperCase", {"policy": READ}),
        step("GET", f"{ACL}/uppercase"),
        step("GET", f"{ACL}/UPPERCASE"),
        step("POST", f"{ACL}/a/b", {"policy": READ}),
        step("GET", f"{ACL}/a/b"),
        step("LIST", f"{ACL}/a"),
        step("LIST", ACL, lax=True, because="ours are in byte order, names in folders too"),
        step("GET", f"{ACL}/none"),
        step("GET", f"{OLDER}/none"),
        step("DELETE", f"{ACL}/none"),
        step("DELETE", f"{ACL}/p"),
        step("GET", f"{ACL}/p"),
    )


async def test_what_is_no_policy_is_refused(script: Script) -> None:
    await script.run(
        step("POST", f"{ACL}/p", {}),
        step("POST", f"{ACL}/p", {"policy": ""}),
        step("POST", f"{ACL}/p", {"policy": "path {"}),
        step("POST", f"{ACL}/p", {"rules": READ}),
        step("POST", f"{ACL}/p", {"policy": 'path "x" { capabilities = ["fly"] }'}),
        step("GET", f"{ACL}/p"),
    )


@pytest.mark.parametrize("name", ["root", "response-wrapping"])
async def test_two_policies_are_the_servers_own(script: Script, name: str) -> None:
    await script.run(
        step("POST", f"{ACL}/{name}", {"policy": READ}),
        step("GET", f"{ACL}/{name}", lax=name != "root", because="a text of our own"),
        step("DELETE", f"{ACL}/{name}"),
        step("DELETE", f"{ACL}/default"),
    )


async def test_check_and_set(script: Script) -> None:
    path = f"{ACL}/cas"
    await script.run(
        step("POST", path, {"policy": READ, "cas": 5}),
        step("POST", path, {"policy": READ, "cas": 0}),
        step("POST", path, {"policy": READ, "cas": -1}),
        step("POST", path, {"policy": READ, "cas": 7}),
        step("POST", path, {"policy": READ, "cas": 1}),
        step("GET", path),
        step("POST", path, {"policy": READ, "cas_required": True}),
        step("POST", path, {"policy": READ, "cas_required": True, "cas": 2}),
        step("GET", path),
        step("POST", path, {"policy": READ}),
        step("POST", path, {"policy": READ, "cas": 3}),
        step("GET", path),
        step("POST", path, {"policy": READ}),
        step("POST", f"{ACL}/first", {"policy": READ, "cas": -1}),
        step("POST", f"{ACL}/first", {"policy": READ, "cas": -1}),
    )


async def test_a_policy_with_an_end(script: Script) -> None:
    path, end = f"{ACL}/exp", "2030-01-02T03:04:05Z"
    await script.run(
        step("POST", path, {"policy": READ, "expiration": end, "cas": 0}),
        step("GET", path),
        step("POST", path, {"policy": READ, "expiration": end, "ttl": "1h"}),
        step("POST", path, {"policy": READ, "expiration": "2020-01-02T03:04:05Z"}),
        step("POST", path, {"policy": READ, "allow_slashes_in_identity_templates": True}),
        step("GET", path),
        step("POST", path, {"policy": READ, "ttl": "1h"}),
        step("GET", path),
    )


async def test_a_patch_changes_what_it_names(script: Script) -> None:
    path = f"{ACL}/patched"
    await script.run(
        step("PATCH", path, {"policy": READ}, headers=MERGE),
        step("POST", path, {"policy": READ}),
        step("PATCH", path, {"policy": READ + "\n"}, headers=MERGE),
        step("GET", path),
        step("PATCH", path, {"cas": 9, "cas_required": False}, headers=MERGE),
        step("PATCH", path, {"cas": 2, "ttl": "1h"}, headers=MERGE),
        step("GET", path),
        step("PATCH", path, {"policy": READ, "cas": 3}, headers=MERGE),
        step("GET", path),
    )


async def test_password_policies(script: Script) -> None:
    no_rule = 'length=20\nrule "nope" { charset = "abc" }'
    await script.run(
        step("POST", f"{PASSWORD}/pw", {"policy": RULES}),
        step("GET", f"{PASSWORD}/pw"),
        step("GET", f"{PASSWORD}/pw/generate"),
        step("POST", f"{PASSWORD}/b64", {"policy": base64.b64encode(RULES.encode()).decode()}),
        step("GET", f"{PASSWORD}/b64"),
        step("LIST", PASSWORD),
        step("GET", f"{PASSWORD}/nope"),
        step("GET", f"{PASSWORD}/nope/generate"),
        step("POST", f"{PASSWORD}/bad", {}),
        step("POST", f"{PASSWORD}/bad", {"policy": "x"}),
        step("POST", f"{PASSWORD}/bad", {"policy": "length=20"}),
        step("POST", f"{PASSWORD}/bad", {"policy": no_rule}),
        step("POST", f"{PASSWORD}/bad", {"policy": 'length=3\nrule "charset" { charset="ab" }'}),
        step("POST", f"{PASSWORD}/bad", {"policy": 'length=101\nrule "charset" { charset="ab" }'}),
        step("POST", f"{PASSWORD}/bad", {"policy": 'length=20\nrule "charset" { charset="" }'}),
        step(
            "POST",
            f"{PASSWORD}/bad",
            {"policy": 'length=20\nrule "charset" { charset = "abc" max-chars = 3 }'},
            ours=400,
            because="what is not known is not ignored",
        ),
        step("DELETE", f"{PASSWORD}/pw"),
        step("DELETE", f"{PASSWORD}/pw"),
        step("DELETE", f"{PASSWORD}/b64"),
        step("DELETE", f"{PASSWORD}/bad"),
        step("LIST", PASSWORD),
    )


async def test_capabilities(script: Script) -> None:
    made = {"policies": ["odd"], "no_default_policy": True}
    on = "sys/capabilities"
    kept = {"t": "auth.client_token", "a": "auth.accessor"}
    await script.run(
        step("POST", f"{ACL}/odd", {"policy": ODD}),
        step("POST", "auth/token/create", made, kept=kept, lax=True),
        step("POST", on, {"token": "{t}", "paths": ["secret/data/abc"]}),
        step("POST", on, {"token": "{t}", "path": "secret/data/abc"}),
        step("POST", on, {"token": "{t}", "paths": ["secret/den", "no", "secret/data/x"]}),
        step("POST", on, {"token": "{t}", "paths": "secret/data/abc,secret/q/y/z"}),
        step("POST", on, {"token": "{t}"}),
        step("POST", on, {"token": "zz", "paths": ["a"]}),
        step("POST", on, {"paths": ["a"]}, ours=400, because="OpenBao fails with 500"),
        step("POST", f"{on}-self", {"paths": ["secret/data/abc"]}, token="{t}"),
        step("POST", f"{on}-self", {"paths": ["secret/data/abc"]}),
        step("POST", f"{on}-accessor", {"accessor": "{a}", "paths": ["secret/data/abc"]}),
        step("POST", f"{on}-accessor", {"accessor": "zz", "paths": ["a"]}),
        step("POST", f"{on}-accessor", {"paths": ["a"]}),
        step("GET", "sys/internal/ui/resultant-acl", token="{t}"),
        step("GET", "sys/internal/ui/resultant-acl"),
    )
