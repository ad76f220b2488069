"""A smaller policy, made of what an older one was used for.

Each rule that was used stays with the capabilities that were used. One with a wildcard becomes the
paths themselves, where they were few; where they were many it stays as wide as it was. A rule that
was not used goes. What would let more through than before without it stays, and grants nothing.

Exact   What comes out never allows what the older policy did not, by itself nor for anybody who
        holds it beside other policies (`Holding`): that is looked at for all paths that there could
        be (`comparing`), and what was narrowed is widened again until it holds. Every use that is
        given is allowed by it.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from strongroom.base.clock import rfc3339
from strongroom.identity.policy.acl import Acl, compile_acl
from strongroom.identity.policy.capability import BY_NAME, Capability, Operation
from strongroom.identity.policy.comparing import (
    LISTS,
    TooManyError,
    as_asked,
    differing,
    held,
    witnesses,
)
from strongroom.identity.policy.control_group import ControlGroup
from strongroom.identity.policy.document import ZERO, Policy, Rule
from strongroom.identity.policy.listing import KeysFilter
from strongroom.identity.policy.parameter import Constraints, Values
from strongroom.identity.policy.pattern import Shape, is_exact, shape
from strongroom.identity.policy.template import Identity

FEW: Final = 20  # paths of one rule that are named one by one
_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f\"\\${}*+…]+")


@dataclass(frozen=True, slots=True)
class Use:
    """A request that a rule of the policy granted; `sudo`: its route asks for that as well."""

    pattern: str  # of the rule, as it is written
    path: str
    operation: Operation
    sudo: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """What somebody holds beside the policy, and what templates say of them."""

    beside: tuple[Policy, ...]
    identity: Identity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one rule: its capabilities before, those used, and what stands for it now."""

    pattern: str
    before: Capability
    used: Capability
    became: str  # "kept", "narrowed", "named", "silenced", "dropped"
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """The smaller policy, and what became of each rule."""

    policy: Policy
    text: str
    outcomes: tuple[Outcome, ...]


@dataclass(slots=True)
class _Part:
    """The rules of one pattern, what was used of them, and what stands for them."""

    rules: list[Rule]
    used: dict[str, Capability] = field(default_factory=dict)  # by path; of a list, its folder
    named: bool = False  # the paths that were used, one by one
    present: bool = False  # the pattern itself

    @property
    def capabilities(self) -> Capability:
        found = Capability.NONE
        for rule in self.rules:
            found |= rule.capabilities
        return found

    @property
    def denies(self) -> bool:
        return bool(self.capabilities & Capability.DENY)

    @property
    def all_used(self) -> Capability:
        found = Capability.NONE
        for each in self.used.values():
            found |= each
        return found & self.capabilities

    def written(self) -> Iterator[Rule]:
        """Give the rules that stand for these now."""
        used = Capability.NONE if self.named else self.all_used
        if self.present:
            for rule in self.rules:
                now = rule.capabilities if self.denies else rule.capabilities & used
                shown = rule.keys_filter if now & Capability.LIST else None
                yield replace(rule, capabilities=now, keys_filter=shown)
        if self.named:
            end = self.rules[0].expires_at
            for path, capabilities in sorted(self.used.items()):
                yield Rule(path=path, capabilities=capabilities, expires_at=end)


def propose(
    policy: Policy, uses: Iterable[Use], holdings: Sequence[Holding], now: datetime, few: int = FEW
) -> Proposal:
    """Return the smaller policy."""
    parts = _parts(policy, uses, few)
    contexts = [*_relevant(policy, holdings), Holding(())]
    while True:
        smaller = replace(policy, rules=tuple(r for p in parts.values() for r in p.written()))
        settled = True
        for holding in contexts:
            beside, who = holding.beside, holding.identity
            old = compile_acl([policy, *beside], who, now)
            new = compile_acl([smaller, *beside], who, now)
            settled = _widened_again(parts, old, new) and settled
        if settled:
            break
    text = written(smaller)
    return Proposal(replace(smaller, source=text), text, tuple(map(_outcome, parts.items())))


