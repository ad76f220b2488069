"""What an entry says of a request, as far as policies go: decoded for reading millions of them.

Units  Times stay texts, without their Z: such texts are in the order of their times.
Trust  What was shortened is said to be (`cut`): nobody judges by the half of a list or path.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from strongroom.base.clock import parse_time, rfc3339
from strongroom.base.errors import InputError

REFUSED = "403"
_TIME = b'"time":"'


class Own(msgspec.Struct):
    """What OCSF has no place for."""

    time: str = ""
    operation: str = ""
    path: str = ""
    actor: str = ""
    policies: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    environment: str = ""
    cut: Any = None


class _Id(msgspec.Struct):
    uid: str = ""


class _Actor(msgspec.Struct):
    user: _Id = msgspec.field(default_factory=_Id)
    session: _Id = msgspec.field(default_factory=_Id)


class _Metadata(msgspec.Struct):
    event_code: str = ""


class Asked(msgspec.Struct):
    """One request. `index` is set by whoever reads."""

    status_id: int = 0
    status_code: str = ""
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    actor: _Actor = msgspec.field(default_factory=_Actor)
    unmapped: Own = msgspec.field(default_factory=Own)
    index: int = -1

    @property
    def served(self) -> bool:
        """Whether it was answered with success."""
        return self.status_id == 1

    @property
    def granted(self) -> bool:
        """Whether it was let through, also if it failed then: what it was about may be gone."""
        return self.status_id == 1 or self.status_code not in {"", REFUSED}

    @property
    def who(self) -> str:
        """The entity that asked, or what stands for it."""
        return self.actor.user.uid or self.unmapped.actor

    @property
    def time(self) -> datetime | None:
        """When."""
        try:
            return parse_time(self.unmapped.time, "time")
        except InputError:
            return None

    def lacks(self, *names: str) -> bool:
        """Say whether one of these was shortened."""
        cut = self.unmapped.cut
        return isinstance(cut, dict | list) and not {"details", *names}.isdisjoint(cut)


_decode = msgspec.json.Decoder(Asked).decode


def asked(index: int, leaf: bytes) -> Asked | None:
    """Return what an entry says; None where it is of another form."""
    try:
        found = _decode(leaf)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found.index = index
    return found


def time_text(moment: datetime) -> bytes:
    """Return a moment as entries have it, to compare with `written_at`."""
    return rfc3339(moment).encode().removesuffix(b"Z")


def written_at(leaf: bytes) -> bytes:
    """Return when an entry was written, without decoding it; nothing if it does not say."""
    start = leaf.find(_TIME) + len(_TIME)
    return leaf[start : leaf.find(b'"', start)].removesuffix(b"Z") if start >= len(_TIME) else b""
