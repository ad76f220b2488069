"""What the company's programs do every day: log in, read what they need, go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from hvac.exceptions import VaultError

from strongroom.demo.company import APPS, Workload
from strongroom.demo.stage import Stage
from strongroom.demo.vault import read

_SATURDAY = 5


class Traffic:
    """The daily reads, counted; what was not served is a problem of the month."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._clients: dict[str, Any] = {}
        self.reads = 0
        self.logins = 0
        self.problems: list[str] = []

    def morning(self, day: datetime) -> None:
        """Log in each program that works today, and read everything it needs."""
        self._clients = {}
        for app in APPS:
            if app.weekends or day.weekday() < _SATURDAY:
                self._served(app, partial(self._start, app))

    def evening(self, day: datetime) -> None:
        """Read again with the tokens of the morning, and end them: the day's work is done."""
        for app in APPS:
            client = self._clients.get(app.name)
            if client is not None:
                for path in app.reads[: 1 + day.day % 2]:
                    self._served(app, partial(self._read, app, client, path))
                self._served(app, client.auth.token.revoke_self)

    def close_month(self, month: str) -> None:
        """Show what the month was like, and begin the next."""
        with self._stage.step(f"{month}: what the programs need, every day") as step:
            step.problems += self.problems[:3]
            step.expect(self.reads > 0, "nothing was read")
            step.detail = f"{self.logins:,} logins, {self.reads:,} reads, all served"
        self.reads, self.logins, self.problems = 0, 0, []

    def _start(self, app: Workload) -> None:
        client = self._clients[app.name] = self._stage.logged_in(app)
        self.logins += 1
        for path in app.reads:
            self._read(app, client, path)

    def _read(self, app: Workload, client: Any, path: str) -> None:
        read(client, app.environment, path)
        self.reads += 1
        self._stage.record.counts.reads += 1

    def _served(self, app: Workload, act: Callable[[], None]) -> None:
        try:
            act()
        except VaultError as refused:
            self.problems.append(f"{app.name} on {self._stage.now:%d %B}: {refused}")
