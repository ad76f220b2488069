"""What the policies of one token add up to, and what they say of a request.

Vault  Denied unless granted. Of the patterns that match, the one that goes first decides alone
       (`pattern.priority`); what several policies say of the same pattern is joined: the union
       of the capabilities, `deny` above all, the lowest of each TTL set, constraints of all.
       A list or scan is of a prefix: it is asked with a slash at the end, and falls back to a
       rule without one. Constraints on parameters bind reads and writes; on lists, as in
       OpenBao, the limits of a page alone; on deletes, none.
Units  Times are `timedelta` and aware `datetime`.
Speed  A decision is remembered, so that asking again costs one look-up whatever the number of
       policies; constraints on parameters and wrapping are judged anew each time.
Trust  It fails closed: where a template's value is forbidden, everything is refused. An Acl is
       good until `good_until`, when the first of its rules expires: its keeper must drop it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache

from strongroom.identity.policy.capability import EVERYTHING, Capability, Operation
from strongroom.identity.policy.control_group import ControlGroup
from strongroom.identity.policy.document import Policy, Rule
from strongroom.identity.policy.index import Index
from strongroom.identity.policy.listing import KeysFilter
from strongroom.identity.policy.merged import Merged, merge
from strongroom.identity.policy.template import ForbiddenValueError, Identity, render

ROOT = "root"
REMEMBERED = 1024  # decisions for each Acl, the least recently used go first

_LISTS = frozenset({Operation.LIST, Operation.SCAN})
_NEEDED = {operation: Capability[operation.name] for operation in Operation}


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Whether a request may be served, and why.

    `rules` are those that granted or refused, as `policy#pattern`, as the policy writes it.
    `conditional` says that the rule asks something of parameters or wrapping. A list may ask
    for at most `pagination_limit` names, and gets so many where it does not say (0: no limit).
    """

    allowed: bool
    sudo: bool = False
    capabilities: Capability = Capability.NONE
    rules: tuple[str, ...] = ()
    reason: str = ""
    conditional: bool = False
    pagination_limit: int = 0
    keys_filter: KeysFilter | None = None
    control: ControlGroup | None = None  # who must say yes before it is served
    granted: bool = False  # by a grant
    granted_until: datetime | None = None  # when that is over
    standing: bool = False  # granted, and policies of one's own allow it as well


class Acl:
    """The policies of one token, ready to be asked."""

    def __init__(
        self,
        merged: Mapping[str, Merged],
        *,
        good_until: datetime | None = None,
        everything: Decision | None = None,
        remembered: int = REMEMBERED,
    ) -> None:
        """Take what is said of each pattern, or the one decision for everything."""
        self.merged = merged
        self.good_until = good_until
        self.good_from: datetime | None = None
        self.granted: Acl | None = None  # what of it was granted, and is not the policies' own
        self.ends: Mapping[str, datetime] = {}  # of grants, by the names that their rules bear
        self.everything = everything
        self._decided: dict[tuple[str, Operation], Decision] = {}
        self._weigh = lru_cache(remembered)(self._fresh)

    def decide(
        self,
        path: str,
        operation: Operation,
        parameters: Mapping[str, object] | None = None,
        wrap_ttl: timedelta | None = None,
    ) -> Decision:
        """Say whether a request may be served.

        `parameters` are the decoded body and query; `wrap_ttl` is None where the response is
        not to be wrapped. The path has no leading slash.
        """
        decision, governing = self._weigh(path, operation)
        if governing is None:
            return decision
        reason = governing.refusal(operation, parameters or {}, wrap_ttl)
        return decision if reason is None else replace(decision, allowed=False, reason=reason)

    def grants(self, path: str, operation: Operation) -> Decision:
        """Say what `decide` would for a request that meets all conditions of its rule."""
        return self._weigh(path, operation)[0]

    def governing(self, path: str, operation: Operation) -> str | None:
        """Return the pattern that decides an operation on a path; None if no rule matches."""
        if self.everything is not None:
            return None
        as_list = operation in _LISTS
        found = self._governing(f"{path.removesuffix('/')}/" if as_list else path, as_list=as_list)
        return None if found is None else found.pattern

    def sudo(self, path: str) -> Decision:
        """Say whether a path may be used that is protected beyond its operation."""
        if self.everything is not None:
            return self.everything
        governing = self._governing(path, as_list=path.endswith("/"))
        return _UNMATCHED if governing is None else _decision(governing, None)

    def withheld(self, _path: str) -> Capability:
        """Return what of a path is taken from what `merged` says, by policies beside it."""
        return Capability.NONE

    def capabilities_for(self, path: str) -> Capability:
        """Return what is granted on a path: NONE where nothing is, DENY where it is denied.

        Tells whether the question "is it there already" matters to a write: it does where
        exactly one of CREATE and UPDATE is granted.
        """
        if self.everything is not None:
            return self.everything.capabilities
        governing = self._governing(path, as_list=path.endswith("/"))
        return Capability.NONE if governing is None else governing.capabilities

    def _fresh(self, path: str, operation: Operation) -> tuple[Decision, Merged | None]:
        """Return the decision of the rules, and what must judge the rest of the request."""
        if self.everything is not None:
            return self.everything, None
        as_list = operation in _LISTS
        if as_list and not path.endswith("/"):
            path += "/"
        governing = self._governing(path, as_list=as_list)
        if governing is None:
            return _UNMATCHED, None
        key = (governing.pattern, operation)
        decision = self._decided.get(key) or _decision(governing, operation)
        self._decided[key] = decision
        return decision, governing if decision.allowed and decision.conditional else None

    @cached_property
    def _index(self) -> Index[Merged]:
        return Index(self.merged)

    def _governing(self, path: str, *, as_list: bool) -> Merged | None:
        exact, bare = self._index.exact, path.removesuffix("/") if as_list else path
        return (
            exact.get(path)
            or exact.get(bare)
            or self._index.wildcard(path)
            or (self._index.wildcard(bare) if bare != path else None)
        )


