"""Asks for what must not be seen, and reads what is piped in.

Trust  Typed secrets are not echoed, and nothing keeps them but the caller. Without a terminal
       they come from the standard input; nothing is ever asked for twice in silence.
"""

from __future__ import annotations

import sys

from strongroom.cli.errors import CommandError


def hidden(what: str, *, confirm: bool = False, optional: bool = False) -> str:
    """Return a secret, typed without an echo or piped in; `what` is the question.

    An `optional` one may be left empty where it is typed.
    """
    if not sys.stdin.isatty():
        return one_line(what)
    typed = _typed(what, optional=optional)
    if confirm and typed != _typed(f"{what} again"):
        raise CommandError("the two were not alike", "try again")
    return typed


def _typed(what: str, *, optional: bool = False) -> str:
    from getpass import getpass  # noqa: PLC0415  only where somebody types

    text = getpass(f"{what}: ")
    if not (text or optional):
        raise CommandError(f"{what}: nothing was typed")
    return text


def one_line(what: str) -> str:
    """Return the first line of the standard input."""
    text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise CommandError(f"{what}: nothing on the standard input")
    return text


def value_of(key: str) -> str:
    """Return the whole standard input; on a terminal, what is typed without an echo."""
    return hidden(key) if sys.stdin.isatty() else sys.stdin.read()


def agree(question: str, *, given: bool) -> None:
    """Go on only if somebody says yes; without a terminal, only if it was said beforehand."""
    if given:
        return
    if not sys.stdin.isatty():
        raise CommandError("this needs a yes", "give --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandError("left as it was")
