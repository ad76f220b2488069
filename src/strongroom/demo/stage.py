"""What a scene plays on: the server, those who ask it, the calendar, and the record.

Order  A step that is disappointed is noted and its scene goes on; one that cannot go on ends
       its scene, and the story goes on with the next, unless the server is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from strongroom.base.clock import parse_time
from strongroom.demo.command_line import CommandLine
from strongroom.demo.company import TIMEKEEPER, Person, Workload
from strongroom.demo.configuration import console_of
from strongroom.demo.evidence import Result
from strongroom.demo.factors import Factors, SecurityKey
from strongroom.demo.processes import Process, ProcessDiedError, environment_for
from strongroom.demo.record import Record, Step
from strongroom.demo.vault import Vault


class SceneEndedError(Exception):
    """A step could not be played to its end; it is on the record."""


class Audience(Protocol):
    """Who is shown what happens."""

    def begins(self, step: Step) -> None:
        """Show that a step has begun."""

    def ends(self, step: Step) -> None:
        """Show what came of it."""

    def date(self, now: datetime) -> None:
        """Show what day it is in the story."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A part of the story. Nothing that follows makes sense without an `essential` one."""

    name: str
    title: str
    play: Callable[[Stage], None]
    essential: bool = False


@dataclass(kw_only=True)
class Stage:
    """See the module. Scenes leave in it what later ones need."""

    directory: Path
    entropy: Callable[[int], bytes]
    audience: Audience
    record: Record = field(default_factory=Record)
    processes: list[Process] = field(default_factory=list)
    scene: str = ""
    now: datetime
    port: int
    vault: Vault = field(init=False)
    shell: CommandLine = field(init=False)
    shares: list[str] = field(default_factory=list)
    root_token: str = ""
    log_key: str = ""
    witness_port: int = 0
    witness_key: str = ""  # of the auditor's witness
    kept_checkpoints: list[Path] = field(default_factory=list)  # each cosigned by it
    open_exceptions: set[str] = field(default_factory=set)  # what the controls ought to find
    found_before: set[str] = field(default_factory=set)  # what runs within the quarter found
    weeks: list[str] = field(default_factory=list)  # the shape of each week's run
    last_run: dict[str, Result] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    factors: dict[str, Factors] = field(default_factory=dict)  # of people, once they have any
    enrolment_codes: dict[str, str] = field(default_factory=dict)  # of who has not enrolled yet
    entities: dict[str, str] = field(default_factory=dict)  # name -> id
    accessors: dict[str, str] = field(default_factory=dict)  # auth mount -> accessor
    credentials: dict[str, dict[str, str]] = field(default_factory=dict)  # of workloads
    sessions: dict[str, Any] = field(default_factory=dict)  # name -> the client logged in today
    _clock: Any = None
    _clock_until: datetime | None = None

    @property
    def address(self) -> str:
        """Where the server listens."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def witness_address(self) -> str:
        """Where the auditor's witness listens."""
        return f"127.0.0.1:{self.witness_port}"

    @property
    def authority(self) -> Path:
        """The certificate by which clients know the server."""
        return self.directory / "data" / "tls" / "ca.pem"

    @property
    def home(self) -> Path:
        """The home directory of everybody in the story."""
        return self.directory / "home"

    # -- showing

    @contextmanager
    def step(self, text: str) -> Iterator[Step]:
        """Show one thing; whatever goes wrong in it is its own failure, on the record."""
        step = Step(scene=self.scene, text=text, at=self.now)
        self.record.steps.append(step)
        self.audience.begins(step)
        try:
            yield step
        except Exception as problem:
            step.problems.append(_in_words(problem))
            self.audience.ends(step)
            if isinstance(problem, ProcessDiedError):
                raise
            raise SceneEndedError(text) from problem
        self.audience.ends(step)  # one that was interrupted has no end

    def start(self, name: str, words: Sequence[str], ready: str) -> Process:
        """Start one of our programs beside the demo, and wait until it says that it is ready."""
        process = Process(name, self.directory, words, environment_for(self.home))
        self.processes.append(process)
        process.wait_for(ready)
        return process

    def require_processes(self) -> None:
        """Raise ProcessDiedError if the server or the witness is gone."""
        for process in self.processes:
            if not process.alive:
                raise process.died("ended by itself")

    @property
    def serving(self) -> bool:
        """Whether the server runs."""
        return any(process.name == "server" and process.alive for process in self.processes)

    def keep_checkpoint(self) -> None:
        """Take the newest checkpoint that the auditor's witness cosigned, and keep it outside."""
        path = self.directory / "checkpoints" / f"{self.now:%Y-%m-%d}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self.vault.log_file("witnessed"))
        self.kept_checkpoints.append(path)

    @property
    def witness_key_file(self) -> tuple[str, ...]:
        """The option that names the file of the witness's key."""
        return ("--key", str(self.directory / "witness.key"))

    # -- who asks

    def logged_in(self, who: Person | Workload) -> Any:
        """Log somebody in anew, and return the client."""
        client = self.vault.client()
        if isinstance(who, Person):
            password, at = self.passwords[who.name], who.mount
            auth = client.auth.userpass.login(who.name, password, mount_point=at)["auth"]
            if auth["mfa_requirement"]:
                client.token = self.factors[who.name].finish(client, auth["mfa_requirement"])
        else:
            client.auth.approle.login(**self.credentials[who.name], mount_point=who.mount)
        self.sessions[who.name] = client
        return client

    def enrol(self, person: Person) -> None:
        """Give somebody a security key and an app, and enrol both at the first login."""
        own = Factors(SecurityKey(console_of(self.port), self.entropy(32)))
        code = self.enrolment_codes.pop(person.name, "")
        own.enrol(self.logged_in(person), self.now.timestamp, code)
        self.factors[person.name] = own

    def command_token(self, person: Person) -> str:
        """Log a person in with our own command line, and return the token that it prints.

        The command asks for the code of an app, and gets it from a phone.
        """
        app = self.factors[person.name].app
        code = "" if app is None else app.code(self.now.timestamp())
        words = (f"-path={person.mount}", "-method=userpass", "-token-only")
        given = (f"username={person.name}", f"password={self.passwords[person.name]}")
        return self.shell.ok("login", *words, *given, given=f"{code}\n").out.strip()

    # -- the calendar

    def advance_to(self, moment: datetime) -> None:
        """Put the server's clock forward to a moment of the story; never back."""
        step = moment - self.now
        if step <= timedelta(seconds=1):
            return
        clock = self._timekeeper()
        reply = clock.write_data(
            "strongroom/clock", data={"advance": f"{int(step.total_seconds())}s"}
        )
        self.now = parse_time(reply["data"]["now"], "now")
        self.audience.date(self.now)

    def _timekeeper(self) -> Any:
        if self._clock is None or self._clock_until is None or self.now >= self._clock_until:
            self._clock = self.logged_in(TIMEKEEPER)
            self._clock_until = self.now + timedelta(hours=23)
        return self._clock

    def secret(self, size: int = 12) -> str:
        """Return a random text, for passwords that the story needs."""
        return self.entropy(size).hex()


def _in_words(problem: Exception) -> str:
    """Return an error in one line."""
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text}"[:300]
