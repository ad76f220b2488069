"""A log that lost what was signed is not unsealed over, and everybody who asks is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.audit.keeping import TRIGGERS, behind_our_back, change
from tests.core.system.room import Answer, Room, room
from tests.servers import Strongroom, strongroom


@dataclass
class Kept:
    """A database that a server has used and left, and the share that opens it."""

    url: str
    folder: Path
    key: str

    async def again(self, then: Callable[[Room], Awaitable[Answer]]) -> Answer:
        """Start a server over it, and ask."""
        async with room(self.folder, storage=self.url, initialized=False) as made:
            return await then(made)

    async def unseal(self) -> Answer:
        return await self.again(lambda made: unseal(made, self.key))


async def unseal(made: Room, key: str) -> Answer:
    return await made.ask("POST", "sys/unseal", {"key": key}, token="")


async def grown(made: Room, count: int) -> None:
    """Let the log grow by about so many entries, and sign it."""
    for number in range(count):
        await made.ask("POST", "sys/tools/random", {"format": "hex", "bytes": 1 + number % 9})
    await made.server.log.publish(made.clock.now())


@pytest.fixture(params=["sqlite", "postgresql"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    url = f"sqlite://{tmp_path}/strongroom.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_ready").url
    async with room(tmp_path, storage=url) as made:
        await grown(made, 300)
        await change(url, "CREATE TABLE early AS SELECT * FROM setting WHERE name = 'log.signed'")
        await grown(made, 5)
        return Kept(url, tmp_path, made.keys[0])


CHECKPOINTS = ("checkpoint", "DELETE FROM checkpoint")
TILES = ("tile", "DELETE FROM tile")
NEWEST = (
    "checkpoint",
    "DELETE FROM checkpoint WHERE size = (SELECT max(size) FROM checkpoint)",
)
CUT = (
    "entry",
    "DELETE FROM entry WHERE idx >= (SELECT min(size) FROM checkpoint)",
    "UPDATE head SET next = (SELECT min(size) FROM checkpoint)",
)

# What is done to the database while the server is down, and what the unseal names.
CHANGES = {
    "every checkpoint and tile": ([CHECKPOINTS, TILES], "table checkpoint"),
    "the newest checkpoint": ([NEWEST], "table checkpoint"),
    "entries, and the checkpoint of them": ([CUT, NEWEST], "table entry"),
    "the mark": ([("", "DELETE FROM setting WHERE name = 'log.signed'")], "table setting"),
    "the mark, with every checkpoint and tile": (
        [CHECKPOINTS, TILES, ("", "DELETE FROM setting WHERE name = 'log.signed'")],
        "table setting",
    ),
    "a mark that is another setting": (
        [("", "UPDATE setting SET value = (SELECT wrapped FROM wrapped_key LIMIT 1)")],
        "table setting",
    ),
    "an older mark": (
        [("", "UPDATE setting SET value = (SELECT value FROM early) WHERE name = 'log.signed'")],
        "table checkpoint",
    ),
}


async def interfere(url: str, steps: list[tuple[str, ...]]) -> None:
    for table, *statements in steps:
        if table:
            await behind_our_back(url, table, *statements)
        else:
            await change(url, *statements)


@pytest.mark.parametrize(("steps", "named"), CHANGES.values(), ids=CHANGES)
async def test_a_log_that_lost_what_was_signed_is_not_unsealed_over(
    kept: Kept, steps: list[tuple[str, ...]], named: str
) -> None:
    await interfere(kept.url, steps)

    async def ask(made: Room) -> Answer:
        answer = await unseal(made, kept.key)
        assert made.server.barrier.sealed
        assert (await made.last())["status_detail"] == answer.errors[0]
        for path, status in (("sys/seal-status", 200), ("sys/health", 503)):
            told = await made.ask("GET", path, token="")
            assert (told.status, told.body["sealed"]) == (status, True)
            assert named in told.body["log_problem"]
        return answer

    answer = await kept.again(ask)

    assert answer.status == 400
    assert answer.errors[0].startswith("not unsealed, the log is damaged: ")
    assert named in answer.errors[0]


async def test_a_log_as_it_was_left_is_unsealed_over(kept: Kept) -> None:
    answer = await kept.unseal()

    assert (answer.status, answer.body["sealed"]) == (200, False)
    assert "log_problem" not in answer.body


async def test_what_is_lost_while_the_server_is_sealed_is_noticed_too(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/strongroom.db"
    async with room(tmp_path, storage=url) as made:
        await grown(made, 3)
        await made.ask("POST", "sys/seal")
        await behind_our_back(url, *CHECKPOINTS)

        answer = await unseal(made, made.keys[0])

    assert "table checkpoint" in answer.errors[0]


async def test_what_is_put_back_is_unsealed_over(kept: Kept) -> None:
    await change(kept.url, "CREATE TABLE lost AS SELECT * FROM checkpoint")
    await interfere(kept.url, [CHECKPOINTS, TILES])
    refused = await kept.unseal()

    await change(kept.url, "INSERT INTO checkpoint SELECT * FROM lost")
    answer = await kept.unseal()

    assert (refused.status, answer.status) == (400, 200)


async def test_a_crash_before_the_first_checkpoint_loses_nothing(tmp_path: Path) -> None:
    async with room(tmp_path) as made:
        key = made.keys[0]

    answer = await Kept(f"sqlite://{tmp_path}/strongroom.db", tmp_path, key).unseal()

    assert answer.body["sealed"] is False


async def test_a_whole_database_that_went_back_is_what_remains(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/strongroom.db"
    (tmp_path / "earlier").mkdir()
    async with room(tmp_path, storage=url) as made:
        await grown(made, 3)
        await change(url, f"VACUUM INTO '{tmp_path}/earlier/strongroom.db'")
        await grown(made, 3)

    back = Kept(f"sqlite://{tmp_path}/earlier/strongroom.db", tmp_path, made.keys[0])

    assert (await back.unseal()).body["sealed"] is False


async def test_the_mark_goes_with_each_checkpoint(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/strongroom.db"
    async with room(tmp_path, storage=url) as made:
        marks = set()
        for _ in range(3):
            await grown(made, 1)
            sql = "SELECT value FROM setting WHERE name = 'log.signed'"
            marks.update(await made.server.database.rows(sql, ()))

    assert len(marks) == 3


def test_a_process_over_a_log_that_lost_its_checkpoints_stays_sealed() -> None:
    with strongroom() as server:
        server.await_published(server.ask("GET", "sys/mounts").receipt[0])
        server.stop()
        _lose_checkpoints(server)
        server.start()

        refused = server.ask("PUT", "sys/unseal", {"key": server.keys[0]}, token="")
        status = server.ask("GET", "sys/seal-status", token="")
        health = server.ask("GET", "sys/health", token="")
        served = server.ask("GET", "sys/mounts")
        checkpoint = server.fetch("GET", "/log/checkpoint", token="")

    assert refused.status == 400
    assert refused.errors[0].endswith("that was signed last: table checkpoint")
    assert status.body["log_problem"] in refused.errors[0]
    assert (health.status, health.body["log_problem"]) == (503, status.body["log_problem"])
    assert (served.status, checkpoint.status) == (503, 404)


def _lose_checkpoints(server: Strongroom) -> None:
    import pysqlite3  # noqa: PLC0415 - where it is the database

    db = pysqlite3.connect(server.storage.removeprefix("sqlite://"), isolation_level=None)
    for table in ("checkpoint", "tile", "cosignature"):
        for text in TRIGGERS["sqlite"]:
            db.execute(text.format(table=table))
        db.execute(f"DELETE FROM {table}")
    db.close()
