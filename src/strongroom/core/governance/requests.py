"""`strongroom/requests…`: a person asks for access, others approve, and a grant begins.

    ask → (each approval judged with all before it) → the last one needed makes the grant

Order   The grant is made in the transaction of the last approval, and is in force for every request
        that is committed after its entry, on every node. Under rules that let approval follow, it
        begins with the asking, and the request stays open until it is approved.
Trust   A person asks for themselves. What they may be given is bounded by what a grant can be
        (`identity.governance.grants`) and by the floor. To approve takes the capability on the
        path and a fresh security key; a caller that is bound to an environment approves nothing
        that reaches out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError
from strongroom.base.wording import check_says
from strongroom.core.governance.covering import Covering
from strongroom.core.governance.explaining import explained
from strongroom.core.governance.granting import end_grant, make_grant
from strongroom.core.governance.makers import makers_of
from strongroom.core.governance.organisation import group_of, names_of
from strongroom.core.governance.proposals import (
    OPEN,
    ById,
    Decision,
    Ground,
    Text,
    asker,
    brief,
    decider,
    own,
    say_no,
    say_yes,
    shown,
    store,
    there,
    written,
)
from strongroom.core.governance.telling import Told, tell_in
from strongroom.core.guardrails import GuardrailError
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.bindings import bound
from strongroom.identity.governance.approving import approvals_of, groups_of, has_place
from strongroom.identity.governance.grants import GRANTABLE, administers
from strongroom.identity.governance.notices import ACCESS as TO_APPROVE
from strongroom.identity.governance.notices import DECISION
from strongroom.identity.governance.records import (
    ACCESS,
    APPROVED,
    BEGUN,
    DENIED,
    OVERDUE,
    PENDING,
    PROPOSALS,
    STATES,
    WITHDRAWN,
    InForce,
    Proposal,
    state_of,
)
from strongroom.identity.governance.rules import begins_at_once, longest
from strongroom.identity.policy.pattern import problem
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route

LASTS: Final = timedelta(days=7)
SHORTEST: Final = timedelta(minutes=1)
MOST_NAMED, LONGEST_PATH, MOST_WRITTEN = 32, 512, 3000
MOST_LISTED: Final = 1000
BEFORE: Final = "granted_before_approval"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What access, and for how long."""

    paths: Annotated[tuple[str, ...], Help("Patterns of request paths: secret/data/app/*.")] = ()
    capabilities: Annotated[
        tuple[str, ...], Help("What to do there.", choices=GRANTABLE, was=("capability",))
    ] = ()
    groups: Annotated[
        tuple[str, ...], Help("Internal groups whose rights are asked for.", was=("roles", "role"))
    ] = ()
    ttl: Annotated[timedelta, Help("For how long, from the approval on.", was=("for",))] = (
        timedelta(0)
    )
    until: Annotated[datetime | None, Help("Until when at the latest.")] = None
    reason: Annotated[str, Help("Why it is needed.", most=4096)] = ""


@dataclass(frozen=True, kw_only=True)
class Edited(Asked, ById):
    """A request, written anew."""


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which requests."""

    state: Annotated[str, Help("State.", choices=("", *STATES))] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a request is of: the body of a proposal of access."""

    paths: tuple[str, ...]
    capabilities: tuple[str, ...]
    groups: tuple[str, ...]
    ttl: timedelta
    until: datetime | None

    @property
    def scans(self) -> bool:
        """Whether all that lies below its paths is shown."""
        return "scan" in self.capabilities

    def ends(self, now: datetime, most: timedelta) -> datetime:
        """Return when a grant that begins now ends."""
        wanted = now + min(self.ttl or most, most)
        return wanted if self.until is None else min(wanted, self.until)


class RequestRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="requests",
                summary="The requests for access.",
                list=Endpoint(Filter, self.ids, "access_request.list"),
                write=Endpoint(Asked, self.ask, "access_request.ask"),
            ),
            Route(
                path="requests/preview",
                summary="What a request would need, and who could approve it.",
                write=Endpoint(Asked, self.preview, "access_request.preview"),
            ),
            Route(
                path="requests/self",
                summary="The caller's own requests.",
                list=Endpoint(Filter, self.mine, "access_request.list"),
            ),
            Route(
                path="requests/inbox",
                summary="The requests that wait for the caller's decision.",
                list=Endpoint(Page, self.inbox, "access_request.list"),
            ),
            Route(
                path="requests/{id}",
                summary="A request for access, its approvals, and what it still needs.",
                read=Endpoint(ById, self.show, "access_request.read"),
                write=Endpoint(Edited, self.edit, "access_request.edit"),
                delete=Endpoint(ById, self.withdraw, "access_request.withdraw"),
            ),
            Route(
                path="requests/{id}/approve",
                summary="Approve a request; the last approval needed makes the grant.",
                write=Endpoint(Decision, self.approve, "access_request.approve"),
            ),
            Route(
                path="requests/{id}/deny",
                summary="Deny a request, which ends it.",
                write=Endpoint(Decision, self.deny, "access_request.deny"),
            ),
        )

    # -- reading

    async def ids(self, call: SystemCall, given: Filter) -> Reply:
        rows = await call.transaction.all(PROPOSALS, kind=ACCESS)
        return _listed(call, rows, given, given.state)

    async def mine(self, call: SystemCall, given: Filter) -> Reply:
        who = await asker(call)
        rows = await call.transaction.all(PROPOSALS, kind=ACCESS)
        return _listed(call, [row for row in rows if who in row.requesters], given, given.state)

    async def inbox(self, call: SystemCall, given: Page) -> Reply:
        """Give what the caller could decide on, and has not approved yet."""
        rows = await call.transaction.all(PROPOSALS, kind=ACCESS)
        open_ = [row for row in rows if state_of(row, call.now) in OPEN]
        waiting = [row for row in open_ if await self._waits_for(call, row)]
        return _listed(call, waiting, given)

    async def _waits_for(self, call: SystemCall, row: Proposal) -> bool:
        try:
            who = await decider(call, row)
        except DeniedError:
            return False
        ground = await self._ground(call, row)
        if who in ground.makers or any(
            each.approver == who for each in await approvals_of(call.transaction, row)
        ):
            return False
        graph = await self._server.views.graph(call.transaction)
        return has_place(ground.rules, await groups_of(call.transaction, who, graph))

    async def show(self, call: SystemCall, given: ById) -> Reply:
        row = await there(call, given.id, ACCESS)
        ground = await self._ground(call, row)
        told = await shown(self._server, call, row, ground)
        return Reply({**told, **plain_access(access_of(row)), **await self._needed(call, row)})

    async def _needed(self, call: SystemCall, row: Proposal) -> dict[str, object]:
        ground = await self._ground(call, row)
        said = await explained(self._server, call, ground, row.requesters[0])
        return {
            "rules": said["rules"],
            "needed": said["needed"],
            "group_names": said["group_names"],
        }

    async def _ground(self, call: SystemCall, row: Proposal) -> Ground:
        return await self.ground_of(call, access_of(row))

    async def ground_of(self, call: SystemCall, access: Access) -> Ground:
        rules = await Covering(self._server, call).rules(
            access.paths, access.groups, scans=access.scans
        )
        return Ground(rules=rules, makers=await makers_of(self._server, call, access.paths))

    # -- asking

    async def preview(self, call: SystemCall, given: Asked) -> Reply:
        """Explain what a request would need; nothing is asked."""
        who = await asker(call)
        access = await self.access(call, given)
        ground = await self.ground_of(call, access)
        return Reply(await self._told(call, access, ground, who))

    async def _told(
        self, call: SystemCall, access: Access, ground: Ground, who: str
    ) -> dict[str, object]:
        said = await explained(self._server, call, ground, who)
        reached = await Covering(self._server, call).reached(
            access.paths, access.groups, scans=access.scans
        )
        within = begins_at_once(ground.rules)
        return {
            **said,
            **plain_access(access),
            "environments": sorted(reached.environments),
            "longest": int(longest(ground.rules).total_seconds()),
            "begins_at_once": within is not None,
        }

    async def ask(self, call: SystemCall, given: Asked) -> Reply:
        """Ask for access; the reply says what it needs."""
        return await self._write(call, given, None)

    async def edit(self, call: SystemCall, given: Edited) -> Reply:
        """Write a request anew: what was said of it is void."""
        old = await own(call, given.id, ACCESS)
        if old.state not in (PENDING, DENIED):
            raise InputError("", f"the request is {state_of(old, call.now)}: make a new one")
        return await self._write(call, given, old)

    async def _write(self, call: SystemCall, given: Asked, old: Proposal | None) -> Reply:
        who = await asker(call)
        check_says("reason", given.reason, "say why you need it")
        access = await self.access(call, given)
        ground = await self.ground_of(call, access)
        over = min(call.now + LASTS, access.until or datetime.max.replace(tzinfo=call.now.tzinfo))
        text = Text(
            title=title_of(access),
            reason=given.reason,
            body=msgspec.json.encode(access).decode(),
            rules=ground.rules,
        )
        row = await written(call, ACCESS, text, old, lasts_until=over)
        within = begins_at_once(ground.rules)
        if within is not None and not await self._owes(call, who):
            most = longest(ground.rules)
            ends = access.ends(call.now, most)
            call.details["longest_seconds"] = int(most.total_seconds())
            grant = make_grant(call, row, access, ends)
            row = replace(row, state=BEGUN, outcome=grant.id, due_at=call.now + within)
            call.details |= {"alert": BEFORE, "due_at": rfc3339(call.now + within)}
        store(call, row)
        _note(call, access)
        told = await self._told(call, access, ground, who)
        await _tell_asked(call, row, told)
        return Reply({**told, **brief(row, call.now)})

    async def _owes(self, call: SystemCall, who: str) -> bool:
        """Say whether the approval of something that began before it is missing: then no more."""
        rows = await call.transaction.all(PROPOSALS, kind=ACCESS, state=BEGUN)
        return any(who in row.requesters and state_of(row, call.now) == OVERDUE for row in rows)

    async def withdraw(self, call: SystemCall, given: ById) -> None:
        """Take a request back. One whose grant has begun still waits for its approval."""
        row = await own(call, given.id, ACCESS)
        if row.state == WITHDRAWN:
            return
        if row.state == BEGUN:
            raise InputError("", "its grant has begun: end that; its approval is still due")
        if row.state != PENDING:
            raise InputError("", f"the request is {row.state} already")
        store(call, replace(row, state=WITHDRAWN, decided_at=call.now))

    # -- deciding

    async def approve(self, call: SystemCall, given: Decision) -> Reply:
        """Approve it; with the last approval needed the grant is made, or nothing."""
        row = await there(call, given.id, ACCESS)
        access = access_of(row)
        ground = await self._ground(call, row)
        _note(call, access)
        judged = await say_yes(self._server, call, row, given, ground)
        await self._check_bound(call, access)
        if judged.met:
            row = await self._passed(call, row, access, ground.rules)
            store(call, row)
            _tell_decided(call, row, given.because)
        told = await shown(self._server, call, row, ground)
        return Reply({**told, "grant": row.outcome})

    async def _passed(
        self, call: SystemCall, row: Proposal, access: Access, rules: tuple[InForce, ...]
    ) -> Proposal:
        outcome = row.outcome
        if row.state == PENDING:
            most = longest((*rules, *row.rules))
            ends = access.ends(call.now, most)
            call.details["longest_seconds"] = int(most.total_seconds())
            if ends <= call.now:
                raise InputError("until", "it has passed")
            outcome = make_grant(call, row, access, ends).id
        return replace(row, state=APPROVED, outcome=outcome, decided_at=call.now)

    async def deny(self, call: SystemCall, given: Decision) -> Reply:
        """Deny it. A grant that had begun ends now."""
        row = await there(call, given.id, ACCESS)
        _note(call, access_of(row))
        who = await say_no(self._server, call, row, given, await self._ground(call, row))
        if row.outcome:
            await end_grant(call, row.outcome, who, "its request was denied")
        row = replace(row, state=DENIED, decided_at=call.now)
        store(call, row)
        _tell_decided(call, row, given.because)
        return Reply({"id": row.id, "state": DENIED})

    async def _check_bound(self, call: SystemCall, access: Access) -> None:
        """Refuse a bound caller what reaches out of their environment, or is no path's."""
        mine = bound(call)
        if not mine:
            return
        reached = await Covering(self._server, call).reached(
            access.paths, access.groups, scans=access.scans
        )
        guardrails = await self._server.views.guardrails(call.transaction)
        for each in reached.shapes:
            if refused := guardrails.refusal_within(mine, each):
                raise GuardrailError(refused)

    # -- what is asked for

    async def access(self, call: SystemCall, given: Asked) -> Access:
        """Return what is asked for, checked as far as it can be now."""
        groups = await self._groups(call, given.groups)
        paths = tuple(dict.fromkeys(each.removeprefix("/") for each in given.paths))
        if not (paths or groups):
            raise InputError("paths", "name paths or groups")
        _check_paths(paths)
        if sum(map(len, (*paths, *groups))) > MOST_WRITTEN or len(paths) > MOST_NAMED:
            raise InputError("paths", f"at most {MOST_NAMED}, of {MOST_WRITTEN} characters in all")
        if unfit := await Covering(self._server, call).unfit(groups):
            raise InputError("groups", f"no grant can give what is in {unfit}")
        if given.ttl and given.ttl < SHORTEST:
            raise InputError("ttl", "at least a minute")
        if not given.ttl and given.until is None:
            raise InputError("ttl", "say for how long, or until when")
        if given.until is not None and given.until <= call.now:
            raise InputError("until", "it has passed")
        return Access(
            paths=paths,
            capabilities=tuple(sorted(set(given.capabilities or ("read",)))) if paths else (),
            groups=groups,
            ttl=given.ttl,
            until=given.until,
        )

    async def _groups(self, call: SystemCall, named: tuple[str, ...]) -> tuple[str, ...]:
        found: list[str] = []
        if len(named) > MOST_NAMED:
            raise InputError("groups", f"at most {MOST_NAMED}")
        for each in dict.fromkeys(named):
            group = await group_of(call.transaction, each)
            if group is None or group.external:
                raise InputError("groups", "there is no such internal group")
            found.append(group.id)
        return tuple(dict.fromkeys(found))


