"""Response wrapping: a reply kept for whoever has a token that opens it once.

Vault   `X-Vault-Wrap-TTL` on any request; `sys/wrapping/*` looks up, opens, wraps and rewraps.
Differs A wrapping token does not outlive the entity that asked for it, nor that of a token inside.
Trust   The wrapped reply lies sealed in the wrapping token's own cubbyhole, and goes with it. It
        stems from whoever asked for it, and from whose a token inside is: once one of them has left
        it does not open (`identity.makers`). A second opening is refused and written down with the
        token's accessor: until the token would have ended, it is remembered that it was opened,
        and when.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.core.attempt import Attempt
from strongroom.identity.makers import made_by, stems_from
from strongroom.identity.records import Token
from strongroom.identity.tokens import CUBBYHOLE, Issued, Tokens, Wanted
from strongroom.sdk.engine import Json, Reply
from strongroom.storage.register import micros
from strongroom.storage.store import MountStore
from strongroom.storage.transaction import Transaction

POLICY = "response-wrapping"
KEY = "response"
REQUEST: Final = "request"  # of a control group
SPENT: Final = "core/wrapping"  # the store of what is remembered of opened tokens
OPENED: Final = "opened/"
BY_END: Final = "end/"
TIDIED: Final = 8  # memories over, removed with each one made: two for one would do
OVER: Final = "SELECT key FROM cell WHERE mount = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"


@dataclass(frozen=True, kw_only=True)
class Wrapped:
    """What is kept: the whole body of the reply, and what `lookup` tells of it."""

    body: Json
    creation_path: str
    creation_time: datetime
    creation_ttl: timedelta


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a wrapping token of a control group keeps: the request, to be made once it may be.

    `token` is the keyed digest of the requester's, by which it is found again.
    """

    token: bytes
    operation: str
    path: str
    method: str
    query: dict[str, list[str]] | None
    body: bytes | None
    merge_patch: bool
    wrap_ttl: timedelta | None
    creation_time: datetime
    creation_ttl: timedelta

    @property
    def creation_path(self) -> str:
        """The path of the request."""
        return self.path


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What is remembered of a wrapping token that was opened."""

    accessor: str
    at: datetime
    creation_path: str


@dataclass(frozen=True, slots=True)
class Stems:
    """Whom a wrapping token stems from, as a token does."""

    makers: tuple[str, ...]
    let_in_by: tuple[str, ...] | None = None


class Wrapping:
    """Makes and opens wrapping tokens inside the request's transaction."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def wrap(self, attempt: Attempt, body: bytes, reply: Reply) -> bytes:
        """Keep `body`, and return the envelope that names the token which opens it."""
        incoming, now = attempt.incoming, attempt.now
        ttl = incoming.wrap_ttl or timedelta(minutes=5)
        auth = (reply.fields or {}).get("auth")
        inside = auth if isinstance(auth, dict) else {}
        asking = () if attempt.session is None else stems_from(attempt.session.token)
        makers = (*asking, str(inside.get("entity_id", "")))
        let_in_by = None if attempt.session is None else attempt.session.token.let_in_by
        of = Stems(makers, let_in_by)
        issued = self.issue(attempt.transaction, body, incoming.path, ttl, now, of=of)
        attempt.details["wrapping_accessor"] = issued.token.accessor
        accessor = inside.get("accessor", "")
        return msgspec.json.encode(
            {
                "request_id": incoming.id,
                "lease_id": "",
                "renewable": False,
                "lease_duration": 0,
                "data": None,
                "wrap_info": wrap_info(issued, incoming.path, ttl, now, accessor),
                "warnings": None,
                "auth": None,
            }
        )

    def issue(  # noqa: PLR0913 - what is kept, for how long, and of whom
        self,
        tx: Transaction,
        body: bytes,
        path: str,
        ttl: timedelta,
        now: datetime,
        *,
        of: Stems,
    ) -> Issued:
        """Make a wrapping token with `body` in its cubbyhole; it stems from its makers."""
        issued = self._issued(tx, ttl, now, of)
        kept = Wrapped(body=Json(body), creation_path=path, creation_time=now, creation_ttl=ttl)
        _cubbyhole(tx, issued.token).keep(KEY, kept)
        return issued

    def hold(self, tx: Transaction, held: Held, of: Stems) -> Issued:
        """Make a wrapping token with a request in its cubbyhole."""
        issued = self._issued(tx, held.creation_ttl, held.creation_time, of)
        _cubbyhole(tx, issued.token).keep(REQUEST, held)
        return issued

    def _issued(self, tx: Transaction, ttl: timedelta, now: datetime, of: Stems) -> Issued:
        return self._tokens.issue(
            tx,
            Wanted(
                path="sys/wrapping/wrap",
                display="wrapping",
                policies=(POLICY,),
                ttl=ttl,
                explicit_max_ttl=ttl,
                renewable=False,
                uses=1,
                makers=tuple(dict.fromkeys(filter(None, of.makers))) or None,
                let_in_by=of.let_in_by,
            ),
            now,
        )

    async def find(self, tx: Transaction, text: str, now: datetime) -> tuple[Token, Wrapped] | None:
        """Return a wrapping token that stands, and what it wraps; None for any other text."""
        token = await self._standing(tx, text, now)
        held = None if token is None else await _cubbyhole(tx, token).find(KEY, Wrapped)
        return None if token is None or held is None else (token, held.value)

    async def held(self, tx: Transaction, text: str, now: datetime) -> tuple[Token, Held] | None:
        """Return a wrapping token of a control group that stands, and the request it keeps."""
        token = await self._standing(tx, text, now)
        held = None if token is None else await _cubbyhole(tx, token).find(REQUEST, Held)
        return None if token is None or held is None else (token, held.value)

    async def _standing(self, tx: Transaction, text: str, now: datetime) -> Token | None:
        token = await self._tokens.find(tx, text)
        if token is None or token.policies != (POLICY,) or not token.lookup or not token.uses_left:
            return None
        if token.expires_at is None or token.expires_at <= now:
            return None
        return None if await made_by(tx, token, now) is None else token

    async def spend(
        self, tx: Transaction, token: Token, wrapped: Wrapped | Held, now: datetime
    ) -> None:
        """Revoke an opened token, and remember it until it would have ended."""
        await self._tokens.revoke(tx, token, now)
        await self._tidy(tx, now)
        store, name = MountStore(tx, SPENT), token.lookup.hex()
        store.keep(
            OPENED + name,
            Spent(accessor=token.accessor, at=now, creation_path=wrapped.creation_path),
        )
        store.keep(f"{BY_END}{micros(token.expires_at or now):020d}/{name}", value=True)

    async def spent(self, tx: Transaction, text: str) -> Spent | None:
        """Return what is remembered of a token that was opened; None for any other text."""
        held = await MountStore(tx, SPENT).find(OPENED + self._tokens.lookup(text).hex(), Spent)
        return None if held is None else held.value

    async def _tidy(self, tx: Transaction, now: datetime) -> None:
        """Forget a few of those whose end is over.

        The look-up is not checked at commit: to forget twice is to forget once.
        """
        end = f"{BY_END}{micros(now):020d}"
        for [key] in await tx.reader.rows(OVER, (SPENT, BY_END, end, TIDIED)):
            store = MountStore(tx, SPENT)
            await store.delete(key)
            await store.delete(OPENED + key.rpartition("/")[2])


def _cubbyhole(tx: Transaction, token: Token) -> MountStore:
    return MountStore(tx, CUBBYHOLE, f"{token.lookup.hex()}/")


def wrap_info(
    issued: Issued, path: str, ttl: timedelta, now: datetime, wrapped_accessor: str
) -> dict[str, object]:
    """Return the `wrap_info` part of Vault's envelope."""
    info: dict[str, object] = {
        "token": issued.text.text(),
        "accessor": issued.token.accessor,
        "ttl": int(ttl.total_seconds()),
        "creation_time": rfc3339(now),
        "creation_path": path,
    }
    if wrapped_accessor:
        info["wrapped_accessor"] = wrapped_accessor
    return info
