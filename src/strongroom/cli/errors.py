"""What the command line says when something is wrong, and the status it exits with.

    0    done
    1    what was given cannot be used: a flag, a path, a file; nothing was sent
    2    the server refused, is sealed, or could not be reached
    3    what was examined does not hold: a log, a pack, a policy, an access question
    130  interrupted

Order  An error is one line: where, what is wrong, what to do. It never carries a value that was
       given as an argument, since that may be a secret.
"""

from __future__ import annotations

import re
from typing import Final

import click

OK: Final = 0
UNUSABLE: Final = 1
REFUSED: Final = 2
DOES_NOT_HOLD: Final = 3
INTERRUPTED: Final = 130

_PLAIN_OPTION: Final = re.compile(r"--?[a-z][a-z-]{0,30}")
_PLAIN_WORD: Final = re.compile(r"[a-z][a-z-]{0,20}")


class CommandError(click.ClickException):
    """The command cannot go on; `advice` says what to do about it."""

    def __init__(self, problem: str, advice: str = "", exit_code: int = UNUSABLE) -> None:
        super().__init__(f"{problem}; {advice}" if advice else problem)
        self.problem = problem
        self.advice = advice
        self.code = exit_code


class UnreachableError(CommandError):
    """No answer came from the server."""

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem, advice, REFUSED)


class RefusedError(CommandError):
    """The server answered with an error; `status` is that of HTTP, `body` what came with it."""

    def __init__(self, problem: str, advice: str = "", *, status: int, body: object = None) -> None:
        super().__init__(problem, advice, REFUSED)
        self.status = status
        self.body = body


def usage_problem(error: click.UsageError) -> str:
    """Say what is wrong with a command line without repeating a value of it."""
    command = error.ctx.command_path if error.ctx is not None else "strongroom"
    return f"{_problem(error)}; see `{command} --help`"


def _problem(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        shown = _plain(
            error.option_name, _PLAIN_OPTION, "an option that this command does not have"
        )
        return f"no such option: {shown}{_meant(error.possibilities)}"
    if isinstance(error, click.exceptions.NoSuchCommand):
        shown = _plain(error.command_name, _PLAIN_WORD, "the first argument")
        return f"no such command: {shown}{_meant(error.possibilities)}"
    if isinstance(error, click.MissingParameter):
        return f"{_name(error.param)} is missing"
    if isinstance(error, click.BadParameter):
        return f"{_name(error.param)} is not {_expected(error.param)}"
    if isinstance(error, click.BadOptionUsage):
        return (
            f"{_plain(error.option_name, _PLAIN_OPTION, 'an option')} needs a value, or takes none"
        )
    if "extra argument" in error.message:
        return "too many arguments"
    return "this cannot be read as a command"


def _plain(text: str, pattern: re.Pattern[str], otherwise: str) -> str:
    return text if pattern.fullmatch(text) else otherwise


def _meant(possibilities: object) -> str:
    names = [str(name) for name in possibilities] if isinstance(possibilities, list | tuple) else []
    return f" (did you mean {' or '.join(names[:3])}?)" if names else ""


def _name(parameter: click.Parameter | None) -> str:
    if parameter is None:
        return "an argument"
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return parameter.make_metavar(click.Context(click.Command("strongroom"))).strip("[].")


def _expected(parameter: click.Parameter | None) -> str:
    kind = parameter.type if parameter is not None else None
    if isinstance(kind, click.Choice):
        return "one of " + ", ".join(str(choice) for choice in kind.choices)
    if isinstance(kind, click.IntRange):
        upper = f" to {kind.max}" if kind.max is not None else " or more"
        return (
            f"a number from {kind.min}{upper}"
            if kind.max is not None
            else (f"a number, {kind.min}{upper}")
        )
    if isinstance(kind, click.types.IntParamType):
        return "a number"
    if isinstance(kind, click.Path):
        return "a file or directory that can be used"
    return "of the form that is expected"
