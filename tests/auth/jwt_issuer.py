"""An issuer of tokens in this process: its keys, what it signs, and what its URLs answer."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwk, jws

from strongroom.base.errors import UpstreamError
from strongroom.sdk.web import Question, Response

AT = 1_767_225_600  # 2026-01-01, when `testing.mount.Mount` begins
URL = "https://issuer.example"
KINDS: dict[str, tuple[str, Any]] = {
    "RS": ("RSA", 2048),
    "PS": ("RSA", 2048),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}


def key(algorithm: str, name: str = "one") -> Any:
    """Return a private key; the same for the same algorithm and name."""
    return _key(algorithm, name)


@cache
def _key(algorithm: str, name: str) -> Any:
    kind, size = KINDS.get(algorithm) or KINDS[algorithm[:2]]
    made: Any = jwk.generate_key(kind, size, {"kid": name}, private=True)  # type: ignore[call-overload]
    return made


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


class Registry(jws.JWSRegistry):
    """Every algorithm, without opinions: for issuers that may do anything."""

    max_header_length = 1 << 20
    max_payload_length = 1 << 20

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def signed_raw(header: bytes, payload: bytes, algorithm: str, signing: Any) -> str:
    """Sign any two texts as they are."""
    content = f"{encoded(header)}.{encoded(payload)}"
    made = Registry.algorithms[algorithm].sign(content.encode(), signing)
    return f"{content}.{encoded(made)}"


def signed(
    claims: Mapping[str, Any], algorithm: str = "ES256", name: str = "one", **header: Any
) -> str:
    """Sign claims with a key of that name."""
    head = {"alg": algorithm, "kid": name, "typ": "JWT"} | header
    head = {k: v for k, v in head.items() if v is not None}
    texts = [json.dumps(each).encode() for each in (head, claims)]
    return signed_raw(texts[0], texts[1], algorithm, key(algorithm, name))


def pem(algorithm: str, name: str = "one") -> str:
    """Return the public half of a key."""
    text: str = key(algorithm, name).as_pem(private=False).decode()
    return text


def jwks(*keys: Any) -> dict[str, Any]:
    """Return a set of the public halves."""
    return {"keys": [each.as_dict(private=False) for each in keys]}


def claims(**more: Any) -> dict[str, Any]:
    """Return ordinary claims, good for five minutes."""
    usual = {"iss": URL, "sub": "app", "aud": "strongroom", "iat": AT - 1, "exp": AT + 300}
    return {k: v for k, v in (usual | more).items() if v is not None}


class Issuer:
    """The issuer's URLs, asked through `sdk.web.Web`. `down` makes it answer nobody."""

    def __init__(self, url: str = URL) -> None:
        self.url = url
        self.keys: Any = jwks(key("ES256"))
        self.document: dict[str, Any] = {
            "issuer": url,
            "jwks_uri": f"{url}/keys",
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
        }
        self.asked: list[Question] = []
        self.down = False
        self.token: Callable[[Question], Response] = lambda _question: Response(
            status=400, headers={}, body=b"{}"
        )
        self.userinfo: dict[str, Any] | None = None

    def times(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(urlsplit(each.url).path == path for each in self.asked)

    async def ask(self, question: Question) -> Response:
        self.asked.append(question)
        if self.down:
            raise UpstreamError("issuer.example did not answer in time")
        match urlsplit(question.url).path:
            case "/.well-known/openid-configuration":
                return said(self.document)
            case "/keys":
                return said(self.keys)
            case "/token":
                return self.token(question)
            case "/userinfo":
                return said(self.userinfo)
        return Response(status=404, headers={}, body=b"")


def said(value: Any, status: int = 200) -> Response:
    """Return an answer: bytes as they are, anything else as JSON."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Response(status=status, headers={}, body=body)


def form(question: Question) -> dict[str, str]:
    """Return a question's form."""
    return {name: value for name, [value] in parse_qs(question.body.decode()).items()}


def client_of(question: Question) -> str:
    """Return who asks, and the secret: `id:secret`."""
    return b64decode(question.headers["Authorization"].removeprefix("Basic ")).decode()
