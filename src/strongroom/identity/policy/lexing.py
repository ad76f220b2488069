"""The words of policy texts: HCL version 1 as policies use it, and JSON.

Specs  RFC 8259 for JSON. HCL has no specification; this is what OpenBao accepts, found out by
       asking it: `#`, `//` and `/* */` comments, strings with `${…}` kept as it is, heredocs.
Units  Lines and columns count from 1, columns in characters. The time taken grows with the
       length of the text alone.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from strongroom.base.errors import InputError

MOST_BYTES = 1 << 20

_SPACE = re.compile(r"[ \t\r\n]*+")
_COMMENT = re.compile(r"(?:\#|//)[^\n]*+|/\*(?s:.*?)\*/")
_WORD = re.compile(r"[^\W\d][\w.\-]*+")
_NUMBER = re.compile(
    r"-?(?:0[xX][0-9a-fA-F]++|(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)"
)
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![0-9.])")
_JSON_STRING = re.compile(r'"(?:[^"\\\n\x00]|\\[^\n\x00])*+"')
# Not possessive: early Python 3.11 forgets the look-ahead then. Nothing follows: it is linear.
_PLAIN = re.compile(r'(?:[^"\\$\n\x00]+|\$(?!\{))*')
_BRACE = re.compile(r"[^{}\\\x00]*+([{}])")
_ESCAPE = re.compile(
    r'\\(?:([abfnrtv\\"])|x([0-7][0-9a-fA-F])|([01][0-7]{2})'
    r"|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"
)
_ESCAPED = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))
_HEREDOC = re.compile(r"<<(-?)(\w++)\r?\n")
_LARGEST = 2**63


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """`kind` is word, text, number, end, or the punctuation mark itself."""

    kind: str
    value: str | float = ""
    at: int

    def __str__(self) -> str:
        """Return how an error names it; never the text of a string."""
        if self.kind in {"end", "text"}:
            return {"end": "the end", "text": "a string"}[self.kind]
        return shown(str(self.value or self.kind))


def shown(text: str) -> str:
    """Return how an error quotes a part of the text: in quotes, and not at any length."""
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


class Source:
    """A text that knows where its lines begin."""

    def __init__(self, text: str) -> None:
        """Take a text; InputError where it is too long, or is not Unicode."""
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise InputError("policy", "is not valid Unicode") from None
        if size > MOST_BYTES:
            raise InputError("policy", "is longer than 1 MiB")
        self.text = text
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def place(self, at: int) -> tuple[int, int]:
        """Return the line and the column of an offset."""
        line = bisect_left(self._ends, at)
        begins = self._ends[line - 1] + 1 if line else 0
        return line + 1, at - begins + 1

    def fail(self, at: int, problem: str) -> NoReturn:
        """Raise the InputError that names a place in the text."""
        line, column = self.place(at)
        raise InputError("policy", f"line {line}, column {column}: {problem}")

    def is_json(self) -> bool:
        """Say whether the first character that is not white space is `{`."""
        return self.text.startswith("{", self.after_space(0))

    def after_space(self, at: int) -> int:
        """Return the offset of the next character that is not white space."""
        found = _SPACE.match(self.text, at)
        return found.end() if found else at


def json_tokens(source: Source) -> Iterator[Token]:
    """Yield the tokens of a JSON text, and `end` as the last."""
    text, at = source.text, source.after_space(0)
    while at < len(text):
        if text[at] in "{}[],:":
            yield Token(kind=text[at], at=at)
            end = at + 1
        elif found := _JSON_STRING.match(text, at):
            yield Token(kind="text", value=_json_string(source, found), at=at)
            end = found.end()
        elif found := _JSON_NUMBER.match(text, at):
            yield Token(kind="number", value=_number(source, found[0], at), at=at)
            end = found.end()
        elif found := _WORD.match(text, at):
            yield Token(kind="word", value=found[0], at=at)
            end = found.end()
        else:
            _unexpected(source, at)
        at = source.after_space(end)
    yield Token(kind="end", at=len(text))


def hcl_tokens(source: Source) -> Iterator[Token]:
    """Yield the tokens of an HCL text without its comments, and `end` as the last."""
    text, at = source.text, source.after_space(0)
    while at < len(text):
        if text[at] in "{}[],=":
            yield Token(kind=text[at], at=at)
            end = at + 1
        elif text[at] == '"':
            value, end = _string(source, at)
            yield Token(kind="text", value=value, at=at)
        elif (found := _WORD.match(text, at)) and _is_word(found[0]):
            yield Token(kind="word", value=found[0], at=at)
            end = found.end()
        elif found := _NUMBER.match(text, at):
            yield Token(kind="number", value=_number(source, found[0], at), at=at)
            end = found.end()
        elif found := _COMMENT.match(text, at):
            end = found.end()
        elif text.startswith("<<", at):
            value, end = _heredoc(source, at)
            yield Token(kind="heredoc", value=value, at=at)
        else:
            _unexpected(source, at)
        at = source.after_space(end)
    yield Token(kind="end", at=len(text))


def _unexpected(source: Source, at: int) -> NoReturn:
    if source.text.startswith("/*", at):
        source.fail(at, "the comment is not closed")
    if source.text[at] == '"':
        source.fail(at, "the string is not closed on its line")
    source.fail(at, f"unexpected character {source.text[at]!r}")


def _is_word(word: str) -> bool:
    """Say whether a word holds letters, decimal digits, `_`, `.` and `-` only."""
    return word.isascii() or all(c.isalpha() or c.isdecimal() or c in "_.-" for c in word)


def _number(source: Source, written: str, at: int) -> int | float:
    """Return a number's value; a leading zero means octal, as it does in HCL."""
    digits = written.removeprefix("-").lower()
    try:
        if digits.startswith("0x"):
            value: float = int(digits, 16)
        elif digits.isdigit():
            value = int(digits[:20], 8 if digits.startswith("0") else 10)
        else:
            value = float(digits)
    except ValueError:
        source.fail(at, "not an octal number")
    if not value < _LARGEST and (isinstance(value, int) or value == float("inf")):
        source.fail(at, "the number is too large")
    return -value if written.startswith("-") else value


