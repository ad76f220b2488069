"""A signed request to STS as a client sends it with a login, and what STS answers."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime

from strongroom.auth.aws.principals import PrincipalError
from strongroom.auth.aws.signed import Rules, Sent, UnsignedError, checked
from strongroom.auth.aws.sts import principal_in
from strongroom.base.errors import UpstreamError
from strongroom.sdk.web import Response

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_BODY = b64encode(b"Action=GetCallerIdentity&Version=2011-06-15").decode()
_URL = b64encode(b"https://sts.amazonaws.com/").decode()
_AUTHORIZATION = (
    b"AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/sts/aws4_request, "
    b"SignedHeaders=content-type;host;x-amz-date, Signature=" + b"0" * 64
)
_HEADERS = (
    b'{"Content-Type": "application/x-www-form-urlencoded", "X-Amz-Date": "20260101T000000Z", '
    b'"Authorization": "' + _AUTHORIZATION + b'"}'
)
_ANSWER = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/a"
    b"</Arn><UserId>AIDA1</UserId><Account>123456789012</Account></GetCallerIdentityResult>"
    b"</GetCallerIdentityResponse>"
)
SEEDS = (_HEADERS, b'"' + b64encode(_HEADERS) + b'"', _ANSWER, b"", b"{}", b"null")


def target(data: bytes) -> None:
    """What may be sent goes to STS; what was answered names somebody of the account, or nobody."""
    rules = Rules(hosts=frozenset({"sts.amazonaws.com"}))
    for url, body, headers in (
        (_URL, _BODY, data),
        (data.decode("latin-1"), _BODY, _HEADERS),
        (_URL, data.decode("latin-1"), _HEADERS),
        (b64encode(data).decode(), b64encode(data).decode(), _HEADERS),
    ):
        try:
            request = checked(Sent(method="POST", url=url, body=body, headers=headers), rules, _AT)
        except UnsignedError:
            continue
        assert request.host == "sts.amazonaws.com"
        assert all(value.isprintable() for value in request.headers.values())
    try:
        principal = principal_in(Response(status=200, headers={}, body=data))
    except (PrincipalError, UpstreamError):
        return
    assert f"::{principal.account}:" in principal.arn
