"""The limits of a secret's custom metadata.

Vault   64 keys; keys of 1 to 128 bytes, values of 1 to 512 bytes, all printable. Numbers and
        flags are kept as text.
Trust   Custom metadata is not secret: it stands in replies of those who may only list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from strongroom.base.errors import InputError

MOST_KEYS = 64
LONGEST_KEY = 128
LONGEST_VALUE = 512
_FAILED = "custom_metadata validation failed:"


def checked(given: Mapping[str, object]) -> dict[str, str] | None:
    """Return custom metadata as it is kept; None when it is empty.

    Raises InputError that names every key which breaks a limit.
    """
    if len(given) > MOST_KEYS:
        problem = f"payload must contain at most {MOST_KEYS} keys, provided {len(given)}"
        raise InputError("", f"{_FAILED} {problem}")
    texts = {key: _text(key, value) for key, value in given.items()}
    problems = [problem for key, value in texts.items() for problem in _problems(key, value)]
    if problems:
        raise InputError("", "; ".join(f"{_FAILED} {problem}" for problem in problems))
    return texts or None


def _text(key: str, value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return str(int(value))
        case int() | float():
            return str(value)
    raise InputError("", f"{_FAILED} value for key {_shown(key)} is not text")


def _problems(key: str, value: str) -> Iterator[str]:
    size = len(_bytes(key))
    if not 0 < size <= LONGEST_KEY:
        yield f"length of key {_shown(key)} is {size} but must be 0 < len(key) <= {LONGEST_KEY}"
    elif not key.isprintable():
        yield f"key {_shown(key)} contains unprintable characters"
    size = len(_bytes(value))
    if not 0 < size <= LONGEST_VALUE:
        yield (
            f"length of value for key {_shown(key)} is {size} "
            f"but must be 0 < len(value) <= {LONGEST_VALUE}"
        )
    elif not value.isprintable():
        yield f"value for key {_shown(key)} contains unprintable characters"


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _shown(key: str) -> str:
    cut = key if len(key) <= LONGEST_KEY else f"{key[:LONGEST_KEY]}…"
    return f'"{cut}"' if cut.isprintable() else ascii(cut)
