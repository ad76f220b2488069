"""Revocation lists: uploaded, kept as they came, asked for each certificate of a chain.

    crl/{name}       -> List, what is said of one
    crl-body/{name}  -> its DER

Specs   RFC 5280, section 5. Delta lists, and lists that speak for other issuers, are refused.
Vault   Uploaded under a name, replaced as a whole. Vault ignores when a list ends, and asks for
        serial numbers whoever issued them.
Trust   A list counts for the issuer that it names; its signature was checked by nobody, since an
        operator who may upload one may revoke. After its end nobody knows what was revoked since,
        so a chain under that issuer is refused until a newer one is there, unless `config` says
        that ended lists will do. What a list names stays revoked until the list is replaced.
Limits  A list has at most `LARGEST` bytes; a mount has at most `MOST_LISTS` of them.
"""

from __future__ import annotations

import warnings
from base64 import b64decode
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from strongroom.auth.cert.certificates import UNREADABLE
from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.sdk.engine import Call

LARGEST: Final = 1 << 20
MOST_LISTS: Final = 100
_PREFIX: Final = "crl/"
_BODY: Final = "crl-body/"
Issued = tuple[bytes, int]
_UNREADABLE: Final = "not a revocation list in PEM, or DER in base64"


class RevokedError(Exception):
    """A chain that must not be relied on. The text says why, for the log."""


@dataclass(frozen=True, kw_only=True)
class List:
    """What is said of a revocation list. `next_update` None: it says not when it ends."""

    issuer: bytes  # digest of the name, as `issued_by` gives it
    this_update: datetime
    next_update: datetime | None
    revoked: int

    def ended(self, now: datetime) -> bool:
        """Say whether a newer list should be there by now."""
        return self.next_update is not None and now > self.next_update


async def upload(call: Call, name: str, text: str) -> None:
    """Keep a list under a name, in place of the one before."""
    der = _der(text)
    parsed = read_list(der)
    there = await call.store.names(_PREFIX, limit=MOST_LISTS)
    if name not in there and len(there) >= MOST_LISTS:
        raise InputError("name", f"at most {MOST_LISTS} revocation lists")
    kept = List(
        issuer=_digest(parsed.issuer),
        this_update=parsed.last_update_utc,
        next_update=parsed.next_update_utc,
        revoked=len(serials(der)),
    )
    if kept.ended(call.now):
        call.warnings.append("the list has ended: what it says of others is too old to rely on")
    await call.store.put(_PREFIX + name, kept)
    await call.store.put(_BODY + name, der)


async def shown(call: Call, name: str) -> dict[str, Any]:
    """Return what is known of a list, its serial numbers in decimal."""
    held = await call.store.find(_PREFIX + name, List)
    if held is None:
        raise NotFoundError("no such CRL")
    der, kept = await call.store.fetch(_BODY + name, bytes), held.value
    return {
        "cdp": None,
        "serials": {str(serial): {} for serial in sorted(serials(der))},
        "issuer": read_list(der).issuer.rfc4514_string(),
        "this_update": rfc3339(kept.this_update),
        "next_update": rfc3339(kept.next_update) if kept.next_update else "",
        "expired": kept.ended(call.now),
    }


async def drop(call: Call, name: str) -> None:
    """Forget a list."""
    if await call.store.find(_PREFIX + name, List) is None:
        raise NotFoundError("no such CRL")
    await call.store.delete(_PREFIX + name)
    await call.store.delete(_BODY + name)


async def names(call: Call, after: str, limit: int) -> list[str]:
    """Return the names of lists."""
    return await call.store.names(_PREFIX, after=after, limit=limit)


def issued_by(certificate: x509.Certificate) -> Issued:
    """Return what a revocation list would name of a certificate: whose it is, and which."""
    return _digest(certificate.issuer), certificate.serial_number


async def check(call: Call, issued: Collection[Issued], *, ended_will_do: bool) -> None:
    """Ask the lists for each of these; RevokedError where one must not be used."""
    issuers = {issuer for issuer, _ in issued}
    newest: dict[bytes, List] = {}
    for name in await call.store.names(_PREFIX, limit=MOST_LISTS):
        kept = await call.store.fetch(_PREFIX + name, List)
        if kept.issuer not in issuers:
            continue
        before = newest.get(kept.issuer)
        if before is None or before.this_update < kept.this_update:
            newest[kept.issuer] = kept
        revoked = serials(await call.store.fetch(_BODY + name, bytes))
        if any(issuer == kept.issuer and serial in revoked for issuer, serial in issued):
            raise RevokedError(f"revoked, by the list {name}")
    if not ended_will_do and any(kept.ended(call.now) for kept in newest.values()):
        raise RevokedError("the issuer's revocation list has ended")


def read_list(der: bytes) -> x509.CertificateRevocationList:
    """Read a list; InputError for what is none, and for kinds that would be misread."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            parsed = x509.load_der_x509_crl(der)
            kinds = {type(each.value): each.critical for each in parsed.extensions}
            scope = _scope(parsed)
            _ = parsed.last_update_utc, parsed.next_update_utc, parsed.issuer
    except UNREADABLE:
        raise InputError("crl", _UNREADABLE) from None
    if x509.DeltaCRLIndicator in kinds:
        raise InputError("crl", "delta lists are not supported; upload the whole list")
    if scope is not None and scope.indirect_crl:
        raise InputError("crl", "lists that speak for other issuers are not supported")
    if kinds.get(x509.UnrecognizedExtension):
        raise InputError("crl", "has a critical extension that is not known here")
    return parsed


@lru_cache(maxsize=16)
def serials(der: bytes) -> frozenset[int]:
    """Return the serial numbers that a list names; InputError where an item cannot be read."""
    parsed = read_list(der)
    try:
        return frozenset(each.serial_number for each in parsed)
    except UNREADABLE:
        raise InputError("crl", _UNREADABLE) from None


def _scope(parsed: x509.CertificateRevocationList) -> x509.IssuingDistributionPoint | None:
    try:
        return parsed.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return None


def _der(text: str) -> bytes:
    if len(text) > LARGEST * 3 // 2:
        raise InputError("crl", f"larger than {LARGEST:,} bytes")
    try:
        if "-----BEGIN" in text:
            return x509.load_pem_x509_crl(text.encode()).public_bytes(Encoding.DER)
        return b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise InputError("crl", _UNREADABLE) from None


def _digest(name: x509.Name) -> bytes:
    return sha256(name.public_bytes()).digest()
