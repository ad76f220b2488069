"""What one command runs with: the options given, the environment, the home directory.

Order  An option given on the command line counts before STRONGROOM_…, and that before VAULT_….
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strongroom.base.errors import InputError
from strongroom.base.secret import Secret
from strongroom.cli import token_file
from strongroom.cli.errors import CommandError
from strongroom.cli.render import Output

if TYPE_CHECKING:
    from strongroom.cli.client import Client

DEFAULT_ADDRESS = "https://127.0.0.1:8200"
FORMATS = ("table", "json")

# What may come from the environment, as the names behind STRONGROOM_ and VAULT_.
_VARIABLES = {
    "address": "ADDR",
    "ca_cert": "CACERT",
    "client_cert": "CLIENT_CERT",
    "client_key": "CLIENT_KEY",
    "namespace": "NAMESPACE",
    "format": "FORMAT",
    "token": "TOKEN",
    "wrap_ttl": "WRAP_TTL",
    "timeout": "CLIENT_TIMEOUT",
}


class Session:
    """Knows where the server is, who asks, and how to print; asks for none of it too early."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.environment = os.environ if environment is None else environment
        self.given: dict[str, str] = {}
        self.skips_browser = False  # shows an address, and lets somebody open it

    @property
    def home(self) -> Path:
        """The home directory, in which the token is kept."""
        return Path(self.environment.get("HOME") or Path.home())

    def setting(self, name: str) -> str:
        """Return a setting from the command line or the environment, empty where there is none."""
        if given := self.given.get(name):
            return given
        variable = _VARIABLES[name]
        return (
            self.environment.get(f"STRONGROOM_{variable}")
            or self.environment.get(f"VAULT_{variable}")
            or ""
        )

    @property
    def address(self) -> str:
        """The server's address."""
        return self.setting("address") or DEFAULT_ADDRESS

    @cached_property
    def output(self) -> Output:
        """Where answers go."""
        chosen = self.setting("format") or "table"
        if chosen not in FORMATS:
            raise CommandError("the format is not table or json", "see --format")
        dumb = self.environment.get("TERM") == "dumb"
        return Output(chosen, no_color=bool(self.environment.get("NO_COLOR")) or dumb, dumb=dumb)

    @cached_property
    def token(self) -> Secret | None:
        """The token in use, None where nobody has logged in."""
        if text := self.setting("token"):
            return token_file.checked(text.strip(), "the token in the environment")
        return token_file.find(self.home)

    @cached_property
    def client(self) -> Client:
        """The server, asked as whoever has logged in."""
        client = self.client_with(self.token)
        if sys.stdin.isatty():
            client.steps_up = self._step_up
        return client

    @cached_property
    def anonymous(self) -> Client:
        """The server, asked without a token."""
        return self.client_with(None)

    def client_with(self, token: Secret | None) -> Client:
        """Return the server, asked with this token."""
        from strongroom.cli.client import Client, Target  # noqa: PLC0415  most help needs no HTTP

        certificate, key = self.setting("client_cert"), self.setting("client_key")
        if bool(certificate) != bool(key):
            raise CommandError("a client certificate needs its key", "give both, or neither")
        ca_file = self.setting("ca_cert")
        target = Target(
            address=self.address,
            ca_file=Path(ca_file) if ca_file else None,
            certificate=(Path(certificate), Path(key)) if certificate else None,
            namespace=self.setting("namespace"),
            timeout=self._timeout(),
        )
        client = Client(target, token, self.setting("wrap_ttl"))
        if (context := click.get_current_context(silent=True)) is not None:
            context.find_root().call_on_close(client.close)
        return client

    def _step_up(self, client: Client) -> None:
        """Ask whoever sits at the terminal for a factor, and show it."""
        from strongroom.cli import proving  # noqa: PLC0415  only where somebody shows one

        said = "A fresh factor is needed. "
        given = proving.proof(self, client, purpose="step-up", said=said)
        client.send("POST", "strongroom/step-up", given, wrapped=False)

    def _timeout(self) -> float:
        from strongroom.base.duration import parse_duration  # noqa: PLC0415  likewise

        try:
            seconds = parse_duration(self.setting("timeout") or "60s", "timeout").total_seconds()
        except InputError as problem:
            raise CommandError(str(problem)) from None
        return seconds or 60.0

    def answer(self, reply: Any, show: Callable[[], None]) -> None:
        """Print the reply as it came where a program reads, and by `show` where people do."""
        if self.output.as_json:
            self.output.json(reply)
        else:
            show()
