"""Verifies an evidence pack of strongroom, offline.

    python3 verify.py PACK.zip [--vkey KEY] [--witness KEY]...

Needs   Python 3.11 or newer and the package `cryptography`. Nothing else: no network, no server.
Checks  Each byte of the archive: it is content, or has one value; each file against the manifest
        and the digests that the log vouches for; the signatures of the checkpoints; every entry of
        the log segment against the signed tree, in order; the proofs; that the log itself holds
        the digest of everything in this pack, the roots of the populations and the digests of the
        results; that each verdict follows from its items. What no digest in the log covers (the
        manifest, the log, its proofs) has one form, which is made anew and compared.
Units   Sizes are bytes. Nothing is unpacked: a pack is not compressed. Files that have to be read
        as a whole have LARGEST bytes at most, lines LONGEST, so a hostile pack takes about a
        gigabyte of memory at most, and some hundred bytes for each entry or row really in it.
Key     The log's key must come to you by a way of its own (a contract, a colleague, a witness).
        Without it the pack is checked against the key that it brings along, which shows only
        that it fits together: whoever made it could have made it all up. So it is with the key
        of a witness: one that is given must have cosigned.
Trust   The log's signing key, if you got it from elsewhere, and this program. If you doubt the
        copy in the pack, take it from the project, or write your own: the formats are public
        (RFC 6962 trees, C2SP signed notes and checkpoints).
"""

from __future__ import annotations

import json
import re
import struct
import sys
import zlib
from array import array
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "strongroom-evidence-pack/1"
LOGGING, COSIGNING = 1, 4  # types of verifier keys: a log's, a witness's
COSIGNED = "checkpoint/cosigned/"
# What no digest in the log covers, because the log's own signature or this program does.
UNBOUND = re.compile(
    r"manifest\.json|contents\.sha256|checkpoint/end\.txt"
    r"|log/(left\.json|cited\.jsonl|leaf-hashes\.bin|entries-[0-9]{12}\.jsonl)"
    r"|proofs/(consistency\.txt|witnessed\.txt|inclusion/[0-9]+\.tlog-proof)"
)
MEDIA = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "pdf": "application/pdf",
    "py": "text/x-python",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "bin": "application/octet-stream",
}
ENTRIES_PER_FILE = 65_536
BLOCK = 2**20
LARGEST = 32 * 2**20  # bytes of a file that has to be read as a whole
LONGEST = 2**20  # bytes of a line; an entry of the log has 2**16 at most
MOST_NAMED = 8
MOST_PROBLEMS = 100
LINE = re.compile(rb'\{"index":(0|[1-9][0-9]{0,17}),"entry":(.*)\}', re.DOTALL)
NOTE = re.compile(
    r"(([^\n]+)\n(0|[1-9][0-9]{0,17})\n([^\n]+)\n(?:[^\n]+\n)*)"
    r"\n((?:\u2014 [^ \n]+ [^ \n]+\n)+)"
)
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")
TOLERANCE = timedelta(seconds=2)  # requests committed together need not be in order of time
PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
KINDS = {str: "text", int: "whole number", bool: "boolean", list: "list", dict: "object"}
Say = Callable[[str], None]
Kind = TypeVar("Kind")
ErrorsOfInput = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class BrokenError(Exception):
    """Something in the pack is not as it must be; the text names it."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked: what was seen, or what is wrong."""

    name: str
    detail: str
    problems: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True)
class Witness:
    """What a witness cosigned of what is in the pack. `key_given`: its key came from outside."""

    name: str
    checkpoints: int
    size: int  # of the last of them
    key_given: bool

    def __str__(self) -> str:
        key = "as its key was given" if self.key_given else "by a key of the pack's own"
        plural = "s" if self.checkpoints > 1 else ""
        count = f"{self.checkpoints} checkpoint{plural}"
        return f"{self.name} cosigned {count}, the last at size {self.size}, {key}"


@dataclass(frozen=True)
class Verification:
    """The checks, in their order. `key_given`: the key was compared with one from outside.

    `left_out` are the tests that the log says there were and the pack has not; `lacks` says in
    words all that it has not, and is empty for a pack that is complete.
    """

    checks: tuple[Check, ...]
    key_given: bool
    witnesses: tuple[Witness, ...] = ()
    left_out: tuple[str, ...] = ()
    lacks: str = ""

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __len__(self) -> int:
        return len(self.checks)

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return bool(self.checks) and not self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that does not, named."""
        return tuple(problem for check in self.checks for problem in check.problems)


def media_type(name: str) -> str:
    """Return what kind of file a name is of."""
    return MEDIA.get(name.rpartition(".")[2], "text/plain; charset=utf-8")


def decoded(text: str) -> bytes:
    """Return what base64 stands for; there is one way of writing it, anything else is refused."""
    try:
        found = b64decode(text, validate=True)
    except ValueError:
        found = b""
    if b64encode(found).decode() != text:
        raise BrokenError("what should be base64 is not, or not in its one form")
    return found


@dataclass(frozen=True)
class Value:
    """A piece of JSON that knows where it stands, so that what is wrong with it can be named."""

    where: str
    raw: Any

    @classmethod
    def parse(cls, where: str, data: bytes) -> Value:
        """Read a JSON object."""
        try:
            found = cls(where, json.loads(data.decode()))
        except RecursionError:
            raise BrokenError(f"{where} is nested too deeply") from None
        except ValueError as error:
            raise BrokenError(f"{where} is no JSON: {error}") from None
        found.of(dict)
        return found

    def of(self, kind: type[Kind]) -> Kind:
        """Return it as what it must be."""
        if type(self.raw) is not kind:
            raise BrokenError(f"{self.where} is no {KINDS[kind]}")
        return self.raw

    def __getitem__(self, name: str) -> Value:
        if name not in self.of(dict):
            raise BrokenError(f"{self.where}: {name} is missing")
        return Value(f"{self.where}: {name}", self.raw[name])

    def __iter__(self) -> Iterator[Value]:
        for at, each in enumerate(self.of(list)):
            yield Value(f"{self.where}[{at}]", each)

    @property
    def text(self) -> str:
        """The text that it must be."""
        return self.of(str)

    @property
    def number(self) -> int:
        """The number that it must be."""
        return self.of(int)


def written(value: object) -> bytes:
    """Return JSON in the one form in which a pack has it for people to read."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode(errors="replace")


# -- the container: ZIP in one form, so that each byte is content or has one value ---------------

# What each header is made of: its fields and their bytes. After them come name and extra field.
SHARED = (("version", 2), ("flags", 2), ("method", 2), ("time", 2), ("date", 2), ("checksum", 4))
SIZES = (("stored size", 4), ("size", 4), ("length of the name", 2), ("length of the extra", 2))
LOCAL = (("signature", 4), *SHARED, *SIZES)
CENTRAL = (
    *(("signature", 4), ("maker", 2), *SHARED, *SIZES, ("length of the comment", 2)),
    *(("disk", 2), ("inner attributes", 2), ("attributes", 4), ("offset", 4)),
)
END_WIDE = (
    *(("signature", 4), ("own size", 8), ("maker", 2), ("version", 2), ("disk", 4)),
    *(("disk of the directory", 4), ("members here", 8), ("members", 8)),
    *(("size of the directory", 8), ("offset of the directory", 8)),
)
LOCATOR = (("signature", 4), ("disk of the end", 4), ("offset of the end", 8), ("disks", 4))
END = (
    *(("signature", 4), ("disk", 2), ("disk of the directory", 2), ("members here", 2)),
    *(("members", 2), ("size of the directory", 4), ("offset of the directory", 4)),
    ("length of the comment", 2),
)
MAKER = 3 << 8 | 20  # Unix
DATE = 1 << 5 | 1  # 1980-01-01, the first that ZIP knows
ATTRIBUTES = 0o100644 << 16  # a plain file
FULL = 2**32 - 1  # stands where a number needs 64 bits and is in the extra field


