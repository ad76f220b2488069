"""AppRole auth method: a role id and a secret id for a token, for workloads.

Vault   The paths of Vault's `approle` mount. Role names are case-insensitive, kept in lower
        case. A write to a role changes what it names and keeps the rest.
Differs Every refused login says the same, whether role, secret id or network was wrong; OpenBao
        names the network. What OpenBao answers with 500 for wrong input is 400, and 404 where a
        role or an accessor is missing. Writing a field's own path without the field is 400
        throughout. Tidying is done when the reply says so, and says how much. A token is not
        renewed once its role has another role id. `local_secret_ids` is kept and shown, and
        means nothing, as there is no replication that it could restrict. Tokens live 15 minutes
        where nobody says otherwise and a day at most, not the system's 32 days; longer rules are
        kept as written, capped, and warned of. A mount whose own `max_lease_ttl` was set is the
        exception (`sdk.workloads`). A secret id whose life nobody says, or says 0 of, ends when a
        lease of the mount would at the latest: after 32 days where that was not tuned. It is
        destroyed when a person or workload who made it leaves.
Trust   A secret id is random and leaves the mount once, in the reply that made it; only a keyed
        digest is stored, and no slow hash is needed. Whoever may write a role, its role id or
        its secret ids can log in as it. Without a secret id (`bind_secret_id` false), whoever
        knows the role id and sits in the role's networks can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, ClassVar, Final

from strongroom.auth.approle import secret_ids
from strongroom.auth.approle.records import (
    Role,
    SecretId,
    Settings,
    digest_of,
    name_key,
    role_key,
)
from strongroom.auth.approle.roles import (
    fetch_role,
    find_role,
    find_role_by_id,
    make_role,
    move_role,
    shown_role,
    store_role,
)
from strongroom.auth.approle.settings import OfRole, name_of, setting_routes, subjects_of
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.network import admits
from strongroom.base.secret import Secret
from strongroom.sdk.auth import Login, Proof, Subject, TokenRules
from strongroom.sdk.engine import Call, Endpoint, Help, Nothing, Opens, Page, Reply, Route, Sent
from strongroom.sdk.rules import changed, rules_of
from strongroom.sdk.workloads import short_lived, warn_of_long_life

REFUSED: Final = "invalid role or secret ID"
_MAKING: Final = ("secret-id", "custom-secret-id")


@dataclass(frozen=True, kw_only=True)
class RoleGiven(OfRole, Settings):
    """A role as written."""

    role_id: Annotated[str | None, Help("Role id; left out at creation, one is made.")] = None
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class RoleId(OfRole):
    """Another role id for a role."""

    role_id: Annotated[str, Help("Role id.")] = ""


@dataclass(frozen=True, kw_only=True)
class NewSecretId(OfRole):
    """What a secret id is to be good for."""

    metadata: Annotated[str, Help("JSON object of strings, for the log and the token.")] = ""
    cidr_list: Annotated[
        tuple[str, ...], Help("Networks that its logins come from, within the role's.")
    ] = ()
    token_bound_cidrs: Annotated[
        tuple[str, ...], Help("Networks that its tokens work from, within the role's.")
    ] = ()
    num_uses: Annotated[int | None, Help("Logins that it is good for; 0 means any number.")] = None
    ttl: Annotated[timedelta | None, Help("Its life; 0: as long as the mount allows.")] = None

    def terms(self) -> secret_ids.Terms:
        """Return these without the role."""
        return secret_ids.Terms(
            metadata=self.metadata,
            cidr_list=self.cidr_list,
            token_bound_cidrs=self.token_bound_cidrs,
            num_uses=self.num_uses,
            ttl=self.ttl,
        )


@dataclass(frozen=True, kw_only=True)
class ChosenSecretId(NewSecretId):
    """A secret id that its maker chose."""

    secret_id: Annotated[Secret | None, Help("The secret id; choose a random one.")] = None


@dataclass(frozen=True, kw_only=True)
class BySecretId(OfRole):
    """A secret id, to look up or destroy."""

    secret_id: Annotated[Secret | None, Help("The secret id.")] = None


@dataclass(frozen=True, kw_only=True)
class ByAccessor(OfRole):
    """An accessor, to look up or destroy its secret id."""

    secret_id_accessor: Annotated[str, Help("The secret id's accessor.")] = ""


@dataclass(frozen=True, kw_only=True)
class PageOfRole(OfRole, Page):
    """A page of a role's accessors."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A login as tried."""

    role_id: Annotated[str, Help("The role's id.")] = ""
    secret_id: Annotated[Secret | None, Help("A secret id of the role.")] = None


