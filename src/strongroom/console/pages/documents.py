"""Documents: which policies are in force, proposing a version, deciding on it, acknowledging it.

Trust  A text is shown as text: what looks like markup in it is not. A decision and an
       acknowledgement carry what was on the page.
"""

from __future__ import annotations

from strongroom.console.asking import Told
from strongroom.console.lists import listed
from strongroom.console.pages.proposals import decided, number_of, waiting
from strongroom.console.visit import Moved, Page, Shown, Visit
from strongroom.core.router import Operation

AREA = "strongroom/documents"


def pages() -> tuple[Page, ...]:
    """Return them."""
    return (
        Page(path="/documents", get=every),
        Page(path="/documents/{id}", get=one),
        Page(path="/documents/{id}/propose", get=ask, post=send),
        Page(path="/documents/{id}/acknowledge", post=acknowledge),
        Page(path="/documents/proposals/{id}", get=proposal),
        Page(path="/documents/proposals/{id}/{decision}", post=decide),
    )


async def every(visit: Visit) -> Shown:
    """Show them all, a page at a time, and what waits for the visitor."""
    found = await listed(visit, AREA, (), ("title", "kind", "rendered"))
    data = {"found": found, "waiting": await waiting(visit, AREA)}
    return Shown(template="documents.html", data=data)


async def one(visit: Visit) -> Shown:
    """Show one: its text in force, its versions, and who is still to acknowledge it."""
    return await _one(visit)


async def _one(visit: Visit, told: Told | None = None) -> Shown:
    row = await visit.asker.read(f"{AREA}/{visit.fields['id']}")
    data = {
        "row": row.data,
        "index": row.index,
        "errors": told.errors if told is not None else (),
    }
    status = told.status if told is not None else 200
    return Shown(template="document.html", data=data, status=status)


async def acknowledge(visit: Visit) -> Shown | Moved:
    """Say that the visitor has read the version on the page."""
    id_ = visit.fields["id"]
    version = number_of(visit.form.get("version", ""), "version")
    told = await visit.asker.write(f"{AREA}/{id_}/acknowledge", version=version)
    return Moved(to=f"/documents/{id_}") if told.ok else await _one(visit, told)


# -- proposing


async def ask(visit: Visit) -> Shown:
    """Show the form, with the text in force to begin with."""
    return await _form(visit)


async def _form(visit: Visit, told: Told | None = None) -> Shown:
    row = await visit.asker.read(f"{AREA}/{visit.fields['id']}")
    form = visit.form if told is not None else {}
    data = {
        "row": row.data,
        "text": form.get("text", row.data["text"]),
        "reason": form.get("reason", ""),
        "errors": told.errors if told is not None else (),
    }
    status = told.status if told is not None else 200
    return Shown(template="document_propose.html", data=data, status=status)


async def send(visit: Visit) -> Shown | Moved:
    """Propose the text that was typed, or what the settings say."""
    form = visit.form
    text = form.get("text", "").replace("\r\n", "\n")
    given = {"text": text} if text else {}
    reason = form.get("reason", "").strip()
    told = await visit.asker.write(f"{AREA}/{visit.fields['id']}/propose", reason=reason, **given)
    if not told.ok:
        return await _form(visit, told)
    return Moved(to=f"/documents/proposals/{told.data['id']}")


# -- deciding


async def proposal(visit: Visit) -> Shown:
    """Show a version that was proposed, with what it changes."""
    return await _proposal(visit)


async def _proposal(visit: Visit, told: Told | None = None) -> Shown:
    row = await visit.asker.read(f"{AREA}/proposals/{visit.fields['id']}")
    name, version = row.data["document"], row.data["version"]
    query = {"newer": [str(version)]}
    changes = await visit.asker.ask(Operation.READ, f"{AREA}/{name}/difference", query=query)
    data = {
        "row": row.data,
        "index": row.index,
        "lines": changes.data.get("lines", []) if changes.ok else [],
        "because": visit.form.get("because", "") if told is not None else "",
        "errors": told.errors if told is not None else (),
    }
    status = told.status if told is not None else 200
    return Shown(template="document_proposal.html", data=data, status=status)


async def decide(visit: Visit) -> Shown | Moved:
    """Approve, deny or withdraw."""
    told = await decided(visit, AREA)
    here = f"/documents/proposals/{visit.fields['id']}"
    return Moved(to=here) if told.ok else await _proposal(visit, told)
