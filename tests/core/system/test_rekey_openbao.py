"""Ceremonies beside OpenBao, as far as its development server lets anybody: no shares are known.

Statuses and values that say something are compared, the words of a refusal are not. Nonces and
passwords are random.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.system.room import Room, room
from tests.oracles.openbao import OpenBao

ROOT, TOKEN = "sys/rotate/root", "sys/generate-root-token"
RANDOM = ("nonce", "verification_nonce", "otp", "otp_length", "install_time", "encryptions", "term")
OURS = ("pgp_fingerprints", "backup", "encoded_token", "encoded_root_token")
SCRIPT: tuple[tuple[str, str, dict[str, object] | None], ...] = (
    ("GET", "sys/rotate/config", None),
    ("POST", "sys/rotate/config", {"max_operations": 5}),
    ("POST", "sys/rotate/config", {"interval": "1h"}),
    ("POST", "sys/rotate/config", {"interval": "25h", "max_operations": 2_000_000}),
    ("GET", "sys/rotate/keyring/config", None),
    ("POST", "sys/rotate/config", {"enabled": False}),
    ("GET", "sys/rotate/config", None),
    (
        "POST",
        "sys/rotate/config",
        {"enabled": True, "interval": 0, "max_operations": 3_865_470_566},
    ),
    ("POST", "sys/rotate", None),
    ("PUT", "sys/rotate/keyring", None),
    ("GET", "sys/rotate", None),
    ("GET", "sys/key-status", None),
    ("GET", f"{ROOT}/init", None),
    ("POST", f"{ROOT}/init", {}),
    ("POST", f"{ROOT}/init", {"secret_shares": 3, "secret_threshold": 1}),
    ("POST", f"{ROOT}/init", {"secret_shares": 3, "secret_threshold": 5}),
    ("POST", f"{ROOT}/init", {"secret_shares": 3, "secret_threshold": 2}),
    ("POST", f"{ROOT}/init", {"secret_shares": 3, "secret_threshold": 2}),
    ("GET", f"{ROOT}/init", None),
    ("POST", f"{ROOT}/update", {}),
    ("POST", f"{ROOT}/update", {"key": "00" * 32}),
    ("POST", f"{ROOT}/update", {"key": "not a key", "nonce": "other"}),
    ("POST", f"{ROOT}/update", {"key": "00" * 32, "nonce": "other"}),
    ("DELETE", f"{ROOT}/init", None),
    ("DELETE", f"{ROOT}/init", None),
    ("GET", f"{ROOT}/init", None),
    ("DELETE", f"{ROOT}/backup", None),
    ("GET", f"{TOKEN}/attempt", None),
    ("POST", f"{TOKEN}/attempt", {"pgp_key": "none"}),
    ("POST", f"{TOKEN}/attempt", {"otp": "short"}),
    ("POST", f"{TOKEN}/attempt", {}),
    ("POST", f"{TOKEN}/attempt", {}),
    ("GET", f"{TOKEN}/attempt", None),
    ("POST", f"{TOKEN}/update", {"key": "00" * 32}),
    ("DELETE", f"{TOKEN}/attempt", None),
    ("GET", f"{TOKEN}/attempt", None),
    ("POST", "sys/decode-token", {"encoded_token": "", "otp": "b"}),
    ("POST", "sys/decode-token", {"encoded_token": "Bw4", "otp": "abc"}),
    ("POST", "sys/decode-token", {"encoded_token": "AwEB", "otp": "abc"}),
)


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        yield made


def told(answer: Any) -> object:
    data = (answer.body or {}).get("data") or {}
    left_out = {*RANDOM, *OURS}
    return answer.status, {k: v for k, v in data.items() if v and k not in left_out}


async def test_ceremonies_are_answered_as_openbao_answers_them(
    ours: Room, openbao: OpenBao
) -> None:
    for method, path, body in SCRIPT:
        one, other = await ours.ask(method, path, body), openbao.ask(method, path, body)

        assert told(one) == told(other), (method, path, body, other.body)
