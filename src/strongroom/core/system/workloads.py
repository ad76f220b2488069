"""`strongroom/workloads…`: entities that are no person, each with a living owner.

Order   A change is in force for every request that is committed after its entry.
Trust   A workload is bound to its environment when it is registered, for good: by its row, which
        metadata does not lift, and which is never for another one. A caller that is itself bound
        writes only of entities that are bound as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_entity
from strongroom.core.system.people import ById, listed, moment, state_of, writable
from strongroom.identity.admission import check_direct
from strongroom.identity.entities import ENVIRONMENT
from strongroom.identity.governance.vendors import LEFT, vendor_named
from strongroom.identity.records import ENTITIES, PEOPLE, WORKLOADS, Entity, Workload
from strongroom.identity.standing import ACTIVE, registered_in
from strongroom.identity.workloads import DECOMMISSIONED, check_workload, new_workload
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent


@dataclass(frozen=True, kw_only=True)
class WorkloadFields:
    """What is known of a workload."""

    owner: Annotated[str, Help("Entity of the active person who answers for it.", most=512)] = ""
    justification: Annotated[str, Help("What it needs access for.", most=4096)] = ""
    environment: Annotated[str, Help("Environment that it is bound to.", most=63)] = ""
    vendor: Annotated[str, Help("Whose product it is, if not ours.", most=256)] = ""
    ends_at: Annotated[datetime | None, Help("When all access ends; a vendor's has an end.")] = None
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class Given(WorkloadFields, ById):
    """A workload as written; what is not sent stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which workloads."""

    state: Annotated[
        str,
        Help("active, ended or decommissioned.", choices=("", ACTIVE, "ended", DECOMMISSIONED)),
    ] = ""
    owner: Annotated[str, Help("Entity of the owner.")] = ""
    environment: Annotated[str, Help("Environment.")] = ""


class WorkloadRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="workloads",
                summary="The workloads, by the id of their entity.",
                list=Endpoint(Filter, self.ids, "workload.list"),
            ),
            Route(
                path="workloads/{entity}",
                summary="A workload.",
                read=Endpoint(ById, self.show, "workload.read"),
                write=Endpoint(Given, self.write, "workload.write"),
                exists=self.exists,
            ),
        )

    async def ids(self, call: SystemCall, given: Filter) -> Reply:
        asked: dict[str, Any] = {"owner": given.owner, "environment": given.environment}
        rows = await call.transaction.all(WORKLOADS, **{k: v for k, v in asked.items() if v})
        found = [row for row in rows if given.state in ("", state_of(row, call.now))]
        return Reply(listed(found, given, lambda row: shown_workload(row, call.now)))

    async def exists(self, call: SystemCall, given: Given) -> bool:
        return await call.transaction.get(WORKLOADS, given.entity) is not None

    async def show(self, call: SystemCall, given: ById) -> Reply:
        workload = await _there(call, given.entity)
        call.details["entity"] = workload.entity
        return Reply(shown_workload(workload, call.now))

    async def write(self, call: SystemCall, given: Given) -> None:
        """Make an entity a workload, or change what was sent."""
        entity = await writable(call, given.entity)
        if await call.transaction.get(PEOPLE, entity.id) is not None:
            raise InputError("entity", "it is a person")
        old = await call.transaction.get(WORKLOADS, entity.id)
        if old is None:
            await check_direct(call.transaction)
        elif old.state == DECOMMISSIONED:
            raise InputError("entity", "it is decommissioned, for good")
        workload = changed_workload(old or new_workload(entity.id, call.now), given, call.now)
        await put_workload(call, workload, entity)


def changed_workload(old: Workload, given: WorkloadFields, now: datetime) -> Workload:
    """Return a workload with what was sent."""
    names = ("owner", "justification", "environment", "vendor", "ends_at")
    changes: dict[str, Any] = {n: getattr(given, n) for n in names if n in given.sent}
    return replace(old, updated_at=now, **changes)


async def put_workload(call: SystemCall, workload: Workload, entity: Entity) -> None:
    """Store a workload, and bind its entity to its environment."""
    await check_workload(call.transaction, workload, call.now)
    vendor = await vendor_named(call.transaction, workload.vendor) if workload.vendor else None
    if vendor is not None and vendor.state == LEFT:
        raise InputError("vendor", "it left: say that it is one again first")
    registered = await registered_in(call.transaction, entity.id)
    said = entity.metadata.get(ENVIRONMENT, "")
    if registered not in ("", workload.environment):
        raise InputError("environment", f"it is registered for {registered}, for good")
    if not registered and said not in ("", workload.environment):
        raise InputError("environment", "its entity is bound to another one")
    if said != workload.environment:
        metadata = {**entity.metadata, ENVIRONMENT: workload.environment}
        bound = replace(entity, metadata=metadata, updated_at=call.now)
        await check_entity(call, entity, bound)
        call.transaction.put(ENTITIES, bound)
        call.details["bound_to"] = workload.environment
    _store(call, workload)


def shown_workload(workload: Workload, now: datetime) -> dict[str, object]:
    """Return a workload as replies show it."""
    return {
        "entity": workload.entity,
        "owner": workload.owner,
        "justification": workload.justification,
        "environment": workload.environment,
        "vendor": workload.vendor,
        "state": state_of(workload, now),
        "ends_at": moment(workload.ends_at),
        "decommissioned_at": moment(workload.left_at),
        "registration": workload.registration,
        "created_at": rfc3339(workload.created_at),
        "updated_at": rfc3339(workload.updated_at),
        "entry": workload.entry,
    }


def _store(call: SystemCall, workload: Workload) -> None:
    call.transaction.put(WORKLOADS, workload)
    call.transaction.changed(f"entity:{workload.entity}")
    call.details |= {"entity": workload.entity, "owner": workload.owner, "state": workload.state}
    call.details["of_environment"] = workload.environment
    if workload.ends_at is not None:
        call.details["ends_at"] = rfc3339(workload.ends_at)


async def _there(call: SystemCall, entity_id: str) -> Workload:
    workload = await call.transaction.get(WORKLOADS, entity_id)
    if workload is None:
        raise NotFoundError
    return workload