# -- parts


def access_of(row: Proposal) -> Access:
    """Return what a proposal of access is of."""
    return msgspec.json.decode(row.body, type=Access)


def title_of(access: Access) -> str:
    """Return what a request is called in lists."""
    what = ", ".join(access.capabilities)
    parts = [f"{what} {', '.join(access.paths)}"] if access.paths else []
    parts += [f"the rights of {len(access.groups)} groups"] if access.groups else []
    return " and ".join(parts)[:512]


async def _tell_asked(call: SystemCall, row: Proposal, said: Mapping[str, Any]) -> None:
    """Tell each who could approve a request that it waits for them."""
    names = await names_of(call.transaction, dict.fromkeys(row.requesters[:1]))
    who = names[row.requesters[0]] or row.requesters[0]
    text = f"{who} asks: {row.title}\nReason: {row.reason}\nIt needs {said['needed']} to approve.\n"
    told = Told(
        topic=TO_APPROVE,
        about=row.id,
        title=f"{who} asks for access",
        text=text,
        place=f"requests/{row.id}",
    )
    tell_in(call, told, [each["entity"] for each in said["approvers"]])


def _tell_decided(call: SystemCall, row: Proposal, because: str) -> None:
    """Tell who asked what became of it."""
    said = f"Because: {because}\n" if because else ""
    told = Told(
        topic=DECISION,
        about=row.id,
        title=f"Your request was {row.state}",
        text=f"{row.title}\n{said}",
        place=f"requests/{row.id}",
    )
    tell_in(call, told, row.requesters)


