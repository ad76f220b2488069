"""Which rules cover what is asked for: by paths, by environments, by the groups asked for.

A request for the rights of a group is covered as what the policies of that group reach, too: to
ask for a role is no way around the rule of its paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.identity.governance.grants import administers
from strongroom.identity.governance.records import ACCESS, InForce
from strongroom.identity.governance.rules import Covered, in_force, read_rules
from strongroom.identity.policy.capability import Capability
from strongroom.identity.policy.document import Policy
from strongroom.identity.policy.pattern import Segment, Shape, shape


@dataclass(frozen=True, slots=True)
class Reached:
    """What access would reach: sets of paths, and the environments they lie in."""

    shapes: tuple[Shape, ...]
    environments: frozenset[str]


class Covering:
    """Finds rules and reach within one call."""

    def __init__(self, server: Server, call: SystemCall) -> None:
        self._server = server
        self._call = call

    async def policies(self, groups: Sequence[str]) -> list[Policy]:
        """Return the policies that some groups give, and those that they are in."""
        views, call = self._server.views, self._call
        graph = await views.graph(call.transaction)
        names = {name for group in graph.above(groups) for name in group.policies}
        found = [await views.policy(call.transaction, name, call.now) for name in sorted(names)]
        return [policy for policy in found if policy is not None]

    async def reached(
        self, paths: Sequence[str], groups: Sequence[str], *, scans: bool = False
    ) -> Reached:
        """Return what paths and the rights of groups reach; of a template, all it could become."""
        patterns = dict.fromkeys(paths, scans)
        for policy in await self.policies(groups):
            for rule in policy.rules:
                if _gives(rule.capabilities):
                    path, deep = _opened(rule.path), bool(rule.capabilities & Capability.SCAN)
                    patterns[path] = patterns.get(path, False) or deep
        shapes = tuple(each for p, deep in patterns.items() for each in _reach(shape(p), deep=deep))
        guardrails = await self._server.views.guardrails(self._call.transaction)
        inside = [b for b in guardrails.boundaries if any(map(b.meets, shapes))]
        return Reached(shapes, frozenset(b.environment.name for b in inside))

    async def rules(
        self,
        paths: Sequence[str],
        groups: Sequence[str],
        kind: str = ACCESS,
        *,
        scans: bool = False,
    ) -> tuple[InForce, ...]:
        """Return what is needed for access to these, by each rule that covers it."""
        tx = self._call.transaction
        reached = await self.reached(paths, groups, scans=scans)
        rules = await read_rules(tx)
        patterns = {path for rule in rules.rules for path in rule.paths}
        met = {p for p in patterns if any(_meets(p, each) for each in reached.shapes)}
        of = Covered(kind, reached.environments, frozenset(await self._with_those_above(groups)))
        graph = await self._server.views.graph(tx)
        return in_force(rules, rules.covering(of, met), graph)

    async def _with_those_above(self, groups: Sequence[str]) -> set[str]:
        """Return groups and those they are in: who is given the one has the rights of both."""
        graph = await self._server.views.graph(self._call.transaction)
        return {group.id for group in graph.above(groups)}

    async def unfit(self, groups: Sequence[str]) -> str:
        """Say what of the rights of some groups no grant can give; nothing where all can be."""
        for policy in await self.policies(groups):
            for rule in policy.rules:
                if rule.capabilities & Capability.DENY:
                    continue
                if rule.capabilities & Capability.SUDO or administers(rule.path):
                    return f"{policy.name}#{rule.path}"
        return ""


def _gives(capabilities: Capability) -> bool:
    return bool(capabilities) and not capabilities & Capability.DENY


def _opened(pattern: str) -> str:
    head, brace, _ = pattern.partition("{{")
    return f"{head}*" if brace else pattern


def _reach(own: Shape, *, deep: bool) -> tuple[Shape, ...]:
    """Return a set of paths, what a list of them is judged as, and what a scan shows."""
    folder = own if own.segments[-1] == Segment("") and not own.tail else own.within()
    if not deep or folder.tail:
        return own, folder
    return own, folder, Shape((*folder.segments[:-1], Segment("", open_=True)), tail=True)


def _meets(pattern: str, reached: Shape) -> bool:
    own = shape(pattern)
    return own.meet(reached) is not None or own.within().meet(reached) is not None
