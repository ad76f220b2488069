"""A log and its witnesses: what is asked, what is kept, and what is published of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from strongroom.audit.log import Log
from strongroom.audit.witness_state import Head, Submission, answer
from strongroom.audit.witnessing import Reply, Witness, Witnessing
from strongroom.base.errors import UpstreamError
from strongroom.base.secret import Secret
from strongroom.crypto.checkpoint import open_checkpoint
from strongroom.crypto.note import SignatureType, SigningKey, VerifierKey
from tests.audit.keeping import NOW, Kept
from tests.audit.published import LOG

NAMES = ("w1.example", "w2.example")
KEYS = {name: SigningKey(name, Secret(name.encode().ljust(32))) for name in NAMES}
VKEYS = {name: key.verifier(SignatureType.COSIGNATURE) for name, key in KEYS.items()}


@dataclass
class Answering:
    """Witnesses that answer as ours do, but those that are `away`."""

    away: set[str] = field(default_factory=set)
    heads: dict[str, Head] = field(default_factory=dict)
    received: list[dict[str, object]] = field(default_factory=list)
    now: int = 1_790_000_000

    def post(self, url: str, body: bytes) -> Reply:
        name = url.removeprefix("https://").removesuffix("/add-checkpoint")
        if name in self.away:
            raise UpstreamError(f"witness {name}: away")
        logs = {LOG.name: [LOG.verifier()]}
        submission = Submission.parse(body)
        given = answer(submission, self.heads.get(name), logs=logs, key=KEYS[name], now=self.now)
        if given.head is not None:
            self.heads[name] = given.head
        return Reply(given.status, given.content_type, given.body)

    async def note(self, details: dict[str, object]) -> None:
        self.received.append(details)

    def of(self, log: Log) -> Witnessing:
        witnesses = [Witness(VKEYS[name], f"https://{name}") for name in NAMES]
        return Witnessing(log, witnesses, self.note, self.post)


def signers(note: bytes | None) -> tuple[int, list[str]]:
    """Return the size that a note is of, and who signed it."""
    assert note is not None
    opened = open_checkpoint(note, [LOG.verifier()], [*VKEYS.values()])
    return opened.checkpoint.size, sorted(one.key.name for one in opened.signed_by)


@pytest.fixture
def answering() -> Answering:
    return Answering()


async def test_cosignatures_stand_on_the_newest_checkpoint_itself(
    kept: Kept, answering: Answering
) -> None:
    await kept.add(3)
    await kept.log.publish(NOW)

    done = await answering.of(kept.log).round(NOW)

    assert done == 2
    assert signers(kept.log.checkpoint) == (3, [LOG.name, *NAMES])
    assert kept.log.checkpoint == kept.log.witnessed
    assert [(each["witness"], each["size"]) for each in answering.received] == [
        (name, 3) for name in NAMES
    ]


async def test_what_is_newer_is_published_beside_what_was_cosigned(
    kept: Kept, answering: Answering
) -> None:
    await kept.add(3)
    await kept.log.publish(NOW)
    await answering.of(kept.log).round(NOW)

    await kept.add(1)
    await kept.log.publish(NOW)

    assert signers(kept.log.checkpoint) == (4, [LOG.name])
    assert signers(kept.log.witnessed) == (3, [LOG.name, *NAMES])


async def test_a_log_that_grew_is_cosigned_with_the_proof_that_it_did(
    kept: Kept, answering: Answering
) -> None:
    witnessing = answering.of(kept.log)
    for count in (3, 300):
        await kept.add(count)
        await kept.log.publish(NOW)
        await witnessing.round(NOW)

    assert signers(kept.log.checkpoint) == (303, [LOG.name, *NAMES])


async def test_a_server_that_starts_again_learns_what_its_witnesses_have(
    kept: Kept, answering: Answering
) -> None:
    await kept.add(3)
    await kept.log.publish(NOW)
    await answering.of(kept.log).round(NOW)
    log = await kept.reopen()
    before = signers(log.checkpoint)

    await kept.add(2)
    await log.publish(NOW)
    await answering.of(log).round(NOW)

    assert before == (3, [LOG.name, *NAMES])
    assert signers(log.checkpoint) == (5, [LOG.name, *NAMES])


async def test_a_witness_that_cosigns_the_same_size_again_replaces_nothing(
    kept: Kept, answering: Answering
) -> None:
    """So it does after a stop between the cosignature and the entry that says that it came."""
    await kept.add(3)
    await kept.log.publish(NOW)
    await answering.of(kept.log).round(NOW)
    stored = await kept.database.rows("SELECT * FROM cosignature ORDER BY witness", ())

    answering.now += 60
    done = await answering.of(kept.log).round(NOW)

    assert done == 2
    assert await kept.database.rows("SELECT * FROM cosignature ORDER BY witness", ()) == stored


async def test_a_proof_carries_the_cosignatures_of_its_checkpoint(
    kept: Kept, answering: Answering
) -> None:
    await kept.add(3)
    await kept.log.publish(NOW)
    await answering.of(kept.log).round(NOW)

    proof = await kept.log.inclusion(1)

    assert signers(proof.checkpoint) == (3, [LOG.name, *NAMES])


async def test_a_witness_that_is_away_keeps_no_other_from_being_asked(
    kept: Kept, answering: Answering
) -> None:
    answering.away = {NAMES[0]}
    await kept.add(3)
    await kept.log.publish(NOW)

    with pytest.raises(UpstreamError, match=r"w1\.example: away"):
        await answering.of(kept.log).round(NOW)

    assert signers(kept.log.checkpoint) == (3, [LOG.name, NAMES[1]])


async def test_a_signature_by_another_key_is_not_kept(kept: Kept, answering: Answering) -> None:
    stranger = SigningKey(NAMES[0], Secret(bytes(32))).verifier(SignatureType.COSIGNATURE)
    await kept.add(3)
    await kept.log.publish(NOW)
    witnessing = _asking(kept.log, stranger, answering)

    with pytest.raises(UpstreamError, match="another key"):
        await witnessing.round(NOW)

    assert kept.log.witnessed is None
    assert answering.received == []


def _asking(log: Log, key: VerifierKey, answering: Answering) -> Witnessing:
    return Witnessing(log, [Witness(key, f"https://{NAMES[0]}")], answering.note, answering.post)
