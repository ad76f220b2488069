"""Userpass auth method: a user name and a password for a token.

Specs   RFC 9106: only an Argon2id hash of a password is kept (`strongroom.crypto.passwords`).
Vault   The paths of Vault's `userpass` mount. User names are case-insensitive, kept in lower
        case. A write changes what it names and keeps the rest.
Differs `password_hash` (bcrypt) is refused: a hash made elsewhere says nothing of how the
        password was chosen, and bcrypt reads its first 72 bytes only. A login from outside
        `token_bound_cidrs` is refused like a wrong password, after the same work. What OpenBao
        answers with 500 for want of a user or a password is 404 or 400.
Limits  A password has 1 to 1,024 bytes. How hard to guess it must be is said for people alone, at
        mounts with the option `people = "true"` (`auth.userpass.strength`): there its alias is
        marked as a person's (metadata `person`), and who has enrolled a second factor is asked
        for it. Elsewhere a password may be a script's, of any length, as in Vault.
Order   Hashing takes tens of milliseconds. It runs in the server's one thread for it, so that the
        loop serves others meanwhile; who finds too many waiting is refused with 503, which counts
        as no failed login. A request that met a conflict is served again, hash included.
Trust   Whoever may write `users/*` can log in as any user. Unknown user, wrong password and
        wrong network answer alike and cost alike. No fast digest of a password is kept, not
        even a keyed one: it would undo the slow one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar, Final

from strongroom.auth.userpass.strength import Breached, NothingKnown, check_strength
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.network import admits
from strongroom.base.secret import Secret
from strongroom.crypto.errors import PasswordError
from strongroom.crypto.hashing import LOGIN, PASSWORD, Hashing
from strongroom.crypto.passwords import decoy, hash_password, needs_rehash, verify_password
from strongroom.sdk.auth import Login, Proof, Subject, TokenRules
from strongroom.sdk.engine import Call, Endpoint, Help, Opens, Page, Reply, Route, Sent
from strongroom.sdk.rules import (
    NAME,
    changed,
    for_people,
    policy_names,
    rules_of,
    settled,
    shown_rules,
    valid_name,
)

LONGEST_PASSWORD: Final = 1_024
REFUSED: Final = "invalid username or password"

_OLDER: Final = {
    "policies": "token_policies",
    "ttl": "token_ttl",
    "max_ttl": "token_max_ttl",
    "bound_cidrs": "token_bound_cidrs",
}


@dataclass(frozen=True, kw_only=True)
class Username:
    """For paths that end in a user's name."""

    username: Annotated[str, Help("User name; case does not matter.", least=1, most=512)]

    @property
    def name(self) -> str:
        """The name in its one form."""
        return self.username.lower()


@dataclass(frozen=True, kw_only=True)
class NewPassword(Username):
    """A password that is to be set."""

    password: Annotated[Secret | None, Help("Password, 1 to 1,024 bytes.")] = None
    password_hash: Annotated[Secret | None, Help("Not taken; send `password`.")] = None


@dataclass(frozen=True, kw_only=True)
class UserGiven(TokenRules, NewPassword):
    """A user as written."""

    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Policies(Username):
    """A user's policies as written."""

    token_policies: Annotated[
        tuple[str, ...], Help("Policies of the tokens.", was=("policies",))
    ] = ()


@dataclass(frozen=True, kw_only=True)
class Attempt(Username):
    """A login as tried."""

    password: Annotated[Secret | None, Help("Password.")] = None


@dataclass(frozen=True, kw_only=True)
class User(TokenRules):
    """What is stored: the rules of the user's tokens, and the hash as a PHC string.

    `set_by` are the entities who set the password; none for root, and from before it was noted.
    """

    hash: Secret
    set_by: tuple[str, ...] = ()


