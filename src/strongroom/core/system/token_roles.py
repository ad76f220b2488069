"""`auth/token/roles`: named rules for making tokens.

Vault   A role's own lists of policies take the place of the rule that a child's policies are a
        subset of its parent's. `period`, `explicit_max_ttl` and `bound_cidrs` are older names.
Trust   Whoever may write a role that allows a policy, and use it, has that policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any

from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.globs import matches
from strongroom.base.network import all_written
from strongroom.core.request import SystemCall
from strongroom.identity.shown import seconds
from strongroom.identity.tokens import kept
from strongroom.sdk.auth import ZERO
from strongroom.sdk.engine import Call, Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import MOST_POLICIES, changed, check_policy_names
from strongroom.sdk.workloads import LONGEST_ALIAS

PREFIX = "role/"
DEFAULT_TYPE = "default-service"
TYPES = ("service", "batch", "default-service", "default-batch")
_SUFFIX = re.compile(r"\w[\w.-]+\w", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class RoleName:
    """For paths that end in a role's name."""

    role_name: Annotated[str, Help("Name of the role.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class TokenRole:
    """What is stored. Zero durations and uses mean that the role says nothing of them."""

    allowed_policies: Annotated[
        tuple[str, ...], Help("Policies that tokens may have; none: a subset of the parent's.")
    ] = ()
    disallowed_policies: Annotated[tuple[str, ...], Help("Policies that no token has.")] = ()
    allowed_policies_glob: Annotated[tuple[str, ...], Help("Like allowed_policies, globs.")] = ()
    disallowed_policies_glob: Annotated[
        tuple[str, ...], Help("Like disallowed_policies, globs.")
    ] = ()
    allowed_entity_aliases: Annotated[
        tuple[str, ...], Help("Aliases that a token may be made for, globs; not case-sensitive.")
    ] = ()
    orphan: Annotated[bool, Help("Tokens have no parent.")] = False
    renewable: Annotated[bool, Help("Tokens can be renewed.")] = True
    path_suffix: Annotated[str, Help("Put at the end of the path that tokens name.")] = ""
    token_type: Annotated[str, Help("Type of the tokens.", choices=TYPES)] = DEFAULT_TYPE
    token_period: Annotated[
        timedelta, Help("Renewed for so long, without end.", was=("period",))
    ] = ZERO
    token_explicit_max_ttl: Annotated[
        timedelta, Help("Life at most, never extended.", was=("explicit_max_ttl",))
    ] = ZERO
    token_bound_cidrs: Annotated[
        tuple[str, ...], Help("Networks that tokens work from.", was=("bound_cidrs",))
    ] = ()
    token_num_uses: Annotated[int, Help("Uses; 0 means any number.", least=0)] = 0
    token_no_default_policy: Annotated[bool, Help("Leave the default policy off.")] = False

    @property
    def judges_policies(self) -> bool:
        """Whether the role's lists decide, and not the parent's policies."""
        return bool(
            self.allowed_policies
            or self.allowed_policies_glob
            or self.disallowed_policies
            or self.disallowed_policies_glob
        )

    def allows(self, policy: str) -> bool:
        """Say whether a policy is in the lists of what is allowed."""
        return policy in self.allowed_policies or _matches(policy, self.allowed_policies_glob)

    def forbids(self, policy: str) -> bool:
        """Say whether a policy is in the lists of what is not."""
        return policy in self.disallowed_policies or _matches(policy, self.disallowed_policies_glob)

    def allows_alias(self, name: str) -> bool:
        """Say whether tokens may be made for an alias."""
        return _matches(name.lower(), self.allowed_entity_aliases)


@dataclass(frozen=True, kw_only=True)
class RoleGiven(TokenRole, RoleName):
    """A role as written; what is not sent stays as it is."""

    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


class TokenRoles:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `auth/token/`."""
        return (
            Route(
                path="roles",
                summary="The names of all token roles.",
                list=Endpoint(Page, self.names, "token.role.list"),
            ),
            Route(
                path="roles/{role_name}",
                summary="A token role.",
                read=Endpoint(RoleName, self.show, "token.role.read"),
                write=Endpoint(RoleGiven, self.write, "token.role.write"),
                delete=Endpoint(RoleName, self.drop, "token.role.delete"),
                exists=self.exists,
            ),
        )

    async def names(self, call: SystemCall, page: Page) -> Reply:
        return Reply({"keys": await call.store.keys(PREFIX, after=page.after, limit=page.limit)})

    async def exists(self, call: SystemCall, given: RoleName) -> bool:
        return await find(call, given.role_name) is not None

    async def show(self, call: SystemCall, given: RoleName) -> Reply:
        role = await find(call, given.role_name)
        if role is None:
            raise NotFoundError
        return Reply({"name": given.role_name, **shown(role)})

    async def write(self, call: SystemCall, given: RoleGiven) -> None:
        """Make a role, or change what was sent of one."""
        old = await find(call, given.role_name) or TokenRole()
        await call.store.put(PREFIX + given.role_name, settled(changed(old, given, given.sent)))

    async def drop(self, call: SystemCall, given: RoleName) -> None:
        await call.store.delete(PREFIX + given.role_name)


async def find(call: Call, name: str) -> TokenRole | None:
    """Return a role, or None."""
    held = await call.store.find(PREFIX + name, TokenRole)
    return held.value if held else None


def settled(role: TokenRole) -> TokenRole:
    """Return a role in its one form; InputError where it contradicts itself."""
    batch = role.token_type == "batch"  # noqa: S105 - a kind of token
    if batch and not role.orphan:
        kind = "'token_type' cannot be 'batch' when role is set to generate"
        raise InputError("", f"{kind} non-orphan tokens")
    if batch and (role.renewable or role.token_period or role.token_num_uses):
        kind = "'token_type' cannot be 'batch' when role is set to generate"
        raise InputError("", f"{kind} renewable, periodic or use-limited tokens")
    if batch and role.token_explicit_max_ttl:
        raise InputError("", "'token_type' cannot be 'batch' with an explicit max TTL")
    if role.path_suffix and not _SUFFIX.fullmatch(role.path_suffix):
        raise InputError("path_suffix", "letters, digits, '_', and '-' or '.' between them")
    for name in ("allowed_policies", "disallowed_policies"):
        for each in (name, f"{name}_glob"):
            check_policy_names(getattr(role, each), each)
    aliases = role.allowed_entity_aliases
    if len(aliases) > MOST_POLICIES or any(len(each) > LONGEST_ALIAS for each in aliases):
        problem = f"at most {MOST_POLICIES}, of {LONGEST_ALIAS} characters each"
        raise InputError("allowed_entity_aliases", problem)
    cidrs = all_written(role.token_bound_cidrs, "token_bound_cidrs")
    return replace(
        role,
        allowed_policies=kept(role.allowed_policies),
        disallowed_policies=kept(role.disallowed_policies),
        allowed_entity_aliases=tuple(each.lower() for each in aliases),
        allowed_policies_glob=kept(role.allowed_policies_glob),
        disallowed_policies_glob=kept(role.disallowed_policies_glob),
        token_bound_cidrs=cidrs,
    )


def shown(role: TokenRole) -> Mapping[str, Any]:
    """Return a role as a reply shows it."""
    data: dict[str, Any] = {
        "allowed_entity_aliases": list(role.allowed_entity_aliases) or None,
        "allowed_policies": list(role.allowed_policies),
        "allowed_policies_glob": list(role.allowed_policies_glob),
        "disallowed_policies": list(role.disallowed_policies),
        "disallowed_policies_glob": list(role.disallowed_policies_glob),
        "explicit_max_ttl": seconds(role.token_explicit_max_ttl),
        "orphan": role.orphan,
        "path_suffix": role.path_suffix,
        "period": seconds(role.token_period),
        "renewable": role.renewable,
        "token_explicit_max_ttl": seconds(role.token_explicit_max_ttl),
        "token_no_default_policy": role.token_no_default_policy,
        "token_period": seconds(role.token_period),
        "token_type": role.token_type,
    }
    if role.token_bound_cidrs:
        data["bound_cidrs"] = data["token_bound_cidrs"] = list(role.token_bound_cidrs)
    if role.token_num_uses:
        data["token_num_uses"] = role.token_num_uses
    return data


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    """Say whether a name fits a glob; `*` stands for any text, and nothing else is special."""
    return any(matches(glob, name) for glob in globs)
