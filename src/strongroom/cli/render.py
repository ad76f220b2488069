"""What commands print: aligned fields, tables, states, JSON.

Order  Answers go to the standard output, remarks to the standard error, so that what is piped
       holds nothing else. A state is a shape and a word; colour only repeats it, on a terminal
       that has it, and never where NO_COLOR is set.
Trust  Control characters of a value, and those that turn text around, are shown escaped: on a
       terminal always, in fields and tables everywhere. In a pipe one value by itself, a policy
       and JSON are what they are.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TextIO

import click

NOTHING = "\N{EN DASH}"
_WHITE_ON_BLACK, _PLAIN = "\x1b[38;5;231;48;5;16m", "\x1b[0m"


class Mark(Enum):
    """The shape of a state, the shape where there is only ASCII, and its colour."""

    ON = ("●", "*", "green")
    OFF = ("○", "o", "yellow")
    PART = ("◐", "~", "yellow")
    GOOD = ("✓", "+", "green")
    BAD = ("✗", "x", "red")
    UNKNOWN = (NOTHING, "-", None)


class Output:
    """Prints in one format; `stdout` and `stderr` are looked up when used."""

    def __init__(self, format_: str, *, no_color: bool, dumb: bool = False) -> None:
        self.format = format_
        self._no_color = no_color
        self._dumb = dumb

    @property
    def as_json(self) -> bool:
        """Whether a program is to read it."""
        return self.format == "json"

    # ------------------------------------------------------------------------------- answers

    def json(self, value: Any) -> None:
        """Print a value as JSON; on a terminal with what would move its cursor as escapes."""
        text = json.dumps(value, indent=2, ensure_ascii=False)
        if sys.stdout.isatty() and not text.replace("\n", "").isprintable():
            text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
        self.line(text)

    def line(self, text: str = "", *, flush: bool = False) -> None:
        """Print a line as it is."""
        print(_encodable(text, sys.stdout), file=sys.stdout, flush=flush)

    def raw(self, value: Any, *, newline: bool | None = None) -> None:
        """Print one value by itself: text as it is in a pipe, anything else as JSON.

        Unless `newline` says, one follows on a terminal and not in a pipe, as with Vault's CLI.
        """
        newline = sys.stdout.isatty() if newline is None else newline
        text = self.safe(as_text(value)) + ("\n" if newline else "")
        sys.stdout.write(_encodable(text, sys.stdout))

    def title(self, text: str, detail: str = "") -> None:
        """Print what the following fields are of."""
        detail = f"   {self.dim(shown(detail))}" if detail else ""
        self.line(self.style(shown(text), bold=True) + detail)

    def fields(self, values: Mapping[str, Any], *, indent: int = 2) -> None:
        """Print names and values, the values aligned; several lines stay under each other."""
        width = max(map(len, values), default=0)
        for name, value in values.items():
            first, *more = shown(as_text(value)).split("\n")
            lead = " " * indent + self.dim(shown(name).ljust(width)) + "   "
            self.line((lead + first).rstrip())
            for line in more:
                self.line((" " * (indent + width + 3) + line).rstrip())

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "nothing here"
    ) -> None:
        """Print rows under headings, wrapped to the terminal; whole lines in a pipe."""
        cells = [[shown(as_text(cell)) for cell in row] for row in rows]
        if not cells:
            self.note(empty)
        elif sys.stdout.isatty():
            self._wrapped(columns, cells)
        else:
            self._plain(columns, cells)

    def _plain(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        flat = [[cell.replace("\n", " ") for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(columns, *flat, strict=True)]
        for row in (columns, *flat):
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.line("  ".join(padded).rstrip())

    def _wrapped(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        from rich.console import Console  # noqa: PLC0415  costs 60 ms; most commands need none
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        table = Table(
            box=None,
            pad_edge=False,
            padding=(0, 3, 0, 0),
            header_style="" if self._no_color else "dim",
        )
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text.from_ansi(self._toned(cell)) for cell in row))
        Console(no_color=self._no_color, highlight=False, emoji=False).print(table)

    def _toned(self, cell: str) -> str:
        for mark in Mark:
            if cell.startswith(f"{mark.value[0]} "):
                return self.style(cell[0], fg=mark.value[2]) + cell[1:]
        return cell

    # ------------------------------------------------------------------------------- remarks

    def done(self, text: str) -> None:
        """Say that a change was made; nothing where a program reads."""
        if not self.as_json:
            self.line(f"{self.mark(Mark.GOOD)} {text}")

    def note(self, text: str) -> None:
        """Say something that is not part of the answer."""
        print(_encodable(text, sys.stderr), file=sys.stderr)

    def picture(self, blocks: str) -> None:
        """Draw block characters beside the remarks; nothing where no eye or camera could read them.

        That is: where a program reads, off a terminal, on one that is dumb, too narrow or without
        the characters. Black on white whatever the terminal's colours, unless NO_COLOR is set.
        """
        first, *_ = lines = blocks.split("\n")
        if self.as_json or self._dumb or not sys.stderr.isatty() or not _encodes(first, sys.stderr):
            return
        if 0 < os.get_terminal_size(sys.stderr.fileno()).columns < len(first):
            self.note("(the terminal is too narrow for a picture of it)")
            return
        for line in lines:
            self.note(line if self._no_color else f"{_WHITE_ON_BLACK}{line}{_PLAIN}")

    # --------------------------------------------------------------------------------- parts

    def state(self, mark: Mark, word: str) -> str:
        """Return a state as its shape and its word."""
        return f"{self.mark(mark)} {word}"

    def mark(self, mark: Mark) -> str:
        """Return a shape, in ASCII where the terminal has no other."""
        shape, ascii_shape, colour = mark.value
        return self.style(shape if _encodes(shape, sys.stdout) else ascii_shape, fg=colour)

    def dim(self, text: str) -> str:
        """Return text that stands back."""
        return self.style(text, dim=True)

    def style(self, text: str, **how: Any) -> str:
        """Return text with a style on a terminal that has one."""
        return click.style(text, **how) if self._styled() else text

    def safe(self, text: str) -> str:
        """Escape what could move the cursor, where there is one."""
        return shown(text) if sys.stdout.isatty() else text

    def _styled(self) -> bool:
        return sys.stdout.isatty() and not self._no_color


def shown(text: str) -> str:
    """Escape what moves a terminal's cursor or turns text around: a pipe may end on one too."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def cell(mark: Mark, word: str) -> str:
    """Return a state for a table, whose cells are coloured when they are printed."""
    shape = mark.value[0] if _encodes(mark.value[0], sys.stdout) else mark.value[1]
    return f"{shape} {word}"


