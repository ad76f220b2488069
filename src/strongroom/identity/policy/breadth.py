"""How much of an area the rules of a policy grant: all of it, or whatever comes to lie at its root.

An area is a list of patterns, and the mounts that lie in them. Its root is where the last wildcard
of one of its patterns stands: of `secret/+/prod/*` below each of `secret/data/prod/`,
`secret/metadata/prod/` and so on; of a mount, where its routes begin to name something.
Each pattern is judged for itself, whatever others there are; where one holds several mounts, a
policy has to be at a root of each of them.

Exact   A rule is at a root if it grants something below it whose name there could be any. Rules of
        the same policy that go first and grant nothing are taken into account one by one, not
        where only several of them hide all that a rule grants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from strongroom.identity.policy.pattern import Priority, Segment, Shape, priority, shape

ANY = Segment("", open_=True)


@dataclass(frozen=True, slots=True)
class Root:
    """All paths of a pattern, and at which of their segments its last wildcard stands."""

    pattern: str
    shape: Shape
    at: int

    def met(self, rule: Shape) -> Shape | None:
        """Return what of it a rule matches with any name at the root; None for nothing."""
        both = rule.meet(self.shape)
        if both is None or self.at >= len(rule.segments):
            return both
        return both if rule.segments[self.at].covers(self.shape.segments[self.at]) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Something that no policy should cover. `mounts` are those in it, each with its roots."""

    name: str
    patterns: tuple[str, ...]
    mounts: Mapping[str, tuple[Root, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Breadth:
    """What one pattern of a policy does to areas: `within` covers them, `roots` are met."""

    within: list[str] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: str
    shape: Shape
    priority: Priority
    grants: bool


def roots_of(pattern: str) -> tuple[Root, ...]:
    """Return where a pattern has its root; nowhere for a path that stands for itself."""
    found = shape(pattern)
    open_ = [index for index, segment in enumerate(found.segments) if segment.open_]
    if not open_:
        return ()
    roots = [Root(pattern, found, open_[-1])]
    if found.tail and found.segments[-1].text:  # `secret/data/prod*` holds that folder as well
        last = Segment(found.segments[-1].text)
        folder = Shape((*found.segments[:-1], last, ANY), tail=True)
        roots.append(Root(f"{pattern[:-1]}/*", folder, len(folder.segments) - 1))
    return tuple(roots)


def inside(pattern: str, mount: str) -> bool:
    """Say whether all of a mount lies in a pattern."""
    return shape(pattern).covers(shape(f"{mount}*"))


def breadths(rules: Iterable[tuple[str, bool]], areas: Sequence[Area]) -> dict[str, Breadth]:
    """Return what each granting pattern of one policy does to areas.

    `rules` are patterns, and whether they grant anything; a pattern that denies once does not.
    """
    joined: dict[str, bool] = {}
    for pattern, grants in rules:
        joined[pattern] = joined.get(pattern, True) and grants
    all_ = [_Rule(each, shape(each), priority(each), grants) for each, grants in joined.items()]
    found = {rule.pattern: Breadth() for rule in all_ if rule.grants}
    for area in areas:
        _cover(area, all_, found)
        _meet(area, all_, found)
    return found


def _cover(area: Area, rules: Sequence[_Rule], found: Mapping[str, Breadth]) -> None:
    """Note the rules that cover an area's patterns, if together they cover all of them."""
    if not area.patterns:
        return
    parts = [
        [rule for rule in rules if rule.shape.covers(part) and _granted(rule, part, rules)]
        for part in map(shape, area.patterns)
    ]
    if all(parts):
        for pattern in dict.fromkeys(rule.pattern for part in parts for rule in part):
            found[pattern].within.append(area.name)


def _meet(area: Area, rules: Sequence[_Rule], found: Mapping[str, Breadth]) -> None:
    """Note the rules at a root of an area; at those of mounts, if all in one pattern are met."""
    own = [root for pattern in area.patterns for root in roots_of(pattern)]
    noted = list(_at(own, rules))
    by_mount = {mount: list(_at(roots, rules)) for mount, roots in area.mounts.items()}
    for pattern in area.patterns:
        met = [at for mount, at in by_mount.items() if inside(pattern, mount)]
        if all(met):
            noted += (each for at in met for each in at)
    for rule, root in dict.fromkeys(noted):
        found[rule.pattern].roots.append(f"{area.name} ({root.pattern})")


def _at(roots: Sequence[Root], rules: Sequence[_Rule]) -> Iterable[tuple[_Rule, Root]]:
    for rule in rules:
        for root in roots:
            both = root.met(rule.shape)
            if both is not None and _granted(rule, both, rules):
                yield rule, root
                break


def _granted(rule: _Rule, part: Shape, rules: Iterable[_Rule]) -> bool:
    """Say whether a rule grants, and none of its policy that goes first denies all of a part."""
    return rule.grants and not any(
        not other.grants and other.priority > rule.priority and other.shape.covers(part)
        for other in rules
    )
