"""Token requests beside OpenBao: what each of the two answers to the same request.

Tokens, accessors and moments differ by nature and are left out; our `environment` too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.system.room import Room, room
from tests.oracles.openbao import OpenBao

POLICIES = {
    "maker": 'path "auth/token/*" { capabilities = ["create", "read", "update"] }',
    "other": 'path "x/*" { capabilities = ["read"] }',
    "strong": 'path "auth/token/*" { capabilities = ["create", "read", "update", "sudo"] }',
}
ROLES: dict[str, dict[str, object]] = {
    "plain": {},
    "listed": {"allowed_policies": ["maker", "other"], "disallowed_policies": "strong"},
    "globbed": {"allowed_policies_glob": "ot*,m*", "token_num_uses": 3, "orphan": True},
    "barred": {"disallowed_policies": ["other"], "token_explicit_max_ttl": "2h"},
    "barring-default": {"disallowed_policies": ["default"]},
    "periodic": {"token_period": "3h", "renewable": False, "path_suffix": "there"},
    "bound": {"token_bound_cidrs": ["127.0.0.0/8"]},
    "bare": {"allowed_policies": ["maker"], "token_no_default_policy": True},
    "batch": {"token_type": "batch", "orphan": True, "renewable": False},
    "either": {"token_type": "default-batch"},
    "service": {"token_type": "service"},
}
ASKED: tuple[dict[str, object], ...] = (
    {},
    {"policies": ["maker"]},
    {"policies": ["other"]},
    {"policies": ["maker", "default"]},
    {"policies": ["default"]},
    {"policies": ["root"]},
    {"policies": ["root"], "ttl": "1h"},
    {"policies": ["root", "other"]},
    {"policies": ["MAKER", "maker"]},
    {"policies": ["maker"], "no_default_policy": True},
    {"no_default_policy": True},
    {"policies": ["default"], "no_default_policy": True},
    {"policies": ["maker", "default"], "no_default_policy": True},
    {"policies": ["response-wrapping"]},
    {"policies": ["not-there"]},
    {"policies": ["maker"], "ttl": "9000h"},
    {"policies": ["maker"], "ttl": "30m"},
    {"policies": ["maker"], "lease": "40m"},
    {"policies": ["maker"], "ttl": "-5m"},
    {"policies": ["maker"], "ttl": "abc"},
    {"policies": ["maker"], "explicit_max_ttl": "1h", "ttl": "2h"},
    {"policies": ["maker"], "explicit_max_ttl": "9000h"},
    {"policies": ["maker"], "period": "1h", "ttl": "30m"},
    {"policies": ["maker"], "period": "9000h"},
    {"policies": ["maker"], "period": "10m", "explicit_max_ttl": "5m"},
    {"policies": ["maker"], "num_uses": 4},
    {"policies": ["maker"], "num_uses": -1},
    {"policies": ["maker"], "no_parent": True},
    {"policies": ["maker"], "id": "of-my-own"},
    {"policies": ["maker"], "id": "of.my.own"},
    {"policies": ["maker"], "renewable": False},
    {"policies": ["maker"], "meta": {"a": "b", "n": 1}, "display_name": "He llo!"},
    {"policies": ["maker"], "entity_alias": "somebody"},
    {"policies": ["maker"], "type": "service"},
    {"policies": ["maker"], "type": "other"},
    {"policies": ["maker"], "type": "batch"},
    {"policies": ["maker"], "type": "batch", "period": "1h"},
    {"policies": ["maker"], "type": "batch", "num_uses": 1},
    {"policies": ["maker"], "type": "batch", "explicit_max_ttl": "1h"},
    {"policies": ["root"], "type": "batch"},
)
SKIPPED = ("accessor", "client_token", "creation_time", "expire_time", "id", "issue_time", "ttl")
WEAKER = "Supplying a custom ID"


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        for name, text in POLICIES.items():
            await made.policy(name, text)
        for name, role in ROLES.items():
            await made.ask("POST", f"auth/token/roles/{name}", role)
        yield made


@pytest.fixture
def theirs(openbao: OpenBao) -> OpenBao:
    for name, text in POLICIES.items():
        openbao.write_policy(name, text)
    for name, role in ROLES.items():
        openbao.ask("POST", f"auth/token/roles/{name}", role)
    openbao.ask("POST", "auth/token/revoke", {"token": "of-my-own"})
    return openbao


def told(answer: Any) -> tuple[int, object]:
    """Return what both must say alike: the status, and a success's auth, data and warnings."""
    if answer.status >= 400:
        return answer.status, answer.body["errors"]
    if not answer.body:
        return answer.status, None
    parts = {}
    for part in ("auth", "data"):
        whole = answer.body.get(part) or {}
        parts[part] = {k: v for k, v in whole.items() if k not in SKIPPED}
    warnings = [w for w in answer.body.get("warnings") or [] if not w.startswith(WEAKER)]
    return answer.status, (parts, warnings)


