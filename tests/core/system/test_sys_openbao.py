"""Wrapping, leases, tools and the rest of `sys/` beside OpenBao."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.system.room import room
from tests.core.system.side_by_side import Script, Step, step
from tests.oracles.openbao import OpenBao

WRAP = {"X-Vault-Wrap-TTL": "60"}
TOKEN = "wrap_info.token"
LOOK, OPEN = "sys/wrapping/lookup", "sys/wrapping/unwrap"
LEASES = "sys/leases"


def wrapped() -> Step:
    return step("POST", "sys/wrapping/wrap", {"k": "v"}, headers=WRAP, kept={"w": TOKEN})


@pytest.fixture
async def script(tmp_path: Path, openbao: OpenBao) -> AsyncIterator[Script]:
    openbao.ask("DELETE", "sys/auth/userpass")
    async with room(tmp_path) as ours:
        yield Script(openbao, ours)


async def test_a_wrapping_token_opens_once(script: Script) -> None:
    await script.run(
        step("POST", "sys/wrapping/wrap", {"k": "v"}),
        step("POST", "sys/wrapping/wrap", {}, headers=WRAP),
        wrapped(),
        step("POST", LOOK, {"token": "{w}"}),
        step("GET", LOOK, token="{w}"),
        step("POST", LOOK, {}, token="{w}"),
        step("POST", LOOK, {"token": "bad"}),
        step("POST", LOOK, {}),
        step("POST", OPEN, {"token": "{w}"}),
        step("POST", OPEN, {"token": "{w}"}),
        step("POST", OPEN, token="{w}"),
        step("POST", OPEN, {"token": "{w}"}, token="{w}"),
        step("POST", LOOK, {"token": "{w}"}),
        wrapped(),
        step("POST", OPEN, token="{w}"),
        wrapped(),
        step("POST", OPEN, {"token": "{w}"}, token="bad"),
        step("POST", OPEN, {"token": "{w}"}, token="{w}", ours=200, because="OpenBao fails, 500"),
        step("POST", OPEN, {}),
        step("POST", OPEN, {"token": "x"}),
    )


async def test_a_token_that_wraps_nothing_is_none(script: Script) -> None:
    await script.run(
        step("POST", "auth/token/create", {}, kept={"t": "auth.client_token"}, lax=True),
        step("POST", OPEN, {"token": "{t}"}),
        step("POST", OPEN, {}, token="{t}"),
        step("POST", LOOK, {"token": "{t}"}),
    )


async def test_a_wrapping_token_is_replaced(script: Script) -> None:
    again = "sys/wrapping/rewrap"
    await script.run(
        wrapped(),
        step("POST", again, {"token": "{w}"}, kept={"n": TOKEN}),
        step("POST", OPEN, {"token": "{w}"}),
        step("POST", LOOK, {"token": "{n}"}),
        step("POST", OPEN, {"token": "{n}"}),
        wrapped(),
        step("POST", again, token="{w}"),
        step("POST", again, {"token": "zz"}),
        wrapped(),
        step("POST", OPEN, {"token": "{w}"}, headers=WRAP, kept={"n": TOKEN}),
        step("POST", OPEN, {"token": "{n}"}, lax=True, because="OpenBao wraps a raw reply"),
    )


async def test_tokens_are_shown_as_leases(script: Script) -> None:
    user = {"password": "x", "policies": "default"}
    login = step("POST", "auth/userpass/login/al", {"password": "x"}, lax=True)
    below = f"{LEASES}/lookup/auth/userpass/login/al"
    await script.run(
        step("POST", "sys/auth/userpass", {"type": "userpass"}),
        step("POST", "auth/userpass/users/al", user),
        login,
        step("LIST", f"{LEASES}/lookup/auth/userpass"),
        step("LIST", f"{LEASES}/lookup/auth/userpass/login/"),
        step("LIST", f"{LEASES}/lookup/nope"),
        step("LIST", below, lax=True, kept={"keys": "data.keys"}),
    )
    theirs, ours = (kept["keys"].strip("[]'") for kept in (script.theirs, script.ours))
    lease = "auth/userpass/login/al/"
    script.theirs["lease"], script.ours["lease"] = lease + theirs, lease + ours
    await script.run(
        step("POST", f"{LEASES}/lookup", {"lease_id": "{lease}"}, lax=True),
        step("POST", f"{LEASES}/lookup", {"lease_id": "zz"}),
        step("POST", f"{LEASES}/lookup", {}),
        step("POST", f"{LEASES}/renew", {"lease_id": "{lease}"}),
        step("PUT", f"{LEASES}/renew/{{lease}}"),
        step("POST", f"{LEASES}/renew", {"lease_id": "zz"}),
        step("POST", f"{LEASES}/renew", {}),
        step("POST", f"{LEASES}/revoke", {"lease_id": "zz"}),
        step("POST", f"{LEASES}/revoke", {}),
        step("POST", f"{LEASES}/revoke", {"lease_id": "{lease}", "sync": True}),
        step("POST", f"{LEASES}/lookup", {"lease_id": "{lease}"}),
        step("LIST", below),
        login,
        step("POST", f"{LEASES}/revoke-prefix/auth/user"),
        step("LIST", below, lax=True),
        step("POST", f"{LEASES}/revoke-prefix/auth/userpass/login", {"sync": True}),
        step("LIST", below),
        login,
        step("POST", f"{LEASES}/revoke-force/auth/userpass/login"),
        step("LIST", below),
        step("POST", f"{LEASES}/revoke-prefix/nope"),
        step("POST", f"{LEASES}/revoke-force/nope"),
        step("POST", f"{LEASES}/tidy"),
        step("GET", f"{LEASES}/count?type=irrevocable"),
        step("GET", f"{LEASES}/count"),
        step("GET", f"{LEASES}?type=irrevocable"),
        step("GET", LEASES),
    )


async def test_failed_logins_lock_out_and_are_forgiven(script: Script) -> None:
    wrong = step("POST", "auth/userpass/login/al", {"password": "wrong"})
    await script.run(
        step("POST", "sys/auth/userpass", {"type": "userpass"}),
        step("POST", "auth/userpass/users/al", {"password": "x"}),
        step("GET", "sys/auth/userpass", kept={"a": "data.accessor"}),
        step("GET", "sys/locked-users"),
        step("GET", "sys/locked-users?mount_accessor=zz"),
        *[wrong] * 5,
        step("GET", "sys/locked-users"),
        step("GET", "sys/locked-users?mount_accessor={a}"),
        step("POST", "sys/locked-users/{a}/unlock/al"),
        step("GET", "sys/locked-users"),
        step("POST", "auth/userpass/login/al", {"password": "x"}, lax=True),
        step("POST", "sys/locked-users/{a}/unlock/al"),
        step("POST", "sys/locked-users/zz/unlock/al"),
    )


async def test_tools(script: Script) -> None:
    random, digest = "sys/tools/random", "sys/tools/hash"
    await script.run(
        step("POST", random, {}),
        step("POST", f"{random}/16", {}),
        step("POST", random, {"bytes": 8, "format": "hex"}),
        step("POST", random, {"format": "x"}),
        step("POST", random, {"bytes": 0}),
        step("POST", random, {"bytes": -1}),
        step("POST", random, {"bytes": 131_073}),
        step("POST", random, {"bytes": 131_072}),
        step("POST", f"{random}/platform/8"),
        step("POST", f"{random}/all/8"),
        step("POST", f"{random}/zz/8"),
        step("POST", f"{random}/zz"),
        step("POST", f"{random}/platform"),
        step("POST", digest, {"input": "YWJj"}),
        step("POST", f"{digest}/sha2-512", {"input": "YWJj", "format": "base64"}),
        *(
            step("POST", f"{digest}/sha{family}-{size}", {"input": "YWJj"})
            for family in (2, 3)
            for size in (224, 256, 384, 512)
        ),
        step("POST", digest, {"input": "YWJj", "algorithm": "sha3-512"}),
        step("POST", f"{digest}/md5", {"input": "YWJj"}),
        step("POST", digest, {"input": "!!"}),
        step("POST", digest, {}),
        step("POST", digest, {"input": "YWJj", "format": "zz"}),
    )


async def test_what_interfaces_ask_first(script: Script) -> None:
    ui = "sys/internal/ui"
    made = {"policies": ["reader"], "no_default_policy": True}
    policy = 'path "seen/data/a*" { capabilities = ["read"] }'
    await script.run(
        step("POST", "sys/mounts/seen", {"type": "kv-v2"}),
        step("POST", "sys/mounts/hidden", {"type": "kv"}),
        step("POST", "sys/policies/acl/reader", {"policy": policy}),
        step("POST", "auth/token/create", made, kept={"t": "auth.client_token"}, lax=True),
        step("GET", f"{ui}/mounts", token="{t}", lax=True, because="OpenBao shows its own to all"),
        step("GET", f"{ui}/mounts", token="bad"),
        step("GET", f"{ui}/mounts/seen", token="{t}"),
        step("GET", f"{ui}/mounts/seen/data/zzz", token="{t}"),
        step("GET", f"{ui}/mounts/hidden", token="{t}"),
        step("GET", f"{ui}/mounts/nope", token="{t}"),
        step("GET", f"{ui}/mounts/nope"),
        step("GET", f"{ui}/mounts/seen", token="bad"),
        step("GET", f"{ui}/namespaces", token="{t}"),
        step("GET", f"{ui}/resultant-acl", token="{t}"),
        step("GET", "seen/data/x?help=1", token="{t}", lax=True),
        step("GET", "hidden?help=1", token="{t}", lax=True),
        step("GET", "nomount/x?help=1", token="{t}"),
        step("GET", "sys/nopath?help=1", token="{t}"),
        step("GET", "sys?help=1", token="{t}", lax=True),
        step("DELETE", "sys/mounts/seen"),
        step("DELETE", "sys/mounts/hidden"),
    )


async def test_the_rest(script: Script) -> None:
    headers = "sys/config/auditing/request-headers"
    device = {"type": "file", "options": {"file_path": "stdout"}}
    await script.run(
        step("GET", "sys/audit", lax=True, because="the log is a device"),
        step("POST", "sys/audit/file", device),
        step("POST", "sys/audit-hash/file", {"input": "x"}),
        step("DELETE", "sys/audit/nope", ours=400, because="devices are configured"),
        step("GET", "sys/config/cors"),
        step("POST", "sys/config/cors", {"enable": True}, ours=400, because="there is none"),
        step("DELETE", "sys/config/cors"),
        step("GET", headers),
        step("GET", f"{headers}/x"),
        step("GET", "sys/config/state/sanitized", lax=True),
        step("LIST", "sys/version-history", lax=True),
        step("LIST", "sys/namespaces"),
        step("GET", "sys/namespaces"),
        step("GET", "sys/namespaces/x"),
    )


async def test_an_open_server_takes_any_share_and_nothing_else(script: Script) -> None:
    given = [
        {},
        {"key": ""},
        {"key": "zz"},
        {"key": "no!"},
        {"key": "00" * 33},
        {"key": "aGVsbG8="},
    ]
    given += [{"reset": True}, {"reset": True, "key": "zz"}, {"reset": False, "key": "zz"}]  # type: ignore[list-item]

    await script.run(*(step("PUT", "sys/unseal", each, token="", lax=True) for each in given))
