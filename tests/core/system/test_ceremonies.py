"""Steps of a ceremony that come at the same time: each counts once, and one of them is the last."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.core.system.room import Answer, Room, room

ROUNDS = 6


async def at_once(r: Room, *asked: tuple[str, str, dict[str, object] | None]) -> list[Answer]:
    """Ask all of these at the same time, with no token but root's where a path asks for one."""
    return await asyncio.gather(*(r.ask(method, path, body) for method, path, body in asked))


async def begun(r: Room, path: str, body: dict[str, object] | None = None) -> str:
    """Start an operation and return its nonce."""
    started = await r.ask("POST", path, body or {})
    assert started.status == 200, started
    return str((started.body.get("data") or started.body)["nonce"])


def shares(path: str, keys: list[str], nonce: str) -> list[tuple[str, str, dict[str, object]]]:
    return [("POST", path, {"key": key, "nonce": nonce}) for key in keys]


async def opens(r: Room, keys: list[str]) -> bool:
    """Seal, give shares one after another, and say whether that opened the server."""
    assert (await r.ask("POST", "sys/seal")).status == 204
    for key in keys:
        assert (await r.ask("POST", "sys/unseal", {"key": key})).status == 200
    return not r.server.barrier.sealed


def complete(answers: list[Answer]) -> list[Any]:
    return [a.body for a in answers if a.status == 200 and a.body.get("complete")]


async def test_shares_that_come_at_once_unseal(tmp_path: Path) -> None:
    async with room(tmp_path, shares=5, threshold=3) as r:
        for _ in range(ROUNDS):
            await r.ask("POST", "sys/seal")

            answers = await at_once(r, *(("POST", "sys/unseal", {"key": k}) for k in r.keys[:3]))

            assert {a.status for a in answers} == {200}
            assert not r.server.barrier.sealed
            assert (await r.ask("GET", "auth/token/lookup-self")).status == 200


async def test_one_making_of_a_root_token_makes_one(tmp_path: Path) -> None:
    async with room(tmp_path, shares=6, threshold=3) as r:
        for _ in range(ROUNDS):
            path = "sys/generate-root"
            nonce = await begun(r, f"{path}/attempt")
            for key in r.keys[:2]:
                await r.ask("POST", f"{path}/update", {"key": key, "nonce": nonce})
            before = len((await r.ask("LIST", "auth/token/accessors")).data["keys"])

            answers = await at_once(r, *shares(f"{path}/update", r.keys[2:], nonce))

            assert len(complete(answers)) == 1
            assert {a.status for a in answers} == {200, 400}
            after = len((await r.ask("LIST", "auth/token/accessors")).data["keys"])
            assert after == before + 1


@pytest.mark.parametrize("given_before", [0, 1, 2])
async def test_one_rekey_gives_one_set_of_shares_and_they_open_the_seal(
    tmp_path: Path, given_before: int
) -> None:
    async with room(tmp_path, shares=3, threshold=3) as r:
        for _ in range(ROUNDS):
            asked: dict[str, object] = {"secret_shares": 3, "secret_threshold": 3}
            nonce = await begun(r, "sys/rekey/init", asked)
            for key in r.keys[:given_before]:
                await r.ask("POST", "sys/rekey/update", {"key": key, "nonce": nonce})

            left = r.keys[given_before:]
            answers = await at_once(r, *shares("sys/rekey/update", [*left, left[-1]], nonce))

            assert {a.status for a in answers} <= {200, 400}
            [made] = complete(answers)
            r.keys = [str(key) for key in made["keys"]]
            assert await opens(r, r.keys)


async def test_new_shares_proven_at_once_are_put_in_force_once(tmp_path: Path) -> None:
    async with room(tmp_path, shares=1, threshold=1) as r:
        for _ in range(ROUNDS):
            asked = {"secret_shares": 3, "secret_threshold": 2, "require_verification": True}
            nonce = await begun(r, "sys/rekey/init", asked)
            made = None
            for key in r.keys:
                made = await r.ask("POST", "sys/rekey/update", {"key": key, "nonce": nonce})
                if made.body.get("complete"):
                    break
            assert made is not None
            new, proof = [str(k) for k in made.body["keys"]], made.body["verification_nonce"]

            answers = await at_once(r, *shares("sys/rekey/verify", new, proof))

            assert len(complete(answers)) == 1
            assert {a.status for a in answers} <= {200, 400}
            r.keys = new
            assert await opens(r, r.keys[:2])


async def test_a_rotation_beside_a_rekey_leaves_every_key_under_the_new_root(
    tmp_path: Path,
) -> None:
    async with room(tmp_path, shares=1, threshold=1) as r:
        for _ in range(ROUNDS):
            asked: dict[str, object] = {"secret_shares": 1, "secret_threshold": 1}
            nonce = await begun(r, "sys/rekey/init", asked)
            rotations: list[tuple[str, str, None]] = [("PUT", "sys/rotate", None)] * 4
            [share] = shares("sys/rekey/update", r.keys, nonce)

            answers = await at_once(r, *rotations[:2], share, *rotations[2:])

            assert {a.status for a in answers} == {200, 204}
            r.keys = [str(key) for key in answers[2].body["keys"]]
            assert await opens(r, r.keys)
            assert (await r.ask("GET", "sys/key-status")).status == 200
        assert (await r.ask("GET", "sys/key-status")).data["term"] == 1 + 4 * ROUNDS


async def test_a_share_beside_the_end_of_its_operation_counts_for_no_other(tmp_path: Path) -> None:
    async with room(tmp_path, shares=3, threshold=2) as r:
        for _ in range(ROUNDS):
            nonce = await begun(r, "sys/generate-root/attempt")
            [one, two] = shares("sys/generate-root/update", r.keys[:2], nonce)

            await at_once(r, one, ("DELETE", "sys/generate-root/attempt", None), two)

            status = (await r.ask("GET", "sys/generate-root/attempt")).body
            assert (status["started"], status["progress"]) == (False, 0)


async def test_the_first_initialization_of_two_is_the_only_one(tmp_path: Path) -> None:
    async with room(tmp_path, initialized=False) as r:
        body: dict[str, object] = {"secret_shares": 1, "secret_threshold": 1}

        answers = await at_once(r, *(("PUT", "sys/init", body) for _ in range(4)))

        assert sorted(a.status for a in answers) == [200, 400, 400, 400]
        [made] = [a.body for a in answers if a.status == 200]
        await r.ask("POST", "sys/unseal", {"key": made["keys"][0]})
        assert (await r.ask("GET", "sys/mounts", token=made["root_token"])).status == 200


@pytest.mark.parametrize("body", [{}, {"secret_shares": 5}, {"secret_threshold": 1}])
async def test_how_many_shares_there_are_is_said_and_never_guessed(
    tmp_path: Path, body: dict[str, object]
) -> None:
    async with room(tmp_path, initialized=False) as r:
        got = await r.ask("PUT", "sys/init", body)

        assert got.status == 400
        assert got.errors[0].startswith("secret_")
        assert (await r.ask("GET", "sys/init")).body == {"initialized": False}
