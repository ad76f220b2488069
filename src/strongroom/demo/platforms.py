"""What vouches for programs that keep no secret: a CI platform, and the company's own authority.

The platform signs a token for each job; the authority a certificate for each service. Both are made
here, for the story. The server knows the platform's public key and the authority's certificate.

Units   Times are of the story: whatever is signed must be valid then.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc import jwt
from joserfc.jwk import ECKey

from strongroom.demo.company import RELEASES, REPORTS
from strongroom.demo.stage import Stage

ISSUER: Final = "https://ci.tidewater.example"
AUDIENCE: Final = "strongroom"
JOB: Final = "repository:tidewater/shop:release"
CI_MOUNT, CERT_MOUNT = "ci", "certificates"
_YEAR: Final = timedelta(days=365)
_KEY_FILE: Final = "ci-platform.key"


def enable_platforms(stage: Stage, root: Any) -> None:
    """Let a job and a service in, by what the platform and the authority sign."""
    key = ec.generate_private_key(ec.SECP256R1())
    (stage.directory / _KEY_FILE).write_bytes(_private(key))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    root.sys.enable_auth_method("jwt", path=CI_MOUNT, options={"environment": "staging"})
    trusted = {"jwt_validation_pubkeys": [public.decode()], "bound_issuer": ISSUER}
    root.write_data(f"auth/{CI_MOUNT}/config", data=trusted)
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": [AUDIENCE],
        "bound_subject": JOB,
        "token_policies": [RELEASES],
    }
    root.write_data(f"auth/{CI_MOUNT}/role/{RELEASES}", data=role)
    bound = {"environment": "production"}
    root.sys.enable_auth_method("cert", path=CERT_MOUNT, options=bound)
    authority = _authority(stage)
    taken = {
        "certificate": authority.decode(),
        "allowed_common_names": [REPORTS],
        "token_policies": [REPORTS],
    }
    root.write_data(f"auth/{CERT_MOUNT}/certs/{REPORTS}", data=taken)


def job_token(stage: Stage, *, subject: str = JOB, forged: bool = False) -> str:
    """Return what the platform signs for a job; forged, what somebody else signs in its name."""
    pem = (stage.directory / _KEY_FILE).read_bytes()
    key = _private(ec.generate_private_key(ec.SECP256R1())) if forged else pem
    issued = int(stage.now.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": issued,
        "nbf": issued - 5,
        "exp": issued + 300,
    }
    return jwt.encode({"alg": "ES256"}, claims, ECKey.import_key(key), algorithms=["ES256"])


def service_files(stage: Stage) -> tuple[str, str]:
    """Return the files of the service's certificate and key."""
    return str(stage.directory / "reports.pem"), str(stage.directory / "reports.key")


def _authority(stage: Stage) -> bytes:
    """Make an authority and the certificate of the service; return the authority's."""
    key, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("Tidewater services")
    root = (
        _begun(stage, issuer, issuer, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    leaf = (
        _begun(stage, _name(REPORTS), issuer, own)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(REPORTS)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = map(Path, service_files(stage))
    certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(_private(own))
    return root.public_bytes(serialization.Encoding.PEM)


def _begun(
    stage: Stage, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(stage.now - timedelta(days=1))
        .not_valid_after(stage.now + _YEAR)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
