"""Reads of single rows, gathered: what is asked for while one query runs goes into the next.

Keys that the database would refuse must not come here: they would spoil the query for others.
No timer: a lone read leaves at once. Over a network protocol one query for a hundred rows costs
little more than one for one row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from strongroom.storage.register import PointQuery
from strongroom.storage.transaction import Values

Found = list[tuple[Any, ...]]
Fetch = Callable[[str, Sequence[Any]], Awaitable[Found]]
Waiting = dict[tuple[Any, ...], list["asyncio.Future[Found]"]]
MOST = 500  # keys in one query


class PointReads:
    """Gathers reads. `fetch` runs one SELECT with `$1` marks."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._waiting: dict[PointQuery, Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, query: PointQuery, key: Values) -> Found:
        """Return the row with this key in a list, or an empty list."""
        waiting = self._waiting.get(query)
        if waiting is None:
            waiting = self._waiting[query] = {}
            task = asyncio.get_running_loop().create_task(self._serve(query))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        waiting.setdefault(tuple(key), []).append(answer)
        return await answer

    async def _serve(self, query: PointQuery) -> None:
        while waiting := self._waiting[query]:
            taken = dict(list(waiting.items())[:MOST])
            self._waiting[query] = {k: v for k, v in waiting.items() if k not in taken}
            try:
                found = await self._rows(query, list(taken))
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                for answers in taken.values():
                    _settle(answers, error)
            else:
                for key, answers in taken.items():
                    _settle(answers, found.get(key, []))
        del self._waiting[query]

    async def _rows(self, query: PointQuery, keys: list[tuple[Any, ...]]) -> dict[Any, Found]:
        if len(keys) == 1:
            return {keys[0]: await self._fetch(query.one, keys[0])}
        rows = await self._fetch(query.many, [list(part) for part in zip(*keys, strict=True)])
        return {tuple(row[at] for at in query.key_at): [row] for row in rows}


def _settle(answers: list[asyncio.Future[Found]], found: Found | Exception) -> None:
    for answer in answers:
        if answer.done():
            continue  # its request was cancelled
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)
