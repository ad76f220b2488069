"""`/`: the console's pages over HTTP.

Specs  CSP level 3, Trusted Types, Fetch Metadata; WCAG 2.2 AA for what is shown.
Trust  No script and no style but our own hashed files, nothing framed, nothing from another
       origin, no inline code, no string made into markup. Pages are never cached. A page that
       needs somebody sends nobody to the sign-in, and asks the pipeline nothing before that.
       Refusals are pages too and say what the pipeline said, no more. What wants a fresh factor
       leads to where one is shown, and what was sent goes on from there, sealed, once it is. Who
       must enrol a factor first sees the pages for that alone. A session that is over is sent to
       sign in, and its cookie taken back. One page's form goes to a program on the visitor's own
       computer (`console.pages.key`): that page may send it there and nowhere else, and tells that
       program, by its origin, who sent it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from urllib.parse import quote

from strongroom.api.limits import TokenBuckets
from strongroom.api.wire import HttpRequest, HttpResponse
from strongroom.base.errors import InputError
from strongroom.base.ids import uuid_of
from strongroom.console.asking import FORBIDDEN, SEALED, Asker, FreshFactorError, RefusedError
from strongroom.console.assets import PREFIX as ASSETS
from strongroom.console.assets import Assets
from strongroom.console.cookies import Client, Kept, misused, read, read_away, taken_back
from strongroom.console.navigation import ENROLLING, NAVIGATION
from strongroom.console.news import NOTHING, News, news_for
from strongroom.console.pages.step_up import StepUp, step_up_for
from strongroom.console.rendering import Pages
from strongroom.console.visit import (
    MARK,
    Moved,
    Page,
    Shown,
    Visit,
    form_of,
    from_our_page,
    header,
    marked,
    query_of,
)
from strongroom.core.router import Operation
from strongroom.core.server import Server

SIGN_IN = "/sign-in"
ELSEWHERE = "a form that no page of the console sent"
UNREADABLE = "a form or query that no page of the console sends"
UNMARKED = "a form without the mark of its session"
OVER = "a session that is over"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types strongroom"
)
PERMISSIONS = (
    "publickey-credentials-get=(self), publickey-credentials-create=(self), "
    "camera=(), geolocation=(), microphone=()"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", PERMISSIONS.encode()),
)
TO_LOOPBACK = POLICY.replace("form-action 'self'", "form-action http://127.0.0.1:*")
HEADERS_TO_LOOPBACK = (
    (b"content-security-policy", TO_LOOPBACK.encode()),
    (b"referrer-policy", b"origin"),
    *(each for each in HEADERS if each[0] not in (b"content-security-policy", b"referrer-policy")),
)
_FIELD = re.compile(r"\{(\w+)\}")


class Console:
    """Serves every page."""

    def __init__(
        self,
        server: Server,
        pages: Sequence[Page],
        strangers: TokenBuckets | None = None,
    ) -> None:
        self._server = server
        self._bound = None if strangers is None else lambda a: strangers.take(a, monotonic())
        self._assets = Assets()
        self._rendered = Pages(self._assets)
        self._pages = [(_pattern(page.path), page) for page in pages]
        self._step_up = StepUp(server)

    def serves(self, raw_path: bytes) -> bool:
        """Say whether a path is one of ours."""
        path = raw_path.decode("ascii", "replace")
        return self._assets.find(path) is not None or self._find(path) is not None

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request for a path that is ours."""
        path = request.raw_path.decode("ascii", "replace")
        if path.startswith(ASSETS) and (asset := self._assets.find(path)):
            lasting = (b"cache-control", b"public, max-age=31536000, immutable")
            kind = (b"content-type", asset.kind.encode())
            return HttpResponse(200, [kind, lasting, *HEADERS[1:]], asset.body)
        client = Client(address=request.peer[0], agent=header(request, b"user-agent"))
        kept = read(self._server.barrier, cookies_of(request), client)
        found = self._find(path)
        if found is None:
            return self._page(request, kept, _problem(404, "There is no such page."))
        page, _ = found
        visit = self._visit(request, path, found, kept, client)
        try:
            visit = replace(visit, query=query_of(request), form=form_of(request))
        except InputError as error:
            await visit.refused(UNREADABLE)
            return self._page(request, kept, _problem(400, str(error)))
        try:
            made = await self._made(request, page, visit)
        except InputError as error:
            made = _problem(400, str(error))
        token = "" if kept is None or kept.enrols else kept.token
        return self._page(request, kept, made, await news_for(self._server, token))

    async def _made(self, request: HttpRequest, page: Page, visit: Visit) -> Shown | Moved:
        try:
            return await self._serve(request, page, visit)
        except FreshFactorError as refused:
            if visit.kept is None or page.open:
                return _problem(FORBIDDEN, "You may not see this.", *refused.told.errors)
            if visit.method == "POST":
                return await self._step_up.instead(visit, back=page.get is not None)
            return Moved(to=step_up_for(visit.path))
        except RefusedError as refused:
            if refused.told.status == FORBIDDEN and await _is_over(visit):
                await visit.refused(OVER)
                return Moved(to=sign_in_for(visit.path), cookies=(taken_back(),))
            return _refused(refused)

    def _find(self, path: str) -> tuple[Page, Mapping[str, str]] | None:
        for pattern, page in self._pages:
            if match := pattern.fullmatch(path):
                return page, match.groupdict()
        return None

    def _visit(
        self,
        request: HttpRequest,
        path: str,
        found: tuple[Page, Mapping[str, str]],
        kept: Kept | None,
        client: Client,
    ) -> Visit:
        now, cookies = self._server.clock.now(), cookies_of(request)
        asker = Asker(
            pipeline=self._server.pipeline,
            ids=_ids(self._server.entropy),
            token="" if kept is None else kept.token,
            address=request.peer[0],
            port=request.peer[1],
            bound=self._bound,
            turn=None if kept is None or kept.enrols else kept.turn,
        )
        return Visit(
            method=request.method,
            path=path,
            fields=found[1],
            query={},
            form={},
            kept=kept,
            away=read_away(self._server.barrier, cookies, client, now),
            client=client,
            asker=asker,
            now=now,
            page=found[0].path,
        )

    async def _serve(self, request: HttpRequest, page: Page, visit: Visit) -> Shown | Moved:
        serve = page.post if request.method == "POST" else page.get
        if serve is None or request.method not in ("GET", "HEAD", "POST"):
            return _problem(405, "This page cannot be asked for in this way.")
        if not page.open and visit.kept is None:
            await self._note_misused(request, visit)
            return Moved(to=sign_in_for(visit.path))
        if visit.kept is not None and visit.kept.enrols and not (page.enrols or page.open):
            return Moved(to=ENROLLING)
        if request.method == "POST":
            if not from_our_page(request):
                await visit.refused(ELSEWHERE)
                return _problem(403, "This form was not sent by a page of this console.")
            if visit.kept is not None and not page.open and not marked(visit.kept, visit.form):
                await visit.refused(UNMARKED)
                return _problem(403, "This form belongs to another session. Open the page anew.")
        return await serve(visit)

    async def _note_misused(self, request: HttpRequest, visit: Visit) -> None:
        """Write down a cookie that lets nobody in. While sealed none can be judged."""
        if self._server.barrier.sealed:
            return
        because, kept = misused(self._server.barrier, cookies_of(request))
        if because:
            await visit.refused(because, kept)

    def _page(
        self,
        request: HttpRequest,
        kept: Kept | None,
        made: Shown | Moved,
        news: News = NOTHING,
    ) -> HttpResponse:
        cookies = [(b"set-cookie", each.encode()) for each in made.cookies]
        loopback = isinstance(made, Shown) and made.to_loopback
        strict = HEADERS_TO_LOOPBACK if loopback else HEADERS
        fixed = [(b"cache-control", b"no-store"), *cookies, *strict]
        if request.tls is not None:
            fixed.append((b"strict-transport-security", b"max-age=31536000"))
        if isinstance(made, Moved):
            return HttpResponse(303, [(b"location", made.to.encode("ascii")), *fixed])
        settings = self._server.settings
        data = {
            "here": request.raw_path.decode("ascii", "replace"),
            "signed_in": kept is not None,
            "form_field": MARK,
            "form_mark": "" if kept is None else kept.form,
            "now": self._server.clock.now(),
            "simulated": settings.simulated,
            "cluster": settings.cluster_name,
            "navigation": () if kept is not None and kept.enrols else NAVIGATION,
            "news": news,
            **made.data,
        }
        body = self._rendered.render(made.template, data)
        kind = (b"content-type", b"text/html; charset=utf-8")
        return HttpResponse(made.status, [kind, *fixed], body)


