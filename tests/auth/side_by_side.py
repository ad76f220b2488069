"""One script of requests, served by OpenBao and by a mount of ours, compared step by step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from strongroom.base.errors import (
    DeniedError,
    InputError,
    NotFoundError,
    StrongroomError,
    UnsupportedError,
)
from strongroom.core.router import Operation
from strongroom.testing.mount import Mount, _body, shown
from tests.oracles.openbao import OpenBao

STATUS: dict[type[StrongroomError], int] = {
    InputError: 400,
    DeniedError: 400,  # only logins deny here, and OpenBao's refused logins are 400
    NotFoundError: 404,
    UnsupportedError: 405,
}
OLDER = {"policies", "ttl", "max_ttl", "bound_cidrs", "period"}
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A status and, of a success, the data; what differs by nature is written over."""

    status: int
    data: Any = None


@dataclass(frozen=True)
class Step:
    """A request. `kept` names members of the reply that later steps send as `{name}`.

    `ours` is our status where we differ, and `because` says why.
    """

    method: str
    path: str
    body: Mapping[str, object] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    ours: int | None = None
    because: str = ""
    login: bool = False


class Theirs:
    """OpenBao with an auth method enabled at a path of its own."""

    def __init__(self, bao: OpenBao, kind: str, path: str) -> None:
        self._bao, self._path = bao, path
        self._kept: dict[str, str] = {}
        assert bao.ask("POST", f"sys/auth/{path}", {"type": kind}).status == 204

    def do(self, step: Step) -> Answer:
        method = step.method
        path = f"auth/{self._path}/{step.path}"
        answer = self._bao.ask(method, path, _filled(step.body, self._kept) or None)
        body = answer.body or {}
        data = body.get("auth") if step.login else body.get("data")
        if answer.status < 300:
            self._kept |= {name: (data or {})[name] for name in step.kept}
        if step.login and data:
            rules = {"policies": [name for name in data["policies"] if name != "default"]}
            data = {"metadata": data["metadata"], **rules}
        return Answer(status=answer.status, data=_levelled(data) if answer.status < 300 else None)


class Ours:
    """A mount of ours, from memory."""

    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        self._kept: dict[str, str] = {}

    async def do(self, step: Step) -> Answer:
        body = _filled(step.body, self._kept)
        try:
            if step.login:
                return await self._login(step, body)
            operation = {
                "GET": Operation.READ,
                "LIST": Operation.LIST,
                "POST": Operation.WRITE,
                "DELETE": Operation.DELETE,
            }[step.method]
            sent = _body(body) if operation is Operation.WRITE else None
            path, _, query = step.path.partition("?")
            pairs = dict(pair.split("=") for pair in query.split("&") if pair)
            data = shown(await self._mount.send(operation, path, query=pairs, body=sent))
        except StrongroomError as error:
            return Answer(status=STATUS[type(error)])
        self._kept |= {name: data[name] for name in step.kept}
        if data.get("keys") == []:
            return Answer(status=404)  # the wire's answer to an empty list
        status = self._mount.reply.status or (200 if data else 204)
        return Answer(status=status, data=_levelled(data or None))

    async def _login(self, step: Step, body: dict[str, object]) -> Answer:
        named = {"username": step.path.rpartition("/")[2]} if "/" in step.path else {}
        proof = await self._mount.login(**body, **named)
        policies = [name for name in proof.rules.token_policies if name != "default"]
        data = {"metadata": dict(proof.metadata), "policies": sorted(policies)}
        return Answer(status=200, data=_levelled(data))


async def compared(theirs: Theirs, ours: Ours, script: tuple[Step, ...]) -> None:
    """Do each step on both sides, and fail at the first that differs where it should not."""
    for number, step in enumerate(script):
        expected, got = theirs.do(step), await ours.do(step)
        if step.ours is not None:
            assert expected.status != step.ours, f"step {number}: no longer differs: {step}"
            expected = Answer(status=step.ours)
            got = Answer(status=got.status)
        assert got == expected, f"step {number}: {step}\n  theirs {expected}\n  ours   {got}"


def _filled(body: Mapping[str, object], kept: Mapping[str, str]) -> dict[str, object]:
    def fill(value: object) -> object:
        return kept.get(value[1:-1], value) if isinstance(value, str) else value

    return {name: fill(value) for name, value in body.items()}


def _levelled(value: Any) -> Any:
    """Write over ids and times, drop older names, and let an empty list be none at all."""
    match value:
        case dict():
            bare = {k: v for k, v in value.items() if f"token_{k}" not in value or k not in OLDER}
            return {name: _levelled(each) for name, each in bare.items()}
        case list():
            return [_levelled(each) for each in value] or None
        case str() if not value.startswith("0001"):
            return _TIME.sub("(time)", _ID.sub("(id)", value))
    return value
