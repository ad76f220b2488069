"""One layout for policies in HCL: what changes is the space between words, never a word.

Comments, strings and heredocs stay as they are. Blocks are indented by two spaces, one empty
line at most separates what was apart, and `=` stands in one column within neighbouring lines.
JSON is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PIECE = re.compile(
    r"(?P<heredoc><<-?(?P<anchor>\w+)\r?\n(?s:.*?)^[ \t]*(?P=anchor)$)"
    r'|(?P<text>"(?:\$\{[^}\n]*\}|\\.|[^"\\\n])*")'
    r"|(?P<comment>(?:#|//)[^\n]*|/\*(?s:.*?)\*/)"
    r"|(?P<newline>\r?\n)"
    r"|(?P<space>[ \t]+)"
    r"|(?P<mark>[{}\[\],=])"
    r'|(?P<word>[^\s{}\[\],="#]+)',
    re.MULTILINE,
)
_SETTING = re.compile(r'("(?:\\.|[^"\\])*"|[^\s"#=]+) = ')

Piece = tuple[str, str]


def laid_out(text: str) -> str:
    """Return the policy in this layout; the caller has seen that it can be read."""
    if text.lstrip().startswith("{"):
        return text
    lines = list(_indented(_lines(text)))
    return "\n".join(_aligned(lines)).strip("\n") + "\n" if any(lines) else ""


def _lines(text: str) -> Iterator[list[Piece]]:
    """Yield the pieces of each line, without the space between them."""
    line: list[Piece] = []
    for match in _PIECE.finditer(text):
        kind = match.lastgroup or ""
        kind = "heredoc" if kind == "anchor" else kind
        if kind == "newline":
            yield line
            line = []
        elif kind != "space":
            line.append((kind, match[0].rstrip() if kind == "comment" else match[0]))
    yield line


def _indented(lines: Iterator[list[Piece]]) -> Iterator[str]:
    """Yield lines with their indentation, and one empty line where there were some."""
    depth, empty = 0, True
    for line in lines:
        marks = [text for kind, text in line if kind == "mark"]
        opened = sum(mark in "{[" for mark in marks)
        closed = sum(mark in "}]" for mark in marks)
        leading = 0
        for kind, text in line:
            if kind != "mark" or text not in "}]":
                break
            leading += 1
        if line or not empty:
            yield "  " * (depth - leading) + _joined(line) if line else ""
        empty, depth = not line, max(0, depth + opened - closed)


def _joined(line: list[Piece]) -> str:
    """Return one line with a space where one belongs."""
    parts: list[str] = []
    before: Piece = ("", "")
    for piece in line:
        if parts and not _close(before, piece):
            parts.append(" ")
        parts.append(piece[1])
        before = piece
    return "".join(parts)


def _close(left: Piece, right: Piece) -> bool:
    """Say whether nothing stands between two pieces."""
    if right == ("mark", ",") or left == ("mark", "["):
        return True
    return right == ("mark", "]") or (left == ("mark", "{") and right == ("mark", "}"))


def _aligned(lines: list[str]) -> Iterator[str]:
    """Yield the lines, each run of settings at one depth with its `=` in one column."""
    run: list[tuple[str, str, str]] = []
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        match = _SETTING.match(line, len(indent))
        if match is not None and line.endswith(("{", "[")):
            match = None  # what goes on below does not line up with its neighbours
        if match is None or (run and run[0][0] != indent):
            yield from _flushed(run)
            run = []
        if match is None:
            yield line
        else:
            run.append((indent, match[1], line[match.end() :]))
    yield from _flushed(run)


def _flushed(run: list[tuple[str, str, str]]) -> Iterator[str]:
    width = max((len(name) for _, name, _ in run), default=0)
    return (f"{indent}{name.ljust(width)} = {value}" for indent, name, value in run)
