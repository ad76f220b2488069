"""What people of the story have in their hands: a security key, and a phone with an app.

Both are software here. The key does what a browser and an authenticator would: it signs challenges
for one origin, says that its holder was verified, and counts.

Specs   WebAuthn level 3, `none` attestation, ES256; RFC 6238.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b32decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.base.secret import Secret
from strongroom.crypto.totp import hotp

PERIOD: Final = 30
_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40
_NO_MODEL: Final = bytes(16)


@dataclass
class SecurityKey:
    """One credential, and how often it has signed."""

    origin: str
    id: bytes
    signs: int = 0
    _key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Answer what a browser is asked by `navigator.credentials.create()`."""
        numbers = self._key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        credential = _NO_MODEL + len(self.id).to_bytes(2) + self.id + cbor2.dumps(public)
        data = self._data(options["rp"]["id"], _ATTESTED) + credential
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"])
        return self._answer(clientDataJSON=_text(client), attestationObject=_text(attested))

    def get(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Answer what a browser is asked by `navigator.credentials.get()`."""
        self.signs += 1
        data = self._data(options["rpId"], 0)
        client = self._client("webauthn.get", options["challenge"])
        signed = data + hashlib.sha256(client).digest()
        return self._answer(
            clientDataJSON=_text(client),
            authenticatorData=_text(data),
            signature=_text(self._key.sign(signed, ec.ECDSA(hashes.SHA256()))),
        )

    def _data(self, party: str, flags: int) -> bytes:
        known = hashlib.sha256(party.encode()).digest()
        return known + bytes([_PRESENT | _VERIFIED | flags]) + self.signs.to_bytes(4)

    def _client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, **response: str) -> dict[str, Any]:
        own = _text(self.id)
        return {"id": own, "rawId": own, "type": "public-key", "response": response}


@dataclass
class App:
    """An authenticator app. It never shows a code that it has shown before."""

    secret: Secret
    last: int = -1

    def code(self, seconds: float) -> str:
        """Return the code of this time, or the one after the last that was shown."""
        self.last = max(int(seconds) // PERIOD, self.last + 1)
        return hotp(self.last, self.secret, 6)


@dataclass
class Factors:
    """What one person has."""

    key: SecurityKey
    app: App | None = None

    def enrol(self, client: Any, now: Callable[[], float], code: str = "") -> None:
        """Enrol the key, then the app, which the key has to vouch for.

        `code` is that of the approval by which somebody came.
        """
        given = {"enrolment_code": code} if code else {}
        begun = _write(client, "strongroom/factors/webauthn/begin", name="key", **given)
        made = self.key.create(begun["options"])
        _write(client, "strongroom/factors/webauthn/finish", id=begun["id"], credential=made)
        begun = _write(client, "strongroom/factors/totp/begin", name="phone", **self.proof(client))
        self.app = App(Secret(b32decode(begun["secret"])))
        code = self.app.code(now())
        _write(client, "strongroom/factors/totp/confirm", id=begun["id"], code=code)

    def proof(self, client: Any) -> dict[str, Any]:
        """Return the fields that show the key in a request, to a challenge that is asked now."""
        asked = _write(client, "strongroom/factors/challenge")
        return {"challenge_id": asked["challenge_id"], "answer": self.key.get(asked["options"])}

    def finish(self, client: Any, requirement: Mapping[str, Any]) -> str:
        """Show the key to a login that waits; return the token."""
        ways = [w for each in requirement["mfa_constraints"].values() for w in each["any"]]
        asked = next(way for way in ways if way["type"] == "webauthn")
        answer = json.dumps(self.key.get(asked["options"]))
        given = {asked["id"]: [answer]}
        request = requirement["mfa_request_id"]
        body = {"mfa_request_id": request, "mfa_payload": given}
        reply = client.adapter.post("/v1/sys/mfa/validate", json=body)
        return str(reply["auth"]["client_token"])


def _write(client: Any, path: str, **fields: Any) -> Any:
    return client.adapter.post(f"/v1/{path}", json=fields)["data"]


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
