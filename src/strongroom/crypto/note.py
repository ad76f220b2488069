"""Signed notes: text with signature lines, and the keys that verify them.

Specs  C2SP signed-note with Ed25519 (type 0x01), and tlog-cosignature's time-stamped Ed25519
       (type 0x04, `cosignature/v1`). Unknown keys and types on a signature line are ignored.
Units  The time of a cosignature is in whole seconds since the Unix epoch.
Trust  A note says nothing until `Note.verify` has returned: at least one key that the caller
       already trusts signed it, and no key that the caller trusts has a signature that fails.
       Keys come from outside; a note never carries its own.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from strongroom.base.secret import Secret
from strongroom.crypto.errors import NoteError

MAX_NOTE_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 100
MAX_TIME: Final = 2**63 - 1

_KEY_ID_BYTES: Final = 4
_PUBLIC_KEY_BYTES: Final = 32
_TIME_BYTES: Final = 8
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIGNATURE_LINE: Final = re.compile(r"— (\S+) ([A-Za-z0-9+/=]+)")
_VERIFIER_KEY: Final = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_DECIMAL: Final = re.compile(r"0|[1-9]\d{0,18}", re.ASCII)


class SignatureType(IntEnum):
    """The byte that tells what a key signs, and how."""

    ED25519 = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True, kw_only=True)
class NoteSignature:
    """One signature line, believed by nobody yet."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Return the line with its newline."""
        return f"— {self.name} {b64encode(self.key_id + self.signature).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """Read a line without its newline, or raise `NoteError`."""
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None:
            raise NoteError("not a signature line")
        name, blob = match[1], decode_base64(match[2])
        check_name(name)
        if len(blob) <= _KEY_ID_BYTES:
            raise NoteError("a signature line without a signature")
        return cls(name=name, key_id=blob[:_KEY_ID_BYTES], signature=blob[_KEY_ID_BYTES:])


@dataclass(frozen=True, kw_only=True)
class VerifierKey:
    """A public key with its name: what a verifier trusts. Prints as a vkey."""

    name: str
    type: SignatureType
    public_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public_key) != _PUBLIC_KEY_BYTES:
            raise NoteError(f"an Ed25519 key has {_PUBLIC_KEY_BYTES} bytes")

    def __str__(self) -> str:
        encoded = b64encode(bytes((self.type,)) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a vkey, `<name>+<key id>+<base64>`, or raise `NoteError`."""
        match = _VERIFIER_KEY.fullmatch(text)
        if match is None:
            raise NoteError("not a verifier key: <name>+<8 hex digits>+<base64> is one")
        blob = decode_base64(match[3])
        try:
            kind = SignatureType(blob[0])
        except ValueError:
            raise NoteError(f"a verifier key of type {blob[0]:#04x} is not supported") from None
        key = cls(name=match[1], type=kind, public_key=blob[1:])
        if key.key_id.hex() != match[2]:
            raise NoteError("the key id of the verifier key is not that of its key")
        return key

    @property
    def key_id(self) -> bytes:
        """The four bytes by which signature lines name this key."""
        named = self.name.encode() + b"\n" + bytes((self.type,)) + self.public_key
        return sha256(named).digest()[:_KEY_ID_BYTES]

    def made(self, line: NoteSignature) -> bool:
        """Say whether the line claims to be by this key."""
        return (line.name, line.key_id) == (self.name, self.key_id)

    def verify(self, text: str, signature: bytes) -> int | None:
        """Raise `NoteError` unless the signature is good; return a cosignature's time."""
        message, time = text.encode(), None
        if self.type is SignatureType.COSIGNATURE:
            time = int.from_bytes(signature[:_TIME_BYTES])
            message, signature = _cosigned(text, time), signature[_TIME_BYTES:]
        if time is not None and time > MAX_TIME:
            raise NoteError(f"the cosignature by {self.name} is from after the end of time")
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise NoteError(f"the signature by {self.name} does not verify") from None
        return time


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A key whose signature was verified; `time` is the latest of its cosignatures."""

    key: VerifierKey
    time: int | None


@dataclass(frozen=True, kw_only=True)
class Note:
    """Text ending in a newline, and its signature lines."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Read a note, verifying nothing; raises `NoteError` where the format is broken."""
        if len(data) > MAX_NOTE_BYTES:
            raise NoteError(f"a note has at most {MAX_NOTE_BYTES} bytes")
        note = decode_text(data)
        text, separator, rest = note.rpartition("\n\n")
        if not separator:
            raise NoteError("no empty line between text and signatures")
        *lines, end = rest.split("\n")
        if not lines or end:
            raise NoteError("a note ends in signature lines, each with a newline")
        if len(lines) > MAX_SIGNATURES:
            raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
        return cls(text=text + "\n", signatures=tuple(map(NoteSignature.parse, lines)))

    def encode(self) -> bytes:
        """Return the bytes that parse to this note."""
        return "".join([self.text, "\n", *(one.line() for one in self.signatures)]).encode()

    def verify(self, keys: Iterable[VerifierKey]) -> tuple[Signed, ...]:
        """Return which of the keys signed, in their order.

        Raises `NoteError` if none of them did, or if one of them has a line that fails, even
        where others are good: somebody has then tampered with the note.
        """
        signed = []
        for key in keys:
            times = [key.verify(self.text, s.signature) for s in self.signatures if key.made(s)]
            if times:
                signed.append(Signed(key=key, time=max(filter(None, times), default=times[0])))
        if not signed:
            raise NoteError("no trusted key has signed the note")
        return tuple(signed)


