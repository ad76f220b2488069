"""`strongroom/vendors…`: who they are, what was looked at of them, and the end of their access.

Order   A vendor leaves in one commit: all access of its people and workloads ends with it, as if
        each had left. What they knew is queued for rotation behind it; `vendor.measured` says how
        long it took from the asking to the commit.
Trust   Whoever may write here says what was assessed, and ends nobody's access; to end it takes
        the right to write `…/leave`. A caller that is bound to an environment does neither.
Limits  A vendor leaves with at most `MOST` people and workloads at once: its entry names each.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.offboarding import Offboarded, measure, offboard
from strongroom.core.request import SystemCall
from strongroom.core.rotation_due import DUE, ROTATIONS_DUE, known_to, names_of
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_unbound
from strongroom.core.system.knowledge import shown_value
from strongroom.core.system.leaving import shown as shown_leaver
from strongroom.core.system.people import moment
from strongroom.core.system.people import state_of as state_of_row
from strongroom.identity.governance.vendors import (
    ACTIVE,
    LEFT,
    REPORTS,
    TIERS,
    VENDORS,
    Vendor,
    check_vendor,
    folded,
    known_by,
    new_vendor,
    of_vendor,
)
from strongroom.identity.leaving import Leaver
from strongroom.identity.people import active_person
from strongroom.identity.records import Person, Workload
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import changed, valid_name
from strongroom.storage.transaction import Transaction

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

MOST: Final = 64  # people and workloads of one leaving: its entry holds them whole
MOST_LISTED: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Name:
    """For paths that name a vendor."""

    name: Annotated[str, Help("Name: letters, digits, '_', '-', '.'.", least=1, most=128)]


@dataclass(frozen=True, kw_only=True)
class Given(Name):
    """A vendor as written; what is not sent stays as it is."""

    owner: Annotated[str, Help("Entity of the active person who answers for it.", most=512)] = ""
    tier: Annotated[str, Help("How much depends on it.", choices=("", *TIERS))] = ""
    holds: Annotated[str, Help("What they hold or reach, in words.", most=4096)] = ""
    names: Annotated[tuple[str, ...], Help("Other names that workloads call it by.")] = ()
    contracts: Annotated[tuple[str, ...], Help("Contracts that its people work for.")] = ()
    contract_ends_at: Annotated[datetime | None, Help("When the contract ends.")] = None
    report: Annotated[str, Help("Kind of their auditor's report.", choices=REPORTS)] = "none"
    report_at: Annotated[datetime | None, Help("Date of that report.")] = None
    report_from: Annotated[datetime | None, Help("Where its period begins.")] = None
    report_until: Annotated[datetime | None, Help("Where its period ends.")] = None
    reference: Annotated[str, Help("Where the report or assessment is kept.", most=1024)] = ""
    assessed_at: Annotated[datetime | None, Help("When they were assessed last.")] = None
    assess_again_at: Annotated[datetime | None, Help("When they are to be assessed next.")] = None
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class Leaving(Name):
    """Which vendor leaves."""

    reason: Annotated[str, Help("Why; it stands in the rows.", most=1024)] = ""


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which vendors."""

    state: Annotated[str, Help("active or left.", choices=("", ACTIVE, LEFT))] = ""
    tier: Annotated[str, Help("Tier.", choices=("", *TIERS))] = ""


class VendorRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="vendors",
                summary="The vendors.",
                list=Endpoint(Filter, self.names, "vendor.list"),
            ),
            Route(
                path="vendors/{name}",
                summary="A vendor: its owner, its report, and who is of it.",
                read=Endpoint(Name, self.show, "vendor.read"),
                write=Endpoint(Given, self.write, "vendor.write"),
                exists=self.exists,
            ),
            Route(
                path="vendors/{name}/leave",
                summary="Say that a vendor is none any more: all access of its people and "
                "workloads ends.",
                write=Endpoint(Leaving, self.leave, "vendor.leave"),
            ),
            Route(
                path="vendors/{name}/return",
                summary="Say that a vendor that left is one again; nobody gets access back by it.",
                write=Endpoint(Name, self.back, "vendor.return"),
            ),
            Route(
                path="vendors/{name}/knowledge",
                summary="Each value of a static secret that somebody of a vendor read or wrote.",
                read=Endpoint(Name, self.knowledge, "vendor.knowledge"),
            ),
        )

    # -- reading

    async def names(self, call: SystemCall, given: Filter) -> Reply:
        rows = [
            row
            for row in await call.transaction.all(VENDORS, order="name")
            if row.name > given.after
            and given.state in ("", row.state)
            and given.tier in ("", row.tier)
        ]
        limit = given.limit if 0 < given.limit < MOST_LISTED else MOST_LISTED
        there = rows[:limit]
        info = {row.name: shown(row) for row in there}
        return Reply(
            {
                "keys": list(info),
                "key_info": info,
                "next": there[-1].name if len(rows) > limit else "",
            }
        )

    async def exists(self, call: SystemCall, given: Name) -> bool:
        return await call.transaction.get(VENDORS, given.name) is not None

    async def show(self, call: SystemCall, given: Name) -> Reply:
        vendor = await _there(call, given.name)
        rows = await of_vendor(call.transaction, vendor)
        return Reply(shown(vendor) | _members(rows, call.now))

    async def knowledge(self, call: SystemCall, given: Name) -> Reply:
        """Say what its people and workloads knew, and what of it is still to be written anew."""
        tx = call.transaction
        vendor = await _there(call, given.name)
        rows = await of_vendor(tx, vendor)
        names = [each for row in rows for each in await names_of(tx, row.entity)]
        size = self._server.log.size
        values = await known_to(self._server.log, names) if names else []
        entities = {row.entity for row in rows}
        due = [row for row in await tx.all(ROTATIONS_DUE, state=DUE) if row.entity in entities]
        call.details |= {"vendor": vendor.name, "secrets": len(values)}
        found = [shown_value(value) for value in values]
        queued = sorted({row.path for row in due})
        return Reply({"vendor": vendor.name, "secrets": found, "queued": queued, "log_size": size})

    # -- writing

    async def write(self, call: SystemCall, given: Given) -> None:
        """Make a vendor, or change what was sent of one."""
        check_unbound(call)
        tx = call.transaction
        old = await tx.get(VENDORS, given.name)
        base = old or new_vendor(valid_name(given.name, "name"), call.now)
        vendor = replace(changed(base, given, given.sent - {"name"}), updated_at=call.now)
        check_vendor(vendor, call.now)
        if vendor.state == ACTIVE and await active_person(tx, vendor.owner, call.now) is None:
            raise InputError("owner", "not the entity of an active person")
        await _check_apart(tx, vendor)
        _store(call, vendor)

    async def leave(self, call: SystemCall, given: Leaving) -> Reply:
        """End all access of a vendor's people and workloads; again ends what came since."""
        check_unbound(call)
        tx, by = call.transaction, call.actor.id
        vendor = await _there(call, given.name)
        rows = [row for row in await of_vendor(tx, vendor) if row.left_at is None]
        if len(rows) > MOST:
            raise InputError(
                "name", f"has {len(rows)} people and workloads: end some by themselves"
            )
        why = given.reason or f"the vendor {vendor.name} left"
        gone = [
            await offboard(self._server, tx, row.entity, call.now, by=by, why=why) for row in rows
        ]
        if vendor.state == ACTIVE:
            vendor = replace(vendor, state=LEFT, left_at=call.now, left_by=by, why=given.reason)
        _store(call, replace(vendor, updated_at=call.now))
        call.details["leavers"] = [_told(each) for each in gone]
        leavers = [each.leaver for each in gone]
        self._measure(call, vendor.name, leavers)
        return Reply(
            {
                "name": vendor.name,
                "left_at": moment(vendor.left_at),
                "ended": [shown_leaver(each) for each in leavers],
                "knowledge": f"strongroom/vendors/{vendor.name}/knowledge",
            }
        )

    def _measure(self, call: SystemCall, name: str, leavers: list[Leaver]) -> None:
        """Write down behind the commit what it took, of each and of all."""
        began, server = call.request.began, self._server

        async def write_down() -> None:
            await _measured(server, name, len(leavers), began)
            for leaver in leavers:
                await measure(server, leaver, began)

        call.after_commit(lambda: server.pipeline.behind(write_down()))

    async def back(self, call: SystemCall, given: Name) -> None:
        check_unbound(call)
        vendor = await _there(call, given.name)
        if vendor.state != LEFT:
            return
        if await active_person(call.transaction, vendor.owner, call.now) is None:
            raise InputError("owner", "its owner is no active person: write another first")
        again = replace(vendor, state=ACTIVE, left_at=None, left_by="", why="", updated_at=call.now)
        _store(call, again)


