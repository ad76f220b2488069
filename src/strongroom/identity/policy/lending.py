"""Policies of somebody's own together with what they were granted for a while.

The two are weighed apart, so that a grant adds and never takes away. A `deny` of the policies holds
against any grant; where both allow, the grant is named, since it tells of the approval.

Trust  Sudo is of the policies alone, and so is root.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from strongroom.identity.policy.acl import Acl, Decision
from strongroom.identity.policy.capability import EVERYTHING, Capability, Operation

LISTS = Capability.LIST | Capability.SCAN


class Lending(Acl):
    """What policies give, and what is `granted` beside them from `good_from` on.

    `ends` says when each grant is over, by the name that its rules bear.
    """

    def __init__(
        self, own: Acl, granted: Acl, good_from: datetime, ends: Mapping[str, datetime]
    ) -> None:
        super().__init__(own.merged, good_until=own.good_until, everything=own.everything)
        self.own, self._lent = own, granted
        self.granted = granted
        self.good_from = good_from
        self.ends = dict(ends)

    def decide(
        self,
        path: str,
        operation: Operation,
        parameters: Mapping[str, object] | None = None,
        wrap_ttl: timedelta | None = None,
    ) -> Decision:
        own = self.own.decide(path, operation, parameters, wrap_ttl)
        return self._joined(own, self._lent.decide(path, operation, parameters, wrap_ttl))

    def grants(self, path: str, operation: Operation) -> Decision:
        return self._joined(self.own.grants(path, operation), self._lent.grants(path, operation))

    def sudo(self, path: str) -> Decision:
        return self.own.sudo(path)

    def capabilities_for(self, path: str) -> Capability:
        own = self.own.capabilities_for(path)
        if own & Capability.DENY:
            return own
        return own | (self._lent.capabilities_for(path) & ~(Capability.DENY | Capability.SUDO))

    def _joined(self, own: Decision, lent: Decision) -> Decision:
        if not lent.allowed or own.capabilities & Capability.DENY:
            return own
        names = (rule.partition("#")[0] for rule in lent.rules)
        until = max((self.ends[name] for name in names if name in self.ends), default=None)
        return replace(lent, sudo=own.sudo, granted=True, granted_until=until, standing=own.allowed)


class Lent(Acl):
    """What was granted, and nothing else, less what `own` policies of its holder deny."""

    def __init__(self, granted: Acl, own: Acl) -> None:
        known = [each for each in (granted.good_until, own.good_until) if each is not None]
        super().__init__(granted.merged, good_until=min(known, default=None))
        self._lent, self._own = granted, own

    def decide(
        self,
        path: str,
        operation: Operation,
        parameters: Mapping[str, object] | None = None,
        wrap_ttl: timedelta | None = None,
    ) -> Decision:
        own = self._own.grants(path, operation)
        if own.capabilities & Capability.DENY:
            return own
        return self._lent.decide(path, operation, parameters, wrap_ttl)

    def grants(self, path: str, operation: Operation) -> Decision:
        own = self._own.grants(path, operation)
        return own if own.capabilities & Capability.DENY else self._lent.grants(path, operation)

    def sudo(self, path: str) -> Decision:
        return replace(self._lent.sudo(path), allowed=False, sudo=False)

    def withheld(self, path: str) -> Capability:
        found = Capability.SUDO
        for flags, operation in ((EVERYTHING & ~LISTS, Operation.READ), (LISTS, Operation.LIST)):
            if self._own.grants(path, operation).capabilities & Capability.DENY:
                found |= flags
        return found

    def capabilities_for(self, path: str) -> Capability:
        left = self._lent.capabilities_for(path) & ~self.withheld(path)
        return left or Capability.DENY
