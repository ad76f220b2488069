"""Leaving: everything that is somebody's ends with the answer, and what they knew is named."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from strongroom.core.leaver_check import check_leavers
from strongroom.core.offboarding import end_those_over
from strongroom.core.records import LEASES, LeaseRow
from strongroom.core.revocation import revoke_expired
from strongroom.core.rotation_due import Following, queue_leavers, resolve_due
from strongroom.identity.factors.records import FACTORS
from strongroom.identity.records import GROUP_MEMBERS, TOKENS, GroupMember
from strongroom.identity.sign_ins import SIGN_INS
from strongroom.identity.tokens import CUBBYHOLE, Wanted
from strongroom.storage.records import CELLS
from strongroom.storage.transaction import Transaction
from tests.core.system.people import Person, person
from tests.core.system.room import START, Answer, Room, room
from tests.core.system.test_groups import storage

__all__ = ["storage"]
READS = 'path "secret/*" { capabilities = ["create", "read", "update", "delete"] }'
MAKES = """
path "auth/token/create*" { capabilities = ["create", "update", "sudo"] }
path "strongroom/registrations" { capabilities = ["update"] }
"""


async def registered(ours: Room, name: str, *policies: str, **fields: object) -> Person:
    """Give a person who has logged in and is registered."""
    made = await person(ours, name, *policies)
    await made.must_log_in()
    given = {"name": name, "email": f"{name}@example.com", "external_id": f"hr-{name}", **fields}
    answer = await ours.ask("POST", f"strongroom/people/{made.entity}", given)
    assert answer.status == 204, answer
    return made


async def leave(ours: Room, who: Person) -> Answer:
    answer = await ours.ask("POST", f"strongroom/people/{who.entity}/leave")
    assert answer.status == 200, answer
    return answer


async def works(ours: Room, token: str) -> bool:
    """Say whether a token is of use at all."""
    return (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 200


def tx_of(ours: Room) -> Transaction:
    return Transaction(ours.server.database, ours.server.barrier)


async def test_all_that_is_a_persons_ends_with_the_answer(tmp_path: Path, storage: str) -> None:
    async with room(tmp_path, storage=storage) as ours:
        await ours.policy("makes", MAKES)
        ada = await registered(ours, "ada", "makes")
        await ada.enrol_totp()
        child = await ours.token("default", by=ada.token)
        batch = await ours.token("default", by=ada.token, type="batch")
        other = await ours.token("default")
        group = await ours.ask(
            "POST", "identity/group", {"name": "approvers", "member_entity_ids": [ada.entity]}
        )
        asked = {"kind": "person", "entity_name": "eve", "name": "Eve", "reason": "new"}
        assert (await ada.ask("POST", "strongroom/registrations", asked)).status == 200
        assert (await ada.ask("POST", "cubbyhole/note", {"v": "1"})).status == 204
        assert all([await works(ours, each) for each in (ada.token, child, batch)])
        told = (await leave(ours, ada)).data
        for each in (ada.token, child, batch):
            assert not await works(ours, each)
        assert await works(ours, other)
        ended = told["ended"]
        assert ended["tokens"]["count"] == 2
        assert ended["sessions"]["count"] == 1
        assert ended["cubbyholes"]["count"] == 1
        assert await tx_of(ours).all(CELLS, mount=CUBBYHOLE) == []
        assert ended["factors"]["count"] == 1
        assert ended["groups"]["count"] == 1
        assert ended["credentials"]["count"] == 1
        assert ended["registrations"]["count"] == 1
        assert all(each["ms"] >= 0 for each in ended.values())
        entry = next(
            e
            for e in reversed(await ours.entries())
            if e["metadata"]["event_code"] == "person.leave"
        )
        assert entry["unmapped"]["ended"]["tokens"]["count"] == 2
        assert (await ada.log_in()).status == 400
        members = (await ours.ask("GET", f"identity/group/id/{group.data['id']}")).data
        assert not members["member_entity_ids"]
        tx = tx_of(ours)
        assert await tx.all(TOKENS, entity=ada.entity) == []
        assert [f.disabled != "" for f in await tx.all(FACTORS, entity=ada.entity)] == [True]
        assert await tx.all(SIGN_INS, entity=ada.entity) == []


async def test_a_token_below_a_leavers_that_is_of_another_entity_ends_too(
    tmp_path: Path, storage: str
) -> None:
    async with room(tmp_path, storage=storage) as ours:
        ada = await registered(ours, "ada")
        bob = await registered(ours, "bob")
        parent = await ours.server.tokens.find(tx_of(ours), ada.token)
        assert parent is not None
        texts: list[str] = []

        def below(tx: Transaction) -> None:
            for kind in ("service", "batch"):
                wanted = Wanted(
                    path="auth/token/create/role",
                    display="",
                    policies=("default",),
                    ttl=timedelta(hours=1),
                    entity=bob.entity,
                    parent=parent.lookup,
                    kind=kind,
                )
                texts.append(ours.server.tokens.issue(tx, wanted, ours.clock.now()).text.text())

        await ours.store(below)
        assert all([await works(ours, each) for each in texts])
        await leave(ours, ada)
        assert not any([await works(ours, each) for each in texts])
        assert await works(ours, bob.token)


async def test_a_workload_loses_its_role_and_secret_ids(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada = await registered(ours, "ada")
        await ours.ask("POST", "strongroom/environments/prod", {"paths": ["prod/*"]})
        await ours.ask("POST", "sys/auth/ar", {"type": "approle"})
        await ours.ask("POST", "auth/ar/role/job", {"token_policies": ["default"]})
        role_id = (await ours.ask("GET", "auth/ar/role/job/role-id")).data["role_id"]
        secret = (await ours.ask("POST", "auth/ar/role/job/secret-id")).data["secret_id"]
        proof = {"role_id": role_id, "secret_id": secret}
        auth = (await ours.ask("POST", "auth/ar/login", proof, token="")).auth
        given = {"owner": ada.entity, "justification": "builds", "environment": "prod"}
        path = f"strongroom/workloads/{auth['entity_id']}"
        made = await ours.ask("POST", path, given)
        assert made.status == 204, made
        answer = await ours.ask("POST", f"{path}/decommission")
        assert answer.status == 200, answer
        assert answer.data["ended"]["credentials"]["count"] == 2
        assert not await works(ours, auth["client_token"])
        assert (await ours.ask("GET", "auth/ar/role/job")).status == 404
        assert (await ours.ask("POST", "auth/ar/login", proof, token="")).status == 400
        assert (await ours.ask("POST", path, given)).status == 400
        again = await ours.ask("POST", f"{path}/decommission")
        assert again.data["ended"]["tokens"]["count"] == 0
        orphaned = await leave(ours, ada)
        assert orphaned.data["workloads_without_owner"] == []


async def test_a_personnel_system_reports_by_external_id_or_e_mail(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada, bob = await registered(ours, "ada"), await registered(ours, "bob")
        await ours.policy("hr", 'path "strongroom/leavers" { capabilities = ["update"] }')
        hr = await ours.token("hr")
        report = "strongroom/leavers"
        told = await ours.ask("POST", report, {"external_id": "hr-ada"}, token=hr)
        assert told.status == 200, told
        assert told.data["entity"] == ada.entity
        assert not await works(ours, ada.token)
        assert await works(ours, bob.token)
        told = await ours.ask("POST", report, {"email": "bob@example.com", "reason": "r"}, token=hr)
        assert told.data["why"] == "r"
        assert not await works(ours, bob.token)
        listed = (await ours.ask("LIST", report)).data
        assert sorted(listed["keys"]) == sorted([ada.entity, bob.entity])
        again = await ours.ask("POST", report, {"external_id": "hr-ada"}, token=hr)
        assert again.status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"external_id": ""}, 400),
        ({"external_id": "nobody"}, 404),
        ({"email": "' OR 1=1 --"}, 404),
        ({"email": "%"}, 404),
        ({"email": "twin@example.com"}, 400),
        ({"email": ["ada@example.com"]}, 404),
        ({"external_id": "hr-ada\0"}, 400),
        ({"external_id": "x" * 300}, 400),
        ({"external_id": "hr-ada", "email": "bob@example.com"}, 404),
    ],
)
async def test_a_report_of_nobody_or_of_several_ends_nobody(
    tmp_path: Path, body: dict[str, object], status: int
) -> None:
    async with room(tmp_path) as ours:
        ada = await registered(ours, "ada")
        one = await registered(ours, "one", email="twin@example.com")
        two = await registered(ours, "two", email="twin@example.com")
        answer = await ours.ask("POST", "strongroom/leavers", body)
        if body == {"email": ["ada@example.com"]}:
            assert answer.status in {200, 400, 404}
        else:
            assert answer.status == status, answer
            for each in (ada, one, two):
                assert await works(ours, each.token)


async def test_what_a_leaver_read_is_known_and_queued_until_it_is_written_anew(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as ours:
        await ours.policy("reads", READS)
        await ours.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        for name in ("db", "api", "other"):
            await ours.ask("POST", f"secret/data/{name}", {"data": {"v": "1"}})
        ada = await registered(ours, "ada", "reads")
        bob = await registered(ours, "bob", "reads")
        for _ in range(2):
            assert (await ada.ask("GET", "secret/data/db")).status == 200
        assert (await ada.ask("GET", "secret/data/api")).status == 200
        assert (await bob.ask("GET", "secret/data/other")).status == 200
        assert (await ada.ask("GET", "secret/data/nothing")).status == 404
        await ours.ask("POST", "secret/data/api", {"data": {"v": "2"}})
        await leave(ours, ada)
        assert (await ada.ask("GET", "secret/data/other")).status == 403
        known = await ours.ask("GET", f"strongroom/people/{ada.entity}/knowledge")
        found = {(s["path"], s["version"]): s for s in known.data["secrets"]}
        assert set(found) == {("secret/data/db", 1), ("secret/data/api", 1)}
        assert found["secret/data/db", 1]["times"] == 2
        assert not found["secret/data/db", 1]["written_since"]
        assert found["secret/data/api", 1]["written_since"]
        entries = await ours.entries()
        read = entries[found["secret/data/db", 1]["index"]]
        assert read["metadata"]["event_code"] == "secret.read"
        assert read["actor"]["user"]["uid"] == ada.entity

        assert await queue_leavers(ours.server) == 1
        assert await queue_leavers(ours.server) == 0
        due = (await ours.ask("GET", "strongroom/rotation/due")).data["rotations"]
        assert [(d["path"], d["version"], d["state"]) for d in due] == [
            ("secret/data/db", 1, "due")
        ]
        await ours.ask("POST", "secret/data/db", {"data": {"v": "2"}})
        assert (await ours.ask("GET", "strongroom/rotation/due")).data["rotations"] == []
        assert await resolve_due(ours.server, Following(ours.server.log)) == 1
        assert await resolve_due(ours.server, Following(ours.server.log)) == 0
        [row] = (await ours.ask("GET", "strongroom/rotation/due?state=rotated")).data["rotations"]
        assert row["resolved_index"] is not None


async def test_what_the_workflow_missed_is_found_by_another_look(
    tmp_path: Path, storage: str
) -> None:
    async with room(tmp_path, storage=storage) as ours:
        ada, bob = await registered(ours, "ada"), await registered(ours, "bob")
        group = await ours.ask("POST", "identity/group", {"name": "g"})
        await leave(ours, ada)
        clean = await check_leavers(ours.server)
        assert (clean.looked_at, clean.missed) == (1, {})
        kept = await ours.server.tokens.find(tx_of(ours), bob.token)
        assert kept is not None
        stray = replace(kept, lookup=b"x" * 32, accessor="stray", entity=ada.entity, entry=None)
        at = ours.clock.now()
        lease = LeaseRow(
            "secret/x/1", b"x" * 32, "m", "secret/x", at, None, at + timedelta(1), at, False, {}
        )

        def behind(tx: Transaction) -> None:
            tx.put(TOKENS, stray)
            tx.put(LEASES, lease)
            tx.put(GROUP_MEMBERS, GroupMember(group.data["id"], ada.entity, at))

        await ours.store(behind)
        await ours.ask("POST", "auth/up/users/ada", {"password": "again"})
        told = (await ours.ask("GET", "strongroom/leavers/check")).data
        expected = {"tokens": 1, "leases": 1, "groups": 1, "credentials": 1}
        assert told["missed"] == {ada.entity: expected}
        await check_leavers(ours.server)
        codes = [e["metadata"]["event_code"] for e in await ours.entries()]
        assert codes.count("leaver.missed") == 1
        entry = next(
            e for e in await ours.entries() if e["metadata"]["event_code"] == "leaver.missed"
        )
        assert entry["unmapped"]["missed"] == expected
        await leave(ours, ada)
        assert (await check_leavers(ours.server)).missed == {}


async def test_who_is_over_their_end_loses_everything_on_record(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        end = (START + timedelta(days=30)).isoformat().replace("+00:00", "Z")
        eve = await registered(ours, "eve", worker="contractor", contract="c", ends_at=end)
        assert await end_those_over(ours.server) == 0
        ours.clock.advance(timedelta(days=30))
        assert not await works(ours, eve.token)
        assert await end_those_over(ours.server) == 1
        assert await end_those_over(ours.server) == 0
        assert await tx_of(ours).all(TOKENS, entity=eve.entity) == []
        shown = (await ours.ask("GET", f"strongroom/people/{eve.entity}")).data
        assert shown["state"] == "ended"


MANY = 10_000


@pytest.mark.slow
async def test_ten_thousand_tokens_and_leases_end_in_seconds(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada = await registered(ours, "ada")
        texts: list[str] = []

        def handed_out(tx: Transaction) -> None:
            at = ours.clock.now()
            for number in range(len(texts), len(texts) + 1000):
                wanted = Wanted(
                    path="auth/up/login/ada",
                    display="",
                    policies=("default",),
                    ttl=timedelta(hours=1),
                    entity=ada.entity,
                )
                made = ours.server.tokens.issue(tx, wanted, at)
                texts.append(made.text.text())
                path, later = f"db/creds/{number:06}", at + timedelta(hours=1)
                tx.put(
                    LEASES,
                    LeaseRow(
                        path, made.token.lookup, "gone", path, at, None, later, later, False, {}
                    ),
                )

        for _ in range(MANY // 1000):
            await ours.store(handed_out)
        assert await works(ours, texts[0])
        begun = perf_counter()
        told = (await leave(ours, ada)).data["ended"]
        acknowledged = perf_counter() - begun
        assert told["tokens"]["count"] == MANY + 1
        assert told["leases"]["count"] == MANY
        for each in texts[:: MANY // 100]:
            assert not await works(ours, each)
        begun = perf_counter()
        while await revoke_expired(ours.server):
            continue
        taken_back = perf_counter() - begun
        assert await tx_of(ours).all(LEASES) == []
        print(f"{MANY} tokens: {acknowledged:.2f} s; as many leases: {taken_back:.2f} s")  # noqa: T201
        assert acknowledged < 10
        assert taken_back < 60


async def test_no_answer_after_the_acknowledgement_uses_a_leavers_token(tmp_path: Path) -> None:
    """Many connections ask at once, while one says that their owner has left."""
    async with room(tmp_path) as ours:
        ada = await registered(ours, "ada")
        tokens = [ada.token] + [(await ada.must_log_in()).auth["client_token"] for _ in range(19)]
        acknowledged: list[int] = []
        late: list[Any] = []
        served = 0

        async def asks(token: str) -> None:
            nonlocal served
            for _ in range(400):
                begun = bool(acknowledged)
                answer = await ours.ask("GET", "auth/token/lookup-self", token=token)
                if answer.status == 200:
                    served += 1
                    if acknowledged:
                        late.append(begun)
                elif acknowledged:
                    return
                await asyncio.sleep(0)

        async def ends() -> None:
            await asyncio.sleep(0.05)
            await leave(ours, ada)
            acknowledged.append(1)

        await asyncio.gather(ends(), *(asks(each) for each in tokens))
        assert acknowledged
        assert served
        assert late == []
