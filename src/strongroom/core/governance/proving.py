"""Proof that what a review revoked is gone: the holder is judged, then a request is refused.

    judged      what the holder's tokens, and their next log-in, may do on the paths of the line
    refused     as somebody with just what the holder still has, through the whole pipeline
    covered     they still may, by another line of the review that was kept; the proof names it
    allowed     they still may otherwise: it stays so, and is tried again

Order   judged → a throw-away identity → its requests → removal and the row, as one entry.
Trust   The identity is `control:T39:…`, bound as the holder is, and lives a minute. It asks only
        where the judgement said no, and for names that are made up where a pattern lets it; so
        that nothing is read, written or learned by a proof.
Limits  Of a pattern one path is tried. Policies with templates are judged, and not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from strongroom.base.errors import StrongroomError
from strongroom.base.ids import uuid_of
from strongroom.core.offboarding import call_at
from strongroom.core.request import Incoming
from strongroom.core.router import Operation as Served
from strongroom.core.server import Server
from strongroom.identity.governance.campaigns import (
    KEPT,
    LINE_DECISIONS,
    LINES,
    Line,
    LineDecision,
    state_of_line,
)
from strongroom.identity.governance.grants import PREFIX
from strongroom.identity.governance.records import GRANTS
from strongroom.identity.policy.capability import Capability, Operation
from strongroom.identity.policy.document import Policy
from strongroom.identity.records import ALIASES, ENTITIES, NONE, TOKENS, Entity, Token
from strongroom.identity.sessions import Session
from strongroom.identity.standing import living
from strongroom.identity.tokens import Wanted, kept
from strongroom.sdk.auth import Enumerable
from strongroom.sdk.reviews import (
    ALLOWED,
    COVERED,
    LOGIN,
    NOTHING,
    PROBED,
    REFUSED,
    REVOKE,
    TOKEN,
)
from strongroom.storage.barrier import TamperedError
from strongroom.storage.transaction import Transaction

if TYPE_CHECKING:
    from strongroom.core.attempt import Attempt

WHO: Final = "control:T39:"
LIFE: Final = timedelta(minutes=1)
MOST_ASKED: Final = 4  # requests of one proof
CHUNK: Final = 500
# In the order in which one of them is asked for: what changes nothing first.
_WAYS: Final = (
    (Capability.READ, Operation.READ, Served.READ, "GET"),
    (Capability.LIST, Operation.LIST, Served.LIST, "LIST"),
    (Capability.SCAN, Operation.SCAN, Served.SCAN, "SCAN"),
    (Capability.DELETE, Operation.DELETE, Served.DELETE, "DELETE"),
    (Capability.PATCH, Operation.PATCH, Served.PATCH, "PATCH"),
    (Capability.UPDATE, Operation.UPDATE, Served.WRITE, "POST"),
    (Capability.CREATE, Operation.CREATE, Served.WRITE, "POST"),
)


@dataclass(frozen=True, slots=True)
class Way:
    """A path of a rule's pattern, and how it is asked for."""

    pattern: str
    path: str
    operation: Operation
    served: Served
    method: str
    templated: bool = False


@dataclass(slots=True)
class Judged:
    """What became of a holder: which of the ways of a line they still have, and by what."""

    ways: list[Way] = field(default_factory=list)
    still: dict[Way, tuple[str, ...]] = field(default_factory=dict)  # with the rules that let them
    policies: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    gone: str = ""


def prove_soon(server: Server) -> None:
    """Prove what waits, behind an answer."""
    server.pipeline.behind(_quietly(server))


async def _quietly(server: Server) -> None:
    try:
        await see_to_proofs(server)
    except StrongroomError:  # the loop behind the requests tries again, and reports it
        return


