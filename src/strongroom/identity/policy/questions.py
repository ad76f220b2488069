"""The three questions: may X do Y on Z; what may X do; who may do Y on Z.

All are answered from policies and identities as data, for now or for any past state of them.
Conditions on parameters and wrapping are taken as met, and said to be there.

Exact  `reaches` never says no where some path could be reached: it reasons about all paths of a
       pattern, not about samples. It may say yes where several rules hide a grant only together.
       `what_may` leaves a grant out where one other rule hides all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from strongroom.identity.policy.acl import Acl, Decision
from strongroom.identity.policy.capability import EVERYTHING, Capability, Operation
from strongroom.identity.policy.merged import Merged
from strongroom.identity.policy.pattern import Priority, Shape, is_exact, priority, shape

_LISTS = Capability.LIST | Capability.SCAN
_SINGLE = EVERYTHING & ~_LISTS & ~Capability.SUDO


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What a subject may do on a pattern.

    `rules` give it. `except_for` are patterns that go first somewhere within it and give less.
    `conditional` says that a rule asks something of parameters or wrapping.
    """

    pattern: str
    capabilities: Capability
    rules: tuple[str, ...]
    conditional: bool = False
    except_for: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """A cell of the matrix: what one subject may do on one path, and by which rules."""

    subject: str
    path: str
    capabilities: Capability
    rules: tuple[str, ...]


def may(acl: Acl, capability: Capability, path: str) -> Decision:
    """Say whether the holder of `acl` has a capability on a path, and why; one, not several."""
    if capability is Capability.SUDO:
        return acl.sudo(path)
    return acl.grants(path, Operation[str(capability.name)])


def what_may(acl: Acl) -> tuple[Grant, ...]:
    """Return everything that the holder of `acl` may do, by pattern."""
    if acl.everything is not None:
        said = acl.everything
        all_of_it = Grant(pattern="*", capabilities=said.capabilities, rules=said.rules)
        return (all_of_it,) if said.allowed else ()
    ranked = _ranked(acl)
    grants = (_grant(own, ranked) for own in ranked if own.merged.capabilities & EVERYTHING)
    found = [grant for grant in grants if grant is not None]
    if acl.granted is not None:
        found += what_may(acl.granted)
    return tuple(sorted(found, key=lambda grant: grant.pattern))


def who_may(
    capability: Capability, path: str, holders: Iterable[tuple[str, Acl]]
) -> list[tuple[str, Decision]]:
    """Return who has a capability on a path, each with the rules that grant it."""
    decisions = ((subject, may(acl, capability, path)) for subject, acl in holders)
    return [(subject, decision) for subject, decision in decisions if decision.allowed]


def access_matrix(subjects: Mapping[str, Acl], paths: Iterable[str]) -> tuple[Access, ...]:
    """Return what each subject may do on each path; NONE is shown too."""
    listed = tuple(paths)
    return tuple(
        _access(subject, acl, path) for subject, acl in subjects.items() for path in listed
    )


def reaches(acl: Acl, pattern: str) -> bool:
    """Say whether there is a path under a pattern on which any operation is allowed."""
    if acl.everything is not None:
        return acl.everything.allowed
    if acl.granted is not None and reaches(acl.granted, pattern):
        return True
    ranked, wanted = _ranked(acl), shape(pattern)
    prefixes = {wanted, wanted.within()}  # of a list, which has a slash at the end
    return any(
        _reads(own, wanted, ranked) or any(_lists(own, prefix, ranked) for prefix in prefixes)
        for own in ranked
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ranked:
    merged: Merged
    shape: Shape
    priority: Priority
    head: str  # what every path of the pattern begins with

    def goes_first(self, other: _Ranked, within: Shape) -> bool:
        """Say whether this decides, and not the other, on all paths of a shape."""
        return self.priority > other.priority and self.shape.covers(within)

    def may_meet(self, other: _Ranked) -> bool:
        """Say no where it is plain that they have no path in common."""
        return self.head.startswith(other.head) or other.head.startswith(self.head)


def _ranked(acl: Acl) -> list[_Ranked]:
    return [
        _Ranked(
            merged=merged,
            shape=shape(text),
            priority=priority(text),
            head=text.split("+", 1)[0].removesuffix("*"),
        )
        for text, merged in acl.merged.items()
    ]


def _grant(own: _Ranked, ranked: Sequence[_Ranked]) -> Grant | None:
    capabilities = own.merged.capabilities & EVERYTHING
    less: list[str] = []
    for other in ranked:
        if other.priority <= own.priority or not own.may_meet(other):
            continue
        if other.shape.covers(own.shape):
            return None
        if capabilities & ~other.merged.capabilities and own.shape.meet(other.shape):
            less.append(other.merged.pattern)
    return Grant(
        pattern=own.merged.pattern,
        capabilities=capabilities,
        rules=own.merged.references(capabilities),
        conditional=any(map(own.merged.conditional, Operation)),
        except_for=tuple(sorted(less)),
    )


def _access(subject: str, acl: Acl, path: str) -> Access:
    decisions = [(flag, may(acl, flag, path)) for flag in EVERYTHING]
    held, rules = Capability.NONE, dict[str, None]()
    for flag, decision in decisions:
        if decision.allowed:
            held |= flag
            rules |= dict.fromkeys(decision.rules)
    return Access(subject=subject, path=path, capabilities=held, rules=tuple(rules))


def _reads(own: _Ranked, wanted: Shape, ranked: Iterable[_Ranked]) -> bool:
    """Say whether an operation on a single path is allowed somewhere, by this pattern."""
    if not own.merged.capabilities & _SINGLE:
        return False
    met = own.shape.meet(wanted)
    return met is not None and not any(other.goes_first(own, met) for other in ranked)


def _lists(own: _Ranked, wanted: Shape, ranked: Iterable[_Ranked]) -> bool:
    """Say whether a list is allowed somewhere, by this pattern or what it is without a slash."""
    if not own.merged.capabilities & _LISTS:
        return False
    met = own.shape.meet(wanted)
    if met is not None and not any(other.goes_first(own, met) for other in ranked):
        return True
    behind = own.shape.within().meet(wanted)
    if own.shape.tail or behind is None:
        return False
    exact = is_exact(own.merged.pattern)
    return not any(
        other.shape.covers(behind) and (is_exact(other.merged.pattern) or not exact)
        for other in ranked
    )