def _parts(policy: Policy, uses: Iterable[Use], few: int) -> dict[str, _Part]:
    parts: dict[str, _Part] = {}
    for rule in policy.rules:
        parts.setdefault(rule.path, _Part([])).rules.append(rule)
    used: dict[str, dict[str, Capability]] = defaultdict(lambda: defaultdict(lambda: Capability(0)))
    for use in uses:
        if use.pattern in parts:
            flag = Capability[use.operation.name]
            path = f"{use.path.removesuffix('/')}/" if flag & LISTS else use.path
            flag |= Capability.SUDO if use.sudo else Capability.NONE
            used[use.pattern][path] |= flag & parts[use.pattern].capabilities
    for pattern, part in parts.items():
        part.used = dict(used[pattern])
        nameable = all(map(_nameable, part.used)) and len(part.used) <= few
        plain = len(part.rules) == 1 and not _conditional(part.rules[0]) and "{{" not in pattern
        part.named = bool(part.used) and plain and nameable and not is_exact(pattern)
        part.named = part.named and not part.denies
        part.present = part.denies or (bool(part.used) and not part.named)
        part.present = part.present or any(map(_conditional, part.rules))
    return parts


def _nameable(path: str) -> bool:
    """Say whether a path can be written as a rule that matches it alone."""
    return bool(_PLAIN.fullmatch(path)) and not path.startswith("/") and len(path) <= 512


def _conditional(rule: Rule) -> bool:
    return bool(
        rule.constraints
        or rule.min_wrapping_ttl
        or rule.max_wrapping_ttl
        or rule.pagination_limit
        or rule.keys_filter
        or rule.control
    )


def _relevant(policy: Policy, holdings: Iterable[Holding]) -> list[Holding]:
    """Return the holdings with the rules alone that meet one of the policy; each once."""
    own = [each for rule in policy.rules for each in as_asked(_opened(rule.path))]
    found: dict[tuple[object, ...], Holding] = {}
    for holding in holdings:
        beside = []
        for each in holding.beside:
            met = [r for r in each.rules if any(_met(r, each) for each in own)]
            if met:
                beside.append(replace(each, rules=tuple(met)))
        templated = any(rule.templated for each in (policy, *beside) for rule in each.rules)
        if beside or templated:
            kept = Holding(tuple(beside), holding.identity if templated else None)
            key = (*((e.name, len(e.rules)) for e in beside), holding.identity if templated else 0)
            found.setdefault((str(key),), kept)
    return list(found.values())


def _met(rule: Rule, asked: Shape) -> bool:
    return any(each.meet(asked) is not None for each in as_asked(_opened(rule.path)))


def _opened(pattern: str) -> Shape:
    head, brace, _ = pattern.partition("{{")
    return shape(f"{head}*" if brace else pattern)


def _widened_again(parts: dict[str, _Part], old: Acl, new: Acl) -> bool:
    """Take back what lets through more than before, or less than was used; say if nothing does."""
    if old.everything is not None:
        return True
    by_text = _by_text(parts, old)
    changed = False
    try:
        paths = witnesses(differing(old, new), old.merged.keys() | new.merged.keys())
    except TooManyError:
        return not _take_all_back(parts)
    for path in paths:
        if held(new, path) & ~held(old, path):
            changed = _take_back(parts, by_text, old, new, path) or changed
    for part in parts.values():
        for path, used in part.used.items() if part.named else ():
            if used & held(old, path) & ~held(new, path):
                changed = _take_back(parts, by_text, old, new, path) or changed
    return not changed


def _by_text(parts: dict[str, _Part], old: Acl) -> dict[str, _Part]:
    """Return the parts by what their patterns are for whom the rules were compiled."""
    found: dict[str, _Part] = {}
    for text, said in old.merged.items():
        for name, _ in said.rules:
            if (part := parts.get(name.partition("#")[2])) is not None:
                found[text] = part
    return found


def _take_back(
    parts: dict[str, _Part], by_text: dict[str, _Part], old: Acl, new: Acl, path: str
) -> bool:
    """Widen what decided on a path; all there is, where nothing of that is left to widen."""
    concerned = [by_text[pattern] for pattern in _deciding(old, path) if pattern in by_text]
    for part in concerned:
        if not part.present:
            part.present = True
            return True
    naming = set(_deciding(new, path))
    for part in parts.values():
        if part.named and not naming.isdisjoint(part.used):
            part.named, part.present = False, True
            return True
    return _take_all_back(parts)


