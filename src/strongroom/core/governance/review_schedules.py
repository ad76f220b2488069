"""`strongroom/review-schedules/{kind}`: reviews that begin by themselves, once a quarter.

Order   One that is switched on begins its first review at once, for the quarter that it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.governance.organisation import group_of
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_unbound
from strongroom.identity.governance.campaigns import DEADLINE, GRACE, SCHEDULES, ReviewSchedule
from strongroom.identity.records import ENVIRONMENTS
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route
from strongroom.sdk.reviews import KINDS


@dataclass(frozen=True, kw_only=True)
class ByKind:
    """For paths that name a kind."""

    kind: Annotated[str, Help("Whose grants.", choices=KINDS)]


@dataclass(frozen=True, kw_only=True)
class Scheduled(ByKind):
    """How reviews of a kind begin."""

    enabled: Annotated[bool, Help("Whether they begin by themselves.")] = True
    reviewers: Annotated[tuple[str, ...], Help("Groups who review, by id or name.")] = ()
    fallback: Annotated[tuple[str, ...], Help("Groups who step in.")] = ()
    environments: Annotated[tuple[str, ...], Help("Only what reaches these; none: all.")] = ()
    deadline: Annotated[timedelta, Help("How long one may take.")] = DEADLINE
    grace: Annotated[timedelta, Help("How much later a sign-off still counts.")] = GRACE


class ReviewScheduleRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="review-schedules",
                summary="Which reviews begin by themselves.",
                list=Endpoint(Page, self.kinds, "review_schedule.list"),
            ),
            Route(
                path="review-schedules/{kind}",
                summary="When reviews of a kind begin, and who reviews.",
                read=Endpoint(ByKind, self.show, "review_schedule.read"),
                write=Endpoint(Scheduled, self.write, "review_schedule.write"),
            ),
        )

    async def kinds(self, call: SystemCall, _page: Page) -> Reply:
        rows = await call.transaction.all(SCHEDULES, order="kind")
        info = {row.kind: _plain(row) for row in rows}
        return Reply({"keys": list(info), "key_info": info})

    async def show(self, call: SystemCall, given: ByKind) -> Reply:
        row = await call.transaction.get(SCHEDULES, given.kind)
        if row is None:
            raise NotFoundError
        return Reply(_plain(row))

    async def write(self, call: SystemCall, given: Scheduled) -> None:
        check_unbound(call)
        old = await call.transaction.get(SCHEDULES, given.kind)
        groups: dict[str, tuple[str, ...]] = {}
        for field in ("reviewers", "fallback"):
            found: dict[str, None] = {}
            for each in getattr(given, field):
                group = await group_of(call.transaction, each)
                if group is None:
                    raise InputError(field, f"no group of this id or name: {each}")
                found[group.id] = None
            groups[field] = tuple(sorted(found))
        if given.enabled and not groups["reviewers"]:
            raise InputError("reviewers", "name the groups whose members review")
        for name in given.environments:
            if await call.transaction.get(ENVIRONMENTS, name) is None:
                raise InputError("environments", f"there is no environment {name}")
        if not timedelta(hours=1) <= given.deadline <= timedelta(days=92):
            raise InputError("deadline", "from an hour to 92 days")
        if not timedelta(0) <= given.grace <= timedelta(days=31):
            raise InputError("grace", "at most 31 days")
        goes_on = old is not None and old.enabled
        row = ReviewSchedule(
            kind=given.kind,
            enabled=given.enabled,
            reviewers=groups["reviewers"],
            fallback=groups["fallback"],
            environments=tuple(sorted({*given.environments})),
            deadline=given.deadline,
            grace=given.grace,
            since=old.since if old is not None and goes_on else call.now,
            tried="",
            problem="",
        )
        call.transaction.put(SCHEDULES, row)
        call.details |= {"campaign_kind": row.kind, "enabled": row.enabled}
        call.details |= {"reviewers": row.reviewers, "fallback": row.fallback}


def _plain(row: ReviewSchedule) -> dict[str, object]:
    return {
        "kind": row.kind,
        "enabled": row.enabled,
        "reviewers": list(row.reviewers),
        "fallback": list(row.fallback),
        "environments": list(row.environments),
        "deadline": int(row.deadline.total_seconds()),
        "grace": int(row.grace.total_seconds()),
        "since": rfc3339(row.since),
        "problem": row.problem,
        "entry": row.entry,
    }
