"""What pages load: our own files, each under the hash of its bytes.

Trust  An asset is public. Nothing is loaded from anywhere else, so what a browser runs is what
       was installed, and the name says which bytes that are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

PREFIX = "/assets/"
KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Asset:
    """One file, and what it is."""

    kind: str
    body: bytes


class Assets:
    """All of them, read once."""

    def __init__(self) -> None:
        named: dict[str, str] = {}
        held: dict[str, Asset] = {}
        for file in files("strongroom.console").joinpath("static").iterdir():
            stem, _, kind = file.name.rpartition(".")
            if kind in KINDS:
                body = file.read_bytes()
                path = f"{PREFIX}{stem}.{sha256(body).hexdigest()[:16]}.{kind}"
                named[file.name] = path
                held[path] = Asset(KINDS[kind], body)
        self.paths: Mapping[str, str] = named
        self._held: Mapping[str, Asset] = held

    def find(self, path: str) -> Asset | None:
        """Return the asset at a path."""
        return self._held.get(path)