_UNMATCHED = Decision(allowed=False, reason="no rule matches the path")


def _decision(governing: Merged, operation: Operation | None) -> Decision:
    """Return what a pattern says of an operation, or of `sudo`."""
    needed = Capability.SUDO if operation is None else _NEEDED[operation]
    granted = governing.capabilities
    allowed = bool(granted & needed)
    if allowed:
        reason = ""
    elif granted & Capability.DENY:
        reason = "a rule denies the path"
    else:
        reason = f"the rule for the path does not grant {operation or 'sudo'}"
    return Decision(
        allowed=allowed,
        sudo=bool(granted & Capability.SUDO),
        capabilities=granted,
        rules=governing.references(needed if allowed else granted & Capability.DENY),
        reason=reason,
        conditional=operation is not None and governing.conditional(operation),
        pagination_limit=governing.pagination_limit if operation in _LISTS else 0,
        keys_filter=governing.keys_filter if operation in _LISTS else None,
        control=_held(governing, operation) if allowed else None,
    )


def _held(governing: Merged, operation: Operation | None) -> ControlGroup | None:
    if operation is None or governing.control is None:
        return None
    return governing.control.of(operation)


def compile_acl(
    policies: Iterable[Policy],
    identity: Identity | None,
    now: datetime,
    *,
    remembered: int = REMEMBERED,
) -> Acl:
    """Put together what `policies` say for this identity now."""
    said: dict[str, list[tuple[str, Rule]]] = {}
    good_until: datetime | None = None
    for policy in policies:
        if policy.name == ROOT:
            return Acl({}, everything=_root())
        for rule in policy.rules:
            if rule.expires_at is not None:
                if rule.expires_at <= now:
                    continue
                good_until = min(good_until or rule.expires_at, rule.expires_at)
            try:
                pattern = render(rule.path, identity, policy) if rule.templated else rule.path
            except ForbiddenValueError as error:
                return Acl({}, everything=_closed(f"{policy.name}#{rule.path}", str(error)))
            if pattern is not None:
                said.setdefault(pattern, []).append((policy.name, rule))
    merged = {pattern: merge(pattern, rules) for pattern, rules in said.items()}
    return Acl(merged, good_until=good_until, remembered=remembered)


def _root() -> Decision:
    return Decision(
        allowed=True, sudo=True, capabilities=Capability.ROOT | EVERYTHING, rules=(f"{ROOT}#*",)
    )


def _closed(rule: str, reason: str) -> Decision:
    return Decision(
        allowed=False, capabilities=Capability.DENY, rules=(rule,), reason=f"{rule}: {reason}"
    )
