"""TokenReview: a cluster's word on whose service account token this is.

Specs   Kubernetes API `authentication.k8s.io/v1`, TokenReview; names as RFC 1123 labels and
        subdomains, which is what a cluster takes.
Units   A cluster has `PATIENCE` for its answer, and `LARGEST` bytes.
Trust   Nothing of a token is believed but what the cluster says of it, and of that nothing which
        does not have the form that a cluster gives it. An answer for other audiences than the one
        that was asked for, or for none, is no answer: a cluster that is too old says it so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from strongroom.base.secret import Secret
from strongroom.sdk.web import Question, Response, Web

PATIENCE: Final = timedelta(seconds=5)
LARGEST: Final = 64 * 1024
LONGEST_TOKEN: Final = 16 * 1024  # characters
PATH: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}", re.ASCII)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_USER: Final = re.compile(
    rf"system:serviceaccount:(?P<namespace>{_LABEL}):(?P<name>{_LABEL}(?:\.{_LABEL})*)", re.ASCII
)
_UID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_LONGEST_NAME: Final = 253


class ReviewError(Exception):
    """A token that the cluster did not vouch for. The text says why, for the log."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A service account, as the cluster names it."""

    namespace: str
    name: str
    uid: str


class _User(msgspec.Struct):
    username: str = ""
    uid: str = ""


class _Status(msgspec.Struct):
    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)
    audiences: list[str] = msgspec.field(default_factory=list)


class _Review(msgspec.Struct):
    kind: str = ""
    status: _Status = msgspec.field(default_factory=_Status)


_decode: Final = msgspec.json.Decoder(_Review).decode


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster's API: where it is, and whose word its certificate is taken on (PEM)."""

    web: Web
    url: str
    authorities: str

    async def review(self, token: Secret, *, reviewer: Secret, audience: str) -> Account:
        """Ask whose token this is, as whom `reviewer` is.

        Raises ReviewError where it is nobody's, or not for this audience; InputError and
        UpstreamError as `Web.ask` does.
        """
        spec: dict[str, object] = {"token": token.text()}
        if audience:
            spec["audiences"] = [audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        answer = await self.web.ask(
            Question(
                url=self.url.rstrip("/") + PATH,
                method="POST",
                headers={
                    "authorization": f"Bearer {reviewer.text()}",
                    "content-type": "application/json",
                    "accept": "application/json",
                },
                body=msgspec.json.encode(body),
                authorities=self.authorities,
                within=PATIENCE,
                most=LARGEST,
            )
        )
        return account_of(answer, audience)


def account_of(answer: Response, audience: str) -> Account:
    """Read a cluster's answer; ReviewError for any that does not vouch for a service account."""
    if answer.status not in {200, 201}:
        raise ReviewError(f"the cluster refused the review with {answer.status}")
    try:
        review = _decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ReviewError("the cluster's answer is no review") from None
    status = review.status
    if review.kind != "TokenReview" or not status.authenticated:
        raise ReviewError("the cluster does not know the token, or it is for another audience")
    if audience and audience not in status.audiences:
        raise ReviewError("the cluster vouches for another audience")
    user, uid = _USER.fullmatch(status.user.username), _UID.fullmatch(status.user.uid)
    if user is None or uid is None or len(user["name"]) > _LONGEST_NAME:
        raise ReviewError("the token is not a service account's")
    return Account(namespace=user["namespace"], name=user["name"], uid=uid[0])
