"""What all policies of a token say together about one pattern.

Vault  Capabilities are joined, and `deny` takes all others away; constraints of every rule
       hold, and the factors of every control group; of TTLs and page limits the lowest that is
       set; of filters the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_

from strongroom.identity.policy.capability import Capability, Operation
from strongroom.identity.policy.control_group import ControlGroup, joined
from strongroom.identity.policy.document import ZERO, Rule
from strongroom.identity.policy.listing import KeysFilter
from strongroom.identity.policy.parameter import Constraints, all_of

_CONSTRAINED = frozenset({Operation.READ, Operation.CREATE, Operation.UPDATE, Operation.PATCH})
_LISTS = frozenset({Operation.LIST, Operation.SCAN})


@dataclass(frozen=True, kw_only=True, slots=True)
class Merged:
    """One pattern, with the reference and the capabilities of each rule that it comes from."""

    pattern: str
    capabilities: Capability
    rules: tuple[tuple[str, Capability], ...]
    constraints: Constraints
    min_wrapping_ttl: timedelta
    max_wrapping_ttl: timedelta
    pagination_limit: int
    keys_filter: KeysFilter | None
    control: ControlGroup | None = None

    def references(self, granting: Capability) -> tuple[str, ...]:
        """Return the rules that hold any of these capabilities; all, where none is asked for."""
        return tuple(
            dict.fromkeys(name for name, holds in self.rules if not granting or holds & granting)
        )

    def conditional(self, operation: Operation) -> bool:
        """Say whether more than the path and the operation counts."""
        if self.min_wrapping_ttl or self.max_wrapping_ttl:
            return True
        if self.control is not None and self.control.of(operation) is not None:
            return True
        if operation in _LISTS:
            return bool(self.pagination_limit) or "limit" in self.constraints.required
        return operation in _CONSTRAINED and bool(self.constraints)

    def refusal(
        self, operation: Operation, parameters: Mapping[str, object], wrap_ttl: timedelta | None
    ) -> str | None:
        """Return why the rest of a request is refused, or None."""
        if reason := self._wrapping(wrap_ttl or ZERO):
            return reason
        if operation in _LISTS:
            return self._page(parameters)
        return self.constraints.refusal(parameters) if operation in _CONSTRAINED else None

    def _wrapping(self, wrap_ttl: timedelta) -> str | None:
        if not (self.min_wrapping_ttl or self.max_wrapping_ttl):
            return None
        if wrap_ttl <= ZERO:
            return "the response must be wrapped"
        if wrap_ttl < self.min_wrapping_ttl:
            return "the wrapping TTL is too short"
        if self.max_wrapping_ttl and wrap_ttl > self.max_wrapping_ttl:
            return "the wrapping TTL is too long"
        return None

    def _page(self, parameters: Mapping[str, object]) -> str | None:
        limit = parameters.get("limit")
        if limit is None:
            missing = "limit" in self.constraints.required
            return "the parameter 'limit' is required" if missing else None
        if not self.pagination_limit or limit == "max":
            return None
        try:
            number = int(str(limit))
        except ValueError:
            return "the parameter 'limit' is no number"
        if 0 <= number <= self.pagination_limit:
            return None
        return f"the parameter 'limit' must be at most {self.pagination_limit}"


def merge(pattern: str, rules: Sequence[tuple[str, Rule]]) -> Merged:
    """Return what rules of one pattern say together; each comes with its policy's name."""
    capabilities = reduce(or_, (rule.capabilities for _, rule in rules))
    return Merged(
        pattern=pattern,
        capabilities=Capability.DENY if capabilities & Capability.DENY else capabilities,
        rules=tuple((f"{policy}#{rule.path}", rule.capabilities) for policy, rule in rules),
        constraints=all_of([rule.constraints for _, rule in rules]),
        min_wrapping_ttl=_lowest(rule.min_wrapping_ttl for _, rule in rules),
        max_wrapping_ttl=_lowest(rule.max_wrapping_ttl for _, rule in rules),
        pagination_limit=min(
            (r.pagination_limit for _, r in rules if r.pagination_limit), default=0
        ),
        control=joined([r.control for _, r in rules if r.control is not None]),
        keys_filter=next((r.keys_filter for _, r in rules if r.keys_filter is not None), None),
    )


def _lowest(durations: Iterable[timedelta]) -> timedelta:
    return min(filter(None, durations), default=ZERO)
