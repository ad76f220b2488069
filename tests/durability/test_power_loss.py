"""Nothing that was acknowledged is missing after a power failure, and nothing is half there.

`kill -9` alone proves nothing about flushing: the page cache survives it. So the writer runs on a
disk that keeps, beside its files, what was synced (unsynced.c). It is killed at a moment of
chance; what is recovered is that, with any part of what was written since: a disk may have kept
some of it, in any order.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from strongroom.base.errors import UnavailableError
from strongroom.storage.opening import open_database
from strongroom.storage.records import CELLS
from tests.storage.requests import MOUNT, Desk, fresh_barrier

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SECTOR = 512
FILE = "strongroom.db"


@dataclass(frozen=True, kw_only=True)
class Acknowledged:
    index: int
    leaf: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a power failure left wrong; empty is good."""

    missing: list[int]
    gaps: bool
    strays: list[int]  # rows whose entry is not the one that wrote them


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("the disk that forgets needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("shim") / "unsynced.so"
    source = str(HERE / "unsynced.c")
    build = [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), source]
    subprocess.run([*build, "-ldl", "-lpthread"], check=True)
    return library


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Two folders: the real one, and what would be left of it."""

    shim: Path
    real: Path
    shadow: Path

    def environment(self, delay: float) -> dict[str, str]:
        return {
            **os.environ,
            "LD_PRELOAD": str(self.shim),
            "UNSYNCED_FOLDER": str(self.real),
            "UNSYNCED_SHADOW": str(self.shadow),
            "UNSYNCED_DELAY": str(int(delay * 1e6)),
            "UNSYNCED_FAIL": str(self.shadow.parent / "fail"),
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        }

    def after_power_loss(self, folder: Path, dice: random.Random, kept: float) -> None:
        """Lay out what was synced, and of what was written since the share `kept` of sectors."""
        folder.mkdir()
        for synced in sorted(self.shadow.iterdir()):
            if synced.suffix == ".linked" or not Path(f"{synced}.linked").exists():
                continue
            data = bytearray(synced.read_bytes())
            written = (self.real / synced.name).read_bytes()
            for at in range(0, max(len(data), len(written)), SECTOR):
                fresh = written[at : at + SECTOR]
                if fresh != data[at : at + SECTOR] and dice.random() < kept:
                    data.extend(bytes(max(0, at - len(data))))
                    data[at : at + SECTOR] = fresh or data[at : at + SECTOR]
            (folder / synced.name).write_bytes(data)


@pytest.fixture
def disk(shim: Path, tmp_path: Path) -> Disk:
    made = Disk(shim=shim, real=tmp_path / "real", shadow=tmp_path / "shadow")
    made.real.mkdir()
    made.shadow.mkdir()
    return made


def kill_a_writer(
    disk: Disk, *, seconds: float, delay: float, more: str = ""
) -> list[Acknowledged]:
    """Let a writer work for a while, kill it, and return what it had acknowledged."""
    program = [sys.executable, str(HERE / "writer.py"), str(disk.real), "8", *more.split()]
    with subprocess.Popen(program, stdout=subprocess.PIPE, env=disk.environment(delay)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        process.kill()
        said = process.stdout.read().decode()
    lines = [line.split(" ") for line in said.splitlines()]
    return [Acknowledged(index=int(n), leaf=leaf, key=key) for n, leaf, key in lines]


async def recover(folder: Path, acknowledged: list[Acknowledged]) -> Loss:
    """Open what was left, and compare it with what was promised."""
    database = await open_database(f"sqlite://{folder / FILE}")
    desk = Desk(database, fresh_barrier())
    entries = dict(await desk.entries())
    [[following]] = await database.rows("SELECT next FROM head", ())
    cells = await desk.transaction().all(CELLS, mount=MOUNT)
    outcome = await desk.commit(None)
    await database.close()
    return Loss(
        missing=[a.index for a in acknowledged if entries.get(a.index) != a.leaf.encode()],
        gaps=[*entries] != list(range(following)) or outcome.index != following,
        strays=[c.entry or 0 for c in cells if entries.get(c.entry or 0) != c.value],
    )


def lose_power(disk: Disk, seed: int, *, delay: float = 0.0, more: str = "") -> list[Loss]:
    """Kill a writer, and recover from several of the states that a disk may be left in."""
    dice = random.Random(seed)
    seconds = dice.uniform(0.05, 0.5)
    acknowledged = kill_a_writer(disk, seconds=seconds, delay=delay, more=more)
    assert acknowledged, "nothing was acknowledged, so nothing is shown"
    losses = []
    for number, kept in enumerate((0.0, 0.5, 1.0)):
        folder = disk.real.parent / f"left-{number}"
        disk.after_power_loss(folder, dice, kept)
        losses.append(asyncio.run(recover(folder, acknowledged)))
    return losses


NOTHING = Loss(missing=[], gaps=False, strays=[])


@pytest.mark.parametrize("seed", range(2))
def test_what_was_acknowledged_is_there_after_a_power_failure(disk: Disk, seed: int) -> None:
    assert lose_power(disk, seed) == [NOTHING] * 3


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.001, 0.005, 0.010])
@pytest.mark.parametrize("seed", range(10, 20))
def test_it_is_there_however_long_a_flush_takes(disk: Disk, seed: int, delay: float) -> None:
    assert lose_power(disk, seed, delay=delay) == [NOTHING] * 3


@pytest.mark.parametrize("level", ["OFF", "NORMAL"])
def test_a_server_that_syncs_less_is_found_out(disk: Disk, level: str) -> None:
    """The test of the test: the same check must see the loss."""
    acknowledged = kill_a_writer(disk, seconds=0.2, delay=0.0, more=level)
    folder = disk.real.parent / "left"
    disk.after_power_loss(folder, random.Random(0), 0.0)

    loss = asyncio.run(recover(folder, acknowledged))

    assert loss.missing != []


async def fail_and_mend(folder: str, control: str, what: str) -> None:
    """What runs on the disk that fails: commit, fail, and go on when it works again."""
    database = await open_database(f"sqlite://{folder}/{FILE}")
    desk, fail = Desk(database, fresh_barrier()), Path(control)
    before = await desk.keep(a=1)
    fail.write_text(what)  # noqa: ASYNC240 - a file of the test's own
    refused = await asyncio.gather(desk.keep(a=2), desk.keep(b=2))
    told, seen = database.trouble(), await desk.find("a")
    fail.unlink()  # noqa: ASYNC240 - likewise
    async with asyncio.timeout(10):
        while database.trouble() is not None:  # noqa: ASYNC110 - it knows of no event
            await asyncio.sleep(0.02)
    after = await desk.keep(a=3)
    entries = await desk.entries()
    await database.close()
    assert before.problem is None
    assert all(isinstance(o.problem, UnavailableError) for o in refused)
    assert told is not None
    assert seen == 1
    assert after.index == 1
    assert len(entries) == 2


@pytest.mark.parametrize("what", ["EIO", "ENOSPC"])
def test_a_disk_that_fails_is_told_and_the_server_goes_on(disk: Disk, what: str) -> None:
    control = disk.environment(0)["UNSYNCED_FAIL"]
    arguments = [str(disk.real), control, what]
    program = (
        "import asyncio, sys\n"
        "from tests.durability.test_power_loss import fail_and_mend\n"
        "asyncio.run(fail_and_mend(*sys.argv[1:]))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=False,
        env=disk.environment(0),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