def _json_string(source: Source, found: re.Match[str]) -> str:
    try:
        value = json.loads(found[0], strict=False)
        value.encode()
    except ValueError:
        source.fail(found.start(), "the string holds an escape that is no character")
    return str(value)


def _string(source: Source, opened: int) -> tuple[str, int]:
    """Return the string that opens here, and the offset behind it."""
    text, parts, at = source.text, [], opened + 1
    while True:
        if plain := _PLAIN.match(text, at):
            parts.append(plain[0])
            at = plain.end()
        if text.startswith('"', at):
            return "".join(parts), at + 1
        if text.startswith("\\", at):
            part, at = _escape(source, at)
        elif text.startswith("$", at):
            part, at = _interpolation(source, at)
        else:
            source.fail(opened, "the string is not closed on its line")
        parts.append(part)


def _escape(source: Source, at: int) -> tuple[str, int]:
    found = _ESCAPE.match(source.text, at)
    if found is None:
        source.fail(at, "unknown escape")
    if found[1]:
        return _ESCAPED[found[1]], found.end()
    number = int(found[3], 8) if found[3] else int(found[2] or found[4] or found[5], 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        source.fail(at, "the escape is no character")
    return chr(number), found.end()


def _interpolation(source: Source, opened: int) -> tuple[str, int]:
    """Return `${…}` as it stands, with the braces inside it balanced."""
    depth, at = 0, opened + 1
    while depth or at == opened + 1:
        found = _BRACE.match(source.text, at)
        if found is None:
            source.fail(opened, "${ is not closed, or holds a backslash")
        depth += 1 if found[1] == "{" else -1
        at = found.end()
    return source.text[opened:at], at


def _heredoc(source: Source, opened: int) -> tuple[str, int]:
    """Return the text up to the line that holds the anchor alone."""
    found = _HEREDOC.match(source.text, opened)
    if found is None:
        source.fail(opened, "a heredoc begins with << and a word alone on the line")
    closing = re.compile(rf"^([ \t]*+){re.escape(found[2])}\r?$", re.MULTILINE)
    closed = closing.search(source.text, found.end())
    if closed is None:
        source.fail(opened, "the heredoc is not closed")
    content = source.text[found.end() : closed.start()]
    lines = content.splitlines(keepends=True)
    if found[1] and all(line.startswith(closed[1]) for line in lines):
        content = "".join(line.removeprefix(closed[1]) for line in lines)
    return content, closed.end()
