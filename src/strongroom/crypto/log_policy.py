"""Which logs and witnesses a verifier trusts, and how many of them it takes.

Specs  C2SP tlog-policy: lines `log`, `witness`, `group` and `quorum`. Witness keys are of type
       0x04, log keys of 0x01 or 0x04; no other type is supported.
Trust  This file is the root of trust of whoever verifies. It comes to them by a way that the
       log's operator does not control, never from the server that is audited. A policy with
       `quorum none` believes the operator about which history is the right one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from strongroom.crypto.checkpoint import SignedCheckpoint, open_checkpoint
from strongroom.crypto.errors import NoteError
from strongroom.crypto.note import SignatureType, VerifierKey

MAX_LINES: Final = 4_096
MAX_GROUPS: Final = 128
_NO_QUORUM: Final = "none"
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_WORDS: Final = re.compile(r"[^ \t]+")
_THRESHOLD: Final = re.compile(r"[1-9]\d{0,3}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Known:
    """A log or witness of the policy; `url` says where it may be asked."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Witnessed if `threshold` of the members, which are witnesses or groups, are."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LogPolicy:
    """A policy as read; the names of witnesses and groups mean something in it alone."""

    logs: tuple[Known, ...]
    witnesses: Mapping[str, Known]
    groups: Mapping[str, Group]
    quorum: str

    @classmethod
    def parse(cls, data: bytes) -> LogPolicy:
        """Read a policy file; raises `NoteError` that names the line."""
        if _FORBIDDEN.search(data):
            raise NoteError("a policy has no control characters but tab and newline")
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        if len(lines) > MAX_LINES:
            raise NoteError(f"a policy has at most {MAX_LINES} lines")
        reading = _Reading()
        for number, line in enumerate(lines, start=1):
            try:
                reading.take(_WORDS.findall(line))
            except NoteError as problem:
                raise NoteError(f"line {number} of the policy: {problem}") from None
        if reading.quorum is None:
            raise NoteError("a policy has a quorum line")
        return cls(
            logs=tuple(reading.logs),
            witnesses=reading.witnesses,
            groups=reading.groups,
            quorum=reading.quorum,
        )

    def open(self, data: bytes) -> SignedCheckpoint:
        """Return the checkpoint in a note that one of the logs signed and the quorum witnessed.

        Raises `NoteError` where either is not so, or where a known key's signature fails.
        """
        witnesses = [known.key for known in self.witnesses.values()]
        opened = open_checkpoint(data, [known.key for known in self.logs], witnesses)
        signed = {one.key for one in opened.signed_by}
        present = {name for name, known in self.witnesses.items() if known.key in signed}
        if not self.satisfied(present):
            raise NoteError(f"the quorum {self.quorum} has not witnessed the checkpoint")
        return opened

    def satisfied(self, present: set[str]) -> bool:
        """Say whether these witnesses, by their names here, are enough."""
        return self.quorum == _NO_QUORUM or self._witnessed(self.quorum, present)

    def _witnessed(self, name: str, present: set[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in present
        return sum(self._witnessed(one, present) for one in group.members) >= group.threshold


@dataclass
class _Reading:
    """What the lines so far have said."""

    logs: list[Known] = field(default_factory=list)
    witnesses: dict[str, Known] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str | None = None
    members: set[str] = field(default_factory=set)

    def take(self, words: Sequence[str]) -> None:
        """Read the words of one line."""
        if not words or words[0].startswith("#"):
            return
        kinds: dict[str, Callable[[Sequence[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        keyword, *rest = words
        if keyword not in kinds:
            raise NoteError("not a log, witness, group or quorum line")
        kinds[keyword](rest)

    def _log(self, words: Sequence[str]) -> None:
        if not 1 <= len(words) <= 2:
            raise NoteError("expected: log <vkey> [<url>]")
        self.logs.append(_known(words, self.logs))

    def _witness(self, words: Sequence[str]) -> None:
        if not 2 <= len(words) <= 3:
            raise NoteError("expected: witness <name> <vkey> [<url>]")
        known = _known(words[1:], self.witnesses.values())
        if known.key.type is not SignatureType.COSIGNATURE:
            raise NoteError("the key of a witness has type 0x04")
        self.witnesses[self._new(words[0])] = known

    def _group(self, words: Sequence[str]) -> None:
        if len(words) < 3:
            raise NoteError("expected: group <name> all|any|<k> <name>...")
        if len(self.groups) == MAX_GROUPS:
            raise NoteError(f"a policy has at most {MAX_GROUPS} groups")
        name, threshold, *members = words
        for member in members:
            self._defined(member)
            if member in self.members:
                raise NoteError("a name is a member of one group, once")
            self.members.add(member)
        count = {"all": len(members), "any": 1}.get(threshold)
        if count is None:
            count = int(threshold) if _THRESHOLD.fullmatch(threshold) else 0
        if not 1 <= count <= len(members):
            raise NoteError("a group's threshold is from 1 to the number of its members")
        self.groups[self._new(name)] = Group(threshold=count, members=tuple(members))

    def _quorum(self, words: Sequence[str]) -> None:
        if len(words) != 1:
            raise NoteError("expected: quorum <name>")
        if self.quorum is not None:
            raise NoteError("a second quorum line")
        if words[0] != _NO_QUORUM:
            self._defined(words[0])
        self.quorum = words[0]

    def _new(self, name: str) -> str:
        if name == _NO_QUORUM or name in self.witnesses or name in self.groups:
            raise NoteError("this name is taken")
        return name

    def _defined(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise NoteError("a name that no line above defines")


def _known(words: Sequence[str], others: Iterable[Known]) -> Known:
    vkey, *url = words
    key = VerifierKey.parse(vkey)
    if any(other.key.public_key == key.public_key for other in others):
        raise NoteError("this public key was given above")
    return Known(key=key, url=url[0] if url else None)
