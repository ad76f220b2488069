"""Counts of what was answered, kept apart from the log, so that each can be held to the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache

from strongroom.storage.barrier import Barrier
from strongroom.storage.commit import Outcome


@cache
def _name(code: str, ok: bool) -> str:
    return f"{code}:{'ok' if ok else 'failed'}"


class Counters:
    """What was answered, by event and result; heartbeats carry it, controls compare it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.through = -1  # every entry up to this index is counted

    def add(self, code: str, index: int, *, ok: bool) -> None:
        self.counts[_name(code, ok)] += 1
        self.through = index

    def counting(
        self, code: str, done: Callable[[Outcome], None], *, ok: bool
    ) -> Callable[[Outcome], None]:
        """Return `done`, counting first: the committer calls it in the order of the entries."""

        def told(outcome: Outcome) -> None:
            if outcome.problem is None:
                self.add(code, outcome.index, ok=ok)
            done(outcome)

        return told

    def take(self) -> tuple[dict[str, int], int]:
        """Return the counts since the last time, and the last index they cover."""
        counts, self.counts = dict(self.counts), Counter()
        return counts, self.through

    def beat(self, barrier: Barrier) -> dict[str, object]:
        """Return what a heartbeat writes down, and count anew from here."""
        counts, through = self.take()
        return {
            "counts": counts,
            "through": through,
            "encryptions": barrier.encryptions,
            "term": barrier.term,
        }
