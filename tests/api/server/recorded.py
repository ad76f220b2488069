"""What a served application has written down, and an application that is told what to write."""

from __future__ import annotations

import json
from typing import Any

from strongroom.api.wire import HttpRequest, HttpResponse, Respond
from strongroom.crypto.merkle import leaf_hash
from tests.api.server.running import Echo, Reply
from tests.api.serving import Served
from tests.audit.ocsf import check


async def entry_of(served: Served, reply: Reply) -> dict[str, Any]:
    """Return the entry that an answer's receipt names; its digest is the receipt's."""
    index, _, digest = reply.headers["audit-receipt"].partition(".")
    [found] = await served.server.log.entries(int(index), int(index) + 1)
    assert leaf_hash(found.leaf).hex() == digest
    fields: dict[str, Any] = json.loads(found.leaf)
    check(fields)
    return fields


async def leaves(served: Served) -> list[dict[str, Any]]:
    log = served.server.log
    return [json.loads(entry.leaf) for entry in await log.entries(0, log.size)]


class Recording(Echo):
    """Holds on to what it is to write down."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[HttpRequest, HttpResponse, Respond]] = []

    def refused(self, request: HttpRequest, response: HttpResponse, respond: Respond) -> None:
        self.held.append((request, response, respond))
