"""`sys/unseal` over the wire: what is taken, sealed or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.system.room import room

UNSEAL = "sys/unseal"
UNDECODABLE = ["zz", "not a key!", " ", "aGVsbG8", "{}", "\u00e9"]
NO_KEY: list[dict[str, object]] = [{}, {"key": ""}, {"key": None}, {"reset": False}]


@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
@pytest.mark.parametrize("seal", ["shamir", "dev"])
async def test_a_key_that_is_none_is_refused(tmp_path: Path, seal: str, sealed: bool) -> None:
    async with room(tmp_path, seal=seal) as r:
        if sealed:
            await r.ask("PUT", "sys/seal")

        for given in NO_KEY:
            refused = await r.ask("PUT", UNSEAL, given, token="")
            assert refused.status == 400
            assert refused.errors[0].startswith("'key' must be specified")
        if not (seal == "dev" and sealed):  # a dev seal opens by itself, whatever is given
            for key in UNDECODABLE:
                refused = await r.ask("PUT", UNSEAL, {"key": key}, token="")
                assert refused.errors == ["key: neither hexadecimal nor base64"]
        assert r.server.barrier.sealed is sealed


async def test_any_share_is_answered_with_the_status_once_open(tmp_path: Path) -> None:
    async with room(tmp_path, shares=3, threshold=2) as r:
        for key in ("00" * 33, r.keys[0]):
            answer = await r.ask("PUT", UNSEAL, {"key": key}, token="")

            assert (answer.status, answer.body["sealed"], answer.body["progress"]) == (
                200,
                False,
                0,
            )


async def test_a_passphrase_is_no_share_and_is_judged_by_nobody_once_open(tmp_path: Path) -> None:
    async with room(tmp_path, seal="passphrase", passphrase="correct horse") as r:
        for key in ("correct horse", "guess"):
            answer = await r.ask("PUT", UNSEAL, {"key": key}, token="")

            assert (answer.status, answer.body["sealed"]) == (200, False)


async def test_there_is_nothing_to_start_over_once_open(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        answer = await r.ask("PUT", UNSEAL, {"reset": True, "key": "zz"}, token="")

        assert (answer.status, answer.errors) == (400, ["vault is unsealed"])
