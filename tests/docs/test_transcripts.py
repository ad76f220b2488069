"""The runner of transcripts, on transcripts of its own."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.docs.transcripts import matches, on_free_ports, play, steps
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


def test_ports_become_free_ones_the_same_in_every_line() -> None:
    text = (
        "$ serve 127.0.0.1:8271 &\n$ A=http://127.0.0.1:8271/x B=https://127.0.0.1:8272\n"
        "$ echo $A $B\nhttp://127.0.0.1:8271/x https://127.0.0.1:8272\n"
        "and 127.0.0.1:9999, 10.127.0.0.1:8271, 0.0.0.0:8271\n"
    )

    serve, name, echo = on_free_ports(list(steps(text)))

    first = serve.command.removeprefix("serve 127.0.0.1:").removesuffix(" &")
    second = name.command.rpartition(":")[2]
    assert name.command == f"A=http://127.0.0.1:{first}/x B=https://127.0.0.1:{second}"
    assert echo.expected == (
        f"http://127.0.0.1:{first}/x https://127.0.0.1:{second}\n"
        "and 127.0.0.1:9999, 10.127.0.0.1:8271, 0.0.0.0:8271"
    )
    assert len({first, second, "8271", "8272"}) == 4


def test_two_runs_at_once_do_not_meet(tmp_path: Path) -> None:
    serve = "python -u -m http.server --bind 127.0.0.1 $(echo 127.0.0.1:8271 | cut -d: -f2)"
    ready = "timeout 20 sh -c 'until grep -qs Serving log; do sleep 0.05; done'"
    text = f"$ {serve} > log 2>&1 &\n$ {ready}\n"
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()

    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(play, on_free_ports(list(steps(text))), each) for each in folders]

    assert [run.result() for run in runs] == [[], []]


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
