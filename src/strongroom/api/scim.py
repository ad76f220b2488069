"""`/scim/v2/…`: SCIM's wire, on the same pipeline as `/v1/strongroom/scim/v2/…`.

Specs   RFC 7644: `application/scim+json`, errors as its section 3.12 writes them, a `location`.
Trust   A token comes as on `/v1/`; policy, log and receipts are those of the path below
        `strongroom/`. A refusal says no more here than there.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from strongroom.api.vault import VaultWire, response
from strongroom.api.wire import HttpRequest, HttpResponse
from strongroom.core.pipeline import Pipeline
from strongroom.core.request import Answer

PREFIX: Final = b"/scim/v2/"
UNDER: Final = "strongroom/scim/v2/"
MEDIA: Final = b"application/scim+json"
ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
TYPES: Final = frozenset(
    {
        *("invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax"),
        *("invalidPath", "noTarget", "invalidValue", "invalidVers", "sensitive"),
    }
)
_TAKEN = (b"", MEDIA, b"application/json")
_MERGE_PATCH = (b"content-type", b"application/merge-patch+json")
_WORDS = {401: "a token is needed", 403: "permission denied", 404: "there is no such resource"}
_LOCATION = re.compile(r"https?://[\x21-\x7e]{1,1024}")


class ScimWire:
    """Serves `/scim/v2/…` through the pipeline."""

    def __init__(self, vault: VaultWire, pipeline: Pipeline) -> None:
        self._vault = vault
        self._pipeline = pipeline

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        incoming = self._vault.incoming(_as_ours(request), PREFIX, under=UNDER)
        incoming.wrap_ttl = None
        answer = await self._pipeline.handle(incoming)
        if answer.status >= 400 and answer.status != 503:
            answer.body = failure(answer)
            answer.content_type = MEDIA.decode()
        found = response(answer)
        if answer.status == 201 and (location := _location(answer.body)):
            found.headers.append((b"location", location))
        return found


def _as_ours(request: HttpRequest) -> HttpRequest:
    """Return the request with the type of its patch as the pipeline knows it."""
    if request.method != "PATCH":
        return request
    said = [value for name, value in request.headers if name == b"content-type"]
    if any(each.partition(b";")[0].strip().lower() not in _TAKEN for each in said):
        return request  # refused as on /v1/
    rest = [header for header in request.headers if header[0] != b"content-type"]
    return HttpRequest(
        request.method,
        request.raw_path,
        request.query,
        [*rest, _MERGE_PATCH],
        request.body,
        request.peer,
        request.tls,
    )


def failure(answer: Answer) -> bytes:
    """Return a refusal as SCIM words it."""
    said: Any = msgspec.json.decode(answer.body) if answer.body else {}
    words = said.get("errors") or [] if isinstance(said, dict) else []
    detail = "; ".join(str(each) for each in words) or _WORDS.get(answer.status, "refused")
    kind, _, rest = detail.partition(": ")
    found: dict[str, object] = {"schemas": [ERROR], "status": str(answer.status)}
    if kind in TYPES:
        found["scimType"], detail = kind, rest
    elif answer.status == 400:
        found["scimType"] = "invalidValue"
    return msgspec.json.encode({**found, "detail": detail})


def _location(body: bytes | None) -> bytes | None:
    made: Any = msgspec.json.decode(body) if body else {}
    location = made.get("meta", {}).get("location", "")
    return location.encode() if _LOCATION.fullmatch(location) else None
