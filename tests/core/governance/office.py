"""People of a small firm who ask each other for access; for tests of governance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from strongroom import app
from tests.core.system.room import Answer, Room, room
from tests.core.system.test_groups import Fake, entity, group

MOUNT = "accessor-of-auth-fake"
STAFF = """
path "strongroom/requests*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "strongroom/grants*" { capabilities = ["read", "update", "list"] }
"""
ROOT_ONLY = ("approvals", "reveals")  # step-up rules that are not what is tried here


@asynccontextmanager
async def office(folder: Path, patch: pytest.MonkeyPatch, storage: str = "") -> AsyncIterator[Room]:
    """Give a server with a mount, production, and a policy that lets people ask and approve."""
    async with room(folder, storage=storage) as made:
        patch.setitem(app.METHODS, "fake", Fake())
        await made.mount("auth/fake/", "fake")
        await made.mount("secret/", "kv")
        await made.policy("staff", STAFF)
        given = {"paths": ["secret/prod/*"]}
        assert (await made.ask("POST", "strongroom/environments/production", given)).status == 204
        for name in ROOT_ONLY:
            answer = await made.ask("POST", f"strongroom/step-up/rules/{name}", {"enabled": False})
            assert answer.status == 204, answer
        waived = {"policies": ["staff"], "kinds": ["none"]}
        answer = await made.ask("POST", "strongroom/factors/rules/staff", waived)
        assert answer.status == 204, answer
        await made.ask("POST", "secret/prod/db", {"password": "p"})
        yield made


async def person(ours: Room, name: str, *policies: str) -> tuple[str, str]:
    """Register somebody who signs in; return their entity and token."""
    made = await entity(ours, name, policies=["staff", *policies])
    alias = {"name": name, "mount_accessor": MOUNT, "canonical_id": made}
    assert (await ours.ask("POST", "identity/entity-alias", alias)).status == 200
    answer = await ours.ask("POST", f"strongroom/people/{made}", {"name": name.title()})
    assert answer.status == 204, answer
    return made, await signed_in(ours, name)


async def signed_in(ours: Room, name: str) -> str:
    """Return a token of a login."""
    answer = await ours.ask("POST", f"auth/fake/login/{name}", {}, token="")
    assert answer.status == 200, answer
    return str(answer.auth["client_token"])


def wanted(**more: object) -> dict[str, object]:
    return {"paths": ["secret/prod/db"], "for": "1h", "reason": "an incident", **more}


async def asked(ours: Room, token: str, **more: object) -> str:
    answer = await ours.ask("POST", "strongroom/requests", wanted(**more), token=token)
    assert answer.status == 200, answer
    return str(answer.data["id"])


async def decide(
    ours: Room, id_: str, token: str, *, how: str = "approve", revision: int = 1
) -> Answer:
    body = {"revision": revision, "because": "known"}
    return await ours.ask("POST", f"strongroom/requests/{id_}/{how}", body, token=token)


async def state(ours: Room, id_: str) -> str:
    return str((await ours.ask("GET", f"strongroom/requests/{id_}")).data["state"])


async def reads(ours: Room, token: str, path: str = "secret/prod/db") -> int:
    return (await ours.ask("GET", path, token=token)).status


async def rule(ours: Room, name: str = "two", **more: Any) -> Answer:
    given = {"environments": ["production"], "needs": [{"count": 1}], **more}
    return await ours.ask("POST", f"strongroom/approval-rules/{name}", given)


__all__ = ["asked", "decide", "entity", "group", "office", "person", "reads", "rule", "state"]
