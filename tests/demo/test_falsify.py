"""Each way of falsifying a copy of the log changes it, and what names another place is no proof."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom.crypto.tiles import bundle_path, decode_bundle, encode_bundle
from strongroom.demo import falsify

REFUSED = 300


def leaf(index: int) -> bytes:
    own = {"guardrail": "environment:production"} if index == REFUSED else {}
    return json.dumps({"index": index, "unmapped": own}).encode()


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A log of a full bundle and a part of one, as an export lays it out."""
    for number, width in ((0, 256), (1, 100)):
        path = tmp_path / "log" / bundle_path(number, width)
        path.parent.mkdir(parents=True, exist_ok=True)
        entries = (leaf(number * 256 + at) for at in range(width))
        path.write_bytes(encode_bundle(entries))
    return tmp_path / "log"


def entries_of(directory: Path) -> list[bytes]:
    return [e for file in falsify.bundles(directory) for e in decode_bundle(file.read_bytes())]


def test_the_refusal_by_a_guardrail_is_what_somebody_would_hide(export: Path) -> None:
    assert falsify.refused_entry(export) == REFUSED


@pytest.mark.parametrize(
    ("change", "length"),
    [(falsify.flip_a_byte, 356), (falsify.remove_it, 355), (falsify.swap_with_the_next, 356)],
)
def test_a_copy_is_changed_there_and_the_original_is_not(
    change: Callable[[list[bytes], int], None], length: int, export: Path, tmp_path: Path
) -> None:
    before = entries_of(export)

    falsify.falsify_log(export, tmp_path / "copy", REFUSED, change)

    after = entries_of(tmp_path / "copy")
    assert entries_of(export) == before
    assert len(after) == length
    assert after[: REFUSED - 1] == before[: REFUSED - 1]
    assert after[REFUSED] != before[REFUSED]


def test_a_fault_elsewhere_does_not_count_as_naming_it() -> None:
    fault = {"kind": "entry", "index": 12, "path": "", "problem": "is not as it was signed"}
    there = {**fault, "index": REFUSED}

    assert falsify.what_names([fault], REFUSED) == ""
    assert falsify.what_names([fault, there], REFUSED) == "entry 300: is not as it was signed"


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (falsify.flipped, b'{"a": 1}\n{"b"; 2}\n{"c": 3}\n'),
        (falsify.without_a_row, b'{"a": 1}\n{"c": 3}\n'),
    ],
)
def test_a_copy_of_a_pack_differs_in_one_file(
    change: Callable[[bytes], bytes], after: bytes, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as pack:
        pack.writestr("manifest.json", b"{}")
        pack.writestr("populations/P22/rows.jsonl", b'{"a": 1}\n{"b": 2}\n{"c": 3}\n')

    name = falsify.falsify_pack(tmp_path / "pack.zip", tmp_path / "copy.zip", "rows", change)

    with zipfile.ZipFile(tmp_path / "copy.zip") as copy:
        assert name == "populations/P22/rows.jsonl"
        assert copy.read("manifest.json") == b"{}"
        assert copy.read(name) == after


def test_an_edited_verdict_is_another_one() -> None:
    assert falsify.with_another_verdict(b'{"verdict":"effective"}') == b'{"verdict":"exceptions"}'
