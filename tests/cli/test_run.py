"""`strongroom run`: programs with secrets in their environment."""

from __future__ import annotations

import pytest

from strongroom.cli.errors import CommandError
from strongroom.cli.run import parse
from tests.cli.conftest import Shell
from tests.oracles.openbao import OpenBao


def test_a_program_finds_its_secrets_and_not_our_token(shell: Shell, secret: str) -> None:
    done = shell.process(
        *("run", f"--env=PASSWORD={secret}#password", f"-env=WHO={secret}#user"),
        *("--", "sh", "-c", 'echo "$WHO:$PASSWORD:$STRONGROOM_TOKEN"'),
    )

    assert (done.code, done.out) == (0, "ada:s3cr3t:\n")


def test_the_token_is_kept_if_asked(shell: Shell, vault: OpenBao) -> None:
    done = shell.process("run", "--keep-token", "--", "sh", "-c", 'echo "$STRONGROOM_TOKEN"')

    assert done.out == f"{vault.root_token}\n"


def test_its_status_is_ours(shell: Shell) -> None:
    assert shell.process("run", "--", "sh", "-c", "exit 41").code == 41


def test_its_options_are_its_own(shell: Shell) -> None:
    assert shell.process("run", "--", "echo", "-n", "-field=x", "--").out == "-field=x --"


def test_it_does_not_start_without_a_secret(shell: Shell, secret: str) -> None:
    done = shell.process("run", f"--env=A={secret}#none", "--", "echo", "started")

    assert (done.code, done.out) == (1, "")
    assert f"{secret} has no field none" in done.err


def test_a_program_that_is_not_there_is_status_127(shell: Shell) -> None:
    done = shell.process("run", "--", "strongroom-no-such-program")

    assert done.code == 127
    assert "the program was not found" in done.err


@pytest.mark.parametrize("word", ["A", "A=", "A=b", "A=b#", "A=#c", "1A=b#c", "A B=c#d", "=b#c"])
def test_a_variable_of_another_form_is_refused(word: str) -> None:
    with pytest.raises(CommandError, match="not of the form NAME=PATH#FIELD"):
        parse(word)


def test_a_path_may_hold_what_a_field_may_not() -> None:
    assert parse("A=secret/a=b#c#d") == ("A", "secret/a=b#c", "d")
