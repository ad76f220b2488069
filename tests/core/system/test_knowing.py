"""What leavers knew: the reply, the queue and T26 say the same of any history of a secret."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random

import pytest

from strongroom.audit.decoding import decoded
from strongroom.controls.leavers import CONTROL as T25
from strongroom.controls.leavers_knowledge import CONTROL as T26
from strongroom.core.rotation_due import Following, queue_leavers, resolve_due
from strongroom.sdk.control import ControlTest, Item, Verdict, verdict
from strongroom.sdk.facts.period import Period
from tests.controls.histories import FakeLog, evidence
from tests.core.system.people import Person, person, requirement, validate
from tests.core.system.room import START, Answer, Room, room
from tests.core.system.test_groups import storage
from tests.core.system.test_leaving import leave, registered

__all__ = ["storage"]
ALL = 'path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }'
DAY = timedelta(days=1)
ANOTHER = count()
PATCH = {"content-type": "application/merge-patch+json"}


async def items(ours: Room, control: ControlTest, start: timedelta = -DAY) -> list[Item]:
    """Return what a control finds in the log from some time on, up to an hour from now."""
    stored = await ours.server.log.entries(0, ours.server.log.size)
    entries = [decoded(each.index, each.leaf) for each in stored]
    log = FakeLog([each for each in entries if each.time is not None])
    period = Period(START + start, ours.clock.now() + timedelta(hours=1))
    return [item async for item in control.evaluate(period, evidence(log=log))]


async def started(ours: Room) -> None:
    """Mount what the histories are of."""
    await ours.policy("all", ALL)
    await ours.ask("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
    await ours.ask("POST", "sys/mounts/plain", {"type": "kv", "options": {"version": "1"}})


async def due(ours: Room, who: Person) -> set[str]:
    """Return what is due; all three who say so must agree."""
    await queue_leavers(ours.server)
    told = await ours.ask("GET", f"strongroom/rotation/due?entity={who.entity}")
    queued = {each["path"] for each in told.data["rotations"]}
    told = await ours.ask("GET", f"strongroom/people/{who.entity}/knowledge")
    known = {each["path"] for each in told.data["secrets"] if not each["written_since"]}
    judged = {i.subject.partition(",")[0] for i in await items(ours, T26) if i.held is not True}
    assert queued == known == judged
    return queued


async def write(ours: Room, path: str, by: str | None = None) -> None:
    answer = await ours.ask("POST", path, {"data": {"v": f"x{next(ANOTHER)}"}}, token=by)
    assert answer.status in {200, 204}, answer


async def read(ours: Room, path: str, by: str) -> None:
    answer = await ours.ask("GET", path, token=by)
    assert answer.status == 200, answer


async def with_app(who: Person) -> Answer:
    """Log in with a password and a code."""
    answer = await who.log_in()
    asked = requirement(answer)["mfa_constraints"].values()
    [way] = [way["id"] for each in asked for way in each["any"] if way["type"] == "totp"]
    shown = await validate(who.room, answer, **{way: who.next_code()})
    assert shown.status == 200, shown
    return shown


async def test_versions_that_begin_anew_hide_nothing(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        for _ in range(3):
            await write(ours, "kv/data/restart")
        await ours.ask("DELETE", "kv/metadata/restart")
        await write(ours, "kv/data/restart")
        await read(ours, "kv/data/restart", ada.token)
        await leave(ours, ada)

        assert await due(ours, ada) == {"kv/data/restart"}


async def test_what_was_deleted_and_written_anew_is_due_no_more(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        for _ in range(2):
            await write(ours, "kv/data/anew")
        await read(ours, "kv/data/anew", ada.token)
        await leave(ours, ada)
        assert await due(ours, ada) == {"kv/data/anew"}
        await ours.ask("DELETE", "kv/metadata/anew")
        assert await due(ours, ada) == {"kv/data/anew"}
        await write(ours, "kv/data/anew")

        assert await due(ours, ada) == set()
        assert await resolve_due(ours.server, Following(ours.server.log)) == 1


async def put(ours: Room, path: str, value: dict[str, object]) -> None:
    """Write a value: that of a mount of version 2 where the path is of one."""
    body = {"data": value} if path.startswith("kv/") else value
    answer = await ours.ask("POST", path, body)
    assert answer.status in {200, 204}, answer


async def unchanged(ours: Room) -> dict[str, list[str]]:
    """Return of what is due which fields a write left as they were."""
    told = await ours.ask("GET", "strongroom/rotation/due")
    return {each["path"]: each["unchanged"] for each in told.data["rotations"]}


async def test_a_write_that_leaves_the_known_value_there_rotates_nothing(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        old = {"password": "S3CRET", "db": {"user": "u1", "pin": 1}, "on": True}
        paths = ["kv/data/patched", "kv/data/same", "kv/data/deep", "plain/same", "plain/again"]
        for path in (*paths, "kv/data/done"):
            await put(ours, path, old)
            await read(ours, path, ada.token)
        await leave(ours, ada)
        assert await due(ours, ada) == {*paths, "kv/data/done"}

        body = {"data": {"note": "hi", "db": None}}
        patched = await ours.ask("PATCH", "kv/data/patched", body, headers=PATCH)
        assert patched.status == 200, patched
        for path in ("kv/data/same", "plain/same"):
            await put(ours, path, old)
        await put(ours, "kv/data/deep", {"password": "n", "db": {"user": "u2", "pin": 1}})
        await ours.ask("DELETE", "plain/again")
        await put(ours, "plain/again", old)
        await put(ours, "kv/data/done", {"password": "n", "db": {"user": "u2"}, "on": True})
        assert await due(ours, ada) == set(paths)
        assert await unchanged(ours) == {
            "kv/data/patched": ["password"],
            "kv/data/same": ["*"],
            "kv/data/deep": ["db.pin"],
            "plain/same": ["*"],
            "plain/again": ["*"],
        }
        assert "S3CRET" not in str(await ours.entries())
        assert await resolve_due(ours.server, Following(ours.server.log)) == 1  # done

        for path in paths:
            await put(ours, path, {"password": "newer"})
        assert await due(ours, ada) == set()
        assert await resolve_due(ours.server, Following(ours.server.log)) == len(paths)


async def test_what_was_kept_before_the_leaving_is_due_and_what_came_back_too(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        await put(ours, "kv/data/kept", {"password": "S3CRET", "note": "1"})
        await put(ours, "kv/data/back", {"password": "S3CRET"})
        for path in ("kv/data/kept", "kv/data/back"):
            await read(ours, path, ada.token)
        await put(ours, "kv/data/kept", {"password": "S3CRET", "note": "2"})
        await put(ours, "kv/data/back", {"password": "other"})
        await put(ours, "kv/data/back", {"password": "S3CRET"})
        await leave(ours, ada)
        assert await due(ours, ada) == {"kv/data/kept", "kv/data/back"}
        assert (await unchanged(ours))["kv/data/kept"] == ["password"]

        await put(ours, "kv/data/kept", {"password": "n", "note": "2"})
        await put(ours, "kv/data/back", {"password": "n"})

        assert await due(ours, ada) == set()


async def test_who_unwraps_what_another_read_knows_it(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        bob = await registered(ours, "bob", "all")
        await ours.ask("POST", "strongroom/step-up/rules/sharing", {"enabled": False})
        for path in ("kv/data/handed", "kv/data/again", "kv/data/unread"):
            await write(ours, path)
        tokens = [
            (
                await ours.ask("GET", path, token=bob.token, headers={"x-vault-wrap-ttl": "300"})
            ).body["wrap_info"]["token"]
            for path in ("kv/data/handed", "kv/data/again", "kv/data/unread")
        ]
        newer = await ours.ask("POST", "sys/wrapping/rewrap", {"token": tokens[1]})
        for text in (tokens[0], newer.body["wrap_info"]["token"]):
            opened = await ada.ask("POST", "sys/wrapping/unwrap", {"token": text})
            assert opened.data["data"]["v"].startswith("x"), opened
        await leave(ours, ada)

        assert await due(ours, ada) == {"kv/data/handed", "kv/data/again"}
        await write(ours, "kv/data/handed")
        assert await due(ours, ada) == {"kv/data/again"}


async def test_a_mount_made_anew_has_other_secrets(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        for _ in range(2):
            await write(ours, "kv/data/one")
        await ours.ask("POST", "sys/mounts/from", {"type": "kv", "options": {"version": "2"}})
        await write(ours, "from/data/one")
        await ours.ask("DELETE", "sys/mounts/kv")
        moved = await ours.ask("POST", "sys/remount", {"from": "from/", "to": "kv/"})
        assert moved.status == 200, moved
        await read(ours, "kv/data/one", ada.token)
        await leave(ours, ada)

        assert await due(ours, ada) == {"kv/data/one"}


async def test_a_value_that_the_leaver_wrote_is_known_to_them(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        for path in ("kv/data/self", "kv/data/child", "plain/self"):
            await write(ours, path)
            await read(ours, path, ada.token)
        child = await ours.token("all", by=ada.token)
        orphan = await ours.token("all", by=ada.token, no_parent=True)
        await write(ours, "kv/data/self", ada.token)
        await write(ours, "kv/data/child", child)
        await write(ours, "plain/self", orphan)
        await write(ours, "kv/data/only", ada.token)
        await leave(ours, ada)

        assert await due(ours, ada) == {
            "kv/data/self",
            "kv/data/child",
            "plain/self",
            "kv/data/only",
        }
        await write(ours, "kv/data/self")
        assert "kv/data/self" not in await due(ours, ada)


async def test_an_older_version_is_not_the_one_that_is_used(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        for _ in range(2):
            await write(ours, "kv/data/old")
        await read(ours, "kv/data/old?version=1", ada.token)
        await leave(ours, ada)

        assert await due(ours, ada) == set()
        [item] = await items(ours, T26)
        assert (item.held, item.because) == (True, "written anew before they left")


async def test_what_somebody_knew_who_was_merged_is_known_to_who_stays(
    tmp_path: Path, storage: str
) -> None:
    async with room(tmp_path, storage=storage) as ours:
        await started(ours)
        await ours.ask("POST", "sys/auth/other", {"type": "userpass"})
        given = {"password": "right", "policies": ["all"]}
        await ours.ask("POST", "auth/other/users/carl", given)
        answer = await ours.ask("POST", "auth/other/login/carl", {"password": "right"}, token="")
        before = answer.auth["entity_id"]
        await write(ours, "kv/data/merged")
        await read(ours, "kv/data/merged", answer.auth["client_token"])
        carl = await registered(ours, "carl")
        given = {"from_entity_ids": [before], "to_entity_id": carl.entity}
        assert (await ours.ask("POST", "identity/entity/merge", given)).status == 204
        await leave(ours, carl)

        assert await due(ours, carl) == {"kv/data/merged"}
        [item] = await items(ours, T26)
        assert item.subject == f"kv/data/merged, read by {carl.entity}"


async def test_what_it_took_up_to_the_commit_is_written_down_behind_it(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada = await registered(ours, "ada")
        await leave(ours, ada)
        for _ in range(100):
            last = await ours.last()
            if last["metadata"]["event_code"] == "leaver.measured":
                break
            await asyncio.sleep(0.01)

        said = last["unmapped"]
        assert (said["entity"], said["of"], said["counts"]["tokens"]) == (ada.entity, "person", 1)
        assert said["took_ms"] > 0
        [item] = await items(ours, T25)
        assert f"{said['took_ms']:.1f} ms after it was asked for" in item.because


async def test_each_leaving_is_judged_up_to_the_coming_back(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        await write(ours, "kv/data/one")
        await read(ours, "kv/data/one", ada.token)
        await leave(ours, ada)
        assert await due(ours, ada) == {"kv/data/one"}
        ours.clock.advance(DAY)
        answer = await ours.ask("POST", f"strongroom/people/{ada.entity}/return")
        assert answer.status == 204, answer
        await person(ours, "ada", "all")
        await ada.must_log_in()
        code = await ours.ask("POST", f"strongroom/people/{ada.entity}/factors/code")
        await ada.enrol_totp(enrolment_code=code.data["enrolment_code"])
        ada.token = (await with_app(ada)).auth["client_token"]
        await read(ours, "kv/data/one", ada.token)
        [item] = await items(ours, T25)
        assert item.held, item
        [item] = await items(ours, T26)
        assert item.because.startswith("they came back 1 day")
        told = await ours.ask("GET", "strongroom/rotation/due?state=")
        assert told.data["rotations"] == []

        ours.clock.advance(timedelta(days=29))
        await leave(ours, ada)
        found = await items(ours, T25, timedelta(days=20))
        assert verdict(found) is Verdict.EFFECTIVE
        [item] = await items(ours, T26, timedelta(days=20))
        assert (item.held, item.because) == (None, "due, and still in time")
        assert await due(ours, ada) == {"kv/data/one"}


async def test_who_is_back_by_the_directory_was_served_rightly(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        ada = await registered(ours, "ada")
        users = f"strongroom/scim/v2/Users/{ada.entity}"
        for active in (False, True):
            given = {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "replace", "path": "active", "value": active}],
            }
            answer = await ours.ask("PATCH", users, given, headers=PATCH)
            assert answer.status == 200, answer
        await person(ours, "ada")
        await ada.must_log_in()
        assert (await ada.ask("GET", "auth/token/lookup-self")).status == 200

        [item] = await items(ours, T25)
        assert item.held, item
        assert "back since entry" in item.because


# -- any history


@dataclass
class Model:
    """A secret as one keeps it in mind: values by their numbers, and which are known."""

    path: str
    values: dict[int, str] = field(default_factory=dict)  # of what can be read, by version
    kept: dict[int, str] = field(default_factory=dict)  # of what is not destroyed
    last: str = ""  # what was written last, ever
    version: int = 0
    known: set[str] = field(default_factory=set)


async def act(ours: Room, random: Random, model: Model, tokens: Sequence[str]) -> None:
    """Do one thing to a secret; the first token is nobody's who leaves."""
    token = random.choice(tokens)
    by_leaver = token != tokens[0]
    kind = random.choice(("write", "write", "patch", "read", "read", "delete", "gone", "undelete"))
    some = random.randint(1, max(model.version, 1))
    value = f"{random.getrandbits(64):x}"
    given: dict[str, object] = {"versions": [some]}
    if kind == "patch" and model.version in model.values:
        sent = {"data": {"v": value}}
        answer = await ours.ask("PATCH", f"kv/data/{model.path}", sent, token=token, headers=PATCH)
        kind = "write"
    elif kind in {"write", "patch"}:
        kind = "write"
        sent = {"data": {"v": value}}
        answer = await ours.ask("POST", f"kv/data/{model.path}", sent, token=token)
    elif kind == "read":
        answer = await ours.ask("GET", f"kv/data/{model.path}?version={some}", token=token)
        assert (answer.status == 200) == (some in model.values)
        if answer.status == 200:
            assert answer.data["data"]["v"] == model.values[some]
            model.known |= {model.values[some]} if by_leaver else set()
    elif kind == "delete":
        verb = random.choice(("delete", "destroy"))
        await ours.ask("POST", f"kv/{verb}/{model.path}", given, token=token)
        model.values.pop(some, None)
        model.kept = {n: v for n, v in model.kept.items() if verb == "delete" or n != some}
    elif kind == "undelete":
        await ours.ask("POST", f"kv/undelete/{model.path}", given, token=token)
        model.values |= {n: v for n, v in model.kept.items() if n == some}
    elif random.random() < 0.3:
        await ours.ask("DELETE", f"kv/metadata/{model.path}", token=token)
        model.values, model.kept, model.version = {}, {}, 0
    if kind == "write":
        assert answer.status == 200, answer
        model.version += 1
        model.values[model.version] = model.kept[model.version] = model.last = value
        model.known |= {value} if by_leaver else set()


@pytest.mark.parametrize("seed", range(3))
async def test_any_history_is_understood_as_a_simple_model_does(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    async with room(tmp_path) as ours:
        await started(ours)
        ada = await registered(ours, "ada", "all")
        child = await ours.token("all", by=ada.token, no_parent=random.random() < 0.5)
        tokens = [ours.root, ours.root, ada.token, child]
        models = [Model(f"s{number}") for number in range(12)]
        for _ in range(120):
            await act(ours, random, random.choice(models), tokens)
        await leave(ours, ada)

        for _ in range(3):
            expected = {f"kv/data/{m.path}" for m in models if m.last in m.known}
            assert await due(ours, ada) == expected
            for _ in range(10):
                await act(ours, random, random.choice(models), [ours.root])
