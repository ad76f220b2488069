"""Each request in a table of docs/divergences.md is answered as the table says, on both sides.

Setup  As the document says: KV version 2 at `secret/` with `a` and `empty`, userpass with `al`.
       A request may change things, so each gets its own server of ours.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from strongroom.api.wire import HttpRequest
from strongroom.app import Application, build_server
from strongroom.audit.entry import SYSTEM
from strongroom.base.clock import SystemClock
from strongroom.core.request import Incoming
from strongroom.core.router import Operation
from strongroom.core.server import Settings
from strongroom.storage.opening import open_database
from tests import servers
from tests.oracles.openbao import OpenBao, openbao_dev
from tools.docs import ROOT, Document

DOCUMENT = Document(ROOT / "docs" / "divergences.md")
TOKEN = "root"
MERGE = "application/merge-patch+json"
_ROW = re.compile(r"\| `([A-Z]+) (\S+)` \| (?:`(.+?)`)? ?\| (\d{3}) \| (\d{3})")
SETUP: tuple[tuple[str, str, object], ...] = (
    ("POST", "secret/data/a", {"data": {"x": 1}}),
    ("POST", "secret/data/empty", {"data": None}),
    ("POST", "auth/userpass/users/al", {"password": "first"}),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A request, and the status on either side."""

    method: str
    path: str
    body: object
    theirs: int
    ours: int

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Content-Type": MERGE} if self.method == "PATCH" else {}

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f" {json.dumps(self.body)}" if self.body else "")


def rows() -> list[Row]:
    """Read the rows of the document's tables that hold a request."""
    return [
        Row(
            method=method,
            path=path,
            body=json.loads(body) if body else None,
            theirs=int(theirs),
            ours=int(ours),
        )
        for method, path, body, theirs, ours in _ROW.findall(DOCUMENT.path.read_text())
    ]


every_row = pytest.mark.parametrize("row", rows(), ids=str)


class Ours:
    """A server of ours, asked without a network."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def ask(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> int:
        sent = [(b"x-vault-token", TOKEN.encode())]
        sent += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        text = b"" if body is None else json.dumps(body).encode()
        raw = f"/v1/{path}".encode()
        request = HttpRequest(method, raw, b"", sent, text, ("127.0.0.1", 40000), None)
        return (await self._application(request)).status


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Ours]:
    database = await open_database(f"sqlite://{tmp_path}/strongroom.db")
    settings = Settings(seal_type="dev", dev_root_token=TOKEN)
    server = await build_server(database, settings, SystemClock(), secrets.token_bytes)
    for path, body in (("sys/init", b"{}"), ("sys/unseal", b'{"key":"dev"}')):
        incoming = Incoming(id=path, operation=Operation.WRITE, path=path, body=body, actor=SYSTEM)
        assert (await server.pipeline.handle(incoming)).status == 200
    found = Ours(Application(server))
    kv = {"type": "kv", "options": {"version": "2"}}
    assert await found.ask("POST", "sys/mounts/secret", kv, {}) == 204
    assert await found.ask("POST", "sys/auth/userpass", {"type": "userpass"}, {}) == 204
    for method, path, body in SETUP:
        assert await found.ask(method, path, body, {}) < 300
    yield found
    await database.close()


@pytest.fixture(scope="module")
def openbao() -> Iterator[OpenBao]:
    try:
        with openbao_dev() as bao:
            bao.ask("POST", "sys/auth/userpass", {"type": "userpass"})
            yield bao
    except servers.MissingError as missing:
        pytest.skip(str(missing))


def status_of(
    openbao: OpenBao, method: str, path: str, body: object, headers: Mapping[str, str]
) -> int:
    """Ask OpenBao; a redirect's body is no JSON, so only the status is looked at."""
    text = None if body is None else json.dumps(body)
    sent = {"X-Vault-Token": openbao.root_token, **headers}
    openbao.connection.request(method, f"/v1/{path}", body=text, headers=sent)
    with openbao.connection.getresponse() as response:
        response.read()
        return response.status


def test_the_tables_are_read() -> None:
    written = len(re.findall(r"^\| `[A-Z]+ ", DOCUMENT.path.read_text(), re.MULTILINE))

    assert len(rows()) == written > 0


@every_row
async def test_ours_is_as_written(row: Row, ours: Ours) -> None:
    assert await ours.ask(row.method, row.path, row.body, row.headers) == row.ours


@pytest.mark.slow
@every_row
def test_theirs_is_as_written(row: Row, openbao: OpenBao) -> None:
    for method, path, body in SETUP:
        assert status_of(openbao, method, path, body, {}) < 300

    assert status_of(openbao, row.method, row.path, row.body, row.headers) == row.theirs


def test_a_row_is_a_difference() -> None:
    assert [str(row) for row in rows() if row.ours == row.theirs] == []
