"""T10: workloads come in by what is short-lived, and hold nothing that lasts.

Population  Each way by which a workload logged in in the period, each secret id that would be
            accepted now, and each live token of a workload, or that one made,
            batch tokens too.
Holds when  The way is a signed token, a certificate, a service account, a cloud's signature, or an
            AppRole's secret id; the secret id has an end; the token lives hours at most.
Not judged  A login whose entry was cut; a batch token whose making does not say how long it lives.
Trust       A secret id is judged by the keys of its rows. Each static credential is
            an exception.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from strongroom.sdk.batch_tokens import MAKING, BatchToken, batch_token_of
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.access import Bearing, LiveToken
from strongroom.sdk.facts.period import Period
from strongroom.sdk.logins import CODES, SERVICE, WORKLOAD_PROOFS, Login, login_of

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LIMIT = timedelta(hours=24)
STATIC = ("password", "role-id")
OF_WORKLOADS = ("approle", "aws", "cert", "kubernetes")  # the methods, where mounts have their name


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each way of each workload, and for each credential that lasts."""
    machines = {each.entity: each.name for each in await evidence.identities.workloads()}
    ways: dict[tuple[str, str, str], list[Login]] = {}
    async for entry in evidence.log.entries(period.start, period.end, CODES):
        login = login_of(entry)
        if login is not None and (login.kind == SERVICE or login.who in machines):
            proof = login.proofs[0] if login.proofs else ""
            ways.setdefault((login.who, proof, _mount(login.path)), []).append(login)
    for (who, proof, mount), logins in ways.items():
        yield _of_way(machines.get(who) or who, proof, mount, logins)
    count, proofs = 0, list[int]()
    async for each in evidence.identities.secret_ids():
        at = () if each.entry is None else (each.entry,)
        if not each.ends:
            subject = f"secret id {each.digest[:12]} at {each.mount}"
            yield Item(subject, False, "has no end, and there is no exception for it", at)
            continue
        count += 1
        proofs += at
    if count:
        yield Item("secret ids", True, "each has an end", tuple(proofs[:3]), members=count)
    methods = {way.path: way.method for way in await evidence.identities.ways_in()}
    async for token in evidence.tokens.live():
        if not machines.keys().isdisjoint((token.entity, *token.makers)) or _of_workload(
            token.path, methods
        ):
            yield _of_token(token)
    async for item in _of_batch_tokens(period, evidence, machines, methods):
        yield item


async def _of_batch_tokens(
    period: Period, evidence: Evidence, machines: dict[str, str], methods: dict[str, str]
) -> AsyncIterator[Item]:
    """Give an item for each batch token of a workload that lasts, and one for all others.

    They are those that were made in the period, or could be used at its end.
    """
    short: list[int] = []
    async for entry in evidence.log.entries(BEGINNING, None, MAKING):
        batch = batch_token_of(entry)
        if batch is None or not (
            not machines.keys().isdisjoint((batch.entity, batch.made_by, *batch.makers))
            or _of_workload(batch.path, methods)
        ):
            continue
        over = batch.ends_at is not None and batch.ends_at <= period.end
        if over and batch.made_at < period.start:
            continue
        if batch.ttl is not None and batch.ttl <= LIMIT:
            short.append(batch.entry)
        elif (item := _of_batch_token(batch, await evidence.tokens.bearing(batch))) is not None:
            yield item
    if short:
        because = "each ends within the limit"
        yield Item("batch tokens", True, because, tuple(short[:3]), members=len(short))


def _of_batch_token(batch: BatchToken, bearing: Bearing) -> Item | None:
    """Judge one that was made for long; one that has ended is none that a workload holds."""
    if bearing.stands is False:
        return None
    if batch.ttl is None or bearing.stands is None:
        because = bearing.because or f"its making does not say how long it lives ({batch.path})"
        return Item(batch.subject, None, because, (batch.entry,))
    hours = int(batch.ttl.total_seconds() // 3600)
    return Item(batch.subject, False, f"lives {hours} hours ({batch.path})", (batch.entry,))


def _mount(path: str) -> str:
    return path.partition("/login")[0]


def _of_workload(made_at: str, methods: dict[str, str]) -> bool:
    for path, method in methods.items():
        if made_at.startswith(path):
            return method in OF_WORKLOADS
    return made_at.startswith(tuple(f"auth/{method}/" for method in OF_WORKLOADS))


def _of_way(name: str, proof: str, mount: str, logins: list[Login]) -> Item:
    subject = f"{name} at {mount}"
    at, count = (logins[-1].entry.index,), len(logins)
    if proof in STATIC:
        because = f"logs in by a {proof}, which does not change by itself"
        return Item(subject, False, because, at, members=count)
    if proof in WORKLOAD_PROOFS:
        return Item(subject, True, f"by {proof}", at, members=count)
    said = proof or "nothing that the entry names"
    return Item(subject, None, f"by {said}: unknown here", at, members=count)


def _of_token(token: LiveToken) -> Item:
    subject, proof = f"token {token.accessor}", () if token.entry is None else (token.entry,)
    if token.expires_at is None:
        return Item(subject, False, f"has no end ({token.path})", proof)
    life = token.period or token.expires_at - token.issued_at
    if life > LIMIT:
        hours = int(life.total_seconds() // 3600)
        return Item(subject, False, f"lives {hours} hours ({token.path})", proof)
    return Item(subject, True, f"ends {token.expires_at:%Y-%m-%d %H:%M}", proof)


CONTROL = ControlTest(
    id="T10",
    title="Workloads come in by what is short-lived",
    kind=Kind.POP,
    population=(
        "Each way by which a workload logged in in the period; every secret id and every live "
        "token of a workload, or that one made, as of the run"
    ),
    procedure=(
        "Grouped the logins of workloads by way and by what was shown. Looked for secret ids "
        "without an end, and compared the life of each live token of a workload with the limit, "
        "and that of each batch token that was made for one and has not ended, as its entry says."
    ),
    holds_when="No workload has a password, a secret id without an end, or a token of days.",
    limits=(
        "What is static is an exception. What a workload holds of other systems is not seen. A "
        "token that is renewed is judged by the end it has."
    ),
    parameters={"limit_hours": int(LIMIT.total_seconds() // 3600), "static": list(STATIC)},
    evaluate=evaluate,
)
