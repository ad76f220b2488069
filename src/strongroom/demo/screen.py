"""What people see: scenes and steps as they happen, calm on a terminal and plain in a pipe.

Each state is a shape and a word, colour only repeats it; `rich` honours NO_COLOR and dumb
terminals. What moves is shown on a terminal only, below what stays.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from strongroom.demo.company import END, NAME, START
from strongroom.demo.record import Record, Step
from strongroom.demo.stage import Scene

MOST_WIDTH: Final = 118
PIPE_WIDTH: Final = 118
TEXT_WIDTH: Final = 68
_INDENT: Final = (0, 0, 0, 3)
ASCII: Final = str.maketrans({
    "✓": "+", "✗": "x", "●": "*", "▲": "!", "◆": "?", "○": "o", "…": "~", "·": "-",
})  # fmt: skip


def console_on(stream: TextIO) -> Console:
    """Return a console on a stream, as wide as reads well."""
    console = Console(file=stream, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.width = min(console.width, MOST_WIDTH)
    return console


class Screen:
    """Shows the story; an `Audience` of a stage."""

    def __init__(self, console: Console, record: Record) -> None:
        self._console = console
        self._record = record
        self._unicode = "utf" in console.encoding
        self._scenes = 0
        self._step: Step | None = None
        self._today: datetime | None = None
        self._dated = False
        self._shown = ""  # the day that was shown last
        self._began = time.monotonic()
        self._spinner = Spinner("dots" if self._unicode else "line", style="cyan")
        self._live = Live(
            console=console, get_renderable=self._moving, refresh_per_second=8, transient=True
        )

    # -- what happens

    def open(self) -> None:
        """Say what this is, and begin."""
        self.line()
        self.line(Text.assemble(("strongroom demo", "bold"), f"   a quarter at {NAME}"))
        self.line(
            Text(
                f"{START.day} {START:%B} to {END.day} {END:%B %Y}, on a clock that is moved:"
                " the log and the pack say so",
                "dim",
            )
        )
        if self._console.is_terminal:
            self._live.start()

    def close(self) -> None:
        """Stop what moves."""
        self._step = None
        self._live.stop()

    def scene(self, scene: Scene, *, dated: bool) -> None:
        """Begin a scene; the steps of a dated one show the day of the story."""
        self._scenes += 1
        self._dated = dated
        self.line()
        self.line(Text.assemble((f"{self._scenes}  ", "cyan"), (scene.title, "bold")))

    def begins(self, step: Step) -> None:
        """Show what is being done."""
        self._step = step

    def ends(self, step: Step) -> None:
        """Show what came of a step; one of many alike, only if it was disappointed."""
        self._step = None
        if step.held and step.routine:
            return
        mark, style = ("✓", "green") if step.held else ("✗", "bold red")
        day = self._day(step.at) if self._dated else ""
        text = self.plain(Text.assemble((day, "dim"), step.text))
        detail = self.plain(Text(step.detail, "dim"))
        shown = self.plain(Text(mark, style))
        if self._console.is_terminal:
            self._console.print(self._row(shown, text, detail))
        else:
            self.line(f"    {shown} {text.plain:<{TEXT_WIDTH}} {detail}".rstrip())
        for problem in step.problems:
            self.line(Text(f"       {problem}", "red"))

    def _day(self, at: datetime) -> str:
        """Return the day of a step, blank where it is that of the one before."""
        shown = f"{at.day:2} {at:%b}  "
        same, self._shown = shown == self._shown, shown
        return " " * len(shown) if same else shown

    def _row(self, mark: Text, text: Text, detail: Text) -> Table:
        """Lay a step out: the detail in a column where there is room, else after it or below."""
        room = self._console.width
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=3)
        grid.add_column(width=1)
        if room >= TEXT_WIDTH + 30:
            grid.add_column(width=TEXT_WIDTH, overflow="fold")
            grid.add_row("", mark, text, detail)
        elif text.cell_len + detail.cell_len + 10 <= room:
            grid.add_row("", mark, Text.assemble(text, "  ", detail))
        else:
            grid.add_row("", mark, text)
            if detail:
                grid.add_row("", "", detail)
        return grid

    def date(self, now: datetime) -> None:
        """Show the day of the story."""
        self._today = now

    # -- lines

    def line(self, text: str | Text = "") -> None:
        """Print a line, never broken by us: somebody may want to copy it."""
        self._console.print(self.plain(text), soft_wrap=True)

    def show(self, what: RenderableType) -> None:
        """Print something that knows how to lay itself out."""
        self._console.print(what)

    def plain(self, text: str | Text) -> Text:
        """Return text in shapes that the stream can show."""
        found = Text(text) if isinstance(text, str) else text.copy()
        if not self._unicode:
            found.plain = found.plain.translate(ASCII).encode("ascii", "replace").decode()
        return found

    # -- what moves

    def _moving(self) -> RenderableType:
        text = self.plain(self._step.text if self._step is not None else "")
        if not self._dated or self._today is None:
            self._spinner.update(text=Text(f" {text}", "dim"))
            return Padding(self._spinner, _INDENT, expand=False)
        self._spinner.update(text=Text(f" {self._today:%a} {self._today.day:2} {self._today:%b}"))
        under = Text(f"  {text}", "dim", overflow="ellipsis", no_wrap=True)
        return Padding(Group(self._progress(self._today), under), _INDENT, expand=False)

    def _progress(self, today: datetime) -> Table:
        counts, days = self._record.counts, (END - START).days
        done = max(0, min(days, (today - START).days))
        wide = self._console.width >= TEXT_WIDTH + 30
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_row(
            self._spinner,
            ProgressBar(total=days, completed=done, width=30 if wide else 15),
            Text(f"day {done} of {days}", "dim", no_wrap=True),
            Text(f"{counts.requests:,} requests", "dim", no_wrap=True),
            Text(f"{counts.refused} refused", "dim", no_wrap=True),
        )
        return row
