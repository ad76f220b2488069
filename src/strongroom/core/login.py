"""From a proof to a token: entity, lock-out, and the fields that all auth methods share.

Vault   An alias is (mount, name); the first login makes its entity. Five failed logins in
        fifteen minutes lock the subject out (Vault's user lock-out).
Differs Where the mount does not say otherwise the lock lasts half an hour, as PCI DSS 8.3.4 asks,
        and not fifteen minutes. A login that is locked out is judged, and then refused like a wrong
        password; OpenBao refuses it at once, in other words and with another status.
Trust   A refused login says the same whatever the reason, at the same cost, a commit included.
        One that is locked out is no exception; its entry says so. It does not say that a name
        is known, nor that its password was right. People type passwords where names belong: of
        a path under `auth/…/login/` the log has the name of somebody who could log in, and a
        keyed digest of any other, whatever is wrong with the request.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote

from strongroom.audit.entry import Actor
from strongroom.base.errors import DeniedError, InputError, StrongroomError
from strongroom.base.ids import uuid_of as uuid_of  # noqa: PLC0414 - others take it from here
from strongroom.core.attempt import Attempt
from strongroom.core.entrances import let_in_by
from strongroom.core.hands import hands_of
from strongroom.core.proven import proven
from strongroom.core.records import Mount
from strongroom.core.second_factor import (
    FirstFactor,
    SecondFactors,
    Signing,
    actor_waiting,
    batch_details,
    is_workload,
    issued,
    limit_details,
    session_limits,
)
from strongroom.core.views import Live, Views
from strongroom.identity.admission import NotAdmittedError, admit
from strongroom.identity.entities import Known, entity_of
from strongroom.identity.groups import Graph, Named
from strongroom.identity.lifetimes import Life, Limits, at_issue
from strongroom.identity.records import ALIASES, LOCKOUTS, NONE, Entity, Lockout
from strongroom.identity.tokens import Tokens, Wanted, kept
from strongroom.sdk.auth import Proof, TokenRules
from strongroom.sdk.engine import Call, Mounted, Reply
from strongroom.storage.barrier import Barrier
from strongroom.storage.transaction import Transaction

FAILURES = 5
FORGET = timedelta(minutes=15)
LOCKED = timedelta(minutes=30)
ALERT = "login_locked_out"
_TOKEN = re.compile(r"\b(?:hv[sbr]|[sbr])\.[0-9A-Za-z_-]{16,}")
_TYPED_NAME = re.compile(r"((?:.*/)?auth/.*?/login/+)(.+)", re.DOTALL)


class Logins:
    """Serves every auth method's way in."""

    def __init__(
        self,
        tokens: Tokens,
        entropy: Callable[[int], bytes],
        graph: Callable[[Transaction], Awaitable[Graph]],
        second: SecondFactors,
    ) -> None:
        self._second = second
        self._tokens = tokens
        self._entropy = entropy
        self._graph = graph

    async def login(self, attempt: Attempt, call: Call, given: Any) -> tuple[Reply, Actor]:
        """Prove, find or make the entity, make the token; say who it was.

        A refusal goes out as 400, as Vault's does. One that is locked out is proven as well,
        so that it takes as long as any other; what that wrote is undone.
        """
        tx, (live, match) = attempt.transaction, attempt.serving
        login = match.bound.login
        if login is None:
            raise LookupError("not a way in")
        subject = login.subject(given)
        try:
            proof = await login.prove(call, given)
        except DeniedError as error:
            if str(error) not in {login.refused, str(DeniedError())}:
                attempt.details = {**attempt.details, "because": str(error)}
            raise InputError("", login.refused) from None
        failed = await _lockout(tx, live, subject)
        if failed is not None:
            if locks(live.row) and _locked(failed, call.now):
                raise InputError("", login.refused)
            tx.delete(LOCKOUTS, failed.mount, failed.subject)
        known = Known(live.row.accessor, proof.alias, proof.alias_metadata)
        entity = await entity_of(tx, known, call.now, self._entropy)
        try:
            said = Named(live.row.accessor, proof.groups)
            admitted = await admit(tx, await self._graph(tx), entity, call.now, said)
            others = await let_in_by(attempt, proof, admitted.standing)
        except NotAdmittedError as refused:
            attempt.reason = str(refused)
            raise InputError("", login.refused) from None
        standing = admitted.standing
        attempt.details = {**attempt.details, **admitted.details}
        wanted = self.wanted(attempt, proof, entity, call.warnings)
        helped_by = await self._helped_by(tx, known, proof, entity)
        wanted = replace(wanted, helped_by=helped_by, let_in_by=others or None)
        by = partial(proven, tx.barrier, live, call, (proof.role, proof.alias), proof.rules)
        first = FirstFactor(proof=proof, standing=standing, wanted=wanted, proven=by)
        try:
            verdict = await self._second.judge(attempt, first)
        except NotAdmittedError as refused:
            attempt.reason = str(refused)
            raise InputError("", login.refused) from None
        if verdict.waiting is not None:
            return verdict.waiting, actor_waiting(standing, attempt.incoming.path)
        attempt.details = {**attempt.details, **batch_details(verdict.wanted)}
        signing = None
        if not is_workload(standing, proof.workload):
            address = attempt.incoming.address
            id_ = uuid_of(self._entropy(16))
            signing = Signing(
                id=id_,
                factors=verdict.factors,
                address=address,
                provided=proof.factors,
                enrolled_at=verdict.enrolled_at,
                enrolled_by=verdict.enrolled_by,
                limits=await session_limits(tx, standing),
                hands=hands_of(live.row),
            )
            attempt.details = {**attempt.details, **limit_details(signing)}
        return issued(self._tokens, tx, verdict.wanted, standing, now=call.now, signing=signing)

    async def _helped_by(
        self, tx: Transaction, known: Known, proof: Proof, entity: Entity
    ) -> tuple[str, ...]:
        """Return who else could have logged in so: who set the proof, or wrote the alias."""
        aliases = await tx.all(ALIASES, mount_accessor=known.mount_accessor, name=known.name)
        wrote = (each for alias in aliases for each in alias.made_by or ())
        return tuple(e for e in dict.fromkeys((*proof.set_by, *wrote)) if e != entity.id)

    def wanted(self, attempt: Attempt, proof: Proof, entity: Entity, warnings: list[str]) -> Wanted:
        """Return the token that rules and mount add up to."""
        rules, incoming, (live, _) = proof.rules, attempt.incoming, attempt.serving
        life = life_of(rules)
        batch = kind_of(rules, live) == "batch"
        if batch and rules.token_num_uses:
            raise InputError("", 'batch tokens cannot have "num_uses" set')
        policies = kept(
            rules.token_policies
            if rules.token_no_default_policy
            else (*rules.token_policies, "default")
        )
        cidrs = (incoming.address,) if rules.token_strictly_bind_ip else rules.token_bound_cidrs
        return Wanted(
            path=incoming.path,
            display="-".join(filter(None, (live.mounted.path.rstrip("/"), proof.display))),
            policies=policies,
            ttl=at_issue(life, limits_of(live.mounted), warnings),
            max_ttl=life.max_ttl,
            explicit_max_ttl=NONE if batch else life.explicit_max_ttl,
            period=NONE if batch else life.period,
            uses=rules.token_num_uses,
            cidrs=cidrs,
            entity=entity.id,
            metadata=dict(proof.metadata),
            role=proof.role,
            alias=proof.alias,
            environment=live.row.options.get("environment", ""),
            mount=live.row.uuid,
            kind="batch" if batch else "service",
        )

    # -- lock-out

    async def failed(self, attempt: Attempt, call: Call) -> None:
        """Count a failed login; written with its entry though the login is refused.

        Of one that is locked out the row is written as it was: without a commit of its own it
        would be answered sooner than others, and without a receipt once it is noise.
        """
        tx, incoming, (live, match) = attempt.transaction, attempt.incoming, attempt.serving
        login = match.bound.login
        if login is None:
            return
        try:
            given = match.bound.decode(match.fields, incoming.query, incoming.body).given
        except StrongroomError:
            return  # nobody was named
        attempt.clear_path = login.knows is not None and await login.knows(call, given)
        if not locks(live.row):
            return
        subject = login.subject(given)
        if not subject or len(subject) > 512:
            return
        key, now = tried(tx.barrier, subject), attempt.now
        row = await _lockout(tx, live, subject)
        if row is not None and _locked(row, now):
            attempt.reason = "locked out"
            tx.put(LOCKOUTS, row)
            return
        most, forget, lock = lockout_rules(live.row)
        recent = row is not None and now - row.last_at < forget
        failures = (row.failures if row is not None and recent else 0) + 1
        locked = now + lock if failures >= most else None
        tx.put(LOCKOUTS, Lockout(live.row.uuid, key, subject, failures, now, locked))
        attempt.details = {**attempt.details, "failures": failures}
        if locked is not None:
            attempt.details = {**attempt.details, "alert": ALERT}


