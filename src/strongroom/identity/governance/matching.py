"""Who fills which place: each need has so many places, and a person fills one of them at most.

Pure, and exact: it finds an assignment wherever there is one, by augmenting paths.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from strongroom.identity.governance.records import Need


@dataclass(frozen=True, slots=True)
class Filled:
    """A need, and who fills its places; `by` has fewer names where nobody else does."""

    need: Need
    by: tuple[str, ...]

    @property
    def met(self) -> bool:
        """Whether as many people as it needs fill it; a need of nobody is never met."""
        return 0 < self.need.count <= len(self.by)


def fill(needs: Sequence[Need], people: Mapping[str, Collection[str]]) -> tuple[Filled, ...]:
    """Fill as many places as can be. `people` are entities, each with the groups they are in."""
    places = [at for at, need in enumerate(needs) for _ in range(max(need.count, 0))]
    fits = [sorted(p for p, groups in people.items() if suits(n, groups)) for n in needs]
    held: dict[str, int] = {}  # place, by who fills it

    def seat(place: int, tried: set[str]) -> bool:
        for person in fits[places[place]]:
            if person in tried:
                continue
            tried.add(person)
            if person not in held or seat(held[person], tried):
                held[person] = place
                return True
        return False

    for place in range(len(places)):
        seat(place, set())
    by: dict[int, list[str]] = {}
    for person, place in held.items():
        by.setdefault(places[place], []).append(person)
    return tuple(Filled(need, tuple(sorted(by.get(at, ())))) for at, need in enumerate(needs))


def suits(need: Need, groups: Collection[str]) -> bool:
    """Say whether somebody in these groups can fill a place of a need."""
    return not need.groups or not set(need.groups).isdisjoint(groups)


def all_met(filled: Sequence[Filled]) -> bool:
    """Say whether every need is met; where nothing is needed, nothing is."""
    return bool(filled) and all(each.met for each in filled)
