"""What a Kubernetes cluster answers to a TokenReview."""

from __future__ import annotations

from strongroom.auth.kubernetes.review import ReviewError, account_of
from strongroom.sdk.web import Response

_USER = b'"user": {"username": "system:serviceaccount:payments:app", "uid": "u-1"}'
SEEDS = (
    b'{"kind": "TokenReview", "status": {"authenticated": true, "audiences": ["a"], '
    + _USER
    + b"}}",
    b'{"kind": "TokenReview", "status": {"authenticated": false}}',
    b'{"kind": "Status"}',
    b"[]",
    b"",
)


def target(data: bytes) -> None:
    """An account is named as a cluster names accounts, or nobody is vouched for."""
    try:
        account = account_of(Response(status=201, headers={}, body=data), "a")
    except ReviewError:
        return
    assert 0 < len(account.name) <= 253
    assert 0 < len(account.namespace) <= 63
    assert 0 < len(account.uid) <= 128
    assert " " not in account.name + account.namespace + account.uid