def tried(barrier: Barrier, name: str) -> str:
    """Return the key under which failed logins of a name are counted."""
    return barrier.digest("lockout", name.encode("utf-8", "surrogatepass"))[:16].hex()


def shown_path(path: str, barrier: Barrier) -> str:
    """Return a path as the log may show it: without a token, or a name that was typed at a login.

    A path that could not be decoded is as it came. While sealed there is no key for a digest.
    """
    if "." in path:
        path = _TOKEN.sub(lambda found: _digested(found[0], barrier), path)
    if "login/" not in path and "%" not in path:
        return path
    found = _TYPED_NAME.match(unquote(path))
    return path if found is None else found[1] + _digested(found[2].lower(), barrier)


def _digested(text: str, barrier: Barrier) -> str:
    return f"hmac-sha256:{'sealed' if barrier.sealed else tried(barrier, text)}"


async def _lockout(tx: Transaction, live: Live, name: str) -> Lockout | None:
    if not name:
        return None  # nobody is counted where there is nothing to guess
    return await tx.get(LOCKOUTS, live.row.uuid, tried(tx.barrier, name))


def _locked(row: Lockout | None, now: datetime) -> bool:
    return row is not None and row.locked_until is not None and now < row.locked_until


def locks(mount: Mount) -> bool:
    """Say whether failed logins lock a name out there."""
    return not mount.config.get("user_lockout_disable")


