"""`sys/leases`: what was handed out and when it ends; tokens are shown as leases too.

Vault   A lease is known by its id, which starts with the path that gave it. A token's is its path
        and `h` with its lookup digest. Revoking is done behind the request unless `sync` is set;
        what is to be revoked is refused at once. A prefix ends at a slash.
Differs The older paths `sys/renew`, `sys/revoke`, `sys/revoke-prefix` and `sys/revoke-force` are
        here too, as in Vault. Vault gives up on a lease that cannot be revoked; here it is tried
        for ever, and shown as irrevocable after six times.
Trust   Renewing and revoking by id ask for the right to the path and for the id, which only the
        holder has; by prefix, for sudo.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Final

from strongroom.base.clock import rfc3339
from strongroom.base.duration import format_duration
from strongroom.base.errors import DeniedError, InputError, NotFoundError, StrongroomError
from strongroom.core.guardrails import GuardrailError
from strongroom.core.leases import Failing
from strongroom.core.records import LEASES, MOUNTS, LeaseRow
from strongroom.core.request import SystemCall
from strongroom.core.revocation import call_for, expire_below, mount_of, take_back
from strongroom.core.server import Server
from strongroom.identity.policy.capability import Operation
from strongroom.identity.records import TOKENS, Token
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route
from strongroom.storage.register import micros
from strongroom.storage.store import upper
from strongroom.storage.transaction import Stamp

IRREVOCABLE_AFTER: Final = 6
MOST_AT_ONCE: Final = 1000
ZERO: Final = timedelta(0)
_TOKEN_PART = re.compile(r"h([0-9a-f]{64})")
IDS: Final = "SELECT id FROM lease WHERE id >= ? AND id < ? ORDER BY id"
PATHS_OF_TOKENS: Final = (
    "SELECT DISTINCT path FROM token WHERE path >= ? AND path < ? ORDER BY path"
)
TOKENS_AT: Final = "SELECT lookup FROM token WHERE path = ? ORDER BY lookup"
COUNT_TOKENS: Final = "SELECT count(*) FROM token WHERE path = ? OR (path >= ? AND path < ?)"
COUNT_LEASES: Final = "SELECT count(*) FROM lease WHERE id >= ? AND id < ?"
END_ORPHANS: Final = """
UPDATE lease SET expires_at = ?, entry = ? WHERE expires_at > ? AND (
  (length(token) > 0 AND token NOT IN (SELECT lookup FROM token))
  OR mount NOT IN (SELECT uuid FROM mount)
)
"""


@dataclass(frozen=True, kw_only=True)
class LeaseId:
    """Which lease."""

    lease_id: Annotated[str, Help("Id of the lease.", was=("url_lease_id",), most=4200)] = ""


@dataclass(frozen=True, kw_only=True)
class Renew(LeaseId):
    """For how long."""

    increment: Annotated[timedelta, Help("How long it is to live from now.")] = ZERO


@dataclass(frozen=True, kw_only=True)
class Revoke(LeaseId):
    """When."""

    sync: Annotated[bool, Help("Reply when it is revoked, not when it is to be.")] = False


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """Which leases."""

    prefix: Annotated[str, Help("Path that gave them, or one above it.", most=4200)] = ""


@dataclass(frozen=True, kw_only=True)
class RevokePrefix(Prefix):
    """Which leases, and when."""

    sync: Annotated[bool, Help("Reply when they are revoked, not when they are to be.")] = False


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Which leases to count."""

    type: Annotated[str, Help("`irrevocable` is the one kind.")] = ""
    limit: Annotated[str, Help("Most to list, or `none`.")] = ""
    include_child_namespaces: Annotated[bool, Help("Not used.", shown=False)] = False


class LeaseRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        names = Endpoint(Prefix, self.names, "lease.list")
        renew, revoke = (
            Endpoint(Renew, self.renew, "lease.renew"),
            Endpoint(Revoke, self.revoke, "lease.revoke"),
        )
        return (
            Route(
                path="leases",
                summary="Leases that could not be revoked yet.",
                sudo=True,
                read=Endpoint(Kind, self.irrevocable, "lease.list"),
            ),
            Route(
                path="leases/count",
                summary="How many leases could not be revoked yet.",
                read=Endpoint(Kind, self.count, "lease.count"),
            ),
            Route(
                path="leases/lookup",
                summary="One lease; or the first part of all ids.",
                list=names,
                write=Endpoint(LeaseId, self.look, "lease.read"),
            ),
            Route(
                path="leases/lookup/{prefix...}",
                summary="The ids of leases.",
                sudo=True,
                list=names,
            ),
            Route(
                path="leases/tidy",
                summary="End the leases whose token or mount is gone.",
                write=Endpoint(Nothing, self.tidy, "lease.tidy"),
            ),
            *_both("leases/renew", "Let a lease live on.", renew),
            *_both("renew", "Let a lease live on.", renew),
            *_both("leases/revoke", "Revoke a lease.", revoke),
            *_both("revoke", "Revoke a lease.", revoke),
            *(
                Route(
                    path=f"{folder}{verb}/{{prefix...}}",
                    summary=summary,
                    sudo=True,
                    write=Endpoint(RevokePrefix, serve, "lease.revoke_prefix"),
                )
                for folder in ("leases/", "")
                for verb, summary, serve in (
                    ("revoke-prefix", "Revoke all leases below a path.", self.revoke_prefix),
                    ("revoke-force", "Forget leases, even unrevoked ones.", self.revoke_force),
                )
            ),
        )

    # -- looking

    async def look(self, call: SystemCall, given: LeaseId) -> Reply:
        """Tell when a lease was given, and when it ends."""
        found = await self._find(call, _id(given))
        if found is None:
            raise InputError("", "invalid lease")
        ends = found.expires_at
        left = (ends - call.now) if ends is not None else ZERO
        failing = self._server.failing.get(given.lease_id)
        data: dict[str, object] = {
            "id": given.lease_id,
            "path": found.path,
            "issue_time": rfc3339(found.issued_at),
            "expire_time": rfc3339(ends) if ends is not None else None,
            "last_renewal": rfc3339(found.renewed_at) if found.renewed_at is not None else None,
            "renewable": found.renewable,
            "ttl": max(0, int(left.total_seconds())),
        }
        if failing is not None:
            data["revoke_error"] = failing.reason
        return Reply(data)

    async def names(self, call: SystemCall, given: Prefix) -> Reply:
        """List what stands directly below a prefix; folders end in a slash."""
        if call.session is not None and not call.session.acl.sudo(f"{call.request.path}/").sudo:
            raise DeniedError
        tx, prefix = call.transaction, _folder(given.prefix)
        found: set[str] = set()
        for [text] in await tx.reader.rows(IDS, (prefix, upper(prefix))):
            found.add(_child(text[len(prefix) :]))
        for [path] in await tx.reader.rows(PATHS_OF_TOKENS, (prefix, upper(prefix))):
            found.add(_child(path[len(prefix) :] + "/"))
        if prefix:
            for [lookup] in await tx.reader.rows(TOKENS_AT, (prefix[:-1],)):
                found.add(f"h{lookup.hex()}")
        return Reply({"keys": sorted(found)})

    async def irrevocable(self, call: SystemCall, given: Kind) -> Reply:
        stuck = self._stuck(given)
        leases = [
            {"lease_id": id_, "mount_path": "", "expire_time": None, "error": failing.reason}
            for id_, failing in stuck
        ]
        for each in leases:
            row = await call.transaction.get(LEASES, str(each["lease_id"]))
            each["expire_time"] = rfc3339(row.expires_at) if row is not None else None
            each["mount_path"] = await self._mount(call, row) if row is not None else ""
        return Reply({"lease_count": len(leases), "leases": leases})

    async def count(self, call: SystemCall, given: Kind) -> Reply:
        counts: Counter[str] = Counter()
        for id_, _ in self._stuck(given):
            row = await call.transaction.get(LEASES, id_)
            if row is not None:
                counts[await self._mount(call, row)] += 1
        return Reply({"lease_count": counts.total(), "counts": dict(counts)})

    def _stuck(self, given: Kind) -> list[tuple[str, Failing]]:
        if given.type != "irrevocable":
            raise NotFoundError
        failing = self._server.failing
        stuck = [(i, f) for i, f in failing.items() if f.attempts >= IRREVOCABLE_AFTER]
        return sorted(stuck, key=lambda pair: pair[0])

    async def _mount(self, call: SystemCall, row: LeaseRow) -> str:
        rows, _ = await call.transaction.examine(MOUNTS, uuid=row.mount)
        return rows[0].path if rows else ""

    # -- renewing

    async def renew(self, call: SystemCall, given: Renew) -> Reply:
        """Let a lease live on, at the outside system too, as far as its limit goes."""
        found = await self._find(call, _id(given))
        if found is None:
            raise InputError("", "lease not found")
        if isinstance(found, Token):
            raise InputError("", "tokens cannot be renewed through this endpoint")
        if not found.renewable:
            raise InputError("", "lease is not renewable")
        if found.expires_at <= call.now:
            raise InputError("", "lease expired")
        await self._check_served(call, found)
        live = await mount_of(self._server, call.transaction, found)
        if live is None:
            raise InputError("", "lease not found")
        engine = call_for(self._server, call.transaction, found, live, call.now)
        ttl = self._granted(call, found, given.increment or engine.mount.default_ttl)
        renew = getattr(live.plugin, "renew", None)
        if renew is not None:
            await renew(engine, found.data, ttl)
        call.transaction.put(LEASES, replace(found, expires_at=call.now + ttl, renewed_at=call.now))
        call.details |= {"lease": found.id, "ttl": int(ttl.total_seconds())}
        seconds = int(ttl.total_seconds())
        return Reply(fields={"lease_id": found.id, "renewable": True, "lease_duration": seconds})

    async def _check_served(self, call: SystemCall, lease: LeaseRow) -> None:
        """Refuse people to renew what they would not be given now, where it takes a grant."""
        if call.session is None:
            return
        guardrails = await self._server.views.guardrails(call.transaction)
        name = guardrails.check_granted(call.session, lease.path)
        if name is not None and not call.session.acl.grants(lease.path, Operation.READ).granted:
            raise GuardrailError(f"granted:{name}")

    @staticmethod
    def _granted(call: SystemCall, lease: LeaseRow, wanted: timedelta) -> timedelta:
        left = lease.max_at - call.now
        if wanted <= left:
            return wanted
        call.warnings.append(
            f'TTL of "{format_duration(wanted)}" exceeded the effective max_ttl of '
            f'"{format_duration(left)}"; TTL value is capped accordingly'
        )
        return left

    # -- revoking

    async def revoke(self, call: SystemCall, given: Revoke) -> None:
        """Revoke one lease, or the token that an id stands for. One that is not there is done."""
        found = await self._find(call, _id(given))
        call.details["lease"] = given.lease_id
        if isinstance(found, Token):
            gone = await self._server.tokens.revoke(call.transaction, found, call.now)
            call.details |= {"accessor": found.accessor, "revoked": len(gone)}
        elif found is not None:
            await self._revoke(call, found, sync=given.sync)

    async def _revoke(self, call: SystemCall, lease: LeaseRow, *, sync: bool) -> None:
        if sync:
            await take_back(self._server, call.transaction, lease, call.now)
            call.after_commit(lambda: self._forget(lease.id))
        elif lease.expires_at > call.now:
            call.transaction.put(LEASES, replace(lease, expires_at=call.now))

    def _forget(self, id_: str) -> None:
        self._server.failing.pop(id_, None)

    async def revoke_prefix(self, call: SystemCall, given: RevokePrefix) -> None:
        """Revoke everything that was given at a path or below it."""
        tx, prefix = call.transaction, _folder(given.prefix)
        one = await self._find(call, given.prefix)
        if isinstance(one, LeaseRow):
            call.details |= {"prefix": given.prefix, "leases": 1, "tokens": 0}
            await self._revoke(call, one, sync=given.sync)
            return
        await self._count(call, prefix)
        if given.sync:
            for lease in await self._below(call, prefix):
                await self._revoke(call, lease, sync=True)
            await self._revoke_tokens_below(call, prefix)
            return
        await expire_below(tx, prefix, call.now)

    async def revoke_force(self, call: SystemCall, given: RevokePrefix) -> None:
        """Forget leases whatever the outside system says; what it said goes into the entry."""
        tx, prefix = call.transaction, _folder(given.prefix)
        await self._count(call, prefix)
        unrevoked = []
        for lease in await self._below(call, prefix):
            try:
                await take_back(self._server, tx, lease, call.now)
            except StrongroomError:
                tx.delete(LEASES, lease.id)
                unrevoked.append(lease.id)
        await self._revoke_tokens_below(call, prefix)
        call.details["unrevoked"] = unrevoked[:10]
        call.details["unrevoked_count"] = len(unrevoked)

    async def _count(self, call: SystemCall, prefix: str) -> None:
        if prefix == "":
            raise InputError("prefix", "required")
        tx, end = call.transaction, upper(prefix)
        [[leases]] = await tx.reader.rows(COUNT_LEASES, (prefix, end))
        [[tokens]] = await tx.reader.rows(COUNT_TOKENS, (prefix[:-1], prefix, end))
        call.details |= {"prefix": prefix, "leases": leases, "tokens": tokens}

    async def _below(self, call: SystemCall, prefix: str) -> list[LeaseRow]:
        """Return the leases below a prefix. Raises InputError for more than one request takes."""
        ids = await call.transaction.reader.rows(IDS, (prefix, upper(prefix)))
        if len(ids) > MOST_AT_ONCE:
            raise InputError("", f"{len(ids)} leases are too many at once; leave sync out")
        found: list[LeaseRow] = []
        for [id_] in ids:
            lease = await call.transaction.get(LEASES, id_)
            found += [] if lease is None else [lease]
        return found

    async def _revoke_tokens_below(self, call: SystemCall, prefix: str) -> None:
        """Revoke the tokens made below a prefix; those whose rows were changed too."""
        tx, tokens = call.transaction, self._server.tokens
        paths = await tx.reader.rows(PATHS_OF_TOKENS, (prefix, upper(prefix)))
        for path in (*(row[0] for row in paths), prefix[:-1]):
            found, _ = await tx.examine(TOKENS, path=path)
            for token in found:
                await tokens.revoke(tx, token, call.now)
            await tokens.revoke_changed(tx, call.now, path=path)

    async def tidy(self, call: SystemCall, _: Nothing) -> Reply:
        """End the leases that nobody holds any more; they are revoked behind the request."""
        at = micros(call.now)
        call.transaction.run(END_ORPHANS, (at, Stamp.ENTRY, at), stamped=True)
        said = "Tidy operation successfully started; each lease that it ends has an entry."
        return Reply(warnings=(said,), status=202)

    # -- finding

    async def _find(self, call: SystemCall, id_: str) -> LeaseRow | Token | None:
        """Return the lease with this id, or the token that it stands for."""
        path, _, part = id_.rpartition("/")
        match = _TOKEN_PART.fullmatch(part)
        if match is not None:
            token = await call.transaction.find(TOKENS, bytes.fromhex(match[1]))
            if isinstance(token, Token) and token.path == path:
                return token
        return await call.transaction.get(LEASES, id_)


def _both(
    path: str, summary: str, endpoint: Endpoint[Renew] | Endpoint[Revoke]
) -> tuple[Route, ...]:
    """Return the routes that take an id in the body, and in the path."""
    return (
        Route(path=path, summary=summary, write=endpoint),
        Route(path=f"{path}/{{lease_id...}}", summary=summary, write=endpoint),
    )


def _id(given: LeaseId) -> str:
    if not given.lease_id:
        raise InputError("", "lease_id must be specified")
    return given.lease_id


def _folder(text: str) -> str:
    return f"{text.strip('/')}/" if text.strip("/") else ""


def _child(rest: str) -> str:
    name, slash, _ = rest.partition("/")
    return name + slash
