"""Which items an exception covers: those of its control that are of its subject, and no others.

The subject of an exception is the subject of an item as it stands in a result; or, of one that
ends in a name in brackets, that name: `shop (e-1)` is also `e-1`. There are no patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from strongroom.sdk.control import Item
from strongroom.sdk.facts.compliance import ExceptionFact


def subjects_of(subject: str) -> frozenset[str]:
    """Return the names that an item's subject goes by."""
    names = {subject}
    if subject.endswith(")") and "(" in subject:
        names.add(subject[:-1].rpartition("(")[2])
    return frozenset(names - {""})


def in_force(fact: ExceptionFact, now: datetime) -> bool:
    """Say whether an exception covers its subject now."""
    begins, ends = fact.begins, fact.ends
    return not fact.problem and begins is not None and ends is not None and begins <= now < ends


def excepted(
    control: str, items: Iterable[Item], exceptions: Sequence[ExceptionFact], now: datetime
) -> list[Item]:
    """Return items, those that broke with the exception that covers them, where one does.

    What could not be judged stays so, and what held needs none.
    """
    by_subject: dict[str, ExceptionFact] = {}
    for fact in exceptions:
        if fact.control == control and in_force(fact, now):
            known = by_subject.get(fact.subject)
            if known is None or (known.ends or now) < (fact.ends or now):
                by_subject[fact.subject] = fact
    return [_with(item, by_subject) for item in items]


def _with(item: Item, by_subject: dict[str, ExceptionFact]) -> Item:
    if item.held is not False:
        return item
    fact = next((by_subject[n] for n in sorted(subjects_of(item.subject)) if n in by_subject), None)
    if fact is None or fact.begins is None or fact.ends is None:
        return item
    until = f"in force from {fact.begins:%Y-%m-%d %H:%M} to {fact.ends:%Y-%m-%d %H:%M} UTC"
    because = f"{item.because}; covered by exception {fact.id}, {until}: {fact.reason}"
    proof = item.proof if fact.entry is None else (*item.proof, fact.entry)
    return replace(item, because=because, proof=proof, exception=fact.id)
