"""Rows that were changed behind the server's back: refused each by itself, and repaired."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.core.runtime import Runtime
from strongroom.identity.records import POLICY_VERSIONS
from strongroom.storage.barrier import TamperedError
from strongroom.storage.transaction import Transaction
from tests.audit.keeping import change
from tests.core.system.room import Room, room

READER = 'path "kv/mine" { capabilities = ["read"] }'
KEEPER = 'path "*" { capabilities = ["create", "read", "update", "delete", "list"] }'


@dataclass
class Place:
    """A room with its database, and people of different rights in it."""

    room: Room
    url: str
    reader: str = ""
    keeper: str = ""
    ada: str = ""

    async def interfere(self, *statements: str) -> None:
        """Change the database as its administrator can, and let the server forget its caches."""
        await change(self.url, *statements)
        await asyncio.sleep(0)  # SQLite: what is read in one turn of the loop is one snapshot
        self.room.server.views.clear()

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return await self.room.server.database.rows(sql, ())

    async def login(self) -> Any:
        return await self.room.ask("POST", "auth/userpass/login/ada", {"password": "ada"}, token="")


@pytest.fixture(params=["sqlite", "postgresql"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    url = f"sqlite://{tmp_path}/strongroom.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_ready").url
    async with room(tmp_path, storage=url) as made:
        for path, body in (
            ("sys/mounts/kv", {"type": "kv", "options": {"version": "1"}}),
            ("sys/mounts/prod", {"type": "kv", "options": {"version": "1"}}),
            ("kv/mine", {"of": "reader"}),
            ("kv/other", {"of": "keeper"}),
            ("prod/key", {"of": "production"}),
            ("sys/policy/reader", {"policy": READER}),
            ("sys/policy/keeper", {"policy": KEEPER}),
            ("strongroom/environments/production", {"paths": ["prod/*"], "protected": True}),
            ("sys/auth/userpass", {"type": "userpass"}),
            ("auth/userpass/users/ada", {"password": "ada", "token_policies": ["keeper"]}),
            ("auth/userpass/users/bob", {"password": "bob"}),
        ):
            answer = await made.ask("POST", path, body)
            assert answer.status < 300, (path, answer)
        found = Place(made, url)
        found.reader, found.keeper = await made.token("reader"), await made.token("keeper")
        found.ada = (await found.login()).auth["client_token"]
        await made.ask("POST", "auth/userpass/login/bob", {"password": "bob"}, token="")
        yield found


OF = "(SELECT {0} FROM token AS t WHERE t.policies = '[\"{1}\"]' LIMIT 1)"
READERS, KEEPERS = (OF.format("accessor", name) for name in ("reader", "keeper"))

# What is changed, and what whoever changed it would then ask for.
CHANGES = {
    "the text of a policy": (
        """UPDATE policy SET text = 'path "*" { capabilities = ["read"] }' WHERE name = 'reader'""",
        ("reader", "kv/other"),
    ),
    "a policy under the name of another": (
        (
            "DELETE FROM policy WHERE name = 'reader'; "
            "UPDATE policy SET name = 'reader' WHERE name = 'keeper'"
        ),
        ("reader", "kv/other"),
    ),
    "a policy that is made up": (
        (
            "DELETE FROM policy WHERE name = 'reader'; "
            "INSERT INTO policy SELECT 'reader', version, text, options, modified_at, expires_at, "
            "mac, entry FROM policy WHERE name = 'keeper'"
        ),
        ("reader", "kv/other"),
    ),
    "a token's policies": (
        """UPDATE token SET policies = '["root"]' WHERE policies = '["reader"]'""",
        ("reader", "kv/other"),
    ),
    "a token's end": (
        f"UPDATE token SET expires_at = expires_at + 1000000 WHERE accessor = {READERS}",
        ("reader", "kv/mine"),
    ),
    "a token's entity": (
        (
            "UPDATE token SET entity = (SELECT id FROM entity ORDER BY id LIMIT 1) "
            f"WHERE accessor = {READERS}"
        ),
        ("reader", "kv/other"),
    ),
    "two tokens that change places": (
        (
            "CREATE TABLE kept AS SELECT lookup AS strong FROM token "
            "WHERE policies = '[\"keeper\"]' AND entity = ''; "
            "CREATE TABLE weak AS SELECT lookup FROM token WHERE policies = '[\"reader\"]'; "
            "UPDATE token SET lookup = lookup || lookup WHERE lookup = (SELECT strong FROM kept); "
            "UPDATE token SET lookup = (SELECT strong FROM kept) "
            "WHERE lookup = (SELECT lookup FROM weak); "
            "UPDATE token SET lookup = (SELECT lookup FROM weak) WHERE policies = '[\"keeper\"]' "
            "AND entity = ''"
        ),
        ("reader", "kv/other"),
    ),
    "an entity's environment": (
        """UPDATE entity SET metadata = '{"environment":"production"}'""",
        ("ada", "prod/key"),
    ),
    "an entity's policies": (
        """UPDATE entity SET policies = '["root"]'""",
        ("ada", "kv/other"),
    ),
    "an environment's protection": (
        "UPDATE environment SET protected = 0",
        ("ada", "prod/key"),
    ),
    "an environment's paths": (
        "UPDATE environment SET paths = '[\"nowhere/*\"]'",
        ("ada", "prod/key"),
    ),
    "a mount's options": (
        """UPDATE mount SET options = '{"environment":"production"}' WHERE kind = 'userpass'""",
        ("ada", "prod/key"),
    ),
    "a mount at another path": (
        "UPDATE mount SET path = 'open/' WHERE path = 'prod/'",
        ("ada", "open/key"),
    ),
    "a mount over the store of another": (
        (
            "UPDATE mount SET uuid = (SELECT uuid || 'x' FROM mount WHERE path = 'prod/') "
            "WHERE path = 'kv/'"
        ),
        ("ada", "kv/key"),
    ),
    "a row without a MAC": (
        "UPDATE token SET mac = ''",
        ("reader", "kv/mine"),
    ),
}


@pytest.mark.parametrize(("statements", "asked"), CHANGES.values(), ids=CHANGES)
async def test_a_row_that_was_changed_is_refused(
    place: Place,
    caplog: pytest.LogCaptureFixture,
    statements: str,
    asked: tuple[str, str],
) -> None:
    who, path = asked

    await place.interfere(*statements.split("; "))
    with caplog.at_level(logging.ERROR, "strongroom"):
        answer = await place.room.ask("GET", path, token=getattr(place, who))

    assert answer.status in {403, 503}
    assert "is not as it was written" in caplog.text
    reason = (await place.room.last())["status_detail"]
    assert re.match(r"(tampered|environment:production): a row of ", reason)


async def test_an_alias_of_somebody_else_logs_nobody_in(place: Place) -> None:
    bob = "(SELECT entity FROM alias WHERE name = 'bob')"

    await place.interfere(f"UPDATE alias SET entity = {bob} WHERE name = 'ada'")
    answer = await place.login()

    assert (answer.status, answer.body) == (500, {"errors": ["internal error"]})


async def test_a_version_of_a_policy_that_was_changed_is_not_read(place: Place) -> None:
    await place.interfere("UPDATE policy_version SET text = '' WHERE name = 'reader'")
    tx = Transaction(place.room.server.database, place.room.server.barrier)

    with pytest.raises(TamperedError, match="policy_version"):
        await tx.get(POLICY_VERSIONS, "reader", 1)


async def test_what_was_not_changed_is_served(place: Place) -> None:
    ask = place.room.ask

    await place.interfere(
        "UPDATE token SET policies = '[\"root\"]' WHERE policies = '[\"reader\"]'"
    )

    assert (await ask("GET", "kv/mine", token=place.reader)).status == 403
    assert (await ask("GET", "kv/other", token=place.keeper)).data == {"of": "keeper"}


async def test_rows_hold_after_rotation_and_an_unseal(place: Place) -> None:
    ask = place.room.ask
    assert (await ask("POST", "sys/rotate")).status < 300
    assert (await ask("POST", "sys/seal")).status == 204
    for key in place.room.keys:
        await ask("POST", "sys/unseal", {"key": key}, token="")

    answer = await ask("GET", "kv/mine", token=place.reader)

    assert answer.data == {"of": "reader"}


async def test_a_mount_that_was_changed_while_sealed_is_found_out_at_the_unseal(
    place: Place,
) -> None:
    ask = place.room.ask
    assert (await ask("POST", "sys/seal")).status == 204
    await place.interfere("UPDATE mount SET options = '{}' WHERE path = 'kv/'")

    sealed = await ask("GET", "sys/seal-status", token="")
    for key in place.room.keys:
        await ask("POST", "sys/unseal", {"key": key}, token="")
    answer = await ask("GET", "kv/mine", token=place.reader)

    assert sealed.body["sealed"] is True
    assert answer.status == 503
    assert answer.errors == ["tampered: a row of mount is not as it was written: 'kv/'"]


async def test_a_mount_that_is_spoilt_while_sealed_does_not_keep_the_server_shut(
    place: Place,
) -> None:
    ask = place.room.ask
    assert (await ask("POST", "sys/seal")).status == 204
    await place.interfere("UPDATE mount SET options = 'no JSON', kind = 'nothing'")

    for key in place.room.keys:
        answer = await ask("POST", "sys/unseal", {"key": key}, token="")

    assert answer.body["sealed"] is False


async def test_a_token_that_was_changed_keeps_no_other_from_ending(place: Place) -> None:
    await place.room.ask("POST", "auth/token/create", {"ttl": "1h", "policies": ["keeper"]})
    before = len(await place.rows("SELECT 1 FROM token"))
    await place.interfere("UPDATE token SET expires_at = 1 WHERE policies = '[\"reader\"]'")
    place.room.clock.advance(timedelta(hours=2))

    await Runtime(server=place.room.server).expire()

    assert len(await place.rows("SELECT 1 FROM token")) == before - 1


async def test_what_remains_is_to_bring_back_an_older_row(place: Place) -> None:
    await place.interfere(
        "CREATE TABLE kept AS SELECT * FROM token WHERE policies = '[\"reader\"]'"
    )
    ask = place.room.ask
    await ask("POST", "auth/token/revoke", {"token": place.reader})
    assert (await ask("GET", "kv/mine", token=place.reader)).status == 403

    await place.interfere("INSERT INTO token SELECT * FROM kept")

    assert (await ask("GET", "kv/mine", token=place.reader)).status == 200


# -- one policy


SPOILT = """UPDATE policy SET text = 'path "*" {{ capabilities = ["sudo"] }}' WHERE name = '{}'"""


async def test_a_changed_policy_takes_what_the_others_of_its_token_grant(place: Place) -> None:
    ask = place.room.ask
    text = 'path "kv/other" { capabilities = ["deny"] }'
    await ask("POST", "sys/policy/not-other", {"policy": text})
    both = await place.room.token("keeper", "not-other")
    before = [(await ask("GET", path, token=both)).status for path in ("kv/mine", "kv/other")]

    await place.interfere(SPOILT.format("not-other"))

    after = [await ask("GET", path, token=both) for path in ("kv/mine", "kv/other")]
    assert before == [200, 403]
    assert [(a.status, a.errors) for a in after] == [(403, ["permission denied"])] * 2
    named = "tampered: a row of policy is not as it was written: 'not-other'"
    assert (await place.room.last())["status_detail"] == named
    assert (await ask("GET", "kv/other", token=place.keeper)).status == 200


async def test_who_may_what_counts_a_changed_policy_for_nothing(place: Place) -> None:
    await place.interfere(SPOILT.format("reader"))

    asked = "strongroom/access/may?policies=reader,keeper&capability=read&path=kv/mine"
    answer = await place.room.ask("GET", asked)

    assert answer.data["allowed"] is False


async def test_root_is_root_with_a_changed_policy_beside(place: Place) -> None:
    both = await place.room.token("root", "reader")

    await place.interfere(SPOILT.format("reader"))

    assert (await place.room.ask("GET", "kv/other", token=both)).status == 200


@pytest.mark.parametrize("path", ["sys/policy", "sys/policies/acl"])
async def test_changed_policies_are_listed(place: Place, path: str) -> None:
    await place.interfere(SPOILT.format("reader"))

    answer = await place.room.ask("LIST", path)
    detailed = await place.room.ask("LIST", "sys/policies/detailed/acl")

    assert answer.data["keys"] == ["default", "keeper", "reader", "root"]
    assert detailed.data["key_info"]["reader"] == {
        "name": "reader",
        "problem": "a row of policy is not as it was written: 'reader'",
    }


async def test_a_changed_policy_is_written_anew(place: Place) -> None:
    ask = place.room.ask
    await place.interfere(SPOILT.format("reader"))
    assert (await ask("GET", "kv/mine", token=place.reader)).status == 403

    patched = await ask("PATCH", "sys/policies/acl/reader", {"policy": READER})
    written = await ask("POST", "sys/policies/acl/reader", {"policy": READER})

    entry = await place.room.last()
    assert (patched.status, written.status) == (400, 204)
    assert entry["metadata"]["event_code"] == "policy.write"
    assert entry["unmapped"]["repaired"] is True
    assert (await ask("GET", "sys/policies/acl/reader")).data["version"] == 2
    assert (await ask("GET", "kv/mine", token=place.reader)).status == 200
    assert (await ask("GET", "kv/other", token=place.reader)).status == 403


async def test_a_changed_policy_is_deleted(place: Place) -> None:
    ask = place.room.ask
    await place.interfere(SPOILT.format("reader"))

    deleted = await ask("DELETE", "sys/policies/acl/reader")

    assert deleted.status == 204
    assert (await place.room.last())["unmapped"]["repaired"] is True
    assert (await ask("GET", "sys/policies/acl/reader")).status == 404


async def test_a_version_that_nobody_reached_does_not_stop_the_next(place: Place) -> None:
    await place.interfere(
        "UPDATE policy_version SET version = 9223372036854775807 WHERE name = 'reader'"
    )

    written = await place.room.ask("POST", "sys/policies/acl/reader", {"policy": READER})

    assert written.status == 204


# -- one environment


async def test_an_environment_that_is_deleted_is_closed_to_everybody(place: Place) -> None:
    ask = place.room.ask
    assert (await ask("GET", "prod/key")).status == 200

    await place.interfere("DELETE FROM environment")

    assert (await ask("GET", "prod/key")).status == 403
    assert (await place.room.last())["unmapped"]["guardrail"] == (
        "environment:production: a row of environment is missing or older: 'production'"
    )
    assert (await ask("GET", "kv/mine", token=place.reader)).status == 200
    shown = (await ask("GET", "strongroom/environments/production")).data
    assert (shown["paths"], shown["protected"]) == (["prod/*"], True)
    assert "is missing" in shown["problem"]
    listed = (await ask("LIST", "strongroom/environments")).data
    assert listed["key_info"]["production"] == shown


LOST = {
    "deleted": "DELETE FROM environment",
    "changed": "UPDATE environment SET protected = 0",
    "moved": "UPDATE environment SET name = 'other'",
    "older": (
        "DELETE FROM environment WHERE name = 'production'; INSERT INTO environment "
        "SELECT * FROM early"
    ),
}


@pytest.mark.parametrize("statements", LOST.values(), ids=LOST)
@pytest.mark.parametrize("repair", ["write", "delete"])
async def test_a_lost_environment_is_repaired(place: Place, statements: str, repair: str) -> None:
    ask, path = place.room.ask, "strongroom/environments/production"
    await place.interfere("CREATE TABLE early AS SELECT * FROM environment")
    await ask("POST", path, {"open": False})
    await ask("POST", path, {"open": True, "paths": ["prod/*", "live/*"]})
    await place.interfere(*statements.split("; "))
    assert (await ask("GET", "prod/key")).status == 403

    without_sudo = await ask("POST", path, {"description": "x"}, token=place.keeper)
    done = await (ask("POST", path, {}) if repair == "write" else ask("DELETE", path))

    assert (without_sudo.status, done.status) == (403, 204)
    entry = await place.room.last()
    assert entry["unmapped"]["repaired"] == "production"
    assert (await ask("GET", "prod/key")).status == 200
    shown = await ask("GET", path)
    if repair == "write":
        assert (shown.data["paths"], shown.data["protected"]) == (["prod/*", "live/*"], True)
    else:
        assert shown.status == 404


async def test_an_environment_that_was_deleted_and_comes_back_is_closed(place: Place) -> None:
    ask = place.room.ask
    await place.interfere("CREATE TABLE early AS SELECT * FROM environment")
    await ask("DELETE", "strongroom/environments/production")

    await place.interfere("INSERT INTO environment SELECT * FROM early")

    assert (await ask("GET", "prod/key")).status == 403
    assert "was brought back" in (await place.room.last())["status_detail"]


ROLL = {
    "deleted": "DELETE FROM setting WHERE name = 'environments'",
    "another": (
        "UPDATE setting SET value = (SELECT value FROM setting WHERE name = 'log.signed') "
        "WHERE name = 'environments'"
    ),
}


@pytest.mark.parametrize("statement", ROLL.values(), ids=ROLL)
async def test_without_the_roll_everything_is_closed_until_it_is_made_anew(
    place: Place, statement: str
) -> None:
    ask = place.room.ask
    await place.room.server.log.publish(place.room.clock.now())
    await place.interfere(statement)

    refused = [await ask("GET", path) for path in ("kv/mine", "prod/key")]
    own = await ask("LIST", "strongroom/environments")
    made = await ask("POST", "strongroom/environments/staging", {"paths": ["stage/*"]})

    assert [a.status for a in refused] == [403, 403]
    assert "the roll of environments is" in own.data["key_info"]["production"]["problem"]
    assert made.body["warnings"][0].endswith("made anew from the rows that hold: production")
    assert (await place.room.last())["unmapped"]["roll_from_rows"] == ["production"]
    assert (await ask("GET", "kv/mine")).status == 200
    assert (await ask("GET", "prod/key")).status == 200


async def test_who_is_bound_to_an_environment_that_is_lost_gets_nowhere(place: Place) -> None:
    ask = place.room.ask
    inside = await place.room.token("keeper", meta={"environment": "production"})
    assert (await ask("GET", "kv/mine", token=inside)).status == 200

    await place.interfere("DELETE FROM environment")

    assert (await ask("GET", "kv/mine", token=inside)).status == 403


async def test_a_mount_that_names_an_environment_which_is_not_there_lets_nobody_in(
    place: Place,
) -> None:
    ask = place.room.ask
    await ask("POST", "sys/auth/userpass/tune", {"options": {"environment": "nowhere"}})

    token = (await place.login()).auth["client_token"]

    assert (await ask("GET", "kv/mine", token=token)).status == 403


# -- one mount


MOVED = "UPDATE mount SET uuid = 'x' WHERE path = 'kv/'"


async def test_a_changed_mount_is_told_of_to_those_alone_who_may_ask(place: Place) -> None:
    ask = place.room.ask
    await place.interfere(MOVED)

    answers = [await ask("GET", "kv/mine", token=token) for token in ("", "nobody", place.reader)]

    assert [a.status for a in answers] == [403, 403, 503]


async def test_a_changed_mount_is_listed_and_mounted_anew(place: Place) -> None:
    ask = place.room.ask
    await place.interfere(MOVED)

    listed = (await ask("GET", "sys/mounts")).data["kv/"]
    tuned = await ask("POST", "sys/mounts/kv/tune", {"description": "x"})
    moved = await ask("POST", "sys/remount", {"from": "kv", "to": "vk"})
    inside = await ask("POST", "sys/mounts/kv/below", {"type": "kv"})
    anew = await ask("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "1"}})

    entry = await place.room.last()
    assert (listed["type"], listed["description"]) == (
        "changed",
        "a row of mount is not as it was written: 'kv/'",
    )
    assert (tuned.status, moved.status, inside.status, anew.status) == (400, 400, 400, 204)
    assert "mount anew in its place, or disable it" in tuned.errors[0]
    assert entry["metadata"]["event_code"] == "mount.enable"
    assert entry["unmapped"]["repaired"] is True
    assert (await ask("GET", "kv/mine")).status == 404


async def test_a_changed_mount_is_disabled_without_touching_anybodys_data(place: Place) -> None:
    ask = place.room.ask
    cells = await place.rows("SELECT count(*) FROM cell")
    await place.interfere(
        "UPDATE mount SET uuid = uuid || 'x' WHERE path = 'prod/'",
        "UPDATE mount SET uuid = (SELECT substr(uuid, 1, length(uuid) - 1) FROM mount "
        "WHERE path = 'prod/') WHERE path = 'kv/'",
    )

    disabled = await ask("DELETE", "sys/mounts/kv")

    assert disabled.status == 204
    assert (await place.room.last())["unmapped"]["repaired"] is True
    assert await place.rows("SELECT count(*) FROM cell") == cells
    assert (await ask("GET", "kv/mine")).status == 404


async def test_a_changed_cubbyhole_is_put_back(place: Place) -> None:
    ask = place.room.ask
    await ask("POST", "cubbyhole/mine", {"a": "b"}, token=place.keeper)
    await place.interfere("UPDATE mount SET description = '' WHERE path = 'cubbyhole/'")
    assert (await ask("GET", "cubbyhole/mine", token=place.keeper)).status == 503

    assert (await ask("DELETE", "sys/mounts/cubbyhole")).status == 204

    assert (await ask("GET", "cubbyhole/mine", token=place.keeper)).data == {"a": "b"}


@pytest.mark.parametrize("path", ["sys/", "sys/mounts/", "", "prod/key/", "no/such"])
async def test_a_changed_mount_hides_no_other(place: Place, path: str) -> None:
    ask = place.room.ask
    await place.interfere(f"UPDATE mount SET path = '{path}' WHERE path = 'kv/'")

    assert (await ask("GET", "sys/mounts")).status == 200
    assert (await ask("GET", "prod/key")).status == 200
    assert (await ask("POST", "sys/mounts/kv", {"type": "kv"})).status == 204


async def test_the_mounts_that_hold_go_on_expiring(place: Place) -> None:
    await place.interfere(MOVED)
    place.room.clock.advance(timedelta(days=40))

    await Runtime(server=place.room.server).expire()

    assert await place.rows("SELECT 1 FROM token WHERE expires_at IS NOT NULL") == []


# -- one token


async def test_a_tree_is_revoked_with_a_changed_child_and_all_below_it(place: Place) -> None:
    ask = place.room.ask
    parent = await place.room.token("root", ttl="1h")
    child = await place.room.token("root", by=parent, display_name="child", ttl="1h")
    below = await place.room.token("root", by=child, ttl="1h")
    beside = await place.room.token("root", by=parent, ttl="1h")
    await place.interfere("UPDATE token SET uses = 5 WHERE display = 'token-child'")

    revoked = await ask("POST", "auth/token/revoke", {"token": parent})

    assert revoked.status == 204
    assert (await place.room.last())["unmapped"]["revoked"] == 4
    for token in (parent, child, below, beside):
        assert (await ask("GET", "kv/mine", token=token)).status == 403
    assert await place.rows("SELECT 1 FROM token WHERE display = 'token-child'") == []


async def test_a_circle_of_changed_tokens_ends(place: Place) -> None:
    parent = await place.room.token("root", ttl="1h", display_name="parent")
    await place.room.token("root", by=parent, display_name="child", ttl="1h")
    at = "(SELECT lookup FROM token WHERE display = 'token-{}')".format
    await place.interfere(
        f"UPDATE token SET parent = {at('child')} WHERE display = 'token-parent'",
        f"UPDATE token SET parent = {at('parent')}, uses = 1 WHERE display = 'token-child'",
    )

    revoked = await place.room.ask("POST", "auth/token/revoke", {"token": parent})

    assert revoked.status == 204
    sql = "SELECT 1 FROM token WHERE display IN ('token-parent', 'token-child')"
    assert await place.rows(sql) == []


@pytest.mark.parametrize("by", ["token", "accessor", "prefix", "forced prefix", "mount"])
async def test_a_changed_token_is_revoked(place: Place, by: str) -> None:
    ask = place.room.ask
    asked = {"token": place.ada}
    [[accessor]] = await place.rows("SELECT accessor FROM token WHERE path LIKE '%ada'")
    await place.interfere("UPDATE token SET policies = '[]' WHERE path LIKE '%ada'")
    looked_up = await ask("POST", "auth/token/lookup-accessor", {"accessor": accessor})

    answer = await {
        "token": lambda: ask("POST", "auth/token/revoke", asked),
        "accessor": lambda: ask("POST", "auth/token/revoke-accessor", {"accessor": accessor}),
        "prefix": lambda: ask("POST", "sys/leases/revoke-prefix/auth/userpass", {"sync": True}),
        "forced prefix": lambda: ask("POST", "sys/leases/revoke-force/auth/userpass"),
        "mount": lambda: ask("DELETE", "sys/auth/userpass"),
    }[by]()

    assert looked_up.status == 400
    assert answer.status < 300
    assert await place.rows("SELECT 1 FROM token WHERE path LIKE '%ada'") == []


async def test_orphaning_revokes_a_changed_child(place: Place) -> None:
    parent = await place.room.token("root", ttl="1h")
    child = await place.room.token("reader", by=parent, display_name="child", ttl="1h")
    other = await place.room.token("reader", by=parent, ttl="1h")
    await place.interfere("UPDATE token SET uses = 5 WHERE display = 'token-child'")

    await place.room.ask("POST", "auth/token/revoke-orphan", {"token": parent})

    statuses = [(await place.room.ask("GET", "kv/mine", token=t)).status for t in (child, other)]
    assert statuses == [403, 200]
    assert await place.rows("SELECT 1 FROM token WHERE display = 'token-child'") == []


# -- SQLite alone: text that is no text


NO_TEXT = {
    "policy": ("SET text = {} WHERE name = 'reader'", ("reader", "kv/mine")),
    "policy's name": ("SET name = {} WHERE name = 'reader'", ("", "")),
    "mount": ("SET description = {} WHERE path = 'prod/'", ("root", "prod/key")),
    "environment": ("SET description = {}", ("root", "prod/key")),
    "token": ("SET display = {} WHERE policies = '[\"reader\"]'", ("reader", "kv/mine")),
}


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("what", "changed"), [(k.split("'")[0], v) for k, v in NO_TEXT.items()])
async def test_text_that_is_no_utf_8_spoils_its_row_and_no_other(
    place: Place, what: str, changed: tuple[str, tuple[str, str]]
) -> None:
    ask, (statement, (who, path)) = place.room.ask, changed

    await place.interfere(f"UPDATE {what} " + statement.format("CAST(X'FF41' AS TEXT)"))

    if who:
        token = place.room.root if who == "root" else getattr(place, who)
        assert (await ask("GET", path, token=token)).status in {403, 503}
    assert (await ask("GET", "kv/other", token=place.keeper)).status == 200
    for listed in ("sys/policies/acl", "strongroom/environments"):
        assert (await ask("LIST", listed)).status == 200
    written = await ask("POST", "sys/policies/acl/reader", {"policy": READER})
    assert written.status == 204