def _take_all_back(parts: dict[str, _Part]) -> bool:
    """Leave every pattern where it was; say if any was not. What they grant is still less."""
    rest = [part for part in parts.values() if part.named or not part.present]
    for part in rest:
        part.named, part.present = False, True
    return bool(rest)


def _deciding(acl: Acl, path: str) -> list[str]:
    decisions = (acl.governing(path, each) for each in (Operation.READ, Operation.LIST))
    return [pattern for pattern in decisions if pattern is not None]


def _outcome(each: tuple[str, _Part]) -> Outcome:
    pattern, part = each
    used = part.all_used
    if part.named:
        became = "named"
    elif not part.present:
        became = "dropped"
    elif part.denies or used == part.capabilities:
        became = "kept"
    else:
        became = "narrowed" if used else "silenced"
    paths = tuple(sorted(part.used)) if part.named else ()
    return Outcome(pattern=pattern, before=part.capabilities, used=used, became=became, paths=paths)


# -- as text


def written(policy: Policy) -> str:
    """Return a policy as HCL that says the same."""
    return "\n".join(_written(rule) for rule in policy.rules)


def _written(rule: Rule) -> str:
    listed = [name for name, flag in BY_NAME.items() if rule.capabilities & flag]
    lines = [f"capabilities = {json.dumps(sorted(listed))}"]
    lines += _constraints(rule.constraints)
    for name in ("min_wrapping_ttl", "max_wrapping_ttl"):
        if (ttl := getattr(rule, name)) != ZERO:
            lines.append(f'{name} = "{int(ttl.total_seconds())}s"')
    if rule.pagination_limit:
        lines.append(f"pagination_limit = {rule.pagination_limit}")
    if rule.keys_filter is not None:
        template = json.dumps(_template(rule.keys_filter))
        lines.append(f"list_scan_response_keys_filter_path = {template}")
    lines += _control_group(rule.control)
    if rule.expires_at is not None:
        lines.append(f'expiration = "{rfc3339(rule.expires_at)}"')
    if rule.comment:
        lines.append(f"comment = {json.dumps(rule.comment)}")
    body = "".join(f"  {line}\n" for line in lines)
    return f"path {json.dumps(rule.path)} {{\n{body}}}\n"


def _constraints(said: Constraints) -> Iterator[str]:
    if said.required:
        yield f"required_parameters = {json.dumps(sorted(said.required))}"
    for name, parameters in (("allowed", said.allowed), ("denied", said.denied)):
        if parameters:
            yield f"{name}_parameters = {{"
            yield from (f"  {json.dumps(k)} = {_values(v)}" for k, v in sorted(parameters.items()))
            yield "}"


def _control_group(group: ControlGroup | None) -> Iterator[str]:
    if group is None:
        return
    yield "control_group = {"
    yield f'  ttl = "{int(group.ttl.total_seconds())}s"'
    for factor in group.factors:
        yield f"  factor {json.dumps(factor.name)} {{"
        held = [name for name, flag in BY_NAME.items() if factor.capabilities & flag]
        if held:
            yield f"    controlled_capabilities = {json.dumps(sorted(held))}"
        yield "    identity {"
        for name, listed in (("group_names", factor.group_names), ("group_ids", factor.group_ids)):
            if listed:
                yield f"      {name} = {json.dumps(list(listed))}"
        yield f"      approvals = {factor.approvals}"
        yield "    }"
        yield "  }"
    yield "}"


def _values(values: Values) -> str:
    listed = [_value(json.loads(each)) for each in sorted(values.exact)]
    listed += [json.dumps(f"{each}*") for each in values.prefixes]
    listed += [json.dumps(f"*{each}") for each in values.suffixes]
    listed += [json.dumps(f"*{each}*") for each in values.middles]
    return f"[{', '.join(listed)}]"


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


def _template(shown: KeysFilter) -> str:
    found = []
    for part in shown.parts:
        if not part.source:
            found.append(part.text)
            continue
        replaced = "".join(
            f" | replace {json.dumps(old)} {json.dumps(new)}" for old, new in part.replacements
        )
        found.append(f"{{{{ .{part.source}{replaced} }}}}")
    return "".join(found)
