"""How one value is read into the type that a field declares: from text, or from JSON.

Paths and queries carry text; bodies carry JSON, whose syntax and UTF-8 have been checked by the
time that this module sees it (`strongroom.core.fields`). A reader is compiled once for each
field and raises InputError alone, naming the field.

Vault   Reads as weakly as Vault's clients have come to rely on: numbers and flags in strings,
        numbers for text (as they were written), a comma-separated string for a list, "k=v" for
        a map. Empty text stands for the default where it is no value of the type itself.
Differs True and false are no numbers and no durations (`ttl`, `max_versions`, `versions`), and a
        duration that may not be negative is refused if it is. A fraction of a second is taken,
        and empty text for an object, as `options` of a secret. OpenBao is the other way about.
        Text has at most 4 MiB and a list or map 10,000 values, but for the data of secrets.
Trust   An error says what was expected and what kind of thing came, never the value: it may be
        a secret in the wrong field. No exception is raised that holds the value, not even as
        the context of another. What is parsed is bounded in length before it is.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence, Sized
from collections.abc import Mapping as AbstractMapping
from contextlib import suppress
from dataclasses import dataclass, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from functools import partial
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from strongroom.base.clock import parse_time
from strongroom.base.duration import parse_duration
from strongroom.base.errors import InputError
from strongroom.base.secret import Secret
from strongroom.sdk.engine import Help, Json


class Absent(Enum):
    """What a reader returns for a value that means the field's default."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
Many = TypeVar("Many", bound=Sized)
_PLAIN = Help("")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,400}(?:\.[0-9]{0,400})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_LONG = re.compile(rb"[0-9]{19}")
_LARGEST = 2**63 - 1
LONGEST: Final = 128  # characters of a number, a duration, a time, one of a few words
LONGEST_TEXT: Final = 4 * 2**20  # characters of text where nothing else is said; bytes of a list
MOST_LISTED: Final = 10_000  # values of a list or map
_LAST_SECOND = 253_402_300_799  # of the year 9999
_TOO_MANY = f"expected at most {MOST_LISTED} values"
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_string = msgspec.json.Decoder(str).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NAMES = {
    ord("{"): "an object",
    ord("["): "a list",
    ord('"'): "text",
    ord("t"): "true",
    ord("f"): "false",
    ord("n"): "null",
}
_QUOTE, _BRACE, _BRACKET, _NULL = b'"{[n'
_FLAGS = b"tf"
_TRUE_STARTS = _FLAGS[0]


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the values of one field.

    `text` takes a path's or a query's; `texts` takes a query's that came more than once (only
    lists and maps have it); `json` takes one JSON value without white space around it.
    """

    text: Callable[[str], object]
    json: Callable[[bytes], object]
    texts: Callable[[Sequence[str]], object] | None = None


def reader(
    name: str, kind: Any, help_: Help | None, nested: Callable[[str, type], Reader]
) -> Reader:
    """Compile the reader of field `name`, whose type is `kind`, without Annotated.

    `nested` compiles the reader of a dataclass. Raises TypeError for a type that no field has.
    """
    told, (kind, _) = help_ or _PLAIN, optional(kind)
    origin = get_origin(kind)
    if kind is Json or kind in {object, Any}:
        return _json_reader(name, kind)
    if isinstance(kind, type) and is_dataclass(kind):
        return nested(name, kind)
    if origin is tuple:
        return _list_reader(name, partial(reader, name, help_=told, nested=nested), kind)
    if origin in {AbstractMapping, dict}:
        each = get_args(kind)[1]
        return _map_reader(name, each, reader(name, each, told, nested))
    return _scalar_reader(name, kind, told)


def optional(kind: Any) -> tuple[Any, bool]:
    """Return a type without its `| None`, and whether it had one."""
    if get_origin(kind) not in {Union, types.UnionType}:
        return kind, False
    rest = [arm for arm in get_args(kind) if arm is not types.NoneType]
    if len(rest) != 1 or len(rest) == len(get_args(kind)):
        raise TypeError(f"a field has one type, or one type and None; not {kind}")
    return rest[0], True


def named(raw: bytes) -> str:
    """Return what kind of JSON value this is, in words."""
    return _NAMES.get(raw[0], "a number")


# -- scalars -----------------------------------------------------------------------------------

Parse = Callable[[str], object]  # returns None when the text is not of the type


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A type that is written as text. `flags` are the texts of JSON's true and false, if any."""

    expected: str
    parse: Parse
    empty: bool = False  # whether empty text is a value of it
    flags: tuple[str, str] | None = None