class Userpass:
    """Knows people by a user name and a password."""

    kind: ClassVar[str] = "userpass"

    def __init__(self, breached: Breached | None = None, hashing: Hashing | None = None) -> None:
        """Know people; `breached` are passwords that a mount for people refuses.

        `hashing` is the thread that all of a server shares; left out, it is one's own.
        """
        self._breached = breached or NothingKnown()
        self._hashing = hashing or Hashing()

    def routes(self) -> tuple[Route, ...]:
        """Return the paths that manage users."""
        event = "userpass.user"
        opens = Opens(name=lambda given: given.name)
        return (
            Route(
                path="users",
                summary="The names of all users.",
                list=Endpoint(Page, self.list_users, f"{event}.list"),
            ),
            Route(
                path="users/{username}",
                summary="One user: a password, and how the user's tokens are made.",
                read=Endpoint(Username, self.show_user, f"{event}.read"),
                write=Endpoint(UserGiven, self.write_user, f"{event}.write"),
                delete=Endpoint(Username, self.drop_user, f"{event}.delete"),
                exists=self.has_user,
                subjects=self.subjects_of,
                opens=opens,
            ),
            Route(
                path="users/{username}/password",
                summary="Change a user's password.",
                write=Endpoint(NewPassword, self.set_password, f"{event}.password"),
                subjects=self.subjects_of,
                opens=opens,
            ),
            Route(
                path="users/{username}/policies",
                summary="Change a user's policies.",
                write=Endpoint(Policies, self.set_policies, f"{event}.policies"),
                subjects=self.subjects_of,
                opens=opens,
            ),
        )

    def login(self) -> Login[Attempt]:
        """Return the way in."""
        return Login(
            "login/{username}",
            Attempt,
            self.prove,
            lambda given: given.name,
            "Log in by password.",
            REFUSED,
            self.has_user,
        )

    async def prove(self, call: Call, given: Attempt) -> Proof:
        """Say who has this password; one refusal for all reasons, at one cost."""
        if given.password is None or not given.password.reveal():
            raise InputError("", "missing password")
        password = _within_limits(given.password)
        user = await _find(call, given.name)
        try:
            hashed = user.hash.text() if user else decoy()
            await self._hashing.run(LOGIN, partial(verify_password, hashed, password))
        except PasswordError:
            raise DeniedError(REFUSED) from None
        if user is None or not admits(user.token_bound_cidrs, call.address):
            raise DeniedError(REFUSED)
        if needs_rehash(hashed):
            newer = await self._hashed(call, password)
            await _store(call, given.name, replace(user, hash=newer))
        return Proof(
            alias=given.name,
            shown_by="password",
            rules=rules_of(user),
            display=given.name,
            role=given.name,
            metadata={"username": given.name},
            alias_metadata={"person": "true"} if for_people(call.mount.options) else {},
            set_by=user.set_by,
        )

    async def still_holds(self, call: Call, role: str, alias: str) -> TokenRules:
        """Return the user's rules; a user that was deleted renews nothing."""
        user = await _find(call, role)
        if user is None or role != alias:
            raise DeniedError
        return rules_of(user)

    async def mark(self, call: Call, role: str, alias: str) -> str:
        """Return a digest of the password's hash, which is another each time one is set."""
        user = await _find(call, role)
        if user is None or role != alias:
            raise DeniedError
        return call.fingerprint(user.hash.reveal()).hex()

    async def forget(self, call: Call, alias: str) -> int:
        """Delete the user whose alias this is."""
        found = await self.remembers(call, alias)
        if found:
            await call.store.delete(_key(alias))
            call.dropped.append(alias)
        return found

    async def remembers(self, call: Call, alias: str) -> int:
        """Say whether there is such a user."""
        return int(await _find(call, alias) is not None)

    async def set_by(self, call: Call, name: str) -> tuple[str, ...]:
        """Return who set a user's password."""
        user = await _find(call, name)
        return () if user is None else user.set_by

    async def subjects(self, call: Call, after: str, limit: int) -> list[Subject]:
        """Return users by name."""
        names = await call.store.names("user/", after=after, limit=limit)
        users = [(name, await _fetch(call, name)) for name in names]
        return [Subject(name=name, alias=name, rules=rules_of(user)) for name, user in users]

    async def subjects_of(self, _call: Call, given: Username) -> tuple[str, ...]:
        """Return the alias of the user whom a path is about."""
        return (given.name,)

    async def list_users(self, call: Call, page: Page) -> Reply:
        """List user names."""
        return Reply({"keys": await call.store.names("user/", after=page.after, limit=page.limit)})

    async def has_user(self, call: Call, given: Username) -> bool:
        """Tell a create from an update."""
        return await _find(call, given.name) is not None

    async def show_user(self, call: Call, given: Username) -> Reply:
        """Show a user's rules; the hash stays inside."""
        return Reply(shown_rules(await _fetch(call, given.name), older=_OLDER))

    async def write_user(self, call: Call, given: UserGiven) -> None:
        """Make a user, who needs a password, or change what was sent of one."""
        name = valid_name(given.name, "username")
        user = await _find(call, name)
        sets_password = given.password is not None or given.password_hash is not None
        if user is None or sets_password:
            hashed = await self._new_hash(call, given)
            user = User(hash=hashed) if user is None else replace(user, hash=hashed)
            user = replace(user, set_by=_setting(call))
        await _store(call, name, settled(changed(user, given, given.sent), call.warnings))

    async def drop_user(self, call: Call, given: Username) -> None:
        """Delete a user. Tokens live on until their renewal, which is refused."""
        await call.store.delete(_key(given.name))

    async def set_password(self, call: Call, given: NewPassword) -> None:
        """Change the password of a user that exists."""
        user = await _fetch(call, given.name)
        hashed = await self._new_hash(call, given)
        await _store(call, given.name, replace(user, hash=hashed, set_by=_setting(call)))

    async def _new_hash(self, call: Call, given: NewPassword) -> Secret:
        """Return the hash of a password that may be set here."""
        password = _new_password(given)
        if for_people(call.mount.options):
            await asyncio.to_thread(check_strength, password, given.name, self._breached)
        return await self._hashed(call, password)

    async def _hashed(self, call: Call, password: Secret) -> Secret:
        work = partial(hash_password, password, call.entropy)
        return Secret(await self._hashing.run(PASSWORD, work))

    async def set_policies(self, call: Call, given: Policies) -> None:
        """Change the policies of a user that exists."""
        user = await _fetch(call, given.name)
        policies = policy_names(given.token_policies)
        await _store(call, given.name, replace(user, token_policies=policies))


def _setting(call: Call) -> tuple[str, ...]:
    """Return who knows a password that is set now: whoever asks, and who could have asked so."""
    return tuple(dict.fromkeys((*call.makers, *call.helped_by)))


def _key(name: str) -> str:
    return f"user/{name}"


async def _find(call: Call, name: str) -> User | None:
    """Return the user, or None; a name that no user can have is not asked for."""
    held = await call.store.find(_key(name), User) if NAME.fullmatch(name) else None
    return held.value if held else None


async def _fetch(call: Call, name: str) -> User:
    user = await _find(call, name)
    if user is None:
        raise NotFoundError("username does not exist")
    return user


async def _store(call: Call, name: str, user: User) -> None:
    await call.store.put(_key(name), user)


def _new_password(given: NewPassword) -> Secret:
    if given.password_hash is not None:
        raise InputError("password_hash", "hashes made elsewhere are not taken; send `password`")
    if given.password is None or not given.password.reveal():
        raise InputError("", "must provide password")
    return _within_limits(given.password)


def _within_limits(password: Secret) -> Secret:
    if len(password.reveal()) > LONGEST_PASSWORD:
        raise InputError("password", f"longer than {LONGEST_PASSWORD:,} bytes")
    return password
