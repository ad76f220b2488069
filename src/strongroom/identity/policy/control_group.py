"""Control groups: what of a path is done only once others have said yes.

Vault   `control_group { ttl, factor "name" { controlled_capabilities, identity { group_names,
        group_ids, approvals } } }` in a rule. A factor without `controlled_capabilities` holds
        every operation. Where several rules of one pattern have one, all factors must be met.
Differs Each factor names a group and asks for at least one approval; no factor, no group, or
        `approvals = 0` is refused. `create` and `update` are held together: a factor that names
        one of them holds every write.
Units   `ttl` is the time for approval and for taking what was asked for; a day where none is set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from strongroom.base.duration import parse_duration
from strongroom.base.errors import InputError
from strongroom.identity.policy import capability
from strongroom.identity.policy.capability import Capability, Operation
from strongroom.identity.policy.hcl import Array, Item, Literal, Node, Object, refuse
from strongroom.identity.policy.lexing import shown

DAY: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=31)
MOST_FACTORS, MOST_GROUPS, MOST_APPROVALS = 8, 32, 16
_DIGITS: Final = re.compile(r"[0-9]{1,4}")
_WRITES: Final = Capability.CREATE | Capability.UPDATE
_HELD: Final = (
    _WRITES | Capability.READ | Capability.DELETE | Capability.LIST | Capability.PATCH
) | Capability.SCAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """So many people, each in one of these groups. `capabilities` NONE: every operation."""

    name: str
    capabilities: Capability = Capability.NONE
    group_names: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    approvals: int = 1

    def holds(self, operation: Operation) -> bool:
        """Say whether it holds an operation."""
        asked = Capability[operation.name]
        held = self.capabilities | (_WRITES if self.capabilities & _WRITES else Capability.NONE)
        return not self.capabilities or bool(held & asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGroup:
    """The factors of a rule, all of which must be met within `ttl`."""

    factors: tuple[Factor, ...]
    ttl: timedelta = DAY

    def of(self, operation: Operation) -> ControlGroup | None:
        """Return what of it holds an operation."""
        held = tuple(each for each in self.factors if each.holds(operation))
        return ControlGroup(factors=held, ttl=self.ttl) if held else None


def joined(groups: Sequence[ControlGroup]) -> ControlGroup | None:
    """Return what several hold together: all factors, in the shortest of their times."""
    if not groups:
        return None
    factors = tuple(dict.fromkeys(each for group in groups for each in group.factors))
    return ControlGroup(factors=factors, ttl=min(group.ttl for group in groups))


def control_group(item: Item) -> ControlGroup:
    """Read the setting of a rule. Raises InputError with its place."""
    body = _object(item.value, "control_group")
    ttl, factors = DAY, list[Factor]()
    for each in body.items:
        if each.keys == ("ttl",):
            ttl = _ttl(each)
        elif each.keys[0] == "factor":
            factors += (_factor(named, inner) for named, inner in _blocks(each))
        else:
            refuse(each, f"unknown key {shown(each.keys[0])} in control_group")
    if not 0 < len(factors) <= MOST_FACTORS:
        refuse(item, f"control_group: from 1 to {MOST_FACTORS} factors")
    if len({each.name for each in factors}) < len(factors):
        refuse(item, "control_group: two factors of one name")
    return ControlGroup(factors=tuple(factors), ttl=ttl)


def _blocks(item: Item) -> Iterator[tuple[Item, Object]]:
    """Yield each factor, in HCL's form and in both of JSON."""
    if len(item.keys) == 2:
        yield item, _object(item.value, "factor")
        return
    objects = item.value.items if isinstance(item.value, Array) else (item.value,)
    for each in objects:
        for inner in _object(each, "factor").items:
            if len(inner.keys) != 1:
                refuse(inner, "a factor has one name")
            yield inner, _object(inner.value, "factor")


def _factor(item: Item, body: Object) -> Factor:
    name, held = item.keys[-1], Capability.NONE
    identity: Item | None = None
    for each in body.items:
        if each.keys == ("controlled_capabilities",):
            held |= _capabilities(each)
        elif each.keys == ("identity",) and identity is None:
            identity = each
        else:
            refuse(each, f"unknown key {shown(each.keys[0])} in a factor, or one given twice")
    if not name or len(name) > 128:
        refuse(item, "a factor has a name, of at most 128 characters")
    if identity is None:
        refuse(item, f"factor {shown(name)} has no identity: it would ask nobody")
    names, ids, approvals = _identity(identity)
    return Factor(
        name=name, capabilities=held, group_names=names, group_ids=ids, approvals=approvals
    )


def _identity(item: Item) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    value = item.value
    if isinstance(value, Array) and len(value.items) == 1:
        value = value.items[0]
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    approvals = 1
    for each in _object(value, "identity").items:
        if each.keys == ("group_names",):
            names += _texts(each)
        elif each.keys == ("group_ids",):
            ids += _texts(each)
        elif each.keys == ("approvals",):
            approvals = _count(each)
        else:
            refuse(each, f"unknown key {shown(each.keys[0])} in identity")
    if not 0 < len(names) + len(ids) <= MOST_GROUPS:
        refuse(item, f"identity: from 1 to {MOST_GROUPS} groups, by group_names or group_ids")
    return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(ids)), approvals


def _capabilities(item: Item) -> Capability:
    found = Capability.NONE
    for name in _texts(item):
        flag = capability.BY_NAME.get(name)
        if flag is None or not flag & _HELD:
            refuse(item, f"no control group holds the capability {shown(name)}")
        found |= flag
    if not found:
        refuse(item, "controlled_capabilities: name one, or leave it out to hold all")
    return found


def _count(item: Item) -> int:
    value = item.value.value if isinstance(item.value, Literal) else None
    number = int(str(value)) if _DIGITS.fullmatch(str(value)) else 0
    if not 0 < number <= MOST_APPROVALS:
        refuse(item, f"approvals: from 1 to {MOST_APPROVALS}")
    return number


def _ttl(item: Item) -> timedelta:
    value = item.value.value if isinstance(item.value, Literal) else None
    if value is None or isinstance(value, bool):
        refuse(item, "ttl: expected a duration")
    try:
        found = parse_duration(value, "policy")
    except InputError as error:
        refuse(item, f"ttl: {error.problem}")
    if not timedelta(0) < found <= LONGEST:
        refuse(item, "ttl: more than none, and at most 31 days")
    return found


def _texts(item: Item) -> tuple[str, ...]:
    nodes = item.value.items if isinstance(item.value, Array) else (item.value,)
    found = [n.value for n in nodes if isinstance(n, Literal) and isinstance(n.value, str)]
    if len(found) < len(nodes) or not all(0 < len(each) <= 512 for each in found):
        refuse(item, f"{item.keys[0]}: expected a list of names")
    return tuple(found)


def _object(node: Node, what: str) -> Object:
    if isinstance(node, Array) and len(node.items) == 1:
        node = node.items[0]
    if not isinstance(node, Object):
        refuse(node, f"{what}: expected a block")
    return node
