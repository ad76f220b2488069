"""One script of requests to OpenBao and to a strongroom in this process, compared step by step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.core.system.room import Room
from tests.oracles.openbao import OpenBao

# What differs by nature: identifiers, moments, randomness, versions of the programs.
NATURE = re.compile(
    r"accessor|uuid|modified|creation_time|running_plugin_version|migration_id|random_bytes"
    r"|expire_time|issue_time|ttl|expiration|password|token|mount_accessor"
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A request. `kept` names the place in the reply that later steps write as `{name}`.

    `ours` is our status where we differ, `lax` says that the data differs; `because` says why.
    """

    method: str
    path: str
    body: Mapping[str, object] | None = None
    token: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    ours: int | None = None
    lax: bool = False
    because: str = ""


def step(method: str, path: str, body: Mapping[str, object] | None = None, **more: Any) -> Step:
    """Return a step, written short."""
    return Step(method=method, path=path, body=body, **more)


class Script:
    """What both sides have kept so far."""

    def __init__(self, bao: OpenBao, room: Room) -> None:
        self.bao, self.room = bao, room
        self.theirs: dict[str, str] = {}
        self.ours: dict[str, str] = {}

    async def run(self, *steps: Step) -> None:
        """Do each step on both sides, and fail at the first that differs where it should not."""
        for number, each in enumerate(steps):
            await self._step(f"step {number}: {each.method} {each.path} {each.body}", each)

    async def _step(self, where: str, each: Step) -> None:
        theirs, ours = await self._both(each)
        wanted = theirs[0] if each.ours is None else each.ours
        if each.ours is not None:
            assert theirs[0] != each.ours, f"{where}: no longer differs"
        assert ours[0] == wanted, f"{where}\n  theirs {theirs}\n  ours   {ours}"
        if ours[0] < 300 and theirs[0] < 300 and not each.lax:
            expected, got = levelled(_data(theirs[1])), levelled(_data(ours[1]))
            assert got == expected, f"{where}\n  theirs {expected}\n  ours   {got}"

    async def _both(self, each: Step) -> tuple[tuple[int, Any], tuple[int, Any]]:
        sent = _filled(each, self.theirs)
        answer = self.bao.ask(
            each.method, sent[0], sent[1], token=sent[2] or None, headers=each.headers
        )
        theirs = (answer.status, answer.body)
        sent = _filled(each, self.ours)
        headers = {name.lower(): value for name, value in each.headers.items()}
        got = await self.room.ask(
            each.method, sent[0], sent[1], token=sent[2] or None, headers=headers
        )
        ours = (got.status, got.body)
        for name, place in each.kept.items():
            self.theirs[name], self.ours[name] = _at(theirs[1], place), _at(ours[1], place)
        return theirs, ours


def _data(body: Any) -> Any:
    """Return what a body says: its data, or all of it where it has none."""
    if not isinstance(body, dict) or "request_id" not in body:
        return body
    data = body.get("data")
    top = {name: body[name] for name in data or () if name in body and name != "data"}
    return {"data": data, "top": top, "wrapped": bool(body["wrap_info"])}


def _at(body: Any, place: str) -> str:
    for name in place.split("."):
        body = body[name]
    return str(body)


def _filled(each: Step, kept: Mapping[str, str]) -> tuple[str, Any, str]:
    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return kept.get(value[1:-1], value) if value[:1] == "{" else value
        if isinstance(value, list):
            return [fill(member) for member in value]
        return value

    body = None if each.body is None else {name: fill(v) for name, v in each.body.items()}
    path = re.sub(r"\{(\w+)\}", lambda match: kept.get(match[1], match[0]), each.path)
    return path, body, fill(each.token)


def levelled(value: Any) -> Any:
    """Write over what differs by nature, and let an empty container be none at all."""
    match value:
        case dict():
            return {
                name: "(some)" if NATURE.fullmatch(name) and each else levelled(each)
                for name, each in value.items()
            }
        case list():
            return [levelled(each) for each in value] or None
    return None if value in ({}, "") else value
