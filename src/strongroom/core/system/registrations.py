"""`strongroom/registrations…`: asking for an identity, and another person's decision on it.

    person, workload   an entity, its row, alias and memberships; of a person a code to enrol by
    return             a person who left, or is over their end, is active again; and a code
    factors            a code for a person whose factors somebody else removed

Order   A request is pending until it is decided, withdrawn or over. On approval the entity, its
        row, its alias and its memberships are made in one transaction, and the row names the
        request. A decision names the revision that it is on: a text that nobody saw is not
        approved. A code is in the reply of the approval, once. What was denied can be edited, and
        is then a new question with a new end.
Trust   Nobody decides on what they asked for (`identity.deciding`); whoever removed a factor not on
        new ones, nor anybody on what is about themselves. Who was given a code counts from then on
        as one who could have enrolled what it enrols. To approve takes the capability
        on the path and an active person; to what an approval may give, policy sets no bound but
        root's, so it belongs to few. A caller that is bound to an environment approves nothing but
        identities and groups that are bound as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.base.wording import check_says
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.aliases import mounts_by_accessor
from strongroom.core.system.bindings import check_alias
from strongroom.core.system.groups import group_by_name, join
from strongroom.core.system.identity import by_name
from strongroom.core.system.people import (
    PersonFields,
    changed_person,
    put_person,
    shown_person,
    withdraw_if_back,
)
from strongroom.core.system.returns import (
    FACTORS,
    LASTS,
    RETURN,
    asked,
    bring_back,
    is_gone,
    new_request,
    there,
)
from strongroom.core.system.returns import helpers as _helpers
from strongroom.core.system.workloads import (
    WorkloadFields,
    changed_workload,
    put_workload,
    shown_workload,
)
from strongroom.identity.deciding import (
    MayNotDecideError,
    check_decider,
    known_as,
)
from strongroom.identity.entities import ENVIRONMENT, Known, new_alias, new_entity
from strongroom.identity.factors.holds import FACTOR_HOLDS, give_code
from strongroom.identity.factors.holds import LASTS as CODE_LASTS
from strongroom.identity.people import WORKERS, check_person, new_person, rewritten
from strongroom.identity.records import (
    ALIASES,
    ENTITIES,
    GROUPS,
    PEOPLE,
    REGISTRATIONS,
    Entity,
    Registration,
    Wish,
)
from strongroom.identity.tokens import kept
from strongroom.identity.workloads import check_environment, check_workload, new_workload
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route
from strongroom.sdk.rules import check_policy_names

OF_THERE: Final = (RETURN, FACTORS)  # kinds that are about a person who is there
PENDING, APPROVED, DENIED, WITHDRAWN = "pending", "approved", "denied", "withdrawn"
EXPIRED = "expired"  # by the clock; the row says that it is pending
STATES = ("", PENDING, APPROVED, DENIED, WITHDRAWN, EXPIRED)
KINDS = ("person", "workload", RETURN, FACTORS)
MOST_LISTED = 1000
MOST_GROUPS = 100
MAY_NOT: Final = "permission denied: you may not decide on this"


@dataclass(frozen=True, kw_only=True)
class ById:
    """For paths that name a request."""

    id: Annotated[str, Help("Id of the request.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Whom to register, and what to give them."""

    kind: Annotated[
        str,
        Help(
            "person or workload; return: of a person who left; factors: a code by which a person "
            "enrols whose factors somebody else removed.",
            choices=KINDS,
        ),
    ]
    reason: Annotated[str, Help("Why they need it.", least=1, most=4096)]
    entity_name: Annotated[str, Help("Name of the entity of somebody new.", most=512)] = ""
    entity: Annotated[str, Help("Who comes back, or is to enrol: entity id.", most=512)] = ""
    name: Annotated[str, Help("A person's name.", most=256)] = ""
    email: Annotated[str, Help("A person's e-mail address.", most=320)] = ""
    worker: Annotated[str, Help("employee, contractor or vendor.", choices=WORKERS)] = "employee"
    contract: Annotated[str, Help("A contractor's or vendor's contract.", most=256)] = ""
    external_id: Annotated[str, Help("A person's id in the directory.", most=256)] = ""
    owner: Annotated[str, Help("Entity of a workload's owner.", most=512)] = ""
    justification: Annotated[str, Help("What a workload needs access for.", most=4096)] = ""
    environment: Annotated[str, Help("A workload's environment; may bind a person.", most=63)] = ""
    vendor: Annotated[str, Help("Whose product a workload is.", most=256)] = ""
    ends_at: Annotated[datetime | None, Help("When all access ends.")] = None
    policies: Annotated[tuple[str, ...], Help("Policies of the entity.")] = ()
    groups: Annotated[tuple[str, ...], Help("Internal groups, by id or name.")] = ()
    mount_accessor: Annotated[str, Help("Accessor of the auth mount of its alias.", most=512)] = ""
    alias: Annotated[str, Help("Name of its alias there.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class Edited(Asked, ById):
    """A request, written anew."""


@dataclass(frozen=True, kw_only=True)
class Decision(ById):
    """A decision on one revision of a request."""

    revision: Annotated[int, Help("The revision that the decision is on.", least=1)]
    because: Annotated[str, Help("Why.", most=4096)] = ""


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which requests."""

    state: Annotated[str, Help("State.", choices=STATES)] = ""
    kind: Annotated[str, Help("Kind.", choices=("", *KINDS))] = ""


class RegistrationRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="registrations",
                summary="The requests to register somebody.",
                list=Endpoint(Filter, self.ids, "registration.list"),
                write=Endpoint(Asked, self.ask, "registration.request"),
            ),
            Route(
                path="registrations/{id}",
                summary="A request to register somebody.",
                read=Endpoint(ById, self.show, "registration.read"),
                write=Endpoint(Edited, self.edit, "registration.edit"),
                delete=Endpoint(ById, self.withdraw, "registration.withdraw"),
            ),
            Route(
                path="registrations/{id}/approve",
                summary="Register whom a request asks for.",
                write=Endpoint(Decision, self.approve, "registration.approve"),
            ),
            Route(
                path="registrations/{id}/deny",
                summary="Deny a request.",
                write=Endpoint(Decision, self.deny, "registration.deny"),
            ),
        )

    # -- reading

    async def ids(self, call: SystemCall, given: Filter) -> Reply:
        rows = await call.transaction.all(REGISTRATIONS, order="id")
        found = [
            row
            for row in rows
            if row.id > given.after
            and given.state in ("", state_of(row, call.now))
            and given.kind in ("", kind_of(row))
        ]
        limit = given.limit if 0 < given.limit < MOST_LISTED else MOST_LISTED
        there = found[:limit]
        info = {row.id: _shown(row, call.now) for row in there}
        after = there[-1].id if len(found) > limit else ""
        return Reply({"keys": list(info), "key_info": info, "next": after})

    async def show(self, call: SystemCall, given: ById) -> Reply:
        return Reply(_shown(await _there(call, given.id), call.now))

    # -- asking

    async def ask(self, call: SystemCall, given: Asked) -> Reply:
        """Ask for an identity; the requester is the caller's entity."""
        requesters = await _requesters(call)
        if given.kind in OF_THERE:
            row = await _about(call, given, requesters)
            _store(call, row)
            return _asked(row)
        wish = await self._wish(call, given)
        row = Registration(
            id=uuid_of(call.entropy(16)),
            state=PENDING,
            revision=1,
            wish=wish,
            reason=given.reason,
            requesters=requesters,
            known_as=await known_as(call.transaction, (*requesters, *_helpers(call))),
            created_at=call.now,
            edited_at=call.now,
            expires_at=call.now + LASTS,
            decided_by="",
            decided_at=None,
            because="",
            entity="",
            helpers=_helpers(call) or None,
        )
        _store(call, row)
        return _asked(row)

    async def edit(self, call: SystemCall, given: Edited) -> Reply:
        """Write a request anew; whoever does is one who asks, and it is a new question."""
        asking = await _requesters(call)
        old = await _there(call, given.id)
        if old.state in (APPROVED, WITHDRAWN):
            raise InputError("", f"the request is {old.state}: make a new one")
        if given.kind in OF_THERE or old.purpose is not None:
            raise InputError("kind", "a request about who is there is not edited: make a new one")
        requesters = tuple(dict.fromkeys((*old.requesters, *asking)))
        everybody = (*requesters, *_helpers(call))
        names = {*old.known_as, *await known_as(call.transaction, everybody)}
        row = replace(
            old,
            state=PENDING,
            revision=old.revision + 1,
            wish=await self._wish(call, given),
            reason=given.reason,
            requesters=requesters,
            known_as=tuple(sorted(names)),
            helpers=tuple(dict.fromkeys((*(old.helpers or ()), *_helpers(call)))) or None,
            edited_at=call.now,
            expires_at=call.now + LASTS,
            decided_by="",
            decided_at=None,
            because="",
        )
        _store(call, row)
        return _asked(row)

    async def withdraw(self, call: SystemCall, given: ById) -> None:
        row = await call.transaction.get(REGISTRATIONS, given.id)
        if row is None or row.state == WITHDRAWN:
            return
        if row.state == APPROVED:
            raise InputError("", "the request is approved")
        _store(call, replace(row, state=WITHDRAWN, decided_at=call.now))

    # -- deciding

    async def approve(self, call: SystemCall, given: Decision) -> Reply:
        """Make whom the request asks for: entity, row, alias and memberships, or nothing."""
        row = await self._open(call, given)
        decider = await self._decider(call, row)
        if row.purpose is None:
            entity = await self._register(call, row)
        else:
            entity = await _let(call, row)
        _store(call, _decided(row, APPROVED, decider, given, call.now, entity.id))
        told: dict[str, object] = {"id": row.id, "entity": entity.id, "name": entity.name}
        if row.wish.person is not None:
            knowing = (decider, *call.helped_by)
            code = await give_code(call.transaction, entity.id, knowing, call.now, call.entropy)
            until = rfc3339(call.now + CODE_LASTS)
            told |= {"enrolment_code": code, "enrolment_code_expires_at": until}
            call.details |= {"enrolment_code": "given", "code_known_to": knowing}
        return Reply(told)

    async def deny(self, call: SystemCall, given: Decision) -> None:
        row = await self._open(call, given)
        decider = await self._decider(call, row)
        _store(call, _decided(row, DENIED, decider, given, call.now))

    async def _open(self, call: SystemCall, given: Decision) -> Registration:
        if given.because:
            check_says("because", given.because, "say why, or leave it out")
        row = await _there(call, given.id)
        state = state_of(row, call.now)
        call.details["registration"] = row.id
        if state == EXPIRED:
            raise InputError("", "the request has expired: edit it to ask again")
        if state != PENDING:
            raise InputError("", f"the request is {state} already")
        if given.revision != row.revision:
            raise InputError("revision", "the request was edited; read it again")
        return row

    async def _decider(self, call: SystemCall, row: Registration) -> str:
        if call.session is None:
            raise DeniedError
        held = await call.transaction.get(FACTOR_HOLDS, row.entity)
        removers = held.removed_by if held is not None else ()
        about = (row.entity,) if row.entity else ()
        try:
            return await check_decider(
                call.transaction,
                (*row.requesters, *removers, *about),
                row.known_as,
                call.session,
                asked_at=row.created_at,
                now=call.now,
                helpers=row.helpers or (),
            )
        except MayNotDecideError as refused:
            raise DeniedError(MAY_NOT, logged=str(refused)) from None

    # -- making

    async def _register(self, call: SystemCall, row: Registration) -> Entity:
        wish, tx = row.wish, call.transaction
        if await by_name(call, wish.name) is not None:
            raise InputError("entity_name", "the name is in use")
        entity = replace(new_entity(call.now, call.entropy, wish.name), policies=wish.policies)
        bound_to = wish.workload.environment if wish.workload is not None else wish.environment
        if bound_to:
            await check_environment(tx, bound_to)
            entity = replace(entity, metadata={ENVIRONMENT: bound_to})
        await check_alias(call, entity)
        tx.put(ENTITIES, entity)
        if wish.person is not None:
            person = replace(wish.person, entity=entity.id, registration=row.id)
            put_person(call, replace(person, created_at=call.now, updated_at=call.now))
        if wish.workload is not None:
            workload = replace(wish.workload, entity=entity.id, registration=row.id)
            workload = replace(workload, created_at=call.now, updated_at=call.now)
            await put_workload(call, workload, entity)
        self._check_end(wish, call.now)
        await self._put_alias(call, entity, wish)
        for group in wish.groups:
            await join(call, group, entity.id)
        tx.changed(f"entity:{entity.id}")
        call.details |= {"entity": entity.id, "entity_policies": wish.policies}
        call.details |= {"groups": wish.groups}
        return entity

    async def _put_alias(self, call: SystemCall, entity: Entity, wish: Wish) -> None:
        if not wish.alias:
            return
        await self._check_alias(call, wish.mount_accessor, wish.alias)
        known = Known(wish.mount_accessor, wish.alias, {})
        call.transaction.put(ALIASES, new_alias(entity.id, known, call.now, call.entropy))

    async def _check_alias(self, call: SystemCall, accessor: str, name: str) -> None:
        if accessor not in await mounts_by_accessor(self._server, call):
            raise InputError("mount_accessor", "there is no such auth mount")
        if await call.transaction.all(ALIASES, mount_accessor=accessor, name=name):
            raise InputError("alias", "the alias is in use at this mount")

    def _check_end(self, wish: Wish, now: datetime) -> None:
        row = wish.person or wish.workload
        if row is not None and row.ends_at is not None and row.ends_at <= now:
            raise InputError("ends_at", "it has passed")

    async def _wish(self, call: SystemCall, given: Asked) -> Wish:
        """Return what is asked for, checked as far as it can be now."""
        check_says("reason", given.reason, "say why they need it")
        if not given.entity_name:
            raise InputError("entity_name", "must not be empty")
        if "/" in given.entity_name:
            raise InputError("entity_name", "cannot hold a slash")
        if await by_name(call, given.entity_name) is not None:
            raise InputError("entity_name", "the name is in use")
        if bool(given.alias) != bool(given.mount_accessor):
            raise InputError("alias", "an alias has a mount and a name")
        if given.alias:
            await self._check_alias(call, given.mount_accessor, given.alias)
        if given.environment:
            await check_environment(call.transaction, given.environment)
        check_policy_names(given.policies, "policies")
        policies = kept(given.policies)
        if "root" in policies:
            raise InputError("", "policies cannot contain root")
        wish = Wish(
            name=given.entity_name,
            person=None,
            workload=None,
            environment=given.environment,
            policies=policies,
            groups=await _groups(call, given.groups),
            mount_accessor=given.mount_accessor,
            alias=given.alias,
        )
        wish = await _of_kind(call, wish, given)
        self._check_end(wish, call.now)
        return wish


# -- parts


async def _of_kind(call: SystemCall, wish: Wish, given: Asked) -> Wish:
    if given.kind == "person":
        sent = frozenset({"name", "email", "worker", "contract", "external_id", "ends_at"})
        fields = PersonFields(
            name=given.name,
            email=given.email,
            worker=given.worker,
            contract=given.contract,
            external_id=given.external_id,
            ends_at=given.ends_at,
            sent=sent,
        )
        return replace(wish, person=changed_person(new_person("", call.now), fields, call.now))
    sent = frozenset({"owner", "justification", "environment", "vendor", "ends_at"})
    asked = WorkloadFields(
        owner=given.owner,
        justification=given.justification,
        environment=given.environment,
        vendor=given.vendor,
        ends_at=given.ends_at,
        sent=sent,
    )
    workload = changed_workload(new_workload("", call.now), asked, call.now)
    await check_workload(call.transaction, workload, call.now)
    return replace(wish, workload=workload)


async def _groups(call: SystemCall, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids of groups, so that a name that is given to another one means nothing."""
    if len(wanted) > MOST_GROUPS:
        raise InputError("groups", f"at most {MOST_GROUPS}")
    found: list[str] = []
    for each in dict.fromkeys(wanted):
        group = await call.transaction.get(GROUPS, each)
        group = group or await group_by_name(call, each)
        if group is None or group.external:
            raise InputError("groups", "there is no such internal group")
        found.append(group.id)
    return tuple(found)


async def _requesters(call: SystemCall) -> tuple[str, ...]:
    """Return the caller's entity first, and those whom its token stems from.

    Without an entity that is registered, nobody could be told from who decides. Nor behind a
    workload: whoever made a secret id of it, or writes its mount, asks in its name.
    """
    if call.session is None or call.session.entity is None:
        raise DeniedError("only an entity asks for a registration")
    own = call.session.entity.id
    if await call.transaction.get(PEOPLE, own) is None:
        raise DeniedError("only a registered person asks for a registration")
    return (own, *(each for each in call.makers if each != own))


async def _about(call: SystemCall, given: Asked, requesters: tuple[str, ...]) -> Registration:
    """Return a request about a person who is there: that they come back, or enrol anew."""
    check_says("reason", given.reason, "say why they need it")
    person = await call.transaction.get(PEOPLE, given.entity)
    if person is None:
        raise InputError("entity", "there is no such person")
    entity = await there(call, person.entity)
    await check_alias(call, entity)
    if given.kind == FACTORS:
        if is_gone(person, call.now):
            raise InputError("entity", "they have left, or their end has come: ask for a return")
        if await call.transaction.get(FACTOR_HOLDS, person.entity) is None:
            raise InputError(
                "entity", "nobody removed a factor of theirs: they enrol by themselves"
            )
        return await new_request(call, entity, FACTORS, person, given.reason, requesters)
    if not is_gone(person, call.now):
        raise InputError("entity", "they have not left: there is nothing to come back from")
    if await asked(call, person.entity) is not None:
        raise InputError("entity", "their return is asked for already: withdraw that first")
    person = replace(person, ends_at=given.ends_at)
    check_person(person)
    if person.ends_at is not None and person.ends_at <= call.now:
        raise InputError("ends_at", "it has passed")
    return await new_request(call, entity, RETURN, person, given.reason, requesters)


async def _let(call: SystemCall, row: Registration) -> Entity:
    """Do what a request about somebody who is there asks for; they enrol by a code then."""
    wanted, tx = row.wish.person, call.transaction
    if wanted is None:
        raise LookupError("a request about somebody is about a person")
    entity = await there(call, row.entity)
    await check_alias(call, entity)
    if row.purpose == RETURN:
        back = await bring_back(call, wanted, row.created_at)
        put_person(call, back)
        await withdraw_if_back(call, back)
        return entity
    person = await tx.get(PEOPLE, row.entity)
    if person is None or is_gone(person, call.now):
        raise InputError("entity", "they have left, or their end has come: ask for a return")
    if changed := rewritten(person, wanted):
        raise InputError(changed[0], "was written anew since it was asked for: ask again")
    if await tx.get(FACTOR_HOLDS, row.entity) is None:
        raise InputError("entity", "they have enrolled since")
    tx.put(PEOPLE, replace(person, made_by=None))
    call.details["entity"] = entity.id
    return entity


def _asked(row: Registration) -> Reply:
    told = {"id": row.id, "revision": row.revision, "expires_at": rfc3339(row.expires_at)}
    return Reply(told)


def _decided(  # noqa: PLR0913, PLR0917 - a decision has so many parts
    row: Registration, state: str, by: str, given: Decision, at: datetime, entity: str = ""
) -> Registration:
    return replace(
        row, state=state, decided_by=by, decided_at=at, because=given.because, entity=entity
    )


def state_of(row: Registration, now: datetime) -> str:
    """Return the state of a request by the clock."""
    return EXPIRED if row.state == PENDING and row.expires_at <= now else row.state


def kind_of(row: Registration) -> str:
    """Return what a request asks for."""
    return row.purpose or ("person" if row.wish.person is not None else "workload")


async def _there(call: SystemCall, id_: str) -> Registration:
    row = await call.transaction.get(REGISTRATIONS, id_)
    if row is None:
        raise NotFoundError
    return row


def _store(call: SystemCall, row: Registration) -> None:
    call.transaction.put(REGISTRATIONS, row)
    call.details |= {"registration": row.id, "revision": row.revision, "state": row.state}
    call.details |= {"kind": kind_of(row), "requesters": row.requesters}
    call.details |= {"about": row.entity} if row.purpose else {}
    call.details |= {"wanted_policies": row.wish.policies, "wanted_groups": row.wish.groups}


def _shown(row: Registration, now: datetime) -> dict[str, object]:
    wish = row.wish
    asked: dict[str, object] = {}
    if wish.person is not None:
        asked = shown_person(wish.person, now)
    if wish.workload is not None:
        asked = shown_workload(wish.workload, now)
    own = {"entity", "state", "left_at", "decommissioned_at", "registration", "entry"}
    told = {k: v for k, v in asked.items() if k not in {*own, "created_at", "updated_at"}}
    return {
        "id": row.id,
        "state": state_of(row, now),
        "revision": row.revision,
        "kind": kind_of(row),
        "entity_name": wish.name,
        "asked": told,
        "environment": wish.environment,
        "policies": list(wish.policies),
        "groups": list(wish.groups),
        "mount_accessor": wish.mount_accessor,
        "alias": wish.alias,
        "reason": row.reason,
        "requesters": list(row.requesters),
        "created_at": rfc3339(row.created_at),
        "edited_at": rfc3339(row.edited_at),
        "expires_at": rfc3339(row.expires_at),
        "decided_by": row.decided_by,
        "decided_at": None if row.decided_at is None else rfc3339(row.decided_at),
        "because": row.because,
        "entity": row.entity,
        "entry": row.entry,
    }