def lockout_rules(mount: Mount) -> tuple[int, timedelta, timedelta]:
    """Return how many failures lock out, when one is forgotten, and for how long it locks."""
    tuned = mount.config

    def duration(name: str, otherwise: timedelta) -> timedelta:
        seconds = tuned.get(name)
        return timedelta(seconds=seconds) if isinstance(seconds, int) and seconds else otherwise

    most = tuned.get("user_lockout_threshold")
    return (
        most if isinstance(most, int) and most else FAILURES,
        duration("user_lockout_counter_reset_duration", FORGET),
        duration("user_lockout_duration", LOCKED),
    )


def kind_of(rules: TokenRules, live: Live) -> str:
    """Return which kind of token role and mount ask for."""
    tuned = str(live.row.config.get("token_type", "default-service"))
    if tuned in ("service", "batch"):
        return tuned
    asked = tuned if rules.token_type == "default" else rules.token_type  # noqa: S105 - a kind
    return asked.removeprefix("default-")


def life_of(rules: TokenRules) -> Life:
    """Return what a role's rules ask of a token's life."""
    return Life(
        ttl=rules.token_ttl,
        max_ttl=rules.token_max_ttl,
        explicit_max_ttl=rules.token_explicit_max_ttl,
        period=rules.token_period,
    )


async def token_limits(views: Views, tx: Transaction) -> Limits:
    """Return what the token method allows its own tokens."""
    return limits_of((await views.mounts(tx)).by_path["auth/token/"].mounted)


def limits_of(mounted: Mounted) -> Limits:
    """Return what a mount allows."""
    return Limits(default_ttl=mounted.default_ttl, max_ttl=mounted.max_ttl)
