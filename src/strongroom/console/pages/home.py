"""The first page: what needs whoever is signed in, who they are, and how the log stands."""

from __future__ import annotations

from strongroom.console.visit import Page, Shown, Visit
from strongroom.core.router import Operation


def pages() -> tuple[Page, ...]:
    """Return it."""
    return (Page(path="/", get=home),)


async def home(visit: Visit) -> Shown:
    """Show it. What the visitor may not see is left out."""
    who = await visit.asker.read("auth/token/lookup-self")
    log = await visit.asker.ask(Operation.READ, "strongroom/log/status")
    policies = [*who.data["policies"], *(who.data.get("identity_policies") or [])]
    return Shown(
        template="home.html",
        data={
            "who": who.data,
            "who_index": who.index,
            "policies": sorted(set(policies)),
            "log": log.data if log.ok else None,
            "waiting": await _waiting(visit),
        },
    )


async def _waiting(visit: Visit) -> list[tuple[str, str]]:
    """Return what waits for a decision, as far as the visitor may see it."""
    told = await visit.asker.ask(
        Operation.LIST, "strongroom/registrations", query={"state": ["pending"]}
    )
    count = len(told.data.get("keys", ())) if told.ok else 0
    if not count:
        return []
    said = f"{count} {'request' if count == 1 else 'requests'} to register somebody"
    return [("/registrations?state=pending", said)]
