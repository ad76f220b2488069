"""What a directory answers: messages of LDAP, their entries and results."""

from __future__ import annotations

import socket
import time

from strongroom.auth.ldap import ber
from strongroom.auth.ldap.ber import ENUMERATED, OCTETS, SEQUENCE, SET
from strongroom.auth.ldap.connection import Connection, Search
from strongroom.base.errors import DeniedError, UpstreamError
from strongroom.base.secret import Secret


def _message(operation: bytes) -> bytes:
    return ber.element(SEQUENCE, ber.integer(1), operation)


def _result(tag: int, code: int) -> bytes:
    texts = ber.element(OCTETS), ber.element(OCTETS, b"words")
    return _message(ber.element(tag, ber.integer(code, ENUMERATED), *texts))


_ATTRIBUTE = ber.element(SEQUENCE, ber.element(OCTETS, b"cn"), ber.element(SET, b"\x04\x01a"))
_ENTRY = _message(
    ber.element(0x64, ber.element(OCTETS, b"cn=a"), ber.element(SEQUENCE, _ATTRIBUTE))
)
_PAGED = ber.element(SEQUENCE, ber.integer(0), ber.element(OCTETS))
_CONTROL = ber.element(
    SEQUENCE, ber.element(OCTETS, b"1.2.840.113556.1.4.319"), ber.element(OCTETS, _PAGED)
)
SEEDS = (
    _result(0x61, 0),
    _result(0x61, 49),
    _ENTRY + _result(0x65, 0),
    _ENTRY[:-1],
    ber.element(SEQUENCE, ber.integer(1), _result(0x65, 0)[5:], ber.element(0xA0, _CONTROL)),
    b"\x30\x84\x7f\xff\xff\xff",
)


def target(data: bytes) -> None:
    """Whatever comes, only an answer to a bind ends one well; nothing undocumented is raised."""
    for ask in (_bind, _search):
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(data[: 64 << 10])
            theirs.shutdown(socket.SHUT_WR)
            connection = Connection(ours, time.monotonic() + 5)
            try:
                ask(connection, data)
            except (DeniedError, UpstreamError):
                pass
            finally:
                connection.close()


def _bind(connection: Connection, data: bytes) -> None:
    connection.bind("cn=a", Secret("password"))
    assert b"\x61" in data  # the tag of an answer to a bind


def _search(connection: Connection, _: bytes) -> None:
    found = connection.search(Search(base="", filter=b"\x87\x02cn", attributes=("cn",)))
    assert all(isinstance(each.name, str) for each in found.entries)
