"""`sys/tools`: random bytes and digests, for callers that have no good ones.

Vault   Formats are `hex` and `base64`; the source may stand in the path. There is one source of
        randomness here, whichever is named.
Trust   Random bytes leave once and are kept nowhere; the input of a digest is not written down.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from strongroom.base.errors import InputError
from strongroom.base.secret import Secret
from strongroom.core.request import SystemCall
from strongroom.sdk.engine import Endpoint, Help, Reply, Route

MOST_BYTES: Final = 131_072
SOURCES: Final = ("platform", "seal", "all")
ALGORITHMS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "sha2-224": hashlib.sha224,
    "sha2-256": hashlib.sha256,
    "sha2-384": hashlib.sha384,
    "sha2-512": hashlib.sha512,
    "sha3-224": hashlib.sha3_224,
    "sha3-256": hashlib.sha3_256,
    "sha3-384": hashlib.sha3_384,
    "sha3-512": hashlib.sha3_512,
}


@dataclass(frozen=True, kw_only=True)
class Random:
    """How many, and how written."""

    bytes: Annotated[int, Help("How many bytes.")] = 32
    format: Annotated[str, Help("`base64` or `hex`.")] = "base64"
    source: Annotated[str, Help("`platform`, `seal` or `all`: one and the same.")] = "platform"
    urlbytes: Annotated[str, Help("How many bytes.")] = ""


@dataclass(frozen=True, kw_only=True)
class Hash:
    """What to digest, and how."""

    input: Annotated[Secret | None, Help("The bytes, in base64.")] = None
    algorithm: Annotated[str, Help("`sha2-256`, `sha3-512`, …")] = "sha2-256"
    format: Annotated[str, Help("`hex` or `base64`.")] = "hex"
    urlalgorithm: Annotated[str, Help("The algorithm.")] = ""


class ToolRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        random = Endpoint(Random, self.random, "tools.random")
        digest = Endpoint(Hash, self.hash, "tools.hash")
        return (
            Route(path="tools/random", summary="Random bytes.", write=random),
            Route(path="tools/random/{urlbytes}", summary="Random bytes.", write=random),
            Route(path="tools/random/{source}/{urlbytes}", summary="Random bytes.", write=random),
            Route(path="tools/hash", summary="A digest.", write=digest),
            Route(path="tools/hash/{urlalgorithm}", summary="A digest.", write=digest),
        )

    async def random(self, call: SystemCall, given: Random) -> Reply:
        # OpenBao takes a source in the place of the number, too.
        text, source = given.urlbytes, given.source
        if text in SOURCES:
            text, source = "", text
        if source not in SOURCES:
            raise InputError(
                "",
                f'unsupported entropy source "{source}"; must be "platform" or "seal", or "all"',
            )
        if text and not (text.isascii() and text.lstrip("-").isdigit() and len(text) < 20):
            raise InputError("", "error parsing url-set byte count: not a number")
        count = int(text) if text else given.bytes
        if count < 1:
            raise InputError("", "'bytes' cannot be less than 1")
        if count > MOST_BYTES:
            raise InputError("", f"'bytes' should be less than {MOST_BYTES}")
        return Reply({"random_bytes": Secret(_written(call.entropy(count), given.format))})

    async def hash(self, _: SystemCall, given: Hash) -> Reply:
        name = given.urlalgorithm or given.algorithm
        if name not in ALGORITHMS:
            raise InputError("", f"unsupported algorithm {name}")
        try:
            data = b64decode(given.input.reveal() if given.input else b"", validate=True)
        except Base64Error:
            raise InputError("", "unable to decode input as base64") from None
        return Reply({"sum": _written(ALGORITHMS[name](data).digest(), given.format)})


def _written(raw: bytes, form: str) -> str:
    if form == "hex":
        return raw.hex()
    if form == "base64":
        return b64encode(raw).decode()
    raise InputError("", f'unsupported encoding format "{form}"; must be "hex" or "base64"')