def local_header(name: bytes, size: int, checksum: int) -> bytes:
    """Return what stands before the content of a member."""
    version, sizes, extra = _wide(size, size)
    shared = struct.pack("<5HI2I", version, 0, 0, 0, DATE, checksum, *sizes)
    return b"PK\3\4" + shared + struct.pack("<2H", len(name), len(extra)) + name + extra


def central_header(name: bytes, size: int, checksum: int, offset: int) -> bytes:
    """Return a member's record in the directory."""
    version, (*sizes, at), extra = _wide(size, size, offset)
    shared = struct.pack("<6HI2I", MAKER, version, 0, 0, 0, DATE, checksum, *sizes)
    lengths = struct.pack("<5H2I", len(name), len(extra), 0, 0, 0, ATTRIBUTES, at)
    return b"PK\1\2" + shared + lengths + name + extra


def end_records(count: int, size: int, offset: int) -> list[tuple[Any, bytes]]:
    """Return what stands after a directory, as fields and bytes: one record, or three if large."""
    few = min(count, 0xFFFF)
    short = (0, 0, few, few, min(size, FULL), min(offset, FULL), 0)
    end = (END, b"PK\5\6" + struct.pack("<4H2IH", *short))
    if few == count < 0xFFFF and max(size, offset) < FULL:
        return [end]
    wide = struct.pack("<Q2H2I4Q", 44, MAKER, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<IQI", 0, offset + size, 1)
    return [(END_WIDE, b"PK\6\6" + wide), (LOCATOR, b"PK\6\7" + locator), end]


def _wide(*numbers: int) -> tuple[int, list[int], bytes]:
    """Return the version that numbers need, the numbers as they stand, and the extra field."""
    large = [number for number in numbers if number >= FULL]
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    return 45 if large else 20, [min(number, FULL) for number in numbers], extra


def differing(
    fields: Sequence[tuple[str, int]], what: str, at: int, found: bytes, right: bytes
) -> Iterator[str]:
    """Name the fields of a header at an offset that are not as they must be."""
    begin = 0
    for name, size in (*fields, ("name and extra", max(len(found), len(right)))):
        one, other = found[begin : begin + size], right[begin : begin + size]
        if one != other:
            told = (
                f"{int.from_bytes(one, 'little')}, and must be {int.from_bytes(other, 'little')}"
                if size <= 8 and len(one) == size
                else "not what it must be"
            )
            yield f"offset {at + begin}: {name} of {what} is {told}"
        begin += size


@dataclass(frozen=True)
class Member:
    """A file of the archive: where its content lies in it, and the digest of that."""

    offset: int
    size: int
    digest: str


class Archive:
    """A pack as a file, read from its first byte to its last.

    `problems` names what is neither content nor what must stand there. Raises BrokenError where
    it cannot be told any more where a member ends.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.length = file.seek(0, 2)
        self.members: dict[str, Member] = {}
        self.problems: list[str] = []
        directory: list[tuple[str, bytes]] = []
        begin, at, last = 0, 0, ""
        while self.take(at, 4) == b"PK\3\4":
            begin, (at, last) = at, self._member(at, last, directory)
        if not directory or self.take(at, 4) != b"PK\1\2":
            after = f"behind {last} from offset {begin}" if directory else "at the beginning"
            neither = f"offset {at}: {after} is neither a member nor the directory"
            raise BrokenError("; ".join([*self.problems[:MOST_NAMED], neither]))
        self._tail(at, directory)

    def take(self, at: int, size: int) -> bytes:
        """Return what stands at an offset; less at the end of the file."""
        self.file.seek(at)
        return self.file.read(size)

    def blocks(self, member: Member) -> Iterator[bytes]:
        """Give the content of a member piece by piece."""
        for at in range(0, member.size, BLOCK):
            yield self.take(member.offset + at, min(BLOCK, member.size - at))

    def _member(self, at: int, last: str, directory: list[tuple[str, bytes]]) -> tuple[int, str]:
        """Take in one member; return where the next begins, and the name of this one."""
        head = self.take(at, 30).ljust(30, b"\0")
        stored, size, long, more = struct.unpack("<2I2H", head[18:])
        head += self.take(at + 30, long + more)
        raw = head[30 : 30 + long]
        name = raw.decode("ascii", "backslashreplace")
        if stored == size == FULL and more >= 12:
            stored = size = int.from_bytes(head[30 + long + 4 :][:8], "little")
        content = at + 30 + long + more
        if stored != size:  # packed, or spoiled: nobody knows where it ends
            right = local_header(raw, size, int.from_bytes(head[14:18], "little"))
            wrong = differing(LOCAL, f"the local header of {name}", at, head, right)
            raise BrokenError("; ".join(wrong))
        checksum, digest = 0, sha256()
        if content + size > self.length:
            raise BrokenError(f"offset {at}: {name} goes on beyond the end of the file")
        for block in self.blocks(Member(content, size, "")):
            checksum = zlib.crc32(block, checksum)
            digest.update(block)
        right = local_header(raw, size, checksum)
        self.problems += differing(LOCAL, f"the local header of {name}", at, head, right)
        if not PATH.fullmatch(name):
            self.problems.append(f"offset {at + 30}: {name} is no plain path")
        elif name in self.members:
            self.problems.append(f"offset {at}: {name} stands twice in the archive")
        else:
            self.members[name] = Member(content, size, digest.hexdigest())
            if name < last:
                self.problems.append(f"offset {at}: {name} stands behind {last}: out of order")
        record = f"{name}, from offset {at}, in the directory"
        directory.append((record, central_header(raw, size, checksum, at)))
        return content + size, name

    def _tail(self, begin: int, directory: list[tuple[str, bytes]]) -> None:
        """Check the directory and what comes after it, which follow from the members."""
        records = [(CENTRAL, what, right) for what, right in directory]
        size = sum(len(right) for _, right in directory)
        ends = end_records(len(directory), size, begin)
        records += [(fields, "the end of the directory", right) for fields, right in ends]
        at = begin
        for fields, what, right in records:
            found = self.take(at, len(right))
            if found[:4] != right[:4]:
                self.problems.append(f"offset {at}: here should begin the record of {what}")
                return
            self.problems += differing(fields, f"the record of {what}", at, found, right)
            at += len(right)
        if at < self.length:
            self.problems.append(f"offset {at}: {self.length - at} bytes stand behind the end")


# -- trees and signatures ----------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf: RFC 6962, section 2.1."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node."""
    return sha256(b"\1" + left + right).digest()


@dataclass
class Tree:
    """A tree that grows to the right; `peaks` are its complete subtrees, the largest first."""

    size: int = 0
    peaks: list[tuple[int, bytes]] = field(default_factory=list)  # level, hash

    def add(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        level, top = 0, leaf
        while self.peaks and self.peaks[-1][0] == level:
            top = node_hash(self.peaks.pop()[1], top)
            level += 1
        self.peaks.append((level, top))
        self.size += 1

    def root(self) -> bytes:
        """Return the root at the present size."""
        if not self.peaks:
            return sha256(b"").digest()
        *rest, (_, root) = self.peaks
        for _, peak in reversed(rest):
            root = node_hash(peak, root)
        return root


def root_over(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    tree = Tree()
    for each in hashes:
        tree.add(each)
    return tree.root()


def check_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> None:
    """Raise BrokenError unless the proof leads from the leaf to the root: RFC 9162, 2.1.3.2."""
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BrokenError("the proof is too long")
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    if last or found != root or not 0 <= index < size:
        raise BrokenError("the proof does not lead to the signed root")


def check_consistency(
    old: int, new: int, roots: tuple[bytes, bytes], proof: Sequence[bytes]
) -> None:
    """Raise BrokenError unless the newer tree begins with the older one: RFC 9162, 2.1.4.2."""
    if old == new:
        if roots[0] != roots[1] or proof:
            raise BrokenError("two roots at one size")
        return
    hashes = [roots[0], *proof] if old & (old - 1) == 0 else list(proof)
    if not 0 < old < new or not hashes:
        raise BrokenError("no such proof")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise BrokenError("the proof is too long")
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    if last or (first, second) != roots:
        raise BrokenError("the proof does not lead from the older root to the newer one")


@dataclass(frozen=True)
class Key:
    """A verifier key: `<name>+<id>+<base64 of type and key>`; the type is LOGGING or COSIGNING."""

    name: str
    type: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The four bytes that signature lines name it by."""
        named = self.name.encode() + b"\n" + bytes((self.type,)) + self.public
        return sha256(named).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read one, or raise BrokenError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        blob = decoded(encoded)
        key = cls(name, blob[0] if blob else 0, blob[1:])
        if len(blob) != 33 or key.type not in (LOGGING, COSIGNING) or key.id.hex() != key_id:
            raise BrokenError("not a verifier key")
        return key

    def signed(self, text: str, blob: bytes) -> bool:
        """Say whether the signature is good."""
        message, signature = text.encode(), blob
        if self.type == COSIGNING:
            time = int.from_bytes(blob[:8])
            message, signature = f"cosignature/v1\ntime {time}\n".encode() + message, blob[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Checkpoint:
    """What the log says of itself, and who signed it."""

    origin: str
    size: int
    root: bytes
    witnesses: tuple[Key, ...]
    signatures: int

    @classmethod
    def open(cls, note: str, log: Key, witnesses: Sequence[Key]) -> Checkpoint:
        """Return the checkpoint in a note that the log signed, or raise BrokenError."""
        parts = NOTE.fullmatch(note)
        if parts is None:
            raise BrokenError("it is no signed checkpoint")
        text, origin, size, root, rest = parts.groups()
        lines = rest.removesuffix("\n").split("\n")
        signers: set[Key] = set()
        for line in lines:
            _, name, blob = line.split(" ")
            raw = decoded(blob)
            known = [k for k in (log, *witnesses) if (k.name, k.id) == (name, raw[:4])]
            if not known:
                raise BrokenError(f"nobody knows the key of the signature of {name}")
            if not known[0].signed(text, raw[4:]):
                raise BrokenError(f"the signature of {name} is wrong")
            signers.add(known[0])
        if log not in signers:
            raise BrokenError("the log's key has not signed it")
        if origin != log.name:
            raise BrokenError(f"it is a checkpoint of {origin}, not of {log.name}")
        cosigners = tuple(w for w in witnesses if w in signers and w.type == COSIGNING)
        return cls(origin, int(size), decoded(root), cosigners, len(lines))


# -- the pack ----------------------------------------------------------------------------------


@dataclass
class Clock:
    """What the entries' own times say of a period, and where they go back, since its first entry.

    The numbers are indexes: of the first entry not before the start, of the last before the end,
    and of the last before it by more than the tolerance. Nothing goes back across its borders.
    """

    start: datetime
    end: datetime
    first: int | None = None
    last: int = -1
    firm: int = -1
    latest: tuple[int, datetime] | None = None
    setbacks: list[tuple[int, datetime, int, datetime]] = field(default_factory=list)

    def see(self, index: int, time: datetime) -> None:
        """Take in an entry."""
        if self.first is None and time >= self.start:
            self.first = index
        self.last = index if time < self.end else self.last
        self.firm = index if time < self.end - TOLERANCE else self.firm
        if self.first is None:
            return
        if self.latest is not None and self.latest[1] - time > TOLERANCE:
            self.setbacks.append((*self.latest, index, time))
            self.latest = None
        if self.latest is None or time >= self.latest[1]:
            self.latest = index, time

    def within(self) -> list[tuple[int, datetime, int, datetime]]:
        """Return where times go back in the period."""
        return [each for each in self.setbacks if each[2] <= self.last]

    def problem(self, first: int, end: int, *, to_pack: bool) -> str:
        """Say why the entries from `first` up to `end` are not those of the period, if so."""
        begins = first if self.first is None else self.first
        if first != begins:
            return f"its first entry is {first}, and {begins} is the period's by its time"
        least, most = max(begins, self.firm + 1), max(begins, self.last + 1)
        if end < least or (end > most and not to_pack):
            by_time = f"entry {self.last} is the last of the period by its time"
            return f"it ends before entry {end}, and {by_time}"
        return ""


def time_of(text: object) -> datetime | None:
    """Return a time as the log writes it; None for what is none."""
    if not isinstance(text, str) or not TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None


@dataclass
class Seen:
    """What one pass over the log segment found."""

    count: int = 0
    crooked: list[int] = field(default_factory=list)  # entries that bear another index
    runs: dict[str, tuple[int, Value]] = field(default_factory=dict)  # by result digest
    ran: list[dict[str, Any]] = field(default_factory=list)  # all of them, as `ran` tells them
    packs: list[tuple[int, Value]] = field(default_factory=list)
    rows: dict[str, array[int]] = field(default_factory=dict)  # indexes, by population
    simulated: bool = False
    clock: Clock | None = None
    strange: list[int] = field(default_factory=list)  # entries that are no events
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Grown:
    """A tree over the segment: its size and root, and what of it the later checks need."""

    found: tuple[int, bytes] = (0, b"")
    roots: dict[int, bytes] = field(default_factory=dict)  # by size, where asked for
    cited: dict[int, bytes] = field(default_factory=dict)  # leaf hashes by index


@dataclass(frozen=True)
class Range:
    """A population that is entries of the log, as its filter."""

    first: int
    end: int
    codes: tuple[str, ...]


class Pack:
    """An open pack, and the checks in their order."""

    def __init__(
        self, archive: Archive, vkeys: Sequence[str], say: Say, witness_keys: Sequence[str] = ()
    ) -> None:
        self.archive = archive
        self.members = archive.members
        self.vkeys = vkeys
        self.witness_keys = witness_keys
        self.say = say
        self.checks: list[Check] = []
        self.about: Value | None = None  # what the pack says of itself; the log has its digest
        self.packed: Value | None = None  # the entry that vouches for the pack
        self.packed_at = -1
        self.begin = 0
        self.intact = False  # the entries of the segment are those that were signed
        self.before: dict[int, bytes] = {}  # hashes of entries before it that results cite
        self.seen = Seen()
        self.truth = Grown()  # as signed; not filled if neither entries nor hashes give that
        self.log: Key | None = None
        self.start: Checkpoint | None = None
        self.end: Checkpoint | None = None
        self.witnessed: Checkpoint | None = None
        self.cosigned: list[Checkpoint] = []  # the last of each day, with cosignatures
        self.witnesses: tuple[Witness, ...] = ()
        self.left_out: tuple[str, ...] = ()
        self.lacks = ""

    def verify(self) -> Verification:
        """Run every check; one that fails does not keep the others from theirs."""
        for name, check in (
            ("archive", self.container),
            ("files", self.files),
            ("key", self.key),
            ("checkpoints", self.checkpoints),
            ("log segment", self.segment),
            ("consistency", self.consistency),
            ("inclusion", self.inclusion),
            ("contents", self.contents),
        ):
            self.run(name, check)
        for each in self.named("populations"):
            self.run(f"population {each}", lambda each=each: self.population(each))  # type: ignore[misc]
        for each in self.named("tests"):
            self.run(f"test {each}", lambda each=each: self.test(each))  # type: ignore[misc]
        self.run("summary", self.summary)
        return Verification(
            tuple(self.checks),
            key_given=bool(self.vkeys),
            witnesses=self.witnesses,
            left_out=self.left_out,
            lacks=self.lacks,
        )

    def run(self, name: str, check: Callable[[], tuple[str, list[str]]]) -> None:
        """Make one check, keep what came of it, and say it."""
        try:
            detail, found = check()
        except BrokenError as error:
            detail, found = "", [f"{name}: {error}"]
        except ErrorsOfInput as error:
            detail, found = "", [f"{name}: cannot be judged ({type(error).__name__}: {error})"]
        more = len(found) - MOST_PROBLEMS
        problems = [plain(problem) for problem in found[:MOST_PROBLEMS]]
        problems += [f"{name}: {more} more problems"] if more > 0 else []
        detail = plain(detail)
        self.checks.append(Check(plain(name), "; ".join(problems) or detail, tuple(problems)))
        if problems:
            for problem in problems:
                self.say(f"FAILED  {problem}")
        else:
            self.say(f"ok      {plain(name)}: {detail}")

    # -- reading

    def member(self, path: str) -> Member:
        """Return where a file of the pack lies."""
        if path not in self.members:
            raise BrokenError(f"{path} is missing")
        return self.members[path]

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file, in hexadecimal."""
        return self.member(path).digest

    def read(self, path: str) -> bytes:
        """Return a file of the pack."""
        member = self.member(path)
        if member.size > LARGEST:
            raise BrokenError(f"{path} is too large to be true")
        return self.archive.take(member.offset, member.size)

    def text(self, path: str) -> str:
        """Return a file as text."""
        try:
            return self.read(path).decode()
        except UnicodeDecodeError:
            raise BrokenError(f"{path} is no text in UTF-8") from None

    def json(self, path: str) -> Value:
        """Return a file as a JSON object."""
        return Value.parse(path, self.read(path))

    def lines(self, path: str) -> Iterator[bytes]:
        """Give the lines of a file; the last must have an end, as the others have."""
        rest = b""
        for block in self.archive.blocks(self.member(path)):
            *whole, rest = (rest + block).split(b"\n")
            yield from whole
            if len(rest) > LONGEST:
                raise BrokenError(f"{path} has a line that is too long to be true")
        if rest:
            raise BrokenError(f"{path}: its last line has no end")

    def hashes(self, path: str) -> Iterator[bytes]:
        """Give the hashes that a file consists of."""
        for block in self.archive.blocks(self.member(path)):
            yield from (block[at : at + 32] for at in range(0, len(block), 32))

    def named(self, folder: str) -> list[str]:
        """Return the folders below a folder, by what is there and by what the manifest says."""
        found = {n.split("/")[1] for n in self.members if n.startswith(f"{folder}/")}
        with suppress(BrokenError):  # named where the summary is checked
            found |= {each["id"].text for each in self.about[folder]} if self.about else set()
        return sorted(found)

    # -- the checks

    def container(self) -> tuple[str, list[str]]:
        """No byte of the file is anything but content, or what must stand there."""
        return f"{self.archive.length} bytes, each content or as it must be", self.archive.problems

    def files(self) -> tuple[str, list[str]]:
        """Every file is listed, once, with its digest; and nothing else is there."""
        manifest = self.json("manifest.json")
        if manifest["format"].raw != FORMAT:
            raise BrokenError(f"this is no pack of the format {FORMAT}")
        if written(manifest.raw) != self.read("manifest.json"):
            raise BrokenError("manifest.json was changed: it is not in the form it is written in")
        self.about = manifest["about"]
        listed = {each["path"].text: each for each in manifest["files"]}
        names = self.members.keys() - {"manifest.json"}
        added = sorted(names - listed.keys())
        problems = [f"{name} was added: the manifest does not list it" for name in added]
        for name, each in listed.items():
            member = self.members.get(name)
            if member is None:
                problems.append(f"{name} is missing")
            elif each["sha256"].raw != member.digest:
                problems.append(f"{name} was changed: its digest is not the manifest's")
            elif each.raw != self.entry_of(name):
                problems.append(f"manifest.json: size or type of {name} is another")
        return f"{len(listed)} files are as the manifest lists them", problems

    def entry_of(self, name: str) -> dict[str, Any]:
        """Return what the manifest must say of a file."""
        member = self.members[name]
        return {
            "path": name,
            "bytes": member.size,
            "sha256": member.digest,
            "media_type": media_type(name),
        }

    def key(self) -> tuple[str, list[str]]:
        """The key of the log, from outside if there is one."""
        own = Key.parse(self.text("checkpoint/log.vkey"))
        if not self.vkeys:
            self.log = own
            return "it comes from the pack itself, so only inner consistency is shown", []
        given = [Key.parse(each) for each in self.vkeys]
        self.log = own if own in given else given[0]
        if self.log != own:
            return "", ["checkpoint/log.vkey is another key than the one that was given"]
        return f"{self.log.name}, as it was given", []

    def checkpoints(self) -> tuple[str, list[str]]:
        """The log signed where the segment ends, and where it begins."""
        if self.log is None:
            raise BrokenError("there is no key to check a signature with")
        given = [Key.parse(each) for each in self.witness_keys]
        lines = self.text("checkpoint/witnesses.vkey").split()
        witnesses = list(dict.fromkeys([*given, *map(Key.parse, lines)]))
        problems: list[str] = []
        names = ("start", "end", "witnessed")
        daily = sorted(n for n in self.members if n.startswith(COSIGNED))
        for path in [*(f"checkpoint/{name}.txt" for name in names), *daily]:
            name = path.removeprefix("checkpoint/").removesuffix(".txt")
            if name != "end" and path not in self.members:
                continue
            try:
                found = Checkpoint.open(self.text(path), self.log, witnesses)
            except BrokenError as error:
                problems.append(f"{path}: {error}")
                continue
            if name in names:
                setattr(self, name, found)
            else:
                self.cosigned.append(found)
                if path != f"{COSIGNED}{found.size:012d}.txt":
                    problems.append(f"{path} is not named after its size")
            if name not in ("start", "end") and not found.witnesses:
                problems.append(f"{path}: no witness has cosigned it")
            if name in ("start", "end") and found.signatures != 1:
                problems.append(f"{path}: there is more than the log's own signature")
        problems += self.cosigners(witnesses, given)
        size = self.end.size if self.end else 0
        seen = "; ".join(map(str, self.witnesses)) or "no witness's signature is in this pack"
        return f"the log's signature at size {size} is good; {seen}", problems

    def cosigners(self, witnesses: Sequence[Key], given: Sequence[Key]) -> list[str]:
        """Count what each witness has cosigned; name those that were given and have not."""
        found: list[Witness] = []
        problems: list[str] = []
        for key in witnesses:
            notes = [*self.cosigned, *([self.witnessed] if self.witnessed else [])]
            sizes = {note.size for note in notes if key in note.witnesses}
            if sizes:
                found.append(Witness(key.name, len(sizes), max(sizes), key_given=key in given))
            elif key in given:
                lacks = "whose key was given, has cosigned nothing of this pack"
                problems.append(f"the witness {key.name}, {lacks}")
        self.witnesses = tuple(found)
        return problems

    def segment(self) -> tuple[str, list[str]]:
        """Every entry of the segment is the one that was signed, at its index."""
        left = self.json("log/left.json")
        self.begin = left["begin"].number
        levels = [n for n in reversed(range(self.begin.bit_length())) if self.begin >> n & 1]
        subtrees = [decoded(each.text) for pair in left["peaks"] for each in [*pair][1:]]
        peaks = list(zip(levels, subtrees, strict=False))
        right = {"begin": self.begin, "peaks": [(n, b64encode(h).decode()) for n, h in peaks]}
        if (
            self.begin not in range(2**60)
            or len(levels) > len(peaks)
            or written(right) != self.read(left.where)
        ):
            raise BrokenError("log/left.json is not the subtrees of the entries before")
        problems: list[str] = []
        root = Tree(self.begin, list(peaks)).root()
        if self.start is None and self.begin:
            problems.append("checkpoint/start.txt is missing, and the segment begins later")
        elif self.start is not None and (self.start.size, self.start.root) != (self.begin, root):
            problems.append("log/left.json does not give the root of checkpoint/start.txt")
        for line in self.lines("log/cited.jsonl"):
            found = LINE.fullmatch(line)
            if not found or not max(self.before, default=-1) < int(found[1]) < self.begin:
                problems.append("log/cited.jsonl holds what is no entry from before the segment")
                break
            self.before[int(found[1])] = leaf_hash(found[2])
        kept = self.grown(peaks, self.kept())
        had = self.grown(peaks, self.noted())
        self.intact = self.end is not None and had.found == (self.end.size, self.end.root)
        problems += self.against_end(had, kept)
        if self.end is not None and (self.end.size, self.end.root) in (had.found, kept.found):
            self.truth = kept if kept.found == (self.end.size, self.end.root) else had
        roots, days = self.truth.roots, self.cosigned if self.truth.found[0] else []
        if strange := [each.size for each in days if roots.get(each.size) != each.root]:
            problems.append(f"{COSIGNED}: {listed(strange, 'size')} not of these entries")
        last = self.begin + self.seen.count - 1
        return f"entries {self.begin} to {last} give the signed root", problems

    def grown(
        self, peaks: Sequence[tuple[int, bytes]], leaves: Iterator[tuple[int, bytes]]
    ) -> Grown:
        """Return the tree over leaf hashes, given with their indexes."""
        tree, roots, cited = Tree(self.begin, list(peaks)), dict[int, bytes](), dict[int, bytes]()
        sizes, indexes = self.sizes(), self.cited()
        for index, leaf in leaves:
            tree.add(leaf)
            if index in indexes:
                cited[index] = leaf
            if tree.size in sizes:
                roots[tree.size] = tree.root()
        return Grown((tree.size, tree.root()), roots, cited)

    def kept(self) -> Iterator[tuple[int, bytes]]:
        """Give the indexes and hashes of the entries as the pack has them beside the entries."""
        if "log/leaf-hashes.bin" in self.members:
            most = self.end.size - self.begin + 1 if self.end else 0  # one more is too many
            hashes = islice(self.hashes("log/leaf-hashes.bin"), max(most, 0))
            yield from enumerate(hashes, self.begin)

    def noted(self) -> Iterator[tuple[int, bytes]]:
        """Give index and hash of each entry, and note what the later checks need."""
        seen, ranges = self.seen, self.ranges()
        seen.clock = self.clock()
        for index, leaf in self.entries(seen.problems):
            if index != self.begin + seen.count:
                seen.crooked.append(self.begin + seen.count)
            self.note(index, leaf, ranges)
            seen.count += 1
            yield index, leaf_hash(leaf)

    def note(self, index: int, leaf: bytes, ranges: dict[str, Range]) -> None:
        """Keep what an entry means for populations, tests and the pack."""
        seen = self.seen
        try:
            event = json.loads(leaf.decode())
            code, own = event["metadata"]["event_code"], event.get("unmapped", {})
            seen.simulated |= own.get("clock") == "simulated"
            names = [n for n, r in ranges.items() if code.startswith(r.codes)]
            time = time_of(own.get("time"))
        except ErrorsOfInput:
            seen.strange.append(index)
            return
        if seen.clock is not None and time is not None:
            seen.clock.see(index, time)
        if code == "control.run":
            seen.runs[str(own.get("result_sha256"))] = index, Value(f"entry {index}", own)
            seen.ran.append(ran(index, own))
        elif code == "evidence.pack":
            seen.packs.append((index, Value(f"entry {index}", own)))
        for name in names:
            if ranges[name].first <= index < ranges[name].end:
                seen.rows.setdefault(name, array("Q")).append(index)

    def clock(self) -> Clock | None:
        """Return what watches the times of the period."""
        try:
            period = self.json("about.json")["period"]
            start, end = time_of(period["start"].raw), time_of(period["end"].raw)
        except BrokenError:
            return None  # named where the summary is checked
        return None if start is None or end is None else Clock(start, end)

    def entries(self, problems: list[str]) -> Iterator[tuple[int, bytes]]:
        """Give index and exact bytes of each entry; what is no entry goes to the problems."""
        names = sorted(n for n in self.members if n.startswith("log/entries-"))
        for at, name in enumerate(names):
            if name != f"log/entries-{self.begin + at * ENTRIES_PER_FILE:012d}.jsonl":
                problems.append(f"{name} is not named after its first entry")
            number = 0
            for number, line in enumerate(self.lines(name), 1):
                if found := LINE.fullmatch(line):
                    yield int(found[1]), found[2]
                elif len(problems) < MOST_PROBLEMS:
                    problems.append(f"{name}: line {number} holds no entry")
            if number != ENTRIES_PER_FILE and (name != names[-1] or number > ENTRIES_PER_FILE):
                problems.append(f"{name} holds {number} lines, not {ENTRIES_PER_FILE}")
            elif not number:
                problems.append(f"{name} is empty")

    def against_end(self, had: Grown, kept: Grown) -> list[str]:
        """Compare with the signed root, and say which entries are wrong if they are."""
        seen = self.seen
        found = [*seen.problems]
        if seen.strange:
            found.append(f"log: {listed(seen.strange)} no event")
        if self.end is None:
            return found
        signed = (self.end.size, self.end.root)
        if had.found != signed:
            return found + self.named_entries(self.end.size, by_hash=kept.found == signed)
        if kept.found != signed:
            found.append("log/leaf-hashes.bin: not the hashes of the signed entries")
        if seen.crooked:
            found.append(f"log: {listed(seen.crooked)} labelled with another index")
        return found

    def named_entries(self, size: int, *, by_hash: bool) -> list[str]:
        """Name the entries that are not as signed; by their own indexes if hashes do not help."""
        had = [(index, leaf_hash(leaf)) for index, leaf in self.entries([])]
        indexes = [index for index, _ in had]
        if by_hash:
            places = {each: at for at, each in self.kept()}
            found = differences([h for _, h in had], [*places], self.begin, "entry", indexes)
            named = [places[h] for index, h in had if places.get(h, index) != index]
            found += [f"{listed(named)} labelled with another index"] if named else []
        else:
            reach = min(size, self.begin + len(had) + MOST_PROBLEMS)
            found = differences(indexes, range(self.begin, reach), self.begin, "entry")
            if not found and (lacking := size - self.begin - len(had)):
                found.append(f"{lacking} entries are lacking")
            found.append("neither the entries nor their hashes give the signed root")
        return [f"log: {each}" for each in found]

    def ranges(self) -> dict[str, Range]:
        """Return the populations that are entries of the log, with their filters."""
        found: dict[str, Range] = {}
        for name in self.named("populations"):
            try:
                frozen = self.json(f"populations/{name}/frozen-root.json")
                if frozen["source"].text == "log":
                    codes = tuple(each.text for each in frozen["codes"])
                    found[name] = Range(frozen["first"].number, frozen["end"].number, codes)
            except BrokenError:
                continue  # named where the population is checked
        return found

    def sizes(self) -> set[int]:
        """Return the sizes of the checkpoints that results rest on."""
        found = {each.size for each in self.cosigned}
        for name in self.named("tests"):
            try:
                found.add(self.json(f"tests/{name}/result.json")["checkpoint"]["size"].number)
            except BrokenError:
                continue  # named where the test is checked
        return found

    def consistency(self) -> tuple[str, list[str]]:
        """The log at the end begins with the log at the start."""
        if self.end is None:
            raise BrokenError("there is no checkpoint to prove anything about")
        if self.witnessed is not None:
            self.proven("proofs/witnessed.txt", self.witnessed, self.end)
        elif "proofs/witnessed.txt" in self.members:
            raise BrokenError("proofs/witnessed.txt is about a checkpoint that is not there")
        if self.start is None:
            if self.read("proofs/consistency.txt") != f"old 0\nnew {self.end.size}\n".encode():
                raise BrokenError("proofs/consistency.txt: there is nothing to prove, and it does")
            return "the segment begins with the log itself", []
        self.proven("proofs/consistency.txt", self.start, self.end)
        return f"the log of size {self.end.size} begins with that of size {self.start.size}", []

    def proven(self, path: str, older: Checkpoint, newer: Checkpoint) -> None:
        """Check a proof that a newer log begins with an older one."""
        head = f"old {older.size}\nnew {newer.size}\n"
        text = self.text(path)
        if not text.startswith(head) or not text.endswith("\n"):
            raise BrokenError(f"{path} is about other sizes")
        try:
            proof = [decoded(line) for line in text[len(head) :].split("\n")[:-1]]
            check_consistency(older.size, newer.size, (older.root, newer.root), proof)
        except BrokenError as error:
            raise BrokenError(f"{path}: {error}") from None

    def inclusion(self) -> tuple[str, list[str]]:
        """Each proof that a result cites leads from its entry to the signed root."""
        if self.end is None:
            raise BrokenError("there is no checkpoint to prove anything about")
        names = {n for n in self.members if n.startswith("proofs/inclusion/")}
        cited = {index for index in self.cited() if 0 <= index < self.end.size}
        want = {f"proofs/inclusion/{index}.tlog-proof": index for index in cited}
        problems = [f"{n} is missing: a result cites the entry" for n in sorted({*want} - names)]
        problems += [f"{n} is about an entry that nothing cites" for n in sorted(names - {*want})]
        if set(self.before) != {index for index in cited if index < self.begin}:
            problems.append("log/cited.jsonl holds other entries than those that results cite")
        for name in sorted(names & {*want}):
            try:
                self.one_inclusion(name, want[name], self.end)
            except BrokenError as error:
                problems.append(f"{name}: {error}")
        return f"{len(names)} entries are proven to be in the log", problems

    def cited(self) -> set[int]:
        """Return the indexes that results cite."""
        found: set[int] = set()
        for name in self.named("tests"):
            try:
                items = self.json(f"tests/{name}/result.json")["items"]
                found |= {index.number for item in items for index in item["proof"]}
            except BrokenError:
                continue  # named where the test is checked
        return found

    def one_inclusion(self, name: str, index: int, end: Checkpoint) -> None:
        """Check one proof, in the format `c2sp.org/tlog-proof@v1`."""
        head, _, note = self.text(name).partition("\n\n")
        lines = head.split("\n")
        if lines[:2] != ["c2sp.org/tlog-proof@v1", f"index {index}"]:
            raise BrokenError("not the proof of the entry that it is named after")
        if note != self.text("checkpoint/end.txt"):
            raise BrokenError("it leads to another checkpoint")
        leaf = self.before.get(index) or self.truth.cited.get(index)
        if leaf is None:
            return  # there are no signed entries to compare with, and it was said
        proof = [decoded(line) for line in lines[2:]]
        check_inclusion(leaf, index, end.size, proof, end.root)

    def contents(self) -> tuple[str, list[str]]:
        """The log has the digest of everything in the pack that is not the log itself."""
        listing = self.text("contents.sha256")
        said = {line[66:]: line[:64] for line in listing.split("\n")[:-1]}
        names = sorted(n for n in self.members if not UNBOUND.fullmatch(n))
        text = "".join(f"{self.digest(name)}  {name}\n" for name in names)
        vouched = {str(own.raw.get("contents")): (at, own) for at, own in reversed(self.seen.packs)}
        of_listing = vouched.get(self.digest("contents.sha256"))
        of_files = vouched.get(sha256(text.encode()).hexdigest())
        if found := of_listing or of_files:
            self.packed_at, self.packed = found
        else:
            return "", ["no entry of the log has the digest of contents.sha256, nor of the files"]
        if of_listing is None:
            return "", ["contents.sha256 was changed: the log has the digest of the files"]
        problems = [f"{n} is missing: the log has its digest" for n in sorted({*said} - {*names})]
        problems += [f"{n} was added: the log has no digest of it" for n in names if n not in said]
        problems += [
            f"{name} was changed: its digest is not the one that the log has"
            for name in names
            if name in said and said[name] != self.digest(name)
        ]
        if listing != text and not problems:
            problems.append("contents.sha256 is not a list of digests")
        return f"entry {self.packed_at} has the digest of {len(names)} files", problems

    def population(self, name: str) -> tuple[str, list[str]]:
        """The rows are those that were frozen, and as many as the log has."""
        folder = f"populations/{name}"
        frozen = self.json(f"{folder}/frozen-root.json")
        rows, root = frozen["rows"].number, frozen["root"].text
        tree = Tree()
        for line in self.lines(f"{folder}/rows.jsonl"):
            tree.add(leaf_hash(line))
        problems: list[str] = []
        if tree.size != rows:
            problems.append(f"{folder}: {tree.size} rows, and {rows} were frozen")
        if b64encode(tree.root()).decode() != root:
            problems += self.named_rows(folder, root)
        if self.packed and self.packed["populations"].of(dict).get(name) != {
            "rows": rows,
            "root": root,
        }:
            problems.append(f"{folder}: the log has not this root and number of rows")
        if frozen["source"].text == "log":
            problems += self.of_period(folder, frozen)
            problems += self.recounted(folder, name)
        return f"{tree.size} rows, as they were frozen and as the log has them", problems

    def of_period(self, folder: str, frozen: Value) -> list[str]:
        """Compare the ends of a population with the times of the entries, as far as they go."""
        reach, (first, end) = frozen["reach"].text, (frozen[k].number for k in ("first", "end"))
        if reach not in ("period", "pack"):
            return [f"{folder}: nobody knows how far it reaches"]
        if not self.intact:
            return []  # it was said
        if self.seen.clock is None:
            return [f"{folder}: about.json does not say of which period it is"]
        found = self.seen.clock.problem(first, end, to_pack=reach == "pack")
        return [f"{folder}: {found}"] if found else []

    def named_rows(self, folder: str, root: str) -> list[str]:
        """Name the rows that are not as frozen."""
        kept = list(self.hashes(f"{folder}/row-hashes.bin"))
        if b64encode(root_over(kept)).decode() != root:
            return [f"{folder}: neither the rows nor their hashes give the frozen root"]
        had = [leaf_hash(line) for line in self.lines(f"{folder}/rows.jsonl")]
        return [f"{folder}: {each}" for each in differences(had, kept, 0, "row")]

    def recounted(self, folder: str, name: str) -> list[str]:
        """Count again in the log, and compare entry by entry."""
        path = f"{folder}/rows.jsonl"
        had = [Value.parse(path, line)["index"].number for line in self.lines(path)]
        want = [*self.seen.rows.get(name, ())]
        if had == want:
            return []
        lost, strange = sorted({*want} - {*had}), sorted({*had} - {*want})
        if lost:
            return [f"{folder}: {listed(lost)} of the log missing among the rows"]
        if strange:
            return [f"{folder}: {listed(strange)} not in the log under this query"]
        return [f"{folder}: the rows are not in the order of the log, or some stand there twice"]

    def test(self, name: str) -> tuple[str, list[str]]:
        """The result is the one in the log, and its verdict follows from its items."""
        folder = f"tests/{name}"
        result = self.json(f"{folder}/result.json")
        problems: list[str] = []
        if result["control"].raw != name:
            problems.append(f"{folder}/result.json is the result of {result['control'].raw}")
        if result["definition"].raw != self.digest(f"{folder}/definition.json"):
            problems.append(f"{folder}: the result is of another definition of the test")
        if self.json(f"{folder}/definition.json")["id"].raw != name:
            problems.append(f"{folder}/definition.json defines another test")
        problems += [f"{folder}: {problem}" for problem in follows(result)]
        run = self.seen.runs.get(self.digest(f"{folder}/result.json"))
        if run is None:
            problems.append(f"{folder}: no entry of the log has the digest of its result")
        elif any(run[1][k].raw != result[k].raw for k in ("control", "verdict", "definition")):
            problems.append(f"{folder}: entry {run[0]} of the log says otherwise")
        period = self.json("about.json")["period"]
        if any(result[f"period_{end}"].raw != period[end].raw for end in ("start", "end")):
            problems.append(f"{folder}: the result is of another period")
        tree = result["checkpoint"]
        root = self.truth.roots.get(tree["size"].number)
        if root is not None and b64encode(root).decode() != tree["root"].raw:
            problems.append(f"{folder}: it rests on a checkpoint that the log never had")
        known = {*self.seen.rows.get("P22", ())}
        runs = [each for each in self.seen.ran if each["index"] in known]
        rolled = rolled_up(result.of(dict), runs)
        if self.json(f"{folder}/runs.json").raw != rolled:
            problems.append(f"{folder}/runs.json: not the runs that the log has over the period")
        at = f"entry {run[0]}" if run else "no entry"
        seen = f"{result['verdict'].raw}, {result['population'].raw} members, {at}"
        return f"{seen}; {in_words(rolled)}", problems

    def summary(self) -> tuple[str, list[str]]:
        """The manifest says what was found, all of it and nothing else."""
        manifest, about = self.json("manifest.json"), self.json("about.json")
        problems = [
            f"about.json: the verdict of {name} is another"
            for name, verdict in [(each["id"].text, each["verdict"]) for each in about["tests"]]
            if verdict.raw != self.json(f"tests/{name}/result.json")["verdict"].raw
        ]
        problems += [
            f"about.json: the runs of {name} are others"
            for name, each in [(each["id"].text, each["runs"]) for each in about["tests"]]
            if any(self.json(f"tests/{name}/runs.json")[k].raw != each[k].raw for k in ROLLED)
        ]
        problems += [
            f"about.json: rows or root of {name} are others"
            for name, each in [(each["id"].text, each) for each in about["populations"]]
            for frozen in [self.json(f"populations/{name}/frozen-root.json")]
            if any(each[said].raw != frozen[said].raw for said in ("rows", "root", "source"))
        ]
        for folder in ("tests", "populations"):
            if sorted(each["id"].text for each in about[folder]) != self.named(folder):
                problems.append(f"about.json: {folder} are others than those that are there")
        problems += self.incomplete(about)
        if manifest["about"].raw != about.raw:
            problems.append("manifest.json: what it says of the pack is not what about.json says")
        simulated = about["clock"].text == "simulated"
        if self.seen.simulated != simulated:
            problems.append("about.json: what it says of the clock is not what the log says")
        if self.end is not None and self.packed is not None:
            problems += self.rebuilt(manifest, about, self.end)
        went_back = self.went_back(about, problems)
        clock = "the clock was SIMULATED" if simulated else "the clock was the machine's"
        clock += f", and {went_back}" if went_back else ""
        whole = f"partial: {self.lacks}" if self.lacks else "complete"
        period = Counter(each["runs"]["verdict"].text for each in about["tests"])
        found = ", ".join(f"{count} {verdict}" for verdict, count in sorted(period.items()))
        tests = f"{len([*about['tests']])} tests, for the period {found or 'none'}"
        return f"{tests}; {whole}; {clock}", problems

    def went_back(self, about: Value, problems: list[str]) -> str:
        """Say how often the clock went back in the period, if the pack says the same."""
        found = self.seen.clock.within() if self.seen.clock is not None else []
        words = ""
        if found:
            before, was, index, time = found[0]
            times = "once" if len(found) == 1 else f"{len(found)} times"
            words = (
                f"it went back {times}, first from {was:%Y-%m-%dT%H:%M:%SZ} at entry {before} "
                f"to {time:%Y-%m-%dT%H:%M:%SZ} at entry {index}"
            )
        said = about["clock_went_back"].number
        if self.intact and said != len(found):
            problems.append(
                f"about.json: the clock went back {said} times, it says; {words or 'it did not'}"
            )
        return words

    def incomplete(self, about: Value) -> list[str]:
        """Find what is not in the pack: which tests there were, the log says and not the pack."""
        said = [each.text for each in about["missing"]]
        there = self.packed["controls"].of(dict) if self.packed else {}
        self.left_out = tuple(sorted({*there} - {*self.named("tests")}))
        untold = {left_out(name): name for name in self.left_out}
        others = [each for each in said if each not in untold]
        self.lacks = plain(without(self.left_out, others))
        problems = [
            f"about.json: {name} is not in this pack, and is not named as missing"
            for told, name in untold.items()
            if told not in said
        ]
        right = "partial" if self.lacks else "complete"
        if about["completeness"].text != right:
            problems.append(f"about.json: the pack calls itself other than {right}")
        return problems

    def rebuilt(self, manifest: Value, about: Value, end: Checkpoint) -> list[str]:
        """Compare the manifest with the only one that a pack like this can have."""
        log = {
            "origin": end.origin,
            "first": self.begin,
            "size": end.size,
            "witnessed": self.witnessed.size if self.witnessed else 0,
            "vkey": self.text("checkpoint/log.vkey").strip(),
            "pack_entry": self.packed_at,
        }
        said = manifest["log"].of(dict)
        wrong = sorted(k for k in {*log, *said} if log.get(k) != said.get(k))
        problems = [f"manifest.json: log.{name} is not what was found" for name in wrong]
        files = [self.entry_of(n) for n in sorted(self.members) if n != "manifest.json"]
        right = {"format": FORMAT, "about": about.raw, "log": log, "files": files}
        as_listed = all(each.held for each in self.checks if each.name == "files")
        if as_listed and not problems and written(right) != self.read("manifest.json"):
            problems.append("manifest.json was changed: it is not the one of what is in the pack")
        return problems


def left_out(test: str) -> str:
    """Return how a pack says that it was made without a test."""
    return f"tests/{test}: not in this pack"


def without(tests: Sequence[str], others: Sequence[str]) -> str:
    """Say in words what a pack has not; nothing for one that has everything."""
    are = "is" if len(tests) == 1 else "are"
    left = [f"{', '.join(tests)} {are} not in this pack"] if tests else []
    return "; ".join([*left, *others])


EXCEPTED = "excepted"
COVERED = (EXCEPTED,)  # in place of what an item says, which JSON cannot
ROLLED = ("count", "with_exceptions", "verdict")
OF_RUN = ("run", "control", "period_start", "period_end", "verdict", "definition")


def ran(index: int, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entry of the log says of a run of a test."""
    told = {name: str(own.get(name, "")) for name in OF_RUN}
    exceptions = own.get("exceptions")
    return {"index": index, **told, "exceptions": exceptions if type(exceptions) is int else 0}


def rolled_up(result: Mapping[str, Any], runs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the runs of a result's test over periods that overlap the result's, and their sum.

    A run that found exceptions is not erased by a later one that found none, nor one that could
    not judge, nor one that exceptions in force covered; of the others the verdict over the whole
    period counts.
    """
    start, end = result["period_start"], result["period_end"]
    over = [
        {name: run[name] for name in ("index", *OF_RUN, "exceptions")}
        for run in runs
        if run["control"] == result["control"] and _overlap(run, start, end)
    ]
    verdicts = [run["verdict"] for run in over]
    worst = [each for each in ("exceptions", "inconclusive", EXCEPTED) if each in verdicts]
    return {
        "control": result["control"],
        "period_start": start,
        "period_end": end,
        "count": len(over),
        "with_exceptions": verdicts.count("exceptions"),
        "verdict": [*worst, result["verdict"]][0],
        "runs": over,
    }


def _overlap(run: Mapping[str, Any], start: str, end: str) -> bool:
    """Say whether a run was over some of a period; one that does not tell its own counts."""
    try:
        began, ended = (datetime.fromisoformat(run[f"period_{each}"]) for each in ("start", "end"))
        return began < datetime.fromisoformat(end) and datetime.fromisoformat(start) < ended
    except (TypeError, ValueError):
        return True


def in_words(rolled: Mapping[str, Any]) -> str:
    """Say what the runs of a test over a period add up to."""
    counts = f"runs: {rolled['count']}, of which {rolled['with_exceptions']} with exceptions"
    return f"{counts}; for the period: {rolled['verdict']}"


def _judged(item: Value) -> Any:
    """Return whether an item held; of one that broke and that an exception covers, that."""
    held = item["held"].raw
    covered = "exception" in item.of(dict) and item["exception"].text != ""
    return COVERED if held is False and covered else held


def follows(result: Value) -> Iterator[str]:
    """Give what of a result does not follow from its items."""
    items = list(result["items"])
    held = [_judged(item) for item in items]
    verdict = "effective"
    if not items:
        verdict = "not exercised"
    elif False in held:
        verdict = "exceptions"
    elif None in held:
        verdict = "inconclusive"
    elif any(each is not True and each is not COVERED for each in held):
        verdict = "nothing"
    elif COVERED in held:
        verdict = EXCEPTED
    if result["verdict"].raw != verdict:
        yield f"the verdict is {result['verdict'].raw}, and {verdict} follows from its items"
    counts = {
        "population": sum(item["members"].number for item in items),
        "exceptions": held.count(False),
        "unjudged": held.count(None),
    }
    if "excepted" in result.of(dict):  # results of before there were exceptions count none
        counts["excepted"] = held.count(COVERED)
    for name, count in counts.items():
        if result[name].number != count:
            yield f"it counts {result[name].raw} for {name}, and its items give {count}"


# -- naming what differs -----------------------------------------------------------------------


def differences(
    had: Sequence[Hashable],
    kept: Sequence[Hashable],
    first: int,
    what: str,
    labels: Sequence[int] = (),
) -> list[str]:
    """Name what was changed, removed, added, repeated or moved, by its number among the kept.

    `first` is the number of the first of the kept. `labels` are the numbers that those that are
    there give themselves: what was changed is taken to be the one that it says it is.
    """
    number = {each: at for at, each in enumerate(_told_apart(kept), first)}
    places = [(each, number.get((each, nth))) for each, nth in _told_apart(had)]
    missing = {*number.values()} - {place for _, place in places}
    order: list[int] = []
    changed, added, twice = list[int](), list[int](), list[int]()
    before = first - 1
    for at, (each, place) in enumerate(places):
        if place is not None:
            order.append(place)
        elif (each, 0) in number:
            twice.append(number[each, 0])
            continue
        else:
            guesses = {*labels[at : at + 1]} & missing or {before + 1} & missing
            if not guesses:
                added.append(first + at)
                continue
            changed += guesses
            missing -= guesses
        before = place if place is not None else changed[-1]
    wrong = [one for one, other in zip(order, sorted(order), strict=True) if one != other]
    swapped = len(wrong) == 2
    moved = [] if swapped else sorted({*order} - _longest_rise(order))
    found = [f"{listed(sorted(wrong), what)} swapped"] if swapped else []
    for numbers, said in (
        (changed, "changed"),
        (sorted(missing), "missing"),
        (added, "added: no such was there"),
        (twice, "there twice"),
        (moved, "out of order"),
    ):
        found += [f"{listed(numbers, what)} {said}"] if numbers else []
    return found


def _told_apart(things: Sequence[Hashable]) -> Iterator[tuple[Hashable, int]]:
    """Give each with the number of those like it that came before."""
    count: Counter[Hashable] = Counter()
    for each in things:
        yield each, count[each]
        count[each] += 1


def _longest_rise(numbers: Sequence[int]) -> set[int]:
    """Return the most of the numbers that are in order; what is not among them was moved."""
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for each in numbers:
        at = bisect_left(ends, each)
        before[each] = ends[at - 1] if at else None
        ends[at : at + 1] = [each]
    found: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        found.add(last)
        last = before[last]
    return found


def listed(numbers: Sequence[int], what: str = "entry") -> str:
    """Name a few numbers, and count the rest."""
    more = len(numbers) - MOST_NAMED
    named = ", ".join(map(str, numbers[:MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
    if len(numbers) == 1:
        return f"{what} {named} is"
    return f"{'entries' if what == 'entry' else what + 's'} {named} are"


def plain(text: str) -> str:
    """Return text that a terminal takes for nothing but text, and not too much of it."""
    short = text if len(text) <= 1000 else f"{text[:1000]}..."
    return "".join(
        each if each.isascii() and each.isprintable() else ascii(each)[1:-1] for each in short
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _nothing(text: str) -> None:
    """Say nothing."""


def verify_pack(
    path: str | Path,
    vkey: str | Sequence[str] | None = None,
    say: Say = _nothing,
    witnesses: Sequence[str] = (),
) -> Verification:
    """Verify a pack, telling `say` each check; a file that is no pack fails, it does not raise.

    `vkey` is the log's key, or those that it may have; `witnesses` those who must have cosigned.
    """
    vkeys = [vkey] if isinstance(vkey, str) else list(vkey or ())
    try:
        with Path(path).open("rb") as file:
            return Pack(Archive(file), vkeys, say, witnesses).verify()
    except (BrokenError, OSError, ValueError) as error:
        problem = plain(f"{Path(path).name} cannot be read as a pack: {error}")
        say(f"FAILED  {problem}")
        return Verification((Check("archive", problem, (problem,)),), key_given=bool(vkeys))


def main(arguments: Sequence[str]) -> int:
    """Run as a program; the exit status is 0 if everything holds, 1 if not, 2 for wrong use."""
    rest = list(arguments)
    given: dict[str, list[str]] = {"--vkey": [], "--witness": []}
    for option, keys in given.items():
        while option in rest[:-1]:
            at = rest.index(option)
            keys.append(rest[at + 1])
            del rest[at : at + 2]
    if len(rest) != 1:
        _say("usage: python3 verify.py PACK.zip [--vkey KEY] [--witness KEY]...")
        return 2
    found = verify_pack(rest[0], given["--vkey"], _say, given["--witness"])
    if not found.ok:
        _say(f"\nNOT VERIFIED: {len(found.faults)} faults")
        return 1
    where = "" if found.key_given else " against the key that it brings along itself"
    part = f"; the pack is partial: {found.lacks}" if found.lacks else ""
    _say(f"\nverified{where}: {len(found.checks)} checks hold{part}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
