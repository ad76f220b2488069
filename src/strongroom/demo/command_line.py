"""Our own CLI as the demo uses it: each command a process of its own, as in anybody's shell."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom.cli.errors import DOES_NOT_HOLD, OK
from strongroom.demo.processes import PATIENCE_SECONDS, PROGRAM, environment_for


class CommandFailedError(Exception):
    """A command of ours ended with a status that the story does not expect."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command did."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The output, read as JSON."""
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """The last line of what it had to say."""
        lines = self.err.strip().splitlines()
        return lines[-1] if lines else ""

    def must(self, *codes: int) -> Ran:
        """Return this if the status is one of these; CommandFailedError with its words if not."""
        if self.code not in codes:
            shown = " ".join(self.words[:3])
            raise CommandFailedError(f"strongroom {shown}: status {self.code}: {self.said}")
        return self


class CommandLine:
    """Runs `strongroom` commands against one server."""

    def __init__(self, home: Path, address: str, authority: Path) -> None:
        self._home = home
        self._settings = {"STRONGROOM_ADDR": address, "STRONGROOM_CACERT": str(authority)}

    def run(
        self, *words: str, token: str = "", given: str = "", patience: float = PATIENCE_SECONDS
    ) -> Ran:
        """Run a command to its end, whatever that is."""
        who = {"STRONGROOM_TOKEN": token} if token else {}
        done = subprocess.run(  # noqa: S603  our own program
            [*PROGRAM, *words],
            input=given,
            capture_output=True,
            text=True,
            env=environment_for(self._home, **self._settings, **who),
            check=False,
            timeout=patience,
        )
        return Ran(words=words, code=done.returncode, out=done.stdout, err=done.stderr)

    def ok(self, *words: str, token: str = "", given: str = "") -> Ran:
        """Run a command that must work."""
        return self.run(*words, token=token, given=given).must(OK)

    def data(self, *words: str, token: str = "", patience: float = PATIENCE_SECONDS) -> Any:
        """Run a command and return its JSON; that something does not hold is an answer too."""
        ran = self.run(*words, "--format", "json", token=token, patience=patience)
        return ran.must(OK, DOES_NOT_HOLD).data
