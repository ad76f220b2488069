"""LDAP auth method: a name and a password that a directory knows, for a token.

Specs   RFC 4511 to 4515: a search for the name, then a simple bind as whoever was found.
Vault   The paths and fields of Vault's `ldap` mount: `config`, `users`, `groups`, `login`. A
        token has the policies of `config`, of the user's record here, and of each group that the
        directory or that record names. Groups are also what external groups take members by.
Differs The alias is the value of `userattr` in the directory's entry, also where no account
        searches (OpenBao: the distinguished name that was bound), or with `username_as_alias`
        the name in its one form, in lower case unless names are case-sensitive. No password is
        kept to renew with: a renewal looks the user up by the account that searches, or
        anonymously, and is refused if the user is gone, has another alias or is disabled. A name
        with characters that do not show, in wide letters or with spaces around is nobody's. A
        directory that does not answer is 502, and no address is told. A login from outside
        `token_bound_cidrs` is refused like a wrong password, after the same work. A user's name
        holds no slash.
Limits  A password has 1 to 1,024 bytes, none of them zero; a name at most 256 characters.
Trust   Whoever may write `config`, or answers at its `url` with a certificate of its
        authorities, can log in as any user; so guardrails ask about all who have logged in.
        Unknown, ambiguous and disabled users, a wrong password and a wrong network answer alike
        after the same questions; what the directory itself takes longer for, its caller may see.
        A 502 says nothing of a user. Of a refused login the log has the name of somebody with a
        record here, and a digest of any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final

from strongroom.auth.ldap.directory import Person, look_up, prove
from strongroom.auth.ldap.lanes import Answer, Lanes
from strongroom.auth.ldap.names import composed, is_plain
from strongroom.auth.ldap.records import SECRETS, Config, Group, User
from strongroom.auth.ldap.settings import Asking, asking, checked
from strongroom.base.errors import DeniedError, InputError, NotFoundError, UpstreamError
from strongroom.base.network import admits
from strongroom.base.secret import Secret
from strongroom.sdk.auth import Login, Proof, TokenRules
from strongroom.sdk.engine import (
    CONFIGURATION,
    Call,
    Endpoint,
    Help,
    Nothing,
    Page,
    Reply,
    Route,
    Sent,
)
from strongroom.sdk.rules import changed, policy_names, rules_of, settled, shown_rules
from strongroom.sdk.workloads import known_aliases, remember

LONGEST_PASSWORD: Final = 1_024
LONGEST_ALIAS: Final = 512
MOST_GROUPS: Final = 256  # of a user's record
REFUSED: Final = "ldap operation failed: failed to bind as user"  # OpenBao's words

_HIDDEN = (*SECRETS, "client_tls_cert")


@dataclass(frozen=True, kw_only=True)
class ConfigGiven(Config):
    """A configuration as written."""

    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class UserNamed:
    """For the path of one user."""

    name: Annotated[str, Help("User name.", least=1, most=256)]


@dataclass(frozen=True, kw_only=True)
class UserGiven(UserNamed):
    """A user's record as written; what is not named is empty."""

    policies: Annotated[tuple[str, ...], Help("Policies of the user.")] = ()
    groups: Annotated[tuple[str, ...], Help("Groups beside those of the directory.")] = ()


