"""Groups: who is in them, what they give, making, changing and deleting them."""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.console.asking import Told
from strongroom.console.fields import lines_of, words_of
from strongroom.console.lists import listed
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation

_TYPED = ("name", "type", "policies", "entities", "groups")
_NEW: Mapping[str, str] = dict.fromkeys(_TYPED, "") | {"type": "internal"}


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (
        Page(path="/groups", get=every),
        Page(path="/groups/new", get=ask_new, post=make),
        Page(path="/groups/{id}", get=one),
        Page(path="/groups/{id}/edit", get=ask, post=write),
        Page(path="/groups/{id}/delete", get=ask_delete, post=delete),
    )


async def every(visit: Visit) -> Shown:
    """Show them all, a page at a time."""
    found = await listed(visit, "identity/group/id", (), ("name",))
    return Shown(template="groups.html", data={"found": found})


async def one(visit: Visit) -> Shown:
    """Show one."""
    return await _shown(visit, "group.html")


async def ask_delete(visit: Visit) -> Shown:
    """Show who loses what."""
    return await _shown(visit, "group_delete.html")


async def _shown(visit: Visit, template: str, told: Told | None = None) -> Shown:
    group = await visit.asker.read(f"identity/group/id/{visit.fields['id']}")
    data = {
        "group": group.data,
        "index": group.index,
        "errors": told.errors if told is not None else (),
    }
    return Shown(template=template, data=data, status=told.status if told is not None else 200)


# -- writing


async def ask_new(_: Visit) -> Shown:
    """Show an empty form."""
    return _form(_NEW, "")


async def ask(visit: Visit) -> Shown:
    """Show the form of one."""
    group = (await visit.asker.read(f"identity/group/id/{visit.fields['id']}")).data
    typed = {
        "name": group["name"],
        "type": group["type"],
        "policies": ", ".join(group["policies"] or ()),
        "entities": "\n".join(group["member_entity_ids"] or ()),
        "groups": "\n".join(group["member_group_ids"] or ()),
    }
    return _form(typed, group["id"])


def _form(
    typed: Mapping[str, str], id_: str, errors: tuple[str, ...] = (), status: int = 200
) -> Shown:
    data = {"typed": typed, "id": id_, "errors": errors}
    return Shown(template="group_edit.html", data=data, status=status)


async def make(visit: Visit) -> Shown | Moved:
    """Make one."""
    typed = {name: visit.form.get(name, "").strip() for name in _TYPED}
    if not typed["name"]:
        return _form(typed, "", ("name: type the group's name",), 400)
    taken = await visit.asker.ask(Operation.READ, f"identity/group/name/{typed['name']}")
    if taken.ok:
        return _form(typed, "", ("name: there is a group of this name",), 400)
    told = await visit.asker.write("identity/group", type=typed["type"], **_given(typed))
    if not told.ok:
        return _form(typed, "", told.errors, told.status)
    return Moved(to=f"/groups/{told.data['id']}")


async def write(visit: Visit) -> Shown | Moved:
    """Change one."""
    id_ = visit.fields["id"]
    typed = {name: visit.form.get(name, "").strip() for name in _TYPED}
    told = await visit.asker.write(f"identity/group/id/{id_}", **_given(typed))
    if not told.ok:
        return _form(typed, id_, told.errors, told.status)
    return Moved(to=f"/groups/{id_}")


def _given(typed: Mapping[str, str]) -> dict[str, object]:
    given: dict[str, object] = {"name": typed["name"], "policies": words_of(typed["policies"])}
    if typed["type"] != "external":
        given["member_entity_ids"] = lines_of(typed["entities"])
        given["member_group_ids"] = lines_of(typed["groups"])
    return given


async def delete(visit: Visit) -> Shown | Moved:
    """Delete one."""
    told = await visit.asker.delete(f"identity/group/id/{visit.fields['id']}")
    return Moved(to="/groups") if told.ok else await _shown(visit, "group_delete.html", told)