def _scalar_reader(name: str, kind: Any, told: Help) -> Reader:
    scalar = _scalar(name, kind, told)
    text = _plain_text(name, told) if kind is str else _parsed_text(name, scalar, told)

    def from_json(raw: bytes) -> object:
        first = raw[0]
        if first == _QUOTE:
            return text(_string(raw))
        if first == _NULL:
            return ABSENT
        if first in _FLAGS and scalar.flags is not None:
            return text(scalar.flags[first == _TRUE_STARTS])
        if first in _NAMES:
            raise InputError(name, f"expected {scalar.expected}, got {named(raw)}")
        return text(raw.decode())

    return Reader(text, from_json)


def _parsed_text(name: str, scalar: _Scalar, told: Help) -> Callable[[str], object]:
    parse, short = scalar.parse, scalar.parse is not Secret
    limit = _limit(name, told if short else _bounded(told))
    empty = scalar.empty and (not told.choices or "" in told.choices)

    def text(value: str) -> object:
        if not value and not empty:
            return ABSENT
        parsed = None if short and len(value) > LONGEST else parse(value)
        if parsed is None:
            raise InputError(name, f"expected {scalar.expected}, got something else")
        return limit(parsed)

    return text


def _plain_text(name: str, told: Help) -> Callable[[str], object]:
    """Return the reader of plain text; apart, since every path goes through it."""
    least, most = told.least or 0, LONGEST_TEXT if told.most is None else told.most
    limit = _limit(name, _bounded(told))
    absent = bool(told.choices) and "" not in told.choices

    def text(value: str) -> object:
        if "\0" in value:
            raise InputError(name, "expected text without NUL")
        if absent:
            return limit(value) if value else ABSENT
        if least <= len(value) <= most and not told.choices:
            return value
        return limit(value)

    return text


def _scalar(name: str, kind: Any, told: Help) -> _Scalar:
    if get_origin(kind) is Literal:
        return _closed({str(value): value for value in get_args(kind)})
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _closed({member.value: member for member in kind})
    if kind is timedelta:
        signed = told.least is not None and told.least < 0
        return _Scalar("a duration", partial(_duration, name, signed))
    if kind is datetime:
        return _Scalar("a time", partial(_time, name))
    try:
        return _SCALARS[kind]
    except (KeyError, TypeError):
        raise TypeError(f"field {name!r}: no reader for {kind!r}") from None


def _closed(values: Mapping[str, object]) -> _Scalar:
    return _Scalar(f"one of {', '.join(values)}", values.get, empty="" in values)


def _integer(text: str) -> int | None:
    number = int(text) if _INTEGER.fullmatch(text) else None
    return number if number is not None and -_LARGEST - 1 <= number <= _LARGEST else None


def _real(text: str) -> float | None:
    number = float(text) if _NUMBER.fullmatch(text) else None
    return number if number is not None and abs(number) != float("inf") else None


def _flag(text: str) -> bool | None:
    return True if text in _TRUE else False if text in _FALSE else None


def _duration(name: str, signed: bool, text: str) -> timedelta:
    fraction = _integer(text) is None and _NUMBER.fullmatch(text)
    return parse_duration(float(text) if fraction else text, name, signed=signed)


def _time(name: str, text: str) -> datetime:
    """Read RFC 3339, or seconds since the epoch; Vault takes both."""
    seconds = _integer(text)
    if seconds is None:
        return parse_time(text, name)
    if not 0 <= seconds <= _LAST_SECOND:
        raise InputError(name, "expected a time before the year 10000")
    return datetime.fromtimestamp(seconds, UTC)


def _words(text: str) -> str | None:
    return None if "\0" in text else text


_SCALARS: Mapping[Any, _Scalar] = {
    str: _Scalar("text", _words, empty=True, flags=("0", "1")),
    Secret: _Scalar("text", Secret, empty=True, flags=("0", "1")),
    int: _Scalar("an integer of at most 64 bits", _integer),
    float: _Scalar("a number", _real),
    bool: _Scalar("true or false", _flag, flags=("false", "true")),
}


def _bounded(told: Help) -> Help:
    """Return what is said of a text, with the limit of every text if there is none."""
    return told if told.most is not None else replace(told, most=LONGEST_TEXT)


def _limit(name: str, told: Help) -> Callable[[Any], object]:
    """Return a function that checks what `Help` limits."""
    least, most, choices = told.least, told.most, told.choices

    def check(value: Any) -> object:
        if choices and value not in choices:
            raise InputError(name, f"expected one of {', '.join(map(str, choices))}")
        size, unit = _size(value)
        if least is not None and size < least:
            raise InputError(name, f"expected at least {least}{unit}")
        if most is not None and size > most:
            raise InputError(name, f"expected at most {most}{unit}")
        return value

    return check


