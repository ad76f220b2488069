"""A mail server on loopback that speaks SMTP with TLS, and the bad ones; for tests."""

from __future__ import annotations

import base64
import contextlib
import os
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from strongroom.api.certificates import generated_certificate

PASSWORD = "s3cret-of-the-mail-server"


@cache
def tls() -> tuple[ssl.SSLContext, str]:
    """Return a server's context, and its authority in PEM."""
    with TemporaryDirectory() as folder:
        made = generated_certificate(
            Path(folder), ("127.0.0.1", "localhost"), datetime.now(UTC), os.urandom
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.certificate, made.key)
        return context, (Path(folder) / "ca.pem").read_text()


@dataclass
class MailServer:
    """What came in, and how it behaves."""

    port: int = 0
    over_tls: bool = False
    offers_tls: bool = True
    hangs: str = ""  # at what: "greeting", "ehlo", "data"
    drips: bool = False
    refuses: int = 0  # the next so many messages, with 451
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    in_clear: list[bytes] = field(default_factory=list)


class _Handler(socketserver.StreamRequestHandler):
    @property
    def mine(self) -> MailServer:
        return cast("MailServer", self.server.mine)  # type: ignore[attr-defined]

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self.mine.over_tls:
                self._secure()
            self._hang("greeting")
            self._say("220 mail.example.test")
            self._serve()
        self.rfile.close()
        self.wfile.close()
        self.request.close()

    def _secure(self) -> None:
        self.request = tls()[0].wrap_socket(self.request, server_side=True)
        self.rfile = self.request.makefile("rb")
        self.wfile = self.request.makefile("wb", buffering=0)

    def _hang(self, at: str) -> None:
        while self.mine.hangs == at:
            time.sleep(0.02)
            if self.mine.drips:
                self.wfile.write(b"2")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def _serve(self) -> None:
        secure, to = self.mine.over_tls, list[str]()
        while line := self.rfile.readline():
            if not secure:
                self.mine.in_clear.append(line)
            verb = line.split()[0].upper() if line.split() else b""
            match verb:
                case b"EHLO":
                    self._hang("ehlo")
                    offer = ("250-STARTTLS",) if self.mine.offers_tls and not secure else ()
                    self._say("250-mail.example.test", *offer, "250 AUTH PLAIN")
                case b"STARTTLS":
                    self._say("220 go on")
                    self._secure()
                    secure = True
                case b"AUTH":
                    told = base64.b64decode(line.split()[2]).decode().split("\0")
                    self.mine.logins.append(told[1])
                    self._say("235 yes" if told[2] == PASSWORD else "535 no")
                case b"RCPT":
                    to.append(line.decode().partition(":")[2].strip())
                    self._say("250 yes")
                case b"DATA":
                    self._hang("data")
                    self._say("354 go on")
                    self._take(to)
                case b"QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 yes")

    def _take(self, to: list[str]) -> None:
        text = b""
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            text += line
        if self.mine.refuses:
            self.mine.refuses -= 1
            self._say("451 later")
            return
        self.mine.envelopes += to
        message = message_from_bytes(text, policy=policy.default)
        self.mine.mails.append(message)
        self._say("250 taken")


@contextmanager
def mail_server(**behaves: object) -> Iterator[MailServer]:
    """Give a running one."""
    mine = MailServer(**behaves)  # type: ignore[arg-type]

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    server = Server(("127.0.0.1", 0), _Handler)
    server.mine = mine  # type: ignore[attr-defined]
    mine.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield mine
    finally:
        mine.hangs = ""
        server.shutdown()
        server.server_close()
        thread.join()
