"""hvac's identity API and the `bao` program over groups, their aliases, look-ups and merging."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest
from hvac.exceptions import InvalidRequest

from tests import servers
from tests.servers import Strongroom


@pytest.fixture(scope="module")
def server() -> Iterator[Strongroom]:
    with servers.strongroom() as server:
        server.ask("POST", "sys/auth/people", {"type": "userpass"})
        yield server


@pytest.fixture
def identity(server: Strongroom) -> Iterator[Any]:
    client = hvac.Client(url=server.address, token=server.root, timeout=30)
    yield client.secrets.identity
    client.adapter.close()


def test_hvac_makes_reads_lists_and_deletes_groups(identity: Any) -> None:
    ann = identity.create_or_update_entity("h-ann")["data"]["id"]
    inner = identity.create_or_update_group(
        name="h-inner", policies=["a"], member_entity_ids=[ann], metadata={"k": "v"}
    )["data"]["id"]
    identity.create_or_update_group_by_name(name="h-outer", member_group_ids=[inner])
    kept = {
        "member_entity_ids": [ann],
        "metadata": {"k": "v"},
    }  # it sends null for what is left out
    identity.update_group(group_id=inner, name="h-inner", policies=["b"], **kept)

    told = identity.read_group(group_id=inner)["data"]
    assert (told["policies"], told["type"], told["metadata"]) == (["b"], "internal", {"k": "v"})
    outer = identity.read_group_by_name(name="h-outer")["data"]
    assert outer["member_group_ids"] == [inner]
    assert inner in identity.list_groups()["data"]["keys"]
    assert "h-outer" in identity.list_groups_by_name()["data"]["keys"]
    assert identity.lookup_group(name="h-inner")["data"]["id"] == inner
    assert identity.read_entity(entity_id=ann)["data"]["inherited_group_ids"] == [outer["id"]]
    with pytest.raises(InvalidRequest, match="cyclic"):
        identity.update_group(group_id=inner, name="h-inner", member_group_ids=[outer["id"]])
    identity.delete_group(group_id=inner)
    identity.delete_group_by_name(name="h-outer")
    assert identity.lookup_group(name="h-inner").status_code == 204


def test_hvac_makes_aliases_of_groups(server: Strongroom, identity: Any) -> None:
    accessor = server.ask("GET", "sys/auth").body["data"]["people/"]["accessor"]
    made = identity.create_or_update_group(name="h-ext", group_type="external")["data"]["id"]
    alias = identity.create_or_update_group_alias(
        name="devs", mount_accessor=accessor, canonical_id=made
    )["data"]["id"]

    assert identity.read_group_alias(alias_id=alias)["data"]["name"] == "devs"
    assert alias in identity.list_group_aliases()["data"]["keys"]
    found = identity.lookup_group(alias_name="devs", alias_mount_accessor=accessor)
    assert found["data"]["id"] == made
    identity.delete_group_alias(entity_id=alias)
    assert identity.read_group(group_id=made)["data"]["alias"] == {}


def test_hvac_merges_entities(identity: Any) -> None:
    one, two = (identity.create_or_update_entity(n)["data"]["id"] for n in ("h-one", "h-two"))

    identity.merge_entities(from_entity_ids=[one], to_entity_id=two)

    assert identity.read_entity(entity_id=two)["data"]["merged_entity_ids"] == [one]


def test_bao_writes_and_reads_groups(server: Strongroom, tmp_path: Path) -> None:
    def bao(*arguments: str) -> Any:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("bao")), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "BAO_ADDR": server.address,
                "BAO_TOKEN": server.root,
                "BAO_FORMAT": "json",
            },
        )
        return json.loads(done.stdout) if done.stdout.strip() else None

    ann = bao("write", "identity/entity", "name=b-ann")["data"]["id"]
    bob = bao("write", "identity/entity", "name=b-bob")["data"]["id"]
    made = bao("write", "identity/group", "name=b-team", f"member_entity_ids={ann},{bob}")
    bao("write", "identity/entity/merge", f"from_entity_ids={ann}", f"to_entity_id={bob}")

    told = bao("read", f"identity/group/id/{made['data']['id']}")
    assert told["data"]["member_entity_ids"] == [bob]
    assert "b-team" in bao("list", "identity/group/name")
    bao("delete", "identity/group/name/b-team")