def _problem(status: int, said: str, *more: str) -> Shown:
    data = {"status": status, "said": said, "more": more}
    return Shown(template="problem.html", data=data, status=status)


async def _is_over(visit: Visit) -> bool:
    """Say whether the visitor's token is none any more, rather than refused just this."""
    told = await visit.asker.ask(Operation.READ, "sys/internal/ui/mounts")
    return told.status == FORBIDDEN


def _refused(refused: RefusedError) -> Shown:
    """Return the page for a refusal."""
    told = refused.told
    said = {
        FORBIDDEN: "You may not see this.",
        404: "There is no such thing.",
        SEALED: "The server is sealed, or cannot write its log.",
    }
    return _problem(told.status, said.get(told.status, "This could not be shown."), *told.errors)


def cookies_of(request: HttpRequest) -> list[str]:
    """Return the headers with cookies."""
    return [value.decode("latin-1") for name, value in request.headers if name == b"cookie"]


def sign_in_for(path: str) -> str:
    """Return where somebody signs in who wanted to see a page."""
    return f"{SIGN_IN}?next={quote(path, safe='/')}"


def _pattern(path: str) -> re.Pattern[str]:
    literal = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
    return re.compile(_FIELD.sub(r"(?P<\1>[A-Za-z0-9_.:@~-]+)", literal))


def _ids(entropy: Callable[[int], bytes]) -> Iterator[str]:
    while True:
        yield uuid_of(entropy(16))
