"""The first page: what needs whoever is signed in, who they are, and how the log stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strongroom.console.visit import Page, Shown, Visit
from strongroom.core.router import Operation


def pages() -> tuple[Page, ...]:
    """Return it."""
    return (Page(path="/", get=home),)


async def home(visit: Visit) -> Shown:
    """Show it. What the visitor may not see is left out."""
    who = await visit.asker.read("auth/token/lookup-self")
    log = await visit.asker.ask(Operation.READ, "strongroom/log/status")
    sessions = await visit.asker.ask(Operation.LIST, "strongroom/sessions")
    ends = (each["end_time"] for each in _own(sessions.data))
    policies = [*who.data["policies"], *(who.data.get("identity_policies") or [])]
    return Shown(
        template="home.html",
        data={
            "who": who.data,
            "who_index": who.index,
            "until": next(filter(None, ends), who.data["expire_time"]),
            "policies": sorted(set(policies)),
            "log": log.data if log.ok else None,
            "waiting": await _waiting(visit),
        },
    )


def _own(listed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the session that asks, among those of its owner."""
    return [each for each in (listed.get("key_info") or {}).values() if each["current"]]


async def _waiting(visit: Visit) -> list[tuple[str, str]]:
    """Return what waits for a decision, as far as the visitor may see it."""
    told = await visit.asker.ask(
        Operation.LIST, "strongroom/registrations", query={"state": ["pending"]}
    )
    inbox = await visit.asker.ask(Operation.LIST, "strongroom/requests/inbox")
    changes = await visit.asker.ask(Operation.LIST, "strongroom/changes/inbox")
    found = (
        ("/registrations?state=pending", told, "to register somebody"),
        ("/requests", inbox, "for access that you could decide on"),
        ("/changes", changes, "to change how the server is set up, which you could decide on"),
    )
    counts = [(to, len(each.data.get("keys", ())) if each.ok else 0, of) for to, each, of in found]
    return [(to, f"{n} {'request' if n == 1 else 'requests'} {of}") for to, n, of in counts if n]
