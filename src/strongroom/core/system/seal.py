"""`sys/init`, `unseal`, `seal`, `seal-status`, `health`, `leader`: the server's own state.

Vault   Bare bodies, without the envelope; `sys/health` tells the state by its status. A field of
        ours, `bootstrap` of `sys/init`: see `core.system.bootstrap`.
Trust   All but `sys/seal` ask for no token: whoever has the shares may use them, from anywhere
        that reaches the port. Every call is an entry, polls collapsed (`core.noise`).
Order   Keys are in force in memory only after the commit of the entry that says so, and only over
        a log that carries what was signed last (`audit.mark`). What is missing of it is the
        answer to the unseal, and `log_problem` in `seal-status` and `health` from then on.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from strongroom.audit.log import LogDamagedError
from strongroom.audit.mark import NOTHING, put_mark
from strongroom.base.errors import InputError, PreconditionError
from strongroom.base.secret import Secret
from strongroom.base.version import VERSION
from strongroom.core.request import SystemCall
from strongroom.core.seal import Keyring, decode_share
from strongroom.core.server import Server
from strongroom.core.system.alerts import ROOT_PATH
from strongroom.core.system.bootstrap import new_bootstrap
from strongroom.core.system.ceremonies import by_passphrase, step
from strongroom.core.system.first import first_rows
from strongroom.core.system.rotation import count_down
from strongroom.crypto.hashing import PASSPHRASE
from strongroom.identity.tokens import Wanted
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route
from strongroom.storage.barrier import Barrier


@dataclass(frozen=True, kw_only=True)
class Init:
    """How the root key is to be kept."""

    secret_shares: Annotated[int, Help("Shares to split the sealing key into.")] = 0
    secret_threshold: Annotated[int, Help("Shares needed to unseal.")] = 0
    pgp_keys: Annotated[tuple[str, ...], Help("Not supported.")] = ()
    root_token_pgp_key: Annotated[str, Help("Not supported.")] = ""
    recovery_shares: Annotated[int, Help("For auto-unseal; not used.")] = 0
    recovery_threshold: Annotated[int, Help("For auto-unseal; not used.")] = 0
    recovery_pgp_keys: Annotated[tuple[str, ...], Help("Not supported.")] = ()
    bootstrap: Annotated[
        bool, Help("Give a code for `strongroom/bootstrap`, and no root token.")
    ] = False
    stored_shares: Annotated[int, Help("Not used.", shown=False)] = 0


@dataclass(frozen=True, kw_only=True)
class Unseal:
    """One share."""

    key: Annotated[Secret | None, Help("A share, hexadecimal or base64.")] = None
    reset: Annotated[bool, Help("Forget the shares given so far.")] = False
    migrate: Annotated[bool, Help("Not supported.", shown=False)] = False


@dataclass(frozen=True, kw_only=True)
class HealthCodes:
    """Statuses that a load balancer asks for."""

    standbyok: Annotated[bool, Help("A standby is fine.")] = False
    perfstandbyok: Annotated[bool, Help("A performance standby is fine.")] = False
    activecode: Annotated[int, Help("Status when active.")] = 200
    standbycode: Annotated[int, Help("Status when standing by.")] = 429
    drsecondarycode: Annotated[int, Help("Not used.")] = 472
    performancestandbycode: Annotated[int, Help("Not used.")] = 473
    sealedcode: Annotated[int, Help("Status when sealed.")] = 503
    uninitcode: Annotated[int, Help("Status before init.")] = 501


class SealRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._seal = server.seal

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        return (
            Route(
                path="init",
                summary="Whether the server is initialized; initialize it.",
                open=True,
                read=Endpoint(Nothing, self.initialized, "sys.init.status"),
                write=Endpoint(Init, self.init, "seal.init"),
            ),
            Route(
                path="seal-status",
                summary="The seal, and how far an unseal has got.",
                open=True,
                read=Endpoint(Nothing, self.status, "seal.status"),
            ),
            Route(
                path="unseal",
                summary="Give one share.",
                open=True,
                write=Endpoint(Unseal, self.unseal, "seal.unseal"),
            ),
            Route(
                path="seal",
                summary="Forget every key until the next unseal.",
                sudo=True,
                write=Endpoint(Nothing, self.close, "seal.seal"),
            ),
            Route(
                path="health",
                summary="State of the server, as a status.",
                open=True,
                read=Endpoint(HealthCodes, self.health, "sys.health"),
            ),
            Route(
                path="leader",
                summary="Which node is active: this one.",
                open=True,
                read=Endpoint(Nothing, self.leader, "sys.leader"),
            ),
        )

    async def initialized(self, call: SystemCall, _given: Nothing) -> Reply:
        await self._seal.load(call.transaction)
        return Reply({"initialized": self._seal.initialized}, bare=True)

    async def init(self, call: SystemCall, given: Init) -> Reply:
        """Make every key, the shares and the first root token. Once.

        A seal that opens by itself at each start is open from here on.
        """
        server, seal, settings = self._server, self._seal, self._server.settings
        await seal.load(call.transaction)
        if seal.initialized:
            raise InputError("", "Vault is already initialized")
        if given.pgp_keys or given.root_token_pgp_key or given.recovery_pgp_keys:
            raise InputError("pgp_keys", "encrypting shares with PGP is not supported")
        shared = settings.seal_type == "shamir"
        make = partial(
            seal.create,
            call.transaction,
            call.now,
            kind=settings.seal_type,
            shares=given.secret_shares if shared else 1,
            threshold=given.secret_threshold if shared else 1,
            passphrase=settings.passphrase,
            cluster_name=settings.cluster_name,
        )
        slow = settings.seal_type == "passphrase"
        made = await server.hashing.run(PASSPHRASE, make) if slow else make()
        stored, shares, key, keyring = made
        barrier = Barrier(call.entropy)
        keyring.open(barrier)
        call.transaction.barrier = barrier
        await first_rows(call)
        put_mark(call.transaction, NOTHING)
        call.details |= {
            "seal": settings.seal_type,
            "shares": stored.shares,
            "threshold": stored.threshold,
        }
        begun = self._begin(call, barrier, given)
        step(call, lambda: setattr(seal, "settings", stored))
        if stored.type == "passphrase":
            call.details["unsealed"] = True
            call.after_commit(lambda: server.open_with(key, keyring))
        hexed = [Secret(share.hex()) for share in shares]
        based = [Secret(_base64(share)) for share in shares]
        return Reply({"keys": hexed, "keys_base64": based, **begun}, bare=True)

    def _begin(self, call: SystemCall, barrier: Barrier, given: Init) -> dict[str, object]:
        """Return what the first person begins with: a root token, or a code and none."""
        if given.bootstrap:
            call.details["bootstrap"] = True
            return {"root_token": "", **new_bootstrap(call, barrier)}
        root = self._server.tokens.issue(
            call.transaction,
            Wanted(
                path=ROOT_PATH,
                display="root",
                policies=("root",),
                id=self._server.settings.dev_root_token,
            ),
            call.now,
        )
        call.details["root_accessor"] = root.token.accessor
        return {"root_token": root.text}

    async def status(self, call: SystemCall, _given: Nothing) -> Reply:
        if self._seal.settings is None:
            await self._seal.load(call.transaction)
        return Reply(self.status_data(), bare=True)

    def status_data(self) -> dict[str, object]:
        """Return the body of `seal-status`, as it stands now."""
        settings, sealed = self._seal.settings, self._server.barrier.sealed
        data: dict[str, object] = {
            "type": settings.type if settings else self._server.settings.seal_type,
            "initialized": settings is not None,
            "sealed": sealed,
            "t": settings.threshold if settings else 0,
            "n": settings.shares if settings else 0,
            "progress": len(self._seal.unsealing.shares),
            "nonce": self._seal.unsealing.nonce,
            "version": VERSION,
            "build_date": "",
            "migration": False,
            "recovery_seal": False,
            "storage_type": self._server.settings.storage_type,
        }
        if settings is not None and not sealed:
            data |= {"cluster_name": settings.cluster_name, "cluster_id": settings.cluster_id}
        return data | self._problem()

    def _problem(self) -> dict[str, object]:
        """Return what keeps the server from being unsealed, for those who ask how it is."""
        problem = self._server.log.problem
        return {} if problem is None else {"log_problem": problem}

    async def unseal(self, call: SystemCall, given: Unseal) -> Reply:
        """Take a share. A wrong one is refused and changes nothing."""
        seal, barrier = self._seal, self._server.barrier
        await seal.load(call.transaction)
        kind = seal.require().type
        if given.reset:
            if not barrier.sealed:
                raise InputError("", "vault is unsealed")
            step(call, seal.unsealing.shares.clear)
            return Reply({**self.status_data(), "progress": 0}, bare=True)
        if given.key is None or not given.key.text():
            raise InputError(
                "", "'key' must be specified in request body as JSON, or 'reset' set to true"
            )
        if not barrier.sealed:
            if kind != "passphrase":
                decode_share(given.key.text())
            return Reply(self.status_data(), bare=True)
        if kind == "dev":
            root = seal.root_of_dev()
        elif kind == "passphrase":
            root = await by_passphrase(self._server, given.key)
        else:
            share = decode_share(given.key.text())
            quorum = seal.quorum(seal.unsealing, share)
            call.details["progress"] = quorum.count
            if quorum.key is None:
                step(call, lambda: seal.unsealing.keep(share))
                return Reply({**self.status_data(), "progress": quorum.count}, bare=True)
            root = seal.root_of(quorum.key, seal.require())
        keyring = await seal.keyring(call.transaction, root)
        await self._check_log(keyring)
        call.details["unsealed"] = True
        step(call, lambda: self._server.open_with(root, keyring))
        return Reply({**self.status_data(), **self._unsealed()}, bare=True)

    async def _check_log(self, keyring: Keyring) -> None:
        """Raise PreconditionError over a log that does not carry what was signed last."""
        barrier = Barrier(self._server.entropy)
        keyring.open(barrier)
        try:
            await self._server.log.check(barrier)
        except LogDamagedError as error:
            raise PreconditionError(f"not unsealed, the log is damaged: {error}") from None

    def _unsealed(self) -> dict[str, object]:
        settings = self._seal.require()
        return {
            "sealed": False,
            "progress": 0,
            "cluster_name": settings.cluster_name,
            "cluster_id": settings.cluster_id,
        }

    async def close(self, call: SystemCall, _given: Nothing) -> None:
        await count_down(self._server, call.transaction)
        step(call, self._server.close_up)  # what is under way starts again, and finds it sealed

    async def health(self, call: SystemCall, given: HealthCodes) -> Reply:
        server, settings = self._server, self._seal.settings
        if settings is None:
            await self._seal.load(call.transaction)
            settings = self._seal.settings
        sealed = server.barrier.sealed
        status = given.activecode
        if settings is None:
            status = given.uninitcode
        elif sealed:
            status = given.sealedcode
        data: dict[str, object] = {
            "initialized": settings is not None,
            "sealed": sealed,
            "standby": False,
            "performance_standby": False,
            "replication_performance_mode": "disabled",
            "replication_dr_mode": "disabled",
            "server_time_utc": int(call.now.timestamp()),
            "version": VERSION,
            "log_size": server.log.size,
        }
        if settings is not None and not sealed:
            data |= {"cluster_name": settings.cluster_name, "cluster_id": settings.cluster_id}
        return Reply(data | self._problem(), bare=True, status=status)

    async def leader(self, _call: SystemCall, _given: Nothing) -> Reply:
        if self._server.barrier.sealed:
            raise PreconditionError("Vault is sealed")
        data = {
            "ha_enabled": False,
            "is_self": True,
            "leader_address": "",
            "leader_cluster_address": "",
            "performance_standby": False,
        }
        return Reply(data, bare=True)


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
