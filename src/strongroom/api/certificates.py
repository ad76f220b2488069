"""The server's certificate: an operator's own, or one made here under a CA made here.

Specs  RFC 5280. P-256 throughout; a leaf of 90 days under a CA of ten years that signs nothing
       but leaves.
Order  Key, then certificate, each written to a new file and renamed over the old: a crash
       between the two leaves a pair that does not match, and it is made again at the next start.
Trust  Whoever can read `ca.key` can pose as this server to every client that trusts `ca.pem`;
       whoever can read `server.key`, until that certificate ends. Both are 0600 in a directory
       that is 0700. `now` must be real time, whatever clock the rest runs on: clients judge by
       theirs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from strongroom.base.errors import InputError

Entropy = Callable[[int], bytes]

_LEAF_LIFE = timedelta(days=90)
_RENEW_BEFORE = timedelta(days=30)
_CA_LIFE = timedelta(days=3650)
_SKEW = timedelta(minutes=5)
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, kw_only=True)
class CertificateFiles:
    """A certificate, with the chain above it, and its key; both PEM."""

    certificate: Path
    key: Path


def check_certificate(files: CertificateFiles, now: datetime) -> x509.Certificate:
    """Return the certificate if it can serve; the key must be its own, and nobody else's to read.

    Raises InputError, naming the file, where it cannot.
    """
    certificate = _read_certificate(files.certificate)
    key = _read_key(files.key)
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < 2048:
        raise InputError(str(files.key), f"an RSA key of {key.key_size} bits; 2048 are the least")
    if _spki(key.public_key()) != _spki(certificate.public_key()):
        raise InputError(str(files.key), f"is not the key of {files.certificate}")
    if now < certificate.not_valid_before_utc:
        begins = certificate.not_valid_before_utc
        raise InputError(str(files.certificate), f"is not valid before {begins:%Y-%m-%d %H:%M}")
    if now >= certificate.not_valid_after_utc:
        ended = certificate.not_valid_after_utc
        raise InputError(str(files.certificate), f"expired on {ended:%Y-%m-%d %H:%M} UTC")
    return certificate


def generated_certificate(
    directory: Path, names: Sequence[str], now: datetime, entropy: Entropy
) -> CertificateFiles:
    """Return a certificate for `names` under a CA of our own, making what is missing or ending.

    Clients are given `ca.pem`. A leaf is made again with less than 30 days left, or when the
    names have changed; the CA when it would end before the leaf.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = CertificateFiles(certificate=directory / "ca.pem", key=directory / "ca.key")
    leaf = CertificateFiles(certificate=directory / "server.pem", key=directory / "server.key")
    if not _stands(authority, now + _LEAF_LIFE):
        _make_authority(authority, now, entropy)
    wanted = sorted({_general_name(name) for name in names}, key=repr)
    ca = _read_certificate(authority.certificate)
    if not _stands(leaf, now + _RENEW_BEFORE) or not _fits(leaf.certificate, ca, wanted):
        _make_leaf(leaf, authority, wanted, now, entropy)
    return leaf


def _make_authority(files: CertificateFiles, now: datetime, entropy: Entropy) -> None:
    key = _new_key(entropy)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"strongroom CA {entropy(4).hex()}")])
    usage = _key_usage(signs_certificates=True)
    public = key.public_key()
    built = (
        _builder(name, name, public, now, _CA_LIFE, entropy)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_pair(files, key, built)


def _make_leaf(
    files: CertificateFiles,
    authority: CertificateFiles,
    names: Sequence[x509.GeneralName],
    now: datetime,
    entropy: Entropy,
) -> None:
    ca = _read_certificate(authority.certificate)
    ca_key = _read_key(authority.key)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = _new_key(entropy)
    public = key.public_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "strongroom")])
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    built = (
        _builder(subject, ca.subject, public, now, _LEAF_LIFE, entropy)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(above, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write_pair(files, key, built)


def _builder(  # noqa: PLR0913, PLR0917  the fields that every certificate has
    subject: x509.Name,
    issuer: x509.Name,
    public: CertificatePublicKeyTypes,
    now: datetime,
    life: timedelta,
    entropy: Entropy,
) -> x509.CertificateBuilder:
    serial = int.from_bytes(entropy(20), "big") >> 1 or 1  # RFC 5280: positive, 20 octets
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _new_key(entropy: Entropy) -> ec.EllipticCurvePrivateKey:
    """Make a P-256 key as FIPS 186-5 A.2.1 does: 64 bits more than the order, reduced."""
    number = int.from_bytes(entropy(40), "big") % (_P256_ORDER - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass  # not an address, so a name
    try:
        return x509.DNSName(name)
    except ValueError:
        raise InputError("names", f"{name!r} cannot stand in a certificate") from None


def _fits(path: Path, authority: x509.Certificate, names: Sequence[x509.GeneralName]) -> bool:
    """Say whether the leaf is the CA's, and for these names."""
    leaf = _read_certificate(path)
    try:
        leaf.verify_directly_issued_by(authority)
        held = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001  many types, one meaning: it is not one that we made
        return False
    return sorted(held, key=repr) == list(names)


def _stands(files: CertificateFiles, until: datetime) -> bool:
    """Say whether a pair of files exists, matches, and lasts; an unsafe mode is an error."""
    if not (files.certificate.exists() and files.key.exists()):
        return False
    _refuse_readable(files.key)
    try:
        certificate, key = _read_certificate(files.certificate), _read_key(files.key)
    except InputError:
        return False
    matches = _spki(key.public_key()) == _spki(certificate.public_key())
    return matches and certificate.not_valid_after_utc > until


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputError(str(path), "holds no PEM certificate") from None


_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def _read_key(path: Path) -> _Key:
    _refuse_readable(path)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    except TypeError:
        raise InputError(str(path), "is encrypted; the server has no passphrase for it") from None
    except ValueError:
        raise InputError(str(path), "holds no PEM private key") from None
    if not isinstance(key, _Key):
        raise InputError(str(path), "is a key of a kind that TLS servers here do not use")
    return key


def _refuse_readable(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    if mode & 0o007:
        problem = f"is open to every user of this machine (mode {mode:04o}); chmod 600 it"
        raise InputError(str(path), problem)


def _spki(key: object) -> bytes:
    assert hasattr(key, "public_bytes")
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert isinstance(encoded, bytes)
    return encoded


def _write_pair(
    files: CertificateFiles, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _replace(files.key, text, 0o600)
    _replace(files.certificate, certificate.public_bytes(Encoding.PEM), 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file so that it is there whole, or as it was before."""
    fresh = path.with_suffix(f"{path.suffix}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
