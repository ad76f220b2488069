"""`strongroom/people/{entity}/factors`: what administrators see of others' factors, and may end.

Trust   Nobody enrols a factor for somebody else here, and nobody learns a secret. To delete one of
        a registered person takes nobody else, and works at once; to enrol another takes one that
        was there before, or a code that another person's approval gives: so whoever deletes a
        factor does not come to act as its owner (`identity.factors.holds`). Root, which takes a
        quorum to make, gives a code without: an alert. A caller that is bound to an environment
        reaches nobody who is not bound as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_alias
from strongroom.core.system.factors import listing, told
from strongroom.identity.factors.checking import factors_of
from strongroom.identity.factors.holds import LASTS, give_code, hold
from strongroom.identity.factors.records import FACTOR_LOCKOUTS, FACTORS
from strongroom.identity.records import ENTITIES, PEOPLE, Entity
from strongroom.sdk.engine import Endpoint, Help, Reply, Route

ONLY_ROOT: Final = (
    "only root gives a code by itself: ask at strongroom/registrations, kind `factors`, and let "
    "another person approve it"
)
CODE_BY_ROOT: Final = "enrolment_code_by_root"


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
                path="people/{entity}/factors/code",
                summary="Give a person an enrolment code, as root; others ask for an approval.",
                write=Endpoint(Whose, self.give_code, "factor.code"),
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
        await hold_removed(call, entity.id)
        call.details["left"] = [factor.kind for factor in factors if factor.id != given.id]

    async def give_code(self, call: SystemCall, given: Whose) -> Reply:
        """Let a person enrol without another's approval: for when nobody is left to give one."""
        entity = await _entity(call, given.entity)
        if not by_root(call):
            raise DeniedError(ONLY_ROOT)
        if await call.transaction.get(PEOPLE, entity.id) is None:
            raise InputError("entity", "only who is registered as a person needs a code")
        code = await give_code(call.transaction, entity.id, (), call.now, call.entropy)
        call.details |= {"entity": entity.id, "enrolment_code": "root", "alert": CODE_BY_ROOT}
        return Reply({"enrolment_code": code, "expires_at": rfc3339(call.now + LASTS)})

    async def unlock(self, call: SystemCall, given: Whose) -> None:
        """Forget the failures of an entity. One that has none is done."""
        entity = await _entity(call, given.entity)
        await check_alias(call, entity)
        row = await call.transaction.get(FACTOR_LOCKOUTS, entity.id)
        if row is not None:
            call.transaction.delete(FACTOR_LOCKOUTS, entity.id)
            call.details |= {"entity": entity.id, "failures": row.failures}


def by_root(call: SystemCall) -> bool:
    """Say whether root asks: a token that is nobody's, and was not made by anybody's."""
    session = call.session
    return session is not None and "root" in session.policies and not session.makers


async def hold_removed(call: SystemCall, entity_id: str) -> None:
    """Let a registered person whose factor the caller removes enrol only as a hold lets them."""
    if await hold(call.transaction, entity_id, call.behind, call.now):
        call.details["held"] = True


async def _entity(call: SystemCall, id_: str) -> Entity:
    entity: Entity | None = await call.transaction.get(ENTITIES, id_)
    if entity is None:
        raise NotFoundError
    return entity
