"""A certificate revocation list as an operator uploads it."""

from __future__ import annotations

from base64 import b64decode

from strongroom.auth.cert.revocation import read_list, serials
from strongroom.base.errors import InputError

_LIST = b64decode(
    b"MIGrMFICAQEwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBchcNMjUxMjMxMDAwMDAwWhcNMjYwMTA2MDAwMDAwWjAVMB"
    b"MCAgPpFw0yNTEyMzEwMDAwMDBaMAoGCCqGSM49BAMCA0kAMEYCIQDDbCSOD2B/X5Pu3TQghRhy2t/o8AYIGOr16a6W"
    b"ElRUewIhAOfht11tr7yHHhiIQ8P8TUyoBfgoDjtc63s76tQWW5JT"
)
SEEDS = (_LIST, _LIST[:-1], _LIST[:40], b"", b"0\x03\x02\x01")


def target(data: bytes) -> None:
    """What can be read names serial numbers and an issuer."""
    try:
        parsed, revoked = read_list(data), serials(data)
    except InputError:
        return
    assert parsed.issuer.public_bytes()
    assert len(revoked) <= len(data)