async def see_to_proofs(server: Server) -> int:
    """Prove what was revoked and is not proven yet. Returns how many proofs were written."""
    if server.barrier.sealed:
        return 0
    tx = Transaction(server.database, server.barrier)
    waiting, _ = await tx.examine(LINE_DECISIONS, pending=True)
    done = 0
    for row in waiting:
        if row.verdict == REVOKE:
            line = await tx.find(LINES, row.campaign, row.line)
            if isinstance(line, Line):
                done += await prove(server, line, row)
    return done


async def prove(server: Server, line: Line, row: LineDecision) -> bool:
    """Prove one revocation. Returns whether anything new is known of it."""
    tx = Transaction(server.database, server.barrier)
    judged = await judge(server, tx, line)
    proof, text = await _said(tx, line, judged)
    index = -1
    if proof == REFUSED:
        index, status = await _refused(server, line, judged)
        if status != 403:
            proof, text = ALLOWED, f"a request was answered with status {status}"
    if proof == row.proof and text == row.proof_text:
        return False

    async def work(attempt: Attempt) -> bool:
        found = await attempt.transaction.get(LINE_DECISIONS, row.campaign, row.line, row.number)
        if found is None or not found.pending or (found.proof, found.proof_text) == (proof, text):
            return False
        settled = proof != ALLOWED
        new = replace(found, proof=proof, proof_text=text, proof_entry=index, entry=None)
        new = replace(new, proven_at=attempt.now if settled else None, pending=not settled)
        attempt.transaction.put(LINE_DECISIONS, new)
        attempt.details = {"campaign": line.campaign, "line": line.number, "holder": line.holder}
        attempt.details |= {"proof": proof, "proof_text": text, "probe": index}
        return True

    path = f"strongroom/reviews/{line.campaign}/lines/{line.number}"
    return await server.pipeline.act(PROBED, path, work) is not None


async def _said(tx: Transaction, line: Line, judged: Judged) -> tuple[str, str]:
    if judged.gone:
        return NOTHING, judged.gone
    if not judged.ways:
        return NOTHING, "it gave no right that could be tried"
    if not judged.still:
        return REFUSED, f"none of the {len(judged.ways)} paths judged is open to them any more"
    names = {rule.partition("#")[0] for rules in judged.still.values() for rule in rules}
    by = await _kept_lines(tx, line, names)
    way = next(iter(judged.still))
    left = f"{way.operation.value} on {way.pattern} is still let by {', '.join(sorted(names))}"
    if by and not (names - set(by)):
        numbers = sorted({number for found in by.values() for number in found})
        return COVERED, f"{left}; kept by line {', '.join(map(str, numbers))}"
    return ALLOWED, left


async def _kept_lines(
    tx: Transaction, line: Line, names: Iterable[str]
) -> dict[str, tuple[int, ...]]:
    """Return by policy the other lines of the holder that were kept, and give it."""
    last = {
        row.line: row
        for row in await tx.all(LINE_DECISIONS, campaign=line.campaign, order="line, number")
    }
    rows = await tx.all(LINES, campaign=line.campaign, holder=line.holder)
    kept_ones = [
        each
        for each in rows
        if each.number != line.number and state_of_line(last.get(each.number)) == KEPT
    ]
    found: dict[str, tuple[int, ...]] = {}
    for name in names:
        numbers = tuple(each.number for each in kept_ones if name in each.policies)
        if numbers:
            found[name] = numbers
    return found


# -- judging


async def judge(server: Server, tx: Transaction, line: Line) -> Judged:
    """Return what the holder of a line may still do of what it gave."""
    now = server.clock.now()
    judged = Judged(ways=await _ways(server, tx, line, now))
    sessions = await _sessions(server, tx, line, now)
    if line.kind == LOGIN:
        left = await _login_policies(server, tx, line, now)
        if left is None:
            judged.gone = "the login is no longer there"
            return judged
        adds = sorted({*left} & {*line.policies})
        if adds:
            for way in judged.ways or [
                Way(line.via, line.via, Operation.UPDATE, Served.WRITE, "POST")
            ]:
                judged.still[way] = tuple(f"{name}#" for name in adds)
            judged.ways = judged.ways or list(judged.still)
            return judged
    elif not sessions:
        judged.gone = "nobody can sign in as the holder any more, and no token is left"
        return judged
    guardrails = await server.views.guardrails(tx)
    for session in sessions:
        for way in judged.ways:
            decision = session.acl.grants(way.path, way.operation)
            if decision.allowed and guardrails.refusal(session.environments, way.path) is None:
                rules = judged.still.get(way, ())
                judged.still[way] = tuple(dict.fromkeys((*rules, *decision.rules)))
    judged.policies = kept(name for each in sessions for name in each.policies)
    judged.bound = tuple(sorted({name for each in sessions for name in each.environments}))
    return judged


