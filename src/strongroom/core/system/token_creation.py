"""`auth/token/create…`: a child of the caller's token, or an orphan.

Vault   Without a role that has lists of its own, a child's policies are a subset of its parent's
        unless the caller has sudo on the path. Only root makes root. A period, an orphan by
        `no_parent` and a chosen id ask for sudo.
Differs A child that its role binds to no network keeps its parent's. What a role says of uses and
        of the longest life is not left out for a batch token: the one is refused, the other
        caps its life. An id of the caller's own choice is kept as every other is, under a keyed
        digest, so there is nothing to warn of. An orphan outlives its parent, but not the entity
        that made it: deleted, disabled, left or over, it takes along what it made, of whatever
        entity, and that is refused where a person would be asked for a fresh factor. What a
        registered person makes is over with the absolute limit of the session that it began with,
        orphan, batch or periodic, and says so (`warnings`) where more was asked for; for a
        registered workload, through an alias, its own limits hold. What a registered workload
        makes is over when a token of its login would be: a day behind that, or what the mount of
        the login was tuned to.
        A root token is no orphan: no parameter, path or role makes one. Who needs a root token
        that outlives the one they have needs a quorum (`sys/generate-root`).
Trust   A child is bound to every environment that its parent is bound to, orphan or not. The
        metadata `environment` binds a child whose parent is bound to none, to an environment
        that the parent itself may go into, and lifts nothing. Whatever is made here stems from
        whom its parent is of and stems from (`identity.makers`), and lives no longer than they
        are there. The entry of a root token is an `alert` (`core.system.alerts`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated

from strongroom.base.errors import DeniedError, InputError
from strongroom.core.guardrails import GuardrailError
from strongroom.core.login import token_limits
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.alerts import ROOT_CHILD
from strongroom.core.system.token_roles import TokenRole
from strongroom.identity.admission import NotAdmittedError, admit
from strongroom.identity.entities import ENVIRONMENT, Known, check_metadata, entity_of
from strongroom.identity.lifetimes import Life, at_issue, bounded
from strongroom.identity.makers import stems_from
from strongroom.identity.records import WORKLOADS, Entity
from strongroom.identity.sessions import Session
from strongroom.identity.shown import auth_of
from strongroom.identity.sign_ins import limits as limits_now
from strongroom.identity.standing import environment_of, stand
from strongroom.identity.tokens import Wanted, kept
from strongroom.sdk.auth import ZERO
from strongroom.sdk.engine import Help, Reply
from strongroom.sdk.rules import check_policy_names
from strongroom.sdk.workloads import LONGEST, longest_life

SHORTEST = timedelta(seconds=1)
UNASSIGNABLE = ("response-wrapping", "control-group")
NEEDS_QUORUM = "a root token that outlives the one which made it needs a quorum: sys/generate-root"
_NOT_SHOWN = re.compile(r"[^a-zA-Z0-9-]")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A token as asked for."""

    id: Annotated[str, Help("Text of the token; needs sudo.", most=512)] = ""
    policies: Annotated[tuple[str, ...], Help("Policies; left out, the parent's.")] = ()
    meta: Annotated[
        Mapping[str, str], Help("Metadata, for the log and look-ups; `environment` binds.")
    ] = field(default_factory=dict)
    no_parent: Annotated[bool, Help("Make an orphan; needs sudo.")] = False
    no_default_policy: Annotated[bool, Help("Leave the default policy off.")] = False
    renewable: Annotated[bool, Help("Whether it can be renewed.")] = True
    ttl: Annotated[timedelta, Help("Life at issue.", was=("lease",))] = ZERO
    type: Annotated[str, Help("service or batch.")] = ""
    explicit_max_ttl: Annotated[timedelta, Help("Life at most, never extended.")] = ZERO
    display_name: Annotated[str, Help("Shown in look-ups.", most=512)] = "token"
    num_uses: Annotated[int, Help("Uses; 0 means any number.")] = 0
    period: Annotated[timedelta, Help("Renewed for so long, without end; needs sudo.")] = ZERO
    entity_alias: Annotated[
        str, Help("Alias of the entity; needs a role that allows it.", most=512)
    ] = ""


