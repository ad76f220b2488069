"""`strongroom/access/…`: may X do Y on Z; what may X do; who may do Y on Z.

Order   Policy is asked, then the guardrails, as for a request. Conditions on parameters and
        wrapping are taken as met, and said to be there. The guardrail over other people's
        credentials (`core.subjects`) is not asked: what it refuses depends on who has logged in.
Grants  What somebody was granted is a subject of its own, `grant:{id}`, with its end; in what the
        caller may do, it is among the rest. Where people are served by grants alone, what their
        policies say is refused.
Exact   Answers are as of one generation, and each is an entry.
Trust   Whoever may ask learns who may do what; nobody's token, and no value, is in an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.core.guardrails import Guardrails
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.everybody import Everybody, Present
from strongroom.core.system.holders import BY_GRANT, Holder, Holders, left, refusal
from strongroom.core.system.least_privilege import LeastPrivilegeRoutes
from strongroom.core.system.then import Then
from strongroom.core.system.whole_matrix import Whole, WholeMatrix
from strongroom.identity.governance.grants import of_own_sign_in
from strongroom.identity.policy.acl import Decision
from strongroom.identity.policy.capability import BY_NAME, EVERYTHING, Capability, asks, names
from strongroom.identity.policy.pattern import shape
from strongroom.identity.policy.questions import Grant, access_matrix, may, what_may
from strongroom.identity.records import ENTITIES
from strongroom.sdk.engine import Endpoint, Help, Nothing, Page, Reply, Route

MOST = 1000
CAPABILITIES = tuple(sorted(name for name, flag in BY_NAME.items() if flag & EVERYTHING))


@dataclass(frozen=True, kw_only=True)
class Whose:
    """One subject: an entity, a token, or policies by themselves."""

    entity: Annotated[str, Help("Id of an entity; its live tokens count.")] = ""
    accessor: Annotated[str, Help("Accessor of a token.")] = ""
    policies: Annotated[tuple[str, ...], Help("Names of policies.")] = ()
    environment: Annotated[str, Help("Environment that `policies` are bound to.")] = ""


@dataclass(frozen=True, kw_only=True)
class What(Whose):
    """All of one subject, now or then."""

    at: Annotated[datetime | None, Help("As of this moment, RFC 3339; left out, now.")] = None


@dataclass(frozen=True, kw_only=True)
class May(Whose):
    """May X do Y on Z."""

    capability: Annotated[str, Help("What to do.", choices=CAPABILITIES)]
    path: Annotated[str, Help("Where; no leading slash.", least=1, most=4096)]


@dataclass(frozen=True, kw_only=True)
class Who(Page):
    """Who may do Y on Z. `after` is a subject."""

    capability: Annotated[str, Help("What to do.", choices=CAPABILITIES)]
    path: Annotated[str, Help("Where; no leading slash.", least=1, most=4096)]
    at: Annotated[datetime | None, Help("As of this moment, RFC 3339; left out, now.")] = None


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Several subjects, several paths."""

    entities: Annotated[tuple[str, ...], Help("Ids of entities.")] = ()
    accessors: Annotated[tuple[str, ...], Help("Accessors of tokens.")] = ()
    policies: Annotated[tuple[str, ...], Help("Policies, each by itself.")] = ()
    paths: Annotated[tuple[str, ...], Help("Paths; no leading slash.")]


class AccessRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._present = Present(server)
        self._then = Then(server)
        self._whole = WholeMatrix(server)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        matrix = Endpoint(Matrix, self.matrix, "access.matrix")
        return (
            Route(
                path="access/may",
                summary="May a subject do something on a path, and why.",
                read=Endpoint(May, self.may, "access.may"),
            ),
            Route(
                path="access/what",
                summary="What may a subject do, and by which rules.",
                read=Endpoint(What, self.what, "access.what"),
            ),
            Route(
                path="access/who",
                summary="Who may do something on a path, and by which rules.",
                read=Endpoint(Who, self.who, "access.who"),
            ),
            Route(
                path="access/self",
                summary="What may the caller do, and by which rules.",
                read=Endpoint(Nothing, self.own, "access.self"),
            ),
            Route(
                path="access/matrix",
                summary="What may each of several subjects do on each of several paths.",
                read=matrix,
                write=matrix,
            ),
            Route(
                path="access/everybody",
                summary="What everybody may do on every path; who may do the same is one row.",
                read=Endpoint(Whole, self.everybody, "access.everybody"),
            ),
            *LeastPrivilegeRoutes(self._server, self._present).routes(),
        )

    # -- the questions

    async def may(self, call: SystemCall, given: May) -> Reply:
        guardrails = await self._server.views.guardrails(call.transaction)
        flag, path = BY_NAME[given.capability], given.path.removeprefix("/")
        answers = [
            _answer(holder, guardrails, flag, path) for holder in await self._asked(call, given)
        ]
        best = next((each for each in answers if each["allowed"]), answers[0])
        call.details |= {"of": best["subject"], "capability": given.capability, "on": path}
        call.details["allowed"] = best["allowed"]
        return Reply({**best, "capability": given.capability, "path": path, "subjects": answers})

    async def what(self, call: SystemCall, given: What) -> Reply:
        """Say what a subject may do; of an entity, by its tokens and its logins too."""
        if given.entity:
            _check_one(given)
            everybody = await self._of(call, given.at)
            holders = _of_entity(everybody, given.entity)
        elif given.at is not None:
            raise InputError("at", "of a past moment only an entity can be asked about")
        else:
            everybody, holders = None, await self._asked(call, given)
        guardrails = await self._server.views.guardrails(call.transaction)
        if everybody is not None:
            guardrails = everybody.guardrails
        call.details["of"] = holders[0].subject
        told = [_told(holder, guardrails) for holder in holders]
        return Reply({"subjects": told, **_as_of(call, everybody, given.at)})

    async def own(self, call: SystemCall, _given: Nothing) -> Reply:
        if call.session is None:
            raise DeniedError
        guardrails = await self._server.views.guardrails(call.transaction)
        holder = Holders(self._server, call).of_session(call.session)
        return Reply(_told(holder, guardrails))

    async def who(self, call: SystemCall, given: Who) -> Reply:
        everybody = await self._of(call, given.at)
        flag, path = BY_NAME[given.capability], given.path.removeprefix("/")
        limit = given.limit if 0 < given.limit < MOST else MOST
        found = everybody.who(flag, path, given.after, limit)
        call.details |= {"capability": given.capability, "on": path, "holders": found.holders}
        last = found.first[-1][0].subject if found.holders > limit else ""
        reached = everybody.guardrails.environments_of(path, asks(flag))
        return Reply(
            {
                "capability": given.capability,
                "path": path,
                "environments": [each.name for each in reached],
                "subjects": [_shown(holder, decision) for holder, decision in found.first],
                "next": last,
                "asked": len(everybody),
                "refused_by_guardrail": found.refused,
                **_as_of(call, everybody, given.at),
            }
        )

    async def everybody(self, call: SystemCall, given: Whole) -> Reply:
        """Give rows of the whole matrix; the first page works it out."""
        everybody = None if given.matrix else await self._of(call, given.at)
        found = await self._whole.read(call, given, everybody)
        call.details |= {"matrix": found.id, "rows": len(found.rows), "on": given.below}
        return Reply(found.shown())

    async def _of(self, call: SystemCall, at: datetime | None) -> Everybody:
        """Return everybody as of a moment; now, where none is named."""
        if at is not None:
            return await self._then.read(call, at)
        return await self._present.read(call)

    async def matrix(self, call: SystemCall, given: Matrix) -> Reply:
        subjects = len(given.entities) + len(given.accessors) + len(given.policies)
        if not subjects or not given.paths or subjects * len(given.paths) > MOST * 10:
            raise InputError("paths", f"some subjects and paths, at most {MOST * 10} cells")
        guardrails = await self._server.views.guardrails(call.transaction)
        holders = {h.subject: h for h in await self._several(call, given)}
        paths = [path.removeprefix("/") for path in given.paths]
        acls = {subject: holder.acl for subject, holder in holders.items()}
        call.details |= {"subjects": subjects, "paths": len(paths)}
        cells = [
            {
                "subject": cell.subject,
                "path": cell.path,
                "capabilities": _named(
                    left(
                        guardrails,
                        holders[cell.subject].rules.bound,
                        cell.path,
                        cell.capabilities,
                    )
                ),
                "why": list(cell.rules),
            }
            for cell in access_matrix(acls, paths)
        ]
        return Reply({"subjects": [h.shown() for h in holders.values()], "cells": cells})

    # -- who is asked about

    async def _asked(self, call: SystemCall, given: Whose) -> list[Holder]:
        """Return the subject meant; of an entity, its live tokens too."""
        _check_one(given)
        holders = await Holders(self._server, call).open()
        if given.policies:
            return [await holders.of_policies(given.policies, given.environment)]
        if given.accessor:
            return await self._of_accessor(call, holders, given.accessor)
        entity = await call.transaction.get(ENTITIES, given.entity)
        if entity is None:
            raise NotFoundError("no such entity")
        own, tokens = await holders.of_entity(entity), await holders.tokens_of(entity)
        return [own, *tokens, *await holders.granted_to(entity.id)]

    async def _of_accessor(self, call: SystemCall, holders: Holders, accessor: str) -> list[Holder]:
        """Return a token, and what was granted to who signed in for it."""
        token = await self._server.tokens.by_accessor(call.transaction, accessor)
        holder = None if token is None else await holders.of_token(token)
        if token is None or holder is None:
            raise NotFoundError("no live token of this accessor")
        lent = await holders.granted_to(holder.entity) if of_own_sign_in(token) else ()
        return [holder, *lent]

    async def _several(self, call: SystemCall, given: Matrix) -> list[Holder]:
        holders = await Holders(self._server, call).open()
        found = [await holders.of_policies((name,)) for name in given.policies]
        for each in given.accessors:
            found += await self._of_accessor(call, holders, each)
        for each in given.entities:
            entity = await call.transaction.get(ENTITIES, each)
            if entity is None:
                raise NotFoundError("no such entity")
            found += [await holders.of_entity(entity), *await holders.granted_to(entity.id)]
        return found


