"""A server in this process, with Ada who may do everything, for pages asked without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.serving import Served, serving
from tests.console.visiting import ADMIN, PASSWORD, Browser


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(f"sqlite://{tmp_path / 'strongroom.db'}") as running:
        await running.ask("POST", "sys/auth/userpass", {"type": "userpass"})
        await running.ask("PUT", "sys/policies/acl/admin", {"policy": ADMIN})
        user = {"password": PASSWORD, "token_policies": ["admin"]}
        assert (await running.ask("POST", "auth/userpass/users/ada", user)).status == 204
        yield running


@pytest.fixture
def browser(served: Served) -> Browser:
    return Browser(served)
