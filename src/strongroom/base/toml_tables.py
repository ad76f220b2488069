"""A TOML document that is being read, and errors that say where.

Specs  TOML 1.0, by `tomllib`.

A `Table` is asked for each key that is known; `done` refuses the rest. Errors name the file, the
line where it can be told, the whole key, and the problem: never the value.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from strongroom.base.clock import parse_time
from strongroom.base.duration import parse_duration
from strongroom.base.errors import InputError

T = TypeVar("T")


class ConfigurationError(InputError):
    """The configuration cannot be used; the message says where, which key, and why."""

    def __init__(self, where: str, key: str, problem: str) -> None:
        super().__init__(key, problem)
        self.where = where
        self.args = (": ".join(part for part in (where, key, problem) if part),)


def read_toml(text: str, source: str) -> dict[str, Any]:
    """Parse a document. Raises ConfigurationError where it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax(source, str(error)) from None
    except RecursionError:
        raise ConfigurationError(source, "", "nested too deeply") from None


@dataclass(frozen=True)
class Where:
    """Knows where a key was written."""

    source: str
    lines: Mapping[str, int]
    overridden: Mapping[str, str]

    def of(self, key: str) -> str:
        """Return the file and line, or the variable, of a key."""
        if key in self.overridden:
            return self.overridden[key]
        line = self.lines.get(key)
        return f"{self.source}:{line}" if line else self.source


class Table:
    """A table that is being read; what is asked for is known, the rest is refused."""

    def __init__(self, raw: Mapping[str, object], key: str, where: Where) -> None:
        self._raw = raw
        self._key = key
        self._where = where
        self._known: dict[str, None] = {}

    def refuse(self, key: str, problem: str) -> NoReturn:
        """Raise the error for a key."""
        name = self._name(key)
        # A key that is missing is missing from its table.
        known = name in self._where.lines or name in self._where.overridden
        raise ConfigurationError(self._where.of(name if known else self._key), name, problem)

    def done(self) -> None:
        """Refuse every key that nobody asked for."""
        for key in self._raw:
            if key in self._known:
                continue
            near = difflib.get_close_matches(key, self._known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self.refuse(key, f"unknown key{hint}")

    def has(self, key: str) -> bool:
        """Say whether a key is there."""
        self._known[key] = None
        return key in self._raw

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string that is not empty."""
        value = str(self._get(key, str, "a string", default))
        if not value or "\0" in value:
            self.refuse(key, "must not be empty")
        return value

    def word(self, key: str, default: str) -> str:
        """Return a short name."""
        value = self.text(key, default)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", value):
            self.refuse(key, "must be letters, digits, dots, dashes or underscores, at most 63")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return an array of strings."""
        values = self._get(key, list, "an array of strings", [])
        if not all(isinstance(each, str) and each for each in values):
            self.refuse(key, "must be an array of strings")
        return tuple(values)

    def each(self, key: str, read: Callable[[str], T], problem: str) -> tuple[T, ...]:
        """Return what `read` makes of each string of an array; its ValueError is `problem`."""
        found = []
        for number, text in enumerate(self.texts(key)):
            try:
                found.append(read(text))
            except ValueError:
                name = self._name(key)
                raise ConfigurationError(
                    self._where.of(name), f"{name}[{number}]", problem
                ) from None
        return tuple(found)

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """Return one of a few strings."""
        value = self.text(key, default)
        if value not in choices:
            self.refuse(key, "must be " + " or ".join(f'"{each}"' for each in choices))
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a boolean."""
        return bool(self._get(key, bool, "true or false", default))

    def path(self, key: str, default: Path | None = None) -> Path:
        """Return a path."""
        return Path(self.text(key, None if default is None else str(default)))

    def number(self, key: str, default: float) -> float:
        """Return a number that is not negative."""
        value = self._get(key, (int, float), "a number", default)
        if isinstance(value, bool) or not 0 <= value < 1e9:
            self.refuse(key, "must be a number from 0 to 10⁹")
        return float(value)

    def size(self, key: str, default: int) -> int:
        """Return a size in bytes."""
        value = self._get(key, (int, str), 'a size such as "32MiB"', default)
        match = re.fullmatch(r"(\d{1,12})(|KiB|MiB|GiB)", str(value), re.ASCII)
        if match is None or isinstance(value, bool) or int(match[1]) == 0:
            self.refuse(key, 'must be a size such as "32MiB", or bytes')
        return int(match[1]) << {"": 0, "KiB": 10, "MiB": 20, "GiB": 30}[match[2]]

    def duration(self, key: str, default: timedelta, *, positive: bool) -> timedelta:
        """Return a duration."""
        if not self.has(key):
            return default
        try:
            found = parse_duration(cast("str", self._raw[key]), key)
        except InputError as error:
            self.refuse(key, error.problem)
        if positive and not found:
            self.refuse(key, "must be longer than nothing")
        return found

    def moment(self, key: str) -> datetime:
        """Return a time, written as a string or as TOML has it."""
        value = self._get(key, (str, datetime), "a time", None)
        if isinstance(value, datetime) and value.tzinfo is None:
            self.refuse(key, "must have a zone, such as the Z in 2026-01-31T09:30:00Z")
        try:
            return parse_time(value if isinstance(value, str) else value.isoformat(), key)
        except InputError as error:
            self.refuse(key, error.problem)

    def table(self, key: str) -> Table:
        """Return a table, empty where there is none."""
        return Table(self._get(key, dict, "a table", {}), self._name(key), self._where)

    def tables(self, key: str) -> Iterable[Table]:
        """Return each of an array of tables."""
        found = self._get(key, list, f"written as [[{key}]]", [])
        for number, each in enumerate(found):
            if not isinstance(each, dict):
                self.refuse(key, f"must be written as [[{key}]]")
            yield Table(each, f"{self._name(key)}[{number}]", self._where)

    def _get(self, key: str, kind: type | tuple[type, ...], what: str, default: Any) -> Any:
        if not self.has(key):
            if default is None:
                self.refuse(key, "is required")
            return default
        value = self._raw[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(key, f"must be {what}")
        return value

    def _name(self, key: str) -> str:
        return f"{self._key}.{key}" if self._key else key


_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=")


def lines_of(text: str) -> dict[str, int]:
    """Return the line of each key, as far as lines tell: tomllib itself gives none.

    A file with multi-line strings might mislead; for such a one nothing is said.
    """
    if '"""' in text or "'''" in text:
        return {}
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            prefix = _table_name(header[1] == "[[", re.sub(r"\s", "", header[2]), counts)
            found.setdefault(prefix, number)
        elif key := _KEY.match(line):
            name = re.sub(r"\s", "", key[1])
            found.setdefault(f"{prefix}.{name}" if prefix else name, number)
    return found


def _table_name(repeated: bool, name: str, counts: dict[str, int]) -> str:
    """Return a table's key with the numbers of the arrays of tables that it lies in."""
    if repeated:
        counts[name] = counts.get(name, -1) + 1
    parts: list[str] = []
    plain = ""
    for part in name.split("."):
        plain = f"{plain}.{part}" if plain else part
        parts.append(f"{part}[{counts[plain]}]" if plain in counts else part)
    return ".".join(parts)


def _syntax(source: str, message: str) -> ConfigurationError:
    """Turn tomllib's "… (at line 3, column 5)" into our form."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message)
    if match is None:
        return ConfigurationError(source, "", message)
    where = f"{source}:{match[2]}:{match[3]}" if match[2] else source
    return ConfigurationError(where, "", f"not TOML: {match[1]}")
