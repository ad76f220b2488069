"""T34 with people by grants alone: the rows, the engine and real requests say the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom.core.guardrails import Guardrails
from strongroom.evidence.access_facts import Facts
from tests.core.governance.office import asked, decide, office, person, reads
from tests.core.governance.test_granted_only import READ, only_granted, workload
from tests.core.system.room import Room
from tests.core.system.test_groups import storage

DB, HR, OTHER = "secret/prod/db", "secret/prod/hr", "secret/other"
CLOSED = f'path "{HR}" {{ capabilities = ["deny"] }}'
__all__ = ["storage"]


@pytest.fixture
async def ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch, storage) as made:
        await made.policy("reader", READ)
        await made.policy("closed", CLOSED)
        await made.policy("paths", f'path "{DB}" {{ capabilities = ["read"] }}')
        for path in (HR, OTHER):
            await made.ask("POST", path, {"x": "1"})
        yield made


async def matrix(ours: Room) -> tuple[dict[str, dict[str, tuple[str, ...]]], list[str]]:
    """Return what the engine says by first name and path, and where the rows say otherwise."""
    told: dict[str, dict[str, tuple[str, ...]]] = {}
    differing = []
    async for row in Facts(ours.server).matrix():
        name = row.subject.partition(" ")[0]
        told[name] = {cell.path: cell.engine for cell in row.cells}
        differing += [f"{name} {c.path}" for c in row.cells if c.stored != c.engine]
    return told, differing


async def test_each_cell_is_what_the_rows_say_and_what_a_request_meets(ours: Room) -> None:
    ann, hers = await person(ours, "ann", "closed")
    _, his = await person(ours, "bob", "reader")
    app = await workload(ours, ann)
    await only_granted(ours)
    id_ = await asked(ours, hers, paths=["secret/prod/*"])
    assert (await decide(ours, id_, his)).data["state"] == "approved"

    told, differing = await matrix(ours)

    assert differing == []
    tokens = {"ann": hers, "bob": his, "app": app}
    for name, token in tokens.items():
        for path in (DB, HR):
            allowed = "read" in told[name][path]
            assert (await reads(ours, token, path) == 200) is allowed, (name, path)
    assert told["ann"][DB] == ("read",)
    assert told["ann"][HR] == told["bob"][DB] == told["bob"][HR] == ("deny",)
    assert told["app"][DB] == ("list", "read", "scan")


async def test_an_engine_that_forgot_the_guardrail_differs_from_the_rows(ours: Room) -> None:
    await person(ours, "bob", "reader")
    await only_granted(ours)
    _, before = await matrix(ours)

    ours.server.views._guardrails = Guardrails([])
    told, differing = await matrix(ours)

    assert before == []
    assert told["bob"][DB] == ("list", "read", "scan")
    assert f"bob {DB}" in differing
