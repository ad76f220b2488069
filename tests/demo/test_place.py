"""The demo empties its own directory, and nobody else's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.cli.errors import CommandError
from strongroom.demo.place import MARKER, cleaned, process_file

SLEEP = "import time; print(flush=True); time.sleep(60)"


def test_a_new_directory_is_its_owners_alone(tmp_path: Path) -> None:
    with cleaned(tmp_path / "demo") as directory:
        mode = directory.stat().st_mode & 0o777

    assert mode == 0o700


def test_what_an_earlier_demo_left_is_removed(tmp_path: Path) -> None:
    with cleaned(tmp_path / "demo") as directory:
        (directory / "data").mkdir()
        (directory / "data" / "strongroom.db").write_text("old")
        (directory / "elsewhere").symlink_to(tmp_path, target_is_directory=True)

    with cleaned(tmp_path / "demo") as directory:
        left = [path.name for path in directory.iterdir()]

    assert left == [MARKER]
    assert tmp_path.is_dir()


def test_a_directory_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    foreign = tmp_path / "demo"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")

    with pytest.raises(CommandError, match="was not made by this demo"), cleaned(foreign):
        pass

    assert (foreign / "thesis.txt").read_text() == "years of work"


def test_a_link_to_a_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "demo").symlink_to(tmp_path / "real", target_is_directory=True)

    with pytest.raises(CommandError), cleaned(tmp_path / "demo"):
        pass


def test_a_second_demo_waits_for_the_first_to_end(tmp_path: Path) -> None:
    with (
        cleaned(tmp_path / "demo") as directory,
        pytest.raises(CommandError, match="a demo runs in"),
        cleaned(directory),
    ):
        pass

    with cleaned(directory):
        pass


def test_a_process_that_a_killed_demo_left_is_ended(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    command = [sys.executable, "-c", SLEEP, str(directory / "server.toml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as left:
        try:
            # Until the program's first line, the kernel may still show no command line of it.
            assert left.stdout is not None
            left.stdout.readline()
            with cleaned(directory):
                process_file(directory, "server").write_text(str(left.pid))

            with cleaned(directory):
                status = left.wait(10)
        finally:
            left.kill()

    assert status == -signal.SIGTERM


def test_a_process_that_has_the_id_by_chance_lives_on(tmp_path: Path) -> None:
    with cleaned(tmp_path / "demo") as directory:
        process_file(directory, "server").write_text(str(os.getpid()))

    with cleaned(tmp_path / "demo"):
        files = list(directory.glob("*.pid"))

    assert files == []