def _check_one(given: Whose) -> None:
    if sum(map(bool, (given.entity, given.accessor, given.policies))) != 1:
        raise InputError("", "one of entity, accessor and policies is needed")


def _of_entity(everybody: Everybody, entity: str) -> list[Holder]:
    """Return an entity, its tokens, and what its logins would give."""
    own = everybody.lasting.holders.get(f"entity:{entity}")
    if own is None:
        raise NotFoundError("no such entity")
    others = [*everybody.live(), *everybody.lasting.holders.values()]
    found = [each for each in others if each.entity == entity and each is not own]
    return [own, *sorted(found, key=lambda holder: holder.subject)]


# -- answers


def _as_of(call: SystemCall, everybody: Everybody | None, at: datetime | None) -> dict[str, object]:
    """Return what an answer of a past moment says of it."""
    if at is None or everybody is None:
        return {}
    call.details["at"] = rfc3339(at)
    return {"at": rfc3339(at), "uncertain": list(everybody.uncertain)}


def _shown(holder: Holder, decision: Decision) -> dict[str, object]:
    """Return somebody who may, and why."""
    return {
        **holder.shown(),
        "allowed": True,
        "why": list(decision.rules),
        "reason": "",
        "guardrail": "",
        "conditional": decision.conditional,
    }


def _answer(
    holder: Holder, guardrails: Guardrails, flag: Capability, path: str
) -> dict[str, object]:
    """Return whether a holder may, and why, or why not."""
    decision: Decision = may(holder.acl, flag, path)
    refused = None
    if decision.allowed:
        refused = refusal(guardrails, holder.rules.bound, path, asks(flag))
    return {
        **holder.shown(),
        "allowed": decision.allowed and refused is None,
        "why": list(decision.rules),
        "reason": refused or decision.reason,
        "guardrail": refused or "",
        "conditional": decision.conditional,
    }


def _told(holder: Holder, guardrails: Guardrails) -> dict[str, object]:
    """Return all that a holder may do, by pattern."""
    grants = [_granted(grant, holder, guardrails) for grant in what_may(holder.acl)]
    return {**holder.shown(), "grants": grants}


def _granted(grant: Grant, holder: Holder, guardrails: Guardrails) -> dict[str, object]:
    reached = shape(grant.pattern)
    met = [b for b in guardrails.boundaries if b.meets(reached)]
    ends = [holder.acl.ends.get(rule.partition("#")[0]) for rule in grant.rules]
    until = max((end for end in ends if end is not None), default=None)
    granted = until is not None or BY_GRANT not in holder.rules.bound
    refused = [
        b.environment.name
        for b in met
        if not b.admits(holder.environments) or (b in guardrails.by_grant and not granted)
    ]
    told = {} if until is None else {"ends": rfc3339(until)}
    return {
        "pattern": grant.pattern,
        "capabilities": list(names(grant.capabilities)),
        "why": list(grant.rules),
        "policies": sorted({rule.partition("#")[0] for rule in grant.rules}),
        "conditional": grant.conditional,
        "except_for": list(grant.except_for),
        "environments": [b.environment.name for b in met],
        "refused_in": refused,
        **told,
    }


def _named(held: Capability) -> list[str]:
    return sorted(str(flag.name).lower() for flag in EVERYTHING & held)
