"""Exceptions of controls: which are in force, asking for one, and deciding with all of it in sight.

Trust  A decision carries the revision that was on the page. Who may decide, and that it takes a
       fresh factor, is the pipeline's to say.
"""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.console.asking import Told
from strongroom.console.fields import chosen, lines_of, time_of
from strongroom.console.lists import listed
from strongroom.console.pages.proposals import decided, waiting
from strongroom.console.visit import Moved, Page, Shown, Visit

AREA = "strongroom/exceptions"
STATES = (("", "Any"), ("in force", "In force"), ("expired", "Expired"), ("ended", "Ended"))
TYPES = (
    ("legacy-system", "A legacy system"),
    ("jdbc-connection-string", "A JDBC connection string"),
    ("third-party-api-key", "A third party that knows API keys only"),
    ("on-premises-credential", "A static credential on premises"),
    ("process", "A process"),
    ("other", "Something else"),
)
_TYPED = (
    "control",
    "subject",
    "type",
    "reason",
    "compensating",
    "owner",
    "expires_at",
    "target_at",
)


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (
        Page(path="/exceptions", get=every),
        Page(path="/exceptions/new", get=ask, post=send),
        Page(path="/exceptions/{id}", get=one),
        Page(path="/exceptions/{id}/end", post=end),
        Page(path="/exceptions/proposals/{id}", get=proposal),
        Page(path="/exceptions/proposals/{id}/{decision}", post=decide),
    )


async def every(visit: Visit) -> Shown:
    """Show them all, a page at a time, and what waits for the visitor."""
    found = await listed(visit, AREA, ("state", "control"), ("control", "subject", "reason"))
    data = {"found": found, "states": STATES, "waiting": await waiting(visit, AREA)}
    return Shown(template="exceptions.html", data=data)


async def one(visit: Visit) -> Shown:
    """Show one, with its approval."""
    return await _one(visit)


async def _one(visit: Visit, told: Told | None = None) -> Shown:
    row = await visit.asker.read(f"{AREA}/{visit.fields['id']}")
    data = {
        "row": row.data,
        "index": row.index,
        "errors": told.errors if told is not None else (),
    }
    status = told.status if told is not None else 200
    return Shown(template="exception.html", data=data, status=status)


async def end(visit: Visit) -> Shown | Moved:
    """End one before its time."""
    id_ = visit.fields["id"]
    reason = visit.form.get("reason", "").strip()
    told = await visit.asker.write(f"{AREA}/{id_}/end", reason=reason)
    return Moved(to=f"/exceptions/{id_}") if told.ok else await _one(visit, told)


# -- asking


async def ask(visit: Visit) -> Shown:
    """Show the form; what it is of can stand in the address."""
    typed = dict.fromkeys(_TYPED, "")
    typed |= {name: visit.query.get(name, "")[:512] for name in ("control", "subject")}
    return _form(typed)


def _form(typed: Mapping[str, str], told: Told | None = None) -> Shown:
    data = {"typed": typed, "types": TYPES, "errors": told.errors if told is not None else ()}
    status = told.status if told is not None else 200
    return Shown(template="exception_new.html", data=data, status=status)


async def send(visit: Visit) -> Shown | Moved:
    """Ask for it."""
    form = visit.form
    target = time_of(form.get("target_at", ""))
    told = await visit.asker.write(
        AREA,
        **chosen(form, "control", "subject", "type", "reason", "owner"),
        compensating=lines_of(form.get("compensating", "")),
        expires_at=time_of(form.get("expires_at", "")),
        **({"target_at": target} if target else {}),
    )
    if not told.ok:
        return _form({name: form.get(name, "") for name in _TYPED}, told)
    return Moved(to=f"/exceptions/proposals/{told.data['id']}")


# -- deciding


async def proposal(visit: Visit) -> Shown:
    """Show what was asked for, and its approvals."""
    return await _proposal(visit)


async def _proposal(visit: Visit, told: Told | None = None) -> Shown:
    row = await visit.asker.read(f"{AREA}/proposals/{visit.fields['id']}")
    data = {
        "row": row.data,
        "index": row.index,
        "because": visit.form.get("because", "") if told is not None else "",
        "errors": told.errors if told is not None else (),
    }
    status = told.status if told is not None else 200
    return Shown(template="exception_proposal.html", data=data, status=status)


async def decide(visit: Visit) -> Shown | Moved:
    """Approve, deny or withdraw."""
    told = await decided(visit, AREA)
    here = f"/exceptions/proposals/{visit.fields['id']}"
    return Moved(to=here) if told.ok else await _proposal(visit, told)
