"""New shares, root tokens from shares, and new barrier keys."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from datetime import timedelta
from pathlib import Path

import pytest
from pyshamir import combine

from strongroom.base.clock import MovableClock
from strongroom.core.runtime import Runtime
from strongroom.core.system.rotation import rotate_if_due
from strongroom.storage.barrier import header_of
from tests.core.system.room import Room, room


async def rekeyed(r: Room, *, verify: bool = False) -> dict[str, object]:
    """Give the old shares for three new ones, two of which are needed."""
    asked = {"secret_shares": 3, "secret_threshold": 2, "require_verification": verify}
    started = await r.ask("POST", "sys/rekey/init", asked, token="")
    nonce = started.body["nonce"]
    for key in r.keys[:2]:
        last = await r.ask("POST", "sys/rekey/update", {"key": key, "nonce": nonce}, token="")
    assert last.body["complete"], last
    return dict(last.body)


async def opened_by(r: Room, keys: list[str]) -> bool:
    """Seal, give the keys, and say whether that opened it."""
    await r.ask("POST", "sys/seal")
    await r.ask("POST", "sys/unseal", {"reset": True}, token="")
    for key in keys:
        await r.ask("POST", "sys/unseal", {"key": key}, token="")
    return not r.server.barrier.sealed


async def test_new_shares_open_the_seal_and_the_old_ones_do_not(tmp_path: Path) -> None:
    async with room(tmp_path, shares=3, threshold=2) as r:
        old_root = r.server.seal.root()

        made = await rekeyed(r)

        keys = [str(key) for key in made["keys"]]  # type: ignore[attr-defined]
        assert r.server.seal.root() != old_root
        assert not await opened_by(r, r.keys)
        assert await opened_by(r, keys[1:])
        assert (await r.ask("GET", "auth/token/lookup-self")).status == 200


async def test_new_shares_combine_with_an_implementation_that_is_not_ours(tmp_path: Path) -> None:
    async with room(tmp_path, shares=3, threshold=2) as r:
        made = await rekeyed(r)

        parts = [bytearray.fromhex(key) for key in made["keys"]]  # type: ignore[attr-defined]
        key = bytes(combine(parts[:2]))
        settings = r.server.seal.require()
        assert r.server.seal.root_of(key, settings) == r.server.seal.root()


async def test_a_wrong_share_is_named_and_costs_nothing(tmp_path: Path) -> None:
    async with room(tmp_path, shares=3, threshold=2) as r:
        asked = {"secret_shares": 1, "secret_threshold": 1}
        nonce = (await r.ask("POST", "sys/rekey/init", asked)).body["nonce"]
        await r.ask("POST", "sys/rekey/update", {"key": r.keys[0], "nonce": nonce})

        wrong = await r.ask("POST", "sys/rekey/update", {"key": "00" * 33, "nonce": nonce})
        again = await r.ask("POST", "sys/rekey/update", {"key": r.keys[0], "nonce": nonce})

        assert wrong.status == 400
        assert wrong.errors == ["key: not a share of this seal; 1 of 2 shares are kept"]
        assert again.body["progress"] == 1
        assert (await r.ask("GET", "sys/rekey/init")).body["progress"] == 1


async def test_a_share_of_another_operation_is_refused(tmp_path: Path) -> None:
    async with room(tmp_path, shares=3, threshold=2) as r:
        await r.ask("POST", "sys/rekey/init", {"secret_shares": 1, "secret_threshold": 1})

        other = await r.ask("POST", "sys/rekey/update", {"key": r.keys[0], "nonce": "another"})
        twice = await r.ask("POST", "sys/rekey/init", {"secret_shares": 2, "secret_threshold": 2})

        assert other.status == 400
        assert twice.errors == ["rekey already in progress"]


async def test_shares_to_be_verified_are_in_force_only_once_they_were_given_back(
    tmp_path: Path,
) -> None:
    async with room(tmp_path, shares=3, threshold=2) as r:
        made = await rekeyed(r, verify=True)
        keys, nonce = made["keys"], made["verification_nonce"]
        before = r.server.seal.require()

        first = await r.ask("POST", "sys/rekey/verify", {"key": keys[0], "nonce": nonce})  # type: ignore[index]
        wrong = await r.ask("POST", "sys/rekey/verify", {"key": r.keys[0], "nonce": nonce})
        unchanged = r.server.seal.require() == before
        last = await r.ask("POST", "sys/rekey/verify", {"key": keys[2], "nonce": nonce})  # type: ignore[index]

        assert (first.body["progress"], wrong.status) == (1, 400)
        assert unchanged
        assert last.body["complete"]
        assert await opened_by(r, [str(key) for key in keys][:2])  # type: ignore[attr-defined]


async def test_a_verification_that_is_given_up_leaves_the_old_shares(tmp_path: Path) -> None:
    async with room(tmp_path, shares=3, threshold=2) as r:
        made = await rekeyed(r, verify=True)
        keys, nonce = made["keys"], made["verification_nonce"]
        await r.ask("POST", "sys/rekey/verify", {"key": keys[0], "nonce": nonce})  # type: ignore[index]

        restarted = await r.ask("DELETE", "sys/rekey/verify")
        await r.ask("DELETE", "sys/rekey/init")

        assert restarted.body["nonce"] != nonce
        assert (await r.ask("GET", "sys/rekey/init")).body["started"] is False
        assert await opened_by(r, r.keys[1:])


ONE_OF_ONE = {"secret_shares": 1, "secret_threshold": 1}
CEREMONIES = {
    "a rekey": ("sys/rekey/init", ONE_OF_ONE),
    "a root token": ("sys/generate-root/attempt", {}),
    "a root token, by the shorter path": ("sys/generate-root", {}),
}


@pytest.fixture(params=CEREMONIES.values(), ids=CEREMONIES.keys())
def ceremony(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    path, asked = request.param
    return path, asked


async def under_way(r: Room, path: str) -> bool:
    return bool((await r.ask("GET", path, token="")).body["started"])


async def test_a_stranger_cancels_nothing_by_what_is_shown_to_everybody(
    tmp_path: Path, ceremony: tuple[str, dict[str, object]]
) -> None:
    path, asked = ceremony
    async with room(tmp_path, shares=3, threshold=2) as r:
        await r.ask("POST", path, asked, token="")
        nonce = (await r.ask("GET", path, token="")).body["nonce"]
        nobody = await r.token("default")

        for token in ("", "hvs.bogus", nobody):
            for given in ({}, {"nonce": nonce}, {"key": "00" * 33, "nonce": nonce}, {"key": ""}):
                refused = await r.ask("DELETE", path, given, token=token)
                by_query = await r.ask("DELETE", f"{path}?nonce={nonce}", token=token)

                assert (refused.status, by_query.status) in {(403, 403), (400, 403)}
        assert await under_way(r, path)


async def test_a_share_cancels_without_a_token(
    tmp_path: Path, ceremony: tuple[str, dict[str, object]]
) -> None:
    path, asked = ceremony
    async with room(tmp_path, shares=3, threshold=2) as r:
        await r.ask("POST", path, asked, token="")

        done = await r.ask("DELETE", path, {"key": r.keys[2]}, token="")

        assert done.status == 204
        assert not await under_way(r, path)


async def test_a_token_cancels_where_policy_lets_it(
    tmp_path: Path, ceremony: tuple[str, dict[str, object]]
) -> None:
    path, asked = ceremony
    async with room(tmp_path, shares=3, threshold=2) as r:
        await r.policy("cancels", f'path "{path}" {{ capabilities = ["delete"] }}')
        token = await r.token("cancels")
        await r.ask("POST", path, asked, token="")

        done = await r.ask("DELETE", path, token=token)

        assert done.status == 204
        assert not await under_way(r, path)


async def test_a_nonce_that_is_given_must_be_that_of_the_operation(
    tmp_path: Path, ceremony: tuple[str, dict[str, object]]
) -> None:
    path, asked = ceremony
    async with room(tmp_path, shares=3, threshold=2) as r:
        await r.ask("POST", path, asked, token="")

        other = await r.ask("DELETE", path, {"key": r.keys[0], "nonce": "another"})

        assert other.errors == ["nonce: is that of no operation in progress"]
        assert await under_way(r, path)


async def test_the_passphrase_cancels_like_a_share(tmp_path: Path) -> None:
    path = "sys/generate-root/attempt"
    async with room(tmp_path, seal="passphrase", passphrase="correct horse") as r:
        await r.ask("POST", path, token="")

        wrong = await r.ask("DELETE", path, {"key": "guess"}, token="")
        right = await r.ask("DELETE", path, {"key": "correct horse"}, token="")

        assert (wrong.status, right.status) == (400, 204)


async def test_a_proof_is_started_over_by_a_share_in_force_alone(tmp_path: Path) -> None:
    path = "sys/rekey/verify"
    async with room(tmp_path, shares=3, threshold=2) as r:
        made = await rekeyed(r, verify=True)
        keys, nonce = made["keys"], made["verification_nonce"]

        stranger = await r.ask("DELETE", path, {"nonce": nonce}, token="")
        new = await r.ask("DELETE", path, {"key": keys[0]}, token="")  # type: ignore[index]
        old = await r.ask("DELETE", path, {"key": r.keys[0]}, token="")

        assert (stranger.status, new.status, old.status) == (403, 400, 200)
        assert old.body["nonce"] != nonce


async def test_no_refusal_tells_the_nonce(
    tmp_path: Path, ceremony: tuple[str, dict[str, object]]
) -> None:
    path, asked = ceremony
    update = f"{path.removesuffix('/init').removesuffix('/attempt')}/update"
    async with room(tmp_path, shares=3, threshold=2) as r:
        await r.ask("POST", path, asked, token="")
        nonce = (await r.ask("GET", path, token="")).body["nonce"]

        for given in ({}, {"key": r.keys[0]}, {"key": r.keys[0], "nonce": "x"}, {"nonce": nonce}):
            refused = await r.ask("POST", update, given, token="")

            assert refused.status == 400
            assert nonce not in str(refused.errors)
        assert (await r.ask("GET", path, token="")).body["progress"] == 0


async def test_what_was_stored_counts_if_the_server_dies_before_it_is_in_force(
    tmp_path: Path,
) -> None:
    async with room(tmp_path, shares=3, threshold=2) as r:
        r.server.seal.adopt = lambda root, settings: None  # type: ignore[method-assign]
        made = await rekeyed(r)
        keys = [str(key) for key in made["keys"]]  # type: ignore[attr-defined]

    async with room(tmp_path, initialized=False) as restarted:
        assert not await opened_by(restarted, r.keys)
        assert await opened_by(restarted, keys[:2])


async def test_openbaos_newer_paths_ask_for_a_token_and_answer_in_an_envelope(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as r:
        asked = {"secret_shares": 2, "secret_threshold": 2}

        nobody = await r.ask("POST", "sys/rotate/root/init", asked, token="")
        started = await r.ask("POST", "sys/rotate/root/init", asked)
        nonce = started.data["nonce"]
        done = await r.ask("POST", "sys/rotate/root/update", {"key": r.keys[0], "nonce": nonce})

        assert nobody.status == 403
        assert done.data["complete"]
        assert await opened_by(r, done.data["keys"])


async def test_a_quorum_makes_a_root_token_that_only_the_password_reveals(tmp_path: Path) -> None:
    async with room(tmp_path, shares=3, threshold=2) as r:
        started = await r.ask("POST", "sys/generate-root/attempt", token="")
        nonce, otp = started.body["nonce"], started.body["otp"]
        await r.ask("POST", "sys/generate-root/update", {"key": r.keys[2], "nonce": nonce})
        wrong = await r.ask("POST", "sys/generate-root/update", {"key": "00" * 33, "nonce": nonce})
        share = {"key": r.keys[0], "nonce": nonce}
        done = await r.ask("POST", "sys/generate-root/update", share, token="")
        encoded = done.body["encoded_token"]
        decoded = await r.ask("POST", "sys/decode-token", {"encoded_token": encoded, "otp": otp})

        raw = b64decode(encoded + "=" * (-len(encoded) % 4))
        token = bytes(a ^ b for a, b in zip(raw, otp.encode(), strict=True)).decode()
        shown = await r.ask("GET", "auth/token/lookup-self", token=token)
        assert wrong.status == 400
        assert shown.data["policies"] == ["root"]
        assert decoded.data["token"] == token
        assert (await r.ask("GET", "sys/generate-root/attempt")).body["started"] is False
        codes = [e["metadata"]["event_code"] for e in await r.entries()]
        assert codes.count("seal.generate_root.update") == 3


async def test_a_root_token_is_made_once(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        nonce = (await r.ask("POST", "sys/generate-root/attempt")).body["nonce"]
        share = {"key": r.keys[0], "nonce": nonce}

        done = await r.ask("POST", "sys/generate-root/update", share)
        again = await r.ask("POST", "sys/generate-root/update", share)

        assert (done.status, again.status) == (200, 400)


async def test_the_passphrase_stands_for_a_share(tmp_path: Path) -> None:
    async with room(tmp_path, seal="passphrase", passphrase="correct horse") as r:
        await r.ask("POST", "sys/unseal", {"key": "correct horse"}, token="")
        nonce = (await r.ask("POST", "sys/generate-root/attempt")).body["nonce"]

        wrong = await r.ask("POST", "sys/generate-root/update", {"key": "guess", "nonce": nonce})
        right = {"key": "correct horse", "nonce": nonce}
        done = await r.ask("POST", "sys/generate-root/update", right)
        replaced = await r.ask("POST", "sys/rotate/root")

        assert (wrong.status, done.body["complete"], replaced.status) == (400, True, 204)
        assert await opened_by(r, ["correct horse"])


@pytest.mark.parametrize("path", ["sys/rekey/init", "sys/generate-root/attempt"])
async def test_a_sealed_server_takes_no_shares_for_anything_else(tmp_path: Path, path: str) -> None:
    async with room(tmp_path) as r:
        await r.ask("POST", "sys/seal")

        answer = await r.ask("POST", path, {"secret_shares": 1, "secret_threshold": 1}, token="")

        assert answer.status == 503


# -- rotation


async def blob_term(r: Room, key: str) -> int:
    [[value]] = await r.server.database.rows("SELECT value FROM cell WHERE key = ?", (key,))
    return header_of(value).term


async def test_what_is_written_after_a_rotation_is_under_the_new_term(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.ask("POST", "auth/token/roles/before", {})

        answer = await r.ask("POST", "sys/rotate")
        await r.ask("POST", "auth/token/roles/after", {})

        status = await r.ask("GET", "sys/key-status")
        assert answer.status == 204
        assert status.data["term"] == status.body["term"] == 2
        assert await blob_term(r, "role/before") == 1
        assert await blob_term(r, "role/after") == 2
        assert (await r.ask("GET", "auth/token/roles/before")).status == 200
        assert await opened_by(r, r.keys)
        assert (await r.ask("GET", "auth/token/roles/after")).status == 200


async def test_the_key_is_rotated_when_its_time_is_over(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        await r.ask("POST", "sys/rotate/config", {"interval": "24h"})
        early = await rotate_if_due(r.server)
        r.clock.advance(timedelta(days=1))

        late = await rotate_if_due(r.server)

        entry = await r.last()
        assert (early, late) == (False, True)
        assert entry["metadata"]["event_code"] == "keyring.rotate"
        assert entry["unmapped"]["why"] == "interval"
        assert r.server.barrier.term == 2


async def test_the_key_is_rotated_when_it_was_used_often(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        r.server.barrier.encryptions = 3_865_470_566

        rotated = await rotate_if_due(r.server)

        assert rotated
        assert r.server.barrier.encryptions < 10
        await r.ask("POST", "sys/rotate/config", {"enabled": False})
        r.server.barrier.encryptions = 3_865_470_566
        assert not await rotate_if_due(r.server)


async def test_the_count_of_encryptions_outlives_a_restart(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        r.server.barrier.encryptions = 12_345
        await Runtime(server=r.server)._heartbeat()
        assert isinstance(r.clock, MovableClock)

        await opened_by(r, r.keys)

        assert 12_345 <= r.server.barrier.encryptions < 12_400


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"max_operations": 5}, "max_operations must be in the range [1000000,3865470566]"),
        ({"interval": "1h"}, "interval must be greater or equal to 24h0m0s"),
    ],
)
async def test_limits_of_rotation_are_openbaos(
    tmp_path: Path, given: dict[str, object], problem: str
) -> None:
    async with room(tmp_path) as r:
        refused = await r.ask("POST", "sys/rotate/config", given)
        await r.ask("POST", "sys/rotate/config", {"interval": "25h", "max_operations": 2_000_000})

        shown = await r.ask("GET", "sys/rotate/keyring/config")

        assert refused.errors == [problem]
        assert shown.data == {
            "enabled": True,
            "interval": "25h0m0s",
            "max_operations": 2_000_000,
        }


async def test_rotating_twice_at_once_makes_two_terms(tmp_path: Path) -> None:

    async with room(tmp_path) as r:
        answers = await asyncio.gather(*(r.ask("POST", "sys/rotate") for _ in range(5)))

        assert {answer.status for answer in answers} == {204}
        assert r.server.barrier.terms() == frozenset(range(1, 7))
        assert r.server.barrier.term == 6
