"""What no file in the repository may name: registries, and paths of whoever's machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.house import ROOT

# Written in two halves, so that this file passes its own test.
HALVES = (
    *(
        ("pypi", r"\.org"),
        ("python", r"hosted\.org"),
        ("registry", r"\.npmjs"),
        ("npmjs", r"\.com"),
    ),
    *(("proxy", r"\.golang"), ("deb", r"\.debian\.org"), ("crates", r"\.io/api")),
    *(("/wo", "rk/"), (r"(?<!rotate)/ro", "ot/"), ("/ho", r"me/(?!strongroom\b)"), ("/t", "mp/")),
    *(("/opt/", "wheels"), ("file:/", "//opt")),
)
NAMED = re.compile("|".join(first + second for first, second in HALVES))


def tracked() -> list[Path]:
    """Return the files that git knows of, or none outside of a work tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_tracked_file_names_a_registry_or_a_machine() -> None:
    if not (files := tracked()):
        pytest.skip("not a git work tree")

    named = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for path in files
        if path.is_file()
        for text in [path.read_bytes().decode(errors="replace")]
        for match in NAMED.finditer(text)
    ]

    assert named == []


@pytest.mark.parametrize("halves", HALVES, ids="".join)
def test_each_pattern_finds_its_own_kind(halves: tuple[str, str]) -> None:
    sample = re.sub(r"\(\?!.*?\)|\\", "", "".join(halves))

    assert NAMED.search(f"see {sample} there")
