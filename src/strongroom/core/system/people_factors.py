"""`strongroom/people/{entity}/factors`: what administrators see of others' factors, and may end.

Trust   Nobody enrols a factor for somebody else here, and nobody learns a secret. Whoever may
        delete somebody's factors lets whoever has that person's password enrol a new one: make
        sure first who asks. A caller that is bound to an environment reaches nobody who is not
        bound as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_alias
from strongroom.core.system.factors import listing, told
from strongroom.identity.factors.checking import factors_of
from strongroom.identity.factors.records import FACTOR_LOCKOUTS, FACTORS
from strongroom.identity.records import ENTITIES, Entity
from strongroom.sdk.engine import Endpoint, Help, Reply, Route


@dataclass(frozen=True, kw_only=True)
class Whose:
    """Whose factors."""

    entity: Annotated[str, Help("Id of the entity.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class Which(Whose):
    """Which factor of whom."""

    id: Annotated[str, Help("Id of the factor.", least=1, most=64)]


class PeopleFactorRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="people/{entity}/factors",
                summary="Somebody's factors; nothing secret of them.",
                list=Endpoint(Whose, self.list_theirs, "factor.list"),
            ),
            Route(
                path="people/{entity}/factors/{id}",
                summary="Delete somebody's factor.",
                delete=Endpoint(Which, self.drop, "factor.delete"),
            ),
            Route(
                path="people/{entity}/factors/unlock",
                summary="Let somebody try codes again who tried too many wrong ones.",
                write=Endpoint(Whose, self.unlock, "factor.unlock"),
            ),
        )

    async def list_theirs(self, call: SystemCall, given: Whose) -> Reply:
        entity = await _entity(call, given.entity)
        return listing(await factors_of(call.transaction, entity.id))

    async def drop(self, call: SystemCall, given: Which) -> None:
        """Delete a factor of somebody else; one's own needs a factor of one's own."""
        entity = await _entity(call, given.entity)
        await check_alias(call, entity)
        if call.session is not None and entity.id in call.session.makers:
            raise InputError("", "one's own factors are deleted at strongroom/factors")
        factors = await factors_of(call.transaction, entity.id)
        found = [factor for factor in factors if factor.id == given.id]
        if not found:
            raise NotFoundError
        call.transaction.delete(FACTORS, found[0].id)
        told(call, found[0])
        call.details["left"] = [factor.kind for factor in factors if factor.id != given.id]

    async def unlock(self, call: SystemCall, given: Whose) -> None:
        """Forget the failures of an entity. One that has none is done."""
        entity = await _entity(call, given.entity)
        await check_alias(call, entity)
        row = await call.transaction.get(FACTOR_LOCKOUTS, entity.id)
        if row is not None:
            call.transaction.delete(FACTOR_LOCKOUTS, entity.id)
            call.details |= {"entity": entity.id, "failures": row.failures}


async def _entity(call: SystemCall, id_: str) -> Entity:
    entity: Entity | None = await call.transaction.get(ENTITIES, id_)
    if entity is None:
        raise NotFoundError
    return entity
