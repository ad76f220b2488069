"""What people of the story hold does what a key and a phone do: `strongroom.demo.factors`."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.base.secret import Secret
from strongroom.demo.factors import App, SecurityKey

OPTIONS: dict[str, Any] = {"rpId": "localhost", "challenge": "AAAA"}


def raw(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_an_app_never_shows_a_code_twice() -> None:
    app = App(Secret(b"12345678901234567890"))

    codes = [app.code(59) for _ in range(3)]

    assert codes[0] == "287082"  # RFC 6238, the last six digits
    assert len(set(codes)) == 3


def test_a_key_signs_the_challenge_and_counts() -> None:
    key = SecurityKey("https://localhost:8200", b"k" * 32)

    first, second = key.get(OPTIONS)["response"], key.get(OPTIONS)["response"]

    data = raw(first["authenticatorData"])
    assert data[:32] == hashlib.sha256(b"localhost").digest()
    assert data[32] & 0x05 == 0x05  # present, and verified
    assert raw(second["authenticatorData"])[33:37] > data[33:37]
    signed = data + hashlib.sha256(raw(first["clientDataJSON"])).digest()
    public = key._key.public_key()
    public.verify(raw(first["signature"]), signed, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(raw(second["signature"]), signed, ec.ECDSA(hashes.SHA256()))
