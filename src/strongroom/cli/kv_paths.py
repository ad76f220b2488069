"""Which mount a secret's path is in, and what version of KV that is.

Vault  `-mount=secret app` names the mount; `secret/app` is looked up with the server, which
       answers for every path that the token may see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strongroom.cli.client import Client
from strongroom.cli.errors import CommandError, RefusedError


@dataclass(frozen=True, kw_only=True)
class Place:
    """A path below a mount of KV."""

    mount: str
    path: str
    versioned: bool

    def at(self, area: str = "data") -> str:
        """Return the API's path of this place in an area of the mount; version 1 has none."""
        parts = (self.mount, area if self.versioned else "", self.path)
        return "/".join(part for part in parts if part)

    def __str__(self) -> str:
        return f"{self.mount}/{self.path}".rstrip("/")

    def require_versions(self) -> None:
        """Raise `CommandError` where the mount keeps one version only."""
        if not self.versioned:
            raise CommandError(
                f"{self.mount}/ is KV version 1, which keeps no versions",
                f"see `strongroom secrets tune {self.mount} --options version=2`",
            )


def find(client: Client, path: str, mount: str | None) -> Place:
    """Return where a path is; asks the server once."""
    asked = "/".join(part.strip("/") for part in (mount or "", path) if part.strip("/"))
    if not asked:
        raise CommandError("a path names the mount first", "write secret/app, say")
    found = _mount_of(client, mount.strip("/") if mount else asked, asked)
    if found.get("type") not in {"kv", "generic"}:
        raise CommandError(f"{found.get('path', asked)} is not a KV mount", "use `read` or `write`")
    root = str(found["path"]).strip("/")
    return Place(
        mount=root,
        path=asked.removeprefix(root).strip("/"),
        versioned=(found.get("options") or {}).get("version") == "2",
    )


_MOUNTS = (
    "`strongroom secrets list` names the mounts, `strongroom token capabilities PATH` says what"
    " you may do"
)


def _mount_of(client: Client, inside: str, asked: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = client.get(f"sys/internal/ui/mounts/{inside}", wrapped=False)[
            "data"
        ]
    except RefusedError as refused:
        if refused.status != 403:
            raise
        problem = f"{asked}: permission denied, or no such mount"
        advice = refused.advice if client.anonymous else _MOUNTS
        raise RefusedError(problem, advice, status=403) from None
    return found