async def _ways(server: Server, tx: Transaction, line: Line, now: datetime) -> list[Way]:
    """Return a path of each rule that the line gave, and how to ask for it."""
    found: dict[Way, None] = {}
    for name in line.policies:
        for path, held in await _rules(server, tx, name, now):
            if held & Capability.DENY:
                continue
            way = _way(path, held, server.entropy(6).hex())
            if way is not None:
                found[way] = None
    return list(found)


async def _rules(
    server: Server, tx: Transaction, name: str, now: datetime
) -> Sequence[tuple[str, Capability]]:
    if name == "root":
        return (("*", Capability.READ),)
    if name.startswith(PREFIX):
        row = await tx.get(GRANTS, name.removeprefix(PREFIX))
        if row is None:
            return ()
        held = [(path, Capability.READ) for path in row.paths]
        graph = await server.views.graph(tx)
        above = graph.above(row.groups) if row.groups else ()
        for each in sorted({name for group in above for name in group.policies}):
            held += await _rules(server, tx, each, now)
        return held
    try:
        policy: Policy | None = await server.views.policy(tx, name, now)
    except TamperedError:
        return ()
    return () if policy is None else tuple((r.path, r.capabilities) for r in policy.rules)


def _way(pattern: str, held: Capability, random: str) -> Way | None:
    """Return a way that a rule lets, with a made-up name wherever the pattern takes any."""
    for capability, operation, served, method in _WAYS:
        if held & capability:
            parts = [f"probe-{random}" if part == "+" else part for part in pattern.split("/")]
            path = "/".join(parts)
            if path.endswith("*"):
                path = f"{path.removesuffix('*')}probe-{random}"
            return Way(pattern, path, operation, served, method, templated="{{" in pattern)
    return None


async def _sessions(server: Server, tx: Transaction, line: Line, now: datetime) -> list[Session]:
    """Return what the holder's tokens may, and what the next log-in by each alias would."""
    entity = await living(tx, line.holder)
    tokens: list[Token] = []
    if entity is not None and not entity.disabled:
        tokens += (await tx.examine(TOKENS, entity=entity.id))[0]
        mounts = (await server.views.mounts(tx)).by_path.values()
        at = {live.row.accessor: live.row for live in mounts}
        for alias in (await tx.examine(ALIASES, entity=entity.id))[0]:
            row = at.get(alias.mount_accessor)
            if row is not None:
                tokens.append(_bare(entity, row.path, row.uuid, now))
        if not any(each.lookup == b"" for each in tokens):
            tokens.append(_bare(entity, "", "", now))
    elif line.kind == TOKEN:
        token = await server.tokens.by_accessor(tx, line.via)
        tokens += [token] if token is not None else []
    found = []
    for token in tokens:
        if token.expires_at is not None and token.expires_at <= now:
            continue
        try:
            session = await server.views.open(tx, token, now)
        except TamperedError:
            continue
        if session is not None and session.live(now):
            found.append(session)
    return found


