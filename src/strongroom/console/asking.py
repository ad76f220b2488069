"""How a page asks: as its visitor, of the one pipeline, like any other client.

A page can do nothing that its visitor's token cannot do over `/v1`, and each thing it asks is an
entry of its own.

Trust  The token goes into questions and nowhere else. That a fresh factor is needed is told by the
       pipeline's own words for it; a page that overlooked them would only show them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from strongroom.api.vault import clean_path
from strongroom.base.errors import VisitRefusedError
from strongroom.core.pipeline import Pipeline
from strongroom.core.request import Incoming
from strongroom.core.router import Operation
from strongroom.identity.step_up import SAID

FORBIDDEN, NOTHING, SEALED = 403, 404, 503
METHODS = {
    Operation.READ: "GET",
    Operation.LIST: "LIST",
    Operation.WRITE: "POST",
    Operation.DELETE: "DELETE",
}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was answered. `index` is that of the entry, -1 where there is none."""

    status: int
    index: int
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    auth: Mapping[str, Any] = field(default_factory=dict, repr=False)
    errors: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.status < 400

    @property
    def wants_factor(self) -> bool:
        """Whether all that is missing is a fresh factor."""
        return self.status == FORBIDDEN and any(SAID in each for each in self.errors)


class RefusedError(Exception):
    """A page could not be made, for what the pipeline answered."""

    def __init__(self, told: Told) -> None:
        super().__init__(told.status)
        self.told = told


class FreshFactorError(RefusedError):
    """The same, and a fresh factor is what it takes."""


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Asks with one token from one address."""

    pipeline: Pipeline
    ids: Iterator[str]
    token: str = field(repr=False)
    address: str
    port: int
    bound: Callable[[str], int] | None
    turn: str | None = None  # of the cookie that the token was in

    async def ask(
        self,
        operation: Operation,
        path: str,
        given: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, list[str]] | None = None,
    ) -> Told:
        """Ask, and return whatever is answered but that a fresh factor is needed.

        Raises FreshFactorError for that, and InputError for a path that `/v1/` would refuse.
        """
        incoming = Incoming(
            id=next(self.ids),
            operation=operation,
            path=clean_path(quote(path, safe="/").encode()),
            method=METHODS[operation],
            token=self.token,
            query=query,
            body=None if given is None else json.dumps(given).encode(),
            address=self.address,
            port=self.port,
            bound=self.bound,
            turn=self.turn,
        )
        answer = await self.pipeline.handle(incoming)
        body = json.loads(answer.body) if answer.body else {}
        told = Told(
            status=answer.status,
            index=answer.index,
            data=body.get("data") or {},
            auth=body.get("auth") or {},
            errors=tuple(body.get("errors") or ()),
        )
        if told.wants_factor:
            raise FreshFactorError(told)
        return told

    async def refused(self, method: str, path: str, page: str, because: str) -> None:
        """Have it written down that a visit was refused before anything was asked.

        Of `token` the entry says whose it is. Many of one page and session become a count.
        """
        problem = VisitRefusedError(FORBIDDEN, because, f"{method} {page}")
        incoming = Incoming(
            id=next(self.ids),
            operation=Operation.READ,
            path=path,
            method=method,
            token=self.token,
            address=self.address,
            port=self.port,
            problem=problem,
        )
        await self.pipeline.handle(incoming)

    async def read(self, path: str, **query: str) -> Told:
        """Read; RefusedError for any answer but success."""
        asked = {name: [value] for name, value in query.items()} or None
        return _done(await self.ask(Operation.READ, path, query=asked))

    async def names(self, path: str, **query: str) -> Told:
        """List; nothing there is an empty list. RefusedError for any other refusal."""
        asked = {name: [value] for name, value in query.items()} or None
        told = await self.ask(Operation.LIST, path, query=asked)
        if told.status == NOTHING:
            return Told(status=200, index=told.index, data={"keys": []})
        return _done(told)

    async def write(self, path: str, **given: object) -> Told:
        """Write, and return whatever is answered: a form shows what is wrong with it."""
        return await self.ask(Operation.WRITE, path, given)

    async def delete(self, path: str) -> Told:
        """Delete, and return whatever is answered."""
        return await self.ask(Operation.DELETE, path)


def _done(told: Told) -> Told:
    if not told.ok:
        raise RefusedError(told)
    return told