def plain(told_: tuple[int, Any]) -> object:
    """Leave out of a look-up what a role gave: OpenBao shows that of the role alone."""
    assert told_[0] == 200, told_
    parts, warnings = told_[1]
    of_role = ("bound_cidrs", "explicit_max_ttl", "period")
    shown = {k: v for k, v in parts["data"].items() if k not in of_role}
    shown["policies"] = shown["policies"] or []  # OpenBao: null for a batch token without any
    return shown, warnings


def differs(role: str | None, asked: dict[str, object]) -> bool:
    """Say where ours is the stricter, or the plainer, on purpose; named tests say how."""
    if asked.get("type") == "batch" and role in ("globbed", "barred"):
        return True
    return role == "barring-default" and asked == {"no_default_policy": True}


def orphan_root(parent: str, role: str | None, asked: dict[str, object]) -> bool:
    """Say whether this would be an orphan with the policy root, which ours makes none of."""
    if parent != "root" or role != "orphan":
        return False
    return not asked.get("policies") or "root" in str(asked["policies"])


@pytest.mark.parametrize("role", [None, "orphan", *ROLES])
@pytest.mark.parametrize("parent", ["root", "maker", "strong"])
async def test_tokens_are_made_as_openbao_makes_them(
    ours: Room, theirs: OpenBao, parent: str, role: str | None
) -> None:
    path = "auth/token/create"
    path += "-orphan" if role == "orphan" else f"/{role}" if role else ""
    mine = ours.root if parent == "root" else await ours.token(parent, no_default_policy=False)
    given = {"policies": [parent]}
    bao = theirs.root_token
    if parent != "root":
        bao = theirs.ask("POST", "auth/token/create", given).body["auth"]["client_token"]

    for asked in ASKED:
        if differs(role, asked):
            continue
        if orphan_root(parent, role, asked):
            refused = await ours.ask("POST", path, asked, token=mine)
            assert refused.status == 400, (asked, refused)
            continue
        one = await ours.ask("POST", path, asked, token=mine)
        other = theirs.ask("POST", path, asked, token=bao)

        if other.status >= 400 and one.status == other.status and "ttl" in asked:
            continue  # a duration that cannot be read: the words are ours
        assert told(one) == told(other), (asked, other.body)
        if one.status < 300:
            look = {"token": one.auth["client_token"]}
            same = {"token": other.body["auth"]["client_token"]}
            ours_shown = await ours.ask("POST", "auth/token/lookup", look)
            theirs_shown = theirs.ask("POST", "auth/token/lookup", same)
            assert plain(told(ours_shown)) == plain(told(theirs_shown)), asked
        if asked.get("id"):
            await ours.ask("POST", "auth/token/revoke", {"token": asked["id"]})
            theirs.ask("POST", "auth/token/revoke", {"token": asked["id"]})
