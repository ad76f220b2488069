"""Definitions and builds: what a version of a test covers. `strongroom.evidence.definitions`."""

from __future__ import annotations

import json
import shutil
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

import strongroom
import strongroom.base.version
from strongroom.controls import CONTROLS
from strongroom.evidence.definitions import definition_of
from strongroom.evidence.sources import build_of, digests, installed, made_by, shared

PACKAGE = Path(strongroom.__file__).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's files elsewhere, to be changed."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, tmp_path / "strongroom", ignore=ignored))


@pytest.mark.parametrize(
    "helper",
    [
        "evidence/access_facts.py",
        "evidence/log_reading.py",
        "evidence/storage_walk.py",
        "evidence/frameworks/soc2.toml",
        "sdk/control.py",
        "controls/__init__.py",
        "crypto/merkle.py",
    ],
)
def test_a_helper_that_was_changed_changes_every_definition(helper: str, copy: Path) -> None:
    before = {c.id: definition_of(c).version for c in CONTROLS}
    (copy / helper).write_bytes((copy / helper).read_bytes() + b"\n# easier\n")

    after = {c.id: definition_of(c, digests(copy)).version for c in CONTROLS}

    assert [each for each in before if before[each] == after[each]] == []


def test_a_helper_that_was_added_changes_the_definition(copy: Path) -> None:
    (copy / "evidence/easier.py").write_text("EASIER = True\n")

    assert definition_of(CONTROLS[0], digests(copy)) != definition_of(CONTROLS[0])


def test_what_no_verdict_depends_on_changes_the_build_and_not_the_definitions(copy: Path) -> None:
    (copy / "cli/main.py").write_text("# another\n")

    changed = digests(copy)

    assert [definition_of(c, changed) for c in CONTROLS] == [definition_of(c) for c in CONTROLS]
    assert build_of(changed) != build_of(installed())


def test_a_copy_elsewhere_and_a_zip_have_the_same_build(copy: Path, tmp_path: Path) -> None:
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__/left.cpython-311.pyc").write_bytes(b"over")
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as archive:
        for path in sorted(copy.rglob("*"), reverse=True):
            archive.write(path, path.relative_to(tmp_path))
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        zipped = digests(zipfile.Path(archive, "strongroom/"))

    assert build_of(digests(copy)) == build_of(installed())
    assert build_of(zipped) == build_of(installed())


def test_every_source_file_is_in_the_build() -> None:
    there = {p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*") if p.is_file()}

    left_out = {path for path in there - installed().keys() if "__pycache__" not in path}

    assert left_out == set()
    assert files("strongroom").joinpath("evidence/verify.py").is_file()


def test_a_definition_names_the_files_that_it_covers() -> None:
    named = json.loads(definition_of(CONTROLS[0]).written)["shared"]

    assert named == shared(installed())
    assert {"evidence/access_facts.py", "sdk/control.py", "crypto/merkle.py"} <= named.keys()


def test_what_made_evidence_is_named_with_its_build_and_host() -> None:
    assert made_by("vault-1") == {
        "program": f"strongroom {strongroom.base.version.VERSION}",
        "build": build_of(installed()),
        "host": "vault-1",
    }
