"""People: who they are, what they hold, and saying that they left.

Trust  Each part of a page is asked for by itself: what the visitor may not see is said to be so,
       and is not taken for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.console.asking import Told
from strongroom.console.fields import chosen, time_of
from strongroom.console.lists import listed
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation

WORKERS = (("employee", "Employee"), ("contractor", "Contractor"), ("vendor", "Vendor"))
STATES = (("", "Any"), ("active", "Active"), ("ended", "Ended"), ("left", "Left"))
_TYPED = ("name", "email", "worker", "contract", "external_id")


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (
        Page(path="/people", get=everybody),
        Page(path="/people/{id}", get=one),
        Page(path="/people/{id}/edit", get=ask, post=write),
        Page(path="/people/{id}/leave", get=ask_leave, post=leave),
        Page(path="/people/{id}/return", post=back),
        Page(path="/people/{id}/sessions/{session}/end", post=end_session),
        Page(path="/people/{id}/factors/{factor}/delete", post=drop_factor),
    )


async def everybody(visit: Visit) -> Shown:
    """Show them all, a page at a time."""
    found = await listed(
        visit, "strongroom/people", ("state", "worker"), ("name", "email", "external_id")
    )
    data = {"found": found, "states": STATES, "workers": (("", "Any"), *WORKERS)}
    return Shown(template="people.html", data=data)


async def one(visit: Visit) -> Shown:
    """Show one, and what they hold."""
    return await _one(visit)


async def _one(visit: Visit, told: Told | None = None) -> Shown:
    id_, asker = visit.fields["id"], visit.asker
    person = await asker.read(f"strongroom/people/{id_}")
    data = {
        "id": id_,
        "person": person.data,
        "index": person.index,
        "entity": await asker.ask(Operation.READ, f"identity/entity/id/{id_}"),
        "factors": await asker.ask(Operation.LIST, f"strongroom/people/{id_}/factors"),
        "sessions": await asker.ask(Operation.LIST, f"strongroom/people/{id_}/sessions"),
        "errors": told.errors if told is not None else (),
    }
    return Shown(template="person.html", data=data, status=told.status if told is not None else 200)


# -- writing


async def ask(visit: Visit) -> Shown:
    """Show the form."""
    person = await visit.asker.read(f"strongroom/people/{visit.fields['id']}")
    typed = {name: person.data[name] or "" for name in (*_TYPED, "ends_at")}
    return _form(visit, typed)


def _form(visit: Visit, typed: Mapping[str, str], told: Told | None = None) -> Shown:
    data = {
        "id": visit.fields["id"],
        "typed": typed,
        "workers": WORKERS,
        "errors": told.errors if told is not None else (),
    }
    return Shown(
        template="person_edit.html", data=data, status=told.status if told is not None else 200
    )


async def write(visit: Visit) -> Shown | Moved:
    """Store what was typed."""
    id_, form = visit.fields["id"], visit.form
    given = {**chosen(form, *_TYPED), "ends_at": time_of(form.get("ends_at", ""))}
    told = await visit.asker.write(f"strongroom/people/{id_}", **given)
    if not told.ok:
        return _form(visit, {name: form.get(name, "") for name in (*_TYPED, "ends_at")}, told)
    return Moved(to=f"/people/{id_}")


# -- leaving


async def ask_leave(visit: Visit) -> Shown:
    """Show what ends."""
    return await _leaving(visit)


async def _leaving(visit: Visit, told: Told | None = None) -> Shown:
    id_, asker = visit.fields["id"], visit.asker
    person = await asker.read(f"strongroom/people/{id_}")
    owned = await asker.ask(Operation.LIST, "strongroom/workloads", query={"owner": [id_]})
    data = {
        "id": id_,
        "person": person.data,
        "index": person.index,
        "sessions": await asker.ask(Operation.LIST, f"strongroom/people/{id_}/sessions"),
        "owned": owned,
        "errors": told.errors if told is not None else (),
    }
    return Shown(
        template="person_leave.html", data=data, status=told.status if told is not None else 200
    )


async def leave(visit: Visit) -> Shown | Moved:
    """Say that they left."""
    id_ = visit.fields["id"]
    told = await visit.asker.write(f"strongroom/people/{id_}/leave")
    return Moved(to=f"/people/{id_}") if told.ok else await _leaving(visit, told)


async def back(visit: Visit) -> Shown | Moved:
    """Say that they are back."""
    id_ = visit.fields["id"]
    told = await visit.asker.write(f"strongroom/people/{id_}/return")
    if told.ok and (request := told.data.get("registration")):
        return Moved(to=f"/registrations/{request}")
    return Moved(to=f"/people/{id_}") if told.ok else await _one(visit, told)


async def end_session(visit: Visit) -> Shown | Moved:
    """End one of their sessions."""
    id_, session = visit.fields["id"], visit.fields["session"]
    told = await visit.asker.delete(f"strongroom/people/{id_}/sessions/{session}")
    return Moved(to=f"/people/{id_}") if told.ok else await _one(visit, told)


async def drop_factor(visit: Visit) -> Shown | Moved:
    """Delete one of their factors."""
    id_, factor = visit.fields["id"], visit.fields["factor"]
    told = await visit.asker.delete(f"strongroom/people/{id_}/factors/{factor}")
    return Moved(to=f"/people/{id_}") if told.ok else await _one(visit, told)
