"""A server that publishes a directory below `/log/`, and answers `/v1/` from a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

Answers = Mapping[tuple[str, str], object]


@dataclass
class Pretender:
    """Runs while its `with` does. `asked` holds each request with its body."""

    root: Path
    answers: Answers = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def __enter__(self) -> Self:
        pretender = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                pretender.asked.append((self.command, self.path, body))
                status, kind, data = pretender.answer(self.command, self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = do_LIST = handle_any  # noqa: N815  as the base has it

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        """Return status, type and body of an answer."""
        file = self.root / path.removeprefix("/log/")
        if path.startswith("/log/") and file.is_file():
            return 200, "application/octet-stream", file.read_bytes()
        found = self.answers.get((method, path.removeprefix("/v1/")))
        if isinstance(found, bytes):
            return 200, "application/zip", found
        status = 404 if found is None else 200
        return status, "application/json", json.dumps(found or {"errors": []}).encode()
