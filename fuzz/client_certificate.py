"""A certificate as a TLS client shows it, and all that is read out of it."""

from __future__ import annotations

from base64 import b64decode

from strongroom.auth.cert.certificates import leaf_of, shown
from strongroom.auth.cert.spiffe import SvidError, domain_of, spiffe_id
from strongroom.auth.cert.texts import text_of
from strongroom.base.errors import InputError

_SVID = b64decode(
    b"MIIBrzCCAVagAwIBAgICA+kwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBcjAeFw0yNTEyMzEwMDAwMDBaFw0yNjAxMT"
    b"EwMDAwMDBaMBgxCjAIBgNVBAsMAXUxCjAIBgNVBAMMAXcwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATASPyQHVaB"
    b"seqOxhXplFOBVyBM2dMz8UB2WOojLIws4EgjqB0BZbVH1y/NfBiWdW9sDtY8R5nSNeuZbvZZpGiGo4GbMIGYMAwGA1"
    b"UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeAMB0GA1UdDgQWBBRXe0hzkG3dFZBBgDjhlMnBwxUDRDAfBgNVHSMEGDAW"
    b"gBQJkHeoxX2pWZfQ47okzHj15bHnoTAYBgNVHREEETAPhg1zcGlmZmU6Ly90ZC93MAkGAioDBAMMAWEwEwYDVR0lBA"
    b"wwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDRwAwRAIgbCW51/J1rkTdO+3EsJWzVrGvtWbJp0owxp4t6YzCDawCIEiU"
    b"gjQ5Nnw4WTjCBoKxJz+jc5NItyvqLUN2vSD3KJmB"
)
SEEDS = (_SVID, _SVID[:-1], b"", b"0\x80\x00\x00", b"\x0c\x01a", b"\x0c\x82\x00\x80")


def target(data: bytes) -> None:
    """What can be read has names of bounded length; what claims to be an SVID has a domain."""
    text = text_of(data)
    assert text is None or len(text) <= len(data)
    try:
        [certificate] = shown([data])
        leaf = leaf_of(certificate)
        identity = spiffe_id(leaf)
    except (InputError, SvidError):
        return
    assert all(len(name) <= 512 for name in (leaf.common_name, *leaf.uris, *leaf.dns))
    assert not identity or domain_of(identity)
