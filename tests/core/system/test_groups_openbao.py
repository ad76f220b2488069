"""Groups, lookup and merging beside OpenBao: a story told to both, step by step."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.core.system.room import Room, room
from tests.oracles.openbao import OpenBao

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MADE = re.compile(r"group_[0-9a-f]{8}(\.root)?")
NATURE = {"creation_time", "last_update_time", "modify_index"}
NO_500 = "a request that cannot be served as it was sent is 400"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A request; `kept` names the id in its reply. `ours` is our status where we differ."""

    method: str
    path: str
    body: dict[str, object] | None = None
    kept: str = ""
    ours: int | None = None
    because: str = ""


def step(method: str, path: str, body: dict[str, object] | None = None, **more: Any) -> Step:
    return Step(method=method, path=f"identity/{path}", body=body, **more)


PEOPLE = tuple(
    step(
        "POST",
        "entity",
        {"name": name, "policies": [f"p-{name}"], "metadata": {name: "1"}},
        kept=name,
    )
    for name in ("ann", "bob", "cid", "dee", "eve")
)
GROUPS = (
    *PEOPLE,
    step("POST", "group", {}, kept="unnamed"),
    step(
        "POST",
        "group",
        {
            "name": "G1",
            "policies": ["P1", "a"],
            "member_entity_ids": ["{ann}"],
            "metadata": {"a": "b"},
        },
        kept="g1",
    ),
    step("GET", "group/id/{g1}"),
    step("GET", "group/name/G1"),
    step("POST", "group", {"name": "G1", "metadata": {"c": "d"}}),
    step("POST", "group/name/G1", {"policies": "x,y"}),
    step("GET", "group/name/G1"),
    step("POST", "group/name/G2", {"member_group_ids": ["{g1}"]}, kept="g2"),
    step("GET", "group/id/{g1}"),
    step("GET", "group/id/{g2}"),
    step("POST", "group/id/{g1}", {"member_group_ids": ["{g2}"]}),
    step("POST", "group/id/{g1}", {"member_group_ids": ["{g1}"]}, ours=400, because=NO_500),
    step("POST", "group/id/{g1}", {"member_group_ids": ["nobody"]}, ours=400, because=NO_500),
    step("POST", "group/id/{g1}", {"member_entity_ids": ["nobody"]}, ours=400, because=NO_500),
    step("POST", "group/id/nobody", {"policies": "x"}),
    step("POST", "group", {"id": "nobody", "policies": "x"}),
    step("POST", "group/id/{g1}", {"name": "G2"}),
    step("POST", "group/id/{g1}", {"name": "G1b"}),
    step("POST", "group/id/{g1}", {"name": "G1"}),
    step(
        "POST",
        "group/name/G1",
        {"name": "zz"},
        ours=200,
        because="a field that counts for nothing is warned of",
    ),
    step("GET", "group/name/zz"),
    step("POST", "group/id/{g1}", {"type": "external"}),
    step("POST", "group", {"name": "E1", "type": "external", "member_entity_ids": ["{ann}"]}),
    step("POST", "group", {"name": "E1", "type": "external", "member_group_ids": ["{g1}"]}),
    step("POST", "group", {"name": "E1", "type": "external", "policies": ["ext"]}, kept="e1"),
    step("POST", "group", {"name": "E1", "member_entity_ids": ["{ann}"]}),
    step("POST", "group", {"name": "E1", "type": "internal"}),
    step("POST", "group", {"name": "W", "type": "weird"}),
    step("POST", "group", {"name": "R", "policies": ["root"]}),
    step(
        "POST",
        "group",
        {"name": "dup", "member_entity_ids": ["{ann}", "{ann}"], "policies": ["z", "a", "z"]},
        kept="dup",
    ),
    step("GET", "group/name/dup"),
    step("POST", "group/name/dup", {"member_entity_ids": None, "policies": None}),
    step("GET", "group/name/dup"),
    step("POST", "group", {"name": "bad", "metadata": {"k" * 129: "v"}}, ours=400, because=NO_500),
    step("POST", "group", {"name": "GP", "member_group_ids": ["{e1}"]}, kept="gp"),
    step("GET", "group/name/E1"),
    step("LIST", "group/id"),
    step("LIST", "group/name"),
    step("POST", "group-alias", {}),
    step("POST", "group-alias", {"name": "devs"}),
    step("POST", "group-alias", {"name": "devs", "mount_accessor": "none", "canonical_id": "{e1}"}),
    step(
        "POST", "group-alias", {"name": "devs", "mount_accessor": "{one}", "canonical_id": "nobody"}
    ),
    step(
        "POST", "group-alias", {"name": "devs", "mount_accessor": "{one}", "canonical_id": "{g1}"}
    ),
    step("POST", "group-alias", {"name": "alone", "mount_accessor": "{one}"}, kept="alone"),
    step(
        "POST", "group-alias", {"name": "alone", "mount_accessor": "{one}", "canonical_id": "{e1}"}
    ),
    step(
        "POST",
        "group-alias",
        {"name": "devs", "mount_accessor": "{one}", "canonical_id": "{e1}"},
        kept="a1",
    ),
    step("GET", "group-alias/id/{a1}"),
    step("GET", "group-alias/id/nobody"),
    step("GET", "group/name/E1"),
    step(
        "POST",
        "group-alias/id/{a1}",
        {"name": "ops", "canonical_id": "{e1}", "mount_accessor": "{one}"},
        kept="a1",
    ),
    step("GET", "group/name/E1"),
    step(
        "POST",
        "group-alias/id/nobody",
        {"name": "x", "canonical_id": "{e1}", "mount_accessor": "{one}"},
    ),
    step("LIST", "group-alias/id"),
    step("POST", "lookup/group", {}),
    step("POST", "lookup/group", {"name": "G1"}),
    step("POST", "lookup/group", {"name": "nobody"}),
    step("POST", "lookup/group", {"id": "{g1}", "name": "G1"}),
    step("POST", "lookup/group", {"alias_id": "{a1}"}),
    step("POST", "lookup/group", {"alias_name": "ops"}),
    step("POST", "lookup/group", {"alias_name": "ops", "alias_mount_accessor": "{one}"}),
    step("GET", "entity/id/{ann}"),
    step("DELETE", "entity/id/{ann}"),
    step("GET", "group/id/{g1}"),
    step("DELETE", "group/id/{g1}"),
    step("DELETE", "group/id/{g1}"),
    step("GET", "group/id/{g2}"),
    step("DELETE", "group-alias/id/{a1}"),
    step("DELETE", "group-alias/id/{a1}"),
    step("GET", "group/name/E1"),
    step("DELETE", "group/name/E1"),
    step("DELETE", "group/name/E1"),
    step("GET", "group/id/nobody"),
    step("GET", "group/name/nobody"),
)
ALIAS = "entity-alias"
MERGING = (
    *PEOPLE,
    step(
        "POST",
        ALIAS,
        {"canonical_id": "{bob}", "mount_accessor": "{one}", "name": "bob"},
        kept="ab",
    ),
    step(
        "POST",
        ALIAS,
        {"canonical_id": "{cid}", "mount_accessor": "{one}", "name": "cid"},
        kept="ac",
    ),
    step(
        "POST",
        ALIAS,
        {"canonical_id": "{dee}", "mount_accessor": "{two}", "name": "dee"},
        kept="ad",
    ),
    step("POST", "group", {"name": "both", "member_entity_ids": ["{cid}", "{dee}"]}),
    step("POST", "group", {"name": "theirs", "member_entity_ids": ["{dee}"]}),
    step("POST", "entity/merge", {}),
    step("POST", "entity/merge", {"from_entity_ids": ["{dee}"]}),
    step("POST", "entity/merge", {"to_entity_id": "{bob}"}),
    step("POST", "entity/merge", {"from_entity_ids": ["nobody"], "to_entity_id": "{bob}"}),
    step("POST", "entity/merge", {"from_entity_ids": ["{bob}"], "to_entity_id": "nobody"}),
    step("POST", "entity/merge", {"from_entity_ids": ["{bob}"], "to_entity_id": "{bob}"}),
    step("POST", "entity/merge", {"from_entity_ids": ["{dee}"], "to_entity_id": "{bob}"}),
    step("GET", "entity/id/{dee}"),
    step("GET", "group/name/both"),
    step("GET", "group/name/theirs"),
    step("GET", "entity/id/{bob}"),
    step("POST", "entity/merge", {"from_entity_ids": ["{cid}"], "to_entity_id": "{bob}"}),
    step(
        "POST",
        "entity/merge",
        {
            "from_entity_ids": ["{cid}", "{eve}"],
            "to_entity_id": "{bob}",
            "conflicting_alias_ids_to_keep": ["{ac}"],
        },
    ),
    step("GET", f"{ALIAS}/id/{{ab}}"),
    step("GET", f"{ALIAS}/id/{{ac}}"),
    step("GET", "entity/id/{eve}"),
    step("POST", "lookup/entity", {"id": "{cid}"}),
    step("POST", "entity/id/{cid}", {"disabled": True}),
)


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        yield made


