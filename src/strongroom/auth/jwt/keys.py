"""The public keys that signatures are checked with: from PEM, or from a JWK set.

Specs   RFC 7517 (JWK, sets), RFC 7518 and RFC 8037 (algorithms); `joserfc` checks signatures.
Trust   Only public members of a JWK are read, and only of the asymmetric kinds: a set that holds a
        symmetric key, or a private one, gives no key that could be mistaken for a secret. An
        algorithm fits by the kind of the key, so none that is keyed with a public key's text (HMAC)
        and no `none` can ever fit. How many keys a set has and how large they are is bounded; so is
        how many a token may be tried against.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from strongroom.auth.jwt.token import LONGEST_KID, JsonError, Token, parse_object
from strongroom.base.errors import InputError

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "ES256", "ES384", "ES512"),
    *("PS256", "PS384", "PS512", "EdDSA"),
)
MOST_KEYS: Final = 100
MOST_TRIED: Final = 16
SMALLEST_RSA, LARGEST_RSA = 2048, 8192
_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_OF_CURVE: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_MEMBERS: Final[Mapping[str, tuple[Any, tuple[str, ...]]]] = {
    "RSA": (RSAKey, ("kty", "n", "e")),
    "EC": (ECKey, ("kty", "crv", "x", "y")),
    "OKP": (OKPKey, ("kty", "crv", "x")),
}
_CURVES: Final[Mapping[Any, tuple[str | None, ...]]] = {
    RSAKey: (None,),
    ECKey: ("P-256", "P-384", "P-521"),
    OKPKey: ("Ed25519",),
}


class KeysError(ValueError):
    """What came is no set of keys that can be used; the words are for the log."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key, the algorithms that it may be used with, and what its set calls it."""

    key: Key
    algorithms: frozenset[str]
    kid: str | None = None


def keys_of_set(raw: bytes) -> tuple[PublicKey, ...]:
    """Return the keys of a JWK set that can check signatures; KeysError where there are none.

    A key of a kind that is not known is left out (RFC 7517 section 5), a broken one too.
    """
    try:
        listed = parse_object(raw).get("keys")
    except JsonError:
        raise KeysError("the key set is no JSON object") from None
    if not isinstance(listed, list) or not listed:
        raise KeysError("the key set holds no keys")
    if len(listed) > MOST_KEYS:
        raise KeysError(f"the key set holds more than {MOST_KEYS} keys")
    found = tuple(key for each in listed if (key := _of_jwk(each)) is not None)
    if not found:
        raise KeysError("the key set holds no key that can check a signature")
    return found


def _of_jwk(jwk: object) -> PublicKey | None:
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    kind, members = _MEMBERS.get(str(jwk.get("kty")), (None, ()))
    public = {name: jwk.get(name) for name in members}
    if kind is None or not all(isinstance(value, str) for value in public.values()):
        return None
    if public.get("crv") not in _CURVES[kind]:
        return None
    kid, algorithm = jwk.get("kid"), jwk.get("alg")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= LONGEST_KID):
        return None
    try:
        key = kind.import_key(cast("Any", public))
        algorithms = _algorithms_of(key.public_key)
    except (JoseError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if algorithm is not None:
        algorithms &= {algorithm} if isinstance(algorithm, str) else set()
    return PublicKey(key, algorithms, kid) if algorithms else None


@lru_cache(maxsize=256)
def key_of_pem(text: str, field: str) -> PublicKey:
    """Read a public key, or the one of a certificate; InputError, naming `field`, for any other."""
    try:
        raw = text.strip().encode()
        certified = b"BEGIN CERTIFICATE" in raw
        public: Any = (
            x509.load_pem_x509_certificate(raw).public_key()
            if certified
            else load_pem_public_key(raw)
        )
        algorithms = _algorithms_of(public)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InputError(field, "not a public key in PEM of a kind that is used here") from None
    if not algorithms:
        raise InputError(field, f"an RSA key must have {SMALLEST_RSA} to {LARGEST_RSA} bits")
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    kind: Any = {"R": RSAKey, "P": RSAKey, "E": ECKey}[min(algorithms)[0]]
    return PublicKey((OKPKey if "EdDSA" in algorithms else kind).import_key(pem), algorithms)


def _algorithms_of(public: object) -> frozenset[str]:
    """Return what a key can be used with; TypeError for a kind that is not used."""
    match public:
        case RSAPublicKey():
            exponent = public.public_numbers().e
            fits = SMALLEST_RSA <= public.key_size <= LARGEST_RSA and exponent.bit_length() <= 32
            return _RSA if fits else frozenset()
        case EllipticCurvePublicKey() if public.curve.name in _OF_CURVE:
            return frozenset({_OF_CURVE[public.curve.name]})
        case Ed25519PublicKey():
            return frozenset({"EdDSA"})
    raise TypeError


def is_signed(token: Token, keys: Iterable[PublicKey], allowed: Collection[str]) -> bool:
    """Say whether one of these keys signed the token, by an algorithm that is allowed.

    A token that names its key is tried against keys of that name, and against those without one.
    """
    if token.algorithm not in allowed:
        return False
    fitting = [
        each
        for each in keys
        if token.algorithm in each.algorithms
        and (token.kid is None or each.kid is None or each.kid == token.kid)
    ]
    if not fitting or len(fitting) > MOST_TRIED:
        return False
    algorithm = _MODELS[token.algorithm]
    return any(_holds(algorithm, token, each.key) for each in fitting)


def _holds(algorithm: Any, token: Token, key: Key) -> bool:
    try:
        algorithm.check_key(key)
        return algorithm.verify(token.signed, token.signature, key) is True
    except (JoseError, ValueError):
        return False


_MODELS: Final[Mapping[str, Any]] = {name: JWSRegistry.algorithms[name] for name in ALGORITHMS}
