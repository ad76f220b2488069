"""Command lines as people who know Vault's type them, and `KEY=VALUE` arguments.

Vault  Long options have one dash there, `-field=x`; here either works. `-` alone, negative
       numbers and whatever stands behind `--` are left as they are.
Trust  A value may be a secret: no error of this module repeats one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from strongroom.cli.errors import CommandError

_SINGLE_LETTER = re.compile(r"(-[A-Za-z])=(.*)", re.DOTALL)
_SINGLE_DASH = re.compile(r"-([A-Za-z][A-Za-z0-9_-]+)(=.*)?", re.DOTALL)

ReadHidden = Callable[[str], str]


def with_double_dashes(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `-option=x` written as `--option=x`, up to a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [*(word for each in arguments[:end] for word in _doubled(each)), *arguments[end:]]


def _doubled(argument: str) -> list[str]:
    if match := _SINGLE_LETTER.fullmatch(argument):
        return [match[1], match[2]]
    match = _SINGLE_DASH.fullmatch(argument)
    return [f"--{match[1].replace('_', '-')}{match[2] or ''}" if match else argument]


def read_pairs(words: Sequence[str], standard_input: ReadHidden) -> dict[str, Any]:
    r"""Return what `KEY=VALUE`, `KEY=@FILE`, `KEY=-`, `@FILE` and `-` give, as strings or JSON.

    A file or the standard input alone is a JSON object; behind a key it is the value. `KEY=\@x`
    is the text `@x`. A key given more than once becomes a list, as with Vault.
    """
    found: dict[str, Any] = {}
    for position, word in enumerate(words, start=1):
        if word == "-":
            found |= _json_object(standard_input("JSON"), "the standard input")
        elif word.startswith("@"):
            found |= _json_object(_text_of(word[1:]), word[1:])
        else:
            key, value = _pair(word, position, standard_input)
            found[key] = _appended(found[key], value) if key in found else value
    return found


def _pair(word: str, position: int, standard_input: ReadHidden) -> tuple[str, str]:
    key, separator, value = word.partition("=")
    if not separator or not key:
        raise CommandError(
            f"argument {position} is not of the form KEY=VALUE",
            "write KEY=VALUE, KEY=@FILE, or KEY=- to read the value from the standard input",
        )
    if value == "-":
        return key, standard_input(key)
    if value.startswith("@"):
        return key, _text_of(value[1:])
    return key, value[1:] if value.startswith("\\@") else value


def _appended(held: Any, value: str) -> list[Any]:
    return [*held, value] if isinstance(held, list) else [held, value]


def _text_of(path: str) -> str:
    try:
        return Path(path).read_bytes().decode()
    except UnicodeDecodeError:
        raise CommandError(
            f"{path} is not UTF-8 text", "encode it first, with base64 say"
        ) from None
    except OSError as problem:
        raise CommandError(f"{path} cannot be read: {problem.strerror}") from None


def _json_object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CommandError(f"{where} is not a JSON object")
    return value