@pytest.mark.parametrize("story", [GROUPS, MERGING], ids=["groups", "merging"])
async def test_groups_and_merging_are_told_as_openbao_tells_them(
    ours: Room, openbao: OpenBao, story: tuple[Step, ...]
) -> None:
    _clear(openbao)
    mine, bao = dict[str, str](), dict[str, str]()
    for name in ("one", "two"):
        openbao.ask("POST", f"sys/auth/{name}", {"type": "userpass"})
        bao[name] = openbao.ask("GET", "sys/auth").body["data"][f"{name}/"]["accessor"]
        mine[name] = (await ours.mount(f"auth/{name}/", "userpass")).accessor

    for each in story:
        one = await ours.ask(each.method, _filled(each.path, mine), _filled(each.body, mine))
        other = openbao.ask(each.method, _filled(each.path, bao), _filled(each.body, bao))
        for names, body in ((mine, one.body), (bao, other.body)):
            if each.kept and (body or {}).get("data"):
                names[each.kept] = body["data"]["id"]

        if each.ours is None:
            assert _told(one, mine) == _told(other, bao), each
        else:
            assert other.status != each.ours, f"no longer differs: {each}"
            assert one.status == each.ours, each
    for name in ("one", "two"):
        openbao.ask("DELETE", f"sys/auth/{name}")
    _clear(openbao)


