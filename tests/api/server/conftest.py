"""A server on the loopback interface, on both event loops that it runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from strongroom.api.limits import EdgeLimits
from strongroom.api.server import Listener, Server
from strongroom.api.wire import Application
from strongroom.base.clock import SystemClock
from tests.api.server.running import Echo, Running
from tests.api.serving import Served, serving

Serve = Callable[..., Coroutine[Any, Any, Running]]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server; at the end, whatever it still does is cut."""
    started: list[Running] = []

    async def start(
        application: Application | None = None, *, listener: Listener | None = None, **limits: Any
    ) -> Running:
        server = Server(
            application or Echo(),
            [listener or Listener(port=0)],
            clock=SystemClock(),
            limits=EdgeLimits(**{"linger_seconds": 0.1} | limits),
        )
        await server.start()
        started.append(Running(server))
        return started[-1]

    yield start
    for running in started:
        await running.end()


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Give the whole application, unsealed, for a server to serve."""
    async with serving(f"sqlite://{tmp_path / 'strongroom.db'}") as running:
        yield running
