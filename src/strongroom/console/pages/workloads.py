"""Workloads: what each is for, who answers for it, and saying that it is no more."""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.console.asking import Told
from strongroom.console.fields import chosen, time_of
from strongroom.console.lists import listed
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation

STATES = (
    ("", "Any"),
    ("active", "Active"),
    ("ended", "Ended"),
    ("decommissioned", "Decommissioned"),
)
_TYPED = ("owner", "justification", "environment", "vendor")


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (
        Page(path="/workloads", get=everything),
        Page(path="/workloads/{id}", get=one),
        Page(path="/workloads/{id}/edit", get=ask, post=write),
        Page(path="/workloads/{id}/decommission", get=ask_end, post=decommission),
    )


async def everything(visit: Visit) -> Shown:
    """Show them all, a page at a time."""
    found = await listed(
        visit,
        "strongroom/workloads",
        ("state", "environment", "owner"),
        ("justification", "environment", "vendor", "owner"),
    )
    return Shown(template="workloads.html", data={"found": found, "states": STATES})


async def one(visit: Visit) -> Shown:
    """Show one."""
    return await _shown(visit, "workload.html")


async def ask_end(visit: Visit) -> Shown:
    """Show what ends."""
    return await _shown(visit, "workload_end.html")


async def _shown(visit: Visit, template: str, told: Told | None = None) -> Shown:
    id_, asker = visit.fields["id"], visit.asker
    workload = await asker.read(f"strongroom/workloads/{id_}")
    owner = await asker.ask(Operation.READ, f"strongroom/people/{workload.data['owner']}")
    data = {
        "id": id_,
        "workload": workload.data,
        "index": workload.index,
        "owner": owner,
        "entity": await asker.ask(Operation.READ, f"identity/entity/id/{id_}"),
        "errors": told.errors if told is not None else (),
    }
    return Shown(template=template, data=data, status=told.status if told is not None else 200)


async def ask(visit: Visit) -> Shown:
    """Show the form."""
    workload = await visit.asker.read(f"strongroom/workloads/{visit.fields['id']}")
    return _form(visit, {name: workload.data[name] or "" for name in (*_TYPED, "ends_at")})


def _form(visit: Visit, typed: Mapping[str, str], told: Told | None = None) -> Shown:
    data = {
        "id": visit.fields["id"],
        "typed": typed,
        "errors": told.errors if told is not None else (),
    }
    return Shown(
        template="workload_edit.html", data=data, status=told.status if told is not None else 200
    )


async def write(visit: Visit) -> Shown | Moved:
    """Store what was typed."""
    id_, form = visit.fields["id"], visit.form
    given = {**chosen(form, *_TYPED), "ends_at": time_of(form.get("ends_at", ""))}
    told = await visit.asker.write(f"strongroom/workloads/{id_}", **given)
    if not told.ok:
        return _form(visit, {name: form.get(name, "") for name in (*_TYPED, "ends_at")}, told)
    return Moved(to=f"/workloads/{id_}")


async def decommission(visit: Visit) -> Shown | Moved:
    """Say that it is no more."""
    id_ = visit.fields["id"]
    told = await visit.asker.write(f"strongroom/workloads/{id_}/decommission")
    return (
        Moved(to=f"/workloads/{id_}") if told.ok else await _shown(visit, "workload_end.html", told)
    )
