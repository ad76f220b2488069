"""A coroutine that was started outside a task, and goes on in one when it has to wait."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class Resumed(Generic[Result]):
    """A coroutine that was started outside a task and turned out to wait: the rest of it."""

    def __init__(self, work: Coroutine[Any, Any, Result], waits_for: Any) -> None:
        self._work = work
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Result]:
        waits_for = self._waits_for
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                step: Callable[[], Any] = partial(self._work.throw, error)
            else:
                step = partial(self._work.send, sent)
            try:
                waits_for = step()
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
