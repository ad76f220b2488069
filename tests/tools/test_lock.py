"""The check of the lock files, on lock files with one fault each."""

from __future__ import annotations

import pytest

from tools.lock import DEVELOPMENT, FUZZ, RUNTIME, faults, pins

PROJECT: dict[str, object] = {
    "project": {"dependencies": ["click>=8"], "optional-dependencies": {"evidence": []}},
    "dependency-groups": {"dev": ["pytest"], "fuzz": ["atheris"]},
    "build-system": {"requires": ["hatchling"]},
}
HASH = "--hash=sha256:" + "0" * 64


def lock(**versions: str) -> str:
    return "".join(f"{name}=={v} \\\n    {HASH}\n    # via x\n" for name, v in versions.items())


def found(**changed: str) -> list[str]:
    texts = {
        RUNTIME: lock(click="8.1"),
        DEVELOPMENT: lock(click="8.1", hatchling="1", pytest="9"),
        FUZZ: lock(atheris="3"),
    }
    return list(faults(PROJECT, texts | changed))


def test_good_lock_files_have_no_fault() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({FUZZ: ""}, f"{FUZZ}: atheris is missing; run `make lock`"),
        ({FUZZ: "atheris==3\n"}, f"{FUZZ}: atheris has no hash"),
        (
            {FUZZ: "--find-links x\n" + lock(atheris="3")},
            f"{FUZZ}:1: names an address or a path",
        ),
        (
            {FUZZ: lock(atheris="3") + "# from https://example.org\n"},
            f"{FUZZ}:4: names an address or a path",
        ),
        ({FUZZ: lock(atheris="3", odd="1") + "x @ y\n"}, f"{FUZZ}:7: names an address or a path"),
        (
            {DEVELOPMENT: lock(click="8.2", hatchling="1", pytest="9")},
            f"{DEVELOPMENT}: click differs from {RUNTIME}",
        ),
    ],
)
def test_a_fault_is_named(changed: dict[str, str], fault: str) -> None:
    assert found(**changed) == [fault]


def test_a_version_that_is_not_asked_for_is_named() -> None:
    old = {RUNTIME: lock(click="7"), DEVELOPMENT: lock(click="7", hatchling="1", pytest="9")}

    assert found(**old) == [f"{name}: click 7 is not >=8" for name in (RUNTIME, DEVELOPMENT)]


def test_a_pin_with_a_marker_is_read() -> None:
    text = f"Cffi_x==2.1 ; implementation_name != 'PyPy' \\\n    {HASH} \\\n    {HASH}\n"

    [(name, [pin])] = pins(text).items()

    assert (name, pin.version, pin.hashes) == ("cffi-x", "2.1", 2)
