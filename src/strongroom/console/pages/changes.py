"""Changes of how the server is set up: what waits, what each would change, and what is done of it.

Trust  A decision carries the revision that was on the page: what was edited meanwhile is refused.
       What is secret is not in the difference; the server left it out.
"""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.base.errors import InputError
from strongroom.console.asking import Told
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation

_AREA = "strongroom/changes"
_DECIDED = ("approve", "deny")


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (
        Page(path="/changes", get=every),
        Page(path="/changes/{id}", get=one),
        Page(path="/changes/{id}/{decision}", post=decide),
    )


async def every(visit: Visit) -> Shown:
    """Show what waits for the visitor's decision, and what there was before."""
    inbox = await visit.asker.ask(Operation.LIST, f"{_AREA}/inbox")
    rest = await visit.asker.ask(Operation.LIST, _AREA)
    waiting = _rows(inbox)
    ids = {row["id"] for row in waiting}
    others = [row for row in _rows(rest) if row["id"] not in ids]
    data = {"inbox": inbox, "rest": rest, "waiting": waiting, "others": others}
    return Shown(template="changes.html", data=data)


def _rows(told: Told) -> list[Mapping[str, object]]:
    found = list((told.data.get("key_info") or {}).values())
    return sorted(found, key=lambda each: str(each["edited_at"]), reverse=True)


async def one(visit: Visit) -> Shown:
    """Show a change: its writes as differences, its approvals, and what is done of it."""
    return await _one(visit)


async def _one(visit: Visit, told: Told | None = None, because: str = "") -> Shown:
    asker = visit.asker
    change = await asker.read(f"{_AREA}/{visit.fields['id']}")
    people = (*change.data["requesters"], *(a["approver"] for a in change.data["approvals"]))
    names: dict[str, str] = {}
    for each in dict.fromkeys(people):
        found = await asker.ask(Operation.READ, f"strongroom/people/{each}")
        names[each] = found.data["name"] if found.ok else each
    data = {
        "change": change.data,
        "index": change.index,
        "names": names,
        "because": because,
        "errors": told.errors if told is not None else (),
    }
    return Shown(template="change.html", data=data, status=told.status if told is not None else 200)


async def decide(visit: Visit) -> Shown | Moved:
    """Approve, deny, withdraw, or perform the next write."""
    id_, decision, form = visit.fields["id"], visit.fields["decision"], visit.form
    path, because = f"{_AREA}/{id_}", form.get("because", "").strip()
    if decision == "withdraw":
        told = await visit.asker.delete(path)
    elif decision == "apply":
        told = await visit.asker.write(f"{path}/apply")
    elif decision in _DECIDED:
        revision = form.get("revision", "")
        if not revision.isdecimal() or len(revision) > len(str(2**31)):
            raise InputError("revision", "must be a number")
        told = await visit.asker.write(
            f"{path}/{decision}", revision=int(revision), because=because
        )
    else:
        raise InputError("decision", "approve, deny, withdraw or apply")
    return Moved(to=f"/changes/{id_}") if told.ok else await _one(visit, told, because)
