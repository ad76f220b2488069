"""The fuzz targets over their own seeds, and the mutations that stand in for atheris."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from tools import fuzz


@pytest.mark.parametrize("name", fuzz.names())
def test_a_target_takes_each_of_its_seeds(name: str) -> None:
    target = fuzz.load(name)

    assert target.SEEDS
    for seed in target.SEEDS:
        target.target(seed)


@pytest.mark.parametrize("name", fuzz.names())
def test_a_target_takes_what_is_near_its_seeds(name: str) -> None:
    target, dice = fuzz.load(name), random.Random(1)

    for _ in range(300):
        target.target(fuzz.mutated(target.SEEDS, dice))


def test_mutations_of_one_start_are_the_same() -> None:
    first = [fuzz.mutated((b"seed", b""), random.Random(7)) for _ in range(3)]

    assert first == [fuzz.mutated((b"seed", b""), random.Random(7)) for _ in range(3)]


def test_a_crash_is_reported_with_its_input() -> None:
    def target(data: bytes) -> None:
        if b"\x00" in data:
            raise IndexError

    fragile = SimpleNamespace(SEEDS=(b"ab",), target=target)
    runs, crash = fuzz.blindly(fragile, 20, random.Random(1))

    assert runs > 0
    assert crash is not None
    assert b"\x00" in crash
