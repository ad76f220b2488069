"""BER as far as LDAP uses it: elements with one byte of tag and a definite length.

Specs   ITU-T X.690, restricted as RFC 4511, section 5.1 says. Lengths have at most four bytes.
Trust   What is read came from another system. `MalformedError` is the only thing raised, nothing
        is copied before its length is known to be there, and no number is longer than 8 bytes.
"""

from __future__ import annotations

from typing import Final

SEQUENCE: Final = 0x30
SET: Final = 0x31
BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTETS: Final = 0x04
ENUMERATED: Final = 0x0A
LONGEST_NUMBER: Final = 8


class MalformedError(ValueError):
    """These bytes are no element that LDAP has here."""


def element(tag: int, *parts: bytes) -> bytes:
    """Return one element of these parts."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Return a number, in as few bytes as it takes."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def boolean(value: bool) -> bytes:
    """Return a truth value; true is 0xFF in LDAP."""
    return element(BOOLEAN, b"\xff" if value else b"\x00")


def size_of(head: bytes) -> tuple[int, int] | None:
    """Return how long the head is and what follows it; None while bytes of the head are missing.

    Raises MalformedError for a length that is indefinite or takes more than four bytes.
    """
    if len(head) < 2:
        return None
    count = head[1] & 0x7F if head[1] & 0x80 else 0
    if head[1] & 0x80 and not 1 <= count <= 4:
        raise MalformedError("a length that LDAP does not have")
    if len(head) < 2 + count:
        return None
    size = int.from_bytes(head[2 : 2 + count], "big") if count else head[1]
    return 2 + count, size


class Reader:
    """Reads elements one after the other from bytes that are all there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def tag(self) -> int | None:
        """The tag of the next element; None at the end."""
        return self._data[self._at] if self._at < len(self._data) else None

    def take(self, tag: int) -> bytes:
        """Return what is in the next element, which must have this tag."""
        if self.tag != tag:
            raise MalformedError("another element was due")
        return self.skip()

    def skip(self) -> bytes:
        """Return what is in the next element, whatever it is."""
        if self.tag is None or self.tag & 0x1F == 0x1F:
            raise MalformedError("no element, or a tag that LDAP does not have")
        sizes = size_of(self._data[self._at : self._at + 6])
        if sizes is None or self._at + sum(sizes) > len(self._data):
            raise MalformedError("an element goes beyond its end")
        start = self._at + sizes[0]
        self._at = start + sizes[1]
        return self._data[start : self._at]

    def inside(self, tag: int) -> Reader:
        """Return a reader of what is in the next element, which must have this tag."""
        return Reader(self.take(tag))

    def number(self, tag: int = INTEGER) -> int:
        """Return the number in the next element."""
        body = self.take(tag)
        if not 1 <= len(body) <= LONGEST_NUMBER:
            raise MalformedError("a number that LDAP does not have")
        return int.from_bytes(body, "big", signed=True)
