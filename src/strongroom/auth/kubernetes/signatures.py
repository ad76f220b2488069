"""Keys that a cluster signs service account tokens with, where an operator knows them.

Specs   RFC 7515 and RFC 7518, by `joserfc`; keys as PEM, RFC 7468.
Trust   A key takes the algorithms of its own kind only. The signature is asked for beside the
        cluster's review, never in its place: claims are not read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from strongroom.base.errors import InputError

MOST_KEYS: Final = 16
LONGEST_KEY: Final = 16 * 1024
SHORTEST_RSA: Final = 2048
LONGEST_RSA: Final = 8192
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_FORM: Final = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
_EXPECTED: Final = "each is a public key or a certificate in PEM: RSA from 2,048 bits, or a P curve"

Known = tuple[RSAKey | ECKey, tuple[str, ...]]


@lru_cache(maxsize=32)
def keys_of(pems: tuple[str, ...]) -> tuple[Known, ...]:
    """Return the keys with their algorithms; InputError where one cannot be used."""
    if len(pems) > MOST_KEYS or max(map(len, pems), default=0) > LONGEST_KEY:
        raise InputError("pem_keys", f"at most {MOST_KEYS}, each of at most {LONGEST_KEY:,} bytes")
    return tuple(_key(pem) for pem in pems)


def signed_by_one(token: str, keys: Sequence[Known]) -> bool:
    """Say whether one of the keys has signed this token."""
    return any(_signed(token, key, algorithms) for key, algorithms in keys)


def _signed(token: str, key: RSAKey | ECKey, algorithms: tuple[str, ...]) -> bool:
    try:
        jws.deserialize_compact(token, key, algorithms=list(algorithms))
    except (JoseError, ValueError, TypeError, RecursionError):
        return False
    return True


def _key(pem: str) -> Known:
    try:
        text = pem.encode()
        held = "BEGIN CERTIFICATE" in pem
        public: object = (
            x509.load_pem_x509_certificate(text).public_key() if held else load_pem_public_key(text)
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InputError("pem_keys", _EXPECTED) from None
    if isinstance(public, rsa.RSAPublicKey) and SHORTEST_RSA <= public.key_size <= LONGEST_RSA:
        return RSAKey.import_key(public.public_bytes(*_FORM)), _RSA
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        return ECKey.import_key(public.public_bytes(*_FORM)), (_CURVES[public.curve.name],)
    raise InputError("pem_keys", _EXPECTED)
