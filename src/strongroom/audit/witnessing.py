"""Asking witnesses for cosignatures on our checkpoints, and keeping what they answer.

Specs   C2SP tlog-witness (`add-checkpoint`), tlog-cosignature (type 0x04).
Order   checkpoint → each witness, with the proof since the size it last cosigned → cosignature
        verified → stored → `anchor.received` entry. A witness that does not answer is asked
        again at the next round; nothing waits for it.
Trust   A witness learns origin, size and root. What it cosigned, nobody can rewrite without the
        witness noticing; what came after the last cosignature, the operator still can.
"""

from __future__ import annotations

import asyncio
import http.client
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlsplit

from strongroom.audit.log import Log, Published
from strongroom.base.errors import UpstreamError
from strongroom.crypto.errors import CryptoError
from strongroom.crypto.note import Note, NoteSignature, VerifierKey

TIMEOUT_SECONDS = 10.0
LONGEST_ANSWER = 16 * 1024
SIZE_TYPE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Witness:
    """One witness: its key, got out of band, and where it listens."""

    key: VerifierKey
    url: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a witness answered."""

    status: int
    kind: str
    body: bytes


Post = Callable[[str, bytes], Reply]


def post(url: str, body: bytes) -> Reply:
    """POST a body; UpstreamError where no answer comes. Blocking."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", parts.path or "/", body, {"content-type": "text/plain"})
        answer = connection.getresponse()
        return Reply(
            answer.status, answer.getheader("content-type", ""), answer.read(LONGEST_ANSWER)
        )
    except (OSError, http.client.HTTPException) as error:
        raise UpstreamError(f"witness {parts.hostname}: {type(error).__name__}") from error
    finally:
        connection.close()


class Witnessing:
    """Carries the newest checkpoint to each witness. `received` writes the entry."""

    def __init__(
        self,
        log: Log,
        witnesses: Sequence[Witness],
        received: Callable[[dict[str, object]], Awaitable[None]],
        send: Post = post,
    ) -> None:
        self._log = log
        self._witnesses = tuple(witnesses)
        self._received = received
        self._send = send
        self._sizes: dict[str, int] = {}
        self._turn = asyncio.Lock()

    async def round(self, now: datetime) -> int:
        """Ask every witness that has not cosigned the newest checkpoint; returns how many did.

        One round at a time. Raises UpstreamError behind the last of them if any did not answer as
        a witness does.
        """
        async with self._turn:
            published = self._log.published
            return 0 if published is None else await self._round(published, now)

    async def _round(self, published: Published, now: datetime) -> int:
        done, problems = 0, []
        for witness in self._witnesses:
            if self._sizes.get(witness.key.name, 0) < published.size:
                try:
                    done += await self._ask(witness, published, now)
                except UpstreamError as problem:
                    problems.append(str(problem))
        if problems:
            raise UpstreamError("; ".join(problems))
        return done

    async def _ask(self, witness: Witness, published: Published, now: datetime) -> bool:
        name = witness.key.name
        for _ in range(2):  # the second time with the size that the witness says it has
            old = self._sizes.get(name, 0)
            body = await self._submission(old, published)
            url = witness.url.rstrip("/") + "/add-checkpoint"
            answer = await asyncio.to_thread(self._send, url, body)
            if answer.status == 409 and answer.kind.startswith(SIZE_TYPE):
                self._sizes[name] = _size(answer.body, published.size)
                continue
            if answer.status != 200:
                raise UpstreamError(f"witness {name} answered {answer.status}")
            await self._keep(witness, published, answer.body, now)
            self._sizes[name] = published.size
            return True
        return False

    async def _submission(self, old: int, published: Published) -> bytes:
        hashes = (
            await self._log.consistency(old, published.size) if 0 < old < published.size else []
        )
        lines = [f"old {old}", *(b64encode(h).decode() for h in hashes), "", ""]
        return "\n".join(lines).encode() + published.note

    async def _keep(
        self, witness: Witness, published: Published, body: bytes, now: datetime
    ) -> None:
        """Verify a cosignature, store it, and write down that it came."""
        try:
            line = NoteSignature.parse(body.decode().rstrip("\n"))
            text = Note.parse(published.note).text
            if not witness.key.made(line) or witness.key.verify(text, line.signature) is None:
                raise UpstreamError(f"witness {witness.key.name} signed with another key")
        except (CryptoError, UnicodeDecodeError):
            raise UpstreamError(f"witness {witness.key.name}: not a cosignature") from None
        await self._log.cosigned(published, witness.key.name, line, now)
        await self._received(
            {
                "witness": witness.key.name,
                "size": published.size,
                "cosignature_sha256": sha256(body).hexdigest(),
            }
        )


def _size(body: bytes, most: int) -> int:
    text = body.strip()
    if not text.isdigit() or int(text) > most:
        raise UpstreamError("the witness has seen a larger log than ours: a split view")
    return int(text)