class AppRole:
    """Knows workloads by a role id and a secret id."""

    kind: ClassVar[str] = "approle"

    def routes(self) -> tuple[Route, ...]:
        """Return the paths of roles, their settings and their secret ids."""
        routes = (*self._role_routes(), *setting_routes(), *self._secret_id_routes())
        return tuple(
            replace(each, subjects=subjects_of) if "{role_name}" in each.path else each
            for each in routes
        )

    def _role_routes(self) -> tuple[Route, ...]:
        event = "approle.role"
        return (
            Route(
                path="role",
                summary="The names of all roles.",
                list=Endpoint(Page, self.list_roles, f"{event}.list"),
            ),
            Route(
                path="role/{role_name}",
                summary="One role.",
                read=Endpoint(OfRole, self.show_role, f"{event}.read"),
                write=Endpoint(RoleGiven, self.write_role, f"{event}.write"),
                delete=Endpoint(OfRole, self.drop_role, f"{event}.delete"),
                exists=self.has_role,
                opens=Opens(name=name_of),
            ),
            Route(
                path="role/{role_name}/role-id",
                summary="The role id of a role.",
                read=Endpoint(OfRole, self.show_role_id, "approle.role_id.read"),
                write=Endpoint(RoleId, self.set_role_id, "approle.role_id.write"),
                opens=Opens(name=name_of, shown=self.shows_all),
            ),
        )

    def _secret_id_routes(self) -> tuple[Route, ...]:
        event, base = "approle.secret_id", "role/{role_name}"
        destroy = Endpoint(BySecretId, self.destroy, f"{event}.destroy")
        destroy_by_accessor = Endpoint(ByAccessor, self.destroy_by_accessor, f"{event}.destroy")
        return (
            Route(
                path=f"{base}/secret-id",
                summary="Make a secret id; list the accessors of all.",
                list=Endpoint(PageOfRole, self.list_accessors, f"{event}.list"),
                write=Endpoint(NewSecretId, self.make_secret_id, f"{event}.create"),
            ),
            Route(
                path=f"{base}/custom-secret-id",
                summary="Register a secret id of your own choice.",
                write=Endpoint(ChosenSecretId, self.register_secret_id, f"{event}.create"),
            ),
            Route(
                path=f"{base}/secret-id/lookup",
                summary="What is known of a secret id.",
                write=Endpoint(BySecretId, self.look_up, f"{event}.lookup"),
            ),
            Route(
                path=f"{base}/secret-id/destroy",
                summary="Destroy a secret id.",
                write=destroy,
                delete=destroy,
            ),
            Route(
                path=f"{base}/secret-id-accessor/lookup",
                summary="What is known of an accessor's secret id.",
                write=Endpoint(ByAccessor, self.look_up_by_accessor, f"{event}.lookup"),
            ),
            Route(
                path=f"{base}/secret-id-accessor/destroy",
                summary="Destroy an accessor's secret id.",
                write=destroy_by_accessor,
                delete=destroy_by_accessor,
            ),
            Route(
                path="tidy/secret-id",
                summary="Remove secret ids that have ended.",
                write=Endpoint(Nothing, self.tidy, f"{event}.tidy"),
            ),
        )

    # -- logging in ----------------------------------------------------------------------------

    def login(self) -> Login[Attempt]:
        """Return the way in."""
        return Login(
            "login",
            Attempt,
            self.prove,
            lambda given: given.role_id,
            "Log in by secret id.",
            REFUSED,
        )

    async def prove(self, call: Call, given: Attempt) -> Proof:
        """Say which role this is; one refusal for all reasons. A limited secret id loses a use."""
        if not given.role_id:
            raise InputError("", "missing role_id")
        role = await find_role_by_id(call, given.role_id)
        if role is None or not admits(role.secret_id_bound_cidrs, call.address):
            raise DeniedError(REFUSED)
        warn_of_long_life(role, call.mount, call.warnings)
        rules = short_lived(rules_of(role), call.mount)
        metadata = {"role_name": role.name}
        set_by: tuple[str, ...] = ()
        if role.bind_secret_id:
            spent = await secret_ids.spend(call, role, given.secret_id or Secret(""))
            if spent is None:
                raise DeniedError(REFUSED)
            metadata, set_by = spent.metadata | metadata, spent.makers
            if spent.token_bound_cidrs:
                rules = replace(rules, token_bound_cidrs=spent.token_bound_cidrs)
        return Proof(
            alias=role.role_id,
            shown_by="secret-id" if role.bind_secret_id else "role-id",
            rules=rules,
            role=role.name,
            metadata=metadata,
            workload=True,
            set_by=set_by,
        )

    async def still_holds(self, call: Call, role: str, alias: str) -> TokenRules:
        """Return the role's rules; refused when the role is gone, or is another by now."""
        found = await find_role_by_id(call, alias)
        if found is None or found.name != role:
            raise DeniedError
        return short_lived(rules_of(found), call.mount)

    async def forget(self, call: Call, alias: str) -> int:
        """Delete the role whose id this is; none of its secret ids is good from then on."""
        role = await find_role_by_id(call, alias)
        if role is None:
            return 0
        found = await self.remembers(call, alias)
        await self._drop(call, role)
        call.dropped.append(role.name)
        return found

    async def remembers(self, call: Call, alias: str) -> int:
        """Count the role whose id this is, and its secret ids."""
        role = await find_role_by_id(call, alias)
        return 0 if role is None else 1 + len(await call.store.keys(f"secret/{role.uid}/"))

    async def forget_made(self, call: Call, maker: str) -> int:
        """Destroy the secret ids that somebody made, of whatever role."""
        return await secret_ids.destroy_made_by(call, maker)

    async def remembers_made(self, call: Call, maker: str) -> int:
        """Count them."""
        return len(await secret_ids.made_by(call, maker))

    async def handed(self, call: Call, path: str, data: Mapping[str, object]) -> None:
        """Keep who else has a secret id: whoever opened what it was wrapped in."""
        within, name, *rest = [*path.split("/"), "", ""]
        role = await find_role(call, name) if within == "role" and rest[0] in _MAKING else None
        secret = data.get("secret_id")
        if role is not None and isinstance(secret, str) and secret:
            await secret_ids.handed(call, role, digest_of(call, Secret(secret)))

    async def subjects(self, call: Call, after: str, limit: int) -> list[Subject]:
        """Return roles by name."""
        names = await call.store.names("name/", after=after, limit=limit)
        roles = [await fetch_role(call, name) for name in names]
        return [Subject(name=r.name, alias=r.role_id, rules=rules_of(r)) for r in roles]

    # -- roles ---------------------------------------------------------------------------------

    async def list_roles(self, call: Call, page: Page) -> Reply:
        """List role names."""
        return Reply({"keys": await call.store.names("name/", after=page.after, limit=page.limit)})

    async def has_role(self, call: Call, given: OfRole) -> bool:
        """Tell a create from an update."""
        return await find_role(call, given.role_name) is not None

    async def show_role(self, call: Call, given: OfRole) -> Reply:
        """Show a role."""
        return Reply(shown_role(await fetch_role(call, given.role_name)))

    async def write_role(self, call: Call, given: RoleGiven) -> None:
        """Make a role, or change what was sent of one."""
        old = await find_role(call, given.role_name)
        if old is None:
            role = await make_role(call, given.role_name, given.role_id)
        elif "local_secret_ids" in given.sent and given.local_secret_ids != old.local_secret_ids:
            raise InputError("", "local_secret_ids can only be modified during role creation")
        else:
            role = old if given.role_id is None else await move_role(call, old, given.role_id)
        await store_role(call, changed(role, given, given.sent - {"role_id"}))

    async def drop_role(self, call: Call, given: OfRole) -> None:
        """Delete a role; none of its secret ids is good from then on."""
        role = await find_role(call, given.role_name)
        if role is not None:
            await self._drop(call, role)

    async def _drop(self, call: Call, role: Role) -> None:
        await call.store.delete(role_key(role.role_id))
        await call.store.delete(name_key(role.name))
        await secret_ids.drop_all(call, role.uid, secret_ids.AT_ONCE)

    async def show_role_id(self, call: Call, given: OfRole) -> Reply:
        """Show a role's id."""
        return Reply({"role_id": (await fetch_role(call, given.role_name)).role_id})

    async def shows_all(self, call: Call, given: OfRole) -> bool:
        """Say whether its role id is all that a login by a role takes."""
        return not (await fetch_role(call, given.role_name)).bind_secret_id

    async def set_role_id(self, call: Call, given: RoleId) -> None:
        """Give a role another role id."""
        if not given.role_id:
            raise InputError("", "missing role_id")
        await move_role(call, await fetch_role(call, given.role_name), given.role_id)

    # -- secret ids ----------------------------------------------------------------------------

    async def list_accessors(self, call: Call, given: PageOfRole) -> Reply:
        """List the accessors of a role's secret ids, those that have ended included."""
        role = await fetch_role(call, given.role_name)
        prefix = f"accessor/{role.uid}/"
        return Reply({"keys": await call.store.names(prefix, after=given.after, limit=given.limit)})

    async def make_secret_id(self, call: Call, given: NewSecretId) -> Reply:
        """Make a random secret id."""
        return await secret_ids.issue(call, await fetch_role(call, given.role_name), given.terms())

    async def register_secret_id(self, call: Call, given: ChosenSecretId) -> Reply:
        """Take a secret id as it comes."""
        role = await fetch_role(call, given.role_name)
        return await secret_ids.issue(call, role, given.terms(), given.secret_id or Secret(""))

    async def look_up(self, call: Call, given: BySecretId) -> Reply | None:
        """Show a secret id's terms; nothing at all if it is unknown or has ended."""
        role, digest = await _named(call, given)
        kept = await secret_ids.find(call, role, digest)
        return Reply(secret_ids.shown(kept)) if kept and kept.lives(call.now) else None

    async def destroy(self, call: Call, given: BySecretId) -> None:
        """Destroy a secret id, if it is there."""
        role, digest = await _named(call, given)
        kept = await secret_ids.find(call, role, digest)
        if kept:
            await secret_ids.destroy(call, role, digest, kept)

    async def look_up_by_accessor(self, call: Call, given: ByAccessor) -> Reply:
        """Show the terms of an accessor's secret id."""
        _, _, kept = await _by_accessor(call, given)
        return Reply(secret_ids.shown(kept))

    async def destroy_by_accessor(self, call: Call, given: ByAccessor) -> None:
        """Destroy an accessor's secret id."""
        role, digest, kept = await _by_accessor(call, given)
        await secret_ids.destroy(call, role, digest, kept)

    async def tidy(self, call: Call, _given: Nothing) -> Reply:
        """Remove secret ids that have ended, and those of deleted roles."""
        return await secret_ids.tidy(call, secret_ids.AT_ONCE)


async def _named(call: Call, given: BySecretId) -> tuple[Role, str]:
    if given.secret_id is None or not given.secret_id.reveal():
        raise InputError("", "missing secret_id")
    return await fetch_role(call, given.role_name), digest_of(call, given.secret_id)


async def _by_accessor(call: Call, given: ByAccessor) -> tuple[Role, str, SecretId]:
    """Return what an accessor stands for; its two rows are written and deleted together."""
    if not given.secret_id_accessor:
        raise InputError("", "missing secret_id_accessor")
    role = await fetch_role(call, given.role_name)
    digest = await secret_ids.digest_by_accessor(call, role, given.secret_id_accessor)
    kept = await secret_ids.find(call, role, digest)
    if kept is None:
        raise NotFoundError("failed to find the secret id of this accessor")
    return role, digest, kept
