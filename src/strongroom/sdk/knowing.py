"""Who knows which value of a static secret: one reading of the log, for all who ask.

Somebody knows a value that they read, and one that they wrote. It is replaced by the next entry
that writes the same path, whoever does: a value that they wrote themselves is another that they
know.

Order   By the indexes of entries alone. The numbers of versions begin anew when a secret was
        deleted with its metadata, or a mount was made anew; they only say which value an older
        entry wrote.
Trust   It is as complete as the log. What somebody saw elsewhere is not in it, nor whether a
        write changed the value. Secrets of a mount that was moved are others, by another path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from strongroom.sdk.facts.log import LogEntry

READ: Final = "secret.read"
WRITTEN: Final = ("secret.write", "secret.patch")
MOUNTED: Final = ("mount.enable", "mount.disable", "mount.move")
CODES: Final = (READ, *WRITTEN, *MOUNTED)
MERGED: Final = "entity.merge"
LONGEST_PATH: Final = 1024  # a longer one is shortened in the log, and not told from others


@dataclass(slots=True)
class Value:
    """A value of a secret that somebody knows.

    `made` is the index of the entry that wrote it; of one that no entry wrote, that of the mount,
    or -1. `first` and `last` are the entries by which they learned it; `replaced` wrote another.
    `whole` is false where the entry does not say which secret it was.
    """

    path: str
    version: int  # 0: its engine has none, or does not say
    made: int
    first: LogEntry
    last: LogEntry
    times: int = 1
    wrote: bool = False
    replaced: LogEntry | None = None
    whole: bool = True


@dataclass(slots=True)
class Knowledge:
    """Follows entries in their order. `who` says whose a name of an actor is."""

    who: Mapping[str, str]
    known: dict[str, dict[tuple[str, int], Value]] = field(default_factory=dict)
    _written: dict[str, list[LogEntry]] = field(default_factory=dict)
    _open: dict[str, list[Value]] = field(default_factory=dict)  # that nothing replaced yet
    _mounted: list[tuple[int, str]] = field(default_factory=list)

    def follow(self, entry: LogEntry) -> None:
        """Take the next entry."""
        if not entry.ok:
            return
        if entry.code in MOUNTED:
            self._mounted += [(entry.index, prefix) for prefix in _mounts(entry)]
        elif entry.code in WRITTEN and is_whole(entry):
            self._write(entry)
        elif entry.code == READ:
            for person in self._people(entry):
                self._learn(person, entry, self._made(entry), wrote=False)

    def of(self, person: str) -> list[Value]:
        """Return what somebody knows, by path, and by who wrote it first."""
        return [value for _, value in sorted(self.known.get(person, {}).items())]

    def _write(self, entry: LogEntry) -> None:
        path = entry.path or ""
        for value in self._open.pop(path, ()):
            value.replaced = entry
        self._written.setdefault(path, []).append(entry)
        for person in self._people(entry):
            self._learn(person, entry, entry.index, wrote=True)

    def _people(self, entry: LogEntry) -> set[str]:
        return {self.who[name] for name in actors(entry) if name in self.who}

    def _made(self, entry: LogEntry) -> int:
        """Return which entry wrote what this one read: the last of its version."""
        path = entry.path or ""
        begun = max((i for i, prefix in self._mounted if path.startswith(prefix)), default=-1)
        for written in reversed(self._written.get(path, ())):
            if written.index <= begun:
                break
            if written.version == entry.version:
                return written.index
        return begun

    def _learn(self, person: str, entry: LogEntry, made: int, *, wrote: bool) -> None:
        mine = self.known.setdefault(person, {})
        whole = is_whole(entry)
        path, made = entry.path or "", made if whole else entry.index
        value = mine.get((path, made))
        if value is not None:
            value.last, value.times = entry, value.times + 1
            return
        value = Value(path, entry.version or 0, made, entry, entry, wrote=wrote, whole=whole)
        mine[path, made] = value
        if not whole:
            return
        value.replaced = _after(self._written.get(path, ()), made)
        if value.replaced is None:
            self._open.setdefault(path, []).append(value)


def is_whole(entry: LogEntry) -> bool:
    """Say whether an entry tells which secret it is of."""
    return not entry.lacks("path") and 0 < len(entry.path or "") <= LONGEST_PATH


def actors(entry: LogEntry) -> tuple[str, ...]:
    """Return who an entry is of: its actor, and who made the token that was used.

    Who made what that token was logged in by counts as well: it may have been them.
    """
    made: list[str] = []
    for found in (entry.own.get("makers"), entry.own.get("let_in_by")):
        made += [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
    return (entry.actor or "", *made)


def _after(written: Iterable[LogEntry], made: int) -> LogEntry | None:
    return next((each for each in written if each.index > made), None)


def _mounts(entry: LogEntry) -> tuple[str, ...]:
    """Return which paths are others from an entry on, by how they begin."""
    own = entry.own
    if entry.lacks("mount", "to", "kind"):
        return ("",)
    if not own.keys() & {"kind", "to", "repaired"}:  # nothing was mounted there
        return ()
    said = (own.get("mount"), own.get("to"))
    return tuple(f"{each.rstrip('/')}/" for each in said if isinstance(each, str) and each)


@dataclass(slots=True)
class Same:
    """Who went into whom, from entries of merging."""

    into: dict[str, str] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)

    def follow(self, entry: LogEntry) -> None:
        """Take an entry of any kind."""
        if entry.ok and entry.code == MERGED and entry.lacks("entity", "entities"):
            self.cut.append(entry.index)
        stays, went = entry.own.get("entity"), entry.own.get("entities")
        if entry.ok and entry.code == MERGED and isinstance(stays, str) and isinstance(went, list):
            self.into |= {each: stays for each in went if isinstance(each, str)}

    def now(self, name: str) -> str:
        """Return who somebody is now."""
        seen = {name}
        while (name := self.into.get(name, name)) not in seen:
            seen.add(name)
        return name

    def names(self, people: Iterable[str]) -> dict[str, str]:
        """Return all names of these people, and whose each is; who went into another is no more."""
        wanted = {each for each in people if self.now(each) == each}
        found = {name: now for name in self.into if (now := self.now(name)) in wanted}
        return found | {name: name for name in wanted}
