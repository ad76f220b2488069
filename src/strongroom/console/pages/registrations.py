"""Requests to register somebody: asking, and deciding with all that it would change in sight.

Trust  A decision carries the revision that was on the page: what was edited meanwhile is refused.
       Who may decide, and that it takes a fresh factor, is the pipeline's to say.
"""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.base.errors import InputError
from strongroom.console.asking import Told
from strongroom.console.fields import chosen, time_of, words_of
from strongroom.console.lists import listed
from strongroom.console.pages.people import WORKERS
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation

STATES = (
    ("", "Any"),
    ("pending", "Waiting"),
    ("approved", "Approved"),
    ("denied", "Denied"),
    ("withdrawn", "Withdrawn"),
    ("expired", "Expired"),
)
KINDS = (
    ("", "Any"),
    ("person", "People"),
    ("workload", "Workloads"),
    ("return", "Returns"),
    ("factors", "New factors"),
)
_BOTH = ("entity_name", "reason", "environment", "mount_accessor", "alias")
_OF = {
    "person": ("name", "email", "worker", "contract", "external_id"),
    "workload": ("owner", "justification", "vendor"),
}
_ELSE = ("ends_at", "policies", "groups")
_DONE = {"approve": "approved", "deny": "denied"}


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (
        Page(path="/registrations", get=every),
        Page(path="/registrations/new/{kind}", get=ask, post=send),
        Page(path="/registrations/{id}", get=one),
        Page(path="/registrations/{id}/{decision}", post=decide),
    )


async def every(visit: Visit) -> Shown:
    """Show them all, a page at a time."""
    found = await listed(
        visit, "strongroom/registrations", ("state", "kind"), ("entity_name", "reason", "alias")
    )
    return Shown(
        template="registrations.html", data={"found": found, "states": STATES, "kinds": KINDS}
    )


async def one(visit: Visit) -> Shown:
    """Show one, and what approving it makes."""
    return await _one(visit)


async def _one(visit: Visit, told: Told | None = None, because: str = "", code: str = "") -> Shown:
    asker = visit.asker
    request = await asker.read(f"strongroom/registrations/{visit.fields['id']}")
    groups = {}
    for each in request.data["groups"]:
        found = await asker.ask(Operation.READ, f"identity/group/id/{each}")
        groups[each] = found.data["name"] if found.ok else each
    data = {
        "request": request.data,
        "index": request.index,
        "groups": groups,
        "because": because,
        "code": code,
        "errors": told.errors if told is not None else (),
    }
    return Shown(
        template="registration.html", data=data, status=told.status if told is not None else 200
    )


# -- asking


async def ask(visit: Visit) -> Shown:
    """Show the form."""
    kind = _kind(visit)
    return await _form(visit, dict.fromkeys((*_BOTH, *_OF[kind], *_ELSE), ""))


def _kind(visit: Visit) -> str:
    kind = visit.fields["kind"]
    if kind not in _OF:
        raise InputError("kind", "person or workload")
    return kind


async def _form(visit: Visit, typed: Mapping[str, str], told: Told | None = None) -> Shown:
    listed_ = await visit.asker.ask(Operation.READ, "sys/internal/ui/mounts")
    mounts = [
        (of["accessor"], path.rstrip("/"))
        for path, of in listed_.data.get("auth", {}).items()
        if of.get("accessor") and of["type"] != "token"
    ]
    data = {
        "kind": _kind(visit),
        "typed": typed,
        "workers": WORKERS,
        "mounts": [("", "None: it gets its alias later"), *mounts],
        "errors": told.errors if told is not None else (),
    }
    return Shown(
        template="registration_new.html", data=data, status=told.status if told is not None else 200
    )


async def send(visit: Visit) -> Shown | Moved:
    """Ask for it."""
    kind, form = _kind(visit), visit.form
    given = chosen(form, *_BOTH, *_OF[kind])
    if kind == "person":
        given["worker"] = given["worker"] or "employee"
    told = await visit.asker.write(
        "strongroom/registrations",
        **given,
        kind=kind,
        ends_at=time_of(form.get("ends_at", "")),
        policies=words_of(form.get("policies", "")),
        groups=words_of(form.get("groups", "")),
    )
    if not told.ok:
        typed = {name: form.get(name, "") for name in (*_BOTH, *_OF[kind], *_ELSE)}
        return await _form(visit, typed, told)
    return Moved(to=f"/registrations/{told.data['id']}")


# -- deciding


async def decide(visit: Visit) -> Shown | Moved:
    """Approve, deny or withdraw."""
    id_, decision, form = visit.fields["id"], visit.fields["decision"], visit.form
    path, because = f"strongroom/registrations/{id_}", form.get("because", "").strip()
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
    if not told.ok:
        return await _one(visit, told, because)
    if code := told.data.get("enrolment_code", ""):  # once, in this page, which no cache keeps
        return await _one(visit, code=code)
    return Moved(to=f"/registrations/{id_}")