def _size(value: Any) -> tuple[float, str]:
    """Return what the limits of a value of this type bound, and in what unit."""
    match value:
        case str():
            return len(value), " characters"
        case Secret():
            return len(value.reveal()), " bytes"
        case timedelta():
            return value.total_seconds(), " seconds"
        case datetime():
            return value.timestamp(), " seconds since 1970"
    return value, ""


# -- what holds others -------------------------------------------------------------------------


def _json_reader(name: str, kind: Any) -> Reader:
    def parsed(raw: bytes) -> object:
        with suppress(msgspec.DecodeError, OverflowError):
            value = msgspec.json.decode(raw)
            if _LONG.search(raw):
                msgspec.msgpack.encode(value)  # refuses integers beyond 64 bits, as the store does
            return value
        raise InputError(name, "holds a number out of range")

    if kind is Json:  # null too is a value of it, and not the default
        return Reader(lambda text: Json(msgspec.json.encode(text)), Json)
    return Reader(lambda text: text, parsed)


def _list_reader(name: str, element: Callable[[Any], Reader], kind: Any) -> Reader:
    each, *rest = get_args(kind)
    if rest != [Ellipsis]:
        raise TypeError(f"field {name!r}: a list is tuple[X, ...], not {kind}")
    one = element(each)

    split = partial(_split, name)

    def texts(values: Sequence[str]) -> object:
        trimmed = (value.strip() for value in values)
        read = (one.text(value) for value in trimmed if value)
        return tuple(value for value in read if value is not ABSENT)

    def item(raw: msgspec.Raw) -> object:
        value = bytes(raw)
        return one.text(_string(value).strip()) if value[0] == _QUOTE else one.json(value)

    def from_json(raw: bytes) -> object:
        if raw[0] == _NULL:
            return ABSENT
        _bound(name, raw)
        if raw[0] == _BRACKET:
            read = map(item, _few(name, _list(raw)))
            return tuple(value for value in read if value is not ABSENT)
        if raw[0] == _QUOTE:
            return texts(split(_string(raw)))
        return (one.json(raw),)

    def repeated(values: Sequence[str]) -> object:
        return texts([part for value in values for part in split(value)])

    return Reader(lambda text: texts(split(text)), from_json, repeated)


def _split(name: str, text: str) -> list[str]:
    """Split at commas; what would be too many parts is counted and not made."""
    if text.count(",") >= MOST_LISTED:
        raise InputError(name, _TOO_MANY)
    return text.split(",")


def _bound(name: str, raw: bytes) -> None:
    if len(raw) > LONGEST_TEXT:
        raise InputError(name, f"expected at most {LONGEST_TEXT} bytes")


def _few(name: str, values: Many) -> Many:
    """Return what was read of a list or map, if it is not too many to be looked at one by one."""
    if len(values) > MOST_LISTED:
        raise InputError(name, _TOO_MANY)
    return values


def _map_reader(name: str, each: Any, one: Reader) -> Reader:
    """Return the reader of an object; one of text also comes as "k=v", or as a list of those."""
    held, nullable = optional(each)
    from_texts = partial(_pairs if held is str else _no_pairs, name)

    def members(raw: bytes) -> object:
        found = _few(name, _object(raw))
        read = {key: one.json(bytes(value)) for key, value in found.items()}
        if nullable:
            return {key: None if value is ABSENT else value for key, value in read.items()}
        return {key: value for key, value in read.items() if value is not ABSENT}

    def from_json(raw: bytes) -> object:
        first = raw[0]
        _bound(name, raw)
        if first == _BRACE:
            return members(raw)
        if first == _NULL:
            return ABSENT
        texts = _only_texts(raw) if first in {_QUOTE, _BRACKET} else None
        if texts is None:
            raise InputError(name, f"expected an object, got {named(raw)}")
        return from_texts(texts)

    return Reader(lambda text: from_texts([text]), from_json, from_texts)


def _pairs(name: str, values: Sequence[str]) -> object:
    pairs = [value.partition("=") for value in values if value]
    if not all(equals for _, equals, _ in pairs):
        raise InputError(name, "expected an object, or text of the form key=value")
    return {key: value for key, _, value in pairs}


def _no_pairs(name: str, values: Sequence[str]) -> object:
    if any(values):
        raise InputError(name, "expected an object, got text")
    return ABSENT


def _only_texts(raw: bytes) -> list[str] | None:
    """Return a text or a list of texts as a list, and None for any other JSON."""
    items = [raw] if raw[0] == _QUOTE else [bytes(value) for value in _list(raw)]
    return [_string(item) for item in items] if all(i[0] == _QUOTE for i in items) else None