def _clear(openbao: OpenBao) -> None:
    """Remove what other tests have left."""
    for kind in ("entity", "group"):
        left = openbao.ask("LIST", f"identity/{kind}/id").body or {}
        for each in left.get("data", {}).get("keys", []):
            openbao.ask("DELETE", f"identity/{kind}/id/{each}")


def _filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**names) if "{" in value else value
    if isinstance(value, dict):
        return {k: _filled(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(v, names) for v in value]
    return value


def _told(answer: Any, names: dict[str, str]) -> object:
    """Return status and body with ids and accessors as names, and without what is by nature."""
    if answer.status >= 400:
        return answer.status
    known = {value: name for name, value in names.items()}
    return answer.status, _named((answer.body or {}).get("data"), known)


def _named(value: Any, known: dict[str, str]) -> Any:
    if isinstance(value, str):
        return known.get(value) or MADE.sub("group", UUID.sub("uuid", value))
    if isinstance(value, dict):
        told = {_named(k, known): _named(v, known) for k, v in value.items() if k not in NATURE}
        told.pop("merged_from_canonical_ids", None)  # of aliases; it stays with the entity's ids
        return told or None
    if isinstance(value, list):
        named = {json.dumps(_named(v, known), sort_keys=True) for v in value}
        return sorted(named) or None  # OpenBao names one twice
    return value
