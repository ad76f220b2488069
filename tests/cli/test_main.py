"""Help, errors and statuses: what holds for every command."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import click
import pytest

from strongroom.cli import main
from strongroom.cli.commands import Group
from strongroom.cli.main import ENTRIES, root
from tests.cli.conftest import PROGRAM, Shell

LEAN = {"rich", "cryptography", "asyncio", "msgspec", "strongroom.crypto", "strongroom.audit"}


def commands(group: Group, prefix: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    """Return every command below a group, by the words that reach it."""
    context = click.Context(group)
    found: list[tuple[tuple[str, ...], object]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        words = (*prefix, name)
        found += commands(command, words) if isinstance(command, Group) else [(words, command)]
    return found


EVERY = commands(root)


class TestHelp:
    def test_the_overview_lists_every_command_and_imports_none(self, nowhere: Shell) -> None:
        code = (
            "import sys; from strongroom.cli.main import root\n"
            "try: root.main(['--help'])\n"
            "finally: assert not any(m.startswith('strongroom.cli.kv') for m in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=nowhere.full_environment(),
            capture_output=True,
            text=True,
            check=True,
        )

        assert [name for name in ENTRIES if f"  {name} " not in done.stdout] == []

    @pytest.mark.parametrize(
        ("words", "command"), EVERY, ids=["-".join(words) for words, _ in EVERY]
    )
    def test_every_command_explains_itself(
        self, words: tuple[str, ...], command: click.Command, nowhere: Shell
    ) -> None:
        done = nowhere(*words, "--help")

        assert done.code == 0
        assert command.get_short_help_str(200).endswith(".")
        assert done.out.startswith(f"Usage: strongroom {' '.join(words)} ")

    @pytest.mark.parametrize("name", ENTRIES)
    def test_every_command_is_where_the_overview_says(self, name: str) -> None:
        module, _, attribute = ENTRIES[name].place.partition(":")
        command = getattr(import_module(module), attribute)

        assert command.name == name

    @pytest.mark.parametrize("words", [(), ("kv",)])
    def test_a_group_without_a_command_shows_its_help(
        self, words: tuple[str, ...], nowhere: Shell
    ) -> None:
        done = nowhere(*words)

        assert (done.code, done.out) == (1, "")
        assert "Usage: strongroom" in done.err


class TestLean:
    def test_status_imports_neither_tables_nor_cryptography(self, nowhere: Shell) -> None:
        code = (
            "import sys; from strongroom.cli.main import root\n"
            "try: root.main(['-address=http://127.0.0.1:1', 'status'])\n"
            "except SystemExit: print(*sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=nowhere.full_environment(),
            capture_output=True,
            text=True,
            check=True,
        )

        assert LEAN & set(done.stdout.split()) == set()


class TestErrors:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("kv", "gett"), "no such command: gett (did you mean get?)"),
            (("status", "--frmat=json"), "no such option: --frmat (did you mean --format?)"),
            (("kv", "get"), "PATH is missing"),
            (("kv", "get", "a", "-version=x"), "--version is not a number, 1 or more"),
            (("status", "-format=yaml"), "--format is not one of table, json"),
            (("kv", "get", "a", "b"), "too many arguments"),
        ],
    )
    def test_a_wrong_command_line_is_one_line_that_says_what(
        self, words: tuple[str, ...], said: str, nowhere: Shell
    ) -> None:
        done = nowhere(*words)

        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"error: {said}; see `strongroom ")
        assert done.err.count("\n") == 1

    @pytest.mark.parametrize(
        "words",
        [
            ("kv", "put", "secret/a", "Hunter2"),
            ("kv", "get", "secret/a", "Hunter2", "more"),
            ("unseal", "a", "Hunter2"),
            ("login", "-pHunter2"),
            ("login", "--Hunter2"),
            ("login", "-method=Hunter2"),
            ("login", "a", "Hunter2"),
            ("token", "create", "-use-limit=Hunter2"),
            ("token", "lookup", "a", "Hunter2"),
            ("Hunter2",),
            ("run", "--env", "Hunter2", "--", "true"),
            ("write", "sys/x", "Hunter2"),
            ("-address=https://user:Hunter2@host", "status"),
            ("kv", "metadata", "put", "secret/a", "-custom-metadata=Hunter2"),
            ("operator", "generate-root", "-decode=Hunter2", "-otp=Hunter2"),
        ],
        ids=" ".join,
    )
    def test_no_error_repeats_a_value_of_the_command_line(
        self, words: tuple[str, ...], shell: Shell
    ) -> None:
        done = shell(*words)

        assert done.code in {1, 2}
        assert "unter2" not in (done.out + done.err).casefold()

    def test_a_defect_is_named_by_its_kind_and_place_alone(
        self, nowhere: Shell, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise KeyError("hunter2")

        monkeypatch.setattr("strongroom.cli.version.platform.python_version", broken)

        done = nowhere("version")

        assert done.code == 1
        assert "a defect in strongroom: KeyError at test_main.py:" in done.err
        assert "hunter2" not in done.err

    def test_a_reader_that_goes_away_is_no_error(self, nowhere: Shell) -> None:
        with subprocess.Popen(
            [*PROGRAM, "completion", "bash"],
            env=nowhere.full_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.close()
            _, said = process.communicate(timeout=20)

        assert said == b""


class TestSettings:
    def test_the_command_line_counts_before_ours_and_that_before_vaults(
        self, nowhere: Shell
    ) -> None:
        nowhere.environment["VAULT_ADDR"] = "http://127.0.0.1:1"
        third = nowhere("status").err
        nowhere.environment["STRONGROOM_ADDR"] = "http://127.0.0.1:2"
        second = nowhere("status").err
        first = nowhere("status", "-address", "http://127.0.0.1:3").err

        assert [text[23:25] for text in (first, second, third)] == [":3", ":2", ":1"]

    def test_an_option_of_the_connection_may_stand_before_the_command(self, nowhere: Shell) -> None:
        assert "127.0.0.1:3 " in nowhere("--address=http://127.0.0.1:3", "status").err

    def test_the_version_is_told(self, nowhere: Shell) -> None:
        assert nowhere("version").out.startswith("strongroom 0.")
        assert set(nowhere("version", "-format=json").data) == {"version", "python"}

    @pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
    def test_completion_calls_us(self, name: str, nowhere: Shell) -> None:
        assert "_STRONGROOM_COMPLETE" in nowhere("completion", name).out

    def test_completion_knows_the_commands(self, nowhere: Shell) -> None:
        nowhere.environment |= {
            "_STRONGROOM_COMPLETE": "bash_complete",
            "COMP_WORDS": "strongroom kv me",
            "COMP_CWORD": "2",
        }

        assert nowhere.process().out.strip() == "plain,metadata"


def test_there_is_no_way_around_verification() -> None:
    options = {
        name
        for _, command in EVERY
        if isinstance(command, click.Command)
        for parameter in command.params
        for name in parameter.opts
    }

    assert not any("skip" in name or "insecure" in name for name in options)
    assert "SKIP" not in main.HELP
