"""`sys/generate-root…`: a root token for those who hold a quorum of the shares.

Vault   `sys/generate-root` asks for no token and answers without an envelope, as Vault does;
        `sys/generate-root-token` asks policy, as OpenBao's. The token leaves encoded: exclusive
        or with a one-time password that only the starter was told, base64 without padding.
Differs A wrong share is named and costs nothing. The passphrase stands for the share of a seal
        that has one. PGP is refused. Who may cancel: see `core.system.ceremonies`.
Trust   Whoever gives the last share gets the encoded token; without the password it is nothing.
        A new root token is an entry with its accessor, an `alert` and high severity, and each of
        its uses is one; `strongroom/alerts` lists it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from typing import Annotated

from strongroom.base.errors import InputError
from strongroom.base.ids import uuid_of
from strongroom.base.secret import Secret
from strongroom.core.request import SystemCall
from strongroom.core.seal import Generating, Quorum, decode_share
from strongroom.core.server import Server
from strongroom.core.system.alerts import ROOT_PATH, alert_root
from strongroom.core.system.ceremonies import (
    Cancel,
    Share,
    by_passphrase,
    check_cancel,
    key_of,
    step,
    unsealed,
)
from strongroom.identity.tokens import Wanted
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route

ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """How the token is to be encoded."""

    otp: Annotated[Secret | None, Help("One-time password; left out, one is made.")] = None
    pgp_key: Annotated[str, Help("Not supported.")] = ""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """An encoded token, and its password."""

    encoded_token: Annotated[Secret | None, Help("The token, encoded.")] = None
    otp: Annotated[Secret | None, Help("The one-time password.")] = None


class GenerateRootRoutes:
    """See the module; `bare` for the paths without an envelope, which ask for no token."""

    def __init__(self, server: Server, base: str, *, bare: bool) -> None:
        self._server = server
        self._seal = server.seal
        self._base = base
        self._bare = bare

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        base, event = self._base, "seal.generate_root"
        decode = Route(
            path="decode-token",
            summary="Decode a token that was made so.",
            open=True,
            write=Endpoint(Encoded, self.decode, f"{event}.decode"),
        )
        attempt = Route(
            path=f"{base}/attempt",
            summary="How far a root token has got; start or cancel one.",
            open=self._bare,
            read=Endpoint(Nothing, self.status, f"{event}.status"),
            write=Endpoint(Attempt, self.start, f"{event}.start"),
            delete=Endpoint(Cancel, self.cancel, f"{event}.cancel"),
        )
        return (
            attempt,
            Route(
                path=f"{base}/update",
                summary="Give one share.",
                open=self._bare,
                write=Endpoint(Share, self.update, f"{event}.update"),
            ),
            *((replace(attempt, path=base), decode) if self._bare else ()),
        )

    def _status(self, generating: Generating | None) -> dict[str, object]:
        settings = unsealed(self._seal)
        return {
            "nonce": generating.nonce if generating else "",
            "started": generating is not None,
            "progress": len(generating.given.shares) if generating else 0,
            "required": settings.threshold,
            "complete": False,
            "encoded_token": "",
            "encoded_root_token": "",
            "pgp_fingerprint": "",
            "otp": "",
            "otp_length": len(self._server.tokens.text()),
        }

    async def status(self, _call: SystemCall, _given: Nothing) -> Reply:
        return Reply(self._status(self._seal.generating), bare=self._bare)

    async def start(self, call: SystemCall, given: Attempt) -> Reply:
        """Begin; the one-time password leaves in this reply, unless the caller brought it."""
        settings = unsealed(self._seal)
        if given.pgp_key:
            raise InputError("pgp_key", "encrypting with PGP is not supported")
        if settings.type == "dev":
            raise InputError("", "a dev seal has no shares")
        if self._seal.generating is not None:
            raise InputError("", "root generation already in progress")
        length = len(self._server.tokens.text())
        brought = given.otp.reveal() if given.otp is not None else b""
        if brought and len(brought) != length:
            raise InputError("otp", "OTP string has incorrect length")
        otp = brought or one_time_password(call.entropy(length * 4), length)
        generating = Generating(nonce=uuid_of(call.entropy(16)), otp=otp)
        call.details["nonce"] = generating.nonce
        step(call, lambda: setattr(self._seal, "generating", generating))
        told = {"otp": "" if brought else Secret(otp)}
        return Reply({**self._status(generating), **told}, bare=self._bare)

    async def cancel(self, call: SystemCall, given: Cancel) -> None:
        """Give up, and forget what was given."""
        generating = self._seal.generating
        if generating is None:
            return
        await check_cancel(call, self._server, given, generating.nonce, is_open=self._bare)
        call.details["nonce"] = generating.nonce
        step(call, lambda: setattr(self._seal, "generating", None))

    async def update(self, call: SystemCall, given: Share) -> Reply:
        """Take a share; with the last one, make the token."""
        unsealed(self._seal)
        generating = self._seal.generating
        if generating is None:
            raise InputError("", "no root generation in progress")
        quorum, keep = await self._quorum(generating, key_of(given, generating.nonce))
        call.details |= {"nonce": generating.nonce, "progress": quorum.count}
        if quorum.key is None:
            step(call, lambda: generating.given.keep(keep))
            data = {**self._status(generating), "progress": quorum.count}
            return Reply(data, bare=self._bare)
        return await self._make(call, generating, quorum.count)

    async def _quorum(self, generating: Generating, key: Secret) -> tuple[Quorum, bytes]:
        """Judge a share, or the passphrase; InputError if it is wrong."""
        settings = self._seal.require()
        if settings.type == "passphrase":
            await by_passphrase(self._server, key)
            return Quorum(1, b""), b""
        share = decode_share(key.text())
        quorum = self._seal.quorum(generating.given, share)
        if quorum.key is not None:
            self._seal.root_of(quorum.key, settings)
        return quorum, share

    async def _make(self, call: SystemCall, generating: Generating, count: int) -> Reply:
        issued = self._server.tokens.issue(
            call.transaction,
            Wanted(path=ROOT_PATH, display="root", policies=("root",)),
            call.now,
        )
        call.details |= {"complete": True, "root_accessor": issued.token.accessor}
        await alert_root(call, issued.token.accessor)
        encoded = Secret(encoded_token(issued.text.reveal(), generating.otp))
        step(call, lambda: setattr(self._seal, "generating", None))
        done = {"progress": count, "complete": True, "encoded_token": encoded}
        data = {**self._status(generating), **done, "encoded_root_token": encoded}
        return Reply(data, bare=self._bare)

    async def decode(self, _call: SystemCall, given: Encoded) -> Reply:
        """Take the password off a token. Nothing is looked up."""
        text = given.encoded_token.text() if given.encoded_token else ""
        otp = given.otp.reveal() if given.otp else b""
        if not text or not otp:
            raise InputError("", "provided 'encoded_token' or 'otp' is empty")
        try:
            raw = b64decode(text + "=" * (-len(text) % 4), validate=True)
        except ValueError:
            raise InputError("encoded_token", "not base64") from None
        if len(raw) != len(otp):
            raise InputError("otp", "not as long as the token")
        return Reply({"token": Secret(bytes(a ^ b for a, b in zip(raw, otp, strict=True)))})


def one_time_password(raw: bytes, length: int) -> bytes:
    """Return so many letters and digits, each as likely as any other, from plenty of randomness."""
    fair = 256 - 256 % len(ALPHABET)
    letters = bytes(ALPHABET[byte % len(ALPHABET)] for byte in raw if byte < fair)
    if len(letters) < length:
        raise ValueError("too little randomness")
    return letters[:length]


def encoded_token(text: bytes, otp: bytes) -> str:
    """Return the exclusive or of a token and its password, base64 without padding."""
    return b64encode(bytes(a ^ b for a, b in zip(text, otp, strict=True))).decode().rstrip("=")
