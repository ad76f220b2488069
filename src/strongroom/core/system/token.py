"""`auth/token/…`: tokens made, looked up, renewed, revoked.

Vault   The paths and replies of Vault's token store. A batch token has no accessor: it cannot be
        renewed or revoked, and ends with its time or its parent.
Differs A token is renewed only while its auth method still vouches for its subject, and grants
        all of its policies. A token that root tokens descend from is revoked with them, and not
        alone: they would be orphans. `tidy` does its work at once, and says how much that was.
Trust   Whoever may use `create` with sudo can give out any policy but root.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated

from strongroom.base.errors import DeniedError, InputError
from strongroom.base.secret import Secret
from strongroom.core.login import FORGET, life_of, limits_of, token_limits
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.token_creation import NEEDS_QUORUM, Asked, AskedOfRole, TokenCreation
from strongroom.core.system.token_roles import TokenRoles, find
from strongroom.core.views import Live
from strongroom.identity.groups import Named, follow_login
from strongroom.identity.lifetimes import Life, Limits, at_renewal
from strongroom.identity.records import LOCKOUTS, TOKENS, Token
from strongroom.identity.shown import auth_of, shown_token
from strongroom.identity.standing import Standing, living, standing_of
from strongroom.identity.tokens import Issued
from strongroom.sdk.auth import ZERO, AuthMethod, Regrouping, TokenRules
from strongroom.sdk.engine import Call, Endpoint, Help, Nothing, Page, Reply, Route
from strongroom.storage.barrier import TamperedError
from strongroom.storage.store import MountStore

TIDIED = 1000
ACCEPTED = 202


@dataclass(frozen=True, kw_only=True)
class ByText:
    """A token."""

    token: Annotated[Secret | None, Help("The token; left out in a look-up, one's own.")] = None


@dataclass(frozen=True, kw_only=True)
class ByAccessor:
    """A token by its accessor."""

    accessor: Annotated[str, Help("Accessor of the token.")] = ""


@dataclass(frozen=True, kw_only=True)
class Renew(ByText):
    """How long a token is to live on."""

    increment: Annotated[timedelta, Help("Live so long from now; 0: as at issue.")] = ZERO


@dataclass(frozen=True, kw_only=True)
class RenewByAccessor(ByAccessor):
    """How long an accessor's token is to live on."""

    increment: Annotated[timedelta, Help("Live so long from now; 0: as at issue.")] = ZERO


