"""The rows that storage itself defines: cells of mounts, wrapped keys, settings, cursors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from strongroom.storage.register import Register


@dataclass(slots=True)  # one a read: a frozen one takes three times as long to make
class Cell:
    """One key of one mount's store. `mount` is the mount's uuid, never its path."""

    mount: str
    key: str
    value: bytes
    fingerprint: bytes | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key under the root key: name "barrier" (a row a term), "derivation", "log"."""

    name: str
    term: int
    wrapped: bytes
    created_at: datetime
    retired_at: datetime | None = None
    encryptions: int = 0
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class ClearSetting:
    """A setting that must be read while sealed: the seal's own description. JSON."""

    name: str
    value: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the server, encrypted. JSON."""

    name: str
    value: bytes
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class SinkCursor:
    """The index of the first entry that a sink has not confirmed."""

    name: str
    next: int
    entry: int | None = None


CELLS = Register(
    "cell",
    Cell,
    key=("mount", "key"),
    sealed=("value",),
    indexes=(("fingerprint",),),
    kept=True,
)
KEYS = Register("wrapped_key", WrappedKey, key=("name", "term"))
CLEAR_SETTINGS = Register("clear_setting", ClearSetting, key=("name",))
SETTINGS = Register("setting", Setting, key=("name",), sealed=("value",), kept=True)
CURSORS = Register("sink_cursor", SinkCursor, key=("name",))
