"""`strongroom/alerts`: root tokens that a quorum made after set-up, the latest of them.

Trust   The entry of each is severe (`alert`), and the log is what proves it; this list is for those
        who look at a status, sealed and at most as long as `KEPT`. T12 judges how long each lived.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.core.request import SystemCall
from strongroom.identity.records import TOKENS
from strongroom.sdk.engine import Endpoint, Nothing, Reply, Route
from strongroom.storage.records import SETTINGS, Setting
from strongroom.storage.transaction import Transaction

SETTING: Final = "alerts"
ROOT: Final = "root_token_generated"
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
                summary="Root tokens that a quorum made, the latest last, and which still live.",
                read=Endpoint(Nothing, self.show, "alert.read"),
            ),
        )

    async def show(self, call: SystemCall, _given: Nothing) -> Reply:
        shown = []
        for alert in await _kept(call.transaction):
            lives = bool(await call.transaction.all(TOKENS, accessor=alert.accessor))
            at = rfc3339(alert.at)
            shown.append({"kind": alert.kind, "at": at, "accessor": alert.accessor, "lives": lives})
        return Reply({"alerts": shown})
