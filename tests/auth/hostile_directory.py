"""A directory that answers whatever a test says, byte for byte.

A script is a list of answers, one for each question that comes; what is left unanswered hangs
until the client goes. What came is kept.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from strongroom.auth.ldap import ber
from strongroom.auth.ldap.ber import ENUMERATED, OCTETS, SEQUENCE, SET

Answer = bytes | Callable[[socket.socket, int], None]


@dataclass
class Hostile:
    """What answers. `questions` are the messages that came, over all connections."""

    port: int
    questions: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"ldap://127.0.0.1:{self.port}"

    def binds(self) -> list[tuple[bytes, bytes]]:
        """Return the names and passwords of the binds that came."""
        found = []
        for question in self.questions:
            message = ber.Reader(question).inside(SEQUENCE)
            message.number()
            if message.tag == 0x60:
                bind = message.inside(0x60)
                bind.number()
                found.append((bind.take(OCTETS), bind.take(0x80)))
        return found


@contextmanager
def hostile(*script: Answer) -> Iterator[Hostile]:
    """Listen, and give each connection the script from its start."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        directory = Hostile(port=listener.getsockname()[1])
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                directory.connections += 1
                threading.Thread(
                    target=_serve, args=(client, script, directory, ended), daemon=True
                ).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield directory
        finally:
            ended.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _serve(
    client: socket.socket, script: Sequence[Answer], directory: Hostile, ended: threading.Event
) -> None:
    with client, suppress(OSError):
        client.settimeout(30)
        for number, answer in enumerate(script, 1):
            question = _question(client)
            if not question:
                return
            directory.questions.append(question)
            if callable(answer):
                answer(client, number)
            else:
                client.sendall(answer)
        while not ended.is_set():
            question = _question(client)
            if not question:
                return
            directory.questions.append(question)


def _question(client: socket.socket) -> bytes:
    data = b""
    while (sizes := ber.size_of(data[:6])) is None or len(data) < sum(sizes):
        more = client.recv(1 if sizes is None else sum(sizes) - len(data))
        if not more:
            return b""
        data += more
    return data


def message(number: int, operation: bytes, controls: bytes = b"") -> bytes:
    """Return a whole message."""
    return ber.element(SEQUENCE, ber.integer(number), operation, controls)


def result(tag: int, code: int, *more: bytes) -> bytes:
    """Return what ends an operation."""
    texts = ber.element(OCTETS), ber.element(OCTETS, b"words of the directory")
    return ber.element(tag, ber.integer(code, ENUMERATED), *texts, *more)


def bound(number: int, code: int = 0) -> bytes:
    """Return the answer to a bind."""
    return message(number, result(0x61, code))


def done(number: int, code: int = 0) -> bytes:
    """Return the end of a search."""
    return message(number, result(0x65, code))


def entry(number: int, name: str, **attributes: Sequence[bytes]) -> bytes:
    """Return one entry of a search."""
    listed = [
        ber.element(
            SEQUENCE,
            ber.element(OCTETS, kind.encode()),
            ber.element(SET, *(ber.element(OCTETS, value) for value in values)),
        )
        for kind, values in attributes.items()
    ]
    return message(
        number,
        ber.element(0x64, ber.element(OCTETS, name.encode()), ber.element(SEQUENCE, *listed)),
    )