def plain_access(access: Access) -> dict[str, object]:
    """Return what is asked for as plain data."""
    return {
        "paths": list(access.paths),
        "capabilities": list(access.capabilities),
        "groups": list(access.groups),
        "ttl": int(access.ttl.total_seconds()),
        "until": None if access.until is None else rfc3339(access.until),
    }


def _check_paths(paths: tuple[str, ...]) -> None:
    for path in paths:
        if not 0 < len(path) <= LONGEST_PATH or not path.isprintable():
            raise InputError("paths", f"a pattern is 1 to {LONGEST_PATH} printable characters")
        if "//" in path or "{{" in path or not {".", ".."}.isdisjoint(path.split("/")):
            raise InputError("paths", "a pattern has no empty, '.' or '..' segment, no template")
        if "*" in path[:-1]:
            raise InputError("paths", "'*' stands at the end of a pattern only")
        if found := problem(path):
            raise InputError("paths", found)
        if administers(path):
            raise InputError("paths", "no grant reaches where others are administered")


def _note(call: SystemCall, access: Access) -> None:
    call.details |= {"paths": access.paths, "wanted_capabilities": access.capabilities}
    call.details |= {"wanted_groups": access.groups, "ttl": int(access.ttl.total_seconds())}
    if access.until is not None:
        call.details["until"] = rfc3339(access.until)


def _listed(call: SystemCall, rows: list[Proposal], page: Page, state: str = "") -> Reply:
    """Give a page of requests, by their ids."""
    found = [
        row
        for row in sorted(rows, key=lambda each: each.id)
        if row.id > page.after and state in ("", state_of(row, call.now))
    ]
    limit = page.limit if 0 < page.limit < MOST_LISTED else MOST_LISTED
    there_ = found[:limit]
    info = {row.id: {**brief(row, call.now), **plain_access(access_of(row))} for row in there_}
    after = there_[-1].id if len(found) > limit else ""
    return Reply({"keys": list(info), "key_info": info, "next": after})
