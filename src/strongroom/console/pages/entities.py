"""An entity by its id, whatever it is: a person and a workload have pages of their own."""

from __future__ import annotations

from strongroom.console.visit import Moved, Page, Shown, Visit

_PAGES = {"person": "people", "workload": "workloads"}


def pages() -> tuple[Page, ...]:
    """Return it."""
    return (Page(path="/entities/{id}", get=one),)


async def one(visit: Visit) -> Shown | Moved:
    """Lead to the page of what it is, or show it where it is registered as nothing."""
    id_ = visit.fields["id"]
    told = await visit.asker.read(f"identity/entity/id/{id_}")
    if told.data.get("kind") in _PAGES:
        return Moved(to=f"/{_PAGES[told.data['kind']]}/{told.data['id']}")
    return Shown(template="entity.html", data={"entity": told})
