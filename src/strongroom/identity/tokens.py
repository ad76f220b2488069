"""Tokens: made, found, renewed, and revoked with everything below them. The only place that does.

Vault   Service tokens begin with `hvs.`, batch tokens with `hvb.`, and service tokens are as long
        as Vault's, so that scanners which know those find ours. A service token is stored only as
        a keyed digest.
Units   Durations are `timedelta`; zero means "not set".
Trust   Whoever reads the database learns accessors, never a token. Whoever writes to it can
        remove a token or bring back the row of one that was revoked; a row that was changed is
        refused, and is revoked by its key with whatever it is below. A batch token is a sealed
        blob: it cannot be revoked but through its parent, and ends by itself. No token outlives
        one that it descends from, be that swept away or not.
"""

from __future__ import annotations

import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from strongroom.base.errors import DeniedError
from strongroom.base.secret import Secret
from strongroom.identity.records import NONE, TOKENS, Token
from strongroom.identity.sign_ins import SIGN_INS
from strongroom.storage import codec
from strongroom.storage.barrier import Barrier, TamperedError, place
from strongroom.storage.guard import Broken
from strongroom.storage.store import upper
from strongroom.storage.transaction import Stamp, Transaction

SERVICE = "hvs."
BATCH = "hvb."
RANDOM = 69  # bytes: 92 characters, where scanners' rules ask for 90 to 120
LONGEST = 8192
LABEL = "token"
BATCH_PLACE = place("token", "batch")
CUBBYHOLE = "cubbyhole"  # the mount uuid under which each token has its own keys
EXPIRE_LEASES = "UPDATE lease SET expires_at = ?, entry = ? WHERE token = ? AND expires_at > ?"
DELETE_CUBBYHOLE = "DELETE FROM cell WHERE mount = ? AND key >= ? AND key < ?"
NO_TIME = datetime.min.replace(tzinfo=UTC)
_logger = logging.getLogger("strongroom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a token is to be like. `ttl` is already what the rules leave of what was asked."""

    path: str
    display: str
    policies: tuple[str, ...]
    ttl: timedelta = NONE  # zero: never ends (root tokens only)
    max_ttl: timedelta = NONE
    explicit_max_ttl: timedelta = NONE
    period: timedelta = NONE
    renewable: bool = True
    uses: int = 0
    cidrs: tuple[str, ...] = ()
    entity: str = ""
    metadata: dict[str, str] | None = None
    parent: bytes | None = None
    role: str = ""
    alias: str = ""
    environment: str = ""
    mount: str = ""
    makers: tuple[str, ...] | None = None  # of what another token makes: `makers.stems_from` it
    let_in_by: tuple[str, ...] | None = None
    helped_by: tuple[str, ...] = ()  # of a login: who could have signed in so; kept beside it
    kind: str = "service"
    id: str = ""  # a caller with sudo may choose the token's text


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token: the text that leaves once, and what is known of it."""

    text: Secret
    token: Token


class Tokens:
    """Makes and finds tokens inside a transaction that the caller holds."""

    def __init__(self, barrier: Barrier, entropy: Callable[[int], bytes]) -> None:
        self._barrier = barrier
        self._entropy = entropy

    def lookup(self, text: str, barrier: Barrier | None = None) -> bytes:
        """Return the digest under which a service token is stored."""
        return (barrier or self._barrier).digest(LABEL, text.encode())

    def text(self) -> str:
        """Return a new random token text."""
        return SERVICE + urlsafe_b64encode(self._entropy(RANDOM)).decode()

    def accessor(self) -> str:
        return urlsafe_b64encode(self._entropy(18)).decode()

    # -- making

    def issue(self, tx: Transaction, wanted: Wanted, now: datetime) -> Issued:
        """Make a token. A batch token is not stored; a service token is, in this transaction."""
        text = wanted.id or self.text()
        token = self._token(wanted, text, now, tx.barrier)
        if wanted.kind == "batch":
            return Issued(Secret(self._sealed(token)), token)
        tx.put(TOKENS, token)
        return Issued(Secret(text), token)

    def _token(self, wanted: Wanted, text: str, now: datetime, barrier: Barrier) -> Token:
        batch = wanted.kind == "batch"
        return Token(
            lookup=b"" if batch else self.lookup(text, barrier),
            accessor="" if batch else self.accessor(),
            parent=wanted.parent,
            entity=wanted.entity,
            kind=wanted.kind,
            path=wanted.path,
            display=wanted.display,
            policies=wanted.policies,
            metadata=wanted.metadata or {},
            issued_at=now,
            renewed_at=None,
            expires_at=now + wanted.ttl if wanted.ttl else None,
            ttl=wanted.ttl,
            max_ttl=wanted.max_ttl,
            explicit_max_ttl=wanted.explicit_max_ttl,
            period=wanted.period,
            renewable=wanted.renewable and bool(wanted.ttl) and not batch,
            uses=wanted.uses,
            uses_left=wanted.uses,
            cidrs=wanted.cidrs,
            role=wanted.role,
            alias=wanted.alias,
            environment=wanted.environment,
            mount=wanted.mount,
            makers=wanted.makers,
            let_in_by=wanted.let_in_by or None,
        )

    def _sealed(self, token: Token) -> str:
        blob = self._barrier.encrypt(BATCH_PLACE, codec.encode(token))
        return BATCH + urlsafe_b64encode(blob).decode().rstrip("=")

    # -- finding

    async def find(self, tx: Transaction, text: str) -> Token | None:
        """Return the token with this text, live or not; None for what is none."""
        if text.startswith(BATCH):
            return self._open(text)
        if not text or len(text) > LONGEST:
            return None
        return await tx.get(TOKENS, self.lookup(text))

    def _open(self, text: str) -> Token | None:
        """Open a batch token; `end` says whether its parent still stands."""
        try:
            raw = text.removeprefix(BATCH).encode("ascii")
            blob = urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
            return codec.decode(self._barrier.decrypt(BATCH_PLACE, blob), Token)
        except (ValueError, TamperedError):
            return None

    async def end(self, tx: Transaction, token: Token) -> datetime | None:
        """Return when a token ends, None for never: no later than any that it descends from.

        What is below a token whose time is over is removed by the expirer, later. One whose
        parent is gone ended at the beginning of time.
        """
        end = token.expires_at
        while token.parent:
            above = await tx.get(TOKENS, token.parent)
            if above is None:
                return NO_TIME
            if above.expires_at is not None and (end is None or above.expires_at < end):
                end = above.expires_at
            token = above
        return end

    async def lives(self, tx: Transaction, token: Token, now: datetime) -> bool:
        """Say whether a token's time is not over, nor that of any which it descends from."""
        end = await self.end(tx, token)
        return end is None or now < end

    async def by_accessor(self, tx: Transaction, accessor: str) -> Token | None:
        """Return the token with this accessor."""
        found, _ = await tx.examine(TOKENS, accessor=accessor) if accessor else ([], [])
        return found[0] if found else None

    async def accessors(self, tx: Transaction, after: str = "", limit: int = -1) -> list[str]:
        """Return accessors in byte order, those after `after`; a `limit` below 1 means all."""
        sql = "SELECT accessor FROM token WHERE accessor > ? ORDER BY accessor"
        if limit > 0:
            sql += f" LIMIT {int(limit)}"
        return [row[0] for row in await tx.scan(sql, (after,))]

    # -- using up, renewing

    def use(self, tx: Transaction, token: Token) -> Token:
        """Count one use of a limited token; DeniedError when there is none left."""
        if token.uses_left < 1:
            raise DeniedError
        used = replace(token, uses_left=token.uses_left - 1)
        tx.put(TOKENS, used)
        return used

    async def renew(
        self, tx: Transaction, token: Token, end: datetime, period: timedelta, now: datetime
    ) -> Token:
        """Let a token live until `end`, as `lifetimes.at_renewal` found it.

        Where that is sooner than it was, whatever is below it may end sooner too.
        """
        sooner = token.expires_at is None or end < token.expires_at
        for each in await descent(tx, [token.lookup]) if sooner else [token.lookup]:
            tx.changed(f"token:{each.hex()}")
        renewed = replace(token, expires_at=end, renewed_at=now, period=period)
        tx.put(TOKENS, renewed)
        return renewed

    # -- revoking

    async def revoke(self, tx: Transaction, token: Token, now: datetime) -> list[bytes]:
        """Revoke a token and all its descendants, with their leases and cubbyholes.

        Returns their digests. A descendant whose row was changed goes too.
        """
        return await remove(tx, [token.lookup], now)

    async def revoke_changed(
        self, tx: Transaction, now: datetime, **said: str | bytes
    ) -> list[bytes]:
        """Revoke the tokens whose rows were changed and say this of themselves, and all below.

        Returns their digests; none if there is no such row.
        """
        _, broken = await tx.examine(TOKENS, order="", limit=-1, **said)
        return await remove(tx, changed(broken), now)

    async def revoke_alone(self, tx: Transaction, token: Token, now: datetime) -> None:
        """Revoke a token; its children live on as orphans, but for changed ones."""
        children, broken = await tx.examine(TOKENS, parent=token.lookup)
        for child in children:
            tx.put(TOKENS, replace(child, parent=None))
            tx.changed(f"token:{child.lookup.hex()}")
        await remove(tx, changed(broken), now)
        _remove(tx, token.lookup, now)

    async def expired(self, tx: Transaction, now: datetime, limit: int) -> list[Token]:
        """Return tokens whose time is over, the longest over first.

        One whose row was changed is nobody's and cannot be used. It is left where it is, for the
        operator to look at and revoke, and keeps no other from ending.
        """
        rows = await tx.reader.rows(
            f"{TOKENS.select} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
            (int(now.timestamp() * 1_000_000), limit),
        )
        found: list[Token] = []
        for row in rows:
            try:
                found.append(TOKENS.load(row, tx.barrier))
            except TamperedError as error:
                _logger.error("not ended: %s", error)  # noqa: TRY400 - one line, each second
        return found


async def remove(tx: Transaction, lookups: Sequence[bytes], now: datetime) -> list[bytes]:
    """Remove tokens by their digests, and everything below them; return the digests of all."""
    gone = await descent(tx, lookups)
    for each in gone:
        _remove(tx, each, now)
    return gone


async def descent(tx: Transaction, lookups: Sequence[bytes]) -> list[bytes]:
    """Return the digests of tokens and of everything below them.

    What is below is found by what rows say, those that were changed too: one of them stops nothing.
    """
    found = dict.fromkeys(lookups)
    edge = list(found)
    while edge:
        below: list[bytes] = []
        for parent in edge:
            children, broken = await tx.examine(TOKENS, parent=parent)
            below += [*(child.lookup for child in children), *changed(broken)]
        edge = [each for each in dict.fromkeys(below) if each not in found]
        found |= dict.fromkeys(edge)
    return list(found)


def _remove(tx: Transaction, lookup: bytes, now: datetime) -> None:
    prefix = f"{lookup.hex()}/"
    at = int(now.timestamp() * 1_000_000)
    tx.delete(TOKENS, lookup)
    tx.delete(SIGN_INS, lookup)
    tx.run(EXPIRE_LEASES, (at, Stamp.ENTRY, lookup, at), stamped=True)
    tx.run(DELETE_CUBBYHOLE, (CUBBYHOLE, prefix, upper(prefix)))
    tx.changed(f"token:{lookup.hex()}")


def changed(broken: Iterable[Broken]) -> list[bytes]:
    """Return the digests of tokens whose rows were changed; a key of another type is of none."""
    return [each.key[0] for each in broken if isinstance(each.key[0], bytes)]


def kept(policies: Iterable[str]) -> tuple[str, ...]:
    """Return policy names as a token holds them: lower case, each once, sorted."""
    return tuple(sorted({p.strip().lower() for p in policies if p.strip()}))
