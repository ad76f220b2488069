"""What an engine tells of the paths beneath its mount: those that requests can be about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from strongroom.sdk.engine import Call


@runtime_checkable
class Listing(Protocol):
    """For engines that know which secrets are there; the access matrix asks them."""

    heads: Sequence[str]
    """What stands before a secret's name in a request: `data/`, `metadata/`; or nothing."""

    async def secrets(self, call: Call, after: str, limit: int) -> list[str]:
        """Return the names of at most `limit` secrets after one, in byte order."""
        ...