def as_text(value: Any) -> str:
    """Return how a value of a reply reads: text as it is, true as yes, structures as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return NOTHING if _encodes(NOTHING, sys.stdout) else "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or as_text(None)
    return json.dumps(value, ensure_ascii=False)


def when(text: Any) -> str:
    """Return an RFC 3339 time to the second, as `2026-03-01 12:00:00 UTC` where it is in UTC."""
    if not isinstance(text, str) or len(text) < 19 or text.startswith("0001-"):
        return as_text(None)
    zone = text[19:].lstrip(".0123456789")
    return f"{text[:10]} {text[11:19]}" + (" UTC" if zone in {"Z", "+00:00"} else f" {zone}")


def how_long(seconds: Any) -> str:
    """Return a number of seconds as people say it: `32 days`, `1h 30m`, `45s`."""
    if not isinstance(seconds, int) or seconds < 0:
        return as_text(None)
    days, rest = divmod(seconds, 86_400)
    if days and not rest:
        return f"{days} days" if days > 1 else "1 day"
    parts = zip((days, rest // 3_600, rest // 60 % 60, rest % 60), "dhms", strict=True)
    return " ".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def _encodes(text: str, stream: TextIO) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _encodable(text: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "ascii"
    return text if _encodes(text, stream) else text.encode(encoding, "replace").decode(encoding)
