"""`/log/…`: the transparency log as C2SP tiles and checkpoints, for witnesses and auditors.

Specs  C2SP tlog-tiles: `checkpoint` is mutable, tiles and bundles never change. `witnessed` is
       ours: the newest checkpoint that witnesses have cosigned, with their signatures. Where it
       is the newest of all, `checkpoint` is the same.
Trust  Hash tiles and checkpoints show sizes and digests only, and are open. Entry bundles say
       who did what: they need a token that may read `strongroom/log/entries`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from strongroom.api.wire import HttpRequest, HttpResponse, refusal
from strongroom.audit.log import Log, LogDamagedError
from strongroom.base.errors import NotFoundError

PREFIX = b"/log/"
RECEIPT = b"audit-receipt"
_REFUSED = 300  # and above
_TEXT = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-cache")]
_TILE = [
    (b"content-type", b"application/octet-stream"),
    (b"cache-control", b"public, max-age=31536000, immutable"),
]
_PRIVATE = [(b"content-type", b"application/octet-stream"), (b"cache-control", b"private")]


class LogWire:
    """Serves `/log/…`. `may_read` asks the pipeline about an entry bundle, and records it.

    What it answers is a refusal, or holds the receipt for the bundle's own answer.
    """

    def __init__(
        self, log: Log, may_read: Callable[[HttpRequest], Awaitable[HttpResponse]]
    ) -> None:
        self._log = log
        self._may_read = may_read

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        if request.method not in ("GET", "HEAD"):
            return refusal(405, "only GET and HEAD", headers=((b"allow", b"GET, HEAD"),))
        path = request.raw_path[len(PREFIX) :].decode("ascii", "replace")
        if path == "checkpoint":
            return _note(self._log.checkpoint, "no checkpoint is published yet")
        if path == "witnessed":
            return _note(self._log.witnessed, "no witness has cosigned a checkpoint yet")
        headers, receipt = _TILE, []
        if path.startswith("tile/entries/"):
            asked = await self._may_read(request)
            if asked.status >= _REFUSED:
                return asked
            headers = _PRIVATE
            receipt = [header for header in asked.headers if header[0] == RECEIPT]
        try:
            body = await self._log.resource(path)
        except NotFoundError:
            return refusal(404, "no such tile is published", headers=tuple(receipt))
        except LogDamagedError as error:
            return refusal(500, str(error), headers=tuple(receipt))
        return HttpResponse(200, [*headers, *receipt], body)


def _note(note: bytes | None, otherwise: str) -> HttpResponse:
    return refusal(404, otherwise) if note is None else HttpResponse(200, list(_TEXT), note)
