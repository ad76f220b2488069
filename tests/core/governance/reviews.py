"""A firm that reviews who holds what; for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core.governance.office import entity, group, office, person, signed_in
from tests.core.system.room import Answer, Room

REVIEWING = """
path "strongroom/reviews*" { capabilities = ["create", "read", "update", "list"] }
path "strongroom/review-schedules*" { capabilities = ["create", "read", "update", "list"] }
"""
READER = 'path "secret/prod/*" { capabilities = ["read"] }'


@asynccontextmanager
async def reviewed(
    folder: Path, patch: pytest.MonkeyPatch, storage: str = ""
) -> AsyncIterator[Firm]:
    """Give a firm: Ann and Bob review; Cem holds a policy and a group; a program is Ann's."""
    async with office(folder, patch, storage) as r:
        await r.policy("reviewing", REVIEWING)
        await r.policy("reader", READER)
        ann, bob = await person(r, "ann", "reviewing"), await person(r, "bob", "reviewing")
        cem = await person(r, "cem", "reviewing", "reader")
        await group(r, "reviewers", member_entity_ids=[ann[0], bob[0]])
        await group(r, "operators", policies=["reader"], member_entity_ids=[cem[0]])
        yield Firm(r, ann, bob, cem)


class Firm:
    """See `reviewed`. Each person is their entity and a token."""

    def __init__(
        self, room: Room, ann: tuple[str, str], bob: tuple[str, str], cem: tuple[str, str]
    ) -> None:
        self.room = room
        self.ann, self.bob, self.cem = ann, bob, cem

    async def ask(
        self, who: tuple[str, str], method: str, path: str, body: object = None
    ) -> Answer:
        return await self.room.ask(method, path, body, token=who[1])

    async def starts(self, who: tuple[str, str] | None = None, **more: object) -> Any:
        given = {"kind": "people", "reviewers": ["reviewers"], **more}
        answer = await self.ask(who or self.ann, "POST", "strongroom/reviews", given)
        assert answer.status == 200, answer
        return answer.data

    async def lines(self, id_: str, **query: str) -> list[Any]:
        tail = "&".join(f"{name}={value}" for name, value in query.items())
        answer = await self.room.ask("LIST", f"strongroom/reviews/{id_}/lines?{tail}")
        assert answer.status == 200, answer
        return [answer.data["key_info"][key] for key in answer.data["keys"]]

    async def line(self, id_: str, holder: str, kind: str, name: str) -> Any:
        found = await self.lines(id_, holder=holder)
        return next(e for e in found if e["kind"] == kind and e["name"] == name)

    async def decide(
        self, who: tuple[str, str], id_: str, line: Any, verdict: str, **more: object
    ) -> Answer:
        number = line if isinstance(line, int) else line["number"]
        path = f"strongroom/reviews/{id_}/lines/{number}/decide"
        given = {"verdict": verdict, "because": "it is needed", **more}
        return await self.ask(who, "POST", path, given)

    async def keep_the_rest(self, id_: str) -> None:
        """Let Ann keep what she may, and Bob what she may not."""
        for line in await self.lines(id_):
            if line["state"] == "undecided":
                who = self.bob if line["holder"] == self.ann[0] else self.ann
                answer = await self.decide(who, id_, line, "keep")
                assert answer.status == 200, (line, answer)

    async def signs(self, who: tuple[str, str], id_: str) -> Answer:
        given = {"statement": "all lines were looked at"}
        return await self.ask(who, "POST", f"strongroom/reviews/{id_}/sign-off", given)


__all__ = ["Firm", "entity", "group", "person", "reviewed", "signed_in"]
