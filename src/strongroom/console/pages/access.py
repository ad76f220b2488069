"""Who can do what: for a path everybody who can, for somebody everything they can, and all of it.

Each is as of now, or of a past moment. Answers are the pipeline's, to the visitor: who may not ask
is told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from strongroom.base.errors import InputError
from strongroom.console.asking import Told
from strongroom.console.fields import time_of
from strongroom.console.visit import Page, Shown, Visit
from strongroom.core.router import Operation

CAPABILITIES: Final = ("read", "create", "update", "patch", "delete", "list", "scan", "sudo")
ROWS: Final = 50
LONGEST: Final = 4096


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (Page(path="/access", get=answer),)


async def answer(visit: Visit) -> Shown:
    """Answer what is asked: of a path, of somebody, or of everybody."""
    asked = {name: visit.query.get(name, "").strip() for name in ("path", "capability", "at")}
    asked |= {name: visit.query.get(name, "").strip() for name in ("whom", "below", "after")}
    asked["matrix"] = visit.query.get("matrix", "")
    if max(map(len, asked.values())) > LONGEST:
        raise InputError("path", f"longer than {LONGEST} characters")
    at = time_of(asked["at"])
    when = {"at": at} if at else {}
    if asked["path"]:
        told = await _who(visit, asked, when)
    elif asked["whom"]:
        told = await _what(visit, asked["whom"], when)
    elif "below" in visit.query or asked["matrix"]:
        told = await _everybody(visit, asked, when)
    else:
        told = None
    data: dict[str, object] = {
        "asked": asked,
        "capabilities": [(each, each) for each in CAPABILITIES],
        "told": told,
        "errors": told.errors if told is not None else (),
        "more": _more(asked, told),
    }
    status = told.status if told is not None and not told.ok else 200
    return Shown(template="access.html", data=data, status=status)


async def _who(visit: Visit, asked: Mapping[str, str], when: Mapping[str, str]) -> Told:
    query = {"path": asked["path"], "capability": asked["capability"] or "read", **when}
    query |= {"limit": str(ROWS), "after": asked["after"]}
    return await _ask(visit, "who", query)


async def _what(visit: Visit, whom: str, when: Mapping[str, str]) -> Told:
    named = await visit.asker.ask(Operation.READ, f"identity/entity/name/{whom}")
    entity = str(named.data["id"]) if named.ok else whom
    return await _ask(visit, "what", {"entity": entity, **when})


async def _everybody(visit: Visit, asked: Mapping[str, str], when: Mapping[str, str]) -> Told:
    query = {"limit": str(ROWS), "after": asked["after"]}
    query |= {"matrix": asked["matrix"]} if asked["matrix"] else {"below": asked["below"], **when}
    return await _ask(visit, "everybody", query)


async def _ask(visit: Visit, question: str, query: Mapping[str, str]) -> Told:
    given = {name: [value] for name, value in query.items() if value}
    return await visit.asker.ask(Operation.READ, f"strongroom/access/{question}", query=given)


def _more(asked: Mapping[str, str], told: Told | None) -> str:
    """Return the address of what follows, or nothing."""
    if told is None or not told.ok or not told.data.get("next"):
        return ""
    found: dict[str, Any] = {name: asked[name] for name in ("path", "capability", "at")}
    if told.data.get("matrix"):
        found = {"matrix": told.data["matrix"]}
    return f"?{urlencode({**found, 'after': told.data['next']})}"
