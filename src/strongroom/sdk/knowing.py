"""Who knows which value of a static secret: one reading of the log, for all who ask.

Somebody knows a value that they read, one that they wrote, and one that they unwrapped which
another had read into a wrapping token. It is replaced by the entry that writes the same path,
whoever does, behind which no field has the value that they knew: a write names the fields that it
leaves as they were. A value that they wrote themselves is another that they know.

Order   By the indexes of entries alone. The numbers of versions begin anew when a secret was
        deleted with its metadata, or a mount was made anew; they only say which value an older
        entry wrote.
Trust   It is as complete as the log. What somebody saw elsewhere is not in it. Of writes from
        before they named what they left as it was, nobody can say whether they changed anything:
        they count as changes. Who unwraps by the wrapping token alone is nobody. Secrets of a
        mount that was moved are others, by another path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeGuard

from strongroom.sdk.facts.log import LogEntry

READ: Final = "secret.read"
WRITTEN: Final = ("secret.write", "secret.patch")
MOUNTED: Final = ("mount.enable", "mount.disable", "mount.move")
UNWRAPPED: Final = ("wrapping.unwrap", "wrapping.rewrap")
CODES: Final = (READ, *WRITTEN, *MOUNTED, *UNWRAPPED)
UNCHANGED: Final = "unchanged"
SOME: Final = "*"  # among the names of what is unchanged: others, too
MERGED: Final = "entity.merge"
LONGEST_PATH: Final = 1024  # a longer one is shortened in the log, and not told from others


@dataclass(slots=True)
class Value:
    """A value of a secret that somebody knows.

    `made` is the index of the entry that wrote it; of one that no entry wrote, that of the mount,
    or -1. `first` and `last` are the entries by which they learned it; `replaced` wrote another.
    `whole` is false where the entry does not say which secret it was. `kept` names what of it is
    there since it was written over; None: it was not, or is back. `print` is its keyed fingerprint.
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
    kept: frozenset[str] | None = None
    print: str = ""

    def written_over(self, entry: LogEntry) -> None:
        """Take an entry that wrote its path."""
        if self.replaced is None:
            self.kept = still_known(self.kept, self.print, entry)
            self.replaced = None if self.kept else entry
        elif self.print and self.print == print_of(entry):
            self.replaced = self.kept = None  # it is back


@dataclass(slots=True)
class Knowledge:
    """Follows entries in their order. `who` says whose a name of an actor is."""

    who: Mapping[str, str]
    known: dict[str, dict[tuple[str, int], Value]] = field(default_factory=dict)
    _written: dict[str, list[LogEntry]] = field(default_factory=dict)
    _values: dict[str, list[Value]] = field(default_factory=dict)  # by path, of everybody
    _wrapped: dict[str, tuple[LogEntry, int]] = field(default_factory=dict)  # by accessor
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
            made = self._made(entry)
            for person in self._people(entry):
                self._learn(person, entry, made, wrote=False)
            if accessor := _text(entry, "wrapping_accessor"):
                self._wrapped[accessor] = (entry, made)
        elif entry.code in UNWRAPPED:
            self._unwrap(entry)

    def of(self, person: str) -> list[Value]:
        """Return what somebody knows, by path, and by who wrote it first."""
        return [value for _, value in sorted(self.known.get(person, {}).items())]

    def _write(self, entry: LogEntry) -> None:
        path = entry.path or ""
        for value in self._values.get(path, ()):
            value.written_over(entry)
        self._written.setdefault(path, []).append(entry)
        for person in self._people(entry):
            self._learn(person, entry, entry.index, wrote=True)

    def _unwrap(self, entry: LogEntry) -> None:
        """Take who opened a token that another's read was wrapped in; or wrapped it anew."""
        found = self._wrapped.pop(_text(entry, "wrapping_accessor"), None)
        if found is None:
            return
        if newer := _text(entry, "new_wrapping_accessor"):
            self._wrapped[newer] = found
            return
        read, made = found
        own = {**entry.own, "fingerprint": print_of(read), "cut": read.own.get("cut")}
        opened = replace(entry, path=read.path, version=read.version, own=own)
        for person in self._people(entry):
            self._learn(person, opened, made, wrote=False)

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
        value.print = print_of(entry)
        mine[path, made] = value
        if not whole:
            return
        for written in self._written.get(path, ()):
            if written.index > made:
                value.written_over(written)
        self._values.setdefault(path, []).append(value)


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


def still_known(kept: frozenset[str] | None, print_: str, entry: LogEntry) -> frozenset[str]:
    """Return what of a value is there behind a write, by the names of its fields; nothing: none.

    `kept` was there before it, None for all. `print_` is the whole value's fingerprint.
    """
    if print_ and print_ == print_of(entry):
        return frozenset({SOME})
    said = entry.own.get(UNCHANGED)
    names = frozenset(each for each in said if isinstance(each, str)) if _listed(said) else ()
    same = frozenset(names) | ({SOME} if entry.lacks(UNCHANGED) else frozenset())
    if kept is None or SOME in kept:
        return same
    return kept if SOME in same else kept & same


def print_of(entry: LogEntry) -> str:
    """Return the keyed fingerprint of the value that an entry is of; empty: it has none."""
    return _text(entry, "fingerprint")


def _listed(said: object) -> TypeGuard[Sequence[object]]:
    return isinstance(said, list | tuple)


def _text(entry: LogEntry, name: str) -> str:
    found = entry.own.get(name)
    return found if isinstance(found, str) else ""


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