@dataclass(frozen=True, kw_only=True)
class AskedOfRole(Asked):
    """A token as asked for of a role."""

    role_name: Annotated[str, Help("Name of the role.", least=1, most=512)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What is known of one creation."""

    call: SystemCall
    parent: Session
    asked: Asked
    role: TokenRole | None
    role_name: str
    orphan: bool
    sudo: bool

    @property
    def settled_by_role(self) -> bool:
        """Whether the role says of what type its tokens are, whatever is asked."""
        return self.role is not None and self.role.token_type in ("service", "batch")

    @property
    def batch(self) -> bool:
        """Whether it becomes a batch token."""
        of_role = self.role.token_type if self.role else "default-service"
        if self.settled_by_role:
            return of_role == "batch"
        return (self.asked.type or of_role.removeprefix("default-")) == "batch"


class TokenCreation:
    """Makes tokens for callers who have one."""

    def __init__(self, server: Server, accessor: str) -> None:
        self._server = server
        self._accessor = accessor  # of the mount that aliases of role tokens belong to

    async def create(
        self,
        call: SystemCall,
        asked: Asked,
        role: TokenRole | None = None,
        role_name: str = "",
        *,
        orphan: bool = False,
    ) -> Reply:
        """Make a token; what the caller may not have is refused by name."""
        parent = call.session
        if parent is None:
            raise DeniedError
        sudo = parent.acl.sudo(call.request.path).allowed
        orphan = orphan or asked.no_parent if role is None else role.orphan
        making = Making(
            call=call,
            parent=parent,
            asked=asked,
            role=role,
            role_name=role_name,
            orphan=orphan,
            sudo=sudo,
        )
        _check(making)
        policies = _policies(making)
        _check_root(making, policies)
        entity = await self._entity(making)
        wanted = await self._wanted(making, policies, entity)
        return await self._issue(making, wanted, entity)

    async def _wanted(
        self, making: Making, policies: tuple[str, ...], entity: Entity | None
    ) -> Wanted:
        asked, role, parent = making.asked, making.role or TokenRole(), making.parent.token
        life = _life(making)
        if policies == ("root",) and not life.ttl:
            life = replace(life, ttl=life.explicit_max_ttl)
        limits = await token_limits(self._server.views, making.call.transaction)
        most = await self._session_left(making, entity)
        if most is not None:
            life, limits = bounded(life, limits, most, making.call.warnings)
        endless = policies == ("root",) and not (life.ttl or life.period)
        path = making.call.request.path
        return Wanted(
            path=f"{path}/{role.path_suffix}" if role.path_suffix else path,
            display=_display(asked.display_name),
            policies=policies,
            ttl=ZERO if endless else at_issue(life, limits, making.call.warnings),
            explicit_max_ttl=ZERO if making.batch else life.explicit_max_ttl,
            period=ZERO if making.batch else life.period,
            renewable=asked.renewable and role.renewable,
            uses=_least(asked.num_uses, role.token_num_uses),
            cidrs=role.token_bound_cidrs or parent.cidrs,
            entity=entity.id if entity else "",
            metadata=dict(asked.meta),
            parent=None if making.orphan else parent.lookup,
            role=making.role_name,
            environment=await self._environment(making, entity),
            makers=stems_from(parent) or None,
            let_in_by=parent.let_in_by,
            kind="batch" if making.batch else "service",
            id="" if making.batch else asked.id,
        )

    async def _issue(self, making: Making, wanted: Wanted, entity: Entity | None) -> Reply:
        call, tokens = making.call, self._server.tokens
        if wanted.id and await tokens.find(call.transaction, wanted.id) is not None:
            raise InputError("", "cannot create a token with a duplicate ID")
        for name in wanted.policies:
            if await self._server.views.policy(call.transaction, name, call.now) is None:
                call.warnings.append(f'Policy "{name}" does not exist')
        issued = tokens.issue(call.transaction, wanted, call.now)
        graph = await self._server.views.graph(call.transaction)
        standing = None if entity is None else await stand(call.transaction, entity, graph)
        if "root" in wanted.policies:
            call.details["alert"] = ROOT_CHILD
        call.details |= {
            "accessor": issued.token.accessor,
            "token_type": wanted.kind,
            "root": "root" in wanted.policies,
            "token_policies": wanted.policies,
            "ttl": int(wanted.ttl.total_seconds()),
            "orphan": making.orphan,
        }
        if wanted.entity:
            call.details["entity"] = wanted.entity
        if wanted.makers:
            call.details["made_by"] = wanted.makers
        if wanted.environment:
            call.details["bound_to"] = wanted.environment
        return Reply(fields={"auth": auth_of(issued, standing)})

    async def _session_left(self, making: Making, entity: Entity | None) -> timedelta | None:
        """Return how long a token lives at most that a person makes: as long as their session.

        One that a registered workload makes: as long as a token of its own login may. None for
        what another one makes, and for what a person makes for a registered workload, which has
        limits of its own.
        """
        call, parent = making.call, making.parent
        if not (parent.person or parent.made.person):
            return await self._login_left(making)
        tx, now, token = call.transaction, call.now, parent.token
        if entity is not None and await tx.get(WORKLOADS, entity.id) is not None:
            return None
        limits = await limits_now(tx)
        ends = now + limits.longest
        if parent.sign_in is not None:
            ends = parent.sign_in.ends_at or parent.sign_in.opened_at + limits.longest
        elif token.explicit_max_ttl:  # made so itself
            ends = min(ends, token.issued_at + token.explicit_max_ttl)
        return max(ends - now, SHORTEST)

    async def _login_left(self, making: Making) -> timedelta | None:
        """Return how long a token lives at most that a registered workload makes."""
        tx, now, token = making.call.transaction, making.call.now, making.parent.token
        behind = {token.entity, *(token.makers or ())} - {""}
        workloads = [row for each in behind if (row := await tx.get(WORKLOADS, each)) is not None]
        if not workloads:
            return None
        mounts = (await self._server.views.mounts(tx)).by_path.values()
        of_login = [live.mounted for live in mounts if token.mount and live.row.uuid == token.mount]
        longest = longest_life(of_login[0]) if of_login else LONGEST
        if token.period and not token.explicit_max_ttl:
            return longest  # its own login is renewed for so long each time
        own = token.explicit_max_ttl or longest
        return max(token.issued_at + min(own, longest) - now, SHORTEST)

    # -- entity and environment

    async def _entity(self, making: Making) -> Entity | None:
        """Return the entity that the token acts as: that of an alias, or the parent's."""
        name, role = making.asked.entity_alias, making.role
        if not name:
            return None if making.orphan else making.parent.entity
        if role is None:
            raise InputError("", "'entity_alias' is only allowed in combination with token role")
        if not role.allows_alias(name):
            raise InputError("", "invalid 'entity_alias' value")
        call = making.call
        known = Known(self._accessor, name, {})
        entity = await entity_of(call.transaction, known, call.now, call.entropy)
        graph = await self._server.views.graph(call.transaction)
        try:
            await admit(call.transaction, graph, entity, call.now)
        except NotAdmittedError as refused:
            raise InputError("entity_alias", str(refused)) from None
        return entity

    async def _environment(self, making: Making, entity: Entity | None) -> str:
        """Return the environments that the token is bound to, comma-separated."""
        bound = making.parent.environments
        guardrails = await self._server.views.guardrails(making.call.transaction)
        asked = making.asked.meta.get(ENVIRONMENT, "") if guardrails.boundaries else ""
        joined = {asked, await environment_of(making.call.transaction, entity)} - {""}
        for name in sorted(joined - bound):
            if bound:
                raise GuardrailError(f"environment:{name}")
            if guardrails.admits(frozenset(), name) is False:
                raise GuardrailError(f"environment:{name}")
        if asked and guardrails.admits(bound, asked) is None:
            raise InputError("meta.environment", "there is no such environment")
        return ",".join(sorted(bound or joined & {asked}))


# -- what is refused


def _check(making: Making) -> None:
    parent, asked = making.parent.token, making.asked
    check_policy_names(asked.policies, "policies")
    if parent.kind == "batch":
        raise InputError("", "batch tokens cannot create more tokens")
    if parent.uses:
        raise InputError("", "restricted use token cannot generate child tokens")
    if making.batch:
        _check_batch(asked, making.role)
    elif asked.type not in ("", "service") and not making.settled_by_role:
        raise InputError("", "invalid 'token_type' value")
    if asked.num_uses < 0:
        raise InputError("", "number of uses cannot be negative")
    check_metadata(asked.meta, "meta")
    _check_sudo(making)


def _check_sudo(making: Making) -> None:
    asked, needed = making.asked, "root or sudo privileges required to"
    if asked.id:
        if not making.sudo:
            raise InputError("", f"{needed} specify token id")
        if not making.batch and "." in asked.id:
            raise InputError("", "custom token ID cannot have a '.' in the value")
    if making.sudo:
        return
    if asked.no_parent and making.role is None:
        raise InputError("", f"{needed} create orphan token")
    if asked.period:
        raise InputError("", f"{needed} create periodic token")


def _check_batch(asked: Asked, role: TokenRole | None) -> None:
    for name, value in (
        ("num_uses", asked.num_uses or (role is not None and role.token_num_uses)),
        ("explicit_max_ttl", asked.explicit_max_ttl),
        ("period", asked.period),
    ):
        if value:
            raise InputError("", f'batch tokens cannot have "{name}" set')


def _check_root(making: Making, policies: tuple[str, ...]) -> None:
    for name in UNASSIGNABLE:
        if name in policies:
            raise InputError("", f'cannot assign policy "{name}"')
    if "root" not in policies:
        return
    if "root" not in making.parent.token.policies:
        raise InputError("", "root tokens may not be created without parent token being root")
    if making.batch:
        raise InputError("", "batch tokens cannot be root tokens")
    if making.orphan:
        raise InputError("", NEEDS_QUORUM)
    ends = making.parent.token.expires_at is not None
    if ends and not (making.asked.ttl or making.asked.period or making.asked.explicit_max_ttl):
        raise InputError("", "expiring root tokens cannot create non-expiring root tokens")


# -- policies and life


def _policies(making: Making) -> tuple[str, ...]:
    """Return the token's policies; root stands alone."""
    if making.role is not None and making.role.judges_policies:
        found = _by_role(making, making.role)
    else:
        found = _by_parent(making)
    return _alone(found)


def _alone(policies: tuple[str, ...]) -> tuple[str, ...]:
    return ("root",) if "root" in policies else policies


def _by_role(making: Making, role: TokenRole) -> tuple[str, ...]:
    leaves_off = making.asked.no_default_policy or role.token_no_default_policy
    default = () if leaves_off or role.forbids("default") else ("default",)
    asked = _alone(kept((*making.asked.policies, *default))) if making.asked.policies else ()
    allowed = kept((*role.allowed_policies, *default))
    has_allowed = bool(role.allowed_policies or role.allowed_policies_glob)
    if has_allowed and any(not role.allows(name) and name not in default for name in asked):
        raise InputError("", _beyond(asked, allowed, role))
    of_parent = making.parent.token.policies
    inherited = _without_default(of_parent) if leaves_off else kept((*of_parent, *default))
    policies = asked or (allowed if has_allowed else _alone(inherited))
    for name in policies:
        if role.forbids(name):
            raise InputError("", f'token policy "{name}" is disallowed by this role')
    return _without_default(policies) if leaves_off else policies


def _beyond(asked: tuple[str, ...], allowed: tuple[str, ...], role: TokenRole) -> str:
    def listed(names: tuple[str, ...]) -> str:
        return "[" + " ".join(f'"{name}"' for name in names) + "]"

    return (
        f"token policies ({listed(asked)}) must be subset of the role's allowed policies "
        f"({listed(allowed)}) or glob policies ({listed(role.allowed_policies_glob)})"
    )


def _by_parent(making: Making) -> tuple[str, ...]:
    """Return what is asked, if it is no more than the parent has; sudo may have more."""
    parent, asked = making.parent.token.policies, _alone(kept(making.asked.policies))
    role = making.role
    leaves_off = making.asked.no_default_policy or (role and role.token_no_default_policy)
    if not asked:
        policies, default = parent, "default" in parent
    elif making.sudo:
        policies, default = asked, True
    else:
        if not set(asked) <= set(parent):
            raise InputError("", "child policies must be subset of parent")
        policies, default = asked, "default" in parent
    if leaves_off:
        return _without_default(policies)
    return kept((*policies, "default")) if default else policies


def _without_default(policies: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in policies if name != "default")


def _life(making: Making) -> Life:
    asked, role = making.asked, making.role or TokenRole()
    most = _of_both(making, "Explicit max TTL", asked.explicit_max_ttl, role.token_explicit_max_ttl)
    period = _of_both(making, "Period", asked.period, role.token_period)
    return Life(ttl=asked.ttl, explicit_max_ttl=most, period=ZERO if making.batch else period)


def _of_both(making: Making, what: str, asked: timedelta, of_role: timedelta) -> timedelta:
    """Return the lesser of what is asked and what the role says, where both say something."""
    lesser = min(filter(None, (asked, of_role)), default=ZERO)
    if asked and of_role:
        making.call.warnings.append(
            f"{what} specified both during creation call and in role; using the lesser value of "
            f"{int(lesser.total_seconds())} seconds"
        )
    return lesser


def _least(one: int, other: int) -> int:
    return min(filter(None, (one, other)), default=0)


def _display(name: str) -> str:
    """Return the display name as Vault writes it."""
    full = "token" if name == "token" else f"token-{name}"
    return _NOT_SHOWN.sub("-", full).removesuffix("-")
