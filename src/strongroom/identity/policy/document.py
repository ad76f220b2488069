"""A policy as data: its rules, each with the line it stands on.

Vault  The language of Vault's and OpenBao's ACL policies: `path` blocks with capabilities (or
       the older `policy = "read"`), wrapping TTLs, constraints on parameters, and OpenBao's
       `expiration`, `pagination_limit`, `list_scan_response_keys_filter_path` and `comment`.
       A key or capability that is not known is refused with its line.
       `control_group` is read by `policy.control_group`.
Differs  Refused though OpenBao takes them: `mfa_methods`, because to read and ignore it would
       grant without the proof that it asks for; a `path` with no label or two; a setting that is
       given twice with one value each; negative durations and limits; numbers as capabilities or
       names of parameters. `path = { "x" = { … } }` is taken in HCL too, as it is in JSON.
Units  TTLs are `timedelta`, zero where none is set; expirations are aware, UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from strongroom.base.clock import parse_time
from strongroom.base.duration import parse_duration
from strongroom.base.errors import InputError
from strongroom.identity.policy import capability, pattern
from strongroom.identity.policy.capability import Capability
from strongroom.identity.policy.control_group import ControlGroup, control_group
from strongroom.identity.policy.hcl import Array, Item, Literal, Node, Object, parse, refuse
from strongroom.identity.policy.lexing import shown
from strongroom.identity.policy.listing import KeysFilter, keys_filter
from strongroom.identity.policy.parameter import Constraints, Values, joined, values

ZERO = timedelta(0)

_TEMPLATE = re.compile(r"\{\{[^{}]*+\}\}")
_DIGITS = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What a policy says of one pattern. No capabilities at all means that none is granted."""

    path: str  # the pattern, maybe with templates, without a leading slash
    capabilities: Capability = Capability.NONE
    line: int = 1
    constraints: Constraints = field(default_factory=Constraints)
    min_wrapping_ttl: timedelta = ZERO
    max_wrapping_ttl: timedelta = ZERO
    pagination_limit: int = 0
    keys_filter: KeysFilter | None = None
    expires_at: datetime | None = None
    comment: str = ""
    control: ControlGroup | None = None

    @property
    def templated(self) -> bool:
        """Whether the pattern depends on who asks."""
        return "{{" in self.path


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A named text, and what it says."""

    name: str
    rules: tuple[Rule, ...]
    source: str = ""
    allow_slashes_in_identity_templates: bool = False
    allow_wildcards_in_identity_templates: bool = False


def parse_policy(
    name: str,
    text: str,
    *,
    allow_slashes_in_identity_templates: bool = False,
    allow_wildcards_in_identity_templates: bool = False,
) -> Policy:
    """Read a policy. Raises InputError for the field `policy`, naming the line and column."""
    rules: list[Rule] = []
    for item in parse(text).items:
        if item.keys[0] == "path":
            rules += (_rule(path, body) for path, body in _blocks(item))
        elif item.keys == ("name",):
            _text(item)  # a relic: what counts is the name that the policy is stored under
        else:
            refuse(item, f"unknown key {shown(item.keys[0])}")
    return Policy(
        name=name,
        rules=tuple(rules),
        source=text,
        allow_slashes_in_identity_templates=allow_slashes_in_identity_templates,
        allow_wildcards_in_identity_templates=allow_wildcards_in_identity_templates,
    )


def _blocks(item: Item) -> Iterator[tuple[Item, Object]]:
    """Yield each pattern of a `path` with its body, in HCL's form and in both of JSON."""
    if len(item.keys) == 2 and isinstance(item.value, Object):
        yield item, item.value
        return
    objects = item.value.items if isinstance(item.value, Array) else (item.value,)
    if len(item.keys) != 1 or not objects:
        refuse(item, 'expected one pattern: path "…" { … }')
    for each in objects:
        if not isinstance(each, Object):
            refuse(each, "expected patterns with their rules")
        for inner in each.items:
            if len(inner.keys) != 1 or not isinstance(inner.value, Object):
                refuse(inner, f"{shown(inner.keys[0])}: expected a pattern with its rules")
            yield inner, inner.value


def _rule(item: Item, body: Object) -> Rule:
    path = item.keys[-1].removeprefix("/")
    if found := pattern.problem(path) or _template_problem(path):
        refuse(item, found)
    read = _Settings(body)
    rule = Rule(
        path=path,
        line=item.line,
        capabilities=read.capabilities() | read.one("policy", _legacy, Capability.NONE),
        constraints=Constraints(
            required=frozenset(name.lower() for name in read.names("required_parameters")),
            allowed=joined(read.parameters("allowed_parameters")),
            denied=joined(read.parameters("denied_parameters")),
        ),
        min_wrapping_ttl=read.one("min_wrapping_ttl", _ttl, ZERO),
        max_wrapping_ttl=read.one("max_wrapping_ttl", _ttl, ZERO),
        pagination_limit=read.one("pagination_limit", _limit, 0),
        keys_filter=read.one("list_scan_response_keys_filter_path", _filter, None),
        expires_at=read.one("expiration", _expiration, None),
        comment=read.comment(),
        control=read.one("control_group", control_group, None),
    )
    _check(item, rule)
    return rule


def _check(item: Item, rule: Rule) -> None:
    if ZERO < rule.max_wrapping_ttl < rule.min_wrapping_ttl:
        refuse(item, "max_wrapping_ttl cannot be less than min_wrapping_ttl")
    if rule.keys_filter is not None and not rule.capabilities & Capability.LIST:
        refuse(item, "list_scan_response_keys_filter_path needs the capability list")


