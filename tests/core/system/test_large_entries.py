"""What a request of little privilege cannot push out of its entry, however much it sends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from strongroom.audit.decoding import decoded
from strongroom.audit.entry import MAX_ENTRY
from strongroom.controls.root_tokens import made_root, may_have_made_root
from strongroom.sdk.facts.log import LogEntry
from tests.core.system.room import Room, room

CALLER = 'path "auth/token/create/wide" { capabilities = ["update"] }'
INVENTED = [f"team-{number:02d}-{'x' * 480}" for number in range(40)]


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.policy("caller", CALLER)
        wide = {"allowed_policies_glob": ["team-*"], "orphan": True}
        assert (await made.ask("POST", "auth/token/roles/wide", wide)).status == 204
        yield made


async def last(r: Room) -> tuple[dict[str, Any], LogEntry]:
    """Return what the last entry says under `unmapped`, and it as control tests see it."""
    size = r.server.log.size
    [found] = await r.server.log.entries(size - 1, size)
    assert len(found.leaf) <= MAX_ENTRY
    return json.loads(found.leaf)["unmapped"], decoded(size - 1, found.leaf)


async def test_a_token_with_invented_policies_is_in_the_log_by_its_accessor(r: Room) -> None:
    caller = await r.token("caller")

    made = await r.ask(
        "POST", "auth/token/create/wide", {"policies": INVENTED, "ttl": "1h"}, token=caller
    )

    own, entry = await last(r)
    assert made.status == 200
    assert own["accessor"] == made.auth["accessor"]
    said = {name: own[name] for name in ("token_type", "ttl", "orphan", "role", "root")}
    assert said == {
        "token_type": "service",
        "ttl": 3600,
        "orphan": True,
        "role": "wide",
        "root": False,
    }
    whole = json.dumps(made.auth["token_policies"], separators=(",", ":")).encode()
    assert own["cut"] == {
        "token_policies": {"count": 41, "sha256": sha256(whole).hexdigest()},
    }
    first = zip(own["token_policies"], made.auth["token_policies"], strict=False)
    assert len(own["token_policies"]) > 10
    assert all(name.startswith(short.removesuffix("…")) for short, name in first)
    assert own["policies"] == ["caller"]
    assert not made_root(entry)
    assert not may_have_made_root(entry)


@pytest.mark.parametrize(
    ("policies", "refusal"),
    [
        (["team-" + "x" * 508], "at most 512 characters"),
        ([f"team-{number}" for number in range(1025)], "at most 1024 policies"),
    ],
)
async def test_more_than_a_policy_list_can_mean_is_refused_by_name(
    r: Room, policies: list[str], refusal: str
) -> None:
    asked = {
        "auth/token/create/wide": "policies",
        "auth/token/create": "policies",
        "auth/token/roles/other": "allowed_policies",
        "identity/entity": "policies",
    }

    for path, field in asked.items():
        answer = await r.ask("POST", path, {field: policies})

        assert answer.status == 400
        assert field in answer.errors[0]
        assert refusal in answer.errors[0]


async def test_every_entity_of_a_batch_that_was_deleted_is_named(r: Room) -> None:
    await r.policy("deleter", 'path "identity/entity/batch-delete" { capabilities = ["update"] }')
    caller = await r.token("deleter", *(name[:200] for name in INVENTED))
    ids = [
        (await r.ask("POST", "identity/entity", {"name": f"e-{n}"})).data["id"] for n in range(101)
    ]

    refused = await r.ask("POST", "identity/entity/batch-delete", {"entity_ids": ids}, token=caller)
    deleted = await r.ask(
        "POST", "identity/entity/batch-delete", {"entity_ids": ids[1:]}, token=caller
    )

    own, entry = await last(r)
    assert (refused.status, deleted.status) == (400, 204)
    assert "entity_ids" in refused.errors[0]
    assert own["entities"] == ids[1:]
    assert not entry.lacks("entities")


async def test_an_environment_is_as_its_entry_says_or_is_refused(r: Room) -> None:
    await r.policy("writer", 'path "strongroom/*" { capabilities = ["create", "update"] }')
    caller = await r.token("writer", *INVENTED)
    long = [f"secret/{number:02d}/{'x' * 480}/*" for number in range(60)]

    refused = await r.ask("POST", "strongroom/environments/prod", {"paths": long}, token=caller)
    written = await r.ask("POST", "strongroom/environments/prod", {"paths": long[:8]}, token=caller)

    own, entry = await last(r)
    assert (refused.status, written.status) == (400, 204)
    assert "paths" in refused.errors[0]
    assert own["paths"] == long[:8]
    assert (own["boundary"], own["protected"], own["open"]) == ("prod", True, True)
    assert not entry.lacks("boundary", "paths")
    assert entry.lacks("policies")
