"""One visit to a page, and what a page makes of it.

Trust  A form counts only if the browser says that our own page sent it, and, once signed in, if it
       carries the mark that only this session's pages have. What is refused before anything is
       asked is an entry all the same, with whose session it brought, if that is one; it
       holds no cookie, mark or token.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import parse_qs

from strongroom.api.wire import HttpRequest
from strongroom.base.errors import InputError
from strongroom.console.asking import Asker
from strongroom.console.cookies import Away, Client, Kept

LARGEST_FORM = 64 * 1024
MOST_FIELDS = 200
MARK = "form"  # the hidden field that holds a session's mark
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """See the module. `fields` are those of the page's path."""

    method: str
    path: str
    fields: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str] = field(repr=False)
    kept: Kept | None
    away: Away | None
    client: Client
    asker: Asker
    now: datetime
    page: str  # the page's path as it is declared

    async def refused(self, because: str, kept: Kept | None = None) -> None:
        """Have it written down that this was refused, and whose session it brought."""
        asker = self.asker if kept is None else replace(self.asker, token=kept.token)
        await asker.refused(self.method, self.path, self.page, because)

    @property
    def chosen(self) -> list[str]:
        """The names of the boxes that were ticked, in the form's order."""
        return [name for name, value in self.form.items() if value == "on"]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A page: a template and what it shows.

    `to_loopback`: its form goes to a program on the visitor's own computer, and nowhere else.
    """

    template: str
    data: Mapping[str, object] = field(default_factory=dict, repr=False)
    status: int = 200
    cookies: tuple[str, ...] = field(default=(), repr=False)  # headers that give or take one
    to_loopback: bool = False


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Another page, which the browser is to get."""

    to: str
    cookies: tuple[str, ...] = field(default=(), repr=False)


Serve = Callable[[Visit], Awaitable[Shown | Moved]]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page at a path; `{name}` in it is one segment. `open` ones need nobody signed in.

    `enrols`: who must enrol a factor first gets it too, and nothing else.
    """

    path: str
    get: Serve | None = None
    post: Serve | None = None
    open: bool = False
    enrols: bool = False


def header(request: HttpRequest, name: bytes) -> str:
    """Return a header's only value; empty if there is none, or more than one."""
    values = [value for each, value in request.headers if each == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def form_of(request: HttpRequest) -> dict[str, str]:
    """Return a form's fields; InputError for what no form of ours sends."""
    if request.method != "POST":
        return {}
    if header(request, b"content-type").partition(";")[0].strip().lower() != _FORM:
        raise InputError("content-type", f"must be {_FORM}")
    if len(request.body) > LARGEST_FORM:
        raise InputError("form", f"longer than {LARGEST_FORM} bytes")
    return _once(request.body, "form")


def query_of(request: HttpRequest) -> dict[str, str]:
    """Return a query's fields; InputError for what cannot be read."""
    return _once(request.query, "query")


def _once(raw: bytes, what: str) -> dict[str, str]:
    try:
        read = parse_qs(
            raw.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise InputError(what, "not UTF-8, or too many fields") from None
    if twice := next((name for name, values in read.items() if len(values) > 1), None):
        raise InputError(twice[:64], "given twice")
    return {name: values[0] for name, values in read.items()}


def from_our_page(request: HttpRequest) -> bool:
    """Say whether the browser vouches that a page of ours sent this."""
    site = header(request, b"sec-fetch-site")
    if site:
        return site == "same-origin"
    origin = header(request, b"origin")
    return bool(origin) and origin.partition("://")[2] == header(request, b"host")


def marked(kept: Kept, form: Mapping[str, str]) -> bool:
    """Say whether a form carries the session's mark."""
    return hmac.compare_digest(form.get(MARK, "").encode(), kept.form.encode())