@final
class SigningKey:
    """An Ed25519 private key with its name."""

    __slots__ = ("_private", "_public", "name")

    def __init__(self, name: str, seed: Secret) -> None:
        check_name(name)
        self.name = name
        self._private = Ed25519PrivateKey.from_private_bytes(seed.reveal())
        self._public = self._private.public_key().public_bytes_raw()

    def verifier(self, kind: SignatureType = SignatureType.ED25519) -> VerifierKey:
        """Return the public half, for notes signed (type 0x01) or checkpoints cosigned (0x04)."""
        return VerifierKey(name=self.name, type=kind, public_key=self._public)

    def sign(self, text: str) -> NoteSignature:
        """Sign the text of a note, final newline included."""
        return self._line(SignatureType.ED25519, self._private.sign(text.encode()))

    def cosign(self, text: str, time: int) -> NoteSignature:
        """State that at `time` this was the largest consistent checkpoint seen of its log."""
        if not 0 < time <= MAX_TIME:
            raise NoteError("a cosignature's time is in seconds since 1970")
        signature = self._private.sign(_cosigned(text, time))
        return self._line(SignatureType.COSIGNATURE, time.to_bytes(_TIME_BYTES) + signature)

    def _line(self, kind: SignatureType, signature: bytes) -> NoteSignature:
        key_id = self.verifier(kind).key_id
        return NoteSignature(name=self.name, key_id=key_id, signature=signature)

    def __repr__(self) -> str:
        return f"SigningKey({self.name!r}, …)"


def decode_base64(text: str) -> bytes:
    """Decode standard base64 in its one canonical form, or raise `NoteError`."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        raise NoteError("not base64") from None
    if b64encode(data).decode() != text:
        raise NoteError("base64, but not its canonical form")
    return data


def decode_decimal(text: str) -> int:
    """Read a number below 2^63 without leading zeros, or raise `NoteError`."""
    if _DECIMAL.fullmatch(text) is None or int(text) > MAX_TIME:
        raise NoteError("not a decimal number in canonical form")
    return int(text)


def decode_text(data: bytes) -> str:
    """Decode UTF-8 without control characters but newline, or raise `NoteError`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NoteError("not UTF-8") from None
    if _CONTROL.search(text):
        raise NoteError("a control character")
    return text


def check_name(name: str) -> None:
    """Raise `NoteError` unless this can name a key: not empty, no spaces, no plus sign."""
    if not name or "+" in name or _CONTROL.search(name) or any(map(str.isspace, name)):
        raise NoteError("a key name is not empty and has no space and no plus sign")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise NoteError("a key name is UTF-8") from None


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()
