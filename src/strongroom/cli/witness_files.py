"""What a witness keeps: its key, and the last checkpoint that it cosigned of each log.

Specs  The key file holds one line, `PRIVATE+KEY+<name>+<key id>+<base64>`, as Go's sumdb/note
       writes them, of type 0x01; the cosigning key of type 0x04 is the same one.
Order  The state is written beside itself, synced, renamed, and its directory synced, before a
       cosignature leaves. One process holds the state, by a lock on a file next to it.
Trust  Whoever has the key and the state can vouch for two histories of one log. Both files are
       their owner's alone; a key file that others may read is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from strongroom.audit.witness_state import Head
from strongroom.base.secret import Secret
from strongroom.cli.errors import CommandError
from strongroom.crypto.note import SignatureType, SigningKey, VerifierKey

_PREFIX = ("PRIVATE", "KEY")
_MOST_BYTES = 16_777_216


def encode_key(name: str, seed: Secret) -> str:
    """Return the line of a key file."""
    key = SigningKey(name, seed)
    blob = b64encode(bytes((SignatureType.ED25519,)) + seed.reveal()).decode()
    return "+".join((*_PREFIX, name, key.verifier().key_id.hex(), blob)) + "\n"


def decode_key(line: str) -> SigningKey:
    """Read the line of a key file; `CommandError` where it is none."""
    problem = CommandError("the key file is not PRIVATE+KEY+<name>+<key id>+<base64>")
    parts = line.strip().split("+", 4)
    if len(parts) != 5 or tuple(parts[:2]) != _PREFIX:
        raise problem
    try:
        blob = b64decode(parts[4], validate=True)
        key = SigningKey(parts[2], Secret(blob[1:]))
    except ValueError:
        raise problem from None
    if blob[0] != SignatureType.ED25519 or key.verifier().key_id.hex() != parts[3]:
        raise problem
    return key


def write_key(path: Path, name: str, seed: Secret) -> VerifierKey:
    """Write a new key file and return the key by which others know the witness."""
    line = encode_key(name, seed)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} exists", "name a new file") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    return decode_key(line).verifier(SignatureType.COSIGNATURE)


def read_key(path: Path) -> SigningKey:
    """Read a key file; `CommandError` where it is not its owner's alone, or is none."""
    with path.open() as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise CommandError(f"{path} can be read by others", f"chmod 600 {path}")
        return decode_key(file.read(_MOST_BYTES))


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a witness knows: whom to believe about each log, and how far it has seen it."""

    logs: Mapping[str, tuple[VerifierKey, ...]] = field(default_factory=dict)
    heads: Mapping[str, Head] = field(default_factory=dict)

    def with_log(self, key: VerifierKey) -> Memory:
        """Return the memory of one log more, or of one more key of a known one."""
        keys = self.logs.get(key.name, ())
        return self if key in keys else replace(self, logs={**self.logs, key.name: (*keys, key)})

    def with_head(self, head: Head) -> Memory:
        """Return the memory after a cosignature."""
        return replace(self, heads={**self.heads, head.origin: head})

    def encode(self) -> bytes:
        """Return the bytes of the state file."""
        logs = {
            origin: {"keys": [str(key) for key in keys], **self._seen(origin)}
            for origin, keys in self.logs.items()
        }
        return (
            json.dumps({"format": 1, "logs": logs}, indent=2, ensure_ascii=False).encode() + b"\n"
        )

    def _seen(self, origin: str) -> dict[str, Any]:
        head = self.heads.get(origin)
        return {} if head is None else {"size": head.size, "root": head.root.hex()}

    @classmethod
    def decode(cls, data: bytes) -> Memory:
        """Read a state file; `CommandError` where anything in it is not as it was written.

        A witness that forgot would cosign another history: nothing is guessed, ever.
        """
        try:
            found = _first_format(data)
            logs = {
                o: tuple(map(VerifierKey.parse, log["keys"])) for o, log in found["logs"].items()
            }
            heads = {
                o: Head(origin=o, size=_size(log["size"]), root=_root(log["root"]))
                for o, log in found["logs"].items()
                if "size" in log or "root" in log
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise CommandError(
                "the state file cannot be read",
                "restore it; a witness that starts anew could vouch for another history",
            ) from None
        return cls(logs=logs, heads=heads)


def _first_format(data: bytes) -> Any:
    found = json.loads(data)
    if found["format"] != 1:
        raise ValueError("format")
    return found


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("size")
    return value


def _root(value: Any) -> bytes:
    root = bytes.fromhex(value)
    if len(root) != sha256().digest_size:
        raise ValueError("root")
    return root


class StateFile:
    """The memory on disk; made by `held`, which sees to it that there is one holder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.memory = Memory.decode(path.read_bytes()) if path.exists() else Memory()

    def store(self, memory: Memory) -> None:
        """Write the memory; when this returns, it survives a crash."""
        fresh = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(memory.encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        sync_directory(self.path.parent)
        self.memory = memory

    def keep_evidence(self, request: bytes) -> Path:
        """Keep a request in which a log's own signatures convict it."""
        folder = self.path.with_name(self.path.name + ".evidence")
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{sha256(request).hexdigest()}.txt"
        with path.open("wb") as file:
            file.write(request)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(folder)
        return path


def sync_directory(path: Path) -> None:
    """Make what was renamed or made in a directory survive a crash."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def held(path: Path) -> Iterator[StateFile]:
    """Give the state to one holder; `CommandError` where another process has it."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"{path} is in use by another witness") from None
        yield StateFile(path)
    finally:
        os.close(descriptor)
