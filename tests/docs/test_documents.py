"""What the documents say is so: links lead somewhere, samples parse, and marked ones run.

The convention is in CONTRIBUTING.md: a block marked `test` after its language is run, one marked
`slow` too is run by `make test-all` alone.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.docs.transcripts import on_free_ports, play, steps
from tools import docs

DOCUMENTS = docs.documents()
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)


def marked(language: str) -> list[object]:
    """Return the documents with blocks of this language to run, the slow ones marked so."""
    return [
        pytest.param(
            document,
            id=document.name,
            marks=[pytest.mark.slow] if any("slow" in b.marks for b in blocks) else [],
        )
        for document in DOCUMENTS
        if (
            blocks := [b for b in document.blocks() if b.language == language and "test" in b.marks]
        )
    ]


@every_document
def test_links_lead_somewhere(document: docs.Document) -> None:
    assert docs.broken_links(document) == []


@every_document
def test_data_samples_parse(document: docs.Document) -> None:
    for block in document.blocks():
        if block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "json":
            json.loads(block.text)


@every_document
def test_python_samples_compile(document: docs.Document) -> None:
    for block in document.blocks():
        if block.language == "python":
            compile(block.text, f"{document.name}:{block.line}", "exec")


@every_document
def test_a_mark_is_one_that_means_something(document: docs.Document) -> None:
    for block in document.blocks():
        assert set(block.marks) <= {"test", "slow"}, f"{document.name}:{block.line}"


@pytest.mark.parametrize("document", marked("python"))
def test_python_samples_run(document: docs.Document) -> None:
    names: dict[str, object] = {"__name__": document.name}
    for block in document.blocks():
        if block.language == "python" and "test" in block.marks:
            exec(compile(block.text, f"{document.name}:{block.line}", "exec"), names)


@pytest.mark.parametrize("document", marked("console"))
def test_transcripts_happen_as_written(document: docs.Document, tmp_path: Path) -> None:
    blocks = [b for b in document.blocks() if b.language == "console" and "test" in b.marks]
    script = [step for block in blocks for step in steps(block.text, block.line + 1)]

    assert play(on_free_ports(script), tmp_path) == []


def test_the_pages_are_built_whole_and_from_one_origin(tmp_path: Path) -> None:
    number = docs.build(tmp_path)

    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) == number == len(DOCUMENTS)
    assert all("<script" not in page.read_text() for page in pages)
    assert (tmp_path / "index.html").exists()
