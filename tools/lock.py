"""Write the lock files, and check without a network that they hold what the project asks for.

    requirements.lock       what runs: the dependencies and the extras
    requirements-dev.lock   what runs, and what builds, tests and checks it
    requirements-fuzz.lock  the fuzzer, which not every platform has

One resolution holds for every CPython from 3.11 on. Each file is pinned by its hashes, so an
index can withhold a package but not change one; therefore no lock file names an index.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
RUNTIME, DEVELOPMENT, FUZZ = "requirements.lock", "requirements-dev.lock", "requirements-fuzz.lock"
RESOLVE = (
    *(sys.executable, "-m", "uv", "pip", "compile", "--quiet"),
    *("--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-header", "--no-emit-index-url", "--no-emit-find-links"),
)
WANTED = {
    RUNTIME: ("pyproject.toml", "--extra", "evidence"),
    DEVELOPMENT: (
        *("pyproject.toml", "--extra", "evidence"),
        *("--group", "dev", "-c", RUNTIME),
    ),
    FUZZ: ("--group", "fuzz"),
}
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
ADDRESS = re.compile(r"://| @ |^-", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One package of a lock file."""

    version: str
    hashes: int


def pins(text: str) -> dict[str, list[Pin]]:
    """Read a lock file: canonical name to what is pinned, once for each set of platforms."""
    found: dict[str, list[Pin]] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        if match := PIN.match(block):
            hashes = len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block))
            pin = Pin(version=match["version"], hashes=hashes)
            found.setdefault(canonicalize_name(match["name"]), []).append(pin)
    return found


def wanted(project: dict[str, object], lock: str) -> Iterator[Requirement]:
    """Give what pyproject.toml asks for directly of one lock file."""
    tables = project["project"], project["dependency-groups"], project["build-system"]
    package, groups, build = (table for table in tables if isinstance(table, dict))
    extras = package["optional-dependencies"].values()
    running = [*package["dependencies"], *(each for extra in extras for each in extra)]
    named = {
        RUNTIME: running,
        DEVELOPMENT: [*running, *groups["dev"], *build["requires"]],
        FUZZ: groups["fuzz"],
    }
    return map(Requirement, named[lock])


def faults(project: dict[str, object], locks: dict[str, str]) -> Iterator[str]:
    """Say what is wrong with the lock files, given their texts by name."""
    read = {name: pins(text) for name, text in locks.items()}
    for name, text in locks.items():
        if address := ADDRESS.search(text):
            line = text.count("\n", 0, address.start()) + 1
            yield f"{name}:{line}: names an address or a path"
        for package, several in read[name].items():
            yield from (f"{name}: {package} has no hash" for pin in several if not pin.hashes)
        yield from (f"{name}: {fault}" for fault in _unmet(wanted(project, name), read[name]))
    for package, several in read[RUNTIME].items():
        if read[DEVELOPMENT].get(package) != several:
            yield f"{DEVELOPMENT}: {package} differs from {RUNTIME}"


def _unmet(asked: Iterator[Requirement], held: dict[str, list[Pin]]) -> Iterator[str]:
    for one in asked:
        versions = [pin.version for pin in held.get(canonicalize_name(one.name), [])]
        if not versions:
            yield f"{one.name} is missing; run `make lock`"
        elif not any(one.specifier.contains(version, prereleases=True) for version in versions):
            yield f"{one.name} {', '.join(versions)} is not {one.specifier}"


def write(*more: str) -> None:
    """Resolve each lock file, keeping the versions it holds unless told to upgrade."""
    for name, options in WANTED.items():
        run = [*RESOLVE, *options, *more, "--output-file", name]
        subprocess.run(run, cwd=ROOT, check=True)


def main(arguments: list[str]) -> int:
    """Serve `tools.lock write [--upgrade]` and `tools.lock check`."""
    match arguments:
        case ["write", *more]:
            write(*more)
        case ["check"]:
            pass
        case _:
            print("usage: tools.lock write [--upgrade] | check", file=sys.stderr)
            return 2
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = list(faults(project, {name: (ROOT / name).read_text() for name in WANTED}))
    print("\n".join(found) or f"lock files: {', '.join(WANTED)} hold")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
