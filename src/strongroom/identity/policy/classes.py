"""Finds the class of each holder: policies are compiled once, and templates where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from strongroom.identity.policy.acl import Acl, compile_acl
from strongroom.identity.policy.document import Policy, Rule
from strongroom.identity.policy.merged import merge
from strongroom.identity.policy.rights import Class
from strongroom.identity.policy.template import ForbiddenValueError, Identity, render

Key = tuple[object, ...]


@dataclass(slots=True)
class _Compiled:
    """Policies without their templates, and the rules with one."""

    acl: Acl
    policies: tuple[Policy, ...]
    templated: tuple[tuple[Policy, Rule], ...]


@dataclass(slots=True)
class Classes:
    """The classes of everybody at one moment. `key` names a set of policies, once and for all."""

    now: datetime
    _compiled: dict[Key, _Compiled] = field(default_factory=dict)
    _said: dict[Key, tuple[Acl, tuple[str, ...]]] = field(default_factory=dict)
    _classes: dict[tuple[int, frozenset[str]], Class] = field(default_factory=dict)

    def knows(self, key: Key) -> bool:
        """Say whether the policies of a key are known already."""
        return key in self._compiled

    def learn(self, key: Key, policies: Sequence[Policy]) -> None:
        """Take the policies of a key."""
        acl = compile_acl(policies, None, self.now)
        templated = [
            (policy, rule)
            for policy in policies
            for rule in policy.rules
            if rule.templated and (rule.expires_at is None or self.now < rule.expires_at)
        ]
        if acl.everything is not None:
            templated = []
        self._compiled[key] = _Compiled(acl, tuple(policies), tuple(templated))

    def of(self, key: Key, identity: Identity | None, bound: frozenset[str]) -> Class:
        """Return the class of who holds the policies of a key."""
        compiled = self._compiled[key]
        acl = compiled.acl
        own: tuple[str, ...] = ()
        if compiled.templated and identity is not None:
            acl, own = self._with_templates(key, compiled, identity)
        base = compiled.acl if own else acl
        at = (id(acl), bound)
        if at not in self._classes:
            self._classes[at] = Class(acl, base, bound, own)
        return self._classes[at]

    def all(self) -> list[Class]:
        """Return every class that somebody is of."""
        return list(self._classes.values())

    def good_until(self) -> datetime | None:
        """Return when the first rule of any of them expires."""
        ends = (each.acl.good_until for each in self._classes.values())
        return min((end for end in ends if end is not None), default=None)

    def _with_templates(
        self, key: Key, compiled: _Compiled, identity: Identity
    ) -> tuple[Acl, tuple[str, ...]]:
        rendered: list[str | None] = []
        try:
            rendered += (render(rule.path, identity, p) for p, rule in compiled.templated)
        except ForbiddenValueError:
            closed = compile_acl(compiled.policies, identity, self.now)
            return self._said.setdefault((key, None, str(closed.everything)), (closed, ()))
        said = (key, *rendered)
        if said not in self._said:
            self._said[said] = self._joined(compiled, identity, rendered)
        return self._said[said]

    def _joined(
        self, compiled: _Compiled, identity: Identity, rendered: Sequence[str | None]
    ) -> tuple[Acl, tuple[str, ...]]:
        base = compiled.acl
        own: dict[str, list[tuple[str, Rule]]] = {}
        for (policy, rule), pattern in zip(compiled.templated, rendered, strict=True):
            if pattern is not None:
                own.setdefault(pattern, []).append((policy.name, rule))
        if not own:
            return base, ()
        if not base.merged.keys().isdisjoint(own):  # joined with what another rule says there
            return compile_acl(compiled.policies, identity, self.now), tuple(own)
        merged = {**base.merged, **{p: merge(p, rules) for p, rules in own.items()}}
        ends = [rule.expires_at for rules in own.values() for _, rule in rules]
        known = [end for end in (base.good_until, *ends) if end is not None]
        return Acl(merged, good_until=min(known, default=None)), tuple(own)
