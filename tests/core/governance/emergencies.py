"""People with security keys of a small firm that has rules for emergencies; for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.core.system.people import Person, person
from tests.core.system.room import Answer, Room, room
from tests.core.system.test_groups import group
from tests.core.system.test_sign_ins import log_in_again, step_up

STAFF = """
path "strongroom/break-glass*" { capabilities = ["create", "read", "update", "list"] }
path "strongroom/requests*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "strongroom/grants*" { capabilities = ["read", "update", "list"] }
path "strongroom/notices*" { capabilities = ["read", "update", "list"] }
"""
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DRILL = "secret/drill"


@asynccontextmanager
async def firm(folder: Path, storage: str = "", **rule: Any) -> AsyncIterator[Room]:
    """Give a server with production, which people enter by grants alone, and a rule for it."""
    async with room(folder, storage=storage) as made:
        await made.mount("secret/", "kv")
        await made.policy("staff", STAFF)
        for path, given in (
            ("strongroom/environments/production", {"paths": ["secret/prod/*"]}),
            ("secret/prod/db", {"password": "p"}),
            ("secret/prod/mail", {"password": "p"}),
            (DRILL, {"drill": "no secret"}),
            ("strongroom/environments/production", {"people": "granted"}),
            ("strongroom/step-up/rules/reveals", {"enabled": False}),
            ("strongroom/break-glass-rules/on-call", {**RULE, **rule}),
        ):
            answer = await made.ask("POST", path, given)
            assert answer.status == 204, answer
        yield made


RULE = {"environments": ["production"], "drill_path": DRILL}


async def member(r: Room, name: str, *policies: str) -> Person:
    """Give a registered person with a security key, who signed in with it just now."""
    found = await person(r, name, "staff", *policies)
    await found.must_log_in()
    await found.enrol_key()
    held = {"policies": ["staff"]}  # an entity's own, so that one sees that they could approve
    assert (await r.ask("POST", f"identity/entity/id/{found.entity}", held)).status in (200, 204)
    about = {"name": name.title(), "email": f"{name}@example.test"}
    made = await r.ask("POST", f"strongroom/people/{found.entity}", about)
    assert made.status == 204, made
    await log_in_again(found)
    return found


async def fresh(who: Person) -> None:
    """Sign in anew, with the key."""
    await log_in_again(who)


def needed(**more: object) -> dict[str, object]:
    return {"paths": ["secret/prod/db"], "reason": "the database is down", **more}


async def opens(who: Person, **more: object) -> Any:
    answer = await who.ask("POST", "strongroom/break-glass", needed(**more))
    assert answer.status == 200, answer
    return answer.data


async def asks(who: Person, id_: str, what: str, **given: object) -> Answer:
    return await who.ask("POST", f"strongroom/break-glass/{id_}/{what}", given)


async def shown(r: Room, id_: str) -> Any:
    answer = await r.ask("GET", f"strongroom/break-glass/{id_}")
    assert answer.status == 200, answer
    return answer.data


__all__ = ["asks", "firm", "fresh", "group", "member", "opens", "shown", "step_up"]
