"""Facts of the code that the documents state in passing: commands, files, tables, numbers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from strongroom.api import server as http_server
from strongroom.api.limits import EdgeLimits
from strongroom.auth.userpass.method import LONGEST_PASSWORD
from strongroom.base.configuration import LogConfiguration
from strongroom.cli.main import root
from strongroom.core import login, noise, pipeline, runtime
from strongroom.engines.kv.records import KEPT_BY_DEFAULT
from strongroom.identity.tokens import Tokens
from strongroom.storage import postgres, sqlite
from strongroom.storage.barrier import Barrier
from strongroom.storage.commit import MAX_LEAF
from strongroom.storage.opening import open_database
from tools.docs import ROOT, Document, documents

CODE = ROOT / "src" / "strongroom"
WITNESS_SECONDS = LogConfiguration(origin="log").witness_interval.total_seconds()
DOCUMENTS = documents()
ENDS = {"|", ">", "<", ";", "&", "&&", "||", "<<", "2>&1", ">>"}
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)


# -- commands


def commands(document: Document) -> Iterator[tuple[int, list[str]]]:
    """Give the words of each `strongroom …` in the transcripts of a document."""
    for block in document.blocks():
        if block.language != "console":
            continue
        for number, line in enumerate(block.text.splitlines(), block.line + 1):
            for found in re.finditer(r"(?:^\$ |[|(] ?|\bTOKEN\S* )(strongroom [^)]*)", line):
                yield number, words(found[1])


def words(text: str) -> list[str]:
    """Split a command as a shell would, up to where another begins."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|;<>&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[str] = []
    try:
        for word in lexer:
            if word[0] in "|;<>&":
                break
            found.append(word)
    except ValueError:
        pass  # a quotation that goes on: what came before it is enough
    return found[1:]


def options_of(command: click.Command) -> set[str]:
    return {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help"}


def unknown(given: list[str]) -> str | None:
    """Return what of a command line does not exist, or None."""
    command: click.Command = root
    known = options_of(root)
    skip = False
    for word in given:
        if skip or word == "--":
            if word == "--":
                return None
            skip = False
        elif word.startswith("-") and word != "-":
            name = word.partition("=")[0]
            if name not in known:
                return f"{command.name} has no {name}"
            found = [p for p in (*root.params, *command.params) if name in p.opts]
            takes = bool(found) and isinstance(found[-1], click.Option) and not found[-1].is_flag
            skip = takes and "=" not in word
        elif isinstance(command, click.Group):
            inner = command.get_command(click.Context(command), word)
            if inner is None:
                return f"{command.name} has no command {word}"
            command = inner
            known |= options_of(inner)
    return None


@every_document
def test_commands_exist_with_their_options(document: Document) -> None:
    wrong = [
        f"{document.name}:{line}: {problem}"
        for line, given in commands(document)
        if (problem := unknown(given)) is not None
    ]

    assert wrong == []


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert unknown(["log", "verify", "./log", "--vkey", "KEY"]) is None
    assert unknown(["log", "polish"]) == "log has no command polish"
    assert unknown(["log", "verify", "--polish"]) == "verify has no --polish"


@every_document
def test_targets_of_make_exist(document: Document) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", document.path.read_text()))

    assert named <= targets


# -- files and tables


@every_document
def test_modules_that_are_named_exist(document: Document) -> None:
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*/[a-z_]+\.py)`", document.path.read_text()))

    assert [name for name in named if not ((CODE / name).exists() or (ROOT / name).exists())] == []


async def test_every_table_of_the_database_is_in_the_table(tmp_path: Path) -> None:
    database = await open_database(f"sqlite://{tmp_path}/strongroom.db")
    rows = await database.rows("SELECT name FROM sqlite_schema WHERE type = 'table'", ())
    await database.close()
    stored = {name for (name,) in rows} - {"alembic_version", "sqlite_sequence"}
    text = (ROOT / "docs" / "storage.md").read_text()
    listed = re.findall(r"^\| (`[a-z_`, ]+`) \|", text, re.MULTILINE)

    assert set(re.findall(r"`(\w+)`", " ".join(listed))) == stored


# -- numbers


def token_characters() -> int:
    tokens = Tokens(Barrier(bytes), bytes)
    return len(tokens.text())


NUMBERS = [
    ("life-of-a-request.md", f"at most {sqlite.BATCH} requests"),
    ("life-of-a-request.md", f"{pipeline.ATTEMPTS} times, and from the third"),
    ("life-of-a-request.md", f"larger than {MAX_LEAF // 1024} KiB"),
    ("life-of-a-request.md", f"Every {WITNESS_SECONDS:.0f} seconds"),
    ("life-of-a-request.md", "longer than five seconds"),
    ("decisions/0001-optimistic-transactions.md", f"at most {sqlite.BATCH} requests"),
    ("decisions/0001-optimistic-transactions.md", f"at most {pipeline.ATTEMPTS} times"),
    ("decisions/0006-token-prefixes.md", f"base64url: {token_characters()} characters"),
    ("decisions/0009-noise.md", f"At most {noise.MOST:,} kinds"),
    ("divergences.md", f"up to {pipeline.ATTEMPTS} times"),
    ("divergences.md", f"1 to {LONGEST_PASSWORD:,} bytes"),
    ("storage.md", f"less than {sqlite.RESERVE // sqlite.MIB} MiB free"),
    ("configuration.md", "up to 30 seconds"),
    ("log.md", f"at most every {WITNESS_SECONDS:.0f} seconds"),
    ("log.md", f"at most {MAX_LEAF // 1024} KiB"),
]


@pytest.mark.parametrize(("document", "words"), NUMBERS, ids=[f"{d}-{w}" for d, w in NUMBERS])
def test_numbers_are_those_of_the_code(document: str, words: str) -> None:
    text = " ".join((ROOT / "docs" / document).read_text().split())

    assert words in text


def test_numbers_that_stand_as_words() -> None:
    assert sqlite.BATCH == postgres.BATCH
    assert postgres.SETTLE_SECONDS == 5
    assert noise.ALLOWED == 10
    assert KEPT_BY_DEFAULT == 10
    assert login.FAILURES == 5
    assert runtime.HEARTBEAT_SECONDS == noise.WINDOW.total_seconds() == 60
    assert EdgeLimits().body_bytes == 32 * 1024 * 1024
    assert EdgeLimits().buffered_bytes == 3 * EdgeLimits().body_bytes
    assert EdgeLimits().spared_bytes == 64 * 1024
    assert http_server._RELOAD_SECONDS == 12 * 3600
