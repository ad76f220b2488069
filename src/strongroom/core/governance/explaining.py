"""What a request will need, told before anybody waits: rules, counts, who could approve.

Exact  Who could approve is as of now: active people with a place in some rule, who are not the
       requester nor known to be the same person. Of a place without groups they are those whose
       policies, of their own, of their groups or by a way in, let them approve; where there are
       many entities, what a login adds is not seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from strongroom.core.governance.organisation import active_people, names_of
from strongroom.core.governance.proposals import Ground
from strongroom.core.governance.rules import group_name, plain_rules
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.holders import Holders
from strongroom.identity.deciding import NOBODY_ELSE, MayNotDecideError, check_apart, known_as
from strongroom.identity.governance.approving import problems_of
from strongroom.identity.governance.matching import all_met, fill, suits
from strongroom.identity.governance.records import Need
from strongroom.identity.governance.rules import needs_of
from strongroom.identity.policy.capability import Operation
from strongroom.identity.records import ENTITIES

APPROVING: Final = "strongroom/requests/id/approve"
MOST_JUDGED: Final = 200  # people who are looked at one by one
MOST_TOLD: Final = 50
MOST_ENTITIES: Final = 2000  # beyond, what logins add is not looked at: it takes too long


async def explained(
    server: Server, call: SystemCall, ground: Ground, who: str, at: str = APPROVING
) -> dict[str, object]:
    """Return what is needed, and whether enough people may approve it, `at` the path of that."""
    graph = await server.views.graph(call.transaction)
    needs = needs_of(ground.rules)
    could = await could_approve(server, call, needs, ground.makers, who, at)
    problems = problems_of(ground.rules, graph)
    told = sorted(could)[:MOST_TOLD]
    names = await names_of(call.transaction, dict.fromkeys(told))
    named = {group for need in needs for group in need.groups}
    return {
        "rules": plain_rules(ground.rules),
        "needed": sum(need.count for need in needs),
        "approvers": [{"entity": each, "name": names[each]} for each in told],
        "approvers_in_all": len(could),
        "enough": not problems and all_met(fill(needs, could)),
        "problems": problems,
        "group_names": {each: group_name(graph, each) for each in sorted(named)},
    }


async def could_approve(  # noqa: PLR0913, PLR0917 - who of whom, and where
    server: Server,
    call: SystemCall,
    needs: Collection[Need],
    makers: Collection[str],
    who: str,
    at: str = APPROVING,
) -> Mapping[str, frozenset[str]]:
    """Return the active people with a place, and their groups."""
    tx = call.transaction
    graph = await server.views.graph(tx)
    people = await active_people(tx, graph, call.now)
    placed = {p: g for p, g in people.items() if any(suits(need, g) for need in needs)}
    named = {group for need in needs for group in need.groups}
    by_policy = [p for p, groups in placed.items() if groups.isdisjoint(named)]
    may = await _may_approve(server, call, sorted(by_policy)[:MOST_JUDGED], at)
    rest = sorted(p for p in placed if p in may or p not in by_policy)[:MOST_JUDGED]
    aliases = await known_as(tx, (who,))
    found: dict[str, frozenset[str]] = {}
    for each in rest:
        if each in makers:
            continue
        try:
            await check_apart(tx, (who,), aliases, each, NOBODY_ELSE, now=call.now)
        except MayNotDecideError:
            continue
        found[each] = placed[each]
    return found


async def _may_approve(
    server: Server, call: SystemCall, people: Collection[str], at: str
) -> set[str]:
    """Return those of some people whose policies let them approve."""
    if not people:
        return set()
    holders = await Holders(server, call).open()
    found: set[str] = set()
    if len(holders.known.entities) <= MOST_ENTITIES:
        async for holder in holders.without_tokens():
            if holder.entity in people and holder.acl.grants(at, Operation.UPDATE).allowed:
                found.add(holder.entity)
        return found
    for each in people:
        entity = await call.transaction.get(ENTITIES, each)
        if entity is None:
            continue
        of_entity = await holders.of_entity(entity)
        if of_entity.acl.grants(at, Operation.UPDATE).allowed:
            found.add(each)
    return found
