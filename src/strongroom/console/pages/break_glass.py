"""Break-glass: opening a case, what is left of it, and what is still to do.

Trust  To open takes a fresh security key, and to extend or review another person: both are the
       pipeline's to say, as for anybody.
"""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.base.errors import InputError
from strongroom.console.asking import Told
from strongroom.console.fields import lines_of, words_of
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation

_TYPED = ("paths", "capabilities", "groups", "ttl", "reason")
_AREA = "strongroom/break-glass"
_NOTICES = "strongroom/notices"


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (
        Page(path="/break-glass", get=every),
        Page(path="/break-glass/new", get=ask, post=send),
        Page(path="/break-glass/{id}", get=one),
        Page(path="/break-glass/{id}/{decision}", post=decide),
        Page(path="/notices", get=inbox, post=read),
    )


async def every(visit: Visit) -> Shown:
    """Show every case that the visitor may see, or else their own."""
    told = await visit.asker.ask(Operation.LIST, _AREA)
    if not told.ok and told.status != 404:
        told = await visit.asker.ask(Operation.LIST, f"{_AREA}/self")
    found = list((told.data.get("key_info") or {}).values()) if told.ok else []
    rows = sorted(found, key=lambda each: str(each["opened_at"]), reverse=True)
    return Shown(template="break_glass.html", data={"told": told, "rows": rows})


# -- opening


async def ask(_visit: Visit) -> Shown:
    """Show the form."""
    return _form(dict.fromkeys(_TYPED, "") | {"capabilities": "read"})


def _form(typed: Mapping[str, str], told: Told | None = None) -> Shown:
    data = {"typed": typed, "errors": told.errors if told is not None else ()}
    status = told.status if told is not None else 200
    return Shown(template="break_glass_new.html", data=data, status=status)


async def send(visit: Visit) -> Shown | Moved:
    """Open a case, or a drill."""
    typed = {name: visit.form.get(name, "") for name in _TYPED}
    given: dict[str, object] = {"reason": typed["reason"].strip()}
    if visit.form.get("step") == "drill":
        given["drill"] = True
    else:
        given["paths"] = lines_of(typed["paths"])
        given["groups"] = words_of(typed["groups"])
        if given["paths"]:
            given["capabilities"] = words_of(typed["capabilities"])
        if typed["ttl"].strip():
            given["ttl"] = typed["ttl"].strip()
    told = await visit.asker.write(_AREA, **given)
    return Moved(to=f"/break-glass/{told.data['id']}") if told.ok else _form(typed, told)


# -- a case


async def one(visit: Visit) -> Shown:
    """Show one."""
    return await _one(visit)


async def _one(visit: Visit, told: Told | None = None) -> Shown:
    case = await visit.asker.read(f"{_AREA}/{visit.fields['id']}")
    names: dict[str, str] = {}
    said = (case.data["holder"], case.data["closed_by"], case.data["reviewer"])
    for each in filter(None, (*said, *(e["by"] for e in case.data["extensions"]))):
        found = await visit.asker.ask(Operation.READ, f"strongroom/people/{each}")
        names[each] = found.data["name"] if found.ok else each
    data = {
        "case": case.data,
        "index": case.index,
        "names": names,
        "errors": told.errors if told is not None else (),
        "typed": visit.form if told is not None else {},
    }
    return Shown(
        template="break_glass_case.html",
        data=data,
        status=told.status if told is not None else 200,
    )


async def decide(visit: Visit) -> Shown | Moved:
    """Close, extend or review it, or let its holder open another."""
    id_, decision = visit.fields["id"], visit.fields["decision"]
    form = {name: text.strip() for name, text in visit.form.items()}
    given: dict[str, dict[str, object]] = {
        "close": {"done": form.get("done", "")},
        "extend": {"ttl": form.get("ttl", ""), "because": form.get("because", "")},
        "review": {
            "verdict": form.get("verdict", ""),
            "words": form.get("words", ""),
            "findings": lines_of(form.get("findings", "")),
        },
        "waive": {"because": form.get("because", "")},
    }
    if decision not in given:
        raise InputError("decision", "close, extend, review or waive")
    told = await visit.asker.write(f"{_AREA}/{id_}/{decision}", **given[decision])
    return Moved(to=f"/break-glass/{id_}") if told.ok else await _one(visit, told)


# -- what one was told


async def inbox(visit: Visit) -> Shown:
    """Show what the visitor was told."""
    return await _inbox(visit)


async def _inbox(visit: Visit, told: Told | None = None) -> Shown:
    found = await visit.asker.ask(Operation.LIST, _NOTICES)
    rows = list((found.data.get("key_info") or {}).values()) if found.ok else []
    data = {"rows": rows, "told": found, "errors": told.errors if told is not None else ()}
    return Shown(template="notices.html", data=data)


async def read(visit: Visit) -> Shown | Moved:
    """Note that all of it was read."""
    told = await visit.asker.write(f"{_NOTICES}/read")
    return Moved(to="/notices") if told.ok else await _inbox(visit, told)
