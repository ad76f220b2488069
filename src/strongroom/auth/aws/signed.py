"""A request to STS that a client signed and did not send: read, and checked before it is.

Specs   AWS Signature Version 4; STS `GetCallerIdentity` (API version 2011-06-15).
Vault   `iam_request_url`, `iam_request_body` and `iam_request_headers` are base64; the headers are
        a JSON object, of texts or of lists of one text, which may also come as it is.
Trust   All of it is the client's own words. It must be this one request and nothing else: where it
        goes is decided by the mount, the body is compared with what it has to be, and headers that
        are not known are refused rather than left out. The signature itself only AWS can check.
Limits  `OLDEST` old at most. Until then who has seen a login can send it again, as in Vault; the
        server id keeps it from being sent to another server.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

LARGEST: Final = 16 * 1024
MOST_HEADERS: Final = 32
OLDEST: Final = timedelta(minutes=15)
SERVER_ID: Final = "x-vault-aws-iam-server-id"
ALLOWED: Final = frozenset(
    {
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-user-agent",
        SERVER_ID,
    }
)
MUST_BE_SIGNED: Final = frozenset({"host", "x-amz-date"})
_BY_HTTP: Final = frozenset({"host", "content-length"})  # what whoever sends it writes anew
_BODY: Final = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
_TYPE: Final = "application/x-www-form-urlencoded"
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_VALUE: Final = re.compile(r"[\x20-\x7e]{1,4096}", re.ASCII)
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 "
    r"Credential=[A-Z0-9]{4,128}/(?P<day>\d{8})/(?P<region>[a-z0-9-]{1,32})/sts/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9-]{1,64}(?:;[a-z0-9-]{1,64}){0,31}), ?"
    r"Signature=[0-9a-f]{64}",
    re.ASCII,
)
_headers: Final = msgspec.json.Decoder(dict[str, str | list[str]]).decode
_text: Final = msgspec.json.Decoder(str).decode


class UnsignedError(Exception):
    """A request that must not be sent. The text is for the log, and holds nothing of it."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the mount asks of a request. `hosts` are those that it may be for, with ports."""

    hosts: Collection[str]
    any_region: bool = False
    server_id: str = ""
    more_headers: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A request as it may be sent to `https://{host}/`."""

    host: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request as it came with a login; `headers` is a JSON value."""

    method: str
    url: str
    body: str = field(repr=False)
    headers: bytes = field(repr=False)


def checked(sent: Sent, rules: Rules, now: datetime) -> Signed:
    """Return the request; UnsignedError unless it is a signed GetCallerIdentity, no more."""
    if sent.method != "POST":
        raise UnsignedError("another method than POST")
    host = _host(_decoded(sent.url), rules)
    body = _decoded(sent.body)
    _check_body(body)
    found = _read(sent.headers, ALLOWED | {name.lower() for name in rules.more_headers})
    _check_signature(found, host, now)
    _check_server_id(found, rules.server_id)
    if found.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise UnsignedError("another type of body than a form's")
    if found.get("content-length", str(len(body))) != str(len(body)):
        raise UnsignedError("a length that is not the body's")
    kept = {name: value for name, value in found.items() if name not in _BY_HTTP}
    return Signed(host=host, headers=kept, body=body)


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True) if len(text) <= LARGEST else b""
    except ValueError:
        raise UnsignedError("not base64") from None


def _host(raw: bytes, rules: Rules) -> str:
    """Return where the request is for; never anywhere that the mount does not know."""
    try:
        url = urlsplit(raw.decode("ascii"))
        _ = url.port
    except ValueError:
        raise UnsignedError("not a URL") from None
    host = url.netloc.lower()
    if url.scheme not in {"https", "http"} or url.path not in {"", "/"} or url.query:
        raise UnsignedError("a URL that is not that of STS")
    if url.fragment or raw.endswith((b"?", b"#")) or not raw.isascii() or b"\\" in raw:
        raise UnsignedError("a URL that is not that of STS")
    host = host.removesuffix(":443") if url.scheme == "https" else host
    if host not in rules.hosts and not (rules.any_region and REGIONAL.fullmatch(host)):
        raise UnsignedError("a request to another host than STS")
    return host


REGIONAL: Final = re.compile(
    r"sts(?:-fips)?\.(?:us|eu|ap|sa|ca|me|af|il|mx)(?:-gov)?-[a-z]{4,9}-\d\.amazonaws\.com"
    r"|sts\.cn-[a-z]{4,9}-\d\.amazonaws\.com\.cn",
    re.ASCII,
)


def _check_body(body: bytes) -> None:
    """Compare the body with what it has to be, in either order of its two fields."""
    try:
        pairs = parse_qsl(body.decode("ascii"), strict_parsing=True, max_num_fields=2)
    except ValueError:
        pairs = []
    if len(pairs) != 2 or dict(pairs) != _BODY or b"%" in body or b"+" in body:
        raise UnsignedError("another request than GetCallerIdentity")


def _read(raw: bytes, allowed: Collection[str]) -> dict[str, str]:
    """Return headers by their names in lower case, each of one value."""
    try:
        if raw[:1] == b'"':
            raw = _decoded(_text(raw))
        found = _headers(raw) if len(raw) <= LARGEST else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnsignedError("headers that are no JSON object of texts") from None
    headers: dict[str, str] = {}
    for name, value in found.items():
        values = [value] if isinstance(value, str) else value
        plain = name.lower()
        if len(values) != 1 or not _NAME.fullmatch(name) or not _VALUE.fullmatch(values[0]):
            raise UnsignedError("a header that is none, or has several values")
        if plain in headers or plain not in allowed or len(headers) >= MOST_HEADERS:
            raise UnsignedError("a header that is not allowed, or comes twice")
        headers[plain] = values[0]
    return headers


def _check_signature(headers: Mapping[str, str], host: str, now: datetime) -> None:
    """Look at what is signed, for when and for what; not at the signature."""
    authorization = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if authorization is None:
        raise UnsignedError("no signature of version 4 for STS")
    signed = set(authorization["signed"].split(";"))
    own = {name for name in headers if name.startswith(("x-amz-", "x-vault-"))}
    if not (MUST_BE_SIGNED | own) <= signed:
        raise UnsignedError("a header that must be signed, and is not")
    if not signed <= headers.keys() | {"host", "content-length"}:
        raise UnsignedError("a signed header that is not there")
    given = headers.get("host", host).lower()
    if given.removesuffix(":443") != host:
        raise UnsignedError("a host that is not the URL's")
    try:
        at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except (ValueError, KeyError):
        raise UnsignedError("no time that it was signed at") from None
    if abs(now - at) > OLDEST or not headers["x-amz-date"].startswith(authorization["day"]):
        raise UnsignedError("signed too long ago, or for another day")


def _check_server_id(headers: Mapping[str, str], wanted: str) -> None:
    """Where the mount has a server id, the request must be for this server."""
    given = headers.get(SERVER_ID, "")
    if wanted and not compare_digest(given.encode(), wanted.encode()):
        raise UnsignedError("not signed for this server")
