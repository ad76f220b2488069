"""Rows that were changed behind the server's back: refused, and never served."""

from __future__ import annotations

import asyncio
import logging
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
        url = request.getfixturevalue("postgresql_database").url
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

    assert (answer.status, answer.body) == (500, {"errors": ["internal error"]})
    assert "is not as it was written" in caplog.text
    assert (await place.room.last())["status_detail"].startswith("tampered: a row of ")


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

    assert (await ask("GET", "kv/mine", token=place.reader)).status == 500
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
    assert (answer.status, answer.body) == (500, {"errors": ["internal error"]})


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
