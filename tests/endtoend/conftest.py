"""Servers for whole-product tests: one over plain loopback and one over TLS, a module each.

Over TLS everything is run again in the slow tests; in the others, what opens a new server is.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import servers
from tests.servers import Strongroom


@pytest.fixture(scope="module", params=["plain", pytest.param("tls", marks=pytest.mark.slow)])
def strongroom_server(request: pytest.FixtureRequest) -> Iterator[Strongroom]:
    """A running, unsealed server with KV version 2 at `secret/` and version 1 at `kv1/`."""
    with servers.strongroom(tls=request.param == "tls") as server:
        furnish(server)
        yield server


@pytest.fixture
def own_server() -> Iterator[Strongroom]:
    """A server for one test alone, which may kill it."""
    with servers.strongroom() as server:
        furnish(server)
        yield server


def furnish(server: Strongroom) -> None:
    for path, version in (("secret", "2"), ("kv1", "1")):
        mount = {"type": "kv", "options": {"version": version}}
        made = server.ask("POST", f"sys/mounts/{path}", mount)
        assert made.status == 204, made.raw
