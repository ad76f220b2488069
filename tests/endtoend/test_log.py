"""The server's own log, read over HTTP while it grows, and after somebody has been at it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from strongroom.audit.reader import BrokenLogError, verify_log
from strongroom.crypto.checkpoint import LogProof, open_checkpoint
from strongroom.crypto.merkle import leaf_hash
from tests import servers
from tests.audit import ocsf
from tests.audit.keeping import behind_our_back
from tests.endtoend.conftest import furnish
from tests.endtoend.taken import take_log, verifier_key
from tests.servers import Strongroom


@dataclass(frozen=True)
class Served:
    """The files of a log as its server gives them to somebody who may read entries."""

    server: Strongroom

    def read(self, path: str) -> bytes | None:
        got = self.server.fetch("GET", f"/log/{path}")
        assert got.status in (200, 404), (path, got.status)
        return got.raw if got.status == 200 else None


def grow(server: Strongroom, count: int) -> tuple[int, bytes]:
    """Make so many requests; return the last one's receipt."""
    over = server.connection()
    for number in range(count):
        got = server.ask("POST", "kv1/grow", {"n": number}, over=over)
    over.close()
    server.await_published(got.receipt[0])
    return got.receipt


def test_a_servers_log_verifies_while_it_is_read(strongroom_server: Strongroom) -> None:
    grow(strongroom_server, 300)
    key = verifier_key(strongroom_server)

    report = verify_log(Served(strongroom_server), [key])

    assert report.entries > 300
    assert not report.faults


def test_a_checkpoint_that_was_kept_is_still_part_of_the_log(
    strongroom_server: Strongroom,
) -> None:
    grow(strongroom_server, 3)
    kept = strongroom_server.fetch("GET", "/log/checkpoint").raw
    grow(strongroom_server, 300)

    report = verify_log(Served(strongroom_server), [verifier_key(strongroom_server)], kept=[kept])

    assert not report.faults


def test_a_receipt_is_turned_into_a_proof_file(strongroom_server: Strongroom) -> None:
    index, digest = grow(strongroom_server, 1)

    got = strongroom_server.ask("GET", f"strongroom/log/proof/{index}").body["data"]

    proof = LogProof.parse(got["proof"].encode())
    opened = open_checkpoint(proof.checkpoint, [verifier_key(strongroom_server)])
    proof.verify(digest, opened)
    assert bytes.fromhex(got["leaf_hash"]) == digest


def test_every_entry_is_an_event_of_ocsf(strongroom_server: Strongroom, tmp_path: Path) -> None:
    entries = take_log(strongroom_server, tmp_path).entries()

    for entry in entries:
        ocsf.check(entry)
    assert len({entry["metadata"]["uid"] for entry in entries}) == len(entries)


def test_entries_stand_in_the_order_of_their_receipts(
    strongroom_server: Strongroom, tmp_path: Path
) -> None:
    receipts = [
        strongroom_server.ask("POST", "kv1/ordered", {"n": number}).receipt for number in range(20)
    ]

    log = take_log(strongroom_server, tmp_path)

    assert [index for index, _ in receipts] == sorted(index for index, _ in receipts)
    for index, digest in receipts:
        assert leaf_hash(log.leaves[index]) == digest


def damaged(server: Strongroom, statement: str) -> str:
    """Change the database of a stopped server, start it, and return what it says."""
    before = server.stderr.stat().st_size
    asyncio.run(behind_our_back(f"sqlite://{server.data}/strongroom.db", "entry", statement))
    with pytest.raises(servers.StartError):
        server.start()
    return server.stderr.read_bytes()[before:].decode()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM entry WHERE idx = (SELECT MAX(idx) FROM entry)", "were committed"),
        ("UPDATE entry SET leaf = X'7b7d' WHERE idx = 5", "root that was signed"),
    ],
)
def test_a_server_does_not_start_on_a_log_that_was_changed(
    own_server: Strongroom, statement: str, named: str
) -> None:
    grow(own_server, 10)
    own_server.stop()

    said = damaged(own_server, statement)

    assert named in said
    assert "Traceback" not in said
    assert own_server.process is not None
    assert own_server.process.returncode == 1


def test_a_change_of_an_old_entry_is_named_by_whoever_verifies(own_server: Strongroom) -> None:
    grow(own_server, 300)
    key = verifier_key(own_server)
    own_server.stop()
    changed = json.dumps({"nothing": "happened"}).encode().hex()
    asyncio.run(
        behind_our_back(
            f"sqlite://{own_server.data}/strongroom.db",
            "entry",
            f"UPDATE entry SET leaf = X'{changed}' WHERE idx = 123",
        )
    )
    own_server.start()
    own_server.unseal()

    with pytest.raises(BrokenLogError, match="123"):
        verify_log(Served(own_server), [key])


def test_a_server_of_another_log_does_not_take_the_database_over() -> None:
    with servers.strongroom() as server:
        furnish(server)
        grow(server, 3)
        server.stop()
        before = server.stderr.stat().st_size
        text = server.configuration().replace(servers.ORIGIN, "another.test/log")

        process = server.spawn(text)
        status = process.wait(20)

        assert status == 1
        assert (
            f"this is the log of {servers.ORIGIN}" in server.stderr.read_bytes()[before:].decode()
        )
