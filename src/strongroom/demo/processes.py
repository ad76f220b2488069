"""Processes of the demo: started, watched, and ended by their id, whatever happens.

Each runs in a session of its own, so that a Ctrl-C reaches the demo alone, which then ends
them in order; where `setpriv` is installed they end with a demo that is killed, too. What they
print goes to a file, whose end is shown if one dies.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from strongroom.demo.place import process_file

PROGRAM: Final = (sys.executable, "-c", "from strongroom.cli.main import main; main()")
PATIENCE_SECONDS: Final = 60.0
TAIL_LINES: Final = 20
_FOREIGN: Final = ("STRONGROOM_", "VAULT_", "BAO_")


class ProcessDiedError(Exception):
    """A process ended on its own, or did not get ready; `tail` is the end of what it printed."""

    def __init__(self, name: str, why: str, tail: str) -> None:
        super().__init__(f"{name} {why}")
        self.tail = tail


class Process:
    """One of our programs, running beside the demo."""

    def __init__(
        self, name: str, directory: Path, words: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._pid_file = process_file(directory, name)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  our own program
                [*_bound_to_us(), *PROGRAM, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._process.pid))

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_for(self, text: str) -> None:
        """Return once it has printed this; ProcessDiedError if it does not."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.printed():
            if not self.alive:
                raise self.died(f"ended with status {self._process.returncode}")
            if time.monotonic() > deadline:
                raise self.died(f"was not ready after {PATIENCE_SECONDS:.0f} seconds")
            time.sleep(0.05)

    def printed(self) -> str:
        """Return all that it has printed."""
        return self.log.read_text(errors="replace")

    def died(self, why: str) -> ProcessDiedError:
        """Return the error that shows the end of what it printed."""
        return ProcessDiedError(
            self.name, why, "\n".join(self.printed().splitlines()[-TAIL_LINES:])
        )

    def end(self) -> None:
        """Ask it to stop, wait, and kill it if it does not."""
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_SECONDS / 4)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pid_file.unlink(missing_ok=True)


def _bound_to_us() -> tuple[str, ...]:
    """Return what makes a program end when the demo is killed, where there is such a thing."""
    return ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()


def environment_for(home: Path, **settings: str) -> dict[str, str]:
    """Return an environment with a home of its own and none of the caller's Vault settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, "HOME": str(home), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", **settings}
