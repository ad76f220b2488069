"""The index of the documents names each of them, by its title."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.docs import ROOT, Document, documents

INDEX = ROOT / "docs" / "README.md"
DECIDED = re.compile(r"^20\d\d-\d\d-\d\d, (accepted|superseded by \d{4})\.$", re.MULTILINE)
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def test_the_index_names_every_document() -> None:
    linked = {(INDEX.parent / link.target).resolve() for link in Document(INDEX).links()}
    inside = {d.path for d in documents() if d.path.is_relative_to(INDEX.parent)} - {INDEX}

    assert inside <= linked


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_a_number_a_date_and_its_title_in_the_index(path: Path) -> None:
    title = Document(path).title

    assert re.match(r"\d{4} \w", title)
    assert title[:4] == path.name[:4]
    assert DECIDED.search(path.read_text())
    assert f"[{title}](decisions/{path.name})" in " ".join(INDEX.read_text().split())


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]

    assert numbers == list(range(1, len(numbers) + 1))
