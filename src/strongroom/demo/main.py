"""`strongroom demo`: play the story, show what came of it, and serve until told to stop.

Order  directory → processes → story → table → (serve) → processes ended, the last first.
       The processes end however the demo ends: done, failed, Ctrl-C, SIGTERM or SIGHUP.
Exit   0 if every step held, 3 if one did not, 130 if it was interrupted before the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from strongroom.cli.errors import DOES_NOT_HOLD, OK, CommandError
from strongroom.demo import ending
from strongroom.demo.company import EVE
from strongroom.demo.configuration import USUAL_PORT, free_port
from strongroom.demo.place import cleaned
from strongroom.demo.processes import ProcessDiedError
from strongroom.demo.record import Record
from strongroom.demo.scenes import quarter
from strongroom.demo.screen import Screen, console_on
from strongroom.demo.stage import Stage
from strongroom.demo.story import tell

DIRECTORY = "demo"


def play(*, leave: bool, as_json: bool) -> int:
    """Play the demo in the directory `demo` of where we are; `leave` ends it when it is done."""
    _require_hvac()
    with _signals(), cleaned(Path.cwd() / DIRECTORY) as directory:
        record = Record()
        screen = Screen(console_on(sys.stderr if as_json else sys.stdout), record)
        stage = Stage(
            directory=directory,
            entropy=os.urandom,
            audience=screen,
            record=record,
            now=EVE,
            port=free_port(0 if leave else USUAL_PORT),
            witness_port=free_port(),
        )
        try:
            return _play(stage, screen, leave=leave, as_json=as_json)
        finally:
            screen.close()
            for process in reversed(stage.processes):
                process.end()


def _play(stage: Stage, screen: Screen, *, leave: bool, as_json: bool) -> int:
    began = time.monotonic()
    screen.open()
    try:
        tell(stage, lambda scene: screen.scene(scene, dated=scene is quarter.SCENE))
    except ProcessDiedError as died:
        _show_death(screen, died)
    screen.close()
    seconds = time.monotonic() - began
    serving = stage.serving and not leave
    ending.show(screen, stage.record, seconds)
    ending.show_ways_in(screen, stage, serving=serving)
    if as_json:
        sys.stdout.write(json.dumps(ending.as_data(stage, seconds)) + "\n")
        sys.stdout.flush()
    if serving:
        _serve(stage, screen)
    return OK if stage.record.held else DOES_NOT_HOLD


def _serve(stage: Stage, screen: Screen) -> None:
    """Wait until somebody interrupts, or a process of ours ends."""
    try:
        while True:
            stage.require_processes()
            time.sleep(0.5)
    except KeyboardInterrupt:
        screen.line()
        screen.line("stopping")
    except ProcessDiedError as died:
        _show_death(screen, died)


def _show_death(screen: Screen, died: ProcessDiedError) -> None:
    screen.close()
    screen.line()
    screen.line(f"{died}. The end of its log:")
    for line in died.tail.splitlines():
        screen.line(f"   {line}")


def _require_hvac() -> None:
    try:
        import hvac  # noqa: F401, PLC0415  only to say it better than a traceback
    except ImportError:
        raise CommandError("the demo needs hvac", "`make demo` installs it") from None


@contextmanager
def _signals() -> Iterator[None]:
    """Turn what asks us to end into what Ctrl-C does, so that everything is cleaned up."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {one: signal.signal(one, interrupt) for one in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
