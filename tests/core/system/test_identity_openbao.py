"""Entities and aliases beside OpenBao: a story told to both, step by step."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.system.room import Room, room
from tests.oracles.openbao import OpenBao

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENTS = ("creation_time", "last_update_time")
STORY: tuple[tuple[str, str, dict[str, object] | None], ...] = (
    ("POST", "identity/entity", {"name": "one", "policies": ["P2"], "metadata": {"k": "v"}}),
    ("POST", "identity/entity", {"name": "one", "metadata": {"k": "w"}}),
    ("GET", "identity/entity/name/one", None),
    ("GET", "identity/entity/id/{one}", None),
    ("GET", "identity/entity/id/nobody", None),
    ("POST", "identity/entity/id/{one}", {"name": "uno", "disabled": True}),
    ("POST", "identity/entity/id/{one}", {"name": "one", "disabled": False}),
    ("POST", "identity/entity/id/nobody", {"name": "two"}),
    ("POST", "identity/entity/name/two", {"metadata": "a=b", "policies": "x,y"}),
    ("POST", "identity/entity/name/two", {"policies": "x"}),
    ("GET", "identity/entity/name/two", None),
    ("POST", "identity/entity/id/{one}", {"name": "two"}),
    ("POST", "identity/entity/name/two", {"policies": "root"}),
    ("POST", "identity/entity", {"id": "nobody", "name": "three"}),
    ("POST", "identity/entity", {"id": "{one}", "policies": ["q"]}),
    ("LIST", "identity/entity/id", None),
    ("POST", "identity/entity-alias", {}),
    ("POST", "identity/entity-alias", {"name": "bob"}),
    ("POST", "identity/entity-alias", {"name": "bob", "mount_accessor": "none"}),
    (
        "POST",
        "identity/entity-alias",
        {"name": "bob", "mount_accessor": "{mount}", "canonical_id": "nobody"},
    ),
    (
        "POST",
        "identity/entity-alias",
        {"name": "bob", "mount_accessor": "{mount}", "canonical_id": "{one}"},
    ),
    (
        "POST",
        "identity/entity-alias",
        {
            "name": "bob",
            "mount_accessor": "{mount}",
            "canonical_id": "{one}",
            "custom_metadata": {"c": "d"},
        },
    ),
    (
        "POST",
        "identity/entity-alias",
        {"name": "rob", "mount_accessor": "{mount}", "canonical_id": "{one}"},
    ),
    ("GET", "identity/entity-alias/id/nobody", None),
    ("GET", "identity/entity-alias/id/{alias}", None),
    ("POST", "identity/entity-alias/id/{alias}", {"name": "robert"}),
    ("POST", "identity/entity-alias/id/{alias}", {"custom_metadata": {"z": "z"}}),
    ("POST", "identity/entity-alias/id/nobody", {"name": "robert"}),
    ("LIST", "identity/entity-alias/id", None),
    ("LIST", "identity/entity/id", None),
    ("GET", "identity/entity/id/{one}", None),
    ("POST", "identity/lookup/entity", {}),
    ("POST", "identity/lookup/entity", {"id": "{one}"}),
    ("POST", "identity/lookup/entity", {"id": "{one}", "name": "one"}),
    ("POST", "identity/lookup/entity", {"name": "nobody"}),
    ("POST", "identity/lookup/entity", {"alias_id": "{alias}"}),
    ("POST", "identity/lookup/entity", {"alias_name": "robert"}),
    (
        "POST",
        "identity/lookup/entity",
        {"alias_name": "robert", "alias_mount_accessor": "{mount}"},
    ),
    ("DELETE", "identity/entity-alias/id/{alias}", None),
    ("DELETE", "identity/entity-alias/id/{alias}", None),
    ("DELETE", "identity/entity/name/two", None),
    ("DELETE", "identity/entity/id/nobody", None),
    ("POST", "identity/entity/batch-delete", {}),
    ("POST", "identity/entity/batch-delete", {"entity_ids": ["{one}", "nobody"]}),
    ("LIST", "identity/entity/id", None),
)


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        yield made


async def test_entities_and_aliases_are_told_as_openbao_tells_them(
    ours: Room, openbao: OpenBao
) -> None:
    left = openbao.ask("LIST", "identity/entity/id").body or {}
    for entity in left.get("data", {}).get("keys", []):  # of tests that ran before this one
        openbao.ask("DELETE", f"identity/entity/id/{entity}")
    openbao.ask("POST", "sys/auth/people", {"type": "userpass"})
    mount = openbao.ask("GET", "sys/auth").body["data"]["people/"]["accessor"]
    row = await ours.mount("auth/people/", "userpass")
    mine, bao = {"mount": row.accessor}, {"mount": mount}

    for method, path, body in STORY:
        one = await ours.ask(method, filled(path, mine), filled(body, mine))
        other = openbao.ask(method, filled(path, bao), filled(body, bao))
        learn(mine, one.body)
        learn(bao, other.body)

        assert told(one, mine) == told(other, bao), (method, path, told(other, bao))
    openbao.ask("DELETE", "sys/auth/people")


def filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**names) if "{" in value else value
    if isinstance(value, dict):
        return {k: filled(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, names) for v in value]
    return value


def learn(names: dict[str, str], body: Any) -> None:
    data = (body or {}).get("data") or {}
    if "name" in data and "one" not in names:
        names["one"] = data["id"]
    if "canonical_id" in data and "alias" not in names:
        names["alias"] = data["id"]


def told(answer: Any, names: dict[str, str]) -> object:
    """Return status and body with ids and accessors as names, and without moments."""
    if answer.status >= 400:
        return answer.status, answer.body["errors"]
    data = (answer.body or {}).get("data")
    known = {value: name for name, value in names.items()}
    return answer.status, _named(data, known)


def _named(value: Any, known: dict[str, str]) -> Any:
    if isinstance(value, str):
        return known.get(value) or UUID.sub("uuid", value)
    if isinstance(value, dict):
        return {_named(k, known): _named(v, known) for k, v in value.items() if k not in MOMENTS}
    if isinstance(value, list):
        return sorted((_named(v, known) for v in value), key=str)
    return value
