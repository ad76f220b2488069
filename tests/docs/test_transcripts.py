"""The runner of transcripts, on transcripts of its own."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.docs.transcripts import matches, play, steps
from tools.docs import Document, broken_links


def differences(text: str, folder: Path) -> list[str]:
    return play(list(steps(text)), folder)


def ends(pid: int, seconds: float = 10) -> bool:
    """Wait for a process to end; one that nobody has waited for yet has ended too."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False


def test_a_transcript_that_holds_is_silent(tmp_path: Path) -> None:
    text = "$ echo one\none\n$ printf 'two\\nthree\\n'\ntwo\nthree\n$ true\n"

    assert differences(text, tmp_path) == []


def test_commands_share_a_shell_and_may_go_on_over_lines(tmp_path: Path) -> None:
    text = "$ name=a\\\n> b\n$ cd / && echo $name in $PWD\nab in /\n"

    assert differences(text, tmp_path) == []


def test_other_output_is_shown_beside_what_was_said(tmp_path: Path) -> None:
    [difference] = differences("$ echo one\ntwo\n", tmp_path)

    assert difference == "line 1: echo one\nprinted\none\n\nnot\ntwo"


def test_a_command_that_fails_is_named_with_its_words(tmp_path: Path) -> None:
    [difference] = differences("$ echo why >&2; false\nwhy\n", tmp_path)

    assert difference == "line 1: echo why >&2; false\nexit status 1\nwhy\n"


def test_a_shell_that_ends_early_is_a_difference(tmp_path: Path) -> None:
    [difference] = differences("$ exit 0\n$ echo one\none\n", tmp_path)

    assert difference == "line 1: the shell ended before this command"


def test_what_runs_in_the_background_is_ended(tmp_path: Path) -> None:
    text = "$ sleep 600 &\n$ echo $! > pid\n"

    assert differences(text, tmp_path) == []

    assert ends(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    ("expected", "printed", "held"),
    [
        ("one", "one\n", True),
        ("one", "one two", False),
        ("token  ...", "token  s.abc", True),
        ("a ... c", "a b\nc", False),
        ("first\n...\nlast", "first\n1\n2\nlast", True),
        ("first\n...\nlast", "first\nlast", True),
        ("first\n...", "first\nand\nmore", True),
        ("...", "anything\nat all", True),
        ("(a+b)*", "(a+b)*", True),
        ("(a+b)*", "aab", False),
        ("", "", True),
    ],
)
def test_dots_stand_for_anything(expected: str, printed: str, *, held: bool) -> None:
    assert matches(expected, printed) is held


def test_output_before_a_command_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 1: output before the first command"):
        list(steps("one\n$ two\n"))


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[a](README.md)", []),
        ("[a](#here)\n\n# Here", []),
        ("[a](https://example.org/x)", []),
        ("[a](no-such.md)", ["no-such.md: no such file"]),
        ("[a](#there)\n\n# Here", ["#there: no such heading"]),
        ("[a](/etc/hosts)", ["/etc/hosts: absolute path"]),
        ("[a](../../outside.md)", ["../../outside.md: outside of the repository"]),
        ("![a](docs/none.png)", ["docs/none.png: no such file"]),
    ],
)
def test_a_link_that_leads_nowhere_is_named(
    text: str, problems: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tools.docs.ROOT", tmp_path)
    for name, content in (("README.md", "# Us"), ("page.md", text)):
        (tmp_path / name).write_text(content)

    found = broken_links(Document(tmp_path / "page.md"))

    assert [problem.removeprefix("page.md:1: ") for problem in found] == problems


def test_headings_of_one_text_get_anchors_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# `kv` and Tokens\n\n## Read\n\n## Read\n")

    assert [anchor for _, anchor, _ in Document(path).headings()] == [
        "kv-and-tokens",
        "read",
        "read-1",
    ]
