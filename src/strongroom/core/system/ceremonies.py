"""What a rekey and the making of a root token have in common: shares, one by one, under a nonce.

Vault   Without a token anybody may ask how far an operation has got, start one where there is
        none, and give a share. The nonce says which operation a share is for. It is shown to
        everybody who asks, since clients take it from there.
Differs Cancelling without a token asks for a share (`key`, in the body); with one, for policy on
        the path. Vault asks for the nonce or for nothing, and so lets anybody cancel; OpenBao has
        closed these paths for that, and offers others which ask for a token.
Order   Of two steps at once, which both go by what was given so far, one is committed and the
        other is served again with what is true then (`step`).
Trust   A stranger can start an operation that nobody wants, and see how far one has got. Neither
        brings it nearer to a key, and whoever holds a share can end it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from strongroom.base.errors import InputError, SealedError
from strongroom.base.secret import Secret
from strongroom.core.request import SystemCall
from strongroom.core.seal import Seal, SealSettings, decode_share
from strongroom.core.server import Server
from strongroom.crypto.hashing import PASSPHRASE
from strongroom.sdk.engine import Help

TOPIC = "seal"


@dataclass(frozen=True, kw_only=True)
class Share:
    """One share, for the operation that the nonce names."""

    key: Annotated[Secret | None, Help("A share, hexadecimal or base64.")] = None
    nonce: Annotated[str, Help("Nonce of the operation.")] = ""


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Which operation to give up, and by what right."""

    key: Annotated[Secret | None, Help("A share; needed where no token comes along.")] = None
    nonce: Annotated[str, Help("Nonce of the operation; left out, the one under way.")] = ""


def step(call: SystemCall, act: Callable[[], None]) -> None:
    """Change the state of the seal, or of an operation on it, once that is committed.

    Whatever else was under way is served again: the commit is fenced, and `act` is done before
    anybody is served with the generation that it made.
    """
    call.transaction.changed(TOPIC)
    call.after_commit(act)


def unsealed(seal: Seal) -> SealSettings:
    """Return the seal of an open server; SealedError before."""
    if seal.barrier.sealed:
        raise SealedError("Vault is sealed")
    return seal.require()


def key_of(given: Share, nonce: str) -> Secret:
    """Return what was given, if it is for the operation with this nonce."""
    if given.key is None or not given.key.text():
        raise InputError("", "missing required field 'key'")
    if not given.nonce:
        raise InputError("", "missing required field 'nonce'")
    if given.nonce != nonce:
        raise InputError("nonce", "is that of no operation in progress")
    return given.key


async def by_passphrase(server: Server, passphrase: Secret) -> bytes:
    """Return the root key of a seal with a passphrase; InputError for another one."""
    work = partial(server.seal.root_by_passphrase, passphrase)
    return await server.hashing.run(PASSPHRASE, work)


async def check_cancel(
    call: SystemCall, server: Server, given: Cancel, nonce: str, *, is_open: bool
) -> None:
    """Raise unless the caller may give up the operation with this nonce.

    Where the path is open that takes a share, or a token that policy lets do it: InputError for
    a share of another seal, DeniedError without either.
    """
    if given.nonce not in ("", nonce):
        raise InputError("nonce", "is that of no operation in progress")
    if not is_open:
        return  # policy was asked before
    if given.key is None:
        await call.authorize()
        return
    seal = server.seal
    settings = unsealed(seal)
    if settings.type == "passphrase":
        await by_passphrase(server, given.key)
    else:
        seal.check_share(decode_share(given.key.text()), settings)