async def _measured(server: Server, name: str, count: int, began: float) -> None:
    took = round((perf_counter() - began) * 1000, 3)

    async def work(attempt: Attempt) -> bool:
        attempt.details = {"vendor": name, "took_ms": took, "ended": count}
        return True

    await server.pipeline.act("vendor.measured", f"strongroom/vendors/{name}", work)


def _told(gone: Offboarded) -> dict[str, object]:
    """Return what the entry says of one whose access ended: only what there was to end."""
    ended = {name: dict(each) for name, each in gone.leaver.ended.items() if each["count"]}
    return {**gone.details, "ended": ended}


async def _check_apart(tx: Transaction, vendor: Vendor) -> None:
    """Raise InputError where a name or contract is another vendor's already."""
    contracts = set(map(folded, vendor.contracts))
    for other in await tx.all(VENDORS):
        if other.name == vendor.name:
            continue
        if known_by(other) & known_by(vendor):
            raise InputError("names", f"one of them is a name of {other.name}")
        if contracts & set(map(folded, other.contracts)):
            raise InputError("contracts", f"one of them is {other.name}'s")


def _store(call: SystemCall, vendor: Vendor) -> None:
    call.transaction.put(VENDORS, vendor)
    call.details |= {"vendor": vendor.name, "owner": vendor.owner, "state": vendor.state}
    call.details |= {"tier": vendor.tier, "report": vendor.report}
    for name in ("report_at", "assessed_at", "contract_ends_at"):
        if (at := getattr(vendor, name)) is not None:
            call.details[name] = rfc3339(at)


async def _there(call: SystemCall, name: str) -> Vendor:
    vendor = await call.transaction.get(VENDORS, name)
    if vendor is None:
        raise NotFoundError
    return vendor


def _members(rows: list[Person | Workload], now: datetime) -> dict[str, object]:
    def told(row: Person | Workload) -> dict[str, Any]:
        return {
            "entity": row.entity,
            "state": state_of_row(row, now),
            "ends_at": moment(row.ends_at),
        }

    return {
        "people": [told(row) for row in rows if isinstance(row, Person)],
        "workloads": [told(row) for row in rows if isinstance(row, Workload)],
    }


def shown(vendor: Vendor) -> dict[str, object]:
    """Return a vendor as replies show it."""
    return {
        "name": vendor.name,
        "owner": vendor.owner,
        "tier": vendor.tier,
        "holds": vendor.holds,
        "names": list(vendor.names),
        "contracts": list(vendor.contracts),
        "contract_ends_at": moment(vendor.contract_ends_at),
        "report": vendor.report,
        "report_at": moment(vendor.report_at),
        "report_from": moment(vendor.report_from),
        "report_until": moment(vendor.report_until),
        "reference": vendor.reference,
        "assessed_at": moment(vendor.assessed_at),
        "assess_again_at": moment(vendor.assess_again_at),
        "state": vendor.state,
        "left_at": moment(vendor.left_at),
        "left_by": vendor.left_by,
        "why": vendor.why,
        "created_at": rfc3339(vendor.created_at),
        "updated_at": rfc3339(vendor.updated_at),
        "entry": vendor.entry,
    }
