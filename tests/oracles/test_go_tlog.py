"""A log of ours under the eyes of Go's checksum database: `golang.org/x/mod/sumdb`.

Go and the package come from Debian. Where they are missing and the tests run as root, as in a
container, they are installed with apt; elsewhere the tests are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.audit.published import LOG, checkpoint, entries, publish

SIZE = 70_000
SOURCES = Path("/usr/share/gocode")
PACKAGES = ("golang-go", "golang-golang-x-mod-dev")
GLUE = Path(__file__).parent / "tlog_check" / "main.go"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def installed() -> bool:
    found = (SOURCES / "src/golang.org/x/mod/sumdb/tlog").is_dir()
    return found and shutil.which("go") is not None


def install() -> None:
    """Install Go and the package, or skip with the reason."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"needs {' and '.join(PACKAGES)} of Debian")
    commands = (
        ("apt-get", "update", "--quiet"),
        ("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *PACKAGES),
    )
    quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in commands:
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=quietly)
        if done.returncode:
            pytest.skip(f"{command[1]} failed: {done.stderr.strip().splitlines()[-1:]}")


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The verifier, built without a network."""
    if not installed():
        install()
    work = tmp_path_factory.mktemp("go")
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": f"{work}:{SOURCES}",
        "GOCACHE": str(work / "cache"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    program = work / "tlog_check"
    build = ("go", "build", "-o", str(program), str(GLUE))
    subprocess.run(build, check=True, env=environment, capture_output=True, text=True)
    return program


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("log")
    publish(root, entries(SIZE))
    return root


@pytest.fixture
def log(published: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(published, tmp_path / "log")


def check(checker: Path, log: Path, *kept: Path) -> tuple[int, str]:
    command = (str(checker), str(log), str(LOG.verifier()), *map(str, kept))
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_a_log_of_70_000_entries_verifies(checker: Path, published: Path) -> None:
    assert check(checker, published) == (0, f"{SIZE} entries verified\n")


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 12_345, 65_536, 69_999, SIZE])
def test_it_continues_each_earlier_checkpoint(
    checker: Path, published: Path, tmp_path: Path, size: int
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(checkpoint(entries(size)))

    assert check(checker, published, kept) == (0, f"{SIZE} entries verified\n")


def test_it_does_not_continue_another_history(
    checker: Path, published: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(checkpoint([b"another", *entries(999)]))

    assert check(checker, published, kept)[0] == 1


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 1_000, 65_536])
def test_logs_of_other_sizes_verify(checker: Path, tmp_path: Path, size: int) -> None:
    publish(tmp_path, entries(size))

    assert check(checker, tmp_path) == (0, f"{size} entries verified\n")


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("checkpoint", 25),
        ("checkpoint", -4),
        ("tile/entries/004", 7),
        ("tile/entries/273.p/112", 5),
        ("tile/0/004", 33),
        ("tile/0/273.p/112", 0),
        ("tile/1/000", 8_191),
        ("tile/1/001.p/17", 9),
        ("tile/2/000.p/1", 31),
    ],
)
def test_one_flipped_byte_is_found(checker: Path, log: Path, path: str, at: int) -> None:
    data = bytearray((log / path).read_bytes())
    data[at] ^= 1
    (log / path).write_bytes(data)

    status, said = check(checker, log)

    assert (status, "verified" in said) == (1, False)


@pytest.mark.parametrize("path", ["tile/entries/004", "tile/0/004", "tile/1/000"])
def test_one_missing_file_is_found(checker: Path, log: Path, path: str) -> None:
    (log / path).unlink()

    assert check(checker, log)[0] == 1