class TokenRoutes:
    """See the module."""

    def __init__(self, server: Server, accessor: str) -> None:
        self._server = server
        self._tokens = server.tokens
        self._creation = TokenCreation(server, accessor)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `auth/token/`."""
        return (*self._making(), *self._looking(), *self._ending(), *TokenRoles().routes())

    def _making(self) -> tuple[Route, ...]:
        event = "token.create"
        return (
            Route(path="create", summary="Make a token.", write=Endpoint(Asked, self.make, event)),
            Route(
                path="create-orphan",
                summary="Make a token without a parent.",
                write=Endpoint(Asked, self.make_orphan, event),
            ),
            Route(
                path="create/{role_name}",
                summary="Make a token by a role's rules.",
                write=Endpoint(AskedOfRole, self.make_of_role, event),
            ),
            Route(
                path="renew",
                summary="Renew a token.",
                write=Endpoint(Renew, self.renew, "token.renew"),
            ),
            Route(
                path="renew-self",
                summary="Renew one's own token.",
                write=Endpoint(Renew, self.renew_self, "token.renew"),
            ),
            Route(
                path="renew-accessor",
                summary="Renew an accessor's token.",
                write=Endpoint(RenewByAccessor, self.renew_by_accessor, "token.renew"),
            ),
        )

    def _looking(self) -> tuple[Route, ...]:
        look = Endpoint(ByText, self.look_up, "token.lookup")
        look_self = Endpoint(ByText, self.look_up_self, "token.lookup")
        return (
            Route(path="lookup", summary="What is known of a token.", read=look, write=look),
            Route(
                path="lookup-self",
                summary="What is known of one's own token.",
                read=look_self,
                write=look_self,
            ),
            Route(
                path="lookup-accessor",
                summary="What is known of an accessor's token.",
                write=Endpoint(ByAccessor, self.look_up_accessor, "token.lookup"),
            ),
            Route(
                path="accessors",
                summary="The accessors of all service tokens.",
                sudo=True,
                list=Endpoint(Page, self.accessors, "token.list"),
            ),
        )

    def _ending(self) -> tuple[Route, ...]:
        event = "token.revoke"
        return (
            Route(
                path="revoke",
                summary="Revoke a token and all below it.",
                write=Endpoint(ByText, self.revoke, event),
            ),
            Route(
                path="revoke-self",
                summary="Revoke one's own token and all below it.",
                write=Endpoint(Nothing, self.revoke_self, event),
            ),
            Route(
                path="revoke-accessor",
                summary="Revoke an accessor's token and all below it.",
                write=Endpoint(ByAccessor, self.revoke_by_accessor, event),
            ),
            Route(
                path="revoke-orphan",
                summary="Revoke a token; its children live on as orphans.",
                write=Endpoint(ByText, self.revoke_alone, event),
            ),
            Route(
                path="tidy",
                summary="Revoke what has ended, forget old failed logins.",
                write=Endpoint(Nothing, self.tidy, "token.tidy"),
            ),
        )

    # -- making

    async def make(self, call: SystemCall, given: Asked) -> Reply:
        return await self._creation.create(call, given)

    async def make_orphan(self, call: SystemCall, given: Asked) -> Reply:
        return await self._creation.create(call, given, orphan=True)

    async def make_of_role(self, call: SystemCall, given: AskedOfRole) -> Reply:
        role = await find(call, given.role_name)
        if role is None:
            raise InputError("", f"unknown role {given.role_name}")
        call.details["role"] = given.role_name
        return await self._creation.create(call, given, role, given.role_name)

    # -- finding

    def _own(self, call: SystemCall) -> tuple[Token, str]:
        if call.session is None:
            raise DeniedError
        return call.session.token, call.request.token

    async def _by_text(self, call: SystemCall, text: str) -> Token | None:
        return await self._living(call, await self._tokens.find(call.transaction, text))

    async def _by_accessor(self, call: SystemCall, accessor: str) -> Token | None:
        if not accessor:
            raise InputError("", "missing accessor")
        return await self._living(call, await self._tokens.by_accessor(call.transaction, accessor))

    async def _living(self, call: SystemCall, found: Token | None) -> Token | None:
        if found is None or not await self._tokens.lives(call.transaction, found, call.now):
            return None
        return found

    async def look_up(self, call: SystemCall, given: ByText) -> Reply:
        if given.token is None or not given.token.text():
            return await self.look_up_self(call, given)
        found = await self._by_text(call, given.token.text())
        if found is None:
            raise DeniedError("bad token")
        return await self._shown(call, found, given.token)

    async def look_up_self(self, call: SystemCall, _given: ByText) -> Reply:
        token, text = self._own(call)
        return await self._shown(call, token, Secret(text))

    async def look_up_accessor(self, call: SystemCall, given: ByAccessor) -> Reply:
        found = await self._by_accessor(call, given.accessor)
        if found is None:
            raise InputError("", "invalid accessor")
        return await self._shown(call, found, Secret(""))

    async def _shown(self, call: SystemCall, token: Token, text: Secret) -> Reply:
        standing = await self._standing(call, token)
        call.details["accessor"] = token.accessor
        return Reply(shown_token(token, text, standing, call.now))

    async def _standing(self, call: SystemCall, token: Token) -> Standing | None:
        if not token.entity:
            return None
        graph = await self._server.views.graph(call.transaction)
        return await standing_of(call.transaction, token.entity, graph)

    async def accessors(self, call: SystemCall, page: Page) -> Reply:
        return Reply(
            {"keys": await self._tokens.accessors(call.transaction, page.after, page.limit)}
        )

    # -- renewing

    async def renew(self, call: SystemCall, given: Renew) -> Reply:
        text = _text(given)
        found = await self._by_text(call, text)
        if found is None:
            raise InputError("", "token not found")
        return await self._renewed(call, found, Secret(text), given.increment)

    async def renew_self(self, call: SystemCall, given: Renew) -> Reply:
        token, text = self._own(call)
        return await self._renewed(call, token, Secret(text), given.increment)

    async def renew_by_accessor(self, call: SystemCall, given: RenewByAccessor) -> Reply:
        found = await self._by_accessor(call, given.accessor)
        if found is None:
            raise InputError("", "invalid accessor")
        return await self._renewed(call, found, Secret(""), given.increment)

    async def _renewed(
        self, call: SystemCall, token: Token, text: Secret, increment: timedelta
    ) -> Reply:
        if token.kind == "batch":
            raise InputError("", "batch tokens cannot be renewed")
        call.details["accessor"] = token.accessor
        standing = await self._standing(call, token)
        if standing is not None and standing.over(call.now):
            raise InputError("", "the end of its entity has come, not renewing")
        life, limits = await self._rules(call, token)
        end, warnings = at_renewal(token, life, increment, limits, call.now)
        renewed = await self._tokens.renew(call.transaction, token, end, life.period, call.now)
        call.warnings += warnings
        call.details["expires_at"] = end.isoformat()
        standing = await self._standing(call, token)
        auth = auth_of(Issued(text, renewed), standing, end - call.now)
        return Reply(fields={"auth": auth})

    async def _rules(self, call: SystemCall, token: Token) -> tuple[Life, Limits]:
        """Return what is now asked of a token's life, by whatever made it."""
        if token.mount:
            return await self._rules_of_mount(call, token)
        limits = await token_limits(self._server.views, call.transaction)
        life = Life(ttl=token.ttl, period=token.period)
        if not token.role:
            return life, limits
        role = await find(call, token.role)
        if role is None:
            raise InputError("", "the token's role is gone, not renewing")
        period = min(filter(None, (role.token_period, token.period)), default=ZERO)
        return replace(life, period=period), limits

    async def _rules_of_mount(self, call: SystemCall, token: Token) -> tuple[Life, Limits]:
        """Ask the auth method whether the subject is still there; DeniedError if not."""
        mounts = await self._server.views.mounts(call.transaction)
        found = [live for live in mounts.by_path.values() if live.row.uuid == token.mount]
        if not found:
            raise DeniedError
        [live] = found
        method: AuthMethod = live.plugin  # type: ignore[assignment]  # what makes tokens is one
        rules = await method.still_holds(plugin_call(call, live), token.role, token.alias)
        if not _still_grants(rules, token):
            raise InputError("", "policies have changed, not renewing")
        if isinstance(method, Regrouping):
            names = await method.groups_now(plugin_call(call, live), token.role, token.alias)
            await self._follow(call, token, Named(live.row.accessor, names))
        return life_of(rules), limits_of(live.mounted)

    async def _follow(self, call: SystemCall, token: Token, said: Named) -> None:
        tx = call.transaction
        entity = await living(tx, token.entity)
        if entity is not None:
            graph = await self._server.views.graph(tx)
            joined, left = await follow_login(tx, graph, entity.id, said, call.now)
            moved = {"groups_joined": joined, "groups_left": left}
            call.details |= {name: ids for name, ids in moved.items() if ids}

    # -- revoking

    async def revoke(self, call: SystemCall, given: ByText) -> None:
        """Revoke a token and all below it; one whose row was changed too."""
        text = _text(given)
        try:
            found = await self._tokens.find(call.transaction, text)
        except TamperedError:
            await self._revoked_changed(call, lookup=self._tokens.lookup(text))
            return
        if found is not None:
            await self._revoked(call, found)

    async def revoke_self(self, call: SystemCall, _given: Nothing) -> None:
        token, _ = self._own(call)
        await self._revoked(call, token)

    async def revoke_by_accessor(self, call: SystemCall, given: ByAccessor) -> Reply | None:
        found = await self._by_accessor(call, given.accessor)
        if found is not None:
            await self._revoked(call, found)
        elif not await self._revoked_changed(call, accessor=given.accessor):
            return Reply(warnings=("No token found with this accessor",))
        return None

    async def _revoked_changed(self, call: SystemCall, **said: str | bytes) -> bool:
        """Revoke the token whose row was changed and says this; say whether there was one."""
        gone = await self._tokens.revoke_changed(call.transaction, call.now, **said)
        if gone:
            accessor = {name: value for name, value in said.items() if name == "accessor"}
            call.details |= {**accessor, "revoked": len(gone), "tampered": True}
        return bool(gone)

    async def _revoked(self, call: SystemCall, token: Token) -> None:
        if token.kind == "batch":
            raise InputError("", "batch tokens cannot be revoked")
        gone = await self._tokens.revoke(call.transaction, token, call.now)
        call.details |= {
            "accessor": token.accessor,
            "entity": token.entity,
            "revoked": len(gone),
        }

    async def revoke_alone(self, call: SystemCall, given: ByText) -> None:
        session = call.session
        if session is None or not session.acl.sudo(call.request.path).allowed:
            raise InputError("", "root or sudo privileges required to revoke and orphan")
        found = await self._by_text(call, _text(given))  # else its children would rise again
        if found is None:
            raise InputError("", "token to revoke not found")
        if found.kind == "batch":
            raise InputError("", "batch tokens cannot be revoked")
        children, _ = await call.transaction.examine(TOKENS, parent=found.lookup)
        if any("root" in child.policies for child in children):
            raise InputError("", NEEDS_QUORUM)
        await self._tokens.revoke_alone(call.transaction, found, call.now)
        call.details |= {"accessor": found.accessor, "entity": found.entity, "revoked": 1}

    async def tidy(self, call: SystemCall, _given: Nothing) -> Reply:
        """Revoke tokens whose time is over; forget failed logins that count no more."""
        tx = call.transaction
        ended = await self._tokens.expired(tx, call.now, TIDIED)
        for token in ended:
            await self._tokens.revoke(tx, token, call.now)
        old = [row for row in await tx.all(LOCKOUTS) if call.now - row.last_at > FORGET]
        for row in old:
            tx.delete(LOCKOUTS, row.mount, row.subject)
        done = f"Tidied: {len(ended)} tokens and {len(old)} counts of failed logins."
        call.details |= {"tokens": len(ended), "lockouts": len(old)}
        return Reply(warnings=(done,), status=ACCEPTED)


def plugin_call(call: SystemCall, live: Live) -> Call:
    """Return the call that a mount's plugin gets when the core asks it something."""
    return Call(
        store=MountStore(call.transaction, live.row.uuid),
        now=call.now,
        entropy=call.entropy,
        fingerprint=call.fingerprint,
        mount=live.mounted,
        address=call.address,
        certificates=call.certificates,
    )


def _still_grants(rules: TokenRules, token: Token) -> bool:
    """Say whether a token has no policy that its rules no longer give."""
    return set(token.policies) - {"default"} <= set(rules.token_policies)


def _text(given: ByText) -> str:
    if given.token is None or not given.token.text():
        raise InputError("", "missing token ID")
    return given.token.text()
