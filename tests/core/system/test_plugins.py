"""The catalog of what is built in: true, read-only, and shaped as OpenBao's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from strongroom.app import METHODS
from tests.core.system.room import Room, room
from tests.oracles.openbao import OpenBao

CATALOG = "sys/plugins/catalog"
OURS_ALONE = {"aws", "ldap"}  # Vault's, which OpenBao 2.7 no longer has built in
KV, APPROLE = f"{CATALOG}/secret/kv", f"{CATALOG}/auth/approle"


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        yield made


async def test_it_shows_what_can_be_mounted_and_nothing_else(ours: Room) -> None:
    found = (await ours.ask("GET", CATALOG)).data

    assert found["auth"] == sorted(METHODS)
    assert found["secret"] == ["kv"]
    assert set(found) == {"auth", "secret", "detailed"}
    assert [(each["type"], each["name"]) for each in found["detailed"]] == [
        *(("auth", name) for name in sorted(METHODS)),
        ("secret", "kv"),
    ]
    for each in found["detailed"]:
        place = "auth" if each["type"] == "auth" else "mounts"
        made = await ours.ask("POST", f"sys/{place}/of-{each['name']}", {"type": each["name"]})
        assert made.status == 204


async def test_the_version_is_the_one_that_mounts_run(ours: Room) -> None:
    await ours.ask("POST", "sys/mounts/kv", {"type": "kv"})

    mounted = (await ours.ask("GET", "sys/mounts")).data["kv/"]

    shown = (await ours.ask("GET", KV)).data
    assert shown["version"] == mounted["running_plugin_version"]
    assert shown["builtin"]


@pytest.mark.parametrize(
    "path",
    [
        *(f"{CATALOG}/secret/pki", f"{CATALOG}/auth/token", f"{CATALOG}/secret/cubbyhole"),
        *(f"{CATALOG}/secret/kv-v2", f"{CATALOG}/database/kv", f"{CATALOG}/auth/kv"),
        *(f"{CATALOG}/secret/k", f"{CATALOG}/SECRET/kv", f"{CATALOG}/x/kv"),
    ],
)
async def test_what_is_not_built_in_is_not_found(ours: Room, path: str) -> None:
    assert (await ours.ask("GET", path)).status == 404


@pytest.mark.parametrize("kind", ["database", "nonsense", "Secret"])
async def test_a_type_that_has_none_lists_none(ours: Room, kind: str) -> None:
    assert (await ours.ask("LIST", f"{CATALOG}/{kind}")).status == 404


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("path", [KV, f"{CATALOG}/secret/mine", f"{CATALOG}/auth"])
async def test_nothing_is_registered_or_removed(ours: Room, method: str, path: str) -> None:
    asked = {"command": "mine", "sha256": "00" * 32}

    refused = await ours.ask(method, path, asked if method == "POST" else None)

    assert refused.status == 405
    assert (await ours.ask("GET", CATALOG)).data["secret"] == ["kv"]


async def test_it_is_not_open_and_single_ones_ask_for_sudo(ours: Room) -> None:
    await ours.policy("reads", f'path "{CATALOG}/*" {{ capabilities = ["read", "list"] }}')
    await ours.policy("sudo", f'path "{CATALOG}/*" {{ capabilities = ["read", "sudo"] }}')
    reads, sudo = await ours.token("reads"), await ours.token("sudo")

    assert (await ours.ask("GET", CATALOG, token="")).status == 403
    assert (await ours.ask("GET", KV, token=reads)).status == 403
    assert (await ours.ask("LIST", f"{CATALOG}/secret", token=reads)).status == 403
    assert (await ours.ask("GET", KV, token=sudo)).status == 200


def alike(data: Any) -> Any:
    """Return what is to be the same on both sides: everything but the version."""
    return {**data, "version": ""}


async def test_openbao_writes_it_the_same_way(ours: Room, openbao: OpenBao) -> None:
    theirs = openbao.ask("GET", CATALOG).body["data"]
    own = (await ours.ask("GET", CATALOG)).data

    known = [alike(each) for each in theirs["detailed"]]
    shared = [each for each in own["detailed"] if each["name"] not in OURS_ALONE]
    assert all(alike(each) in known for each in shared)
    for path in (KV, APPROLE):
        there = alike(openbao.ask("GET", path).body["data"])
        assert alike((await ours.ask("GET", path)).data) == there
    for path in (f"{CATALOG}/secret/nope", f"{CATALOG}/auth/token", f"{CATALOG}/secret"):
        assert (await ours.ask("GET", path)).status == openbao.ask("GET", path).status


async def test_openbao_lists_every_name_that_we_do(ours: Room, openbao: OpenBao) -> None:
    for kind in ("auth", "secret"):
        theirs = openbao.ask("LIST", f"{CATALOG}/{kind}").body["data"]["keys"]
        own = (await ours.ask("LIST", f"{CATALOG}/{kind}")).data["keys"]

        assert set(own) - set(theirs) == (OURS_ALONE if kind == "auth" else set())
