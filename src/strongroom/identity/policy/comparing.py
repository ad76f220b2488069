"""What changes where rules change: who is given more, who is given less, and on which paths.

Exact   For all paths there could be, and not only for those that are known: wherever two sets of
        rules differ, a pattern of which they say different things goes first in one of them. A path
        stands for each way in which such a pattern meets others, at each depth at which a pattern
        ends. Its free parts are named so that nothing else meets them by chance.
        What a rule asks of a request beside its path (parameters, wrapping, a control group) is not
        weighed; of which patterns it changes, `asks_otherwise` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from strongroom.identity.policy.acl import Acl, Decision
from strongroom.identity.policy.capability import EVERYTHING, Capability, Operation
from strongroom.identity.policy.pattern import Shape, shape

FREE = ("any", "some", "other", "else", "0", "~", "\N{SNOWMAN}", "\N{SNOWMAN}\N{COMET}")
MOST = 20_000
LISTS = Capability.LIST | Capability.SCAN


class TooManyError(Exception):
    """Patterns meet in more ways than can be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes possible or impossible on the paths that a pattern decides; `path` is one."""

    pattern: str
    gained: Capability
    lost: Capability
    path: str
    rules: tuple[str, ...] = ()  # by which it is gained, or was


def held(acl: Acl, path: str) -> Capability:
    """Return what may be done on a path; NONE where nothing may, or it is denied."""
    one = acl.grants(path, Operation.READ).capabilities
    many = acl.grants(path, Operation.LIST).capabilities
    found = (_granted(one) & ~LISTS & ~Capability.SUDO) | (_granted(many) & LISTS)
    sudo = acl.sudo(path)
    return found | (Capability.SUDO if sudo.allowed else Capability.NONE)


def _granted(capabilities: Capability) -> Capability:
    return Capability.NONE if capabilities & Capability.DENY else capabilities & EVERYTHING


def differing(old: Acl, new: Acl) -> set[str]:
    """Return the patterns of which two sets of rules say different things."""
    texts = old.merged.keys() | new.merged.keys()
    return {text for text in texts if old.merged.get(text) != new.merged.get(text)}


def witnesses(focus: Iterable[str], patterns: Iterable[str]) -> set[str]:
    """Return paths that stand for all on which a pattern of the first meets any of the second.

    Raises TooManyError where they meet in more ways than can be looked at.
    """
    base = {each for text in patterns for each in as_asked(shape(text))}
    found = {each for text in focus for each in as_asked(shape(text))}
    new = found
    while new:
        met = {both for one in new for other in base if (both := one.meet(other)) is not None}
        new = met - found
        found |= new
        if len(found) > MOST:
            raise TooManyError
    deepest = max((len(each.segments) for each in base | found), default=0) + 1
    free = _free({part.text for each in base for part in each.segments})
    paths = {path for each in found for path in _samples(each, deepest, free)}
    bare = {path.removesuffix("/") for path in paths}
    return {path for path in bare | {f"{path}/" for path in bare} | paths if path}


def as_asked(own: Shape) -> Iterator[Shape]:
    """Give a pattern's paths, those with a slash behind, and those that it matches with one."""
    yield own
    yield own.within()
    last = own.segments[-1]
    if not last.text and len(own.segments) > 1:
        yield Shape(own.segments[:-1])


def _free(texts: set[str]) -> str:
    """Return a name that, behind any of some texts, begins with no longer one of them."""
    for word in FREE:
        after = {text + word for text in texts} | {word}
        if not any(
            whole[: len(whole) - cut] in texts for whole in after for cut in range(len(word))
        ):
            return word
    raise TooManyError


def _samples(met: Shape, deepest: int, free: str) -> Iterator[str]:
    """Give a path of a shape for each depth that it may have."""
    parts = [each.text + free if each.open_ else each.text for each in met.segments]
    last = met.segments[-1].text
    yield "/".join(parts)
    yield "/".join([*parts[:-1], last])  # an open segment may end there, or be empty
    if met.tail:
        for more in range(deepest + 1 - len(parts)):
            yield "/".join([*parts, *[free] * (more + 1)])
            yield "/".join([*parts[:-1], last, *[free] * (more + 1)])


def asks_otherwise(old: Acl, new: Acl) -> tuple[str, ...]:
    """Return the patterns whose rules ask something else of a request beside its path."""
    common = old.merged.keys() & new.merged.keys()
    alike: dict[str, Any] = {"capabilities": Capability.NONE, "rules": ()}
    return tuple(
        sorted(
            text
            for text in common
            if replace(old.merged[text], **alike) != replace(new.merged[text], **alike)
        )
    )


@dataclass(slots=True)
class _Sum:
    gained: Capability = Capability.NONE
    lost: Capability = Capability.NONE
    path: str = ""
    rules: dict[str, None] = field(default_factory=dict)


def changes(old: Acl, new: Acl) -> tuple[Change, ...]:
    """Return everything that changes from one set of rules to another, by pattern."""
    if old.everything is not None or new.everything is not None:
        return _wholly(old, new)
    focus = differing(old, new)
    found: dict[str, _Sum] = {}
    for path in sorted(witnesses(focus, old.merged.keys() | new.merged.keys())):
        before, after = held(old, path), held(new, path)
        for gained, changed in ((True, after & ~before), (False, before & ~after)):
            for flag in changed:
                decision = _decision(new if gained else old, flag, path)
                for rule in decision.rules[:1]:
                    pattern = rule.partition("#")[2]
                    each = found.setdefault(pattern, _Sum(path=path))
                    each.rules |= dict.fromkeys(decision.rules)
                    if gained:
                        each.gained |= flag
                    else:
                        each.lost |= flag
    return tuple(
        Change(pattern=text, gained=e.gained, lost=e.lost, path=e.path, rules=tuple(e.rules))
        for text, e in sorted(found.items())
    )


def _decision(acl: Acl, flag: Capability, path: str) -> Decision:
    return acl.sudo(path) if flag is Capability.SUDO else acl.grants(path, Operation[_name(flag)])


def _name(flag: Capability) -> str:
    return str(flag.name)


def _wholly(old: Acl, new: Acl) -> tuple[Change, ...]:
    """Compare where one of the two allows everything, or nothing at all."""
    before = old.everything.allowed if old.everything is not None else bool(old.merged)
    after = new.everything.allowed if new.everything is not None else bool(new.merged)
    if before == after:
        return ()
    gained, lost = (EVERYTHING, Capability.NONE) if after else (Capability.NONE, EVERYTHING)
    return (Change(pattern="*", gained=gained, lost=lost, path=FREE[0]),)
