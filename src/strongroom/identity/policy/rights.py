"""Everybody's rights on every path, in as few judgements as there are differences.

Holders whose policies come out as the same rules, and who are bound to the same environments, are
one *class*. Paths that the same patterns match, and that lie in the same environments, are one
*group*: no class can tell them apart. Each class is judged once for a group that it can reach, and
what the templates of a policy add for one class is judged where those patterns match alone.

A row of the matrix is what one class may do, by pattern; classes with equal rights are one row.

Speed   A path costs the look-up of its patterns; memory grows with classes and groups, and not with
        holders times paths.
Exact   Each cell is what `questions.access_matrix` says of it, less what a guardrail takes away.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from operator import itemgetter
from typing import Protocol

from strongroom.identity.policy.acl import Acl, Decision
from strongroom.identity.policy.capability import EVERYTHING, Capability
from strongroom.identity.policy.matching import Matching
from strongroom.identity.policy.merged import Merged
from strongroom.identity.policy.questions import may

LISTS = Capability.LIST | Capability.SCAN
ALL = "*"  # the pattern of who may do everything


class Guard(Protocol):
    """What refuses beside the policies."""

    def where(self, path: str) -> Hashable:
        """Return what it goes by on a path: alike paths are refused alike."""
        ...

    def left(self, bound: frozenset[str], path: str, held: Capability) -> Capability:
        """Return what of some capabilities is left to who is bound so."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Class:
    """Rules with the environments that their holders are bound to.

    `base` is what the policies say without their templates, one object for each set of policies;
    `own` are the patterns of which `acl` says something else.
    """

    acl: Acl
    base: Acl
    bound: frozenset[str]
    own: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Right:
    """What may be done on the paths of a pattern, how many of them there are, and one of these."""

    pattern: str
    capabilities: Capability
    paths: int
    sample: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What some classes may all do. `id` is of the rights alone."""

    id: str
    classes: tuple[Class, ...]
    rights: tuple[Right, ...]


Where = tuple[Hashable, bool]  # what the guard goes by, and whether it is a folder
Signature = tuple[tuple[int, ...], tuple[int, ...], Where]
Key = tuple[str, Capability]  # the pattern that decides, and what is left of what it grants
Base = tuple[Acl, frozenset[str]]


def by_base(classes: Iterable[Class]) -> dict[Base, list[Class]]:
    """Return classes by what they have in common."""
    found: dict[Base, list[Class]] = defaultdict(list)
    for each in classes:
        found[each.base, each.bound].append(each)
    return found


class Judged:
    """Says of one path who may do what there: a few judgements for any number of classes."""

    def __init__(self, classes: Iterable[Class]) -> None:
        self._bases = by_base(classes)
        self._shared: dict[str, list[Base]] = defaultdict(list)
        self._own: dict[str, list[Class]] = defaultdict(list)
        self._everywhere: list[Base] = []
        for base, held in self._bases.items():
            if base[0].everything is not None:
                self._everywhere.append(base)
            for pattern in base[0].merged:
                self._shared[pattern].append(base)
            for each in held:
                for pattern in each.own:
                    self._own[pattern].append(each)
        self._matching = Matching({*self._shared, *self._own})

    def may(
        self, capability: Capability, path: str
    ) -> Iterator[tuple[Decision, frozenset[str], Sequence[Class]]]:
        """Give decisions, each with the classes that it is of, and what these are bound to.

        Left out are classes of which no rule matches the path.
        """
        matching = self._matching
        numbers = {*matching.single(path), *matching.listing(path)}
        matched = [matching.patterns[number] for number in numbers]
        apart = {each for pattern in matched for each in self._own.get(pattern, ())}
        less = {(each.base, each.bound) for each in apart}
        for base in {*self._everywhere, *(b for p in matched for b in self._shared.get(p, ()))}:
            classes: Sequence[Class] = self._bases[base]
            if base in less:
                classes = [each for each in classes if each not in apart]
            if classes:
                yield may(base[0], capability, path), base[1], classes
        for each in apart:
            yield may(each.acl, capability, path), each.bound, (each,)


@dataclass(slots=True)
class _Group:
    """Paths that nobody can tell apart."""

    sample: str
    paths: int = 0


@dataclass(slots=True)
class _Sum:
    """What a class may do: paths by pattern and capabilities, with one of them."""

    paths: Counter[Key] = field(default_factory=Counter)
    sample: dict[Key, str] = field(default_factory=dict)

    def add(self, keys: Iterable[Key], group: _Group) -> None:
        for key in keys:
            self.paths[key] += group.paths
            self.sample.setdefault(key, group.sample)

    def take(self, keys: Iterable[Key], group: _Group) -> None:
        for key in keys:
            self.paths[key] -= group.paths
            if self.sample.get(key) == group.sample:
                del self.sample[key]

    def id(self) -> str:
        """Return a digest of the rights."""
        found = sorted((p, int(held), count) for (p, held), count in self.paths.items() if count)
        return sha256(repr(found).encode()).hexdigest()[:32]


class Matrix:
    """Takes paths one by one, is settled when all are in, and then gives rows."""

    def __init__(self, classes: Iterable[Class], guard: Guard) -> None:
        self._guard = guard
        self._bases = by_base(classes)
        static = {pattern for base, _ in self._bases for pattern in base.merged}
        own = {pattern for held in self._bases.values() for each in held for pattern in each.own}
        self._matching = Matching(static | own)
        self._numbers = {text: number for number, text in enumerate(self._matching.patterns)}
        self._static = frozenset(self._numbers[pattern] for pattern in static)
        self._groups: dict[Signature, _Group] = {}
        self._statics: dict[Signature, _Group] = {}  # the groups without own patterns
        self._within: dict[Signature, Signature] = {}  # of these the one that each group is in
        self._sums: dict[Base, _Sum] = {}
        self._touched: dict[int, list[Signature]] = defaultdict(list)  # groups by pattern
        self._rows: list[tuple[str, list[Class]]] = []
        self.paths = 0

    def add(self, path: str) -> None:
        """Take the next path; each once."""
        matching = self._matching
        where = (self._guard.where(path), path.endswith("/"))
        key = (matching.single(path), matching.listing(path), where)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(path)
        group.paths += 1
        self.paths += 1

    @property
    def size(self) -> int:
        """How many rows there are, once it is settled."""
        return len(self._rows)

    def settle(self) -> Iterator[None]:
        """Judge; gives way now and then, so that others get a turn."""
        self._sort_groups()
        reached: dict[int, list[Signature]] = defaultdict(list)
        for key in self._statics:
            for number in {*key[0], *key[1]}:
                reached[number].append(key)
        found: dict[str, list[Class]] = defaultdict(list)
        for base, classes in self._bases.items():
            shared = self._sums[base] = self._of_base(base, reached)
            shared_id = shared.id()
            yield
            for number, each in enumerate(classes, 1):
                found[self._of_class(each).id() if each.own else shared_id].append(each)
                if each.own and number % 32 == 0:
                    yield
        self._rows = sorted(found.items())

    def rows(self, after: str, limit: int) -> Iterator[Row]:
        """Give at most so many rows after one, by id."""
        start = bisect_right(self._rows, after, key=itemgetter(0))
        for id_, classes in self._rows[start : start + limit]:
            first = classes[0]
            found = self._of_class(first) if first.own else self._sums[first.base, first.bound]
            yield Row(id_, tuple(classes), tuple(_rights(found, first.acl)))

    def _sort_groups(self) -> None:
        own = frozenset(self._numbers.values()) - self._static
        own |= {self._numbers[p] for held in self._bases.values() for e in held for p in e.own}
        for key, group in self._groups.items():
            single, listing, where = key
            less = (self._known(single), self._known(listing), where)
            self._within[key] = less
            static = self._statics.get(less)
            if static is None:
                static = self._statics[less] = _Group(group.sample)
            static.paths += group.paths
            for number in {*single, *listing} & own:
                self._touched[number].append(key)

    def _known(self, numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(number for number in numbers if number in self._static)

    def _of_base(self, base: Base, reached: Mapping[int, list[Signature]]) -> _Sum:
        acl, bound = base
        found = _Sum()
        if acl.everything is not None:
            keys = set(self._statics) if acl.everything.allowed else set()
        else:
            numbers = (self._numbers[pattern] for pattern in acl.merged)
            keys = {key for number in numbers for key in reached.get(number, ())}
        for key in keys:
            group = self._statics[key]
            found.add(self._keys(acl, bound, key, group.sample), group)
        return found

    def _of_class(self, each: Class) -> _Sum:
        """Return what a class may do: as its base, but where its own patterns match."""
        shared = self._sums[each.base, each.bound]
        found = _Sum(Counter(shared.paths), dict(shared.sample))
        numbers = (self._numbers[pattern] for pattern in each.own)
        touched = {key for number in numbers for key in self._touched.get(number, ())}
        for key in touched:
            group = self._groups[key]
            found.take(self._keys(each.base, each.bound, self._within[key], group.sample), group)
        for key in touched:
            group = self._groups[key]
            found.add(self._keys(each.acl, each.bound, key, group.sample), group)
        if any(count and key not in found.sample for key, count in found.paths.items()):
            self._sample_anew(each, found)
        return found

    def _sample_anew(self, each: Class, found: _Sum) -> None:
        """Find another path of what is left of a pattern whose sample was taken from a class."""
        for key, group in self._groups.items():
            for said in self._keys(each.acl, each.bound, key, group.sample):
                found.sample.setdefault(said, group.sample)

    def _keys(self, acl: Acl, bound: frozenset[str], key: Signature, sample: str) -> list[Key]:
        """Return what is left of what an Acl grants on the paths of a group, by pattern."""
        single, listing, (_, is_folder) = key
        if acl.everything is not None:
            left = self._guard.left(bound, sample, EVERYTHING) & EVERYTHING
            return [(ALL, left)] if left else []
        of_one, of_list = self._first(acl, single), self._first(acl, listing)
        of_lists = LISTS | (Capability.SUDO if is_folder else Capability.NONE)
        mine = (of_one.capabilities if of_one else Capability.NONE) & EVERYTHING & ~of_lists
        lists = (of_list.capabilities if of_list else Capability.NONE) & of_lists
        withheld = acl.withheld(sample)
        mine, lists = mine & ~withheld, lists & ~withheld
        if not (mine | lists):
            return []
        left = self._guard.left(bound, sample, mine | lists) & EVERYTHING
        if of_one is of_list and of_one is not None:
            return [(of_one.pattern, left)] if left else []
        parts = ((of_one, left & mine), (of_list, left & lists))
        return [(rule.pattern, held) for rule, held in parts if rule is not None and held]

    def _first(self, acl: Acl, numbers: Iterable[int]) -> Merged | None:
        patterns = self._matching.patterns
        for number in numbers:
            if (found := acl.merged.get(patterns[number])) is not None:
                return found
        return None


def _rights(found: _Sum, acl: Acl) -> Iterator[Right]:
    for (pattern, held), paths in sorted(found.paths.items()):
        if paths:
            said = acl.merged.get(pattern)
            if said is not None:
                rules = said.references(held)
            else:
                rules = acl.everything.rules if acl.everything is not None else ()
            yield Right(pattern, held, paths, found.sample[pattern, held], rules)
