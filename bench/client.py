"""Brings a server up over its HTTP API: the same code for OpenBao and for strongroom."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

IDLE = 15  # seconds after which a server may have hung up on a connection that kept still


class RefusedError(Exception):
    """The server did not do what the comparison needs."""


@dataclass(kw_only=True)
class Client:
    """One connection as one token; for setting up, never for measuring."""

    address: str
    token: str = ""
    connection: http.client.HTTPConnection = field(init=False)
    last_used: float = field(init=False, default=0)

    def __post_init__(self) -> None:
        host, _, port = self.address.partition(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)

    def raw(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Send one request; return its status and the bytes of its body."""
        headers = {"X-Vault-Token": self.token} if self.token else {}
        sent = None if body is None else msgspec.json.encode(body)
        if time.monotonic() - self.last_used > IDLE:
            self.connection.close()  # the next request opens it again
        self.connection.request(method, f"/v1/{path}", body=sent, headers=headers)
        reply = self.connection.getresponse()
        read = reply.status, reply.read()
        self.last_used = time.monotonic()
        return read

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send one request and return its decoded body; raises RefusedError on refusal."""
        status, raw = self.raw(method, path, body)
        if status >= 300:
            raise RefusedError(f"{method} {path}: {status} {raw.decode(errors='replace')[:500]}")
        return msgspec.json.decode(raw) if raw else None

    def patiently(self, method: str, path: str, body: object = None, seconds: float = 30) -> Any:
        """Ask again until it is done: a new mount may take a moment."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.ask(method, path, body)
            except RefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def await_answer(self, seconds: float = 60) -> None:
        """Wait until the server answers `sys/seal-status` at all."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.ask("GET", "sys/seal-status")
            except OSError:
                self.connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
            else:
                return

    def initialise(self) -> str:
        """Initialise and unseal a new server, and act as root from here; return the one share."""
        made = self.ask("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        share: str = made["keys_base64"][0]
        self.unseal(share)
        self.token = made["root_token"]
        self.patiently("GET", "sys/mounts")
        return share

    def unseal(self, share: str) -> None:
        """Unseal a server that was initialised with one share."""
        state: Mapping[str, Any] = self.ask("POST", "sys/unseal", {"key": share})
        if state["sealed"]:
            raise RefusedError("still sealed after its one share")
