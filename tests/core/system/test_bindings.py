"""Who is registered for an environment stays there: nothing that policy grants lifts that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from strongroom.identity.records import ENTITIES
from strongroom.storage.transaction import Transaction
from tests.core.system.room import Answer, Room
from tests.core.system.test_groups import acting_as, entity, storage
from tests.core.system.test_registrations import MOUNT, decide, login, ours, person, requested

__all__ = ["ours", "storage"]
GUARDED = "environment:prod"


@pytest.fixture
async def held(ours: Room) -> Room:
    """Two protected environments, a secret in one of them, and a policy that grants all."""
    for name in ("prod", "dev"):
        given = {"paths": [f"secret/{name}/*"], "protected": True}
        answer = await ours.ask("POST", f"strongroom/environments/{name}", given)
        assert answer.status == 204, answer
    assert (await ours.ask("POST", "secret/dev/x", {"a": "1"})).status == 204
    return ours


async def workload(ours: Room, name: str, environment: str = "prod") -> str:
    """Register a workload, whose owner is one person for all of them."""
    found = await ours.ask("GET", "identity/entity/name/owner")
    owner = found.data["id"] if found.status == 200 else (await person(ours, "owner"))[0]
    made = await entity(ours, name, policies=["all"])
    whole = {"owner": owner, "justification": "deploys", "environment": environment}
    answer = await ours.ask("POST", f"strongroom/workloads/{made}", whole)
    assert answer.status == 204, answer
    return made


async def joiner(ours: Room) -> str:
    """Register a person of production by a request that another approves."""
    _, ann = await person(ours, "ann")
    _, bob = await person(ours, "bob")
    id_ = await requested(ours, ann, environment="prod", policies=["all"])
    return str((await decide(ours, id_, bob)).data["entity"])


async def alias(ours: Room, entity_id: str, name: str) -> str:
    given = {"name": name, "mount_accessor": MOUNT, "canonical_id": entity_id}
    made = await ours.ask("POST", "identity/entity-alias", given)
    assert made.status == 200, made
    return str(made.data["id"])


async def reads(ours: Room, token: str) -> Answer:
    """Read the secret of the other environment."""
    return await ours.ask("GET", "secret/dev/x", token=token)


async def is_kept_out(ours: Room, token: str) -> None:
    assert (await reads(ours, token)).status == 403
    assert (await ours.last())["unmapped"]["guardrail"] == "environment:dev"


@pytest.mark.parametrize(
    "metadata", [{}, {"team": "x"}, {"environment": "dev"}, {"environment": ""}], ids=str
)
@pytest.mark.parametrize("kind", ["workload", "person"])
async def test_metadata_neither_lifts_nor_changes_a_registration(
    held: Room, kind: str, metadata: dict[str, str]
) -> None:
    made = await workload(held, "new") if kind == "workload" else await joiner(held)
    token = await acting_as(held, made)
    ways = {
        f"identity/entity/id/{made}": {},
        "identity/entity/name/new": {},
        "identity/entity": {"id": made},
    }

    answers = [
        await held.ask("POST", path, {**given, "metadata": metadata})
        for path, given in ways.items()
    ]

    for answer in answers:
        assert answer.status == 400
        assert answer.errors[0].startswith("metadata.environment"), answer
    await is_kept_out(held, token)
    kept = await held.ask(
        "POST",
        f"identity/entity/id/{made}",
        {"metadata": {"environment": "prod", "team": "x"}, "disabled": False},
    )
    assert kept.status == 204


@pytest.mark.parametrize("metadata", [{}, {"environment": "dev"}], ids=str)
@pytest.mark.parametrize("kind", ["workload", "person"])
async def test_a_row_that_was_written_before_is_judged_by_the_register(
    held: Room, kind: str, metadata: dict[str, str]
) -> None:
    made = await workload(held, "new") if kind == "workload" else await joiner(held)
    tx = Transaction(held.server.database, held.server.barrier)
    row = await tx.get(ENTITIES, made)
    assert row is not None
    await held.store(lambda tx: tx.put(ENTITIES, replace(row, metadata=metadata)))
    mine = await acting_as(held, made, "all")
    batch = await held.ask("POST", "auth/token/create", {"type": "batch"}, token=mine)
    child = await held.token("all", by=mine)
    asked = f"entity={made}&path=secret/dev/x&capability=read"

    told = await held.ask("GET", f"strongroom/access/may?{asked}")

    for token in (mine, batch.auth["client_token"], child):
        await is_kept_out(held, token)
    assert told.data["allowed"] is False
    assert told.data["guardrail"] == "environment:dev"


async def test_nor_is_a_workload_registered_for_another_environment(held: Room) -> None:
    made = await workload(held, "ci")

    answer = await held.ask("POST", f"strongroom/workloads/{made}", {"environment": "dev"})

    assert answer.status == 400
    assert answer.errors[0].startswith("environment"), answer


CHANGES: dict[str, dict[str, Any]] = {
    "moved": {"canonical_id": "other"},
    "moved to one of another environment": {"canonical_id": "theirs"},
    "moved to one that only says so": {"canonical_id": "says so"},
    "renamed": {"name": "another"},
    "moved and renamed": {"canonical_id": "fellow", "name": "another"},
}


class TestAnAlias:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
    async def test_is_not_taken_from_who_is_registered(
        self, held: Room, change: dict[str, str]
    ) -> None:
        made = await workload(held, "ci")
        mine = await alias(held, made, "job")
        await workload(held, "theirs", "dev")
        await workload(held, "fellow")
        await entity(held, "other")
        await entity(held, "says so", metadata={"environment": "prod"})
        given = dict(change)
        if "canonical_id" in given:
            found = await held.ask("GET", f"identity/entity/name/{given['canonical_id']}")
            given["canonical_id"] = found.data["id"]

        answer = await held.ask("POST", f"identity/entity-alias/id/{mine}", given)

        assert answer.status == 403
        assert (await held.last())["unmapped"]["guardrail"] == GUARDED
        assert (await login(held, "job")).auth["entity_id"] == made

    async def test_is_not_dropped_before_they_have_left(self, held: Room) -> None:
        made = await workload(held, "ci")
        mine = await alias(held, made, "job")

        before = await held.ask("DELETE", f"identity/entity-alias/id/{mine}")
        await held.ask("POST", f"strongroom/workloads/{made}/decommission")
        after = await held.ask("DELETE", f"identity/entity-alias/id/{mine}")

        assert (before.status, after.status) == (403, 204)

    async def test_moves_to_one_that_is_registered_for_the_same(self, held: Room) -> None:
        made, fellow = await workload(held, "ci"), await workload(held, "fellow")
        mine = await alias(held, made, "job")

        given = {"canonical_id": fellow}
        answer = await held.ask("POST", f"identity/entity-alias/id/{mine}", given)

        assert answer.status == 200
        await is_kept_out(held, (await login(held, "job")).auth["client_token"])


async def test_a_merge_keeps_who_registered_the_environment(held: Room) -> None:
    made = await joiner(held)
    says_so, _ = await person(held, "eve")
    bound = {"metadata": {"environment": "prod"}}
    await held.ask("POST", f"identity/entity/id/{says_so}", bound)
    body = {"from_entity_ids": [made], "to_entity_id": says_so}

    answer = await held.ask("POST", "identity/entity/merge", body)

    assert answer.status == 400
    assert "registered for the same environment" in answer.errors[0]
    assert (await login(held, "new")).auth["entity_id"] == made
