"""A security key in software: what a browser and an authenticator would do, and what they must not.

Every part of an answer can be made wrong by an argument, to show that the server notices.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN = "https://localhost:8200"
PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40
AAGUID = bytes.fromhex("00112233445566778899aabbccddeeff")


def text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(encoded: str) -> bytes:
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


@dataclass
class Authenticator:
    """One credential with its counter; `origin` is where the browser says that it is."""

    origin: str = ORIGIN
    rp_id: str = ""  # left out, the one that is asked for
    flags: int = PRESENT | VERIFIED
    signs: int = 0
    id: bytes = field(default_factory=lambda: os.urandom(32))
    handle: bytes = b""
    said: dict[str, object] = field(default_factory=dict)  # by the browser, besides
    _key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def create(self, options: dict[str, Any], **wrong: Any) -> dict[str, Any]:
        """Answer `navigator.credentials.create()`."""
        self.handle = raw(options["user"]["id"])
        numbers = self._key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        credential = AAGUID + len(self.id).to_bytes(2) + self.id + cbor2.dumps(public)
        data = self._data(options["rp"]["id"], ATTESTED) + credential
        attested = {"fmt": "none", "attStmt": {}, "authData": data, **wrong.get("attested", {})}
        client = self._client("webauthn.create", options["challenge"])
        return self._answer(
            clientDataJSON=text(client),
            attestationObject=text(cbor2.dumps(attested)),
            transports=["usb", "of-nobody"],
        )

    def get(self, options: dict[str, Any], *, kind: str = "webauthn.get") -> dict[str, Any]:
        """Answer `navigator.credentials.get()`, counting one up."""
        self.signs += 1
        data = self._data(options["rpId"], 0)
        client = self._client(kind, options["challenge"])
        signed = data + hashlib.sha256(client).digest()
        return self._answer(
            clientDataJSON=text(client),
            authenticatorData=text(data),
            signature=text(self._key.sign(signed, ec.ECDSA(hashes.SHA256()))),
            userHandle=text(self.handle),
        )

    def _data(self, rp_id: str, flags: int) -> bytes:
        hashed = hashlib.sha256((self.rp_id or rp_id).encode()).digest()
        return hashed + bytes([self.flags | flags]) + self.signs.to_bytes(4)

    def _client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        said |= self.said
        return json.dumps(said).encode()

    def _answer(self, **response: Any) -> dict[str, Any]:
        return {
            "id": text(self.id),
            "rawId": text(self.id),
            "type": "public-key",
            "response": response,
        }
