"""Runs the transcripts and samples of a document as a reader would: in order, in one shell.

A line that starts with `$ ` is a command, `> ` goes on with it, and the lines below are what it
prints. In those, `...` stands for anything within a line, and a line of `...` alone for any lines.
A command that fails, fails the document. What a document starts is ended with it. Its ports of
127.0.0.1 become ones that are free, the same throughout, so that two runs do not meet.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

ANYTHING = "..."
LOOPBACK = re.compile(r"(?<![0-9.])127\.0\.0\.1:([0-9]{1,5})(?![0-9])")
STOP_SECONDS = 10
MARK = "\x1e"  # ASCII record separator: what no program of ours prints


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command of a transcript, and what it is said to print."""

    line: int
    command: str
    expected: str


def steps(text: str, first_line: int = 1) -> Iterator[Step]:
    """Read a transcript; raises ValueError where output stands before a command."""
    command: list[str] = []
    expected: list[str] = []
    start = first_line
    for number, line in enumerate(text.splitlines(), first_line):
        if line.startswith("$ "):
            if command:
                yield Step(line=start, command="\n".join(command), expected="\n".join(expected))
            command, expected, start = [line[2:]], [], number
        elif line.startswith("> ") and command and not expected:
            command.append(line[2:])
        elif command:
            expected.append(line)
        elif line:
            raise ValueError(f"line {number}: output before the first command")
    if command:
        yield Step(line=start, command="\n".join(command), expected="\n".join(expected))


def on_free_ports(script: list[Step]) -> list[Step]:
    """Return the script with each port of 127.0.0.1 that a command names replaced by a free one."""
    named = {port: 0 for step in script for port in LOOPBACK.findall(step.command)}
    with ExitStack() as held:  # all at once, so that none is given twice
        for port in named:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            named[port] = probe.getsockname()[1]

    def moved(text: str) -> str:
        return LOOPBACK.sub(lambda found: f"127.0.0.1:{named.get(found[1], found[1])}", text)

    return [replace(s, command=moved(s.command), expected=moved(s.expected)) for s in script]


def matches(expected: str, printed: str) -> bool:
    """Say whether what was printed is what was said."""
    return _lines_match(_lines(expected), _lines(printed))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def _lines_match(said: list[str], printed: list[str]) -> bool:
    if not said:
        return not printed
    if said[0] == ANYTHING:
        return any(_lines_match(said[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    line = ".*".join(re.escape(part) for part in said[0].split(ANYTHING))
    return (
        bool(printed)
        and re.fullmatch(line, printed[0]) is not None
        and _lines_match(said[1:], printed[1:])
    )


def play(script: list[Step], folder: Path) -> list[str]:
    """Run the steps in one shell in `folder`; return what went otherwise than was said."""
    parts = [
        f"{step.command}\n__status=$?; printf '{MARK}%s{MARK}' \"$__status\"" for step in script
    ]
    programs = Path(sys.executable).parent
    with subprocess.Popen(
        ["bash", "--norc", "-c", "exec 2>&1\n" + "\n".join(parts)],
        cwd=folder,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            printed = _read(shell, len(script))
        finally:
            _end(shell.pid)
    return list(_differences(script, printed))


def _end(group: int) -> None:
    """End whatever the shell has started, and wait for it: its ports are free then."""
    os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _lives(group):
        if time.monotonic() > deadline:
            os.killpg(group, signal.SIGKILL)
            return
        time.sleep(0.02)


def _lives(group: int) -> bool:
    """Say whether a process of the group is left; one that nobody has waited for is not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, found = path.read_text().rpartition(") ")[2].split()[:3]
        except OSError:
            continue
        if int(found) == group and state not in "ZX":
            return True
    return False


def _read(shell: subprocess.Popen[str], records: int) -> list[str]:
    """Read until the shell has reported each step, or is gone; a background job may live on."""
    assert shell.stdout is not None
    text = ""
    while text.count(MARK) < 2 * records and (piece := os.read(shell.stdout.fileno(), 65536)):
        text += piece.decode(errors="replace")
    return text.split(MARK)


def _differences(script: list[Step], printed: list[str]) -> Iterator[str]:
    for step, output, status in zip(script, printed[0::2], printed[1::2], strict=False):
        if status != "0":
            yield f"line {step.line}: {step.command}\nexit status {status}\n{output}"
        elif not matches(step.expected, output):
            yield f"line {step.line}: {step.command}\nprinted\n{output}\nnot\n{step.expected}"
    if (done := len(printed) // 2) < len(script):
        yield f"line {script[done].line}: the shell ended before this command"
