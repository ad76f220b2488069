"""`sys/rekey/…` and `sys/rotate/root/…`: new shares, and a new root key under them.

Vault   The old shares are given one by one, under a nonce; the new ones leave in the last reply.
        With `require_verification` they are in force only once as many as are needed have been
        given back. `sys/rekey` asks for no token, as in Vault, and answers without an envelope;
        `sys/rotate/root` is OpenBao's newer form, which asks policy.
Differs A wrong share is named and costs nothing. The root key itself is replaced, and wraps the
        keyring anew. PGP and backups are refused: what is not kept cannot leak. Who may cancel:
        see `core.system.ceremonies`.
Order   New shares are stored with the entry that says so, and are in force in memory after that
        commit. A crash before it leaves the old shares, after it the new.
Trust   Whoever holds a quorum of the old shares decides who holds the new.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import msgspec

from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.ids import uuid_of
from strongroom.base.secret import Secret
from strongroom.core.request import SystemCall
from strongroom.core.seal import (
    KEY_BYTES,
    Progress,
    Rekeying,
    SealSettings,
    check_split,
    decode_share,
)
from strongroom.core.server import Server
from strongroom.core.system.ceremonies import Cancel, Share, check_cancel, key_of, step, unsealed
from strongroom.crypto.hashing import PASSPHRASE
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route


@dataclass(frozen=True, kw_only=True)
class Start:
    """How the new key is to be split."""

    secret_shares: Annotated[int, Help("Shares to split the sealing key into.")] = 0
    secret_threshold: Annotated[int, Help("Shares needed to unseal.")] = 0
    require_verification: Annotated[bool, Help("In force once the new shares are proven.")] = False
    pgp_keys: Annotated[tuple[str, ...], Help("Not supported.")] = ()
    backup: Annotated[bool, Help("Not supported.")] = False


class RekeyRoutes:
    """See the module; `bare` for the paths without an envelope, which ask for no token."""

    def __init__(self, server: Server, base: str, *, bare: bool) -> None:
        self._server = server
        self._seal = server.seal
        self._base = base
        self._bare = bare

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        base, event = self._base, "seal.rekey"
        at_once = Route(
            path=base,
            summary="A new root key at once, where the seal has no shares.",
            sudo=True,
            write=Endpoint(Nothing, self.replace_root, f"{event}.root"),
        )
        return (
            *(() if self._bare else (at_once,)),
            Route(
                path=f"{base}/init",
                summary="How far a rekey has got; start or cancel one.",
                open=self._bare,
                read=Endpoint(Nothing, self.status, f"{event}.status"),
                write=Endpoint(Start, self.start, f"{event}.start"),
                delete=Endpoint(Cancel, self.cancel, f"{event}.cancel"),
            ),
            Route(
                path=f"{base}/update",
                summary="Give one of the old shares.",
                open=self._bare,
                write=Endpoint(Share, self.update, f"{event}.update"),
            ),
            Route(
                path=f"{base}/verify",
                summary="How far the proof of the new shares has got; give one; start over.",
                open=self._bare,
                read=Endpoint(Nothing, self.verification, f"{event}.status"),
                write=Endpoint(Share, self.verify, f"{event}.verify"),
                delete=Endpoint(Cancel, self.restart, f"{event}.cancel"),
            ),
            Route(
                path=f"{base}/backup",
                summary="Backups of new shares: none are made.",
                read=Endpoint(Nothing, self.backup, f"{event}.backup.read"),
                delete=Endpoint(Nothing, self.drop_backup, f"{event}.backup.delete"),
            ),
        )

    # -- state

    def _shares(self) -> SealSettings:
        """Return the seal, if it is open and has shares."""
        settings = unsealed(self._seal)
        if settings.type != "shamir":
            raise InputError("", f"a {settings.type} seal has no shares to replace")
        return settings

    def _rekeying(self, *, verifying: bool = False) -> Rekeying:
        """Return the operation under way, if it has got as far as is meant."""
        self._shares()
        rekeying = self._seal.rekeying
        if rekeying is None or verifying is not (rekeying.settings is not None):
            raise InputError("", "no rekey in progress" if not verifying else _NOTHING_TO_VERIFY)
        return rekeying

    def _reply(self, data: dict[str, object]) -> Reply:
        return Reply(data, bare=self._bare)

    async def status(self, _call: SystemCall, _given: Nothing) -> Reply:
        return self._reply(self._status(self._seal.rekeying))

    def _status(self, rekeying: Rekeying | None) -> dict[str, object]:
        settings = self._shares()
        verification = rekeying.verification.nonce if rekeying else ""
        return {
            "nonce": rekeying.nonce if rekeying else "",
            "started": rekeying is not None,
            "t": rekeying.threshold if rekeying else 0,
            "n": rekeying.shares if rekeying else 0,
            "progress": len(rekeying.given.shares) if rekeying else 0,
            "required": settings.threshold,
            "pgp_fingerprints": None,
            "backup": False,
            "verification_required": rekeying.verify if rekeying else False,
            "verification_nonce": verification,
        }

    # -- the old shares

    async def start(self, call: SystemCall, given: Start) -> Reply:
        """Begin. Nothing changes until the old shares are there."""
        self._shares()
        if self._seal.rekeying is not None:
            raise InputError("", "rekey already in progress")
        if given.pgp_keys or given.backup:
            raise InputError("pgp_keys", "encrypting shares with PGP is not supported")
        check_split(given.secret_shares, given.secret_threshold)
        rekeying = Rekeying(
            nonce=uuid_of(call.entropy(16)),
            shares=given.secret_shares,
            threshold=given.secret_threshold,
            verify=given.require_verification,
        )
        call.details |= {"nonce": rekeying.nonce, "shares": given.secret_shares}
        call.details |= {"threshold": given.secret_threshold, "verify": given.require_verification}
        step(call, lambda: setattr(self._seal, "rekeying", rekeying))
        return self._reply(self._status(rekeying))

    async def cancel(self, call: SystemCall, given: Cancel) -> None:
        """Give up, and forget what was given."""
        rekeying = self._seal.rekeying
        if rekeying is None:
            return
        await check_cancel(call, self._server, given, rekeying.nonce, is_open=self._bare)
        call.details["nonce"] = rekeying.nonce
        step(call, lambda: setattr(self._seal, "rekeying", None))

    async def update(self, call: SystemCall, given: Share) -> Reply:
        """Take an old share; with the last one, make the new."""
        rekeying = self._rekeying()
        share = decode_share(key_of(given, rekeying.nonce).text())
        quorum = self._seal.quorum(rekeying.given, share)
        call.details |= {"nonce": rekeying.nonce, "progress": quorum.count}
        if quorum.key is None:
            step(call, lambda: rekeying.given.keep(share))
            return self._reply({**self._status(rekeying), "progress": quorum.count})
        self._seal.root_of(quorum.key, self._shares())
        return await self._make(call, rekeying)

    async def _make(self, call: SystemCall, rekeying: Rekeying) -> Reply:
        """Make a root key and its shares; store them, or keep them until they are verified."""
        seal, root = self._seal, call.entropy(KEY_BYTES)
        settings, parts = seal.enclose(
            root,
            kind="shamir",
            shares=rekeying.shares,
            threshold=rekeying.threshold,
            passphrase=None,
        )
        settings = _carried(settings, self._shares(), call)
        call.details |= {"shares": rekeying.shares, "threshold": rekeying.threshold}
        data = self._made(rekeying, parts)
        if not rekeying.verify:
            call.details["complete"] = True
            await self._store(call, root, settings)
            return self._reply(data)
        nonce = uuid_of(call.entropy(16))

        def await_proof() -> None:
            rekeying.settings, rekeying.root = settings, root
            rekeying.given, rekeying.verification = Progress(), Progress(nonce)

        step(call, await_proof)
        return self._reply({**data, "verification_nonce": nonce})

    def _made(self, rekeying: Rekeying, parts: Sequence[bytes]) -> dict[str, object]:
        return {
            "nonce": rekeying.nonce,
            "complete": True,
            "keys": [Secret(part.hex()) for part in parts],
            "keys_base64": [Secret(b64encode(part).decode()) for part in parts],
            "pgp_fingerprints": None,
            "backup": False,
            "verification_required": rekeying.verify,
        }

    async def _store(self, call: SystemCall, root: bytes, settings: SealSettings) -> None:
        seal = self._seal
        seal.store(call.transaction, settings)
        await seal.reroot(call.transaction, root)
        step(call, lambda: seal.adopt(root, settings))

    async def replace_root(self, call: SystemCall, _given: Nothing) -> None:
        """Replace the root key of a seal that opens by itself."""
        old = unsealed(self._seal)
        if old.type == "shamir":
            raise InputError("", "this needs a quorum of the shares: use sys/rotate/root/init")
        root = call.entropy(KEY_BYTES)
        passphrase = self._server.settings.passphrase
        enclose = partial(
            self._seal.enclose, root, kind=old.type, shares=1, threshold=1, passphrase=passphrase
        )
        settings, _ = await self._server.hashing.run(PASSPHRASE, enclose)
        await self._store(call, root, _carried(settings, old, call))

    # -- the new shares

    async def verification(self, _call: SystemCall, _given: Nothing) -> Reply:
        self._shares()
        return self._reply(self._verification(self._seal.rekeying))

    def _verification(self, rekeying: Rekeying | None) -> dict[str, object]:
        made = rekeying is not None and rekeying.settings is not None
        return {
            "nonce": rekeying.verification.nonce if rekeying else "",
            "started": made,
            "t": rekeying.threshold if rekeying else 0,
            "n": rekeying.shares if rekeying else 0,
            "progress": len(rekeying.verification.shares) if rekeying else 0,
        }

    async def verify(self, call: SystemCall, given: Share) -> Reply:
        """Take a new share back; with the last one, put them in force."""
        rekeying = self._rekeying(verifying=True)
        share = decode_share(key_of(given, rekeying.verification.nonce).text())
        settings, progress = rekeying.settings, rekeying.verification
        quorum = self._seal.quorum(progress, share, settings)
        call.details |= {"nonce": rekeying.nonce, "progress": quorum.count}
        if quorum.key is None or settings is None:
            step(call, lambda: progress.keep(share))
            return self._reply({**self._verification(rekeying), "progress": quorum.count})
        self._seal.root_of(quorum.key, settings)
        call.details["complete"] = True
        await self._store(call, rekeying.root, settings)
        return self._reply({"nonce": progress.nonce, "complete": True})

    async def restart(self, call: SystemCall, given: Cancel) -> Reply:
        """Forget the new shares that were given back; the proof starts over under a new nonce."""
        rekeying = self._seal.rekeying
        if rekeying is None or rekeying.settings is None:
            raise InputError("", _NOTHING_TO_VERIFY)
        nonce = rekeying.verification.nonce
        await check_cancel(call, self._server, given, nonce, is_open=self._bare)
        fresh = Progress(uuid_of(call.entropy(16)))
        step(call, lambda: setattr(rekeying, "verification", fresh))
        data = {**self._verification(rekeying), "nonce": fresh.nonce, "progress": 0}
        return self._reply(data)

    async def backup(self, _call: SystemCall, _given: Nothing) -> Reply:
        raise NotFoundError("no backed-up keys found")

    async def drop_backup(self, _call: SystemCall, _given: Nothing) -> None:
        return None


_NOTHING_TO_VERIFY = "no rekey verification in progress"


def _carried(new: SealSettings, old: SealSettings, call: SystemCall) -> SealSettings:
    """Return a new seal with what outlives the old one."""
    return msgspec.structs.replace(
        new,
        cluster_id=old.cluster_id,
        cluster_name=old.cluster_name,
        created_at=old.created_at,
        rekeyed_at=call.now.isoformat(),
    )