@dataclass(frozen=True, kw_only=True)
class GroupNamed:
    """For the path of one group."""

    name: Annotated[str, Help("Name of a group, as the directory has it.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class GroupGiven(GroupNamed):
    """A group's record as written."""

    policies: Annotated[tuple[str, ...], Help("Policies of the members.")] = ()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A login as tried."""

    username: Annotated[str, Help("User name, as the directory knows it.", least=1, most=512)]
    password: Annotated[Secret | None, Help("Password.")] = None


class Ldap:
    """Knows people whom a directory knows. Its threads are its only state."""

    kind: ClassVar[str] = "ldap"

    def __init__(self, lanes: Lanes | None = None) -> None:
        self._lanes = lanes or Lanes()

    def routes(self) -> tuple[Route, ...]:
        """Return the paths of the configuration, and of the records of users and groups."""
        return (
            Route(
                path="config",
                summary="The directory, and how tokens are made.",
                read=Endpoint(Nothing, self.show_config, "ldap.config.read"),
                write=Endpoint(ConfigGiven, self.write_config, "ldap.config.write"),
                subjects=known_aliases,
                opens=CONFIGURATION,
            ),
            Route(
                path="users",
                summary="The names of all users with a record.",
                list=Endpoint(Page, self.list_users, "ldap.user.list"),
            ),
            Route(
                path="users/{name}",
                summary="What a user gets beside what their groups give.",
                read=Endpoint(UserNamed, self.show_user, "ldap.user.read"),
                write=Endpoint(UserGiven, self.write_user, "ldap.user.write"),
                delete=Endpoint(UserNamed, self.drop_user, "ldap.user.delete"),
                exists=self.has_user,
                subjects=known_aliases,
            ),
            Route(
                path="groups",
                summary="The names of all groups with a record.",
                list=Endpoint(Page, self.list_groups, "ldap.group.list"),
            ),
            Route(
                path="groups/{name...}",
                summary="What the members of a group get.",
                read=Endpoint(GroupNamed, self.show_group, "ldap.group.read"),
                write=Endpoint(GroupGiven, self.write_group, "ldap.group.write"),
                delete=Endpoint(GroupNamed, self.drop_group, "ldap.group.delete"),
                exists=self.has_group,
                subjects=known_aliases,
            ),
        )

    def login(self) -> Login[Attempt]:
        """Return the way in."""
        return Login(
            "login/{username}",
            Attempt,
            self.prove,
            lambda given: composed(given.username).lower(),
            "Log in by a password that the directory knows.",
            REFUSED,
            self.knows,
        )

    # -- logging in

    async def prove(self, call: Call, given: Attempt) -> Proof:
        """Say who has this password in the directory; one refusal, whatever the reason."""
        password = _password(given.password)
        config = await call.store.find("config", Config)
        if config is None:
            raise InputError("", "auth method not configured")
        asked, typed = asking(config.value), composed(given.username)
        name, nobody = typed if is_plain(typed) else "", call.entropy(16).hex()
        person = await self._ask(
            call, asked, lambda until: prove(asked, name, password, nobody, until)
        )
        if not admits(asked.config.token_bound_cidrs, call.address):
            raise DeniedError("from a network that tokens do not work in")
        user = await _find_user(call, asked.config, name)
        kept = asked.config.canonical(name)
        alias = _alias(asked.config, name, person)
        await remember(call, alias)
        return Proof(
            alias=alias,
            shown_by="password",
            rules=await _rules(call, asked.config, user, person),
            display=kept,
            role=kept,
            metadata={"username": kept},
            alias_metadata={"name": kept},
            groups=_all_groups(user, person),
        )

    async def still_holds(self, call: Call, role: str, alias: str) -> TokenRules:
        """Return the rules now in force; DeniedError if the directory no longer has the user."""
        config, user, person = await self._known(call, role, alias)
        return await _rules(call, config, user, person)

    async def groups_now(self, call: Call, role: str, alias: str) -> tuple[str, ...]:
        """Return the groups that directory and record name now."""
        _, user, person = await self._known(call, role, alias)
        return _all_groups(user, person)

    async def _known(self, call: Call, role: str, alias: str) -> tuple[Config, User | None, Person]:
        """Return what the directory and our record say now; DeniedError for another, or nobody."""
        config = await call.store.find("config", Config)
        if config is None or not is_plain(role):
            raise DeniedError
        asked = asking(config.value)
        person = await self._ask(call, asked, lambda until: look_up(asked, role, until))
        if _alias(asked.config, role, person) != alias:
            raise DeniedError
        return asked.config, await _find_user(call, asked.config, role), person

    async def _ask(self, call: Call, asked: Asking, work: Callable[[float], Answer]) -> Answer:
        within = asked.config.request_timeout.total_seconds()
        return await self._lanes.run(call.mount.accessor, within, work)

    async def knows(self, call: Call, given: Attempt) -> bool:
        """Say whether there is a record of this user; the directory is not asked."""
        config = await _config(call)
        return await _find_user(call, config, composed(given.username)) is not None

    # -- configuration

    async def show_config(self, call: Call, _given: Nothing) -> Reply:
        """Show the configuration, less its secrets."""
        config = await _config(call)
        data = {
            name: getattr(config, name)
            for name in Config.__dataclass_fields__
            if name not in TokenRules.__dataclass_fields__ and name not in _HIDDEN
        }
        for name in ("connection_timeout", "request_timeout"):
            data[name] = int(data[name].total_seconds())
        return Reply(data | shown_rules(config, older={}))

    async def write_config(self, call: Call, given: ConfigGiven) -> None:
        """Change what was sent of the configuration."""
        held = await call.store.find("config", Config)
        before = held.value if held else None
        written = settled(changed(before or Config(), given, given.sent), call.warnings)
        config = replace(
            written,
            url=written.url.lower(),
            userattr=written.userattr.lower(),
            bindpass=_unless_empty(written.bindpass),
            client_tls_key=_unless_empty(written.client_tls_key),
        )
        checked(config, before, given.sent)
        if "{{.UserAttr}}" not in config.userfilter and config.username_as_alias:
            call.warnings.append(
                "userfilter does not go by userattr: whoever it finds by several names has as "
                "many aliases; leave username_as_alias off"
            )
        if not config.groupdn:
            call.warnings.append("without groupdn the directory is not asked for groups")
        await call.store.put("config", config)

    # -- records of users

    async def list_users(self, call: Call, page: Page) -> Reply:
        """List the names of users with a record."""
        return Reply({"keys": await call.store.keys("user/", after=page.after, limit=page.limit)})

    async def has_user(self, call: Call, given: UserNamed) -> bool:
        """Tell a create from an update."""
        return await _find_user(call, await _config(call), given.name) is not None

    async def show_user(self, call: Call, given: UserNamed) -> Reply:
        """Show a user's record; groups are one text, as in Vault."""
        user = await _find_user(call, await _config(call), given.name)
        if user is None:
            raise NotFoundError
        return Reply({"groups": ",".join(user.groups), "policies": list(user.policies)})

    async def write_user(self, call: Call, given: UserGiven) -> None:
        """Write a user's record anew."""
        config = await _config(call)
        name = composed(given.name)
        if not is_plain(name):
            raise InputError("name", "not a name that can log in")
        groups = tuple(
            dict.fromkeys(config.canonical(g.strip()) for g in given.groups if g.strip())
        )
        if len(groups) > MOST_GROUPS or any(len(each) > 512 for each in groups):
            raise InputError("groups", f"at most {MOST_GROUPS}, of 512 characters each")
        user = User(policies=policy_names(given.policies), groups=groups)
        await call.store.put(f"user/{config.canonical(name)}", user)

    async def drop_user(self, call: Call, given: UserNamed) -> None:
        """Delete a user's record. The directory still lets the user in."""
        config = await _config(call)
        await call.store.delete(f"user/{config.canonical(composed(given.name))}")

    # -- records of groups

    async def list_groups(self, call: Call, page: Page) -> Reply:
        """List the names of groups with a record."""
        return Reply({"keys": await call.store.keys("group/", after=page.after, limit=page.limit)})

    async def has_group(self, call: Call, given: GroupNamed) -> bool:
        """Tell a create from an update."""
        return await _find_group(call, await _config(call), given.name) is not None

    async def show_group(self, call: Call, given: GroupNamed) -> Reply:
        """Show a group's policies."""
        group = await _find_group(call, await _config(call), given.name)
        if group is None:
            raise NotFoundError
        return Reply({"policies": list(group.policies)})

    async def write_group(self, call: Call, given: GroupGiven) -> None:
        """Write a group's record anew."""
        config = await _config(call)
        group = Group(policies=policy_names(given.policies))
        await call.store.put(f"group/{config.canonical(given.name)}", group)

    async def drop_group(self, call: Call, given: GroupNamed) -> None:
        """Delete a group's record; its members lose its policies at their next login."""
        config = await _config(call)
        await call.store.delete(f"group/{config.canonical(given.name)}")


async def _config(call: Call) -> Config:
    """Return the mount's configuration, or what stands where none was written."""
    held = await call.store.find("config", Config)
    return held.value if held else Config()


async def _find_user(call: Call, config: Config, name: str) -> User | None:
    held = await call.store.find(f"user/{config.canonical(composed(name))}", User)
    return held.value if held else None


async def _find_group(call: Call, config: Config, name: str) -> Group | None:
    held = await call.store.find(f"group/{config.canonical(name)}", Group)
    return held.value if held else None


async def _rules(call: Call, config: Config, user: User | None, person: Person) -> TokenRules:
    """Return the token rules with all policies that user and groups have here."""
    policies = list(config.token_policies)
    for name in dict.fromkeys(config.canonical(each) for each in _all_groups(user, person)):
        group = await _find_group(call, config, name)
        policies += group.policies if group else ()
    policies += user.policies if user else ()
    return replace(rules_of(config), token_policies=tuple(dict.fromkeys(policies)))


def _all_groups(user: User | None, person: Person) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*(user.groups if user else ()), *person.groups)))


def _alias(config: Config, name: str, person: Person) -> str:
    if config.username_as_alias:
        return config.canonical(name)
    if len(person.names) != 1 or not 0 < len(person.names[0].strip()) <= LONGEST_ALIAS:
        raise UpstreamError("the directory's entry has not one value of userattr")
    return person.names[0]


def _password(given: Secret | None) -> Secret:
    """Return a password that may be tried; what a directory takes for none is not one."""
    secret = given.reveal() if given else b""
    if given is None or not secret:
        raise InputError("", "missing password")
    if len(secret) > LONGEST_PASSWORD:
        raise InputError("password", f"longer than {LONGEST_PASSWORD:,} bytes")
    if b"\0" in secret:
        raise InputError("password", "holds a zero byte")
    return given


def _unless_empty(secret: Secret | None) -> Secret | None:
    return secret if secret is not None and secret.reveal() else None
