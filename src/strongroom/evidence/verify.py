"""Verifies an evidence pack of strongroom, offline.

    python3 verify.py PACK.zip [--vkey KEY] [--witness KEY]...

Needs   Python 3.11 or newer and the package `cryptography`. Nothing else: no network, no server.
Checks  Each file against the manifest; the signatures of the checkpoints; every entry of the log
        segment against the signed tree, in order; the proofs; that the log itself holds the
        digest of everything in this pack, the roots of the populations and the digests of the
        results; that each verdict follows from its items.
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
import sys
import zipfile
import zlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "strongroom-evidence-pack/1"
LOGGING, COSIGNING = 1, 4  # types of verifier keys: a log's, a witness's
COSIGNED = "checkpoint/cosigned/"
# What no digest in the log covers, because the log's own signature or this program does.
UNBOUND = (
    *("manifest.json", "log/", "proofs/"),
    *("checkpoint/start.txt", "checkpoint/end.txt", "checkpoint/witnessed.txt"),
)
MEDIA = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "pdf": "application/pdf",
    "py": "text/x-python",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "bin": "application/octet-stream",
}
LARGEST = 4 * 2**30
MOST_NAMED = 8
LINE = re.compile(rb'\{"index":(0|[1-9][0-9]*),"entry":(.*)\}', re.DOTALL)
Say = Callable[[str], None]
BrokenArchive = (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError)
ErrorsOfInput = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)


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
    """The checks, in their order. `key_given`: the key was compared with one from outside."""

    checks: tuple[Check, ...]
    key_given: bool
    witnesses: tuple[Witness, ...] = ()

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
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    if not 0 < old < new or not hashes:
        raise BrokenError("no such proof")
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
        try:
            blob = b64decode(encoded, validate=True)
        except (Base64Error, ValueError):
            blob = b""
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

    @classmethod
    def open(cls, note: bytes, log: Key, witnesses: Sequence[Key]) -> Checkpoint:
        """Return the checkpoint in a note that the log signed, or raise BrokenError."""
        text, _, rest = note.decode().rpartition("\n\n")
        text += "\n"
        signers: set[Key] = set()
        for line in rest.splitlines():
            dash, name, blob = line.split(" ")
            raw = b64decode(blob, validate=True)
            known = [k for k in (log, *witnesses) if (k.name, k.id) == (name, raw[:4])]
            if dash != "\u2014" or not known:
                raise BrokenError(f"nobody knows the key of the signature of {name}")
            if not known[0].signed(text, raw[4:]):
                raise BrokenError(f"the signature of {name} is wrong")
            signers.add(known[0])
        if log not in signers:
            raise BrokenError("the log's key has not signed it")
        origin, size, root = text.split("\n")[:3]
        if origin != log.name:
            raise BrokenError(f"it is a checkpoint of {origin}, not of {log.name}")
        seen = tuple(w for w in witnesses if w in signers and w.type == COSIGNING)
        return cls(origin, int(size), b64decode(root, validate=True), seen)


# -- the pack ----------------------------------------------------------------------------------


@dataclass
class Seen:
    """What one pass over the log segment found."""

    count: int = 0
    roots: dict[int, bytes] = field(default_factory=dict)  # by size, where asked for
    hashes: list[bytes] = field(default_factory=list)  # of the leaves, as the entries give them
    runs: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)  # by result digest
    packs: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)  # entries of each population
    rows: dict[str, list[int]] = field(default_factory=dict)  # their indexes
    simulated: int = 0
    problems: list[str] = field(default_factory=list)


class Pack:
    """An open pack, and the checks in their order."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        vkeys: Sequence[str],
        say: Say,
        witness_keys: Sequence[str] = (),
    ) -> None:
        self.archive = archive
        self.vkeys = vkeys
        self.witness_keys = witness_keys
        self.say = say
        self.checks: list[Check] = []
        self.about: dict[str, Any] = {}  # what the pack says of itself; the log has its digest
        self.said: dict[str, Any] = {}  # what the manifest says of the log
        self.packed: dict[str, Any] | None = None  # the entry that vouches for the pack
        self.packed_at = -1
        self.begin = 0
        self.before: dict[int, bytes] = {}  # hashes of entries before it that results cite
        self.seen = Seen()
        self.log: Key | None = None
        self.start: Checkpoint | None = None
        self.end: Checkpoint | None = None
        self.witnessed: Checkpoint | None = None
        self.cosigned: list[Checkpoint] = []  # the last of each day, with cosignatures
        self.witnesses: tuple[Witness, ...] = ()

    def verify(self) -> Verification:
        """Run every check; one that fails does not keep the others from theirs."""
        for name, check in (
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
            tuple(self.checks), key_given=bool(self.vkeys), witnesses=self.witnesses
        )

    def run(self, name: str, check: Callable[[], tuple[str, list[str]]]) -> None:
        """Make one check, keep what came of it, and say it."""
        try:
            detail, problems = check()
        except BrokenError as error:
            detail, problems = "", [f"{name}: {error}"]
        except ErrorsOfInput as error:
            detail, problems = "", [f"{name}: cannot be read ({type(error).__name__}: {error})"]
        self.checks.append(Check(name, "; ".join(problems) or detail, tuple(problems)))
        if problems:
            for problem in problems:
                self.say(f"FAILED  {problem}")
        else:
            self.say(f"ok      {name}: {detail}")

    # -- reading

    def read(self, path: str) -> bytes:
        """Return a file of the pack."""
        try:
            size = self.archive.getinfo(path).file_size
            return self.archive.read(path) if size <= LARGEST else self._refuse(path)
        except KeyError:
            raise BrokenError(f"{path} is missing") from None
        except (*BrokenArchive, zlib.error) as error:
            raise BrokenError(f"{path} cannot be unpacked: {error}") from None

    def _refuse(self, path: str) -> bytes:
        raise BrokenError(f"{path} is too large to be true")

    def json(self, path: str) -> dict[str, Any]:
        """Return a file as a JSON object."""
        found = json.loads(self.read(path))
        if not isinstance(found, dict):
            raise BrokenError(f"{path} is no JSON object")
        return found

    def written(self, path: str) -> dict[str, Any]:
        """Return a JSON object, which must be in its one written form."""
        found = self.json(path)
        if (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode() != self.read(path):
            raise BrokenError(f"{path} was changed: it is not in the form that it is written in")
        return found

    def named(self, folder: str) -> list[str]:
        """Return the folders below a folder, by what is there and by what the manifest says."""
        there = {n.split("/")[1] for n in self.archive.namelist() if n.startswith(f"{folder}/")}
        listed = self.about.get(folder)
        said = {str(e.get("id")) for e in listed if isinstance(e, dict)} if listed else set()
        return sorted(there | said)

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file, in hexadecimal."""
        return sha256(self.read(path)).hexdigest()

    # -- the checks

    def files(self) -> tuple[str, list[str]]:
        """Every file is listed, once, with its digest; and nothing else is there."""
        manifest = self.written("manifest.json")
        if manifest.get("format") != FORMAT:
            raise BrokenError(f"this is no pack of the format {FORMAT}")
        self.about, self.said = manifest["about"], manifest["log"]
        listed = {str(each["path"]): each for each in manifest["files"]}
        names = self.archive.namelist()
        problems = [f"{n} stands twice in the archive" for n, k in Counter(names).items() if k > 1]
        added = sorted(set(names) - set(listed) - {"manifest.json"})
        problems += [f"{name} was added: the manifest does not list it" for name in added]
        for name, each in listed.items():
            try:
                data = self.read(name)
            except BrokenError as error:
                problems.append(str(error))
                continue
            if sha256(data).hexdigest() != each["sha256"]:
                problems.append(f"{name} was changed: its digest is not the manifest's")
            elif [each["bytes"], each["media_type"]] != [len(data), media_type(name)]:
                problems.append(f"manifest.json: size or type of {name} is another")
        return f"{len(listed)} files are as the manifest lists them", problems

    def key(self) -> tuple[str, list[str]]:
        """The key of the log, from outside if there is one."""
        own = Key.parse(self.read("checkpoint/log.vkey").decode())
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
        lines = self.read("checkpoint/witnesses.vkey").decode().split()
        witnesses = list(dict.fromkeys([*given, *map(Key.parse, lines)]))
        problems: list[str] = []
        names = ("start", "end", "witnessed")
        daily = sorted(n for n in self.archive.namelist() if n.startswith(COSIGNED))
        for path in [*(f"checkpoint/{name}.txt" for name in names), *daily]:
            name = path.removeprefix("checkpoint/").removesuffix(".txt")
            if name != "end" and path not in self.archive.namelist():
                continue
            try:
                found = Checkpoint.open(self.read(path), self.log, witnesses)
            except (BrokenError, *ErrorsOfInput) as error:
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
        left = self.written("log/left.json")
        self.begin = int(left["begin"])
        peaks = [(int(level), b64decode(h, validate=True)) for level, h in left["peaks"]]
        tree = Tree(self.begin, list(peaks))
        lines = [LINE.fullmatch(line) for line in self.read("log/cited.jsonl").split(b"\n")[:-1]]
        self.before = {int(found[1]): leaf_hash(found[2]) for found in lines if found}
        problems: list[str] = []
        if len(self.before) != len(lines) or max(self.before, default=-1) >= self.begin:
            problems.append("log/cited.jsonl holds what is no entry from before the segment")
        if sum(1 << level for level, _ in peaks) != self.begin:
            problems.append("log/left.json: its subtrees do not make up the entries before")
        if self.start is not None and (self.start.size, self.start.root) != (
            self.begin,
            tree.root(),
        ):
            problems.append("log/left.json does not give the root of checkpoint/start.txt")
        if self.start is None and self.begin:
            problems.append("checkpoint/start.txt is missing, and the segment begins later")
        self.pass_over(tree)
        seen = self.seen
        problems += seen.problems
        days = self.cosigned
        if strange := [each.size for each in days if seen.roots.get(each.size) != each.root]:
            problems.append(f"{COSIGNED}: {listed(strange, 'size')} not of these entries")
        problems += self.against_end(tree, peaks)
        last = self.begin + seen.count - 1
        return f"entries {self.begin} to {last} give the signed root", problems

    def pass_over(self, tree: Tree) -> None:
        """Read the segment once, and note what the later checks need."""
        seen = self.seen
        ranges = self.ranges()
        sizes = self.sizes()
        for number, (index, leaf) in enumerate(self.entries()):
            expected = self.begin + number
            if index != expected and len(seen.problems) < MOST_NAMED:
                seen.problems.append(f"log: index {index} stands where {expected} is expected")
            hashed = leaf_hash(leaf)
            seen.hashes.append(hashed)
            tree.add(hashed)
            if tree.size in sizes:
                seen.roots[tree.size] = tree.root()
            self.note(expected, leaf, ranges)
            seen.count += 1

    def note(self, index: int, leaf: bytes, ranges: dict[str, dict[str, Any]]) -> None:
        """Keep what an entry means for populations, tests and the pack."""
        seen = self.seen
        try:
            event = json.loads(leaf)
            code, own = str(event["metadata"]["event_code"]), event.get("unmapped", {})
        except ErrorsOfInput:
            seen.problems.append(f"log: entry {index} is no event")
            return
        seen.simulated += own.get("clock") == "simulated"
        if code == "control.run":
            seen.runs[str(own.get("result_sha256"))] = (index, own)
        elif code == "evidence.pack":
            seen.packs.append((index, own))
        for name, frozen in ranges.items():
            if frozen["first"] <= index < frozen["end"] and code.startswith(tuple(frozen["codes"])):
                seen.rows.setdefault(name, []).append(index)

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """Give index and exact bytes of each entry of the segment."""
        names = sorted(n for n in self.archive.namelist() if n.startswith("log/entries-"))
        for name in names:
            if name != f"log/entries-{self.begin + self.seen.count:012d}.jsonl":
                self.seen.problems.append(f"{name} is not named after its first entry")
            for number, line in enumerate(self.read(name).split(b"\n")[:-1], 1):
                found = LINE.fullmatch(line)
                if found is None:
                    self.seen.problems.append(f"{name}: line {number} holds no entry")
                    continue
                yield int(found[1]), found[2]

    def against_end(self, tree: Tree, peaks: list[tuple[int, bytes]]) -> list[str]:
        """Compare with the signed root, and say which entries are wrong if they are."""
        if self.end is None:
            return []
        missing = self.end.size - self.begin - self.seen.count
        stored = self.read("log/leaf-hashes.bin")
        kept = [stored[at : at + 32] for at in range(0, len(stored), 32)]
        twin = Tree(self.begin, list(peaks))
        for each in kept:
            twin.add(each)
        right = (twin.size, twin.root()) == (self.end.size, self.end.root)
        if (tree.size, tree.root()) == (self.end.size, self.end.root):
            return [] if right else ["log/leaf-hashes.bin: not the hashes of the signed entries"]
        if not right:
            return ["log: neither the entries nor their hashes give the signed root"]
        return self.named_entries(kept, missing)

    def named_entries(self, kept: list[bytes], missing: int) -> list[str]:
        """Name the entries that are not as signed: changed, moved, gone or added."""
        had = self.seen.hashes
        known = {each: self.begin + at for at, each in enumerate(kept)}
        strange = [self.begin + at for at, each in enumerate(had) if each not in known]
        gone = sorted(known[each] for each in set(kept) - set(had))
        moved = [
            known[each]
            for at, each in enumerate(had)
            if each in known and known[each] != self.begin + at
        ]
        found: list[str] = []
        changed = sorted(set(strange) & set(gone))
        gone = [index for index in gone if index not in changed]
        if changed:
            found.append(f"log: {listed(changed)} changed: not the bytes that were signed")
        if gone:
            found.append(f"log: {listed(gone)} removed")
        if added := [index for index in strange if index not in changed]:
            found.append(f"log: {listed(added)} added: the log never had it")
        if moved and not gone:
            found.append(f"log: {listed(moved)} out of order")
        if missing and not gone:
            found.append(f"log: {abs(missing)} entries too {'few' if missing > 0 else 'many'}")
        return found or ["log: the entries do not give the signed root"]

    def ranges(self) -> dict[str, dict[str, Any]]:
        """Return the populations that are entries of the log, with their filters."""
        found: dict[str, dict[str, Any]] = {}
        for name in self.named("populations"):
            try:
                frozen = self.json(f"populations/{name}/frozen-root.json")
                if frozen["source"] == "log":
                    codes = [str(code) for code in frozen["codes"]]
                    found[name] = {
                        "first": int(frozen["first"]),
                        "end": int(frozen["end"]),
                        "codes": codes,
                    }
            except (BrokenError, *ErrorsOfInput):
                continue  # named where the population is checked
        return found

    def sizes(self) -> set[int]:
        """Return the sizes of the checkpoints that results rest on."""
        found = {each.size for each in self.cosigned}
        for name in self.named("tests"):
            try:
                found.add(int(self.json(f"tests/{name}/result.json")["checkpoint"]["size"]))
            except (BrokenError, *ErrorsOfInput):
                continue  # named where the test is checked
        return found

    def consistency(self) -> tuple[str, list[str]]:
        """The log at the end begins with the log at the start."""
        if self.end is None:
            raise BrokenError("there is no checkpoint to prove anything about")
        if self.witnessed is not None:
            self.proven("proofs/witnessed.txt", self.witnessed)
        elif "proofs/witnessed.txt" in self.archive.namelist():
            raise BrokenError("proofs/witnessed.txt is about a checkpoint that is not there")
        if self.start is None:
            if self.read("proofs/consistency.txt") != f"old 0\nnew {self.end.size}\n".encode():
                raise BrokenError("proofs/consistency.txt: there is nothing to prove, and it does")
            return "the segment begins with the log itself", []
        self.proven("proofs/consistency.txt", self.start)
        return f"the log of size {self.end.size} begins with that of size {self.start.size}", []

    def proven(self, path: str, older: Checkpoint) -> None:
        """Check a proof that the log at the end begins with an older one."""
        if self.end is None:
            return
        lines = self.read(path).decode().splitlines()
        if lines[:2] != [f"old {older.size}", f"new {self.end.size}"]:
            raise BrokenError(f"{path} is about other sizes")
        proof = [b64decode(line, validate=True) for line in lines[2:]]
        check_consistency(older.size, self.end.size, (older.root, self.end.root), proof)

    def inclusion(self) -> tuple[str, list[str]]:
        """Each proof that a result cites leads from its entry to the signed root."""
        if self.end is None:
            raise BrokenError("there is no checkpoint to prove anything about")
        names = [n for n in self.archive.namelist() if n.startswith("proofs/inclusion/")]
        cited = self.cited()
        want = {f"proofs/inclusion/{index}.tlog-proof" for index in cited}
        problems = [f"{n} is missing: a result cites the entry" for n in sorted(want - {*names})]
        problems += [f"{n} is about an entry that nothing cites" for n in sorted({*names} - want)]
        if set(self.before) != {index for index in cited if index < self.begin}:
            problems.append("log/cited.jsonl holds other entries than those that results cite")
        for name in names:
            try:
                self.one_inclusion(name)
            except (BrokenError, *ErrorsOfInput) as error:
                problems.append(f"{name}: {error}")
        return f"{len(names)} entries are proven to be in the log", problems

    def cited(self) -> set[int]:
        """Return the indexes that results cite."""
        found: set[int] = set()
        for name in self.named("tests"):
            try:
                items = self.json(f"tests/{name}/result.json")["items"]
                found |= {int(index) for item in items for index in item["proof"]}
            except (BrokenError, *ErrorsOfInput):
                continue  # named where the test is checked
        return {index for index in found if self.end and 0 <= index < self.end.size}

    def one_inclusion(self, name: str) -> None:
        """Check one proof, in the format `c2sp.org/tlog-proof@v1`."""
        if self.end is None:
            raise BrokenError("there is no checkpoint to prove anything about")
        head, _, note = self.read(name).partition(b"\n\n")
        lines = head.decode().split("\n")
        index = int(lines[1].removeprefix("index "))
        if lines[0] != "c2sp.org/tlog-proof@v1" or not name.endswith(f"/{index}.tlog-proof"):
            raise BrokenError("not the proof of the entry that it is named after")
        if note != self.read("checkpoint/end.txt"):
            raise BrokenError("it leads to another checkpoint")
        at = index - self.begin
        leaf = self.seen.hashes[at] if at >= 0 else self.before[index]
        proof = [b64decode(line, validate=True) for line in lines[2:]]
        check_inclusion(leaf, index, self.end.size, proof, self.end.root)

    def contents(self) -> tuple[str, list[str]]:
        """The log has the digest of everything in the pack that is not the log itself."""
        names = sorted(n for n in self.archive.namelist() if not n.startswith(UNBOUND))
        text = "".join(f"{self.digest(name)}  {name}\n" for name in names)
        found = sha256(text.encode()).hexdigest()
        for index, own in self.seen.packs:
            if own.get("contents") == found:
                self.packed, self.packed_at = own, index
                return f"entry {index} has the digest of {len(names)} files", []
        return "", ["no entry of the log has the digest of what is in the pack"]

    def population(self, name: str) -> tuple[str, list[str]]:
        """The rows are those that were frozen, and as many as the log has."""
        folder = f"populations/{name}"
        frozen = self.json(f"{folder}/frozen-root.json")
        lines = self.read(f"{folder}/rows.jsonl").split(b"\n")[:-1]
        hashes = [leaf_hash(line) for line in lines]
        problems: list[str] = []
        if len(lines) != frozen["rows"]:
            problems.append(f"{folder}: {len(lines)} rows, and {frozen['rows']} were frozen")
        if b64encode(root_over(hashes)).decode() != frozen["root"]:
            problems += self.named_rows(folder, hashes)
        said = (self.packed or {}).get("populations", {}).get(name)
        if said != {"rows": frozen["rows"], "root": frozen["root"]}:
            problems.append(f"{folder}: the log has not this root and number of rows")
        if frozen["source"] == "log":
            problems += self.recounted(folder, name, lines)
        return f"{len(lines)} rows, as they were frozen and as the log has them", problems

    def named_rows(self, folder: str, hashes: list[bytes]) -> list[str]:
        """Name the rows that are not as frozen."""
        stored = self.read(f"{folder}/row-hashes.bin")
        kept = [stored[at : at + 32] for at in range(0, len(stored), 32)]
        if hashes == kept:
            return [f"{folder}: the rows are not those of the frozen root"]
        before, now = set(kept), set(hashes)
        strange = [at for at, each in enumerate(hashes) if each not in before]
        gone = [at for at, each in enumerate(kept) if each not in now]
        if strange:
            return [f"{folder}: {listed(strange, 'row')} changed or added"]
        if gone:
            return [f"{folder}: {listed(gone, 'row')} removed"]
        moved = [
            at for at, (one, other) in enumerate(zip(hashes, kept, strict=False)) if one != other
        ]
        return [f"{folder}: {listed(moved, 'row')} out of order"]

    def recounted(self, folder: str, name: str, lines: list[bytes]) -> list[str]:
        """Count again in the log, and compare entry by entry."""
        had = [int(json.loads(line)["index"]) for line in lines]
        want = self.seen.rows.get(name, [])
        if had == want:
            return []
        lost, strange = sorted(set(want) - set(had)), sorted(set(had) - set(want))
        if lost:
            return [f"{folder}: {listed(lost)} of the log missing among the rows"]
        if strange:
            return [f"{folder}: {listed(strange)} not in the log under this query"]
        return [f"{folder}: the rows are not in the order of the log"]

    def test(self, name: str) -> tuple[str, list[str]]:
        """The result is the one in the log, and its verdict follows from its items."""
        folder = f"tests/{name}"
        result = self.json(f"{folder}/result.json")
        problems: list[str] = []
        if result["control"] != name:
            problems.append(f"{folder}/result.json is the result of {result['control']}")
        if result["definition"] != self.digest(f"{folder}/definition.json"):
            problems.append(f"{folder}: the result is of another definition of the test")
        if self.json(f"{folder}/definition.json")["id"] != name:
            problems.append(f"{folder}/definition.json defines another test")
        problems += [f"{folder}: {problem}" for problem in follows(result)]
        found = self.seen.runs.get(self.digest(f"{folder}/result.json"))
        if found is None:
            problems.append(f"{folder}: no entry of the log has the digest of its result")
        elif any(found[1].get(k) != result[k] for k in ("control", "verdict", "definition")):
            problems.append(f"{folder}: entry {found[0]} of the log says otherwise")
        period = self.about["period"]
        if [result["period_start"], result["period_end"]] != [period["start"], period["end"]]:
            problems.append(f"{folder}: the result is of another period")
        tree = result["checkpoint"]
        root = self.seen.roots.get(int(tree["size"]))
        if root is not None and b64encode(root).decode() != tree["root"]:
            problems.append(f"{folder}: it rests on a checkpoint that the log never had")
        at = f"entry {found[0]}" if found else "no entry"
        return f"{result['verdict']}, {result['population']} members, {at}", problems

    def summary(self) -> tuple[str, list[str]]:
        """What the manifest says at a glance is what was found."""
        problems = [
            f"about.json: the verdict of {each['id']} is another"
            for each in self.about["tests"]
            if each["verdict"] != self.json(f"tests/{each['id']}/result.json")["verdict"]
        ]
        if self.about != self.written("about.json"):
            problems.append("manifest.json: what it says of the pack is not what about.json says")
        simulated = self.about["clock"] == "simulated"
        if bool(self.seen.simulated) != simulated:
            problems.append("about.json: what it says of the clock is not what the log says")
        if self.end is not None and self.log is not None and self.packed is not None:
            found = {
                "origin": self.end.origin,
                "first": self.begin,
                "size": self.end.size,
                "witnessed": self.witnessed.size if self.witnessed else 0,
                "vkey": self.read("checkpoint/log.vkey").decode().strip(),
                "pack_entry": self.packed_at,
            }
            wrong = sorted(k for k in {*found, *self.said} if found.get(k) != self.said.get(k))
            problems += [f"manifest.json: log.{name} is not what was found" for name in wrong]
        clock = "the clock was SIMULATED" if simulated else "the clock was the machine's"
        return f"{len(self.about['tests'])} tests; {self.about['completeness']}; {clock}", problems


def follows(result: dict[str, Any]) -> Iterator[str]:
    """Give what of a result does not follow from its items."""
    items = result["items"]
    held = [item["held"] for item in items]
    verdict = "effective"
    if not items:
        verdict = "not exercised"
    elif False in held:
        verdict = "exceptions"
    elif None in held:
        verdict = "inconclusive"
    if result["verdict"] != verdict:
        yield f"the verdict is {result['verdict']}, and {verdict} follows from its items"
    counts = {
        "population": sum(int(item["members"]) for item in items),
        "exceptions": held.count(False),
        "unjudged": held.count(None),
    }
    for name, count in counts.items():
        if result[name] != count:
            yield f"it counts {result[name]} for {name}, and its items give {count}"


def listed(numbers: Sequence[int], what: str = "entry") -> str:
    """Name a few numbers, and count the rest."""
    more = len(numbers) - MOST_NAMED
    named = ", ".join(map(str, numbers[:MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
    if len(numbers) == 1:
        return f"{what} {named} is"
    return f"{'entries' if what == 'entry' else what + 's'} {named} are"


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
        with zipfile.ZipFile(path) as archive:
            return Pack(archive, vkeys, say, witnesses).verify()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        problem = f"{Path(path).name} is no readable ZIP archive: {error}"
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
    _say(f"\nverified{where}: {len(found.checks)} checks hold")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
