"""The limit of our server: an endpoint that answers every request with the same bytes.

    python bench/bare.py PORT FILE

It runs under uvicorn with the parser and the loop that strongroom uses, and does nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Send], Awaitable[None]]


def endpoint(body: bytes) -> App:
    """Return the application that answers `body`."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    rest = {"type": "http.response.body", "body": body}

    async def app(scope: Any, receive: Any, send: Send) -> None:  # noqa: ARG001  ASGI's names
        await send(start)
        await send(rest)

    return app


def main(port: str, file: str) -> None:
    """Serve the content of a file on a loopback port until told to stop."""
    uvicorn.run(
        endpoint(Path(file).read_bytes()),
        host="127.0.0.1",
        port=int(port),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
