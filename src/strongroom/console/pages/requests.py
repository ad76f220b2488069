"""Access for a while: what waits for one's decision, asking, deciding, and what one was granted.

Trust  A decision carries the revision that was on the page: what was edited meanwhile is refused.
       Who may decide, and that it takes a fresh factor, is the pipeline's to say.
"""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.base.errors import InputError
from strongroom.console.asking import Told
from strongroom.console.fields import lines_of, time_of, words_of
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation

_TYPED = ("paths", "capabilities", "groups", "ttl", "until", "reason")
_DONE = ("approve", "deny")
_AREA = "strongroom/requests"


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (
        Page(path="/requests", get=every),
        Page(path="/requests/new", get=ask, post=send),
        Page(path="/requests/{id}", get=one),
        Page(path="/requests/{id}/{decision}", post=decide),
        Page(path="/grants", get=mine),
        Page(path="/grants/{id}/end", post=end),
    )


async def every(visit: Visit) -> Shown:
    """Show what waits for the visitor's decision, and what they asked for themselves."""
    inbox = await visit.asker.ask(Operation.LIST, f"{_AREA}/inbox")
    own = await visit.asker.ask(Operation.LIST, f"{_AREA}/self")
    data = {"inbox": inbox, "own": own, "waiting": _rows(inbox), "asked": _rows(own)}
    return Shown(template="requests.html", data=data)


def _rows(told: Told) -> list[Mapping[str, object]]:
    found = list((told.data.get("key_info") or {}).values())
    return sorted(found, key=lambda each: str(each["edited_at"]), reverse=True)


# -- asking


async def ask(_visit: Visit) -> Shown:
    """Show the form."""
    return _form(dict.fromkeys(_TYPED, "") | {"capabilities": "read", "ttl": "1h"})


def _form(
    typed: Mapping[str, str], told: Told | None = None, needs: Mapping[str, object] | None = None
) -> Shown:
    errors = told.errors if told is not None and not told.ok else ()
    status = told.status if errors and told is not None else 200
    data = {"typed": typed, "errors": errors, "needs": needs}
    return Shown(template="request_new.html", data=data, status=status)


async def send(visit: Visit) -> Shown | Moved:
    """Tell what it will need; or ask for it."""
    form = visit.form
    typed = {name: form.get(name, "") for name in _TYPED}
    given: dict[str, object] = {
        "paths": lines_of(typed["paths"]),
        "capabilities": words_of(typed["capabilities"]),
        "groups": words_of(typed["groups"]),
        "reason": typed["reason"].strip(),
    }
    if typed["ttl"].strip():
        given["ttl"] = typed["ttl"].strip()
    if until := time_of(typed["until"]):
        given["until"] = until
    if form.get("step") == "preview":
        told = await visit.asker.write(f"{_AREA}/preview", **given)
        return _form(typed, told, told.data if told.ok else None)
    told = await visit.asker.write(_AREA, **given)
    return Moved(to=f"/requests/{told.data['id']}") if told.ok else _form(typed, told)


# -- deciding


async def one(visit: Visit) -> Shown:
    """Show one with its approvals, and what it still needs."""
    return await _one(visit)


async def _one(visit: Visit, told: Told | None = None, because: str = "") -> Shown:
    asker = visit.asker
    request = await asker.read(f"{_AREA}/{visit.fields['id']}")
    names: dict[str, str] = {}
    for each in (*request.data["requesters"], *(a["approver"] for a in request.data["approvals"])):
        found = await asker.ask(Operation.READ, f"strongroom/people/{each}")
        names[each] = found.data["name"] if found.ok else each
    data = {
        "request": request.data,
        "index": request.index,
        "names": names,
        "because": because,
        "errors": told.errors if told is not None else (),
    }
    return Shown(
        template="request.html", data=data, status=told.status if told is not None else 200
    )


async def decide(visit: Visit) -> Shown | Moved:
    """Approve, deny or withdraw."""
    id_, decision, form = visit.fields["id"], visit.fields["decision"], visit.form
    path, because = f"{_AREA}/{id_}", form.get("because", "").strip()
    if decision == "withdraw":
        told = await visit.asker.delete(path)
    elif decision in _DONE:
        revision = form.get("revision", "")
        if not revision.isdecimal() or len(revision) > len(str(2**31)):
            raise InputError("revision", "must be a number")
        told = await visit.asker.write(
            f"{path}/{decision}", revision=int(revision), because=because
        )
    else:
        raise InputError("decision", "approve, deny or withdraw")
    return Moved(to=f"/requests/{id_}") if told.ok else await _one(visit, told, because)


# -- what was granted


async def mine(visit: Visit) -> Shown:
    """Show the visitor's grants, and what is left of each."""
    return await _mine(visit)


async def _mine(visit: Visit, told: Told | None = None) -> Shown:
    found = await visit.asker.names("strongroom/grants/self")
    rows = sorted(
        (found.data.get("key_info") or {}).values(),
        key=lambda each: (each["state"] != "active", str(each["ends"])),
    )
    errors = told.errors if told is not None else ()
    return Shown(
        template="grants.html",
        data={"rows": rows, "index": found.index, "errors": errors},
        status=told.status if told is not None else 200,
    )


async def end(visit: Visit) -> Shown | Moved:
    """End one of them now."""
    path = f"strongroom/grants/self/{visit.fields['id']}/end"
    told = await visit.asker.write(path, because="ended in the console")
    return Moved(to="/grants") if told.ok else await _mine(visit, told)
