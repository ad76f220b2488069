"""What pages of proposals share: what waits for the visitor, and a decision on one revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strongroom.base.errors import InputError
from strongroom.console.asking import Told
from strongroom.console.visit import Visit
from strongroom.core.router import Operation

LONGEST_NUMBER = 9  # digits


async def waiting(visit: Visit, area: str) -> Sequence[Mapping[str, Any]]:
    """Return what waits for the visitor's decision; nothing for who may not ask."""
    told = await visit.asker.ask(Operation.LIST, f"{area}/proposals/inbox")
    return list((told.data.get("key_info") or {}).values()) if told.ok else []


async def decided(visit: Visit, area: str) -> Told:
    """Approve, deny or withdraw what the page is of."""
    path, form = f"{area}/proposals/{visit.fields['id']}", visit.form
    decision = visit.fields["decision"]
    if decision == "withdraw":
        return await visit.asker.delete(path)
    if decision not in ("approve", "deny"):
        raise InputError("decision", "approve, deny or withdraw")
    because = form.get("because", "").strip()
    revision = number_of(form.get("revision", ""), "revision")
    return await visit.asker.write(f"{path}/{decision}", revision=revision, because=because)


def number_of(text: str, field: str) -> int:
    """Return a number that a form carries; InputError for what is none."""
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise InputError(field, "must be a number")
    return int(text)
