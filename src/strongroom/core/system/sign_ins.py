"""`strongroom/sessions…`: sessions of people, opened, listed, ended; and their limits.

Vault   Not Vault's. The token of somebody who is not registered as a person has no limits but its
        own until it is opened as a session.
Trust   Whoever holds a token can open it as a session, which only shortens its life, and list and
        end the sessions of its own entity. A reply shows where a session is used from, never
        its token nor the token's accessor. Longer limits are an alert in the entry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Final

from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.identity.makers import check_own
from strongroom.identity.records import TOKENS
from strongroom.identity.sessions import Session
from strongroom.identity.sign_ins import (
    ADDRESS,
    ANYWHERE,
    CLI,
    CONSOLE,
    LONGEST_AGENT,
    NETWORK,
    SIGN_INS,
    Limits,
    SignIn,
    limits,
    network_of,
    put_limits,
)
from strongroom.sdk.engine import Endpoint, Help, Nothing, Page, Reply, Route

LOOSENED: Final = "session_limits_loosened"


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a session is opened."""

    surface: Annotated[str, Help("Where it is used.", choices=(CONSOLE, CLI))]
    agent: Annotated[str, Help("What the person uses: a browser's name.", most=2000)] = ""


@dataclass(frozen=True, kw_only=True)
class Id:
    """For paths that end in a session's id."""

    id: Annotated[str, Help("Id of the session.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class OfEntity(Page):
    """For lists of one entity's sessions."""

    entity: Annotated[str, Help("Id of the entity.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class OneOfEntity(Id):
    """For one session of an entity."""

    entity: Annotated[str, Help("Id of the entity.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class LimitsGiven:
    """Limits as written."""

    idle: Annotated[timedelta, Help("Unused for so long, a session ends.")]
    longest: Annotated[timedelta, Help("A session lives so long at most.")]
    bound: Annotated[
        str,
        Help(
            "From where it is used: the address of its sign-in, the network of that, or off.",
            choices=(ADDRESS, NETWORK, ANYWHERE),
        ),
    ] = ADDRESS


class SignInRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="sessions",
                summary="One's own sessions; open the token as one.",
                list=Endpoint(Page, self.mine, "session.list"),
                write=Endpoint(Opening, self.open, "session.open"),
            ),
            Route(
                path="sessions/id/{id}",
                summary="End one of one's own sessions.",
                delete=Endpoint(Id, self.end_mine, "session.end"),
            ),
            Route(
                path="sessions/limits",
                summary="How long sessions live.",
                read=Endpoint(Nothing, self.show_limits, "session.limits.read"),
                write=Endpoint(LimitsGiven, self.set_limits, "session.limits.write"),
                sudo=True,
            ),
            Route(
                path="people/{entity}/sessions",
                summary="The sessions of somebody.",
                list=Endpoint(OfEntity, self.theirs, "session.list"),
            ),
            Route(
                path="people/{entity}/sessions/{id}",
                summary="End a session of somebody.",
                delete=Endpoint(OneOfEntity, self.end_theirs, "session.end"),
            ),
        )

    async def open(self, call: SystemCall, given: Opening) -> Reply:
        """Open the caller's token as a session; a second time changes nothing but its agent."""
        session = _session(call)
        check_own(session.made)
        if not session.token.lookup:
            raise InputError("", "a batch token cannot be opened as a session")
        found = await call.transaction.get(SIGN_INS, session.token.lookup)
        allowed = await limits(call.transaction)
        opened = found or SignIn(
            lookup=session.token.lookup,
            id=uuid_of(call.entropy(16)),
            entity=session.token.entity,
            surface=given.surface,
            factors=(),
            factor_at=None,
            opened_at=call.now,
            seen_at=call.now,
            idle=allowed.idle,
            ends_at=None,
            until=None,
            address=call.address,
            agent="",
        )
        opened = replace(
            opened,
            surface=given.surface,
            idle=min(opened.idle or allowed.idle, allowed.idle),
            ends_at=opened.ends_at or opened.opened_at + allowed.longest,
            agent=given.agent[:LONGEST_AGENT],
            network=opened.network or network_of(call.address, allowed.bound) or None,
        ).used(call.now)
        call.transaction.put(SIGN_INS, opened)
        call.transaction.changed(f"token:{opened.lookup.hex()}")
        call.details |= {"session": opened.id, "surface": opened.surface}
        return Reply(shown(opened))

    async def mine(self, call: SystemCall, page: Page) -> Reply:
        session = _session(call)
        if not session.token.entity:
            found = await call.transaction.get(SIGN_INS, session.token.lookup)
            return _listed([found] if found else [], page, session)
        return _listed(await _of(call, session.token.entity), page, session)

    async def theirs(self, call: SystemCall, given: OfEntity) -> Reply:
        return _listed(await _of(call, given.entity), given, _session(call))

    async def end_mine(self, call: SystemCall, given: Id) -> None:
        await self._end(call, _session(call).token.entity, given.id)

    async def end_theirs(self, call: SystemCall, given: OneOfEntity) -> None:
        await self._end(call, given.entity, given.id)

    async def _end(self, call: SystemCall, entity: str, id_: str) -> None:
        """Revoke a session's token and all below it."""
        found, _ = await call.transaction.examine(SIGN_INS, id=id_)
        mine = [each for each in found if each.entity == entity]
        if not mine:
            raise NotFoundError
        token = await call.transaction.get(TOKENS, mine[0].lookup)
        if token is None:
            raise NotFoundError
        gone = await self._server.tokens.revoke(call.transaction, token, call.now)
        call.details |= {"session": id_, "of": entity, "revoked": len(gone)}

    async def show_limits(self, call: SystemCall, _: Nothing) -> Reply:
        found = await limits(call.transaction)
        return Reply({"idle": found.idle, "longest": found.longest, "bound": found.bound})

    async def set_limits(self, call: SystemCall, given: LimitsGiven) -> None:
        old = await limits(call.transaction)
        new = Limits(idle=given.idle, longest=given.longest, bound=given.bound).checked()
        put_limits(call.transaction, new)
        if new.idle > old.idle or new.longest > old.longest or old.closer(new):
            call.details |= {"loosened": True, "alert": LOOSENED}
        call.details |= {
            "bound": given.bound,
            "idle": int(given.idle.total_seconds()),
            "longest": int(given.longest.total_seconds()),
        }


def shown(sign_in: SignIn) -> dict[str, object]:
    """Return a session as its person sees it."""
    return {
        "id": sign_in.id,
        "entity_id": sign_in.entity,
        "surface": sign_in.surface,
        "factors": list(sign_in.factors),
        "factor_time": sign_in.factor_at,
        "opened_time": sign_in.opened_at,
        "seen_time": sign_in.seen_at,
        "idle": sign_in.idle,
        "end_time": sign_in.ends_at,
        "address": sign_in.address,
        "agent": sign_in.agent,
        "network": sign_in.network or "",
        "turn": sign_in.turn,
        "entry": sign_in.entry,
    }


def _session(call: SystemCall) -> Session:
    if call.session is None:
        raise DeniedError
    return call.session


async def _of(call: SystemCall, entity: str) -> list[SignIn]:
    found, _ = await call.transaction.examine(SIGN_INS, entity=entity)
    return [each for each in found if not each.over(call.now)]


def _listed(found: list[SignIn], page: Page, session: Session) -> Reply:
    rows = {each.id: each for each in found}
    keys = sorted(key for key in rows if key > page.after)
    keys = keys[: page.limit] if page.limit > 0 else keys
    own = session.token.lookup
    info = {key: {**shown(rows[key]), "current": rows[key].lookup == own} for key in keys}
    return Reply({"keys": keys, "key_info": info})
