"""`strongroom/alerts`: what somebody should look at now.

These are root tokens that a quorum made after set-up, those that a root token made and that still
live, and who is locked out after failed logins or failed second factors: of each kind the latest.

Trust   The entry of each is severe (`alert`), and the log is what proves it; this list is for those
        who look at a status. Each kind is bounded by `KEPT` for itself, so that a flood of failed
        logins pushes no root token out, and `root_tokens` counts all root tokens that live, those
        of set-up too, so that none hides behind `KEPT` others. They are found by the rows
        of tokens themselves, from those that a ceremony made downwards. Names that were tried are
        not shown: they may be mistyped passwords; `sys/locked-users` shows them to whoever may ask
        it. T12 judges how long each root token lived, T50 that a lock-out is an alert.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.core.login import ALERT as LOCKED_OUT
from strongroom.core.records import MOUNTS
from strongroom.core.request import SystemCall
from strongroom.identity.factors.checking import LOCKED_ALERT
from strongroom.identity.factors.records import FACTOR_LOCKOUTS, FactorLockout
from strongroom.identity.records import LOCKOUTS, TOKENS, Lockout, Token
from strongroom.sdk.engine import Endpoint, Nothing, Reply, Route
from strongroom.storage.records import SETTINGS, Setting
from strongroom.storage.transaction import Transaction

SETTING: Final = "alerts"
ROOT: Final = "root_token_generated"
ROOT_CHILD: Final = "root_token_made"
ROOT_PATH: Final = "auth/token/root"  # of every root token that has no parent
KEPT: Final = 16


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One of them."""

    kind: str
    at: datetime
    accessor: str


async def alert_root(call: SystemCall, accessor: str) -> None:
    """Note a root token in the transaction that makes it, and in its entry."""
    alerts = (await _kept(call.transaction))[1 - KEPT :]
    alerts.append(Alert(kind=ROOT, at=call.now, accessor=accessor))
    call.transaction.put(SETTINGS, Setting(SETTING, msgspec.json.encode(alerts)))
    call.details["alert"] = ROOT


async def _kept(tx: Transaction) -> list[Alert]:
    row = await tx.get(SETTINGS, SETTING)
    return [] if row is None else msgspec.json.decode(row.value, type=list[Alert])


class AlertRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="alerts",
                summary="What somebody should look at: new root tokens, and who is locked out.",
                read=Endpoint(Nothing, self.show, "alert.read"),
            ),
        )

    async def show(self, call: SystemCall, _given: Nothing) -> Reply:
        shown = []
        for alert in await _kept(call.transaction):
            lives = bool(await call.transaction.all(TOKENS, accessor=alert.accessor))
            at = rfc3339(alert.at)
            shown.append({"kind": alert.kind, "at": at, "accessor": alert.accessor, "lives": lives})
        live = await _live_roots(call)
        children = [each for each in live if each.parent]
        shown += [_made(each) for each in children[-KEPT:]]
        alerts = [*shown, *await _locked_out(call)]
        return Reply({"alerts": alerts, "root_tokens": len(live)})


async def _live_roots(call: SystemCall) -> list[Token]:
    """Return the root tokens that live now, the latest last: no root token has another parent."""
    found: list[Token] = []
    edge = (await call.transaction.examine(TOKENS, path=ROOT_PATH))[0]
    while edge:
        live = [each for each in edge if not each.expires_at or each.expires_at > call.now]
        found += live
        edge = []
        for each in live:
            below = await call.transaction.examine(TOKENS, parent=each.lookup, policies=("root",))
            edge += below[0]
    return sorted(found, key=lambda each: each.issued_at)


def _made(token: Token) -> dict[str, object]:
    at = rfc3339(token.issued_at)
    return {"kind": ROOT_CHILD, "at": at, "accessor": token.accessor, "lives": True}


async def _locked_out(call: SystemCall) -> list[dict[str, object]]:
    """Return who is locked out now, the latest last: at logins, then by the second factor."""
    tx, now = call.transaction, call.now
    mounts = {row.uuid: row.path for row in (await tx.examine(MOUNTS))[0]}
    logins = [r for r in await tx.all(LOCKOUTS) if r.locked_until and r.locked_until > now]
    factors = [r for r in await tx.all(FACTOR_LOCKOUTS) if r.locked_until and r.locked_until > now]
    lockouts = sorted(logins, key=lambda row: row.last_at)[-KEPT:]
    by_factor = sorted(factors, key=lambda row: row.last_at)[-KEPT:]
    return [
        *(_lockout(LOCKED_OUT, row, mount=mounts.get(row.mount, "")) for row in lockouts),
        *(_lockout(LOCKED_ALERT, row, entity=row.entity) for row in by_factor),
    ]


def _lockout(kind: str, row: Lockout | FactorLockout, **where: str) -> dict[str, object]:
    until = rfc3339(row.locked_until) if row.locked_until is not None else None
    failures = {"failures": row.failures, "until": until, "lives": True}
    return {"kind": kind, "at": rfc3339(row.last_at), **where, **failures}
