"""Environments on a running server: written, and not to be got around."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.core.records import MOUNTS
from strongroom.storage.transaction import Transaction
from tests.core.system.room import Room, room

WRITER = """
path "strongroom/environments/*" { capabilities = ["create", "update", "delete"] }
"""


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    """A server with `prod` and `staging` in one KV mount, one secret in each."""
    async with room(tmp_path) as made:
        await made.mount("secret/", "kv", version="2")
        for name in ("prod", "staging"):
            await made.ask("POST", f"secret/data/{name}/db", {"data": {"password": name}})
            given = {"paths": [f"secret/+/{name}/*"]}
            answer = await made.ask("POST", f"strongroom/environments/{name}", given)
            assert answer.status == 204, answer
        yield made


async def bound(r: Room, environment: str, *policies: str) -> str:
    return await r.token(*(policies or ("root",)), meta={"environment": environment})


KINDS = ("data", "metadata", "subkeys", "delete", "undelete", "destroy")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "LIST", "SCAN")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
async def test_not_even_root_from_elsewhere_gets_in(r: Room, method: str, kind: str) -> None:
    token = await bound(r, "staging")
    headers = {"content-type": "application/merge-patch+json"} if method == "PATCH" else {}
    body = None if method in ("GET", "LIST", "SCAN", "DELETE") else {"data": {}, "versions": [1]}

    for path in (f"secret/{kind}/prod/db", f"secret/{kind}/prod/", f"secret/{kind}/prod/none"):
        answer = await r.ask(method, path, body, token=token, headers=headers)

        assert answer.status in (400, 403), (path, answer)
        if answer.status == 403:
            assert (await r.last())["unmapped"]["guardrail"] == "environment:prod"
    assert (await r.ask("GET", "secret/data/prod/db")).data["data"] == {"password": "prod"}


@pytest.mark.parametrize("environment", ["staging", "prod"])
async def test_the_rules_of_a_whole_mount_are_no_way_to_what_lies_in_it(
    r: Room, environment: str
) -> None:
    rules = {"delete_version_after": "1s", "max_versions": 1}
    token = await bound(r, environment)

    answer = await r.ask("POST", "secret/config", rules, token=token)

    other = "staging" if environment == "prod" else "prod"
    assert answer.status == 403  # the mount holds secrets of both
    assert (await r.last())["unmapped"]["guardrail"] == f"environment:{other}"
    assert (await r.ask("GET", "secret/config", token=token)).data["max_versions"] == 0
    assert (await r.ask("POST", "secret/config", rules)).status == 204  # bound to none, both open


@pytest.mark.parametrize(
    "raw",
    [
        b"/v1/secret/data/%70rod/db",
        b"/v1/secret/data/prod%2Fdb",
        b"/v1/secret%2Fdata%2Fprod%2Fdb",
        b"/v1/%73ecret/data/%70%72%6f%64/%64%62",
    ],
)
async def test_percent_encoding_is_no_way_around(r: Room, raw: bytes) -> None:
    token = await bound(r, "staging")

    own = await r.ask("GET", "", token=await bound(r, "prod"), raw=raw)
    other = await r.ask("GET", "", token=token, raw=raw)

    assert (own.status, other.status) == (200, 403)


@pytest.mark.parametrize(
    "path", ["secret/data//prod/db", "secret/data/./prod/db", "secret/data/x/../prod/db"]
)
async def test_paths_with_empty_or_dotted_segments_are_refused(r: Room, path: str) -> None:
    token = await bound(r, "staging")

    assert (await r.ask("GET", path, token=token)).status == 400


async def test_a_wrapped_reply_is_refused_like_a_plain_one(r: Room) -> None:
    token = await bound(r, "staging")

    answer = await r.ask(
        "GET", "secret/data/prod/db", token=token, headers={"x-vault-wrap-ttl": "60"}
    )

    assert answer.status == 403


async def test_a_scan_from_above_is_refused_and_a_list_shows_folders(r: Room) -> None:
    token = await bound(r, "staging")

    scan = await r.ask("SCAN", "secret/metadata/", token=token)
    folders = await r.ask("LIST", "secret/metadata/", token=token)
    folder = await r.ask("GET", "secret/metadata/prod?list=true", token=token)

    assert scan.status == 403
    assert folders.data["keys"] == ["prod/", "staging/"]
    assert folder.status == 403


@pytest.mark.parametrize("path", ["create", "create-orphan"])
async def test_a_child_is_bound_as_its_parent_is(r: Room, path: str) -> None:
    await r.policy("all", 'path "*" { capabilities = ["create", "read", "update", "sudo"] }')
    parent = await bound(r, "staging", "all")

    child = await r.ask("POST", f"auth/token/{path}", {"ttl": "1h"}, token=parent)
    elsewhere = await r.ask(
        "POST", f"auth/token/{path}", {"meta": {"environment": "prod"}}, token=parent
    )

    token = child.auth["client_token"]
    shown = await r.ask("GET", "auth/token/lookup-self", token=token)
    assert shown.data["environment"] == "staging"
    assert (await r.ask("GET", "secret/data/prod/db", token=token)).status == 403
    assert (await r.ask("GET", "secret/data/staging/db", token=token)).status == 200
    assert elsewhere.status == 403


async def test_a_batch_child_is_bound_too(r: Room) -> None:
    await r.policy("all", 'path "*" { capabilities = ["create", "read", "update", "sudo"] }')
    parent = await bound(r, "staging", "all")

    child = await r.ask("POST", "auth/token/create", {"type": "batch"}, token=parent)

    token = child.auth["client_token"]
    assert (await r.ask("GET", "secret/data/prod/db", token=token)).status == 403
    assert (await r.ask("GET", "secret/data/staging/db", token=token)).status == 200


async def test_nobody_is_bound_to_where_the_parent_may_not_go(r: Room) -> None:
    await r.ask("POST", "strongroom/environments/prod", {"open": False})

    closed = await r.ask("POST", "auth/token/create", {"meta": {"environment": "prod"}})
    unknown = await r.ask("POST", "auth/token/create", {"meta": {"environment": "nowhere"}})

    assert (closed.status, unknown.status) == (403, 400)


async def test_metadata_means_nothing_where_there_are_no_environments(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        token = await r.token("root", meta={"environment": "prod"})

        shown = await r.ask("GET", "auth/token/lookup-self", token=token)

        assert shown.data["meta"] == {"environment": "prod"}
        assert "environment" not in shown.data


async def test_an_entitys_metadata_binds_its_tokens(r: Room) -> None:
    await r.mount("auth/people/", "userpass")
    await r.policy("reader", 'path "secret/*" { capabilities = ["read"] }')
    await r.ask("POST", "auth/people/users/ann", {"password": "long enough", "policies": "reader"})
    login = await r.ask("POST", "auth/people/login/ann", {"password": "long enough"}, token="")
    token, entity = login.auth["client_token"], login.auth["entity_id"]
    before = await r.ask("GET", "secret/data/prod/db", token=token)

    given = {"metadata": {"environment": "staging"}}
    await r.ask("POST", f"identity/entity/id/{entity}", given)

    after = await r.ask("GET", "secret/data/prod/db", token=token)
    assert (before.status, after.status) == (200, 403)
    assert (await r.ask("GET", "secret/data/staging/db", token=token)).status == 200


async def test_an_auth_mounts_option_binds_its_tokens(r: Room) -> None:
    await r.mount("auth/ci/", "userpass", environment="staging")
    await r.policy("reader", 'path "secret/*" { capabilities = ["read"] }')
    await r.ask("POST", "auth/ci/users/job", {"password": "long enough", "policies": "reader"})

    login = await r.ask("POST", "auth/ci/login/job", {"password": "long enough"}, token="")

    token = login.auth["client_token"]
    assert (await r.ask("GET", "secret/data/prod/db", token=token)).status == 403
    assert (await r.ask("GET", "secret/data/staging/db", token=token)).status == 200


async def test_a_mount_does_not_move_out_of_its_environments(r: Room) -> None:
    moved = await r.ask("POST", "sys/remount", {"from": "secret/", "to": "free/"})
    await r.ask(
        "POST",
        "strongroom/environments/prod",
        {"paths": ["secret/+/prod/*", "free/+/prod/*"]},
    )
    staging = {"paths": ["secret/+/staging/*", "free/+/staging/*"]}
    await r.ask("POST", "strongroom/environments/staging", staging)

    then = await r.ask("POST", "sys/remount", {"from": "secret/", "to": "free/"})

    assert moved.status == 400
    assert moved.errors[0].startswith("to: the environment ")
    assert then.status == 200
    token = await bound(r, "staging")
    assert (await r.ask("GET", "free/data/prod/db", token=token)).status == 403
    assert (await r.ask("GET", "free/data/staging/db", token=token)).status == 200


async def test_who_is_bound_elsewhere_moves_disables_and_tunes_no_mount(r: Room) -> None:
    token = await bound(r, "staging")

    answers = [
        await r.ask("POST", "sys/remount", {"from": "secret/", "to": "free/"}, token=token),
        await r.ask("DELETE", "sys/mounts/secret", token=token),
        await r.ask("POST", "sys/mounts/secret/tune", {"description": "x"}, token=token),
    ]

    assert [answer.status for answer in answers] == [403, 403, 403]
    assert (await r.ask("GET", "secret/data/prod/db")).status == 200


async def test_a_moved_row_is_judged_at_its_new_path(r: Room) -> None:
    await r.ask("POST", "strongroom/environments/prod", {"paths": ["kept/*", "secret/+/prod/*"]})
    [row] = [m for m in await rows(r) if m.path == "secret/"]

    def move(tx: object) -> None:
        tx.delete(MOUNTS, "secret/")  # type: ignore[attr-defined]
        tx.put(MOUNTS, replace(row, path="kept/"))  # type: ignore[attr-defined]
        tx.changed("mounts")  # type: ignore[attr-defined]

    await r.store(move)

    token = await bound(r, "staging")
    assert (await r.ask("GET", "kept/data/staging/db", token=token)).status == 403


async def rows(r: Room) -> list[object]:
    return await Transaction(r.server.database, r.server.barrier).all(MOUNTS)  # type: ignore[return-value]


# -- who moves the boundary


@pytest.mark.parametrize(
    "change",
    [
        {"paths": ["secret/data/prod/*"]},
        {"protected": False},
        {"open": True},
    ],
)
async def test_loosening_asks_for_sudo(r: Room, change: dict[str, object]) -> None:
    await r.ask("POST", "strongroom/environments/prod", {"open": False})
    await r.policy("writer", WRITER)
    writer = await r.token("writer")

    tighter = await r.ask(
        "POST",
        "strongroom/environments/prod",
        {"paths": ["secret/+/prod/*", "other/*"]},
        token=writer,
    )
    looser = await r.ask("POST", "strongroom/environments/prod", change, token=writer)
    gone = await r.ask("DELETE", "strongroom/environments/prod", token=writer)

    assert (tighter.status, looser.status, gone.status) == (204, 403, 403)
    assert (await r.ask("POST", "strongroom/environments/prod", change)).status == 204
    entry = (await r.last())["unmapped"]
    assert (entry["boundary"], entry["loosened"]) == ("prod", True)


async def test_who_is_bound_moves_no_boundary(r: Room) -> None:
    token = await bound(r, "staging")

    answers = [
        await r.ask("POST", "strongroom/environments/prod", {"paths": ["x/*"]}, token=token),
        await r.ask("POST", "strongroom/environments/new", {"paths": ["x/*"]}, token=token),
        await r.ask("DELETE", "strongroom/environments/prod", token=token),
    ]

    assert [answer.status for answer in answers] == [403, 403, 403]
    assert (await r.last())["unmapped"]["guardrail"] == "environment:staging"


async def test_who_is_bound_lifts_no_binding_of_an_entity(r: Room) -> None:
    given = {"name": "mine", "metadata": {"environment": "staging"}}
    own = (await r.ask("POST", "identity/entity", given)).data["id"]
    other = {"name": "theirs", "metadata": {"environment": "prod"}}
    await r.ask("POST", "identity/entity", other)
    mount = (await r.mount("auth/people/", "userpass")).accessor
    token = await bound(r, "staging")

    lifted = await r.ask("POST", f"identity/entity/id/{own}", {"metadata": {}}, token=token)
    moved = await r.ask(
        "POST", "identity/entity/name/new", {"metadata": {"environment": "prod"}}, token=token
    )
    touched = await r.ask("POST", "identity/entity/name/theirs", {"policies": "x"}, token=token)
    alias = {"name": "me", "mount_accessor": mount}
    unbound = await r.ask("POST", "identity/entity-alias", alias, token=token)
    mine = await r.ask("POST", "identity/entity-alias", {**alias, "canonical_id": own}, token=token)

    assert [a.status for a in (lifted, moved, touched, unbound)] == [403] * 4
    assert mine.status == 200


@pytest.mark.parametrize(
    "pattern",
    ["", "/x", "*", "+/x/*", "sys/*", "s*", "a//b", "a/../b", "a/*/b", "a/+*", "a/", "identity/+"],
)
async def test_patterns_that_match_nothing_or_the_server_itself_are_refused(
    r: Room, pattern: str
) -> None:
    answer = await r.ask("POST", "strongroom/environments/new", {"paths": [pattern]})

    assert answer.status == 400
    assert answer.errors[0].startswith("paths: ")


@pytest.mark.parametrize("name", ["Prod", "a,b", "-a", "a b"])
async def test_names_are_plain(r: Room, name: str) -> None:
    answer = await r.ask("POST", f"strongroom/environments/{name}", {"paths": ["x/*"]})

    assert answer.status == 400


async def test_environments_are_listed_and_shown(r: Room) -> None:
    listed = await r.ask("LIST", "strongroom/environments")
    shown = await r.ask("GET", "strongroom/environments/prod")
    missing = await r.ask("GET", "strongroom/environments/none")

    assert listed.data["keys"] == ["prod", "staging"]
    assert shown.data == {
        "name": "prod",
        "paths": ["secret/+/prod/*"],
        "protected": True,
        "open": True,
        "people": "standing",
        "description": "",
    }
    assert missing.status == 404


async def test_one_that_somebody_is_bound_to_is_not_deleted(r: Room) -> None:
    ids = []
    for name, metadata in (("ann", {}), ("bob", {"environment": "prod"}), ("ci", {})):
        given = {"name": name, "metadata": metadata}
        ids.append((await r.ask("POST", "identity/entity", given)).data["id"])
    ann, bob, ci = ids
    for each in (ann, bob):
        assert (await r.ask("POST", f"strongroom/people/{each}", {"name": "x"})).status == 204
    whole = {"owner": ann, "justification": "deploys", "environment": "prod"}
    assert (await r.ask("POST", f"strongroom/workloads/{ci}", whole)).status == 204

    refused = await r.ask("DELETE", "strongroom/environments/prod")

    assert refused.status == 400
    assert "1 workloads and 1 people" in refused.errors[0]
    assert (await r.ask("DELETE", "strongroom/environments/staging")).status == 204
    await r.ask("POST", f"strongroom/people/{bob}/leave", {})
    await r.ask("POST", f"strongroom/workloads/{ci}/decommission", {})
    assert (await r.ask("DELETE", "strongroom/environments/prod")).status == 204
