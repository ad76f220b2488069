"""The source files of this program, by their digests: what a definition and a build consist of.

Form    A path is relative to the package `strongroom`, with `/`. The build digest is the SHA-256
        of the canonical JSON of all paths with their digests, so a wheel and a checkout of the
        same files have the same one.
Trust   The files are read once, when a digest is first asked for. It is what lies on the disk
        then; that the process runs it, nothing here proves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from strongroom.base.version import VERSION
from strongroom.evidence.canonical import canonical, digest

# What every verdict depends on beside the control's own module: where facts come from, how they
# are added up and written down, and the mathematics of the log.
SHARED = (
    "audit/decoding.py",
    "controls/__init__.py",
    "crypto/",
    "evidence/",
    "sdk/control.py",
    "sdk/exceptions.py",
    "sdk/facts/",
    "sdk/knowing.py",
    "sdk/limits.py",
    "sdk/leavers.py",
    "sdk/logins.py",
    "sdk/patterns.py",
)
KINDS = (".css", ".html", ".js", ".py", ".svg", ".toml", ".typ")


def digests(package: Traversable) -> dict[str, str]:
    """Return the SHA-256 of each source file of a package, in the order of their paths."""
    return dict(sorted(_below(package, "")))


def _below(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _below(each, f"{path}{each.name}/")
        elif each.name.endswith(KINDS):
            yield f"{path}{each.name}", digest(each.read_bytes())


@cache
def installed() -> Mapping[str, str]:
    """Return the digests of the package that runs."""
    return digests(files("strongroom"))


def shared(sources: Mapping[str, str]) -> dict[str, str]:
    """Return of some sources those that every verdict depends on."""
    return {path: each for path, each in sources.items() if path.startswith(SHARED)}


def build_of(sources: Mapping[str, str]) -> str:
    """Return the one digest that names a whole set of sources."""
    return digest(canonical(dict(sources)))


def made_by(host: str) -> dict[str, str]:
    """Say what program made a piece of evidence: its version, its build, and where it ran."""
    return {"program": f"strongroom {VERSION}", "build": build_of(installed()), "host": host}
