"""docs/configuration.md names every key there is, with the default that it has."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from strongroom.base.configuration import OVERRIDES, parse_configuration
from strongroom.base.toml_tables import Table
from tools.docs import ROOT, Document

DOCUMENT = Document(ROOT / "docs" / "configuration.md")
EVERY_DEFAULT, WITHOUT_DEFAULT = [b.text for b in DOCUMENT.blocks() if b.language == "toml"]
EMPTY: Mapping[str, str] = {}


def keys(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Give the keys of a TOML document, tables left out, numbers of tables too."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from keys(inner, f"{prefix}{name}.")
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict):
            for each in inner:
                yield from keys(each, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every key that the reader asks for, noted while it reads both samples."""
    found: set[str] = set()
    done = Table.done

    def note(table: Table) -> None:
        prefix = re.sub(r"\[\d+\]", "", table._key)
        found.update(f"{prefix}.{key}" if prefix else key for key in table._known)
        done(table)

    monkeypatch.setattr(Table, "done", note)
    for text in (EVERY_DEFAULT, WITHOUT_DEFAULT):
        parse_configuration(text, source="the sample", environ=EMPTY)
    return found


def test_the_defaults_that_are_written_down_are_those_of_an_empty_file() -> None:
    empty = parse_configuration("", source="empty", environ=EMPTY)

    assert parse_configuration(EVERY_DEFAULT, source="the sample", environ=EMPTY) == empty


def test_every_key_is_in_a_sample(known: set[str]) -> None:
    shown = {key for text in (EVERY_DEFAULT, WITHOUT_DEFAULT) for key in keys(tomllib.loads(text))}
    tables = {key for key in known if any(each.startswith(f"{key}.") for each in known)}

    assert shown == known - tables


def test_every_variable_of_the_environment_is_in_the_table() -> None:
    rows = re.findall(r"\| `(STRONGROOM_\w+)` \| `([\w.]+)` \|", DOCUMENT.path.read_text())

    assert dict(rows) == {name: ".".join(key) for name, key in OVERRIDES.items()}
