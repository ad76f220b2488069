"""The seal: what keeps the root key while the server is down, and gives it back to operators.

    shares or passphrase → sealing key → root key → keyring (barrier terms, derivation, log)

Specs   Shamir in Vault's share format; Argon2id (RFC 9106) for a passphrase; AES-256-GCM wraps.
Trust   The stored seal holds no key in clear but with type `dev`. It holds a digest of each
        share (a share is 33 random bytes), so that a wrong one is named at once and what was
        given before it is kept.
        Keys cannot be wiped from a Python process: what was in memory may stay there until the
        process ends. Sealing forgets them; only a restart, on a machine without swap or core
        dumps, is rid of them.
Order   A key is in force in memory only after the commit that stores it, and so is a share that
        counts: a request that is served again counts it once.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from hashlib import sha256

import msgspec

from strongroom.base.errors import InputError, PreconditionError
from strongroom.base.secret import Secret
from strongroom.crypto.aead import Cipher
from strongroom.crypto.errors import CiphertextError, ShareError
from strongroom.crypto.passwords import passphrase_key
from strongroom.crypto.shamir import combine, split
from strongroom.storage.barrier import Barrier, place
from strongroom.storage.records import CLEAR_SETTINGS, KEYS, ClearSetting, WrappedKey
from strongroom.storage.transaction import Transaction

SEAL = "seal"
KEY_BYTES = 32
NONCE = 12
MAX_SHARES = 255
BARRIER, DERIVATION, LOG = "barrier", "derivation", "log"
ARGON2 = {"memory_kib": 64 * 1024, "iterations": 3, "lanes": 1}


class SealSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of a seal, in clear. Binary values are base64."""

    type: str  # "shamir", "passphrase", "dev"
    shares: int = 1
    threshold: int = 1
    wrapped_root: str
    share_digests: tuple[str, ...] = ()
    salt: str = ""
    cluster_id: str = ""
    cluster_name: str = ""
    created_at: str = ""
    rekeyed_at: str = ""
    clear: str = ""  # the sealing key itself; type "dev" only


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that the root key wraps, opened."""

    barrier: dict[int, bytes]
    derivation: bytes
    log: bytes
    encryptions: int = 0  # with the newest barrier key, as far as was written down

    def open(self, barrier: Barrier) -> None:
        """Hand the keys to the barrier; SealedError from it ends."""
        barrier.unseal(self.barrier, self.derivation)
        barrier.encryptions = self.encryptions


@dataclass(slots=True)
class Progress:
    """Shares given so far towards one goal."""

    nonce: str = ""
    shares: list[bytes] = field(default_factory=list)

    def keep(self, share: bytes) -> None:
        """Count a share, once."""
        if not self.has(share):
            self.shares.append(share)

    def has(self, share: bytes) -> bool:
        """Say whether this share was given before."""
        return any(hmac.compare_digest(share, known) for known in self.shares)


@dataclass(slots=True, kw_only=True)
class Rekeying:
    """New shares on their way: asked for, then made and perhaps still to be proven."""

    nonce: str
    shares: int
    threshold: int
    verify: bool
    given: Progress = field(default_factory=Progress)
    settings: SealSettings | None = None  # of the new seal, once it is made
    root: bytes = b""
    verification: Progress = field(default_factory=Progress)


@dataclass(slots=True, kw_only=True)
class Generating:
    """A root token on its way."""

    nonce: str
    otp: bytes
    given: Progress = field(default_factory=Progress)


@dataclass(frozen=True, slots=True)
class Quorum:
    """How far a share brings a goal: how many there are, and the sealing key if it is enough."""

    count: int
    key: bytes | None


def wrap(key: bytes, name: str, plaintext: bytes, entropy: Callable[[int], bytes]) -> bytes:
    """Encrypt a key under another, bound to its name."""
    nonce = entropy(NONCE)
    return nonce + Cipher(key).seal(nonce, plaintext, place("wrapped_key", name))


def unwrap(key: bytes, name: str, blob: bytes) -> bytes:
    """Decrypt what `wrap` made. CiphertextError if the key is another."""
    return Cipher(key).open(blob[:NONCE], blob[NONCE:], place("wrapped_key", name))


def share_digest(share: bytes) -> str:
    """Return what is stored of a share, so that a wrong one is known at once."""
    return b64encode(sha256(b"strongroom share" + share).digest()).decode()


def decode_share(text: str, field_name: str = "key") -> bytes:
    """Read a share as people paste it: hexadecimal or base64."""
    stripped = text.strip()
    for decode in (bytes.fromhex, partial(b64decode, validate=True)):
        with suppress(ValueError):
            if share := decode(stripped):
                return share
    raise InputError(field_name, "neither hexadecimal nor base64")


def check_split(shares: int, threshold: int) -> None:
    """Raise InputError for a number of shares that cannot be made or would be no quorum."""
    if not 1 <= shares <= MAX_SHARES:
        raise InputError("secret_shares", f"must be from 1 to {MAX_SHARES}")
    if not 1 <= threshold <= shares:
        raise InputError("secret_threshold", "must be from 1 to secret_shares")
    if shares > 1 and threshold == 1:
        raise InputError("secret_threshold", "must be greater than one for multiple shares")


def make_shares(
    key: bytes, shares: int, threshold: int, entropy: Callable[[int], bytes]
) -> list[bytes]:
    """Split a sealing key; one share is the key itself, as in Vault."""
    return [key] if shares == 1 else split(key, shares, threshold, entropy)


class Seal:
    """The state of one server's seal. Storage goes through the caller's transaction."""

    def __init__(self, barrier: Barrier, entropy: Callable[[int], bytes]) -> None:
        self.barrier = barrier
        self._entropy = entropy
        self.settings: SealSettings | None = None
        self.unsealing = Progress()
        self.rekeying: Rekeying | None = None
        self.generating: Generating | None = None
        self._root: bytes | None = None

    # -- what is stored

    async def load(self, tx: Transaction) -> None:
        """Read the seal's settings; None before `sys/init`."""
        row = await tx.get(CLEAR_SETTINGS, SEAL)
        self.settings = None if row is None else msgspec.json.decode(row.value, type=SealSettings)

    def store(self, tx: Transaction, settings: SealSettings) -> None:
        tx.put(CLEAR_SETTINGS, ClearSetting(SEAL, msgspec.json.encode(settings).decode()))

    @property
    def initialized(self) -> bool:
        return self.settings is not None

    def require(self) -> SealSettings:
        """Return the settings, or raise PreconditionError before `sys/init`."""
        if self.settings is None:
            raise PreconditionError("server is not yet initialized")
        return self.settings

    # -- making

    def create(  # noqa: PLR0913 - what `sys/init` is told, each by its name
        self,
        tx: Transaction,
        now: datetime,
        *,
        kind: str,
        shares: int,
        threshold: int,
        passphrase: Secret | None,
        cluster_name: str,
    ) -> tuple[SealSettings, list[bytes], bytes, Keyring]:
        """Make every key there is; return the shares, which nobody keeps, root key and keyring."""
        root = self._entropy(KEY_BYTES)
        settings, parts = self.enclose(
            root, kind=kind, shares=shares, threshold=threshold, passphrase=passphrase
        )
        settings = msgspec.structs.replace(
            settings,
            cluster_id=self._entropy(16).hex(),
            cluster_name=cluster_name,
            created_at=now.isoformat(),
        )
        keyring = Keyring(
            {1: self._entropy(KEY_BYTES)}, self._entropy(KEY_BYTES), self._entropy(KEY_BYTES)
        )
        self.store(tx, settings)
        self.put_key(tx, root, (BARRIER, 1), keyring.barrier[1], now)
        self.put_key(tx, root, (DERIVATION, 1), keyring.derivation, now)
        self.put_key(tx, root, (LOG, 1), keyring.log, now)
        return settings, parts, root, keyring

    def enclose(
        self, root: bytes, *, kind: str, shares: int, threshold: int, passphrase: Secret | None
    ) -> tuple[SealSettings, list[bytes]]:
        """Put a root key under a new seal."""
        salt = b""
        parts: list[bytes] = []
        if kind == "passphrase":
            if passphrase is None:
                raise InputError("seal.passphrase_file", "is needed for this seal")
            salt = self._entropy(16)
            key = passphrase_key(passphrase, salt, **ARGON2)
            shares = threshold = 1
        else:
            check_split(shares, threshold)
            key = self._entropy(KEY_BYTES)
            parts = make_shares(key, shares, threshold, self._entropy)
        settings = SealSettings(
            type=kind,
            shares=shares,
            threshold=threshold,
            wrapped_root=b64encode(wrap(key, "root", root, self._entropy)).decode(),
            share_digests=tuple(share_digest(part) for part in parts),
            salt=b64encode(salt).decode(),
            clear=b64encode(key).decode() if kind == "dev" else "",
        )
        return settings, parts

    def put_key(
        self, tx: Transaction, root: bytes, slot: tuple[str, int], key: bytes, now: datetime
    ) -> None:
        """Store a key of the ring, by its name and term, under a root key."""
        name, term = slot
        wrapped = wrap(root, f"{name}/{term}", key, self._entropy)
        tx.put(KEYS, WrappedKey(name, term, wrapped, now))

    # -- opening

    def quorum(
        self,
        progress: Progress,
        share: bytes,
        settings: SealSettings | None = None,
        field_name: str = "key",
    ) -> Quorum:
        """Say what one more share makes of what was given before; `progress` stays as it is.

        A wrong share is refused by name, and what was given before it counts on (InputError).
        """
        settings = settings or self.require()
        kept = f"; {len(progress.shares)} of {settings.threshold} shares are kept"
        self.check_share(share, settings, field_name, kept)
        shares = progress.shares if progress.has(share) else [*progress.shares, share]
        if len(shares) < settings.threshold:
            return Quorum(len(shares), None)
        return Quorum(len(shares), self._join(shares[-settings.threshold :]))

    def check_share(
        self, share: bytes, settings: SealSettings, field_name: str = "key", kept: str = ""
    ) -> None:
        """Raise InputError unless this is a share of the seal; `kept` ends its words."""
        if not any(hmac.compare_digest(share_digest(share), d) for d in settings.share_digests):
            raise InputError(field_name, f"not a share of this seal{kept}")

    def _join(self, shares: Sequence[bytes]) -> bytes:
        if len(shares) == 1:
            return shares[0]
        try:
            return combine(shares)
        except ShareError:
            raise InputError("key", "the shares do not combine") from None

    def root_of(self, key: bytes, settings: SealSettings) -> bytes:
        """Return the root key, given the sealing key; InputError if it is another."""
        try:
            return unwrap(key, "root", b64decode(settings.wrapped_root))
        except CiphertextError:
            raise InputError("key", "does not open the seal") from None

    def root_by_passphrase(self, passphrase: Secret) -> bytes:
        settings = self.require()
        key = passphrase_key(passphrase, b64decode(settings.salt), **ARGON2)
        return self.root_of(key, settings)

    def root_of_dev(self) -> bytes:
        settings = self.require()
        return self.root_of(b64decode(settings.clear), settings)

    async def keyring(self, tx: Transaction, root: bytes) -> Keyring:
        """Open the stored keyring with the root key."""
        rows = await tx.all(KEYS)
        keys = {(k.name, k.term): unwrap(root, f"{k.name}/{k.term}", k.wrapped) for k in rows}
        barrier = {term: key for (name, term), key in keys.items() if name == BARRIER}
        [newest] = [k for k in rows if k.name == BARRIER and k.term == max(barrier)]
        return Keyring(
            barrier,
            keys[DERIVATION, 1],
            keys[max(k for k in keys if k[0] == LOG)],
            newest.encryptions,
        )

    async def reroot(self, tx: Transaction, root: bytes) -> None:
        """Wrap every key by another root key; the old one wraps nothing any more."""
        old = self.root()
        for row in await tx.all(KEYS):
            name = f"{row.name}/{row.term}"
            rewrapped = wrap(root, name, unwrap(old, name, row.wrapped), self._entropy)
            tx.put(KEYS, replace(row, wrapped=rewrapped))

    async def check_root(self, tx: Transaction) -> None:
        """Raise PreconditionError unless the root key in memory still opens what is stored."""
        root = self.root()
        for row in await tx.all(KEYS):
            try:
                unwrap(root, f"{row.name}/{row.term}", row.wrapped)
            except CiphertextError:
                raise PreconditionError("the root key was replaced: seal, and unseal") from None

    def adopt(self, root: bytes, settings: SealSettings) -> None:
        """Put another root key and seal in force. After the commit only."""
        self._root = root
        self.settings = settings
        self.unsealing = Progress()
        self.rekeying = None
        self.generating = None

    def opened(self, root: bytes, keyring: Keyring) -> None:
        """Put the keys in force. After the commit only."""
        self._root = root
        keyring.open(self.barrier)
        self.unsealing = Progress()

    def root(self) -> bytes:
        """Return the root key, which wraps new keys while unsealed."""
        if self._root is None:
            raise PreconditionError("sealed")
        return self._root

    def close(self) -> None:
        """Forget every key."""
        self._root = None
        self.unsealing = Progress()
        self.rekeying = None
        self.generating = None
        self.barrier.seal()
