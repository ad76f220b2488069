"""The running parts of a server, together: what the handlers of `core.system` are given.

`app.py` builds one and runs it; tests build one without a network.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from strongroom.audit.log import Log
from strongroom.base.clock import Clock
from strongroom.base.secret import Secret
from strongroom.core.leases import Failing, Leases
from strongroom.core.login import Logins
from strongroom.core.pipeline import Pipeline
from strongroom.core.seal import Keyring, Seal
from strongroom.core.second_factor import SecondFactors
from strongroom.core.views import Live, Views
from strongroom.core.wrapping import Wrapping
from strongroom.crypto.hashing import Hashing
from strongroom.crypto.note import SigningKey
from strongroom.identity.tokens import Tokens
from strongroom.sdk.auth import AuthMethod
from strongroom.sdk.engine import Engine
from strongroom.storage.barrier import Barrier
from strongroom.storage.database import Database


@dataclass(slots=True, kw_only=True)
class Settings:
    """What of the configuration the core needs."""

    cluster_name: str = "strongroom"
    origin: str = "strongroom.local/log"
    seal_type: str = "shamir"
    passphrase: Secret | None = None
    default_ttl: timedelta = timedelta(hours=768)
    max_ttl: timedelta = timedelta(hours=768)
    storage_type: str = "sqlite"
    simulated: bool = False
    dev_root_token: str = ""
    console_url: str = "https://localhost:8200"  # whose host is what security keys are bound to
    console_origins: tuple[str, ...] = ()  # others that a browser may ask from
    breached_passwords: Path | None = None  # a sorted file of SHA-1 digests


OpenApi = Callable[[Sequence[Live], bool], Mapping[str, object]]


def no_document(_: Sequence[Live], __: bool) -> Mapping[str, object]:
    """Stand in for what writes the OpenAPI document, which lies above this floor (`app.py`)."""
    return {"openapi": "3.0.2", "paths": {}}


@dataclass(slots=True, kw_only=True)
class Server:
    """One server. `kinds` are the plugins by type ("kv", "kv-v1", …)."""

    settings: Settings
    clock: Clock
    entropy: Callable[[int], bytes]
    database: Database
    barrier: Barrier
    seal: Seal
    tokens: Tokens
    leases: Leases
    logins: Logins
    factors: SecondFactors
    wrapping: Wrapping
    log: Log
    views: Views
    pipeline: Pipeline
    engines: Mapping[str, Engine]
    methods: Mapping[str, AuthMethod]
    started_at: datetime
    hashing: Hashing = field(default_factory=Hashing)
    failing: dict[str, Failing] = field(default_factory=dict)  # leases by id
    openapi: OpenApi = no_document
    on_unseal: list[Callable[[], None]] = field(default_factory=list)
    on_seal: list[Callable[[], None]] = field(default_factory=list)
    before_advance: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def open_with(self, root: bytes, keyring: Keyring) -> None:
        """Put opened keys in force, and start what waits for them. After the commit only."""
        self.seal.opened(root, keyring)
        self.views.clear()
        self.log.unlock(SigningKey(self.settings.origin, Secret(keyring.log)))
        for act in self.on_unseal:
            act()

    def close_up(self) -> None:
        """Seal: forget every key and everything that was opened with one."""
        for act in self.on_seal:
            act()
        self.log.lock()
        self.seal.close()
        self.views.clear()
