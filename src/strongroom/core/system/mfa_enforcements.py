"""`identity/mfa/login-enforcement…`: which logins need which methods.

Vault   By mount, type of mount, entity or group; all enforcements that match a login must be met.
        What is not sent stays as it is, but for the methods, which are always sent.
Differs One without methods, which nobody could meet, is refused.
Trust   Whoever may write here decides whom a password alone lets in; a caller that is bound to an
        environment may not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_unbound
from strongroom.identity.factors.records import MFA_ENFORCEMENTS, MFA_METHODS, MfaEnforcement
from strongroom.identity.records import ENTITIES, GROUPS
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route, Sent
from strongroom.sdk.rules import valid_name

MOST_NAMED: Final = 256
Texts = tuple[str, ...]
_COLUMNS: Final = {
    "mfa_method_ids": "methods",
    "auth_method_accessors": "accessors",
    "auth_method_types": "mount_types",
    "identity_group_ids": "groups",
    "identity_entity_ids": "entities",
}


@dataclass(frozen=True, kw_only=True)
class EnforcementName:
    """Which enforcement."""

    name: Annotated[str, Help("Name of the enforcement.", least=1, most=128)]


@dataclass(frozen=True, kw_only=True)
class EnforcementGiven(EnforcementName):
    """An enforcement as written; what is not sent stays as it is, but for the methods."""

    mfa_method_ids: Annotated[Texts, Help("Methods of which one must be met.")] = ()
    auth_method_accessors: Annotated[Texts, Help("Logins at these mounts.")] = ()
    auth_method_types: Annotated[Texts, Help("Logins at mounts of these types.")] = ()
    identity_group_ids: Annotated[Texts, Help("Logins of members of these groups.")] = ()
    identity_entity_ids: Annotated[Texts, Help("Logins of these entities.")] = ()
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


class EnforcementRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `identity/`."""
        event = "mfa.enforcement"
        return (
            Route(
                path="mfa/login-enforcement",
                summary="Which logins need which methods.",
                list=Endpoint(Nothing, self.list_enforcements, f"{event}.list"),
            ),
            Route(
                path="mfa/login-enforcement/{name}",
                summary="One enforcement.",
                read=Endpoint(EnforcementName, self.show_enforcement, f"{event}.read"),
                write=Endpoint(EnforcementGiven, self.write_enforcement, f"{event}.write"),
                delete=Endpoint(EnforcementName, self.drop_enforcement, f"{event}.delete"),
            ),
        )

    async def list_enforcements(self, call: SystemCall, _given: Nothing) -> Reply:
        found = await call.transaction.all(MFA_ENFORCEMENTS)
        return listed({each.name: _enforcement(each) for each in found})

    async def show_enforcement(self, call: SystemCall, given: EnforcementName) -> Reply:
        found = await call.transaction.get(MFA_ENFORCEMENTS, given.name)
        if found is None:
            raise NotFoundError
        return Reply(_enforcement(found))

    async def write_enforcement(self, call: SystemCall, given: EnforcementGiven) -> None:
        check_unbound(call)
        tx = call.transaction
        old = await tx.get(MFA_ENFORCEMENTS, given.name)
        base = old or MfaEnforcement(
            valid_name(given.name, "name"), uuid_of(call.entropy(16)), (), (), (), (), ()
        )
        if not given.mfa_method_ids:
            raise InputError("", "missing method ids")
        changes: dict[str, Any] = {
            column: tuple(dict.fromkeys(getattr(given, name)))
            for name, column in _COLUMNS.items()
            if name in given.sent
        }
        made = replace(base, **changes)
        await self._check(call, made)
        tx.put(MFA_ENFORCEMENTS, made)
        tx.changed(f"mfa_enforcement:{made.name}")
        call.details |= {"enforcement": made.name, "methods": made.methods}
        call.details |= {column: getattr(made, column) for column in _COLUMNS.values()}

    async def _check(self, call: SystemCall, made: MfaEnforcement) -> None:
        tx = call.transaction
        if any([await tx.get(MFA_METHODS, each) is None for each in made.methods]):
            raise InputError("", "one of the provided method ids doesn't exist")
        mounts = (await self._server.views.mounts(tx)).by_path
        known = {live.row.accessor for path, live in mounts.items() if path.startswith("auth/")}
        if not known.issuperset(made.accessors):
            raise InputError("", "one of the auth method accessors provided is invalid")
        if not {*self._server.methods, "token"}.issuperset(made.mount_types):
            raise InputError("", "one of the auth method types provided is invalid")
        if any([await tx.get(ENTITIES, each) is None for each in made.entities]):
            raise InputError("", "one of the provided entity ids doesn't exist")
        if any([await tx.get(GROUPS, each) is None for each in made.groups]):
            raise InputError("", "one of the provided group ids doesn't exist")
        whom = (made.accessors, made.mount_types, made.groups, made.entities)
        if not any(whom):
            raise InputError(
                "",
                "One of auth_method_accessors, auth_method_types, identity_group_ids, "
                "identity_entity_ids must be specified",
            )
        if sum(map(len, (made.methods, *whom))) > MOST_NAMED:
            raise InputError("", f"names more than {MOST_NAMED}")

    async def drop_enforcement(self, call: SystemCall, given: EnforcementName) -> None:
        check_unbound(call)
        if await call.transaction.get(MFA_ENFORCEMENTS, given.name) is None:
            return
        call.transaction.delete(MFA_ENFORCEMENTS, given.name)
        call.transaction.changed(f"mfa_enforcement:{given.name}")
        call.details["enforcement"] = given.name


def listed(info: dict[str, dict[str, object]]) -> Reply:
    """Return a list with what there is to say of each."""
    return Reply({"keys": list(info), "key_info": info})


def _enforcement(each: MfaEnforcement) -> dict[str, object]:
    return {
        "auth_method_accessors": list(each.accessors),
        "auth_method_types": list(each.mount_types),
        "id": each.id,
        "identity_entity_ids": list(each.entities),
        "identity_group_ids": list(each.groups),
        "mfa_method_ids": list(each.methods),
        "name": each.name,
        "namespace_id": "root",
        "namespace_path": "",
    }