def _template_problem(path: str) -> str | None:
    rest = _TEMPLATE.sub("", path)
    return "the braces of a template are not balanced" if "{{" in rest or "}}" in rest else None


_KNOWN = frozenset(
    {
        *("capabilities", "policy", "comment", "expiration", "pagination_limit"),
        *("min_wrapping_ttl", "max_wrapping_ttl", "list_scan_response_keys_filter_path"),
        *("required_parameters", "allowed_parameters", "denied_parameters"),
        "control_group",
    }
)
_ELSEWHERE = {
    "mfa_methods": "is not supported: a fresh factor is asked for by a guardrail",
}


class _Settings:
    """The settings of one block, by key; lists and maps may be given in several pieces."""

    def __init__(self, body: Object) -> None:
        self._items: dict[str, list[Item]] = {}
        for item in body.items:
            key = item.keys[0]
            if key in _ELSEWHERE:
                refuse(item, f"{key} {_ELSEWHERE[key]}")
            if key not in _KNOWN:
                refuse(item, f"unknown key {shown(key)}")
            if len(item.keys) > 1:
                refuse(item, f"{key} takes no label")
            self._items.setdefault(key, []).append(item)

    def one(self, key: str, read: Callable[[Item], Any], otherwise: Any) -> Any:
        """Return the one value of a setting."""
        items = self._items.get(key, [])
        if len(items) > 1:
            refuse(items[1], f"{key} is given twice")
        return read(items[0]) if items else otherwise

    def capabilities(self) -> Capability:
        found = Capability.NONE
        for node in self._listed("capabilities"):
            flag = capability.BY_NAME.get(_string(node, "a capability"))
            if flag is None:
                refuse(node, f"unknown capability {shown(_string(node, 'a capability'))}")
            found |= flag
        return found

    def names(self, key: str) -> list[str]:
        return [_string(node, "the name of a parameter") for node in self._listed(key)]

    def parameters(self, key: str) -> Iterator[tuple[str, Values]]:
        for item in self._items.get(key, []):
            objects = item.value.items if isinstance(item.value, Array) else (item.value,)
            for each in objects:
                if not isinstance(each, Object):
                    refuse(each, f"{key}: expected parameters with lists of values")
                yield from _parameters(each)

    def comment(self) -> str:
        """Return what was said in words; OpenBao takes anything here, and ignores it."""
        nodes = [item.value for item in self._items.get("comment", [])]
        texts = [node.value for node in nodes if isinstance(node, Literal)]
        return "\n".join(text for text in texts if isinstance(text, str))

    def _listed(self, key: str) -> Iterator[Node]:
        for item in self._items.get(key, []):
            if not isinstance(item.value, Array):
                refuse(item, f"{key}: expected a list")
            yield from item.value.items


def _parameters(body: Object) -> Iterator[tuple[str, Values]]:
    for item in body.items:
        if len(item.keys) > 1:
            refuse(item, "a parameter takes no label")
        if isinstance(item.value, Literal):
            refuse(item, f"{shown(item.keys[0])}: expected a list of values")
        listed = item.value.items if isinstance(item.value, Array) else (item.value,)
        yield item.keys[0], values([_plain(node) for node in listed])


def _plain(node: Node) -> object:
    """Return a value as JSON decodes it. Null is no value that a policy can list."""
    if isinstance(node, Array):
        return [_plain(each) for each in node.items]
    if isinstance(node, Object):
        return {" ".join(item.keys): _plain(item.value) for item in node.items}
    if node.value is None:
        refuse(node, "null is no value of a parameter")
    return node.value


def _string(node: Node, what: str) -> str:
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        refuse(node, f"{what} is written in quotes")
    return node.value


def _scalar(item: Item) -> str | float:
    value = item.value.value if isinstance(item.value, Literal) else None
    if value is None or isinstance(value, bool):
        refuse(item, f"{item.keys[0]}: expected a string or a number")
    return value


def _text(item: Item) -> str:
    return str(_scalar(item))


def _legacy(item: Item) -> Capability:
    word = _scalar(item)
    if word == "":
        return Capability.NONE
    if word not in capability.LEGACY:
        refuse(item, "policy is one of read, write, sudo and deny")
    return capability.LEGACY[str(word)]


def _ttl(item: Item) -> timedelta:
    try:
        return parse_duration(_scalar(item), "policy")
    except InputError as error:
        refuse(item, f"{item.keys[0]}: {error.problem}")


def _limit(item: Item) -> int:
    value = _scalar(item)
    if not (isinstance(value, int | str) and _DIGITS.fullmatch(str(value))):
        refuse(item, f"{item.keys[0]}: expected a whole number, not negative")
    return int(value)


def _filter(item: Item) -> KeysFilter | None:
    template = str(_scalar(item))
    try:
        return keys_filter(template) if template else None
    except InputError as error:
        refuse(item, f"{item.keys[0]}: {error.problem}")


def _expiration(item: Item) -> datetime | None:
    value = _scalar(item)
    if value == "":
        return None
    try:
        if isinstance(value, int) or (isinstance(value, str) and _DIGITS.fullmatch(value)):
            return datetime.fromtimestamp(int(value), UTC)
        return parse_time(str(value), "policy")
    except (InputError, ValueError, OverflowError, OSError):
        refuse(item, "expiration: expected a time such as 2030-01-31T12:00:00Z")