async def _login_policies(
    server: Server, tx: Transaction, line: Line, now: datetime
) -> tuple[str, ...] | None:
    """Return what the login of a line adds now; None where there is no such login."""
    mounts = await server.views.mounts(tx)
    for path, live in mounts.by_path.items():
        method = live.plugin
        if not line.via.startswith(path) or not isinstance(method, Enumerable):
            continue
        name, call, after = line.via.removeprefix(path), call_at(server, tx, live, now), ""
        while True:
            chunk = await method.subjects(call, after, CHUNK)
            for subject in chunk:
                if subject.name == name:
                    return subject.rules.token_policies
            if len(chunk) < CHUNK:
                break
            after = chunk[-1].name
    return None


def _bare(entity: Entity, path: str, mount: str, now: datetime) -> Token:
    """Return the least that a log-in would give: no policies of its own."""
    return Token(
        lookup=b"",
        accessor="",
        parent=None,
        entity=entity.id,
        kind="service",
        path=f"{path}login",
        display=entity.name,
        policies=(),
        metadata={},
        issued_at=now,
        renewed_at=None,
        expires_at=None,
        ttl=NONE,
        max_ttl=NONE,
        explicit_max_ttl=NONE,
        period=NONE,
        renewable=False,
        uses=0,
        uses_left=0,
        cidrs=(),
        role="",
        alias="",
        environment="",
        mount=mount,
    )


# -- asking


async def _refused(server: Server, line: Line, judged: Judged) -> tuple[int, int]:
    """Ask as somebody with just what the holder has. Returns an entry, and its status.

    The last that was refused; or the first that was not.
    """
    ways = [way for way in judged.ways if not way.templated][:MOST_ASKED]
    if not ways:
        return -1, 403
    name = f"{WHO}{server.entropy(8).hex()}"
    made = await _make(server, name, line, judged)
    index, status = -1, 403
    try:
        for way in ways:
            body = b"{}" if way.served in (Served.WRITE, Served.PATCH) else None
            answer = await server.pipeline.handle(
                Incoming(
                    id=uuid_of(server.entropy(16)),
                    operation=way.served,
                    path=way.path,
                    method=way.method,
                    token=made,
                    body=body,
                    merge_patch=way.served is Served.PATCH,
                    address="127.0.0.1",
                )
            )
            index, status = answer.index, answer.status
            if status != 403:
                break
    finally:
        await _drop(server, name)
    return index, status


async def _make(server: Server, name: str, line: Line, judged: Judged) -> str:
    texts: list[str] = []
    metadata = {"synthetic": "true"}
    bound = judged.bound[0] if judged.bound else ""
    if bound:
        metadata["environment"] = bound

    async def work(attempt: Attempt) -> bool:
        tx, now = attempt.transaction, attempt.now
        entity = Entity(
            id=name,
            name=name,
            metadata=metadata,
            policies=(),
            disabled=False,
            created_at=now,
            updated_at=now,
        )
        tx.put(ENTITIES, entity)
        tx.changed(f"entity:{name}")
        wanted = Wanted(
            path="strongroom/reviews",
            display=name,
            policies=judged.policies,
            ttl=LIFE,
            explicit_max_ttl=LIFE,
            renewable=False,
            entity=name,
        )
        issued = server.tokens.issue(tx, wanted, now)
        texts[:] = [issued.text.text()]
        attempt.details = {"control": "T39", "synthetic": True, "made": True, "bound_to": bound}
        attempt.details |= {"campaign": line.campaign, "line": line.number}
        attempt.details["accessor"] = issued.token.accessor
        return True

    await server.pipeline.act("control.identity", "strongroom/evidence/identity/T39", work)
    return texts[0]


async def _drop(server: Server, name: str) -> None:
    async def work(attempt: Attempt) -> bool:
        tx = attempt.transaction
        for token in (await tx.examine(TOKENS, entity=name))[0]:
            await server.tokens.revoke(tx, token, attempt.now)
        tx.delete(ENTITIES, name)
        tx.changed(f"entity:{name}")
        attempt.details = {"control": "T39", "synthetic": True, "made": False}
        return True

    await server.pipeline.act("control.removal", "strongroom/evidence/removal/T39", work)
