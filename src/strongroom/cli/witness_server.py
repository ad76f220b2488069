"""The HTTP face of a witness: `POST /add-checkpoint`.

Specs  C2SP tlog-witness.
Order  One request at a time holds the state: read, judge, store, sync; then the answer leaves.
Trust  None in who asks. Requests are bounded in size and time; put TLS in front where the
       address is not of this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Final

from strongroom.audit.witness_state import (
    MAX_REQUEST_BYTES,
    Answer,
    Refusal,
    Submission,
    answer,
    malformed,
)
from strongroom.cli.witness_files import StateFile
from strongroom.crypto.errors import NoteError
from strongroom.crypto.note import SigningKey

_TIMEOUT_SECONDS: Final = 10
_CONVICTING: Final = frozenset({Refusal.FORK, Refusal.INCONSISTENT})

Remark = Callable[[str], None]


class Witness:
    """Judges requests against the state, one at a time."""

    def __init__(
        self, state: StateFile, key: SigningKey, now: Callable[[], int], remark: Remark
    ) -> None:
        self._state = state
        self._key = key
        self._now = now
        self._remark = remark
        self._lock = Lock()

    def add(self, body: bytes) -> Answer:
        """Answer a request; what it changes is on disk when this returns."""
        try:
            submission = Submission.parse(body)
        except NoteError as problem:
            return malformed(problem)
        with self._lock:
            memory = self._state.memory
            given = answer(
                submission,
                memory.heads.get(submission.origin),
                logs=memory.logs,
                key=self._key,
                now=self._now(),
            )
            if given.head is not None:
                self._state.store(memory.with_head(given.head))
            self._tell(submission, given, body)
        return given

    def _tell(self, submission: Submission, given: Answer, body: bytes) -> None:
        if given.refusal in _CONVICTING:
            kept = self._state.keep_evidence(body)
            self._remark(f"refused, {given.refusal}: {submission.origin}; the proof is in {kept}")
        elif given.head is not None:
            self._remark(f"cosigned {submission.origin} at {given.head.size}")


def http_server(host: str, port: int, witness: Witness) -> ThreadingHTTPServer:
    """Return a server that listens, and serves once it is told to."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "strongroom-witness"
        sys_version = ""
        timeout = _TIMEOUT_SECONDS

        def do_POST(self) -> None:
            if not self.path.endswith("/add-checkpoint"):
                self._reply(404, "text/plain; charset=utf-8", b"POST to /add-checkpoint\n")
                return
            body = self._body()
            if body is not None:
                given = witness.add(body)
                self._reply(given.status, given.content_type, given.body)

        def _body(self) -> bytes | None:
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdigit() and len(length) < 10):
                self._reply(411, "text/plain; charset=utf-8", b"a Content-Length is needed\n")
            elif int(length) > MAX_REQUEST_BYTES:
                self._reply(413, "text/plain; charset=utf-8", b"the request is too large\n")
            else:
                body = self.rfile.read(int(length))
                return body if len(body) == int(length) else None
            return None

        def _reply(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if status in {411, 413}:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing; `Witness` remarks on what matters."""

    return ThreadingHTTPServer((host, port), Handler)
