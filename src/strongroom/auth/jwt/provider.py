"""Asks a provider for its keys and its discovery document, and remembers what it said.

Specs   OpenID Connect Discovery 1.0; RFC 7517 for the key set.
Units   What was fetched is used for five minutes without asking, and for an hour while the provider
        does not answer. Whatever tokens come, it is asked at most every ten seconds.
Order   Whoever needs keys that are not here waits for the one fetch that is under way. Nothing is
        stored: a restart asks anew. Asking twice is once, so a request that is served again can.
Trust   Whoever answers for the provider decides who gets in, as far as roles let them; that is what
        TLS and `oidc_discovery_ca_pem` are for. A document that names another issuer is refused,
        as are endpoints in clear where the provider itself is not. How large and how many things
        are that it may say is bounded, and so is how long it may take to say them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from strongroom.auth.jwt.keys import KeysError, PublicKey, keys_of_set
from strongroom.auth.jwt.token import JsonError, parse_object
from strongroom.base.errors import InputError, UpstreamError
from strongroom.sdk.web import Question, Web

FRESH: Final = timedelta(minutes=5)
STALE: Final = timedelta(hours=1)
PAUSE: Final = timedelta(seconds=10)
PATIENCE: Final = timedelta(seconds=5)
LARGEST: Final = 512 * 1024
MOST_PROVIDERS: Final = 256
WELL_KNOWN: Final = ".well-known/openid-configuration"
_OK: Final = 200
_logger = logging.getLogger("strongroom")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where keys come from: one of the two URLs, and who is trusted to answer there."""

    mount: str
    discovery_url: str = ""
    jwks_url: str = ""
    authorities: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a provider said: its document where it has one, and its keys."""

    document: Mapping[str, Any]
    keys: tuple[PublicKey, ...]

    def text(self, name: str) -> str:
        """Return a member of the document, empty where it is missing."""
        found = self.document.get(name)
        return found if isinstance(found, str) else ""


@dataclass(slots=True)
class _Kept:
    """What is remembered of one source. `fetched_at` is of `known`, `tried_at` of the last try."""

    known: Known | None = None
    fetched_at: datetime | None = None
    tried_at: datetime | None = None
    under_way: asyncio.Task[None] | None = None


class Providers:
    """Remembers what providers said. Lives as long as the process; holds no secret."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._kept: OrderedDict[Source, _Kept] = OrderedDict()

    async def known(self, source: Source, now: datetime) -> Known:
        """Return what the provider said last; UpstreamError where nothing of it can be used."""
        kept = self._of(source)
        due = _age(kept.fetched_at, now) > FRESH and _age(kept.tried_at, now) > PAUSE
        if due or (kept.known is None and _is_here(kept.under_way)):
            await self._fetch(source, kept, now)
        if kept.known is None or _age(kept.fetched_at, now) > STALE:
            raise UpstreamError("the provider of the keys does not answer")
        return kept.known

    async def newer(self, source: Source, than: Known, now: datetime) -> Known | None:
        """Return what the provider says now, where it may be asked and says something else.

        For a signature that none of its keys made: they may have been replaced.
        """
        kept = self._of(source)
        if _is_here(kept.under_way) or _age(kept.tried_at, now) > PAUSE:
            await self._fetch(source, kept, now)
        return kept.known if kept.known is not than else None

    async def check(self, source: Source, now: datetime) -> Known:
        """Ask now, whatever is remembered; UpstreamError or InputError say what is wrong."""
        known = await self._ask(source)
        kept = self._of(source)
        kept.known, kept.fetched_at, kept.tried_at = known, now, now
        return known

    def _of(self, source: Source) -> _Kept:
        kept = self._kept.setdefault(source, _Kept())
        self._kept.move_to_end(source)
        while len(self._kept) > MOST_PROVIDERS:
            self._kept.popitem(last=False)
        return kept

    async def _fetch(self, source: Source, kept: _Kept, now: datetime) -> None:
        """Ask once for all who wait; what comes of it is in `kept`."""
        if not _is_here(kept.under_way):
            kept.tried_at = now
            kept.under_way = asyncio.get_running_loop().create_task(
                self._fetched(source, kept, now)
            )
        task = kept.under_way
        if task is not None:
            await asyncio.wait([task])

    async def _fetched(self, source: Source, kept: _Kept, now: datetime) -> None:
        try:
            known = await self._ask(source)
        except (UpstreamError, InputError) as error:
            _logger.warning("keys of the mount %s: %s", source.mount, error)
            return
        if kept.known is None or (known.keys, known.document) != _content(kept.known):
            kept.known = known
        kept.fetched_at = now

    async def _ask(self, source: Source) -> Known:
        if source.jwks_url:
            return Known(document={}, keys=await self._keys(source.jwks_url, source))
        url = f"{source.discovery_url.rstrip('/')}/{WELL_KNOWN}"
        try:
            document = parse_object(await self._got(url, source))
        except JsonError:
            raise UpstreamError("the discovery document is no JSON object") from None
        _check_document(document, source)
        keys = await self._keys(document["jwks_uri"], source)
        return Known(document=document, keys=keys)

    async def _keys(self, url: str, source: Source) -> tuple[PublicKey, ...]:
        try:
            return keys_of_set(await self._got(url, source))
        except KeysError as error:
            raise UpstreamError(str(error)) from None

    async def _got(self, url: str, source: Source) -> bytes:
        question = Question(
            url=url,
            headers={"Accept": "application/json"},
            authorities=source.authorities,
            within=PATIENCE,
            most=LARGEST,
        )
        answer = await self._web.ask(question)
        if answer.status != _OK:
            raise UpstreamError(f"the provider answered {answer.status}")
        return answer.body


def _check_document(document: Mapping[str, Any], source: Source) -> None:
    issuer, keys = document.get("issuer"), document.get("jwks_uri")
    if not isinstance(issuer, str) or not isinstance(keys, str):
        raise UpstreamError("the discovery document lacks its issuer or its keys")
    if issuer.rstrip("/") != source.discovery_url.rstrip("/"):
        raise UpstreamError("the discovery document is of another issuer")
    for name, value in document.items():
        endpoint = name == "jwks_uri" or name.endswith("_endpoint")
        if endpoint and isinstance(value, str) and _is_clear(value) > _is_clear(issuer):
            raise UpstreamError("the discovery document names an endpoint in clear")


def _is_clear(url: str) -> bool:
    return not url.lower().startswith("https://")


def _age(since: datetime | None, now: datetime) -> timedelta:
    """Return how long ago; for ever where it never was, or where the clock has gone back."""
    return timedelta.max if since is None or since > now else now - since


def _is_here(task: asyncio.Task[None] | None) -> bool:
    """Say whether a fetch is under way in this event loop."""
    return task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()


def _content(known: Known) -> tuple[tuple[PublicKey, ...], Mapping[str, Any]]:
    return known.keys, known.document
