"""The encrypting barrier: what lies between the server's memory and any storage.

Specs  AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces; a key is retired before 2**32 uses.
       A blob is `version(1) algorithm(1) term(4, big endian) nonce(12) ciphertext tag(16)`.
Trust  Whoever controls the storage can destroy blobs or bring back older ones of the same place;
       they cannot read one, forge one, or move one: the place (table, column, key) is bound.
       Of the header, the term is bound by being the choice of the key; version and algorithm have
       one value each.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from strongroom.base.errors import SealedError
from strongroom.crypto.aead import Cipher
from strongroom.crypto.derive import DigestKey, derive
from strongroom.crypto.errors import CiphertextError

VERSION = 1
AES_256_GCM = 1
ALGORITHMS = {AES_256_GCM: "AES-256-GCM"}
HEADER = struct.Struct(">BBI")
NONCE = 12
FRONT = HEADER.size
BODY = FRONT + NONCE
OVERHEAD = BODY + 16
LAST_TERM = 2**32 - 1
_header = HEADER.unpack_from


class TamperedError(Exception):
    """A stored blob is not what the barrier wrote at this place. A defect or an attack."""


@dataclass(frozen=True, slots=True)
class BlobHeader:
    """What a blob says of itself, in clear."""

    version: int
    algorithm: str  # empty when unknown
    term: int


def header_of(blob: bytes) -> BlobHeader:
    """Read a blob's header; TamperedError if it is too short to be one."""
    if len(blob) < OVERHEAD:
        raise TamperedError("shorter than any blob")
    version, algorithm, term = HEADER.unpack_from(blob)
    return BlobHeader(version, ALGORITHMS.get(algorithm, "") if version == VERSION else "", term)


def place(table: str, column: str, *key: object) -> bytes:
    """Name a cell, unambiguously: no part of a key but the last may hold NUL."""
    return f"strongroom\0{table}\0{column}".encode() + place_below(key)


def place_below(key: Sequence[object]) -> bytes:
    """Return what a key adds to the place of its column."""
    try:
        return "\0".join(["", *key]).encode()  # type: ignore[list-item]  # nearly all are text
    except TypeError:
        parts = [part.hex() if isinstance(part, bytes) else str(part) for part in key]
        return "\0".join(["", *parts]).encode()


class Barrier:
    """Encrypts and decrypts cells while it holds keys; sealed when it does not."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._ciphers: dict[int, Cipher] = {}
        self._prefix = b""
        self._derived: dict[str, bytes] = {}
        self._digest_keys: dict[str, DigestKey] = {}
        self._derivation: bytes | None = None
        self.term = 0
        self.encryptions = 0  # with the active term's key, since it became active here

    @property
    def sealed(self) -> bool:
        """Whether there is no key to open anything with."""
        return not self._ciphers

    def unseal(self, keys: Mapping[int, bytes], derivation: bytes) -> None:
        """Take the keyring: barrier keys by term, and the key that all labels derive from."""
        if not keys or not 0 < min(keys) <= max(keys) <= LAST_TERM:
            raise ValueError("a keyring has at least one term, from 1 on")
        self._ciphers = {term: Cipher(key) for term, key in keys.items()}
        self._derivation = derivation
        self._derived = {}
        self._digest_keys = {}
        self.activate(max(keys))

    def add_term(self, term: int, key: bytes) -> None:
        """Take one more key and encrypt with it from now on. SealedError while sealed."""
        if self.sealed:
            raise SealedError("sealed")
        if term in self._ciphers or not 0 < term <= LAST_TERM:
            raise ValueError(f"term {term} is taken, or none")
        self._ciphers[term] = Cipher(key)
        self.activate(term)

    def activate(self, term: int) -> None:
        """Encrypt with a term that is already held, from now on."""
        if term not in self._ciphers:
            raise ValueError(f"no key of term {term}")
        self.term = term
        self.encryptions = 0
        self._prefix = HEADER.pack(VERSION, AES_256_GCM, term)

    def seal(self) -> None:
        """Forget every key."""
        self._ciphers = {}
        self._derived = {}
        self._digest_keys = {}
        self._derivation = None
        self._prefix = b""
        self.term = 0

    def encrypt(self, where: bytes, plaintext: bytes) -> bytes:
        """Return a blob that opens at this place only."""
        cipher = self._ciphers.get(self.term)
        if cipher is None:
            raise SealedError("sealed")
        self.encryptions += 1
        nonce = self._entropy(NONCE)
        return self._prefix + nonce + cipher.seal(nonce, plaintext, where)

    def decrypt(self, where: bytes, blob: bytes) -> bytes:
        """Open a blob of this place. TamperedError if it is not one."""
        if not self._ciphers:
            raise SealedError("sealed")
        if len(blob) < OVERHEAD:
            raise TamperedError("shorter than any blob")
        version, algorithm, term = _header(blob)
        cipher = self._ciphers.get(term)
        if version != VERSION or algorithm != AES_256_GCM or cipher is None:
            raise TamperedError("unknown header or term")
        try:
            return cipher.open(blob[FRONT:BODY], blob[BODY:], where)
        except CiphertextError:
            raise TamperedError("does not open at this place") from None

    def derived(self, label: str) -> bytes:
        """Return the 32-byte key of a label; stable over rotation."""
        key = self._derived.get(label)
        if key is None:
            if self._derivation is None:
                raise SealedError("sealed")
            key = self._derived[label] = derive(self._derivation, label)
        return key

    def digest(self, label: str, data: bytes) -> bytes:
        """Return the keyed digest of `data` under a label: 32 bytes."""
        key = self._digest_keys.get(label)
        if key is None:
            key = self._digest_keys[label] = DigestKey(self.derived(label))
        return key.digest(data)

    def terms(self) -> frozenset[int]:
        """Return the terms whose keys are held."""
        return frozenset(self._ciphers)
