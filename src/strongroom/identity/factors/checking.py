"""Whether what somebody shows is a factor of theirs, judged in the request's transaction.

Units   A failure is forgotten after fifteen minutes; the fifth in a row locks for half an hour.
Order   All factors are read, what was shown is judged, and only then is the lock looked at, so that
        a locked entity costs what any other does. What changes (a step or recovery code that is
        spent, a counter, a failure) is written in the transaction of the request. Two requests
        that show one code both read the row: one commits, the other is served again and refused.
Trust   A refusal tells the caller nothing but that it is one; the reason goes to the entry. It is
        written all the same, by `FactorRefusedError.write`: a caller that could have its failures
        forgotten could try every code. Whoever has the first factor can lock the second, for
        half an hour at a time; the entry that begins it is an alert, as is that of a cloned key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from strongroom.base.errors import DeniedError
from strongroom.base.secret import Secret
from strongroom.crypto.errors import CodeError
from strongroom.crypto.recovery_codes import canonical, place_of
from strongroom.crypto.totp import Algorithm, Rules, check
from strongroom.identity.factors.authenticators import (
    AuthenticatorError,
    ClonedError,
    RelyingParty,
    asserted,
    named_factor,
)
from strongroom.identity.factors.records import (
    CEREMONIES,
    FACTOR_LOCKOUTS,
    FACTORS,
    MFA_PENDING,
    RECOVERY,
    TOTP,
    WEBAUTHN,
    Factor,
    FactorLockout,
)
from strongroom.storage.barrier import Barrier
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

FAILURES: Final = 5
FORGET: Final = timedelta(minutes=15)
LOCKED: Final = timedelta(minutes=30)
LONGEST_CODE: Final = 64
LABEL: Final = "recovery-code"
LOCKED_OUT: Final = "second factor locked out"
LOCKED_ALERT: Final = "second_factor_locked_out"
CLONED: Final = "authenticator_cloned"

Rows = tuple[tuple[Register[Any], Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What somebody shows: a code, or an authenticator's answer to a challenge of ours."""

    code: Secret | None = None
    answer: Secret | None = None
    challenge: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A factor that was shown. `row` is as it is now stored."""

    kind: str
    row: Factor
    user_verified: bool = False


class FactorRefusedError(DeniedError):
    """No factor was shown. `reason` is for the entry; `rows` are written although it is refused."""

    def __init__(
        self, reason: str, rows: Rows = (), details: dict[str, object] | None = None
    ) -> None:
        super().__init__("the second factor was not accepted")
        self.reason = reason
        self.rows = rows
        self.details = details or {}

    def write(self, tx: Transaction) -> None:
        """Write what stays: failures, what was spent, a factor that is disabled."""
        for register, row in self.rows:
            tx.put(register, row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trying:
    """What a try goes by: which factors count, how many failures lock, and who asks."""

    party: RelyingParty
    takes: Callable[[Factor], bool] = field(default=lambda _: True)
    most: int = FAILURES


async def verify(
    tx: Transaction, entity: str, presented: Presented, now: datetime, trying: Trying
) -> Shown:
    """Return which factor of an entity was shown, and spend what can be shown once.

    Raises FactorRefusedError: for none, and for one whose counter says that it was cloned, which
    is disabled then. The caller writes down what the error holds.
    """
    factors = [f for f in await factors_of(tx, entity) if not f.disabled and trying.takes(f)]
    lockout = await tx.get(FACTOR_LOCKOUTS, entity)
    refused: FactorRefusedError | None = None
    shown: Shown | None = None
    try:
        shown = _judged(tx.barrier, factors, presented, now, trying.party)
    except FactorRefusedError as error:
        refused = error
    if lockout is not None and lockout.locked_until is not None and now < lockout.locked_until:
        raise FactorRefusedError(LOCKED_OUT, ((FACTOR_LOCKOUTS, lockout),))
    if shown is None:
        raise _counted(entity, lockout, refused or FactorRefusedError("no factor"), now, trying)
    tx.put(FACTORS, shown.row)
    if lockout is not None:
        tx.delete(FACTOR_LOCKOUTS, entity)
    return shown


async def factors_of(tx: Transaction, entity: str) -> list[Factor]:
    """Return an entity's factors, disabled ones too, the oldest first."""
    return await tx.all(FACTORS, entity=entity, order="created_at")


async def forget_factors(tx: Transaction, entity: str) -> None:
    """Delete all that an entity has enrolled or begun: it is deleted, or merged into another."""
    for factor in await tx.all(FACTORS, entity=entity):
        tx.delete(FACTORS, factor.id)
    for begun in await tx.all(CEREMONIES, entity=entity):
        tx.delete(CEREMONIES, begun.id)
    for waiting in await tx.all(MFA_PENDING, entity=entity):
        tx.delete(MFA_PENDING, waiting.lookup)
    if await tx.get(FACTOR_LOCKOUTS, entity) is not None:
        tx.delete(FACTOR_LOCKOUTS, entity)


def recovery_digest(barrier: Barrier, entity: str, code: Secret) -> bytes:
    """Return what is kept of a recovery code. Raises CodeError for what no code is."""
    return barrier.digest(LABEL, entity.encode() + b"\0" + canonical(code).reveal())


def _judged(
    barrier: Barrier,
    factors: Sequence[Factor],
    presented: Presented,
    now: datetime,
    party: RelyingParty,
) -> Shown:
    if presented.answer is not None:
        return _by_key(factors, presented, now, party)
    if presented.code is None or len(presented.code.reveal()) > LONGEST_CODE:
        raise FactorRefusedError("no code was shown")
    found = _by_totp(factors, presented.code, now)
    found = found or _by_recovery(barrier, factors, presented.code, now)
    if found is None:
        raise FactorRefusedError("wrong code, or one that was used before")
    return found


def _by_totp(factors: Sequence[Factor], code: Secret, now: datetime) -> Shown | None:
    """Compare with every key; the first that fits is spent."""
    typed, found = Secret(code.reveal().replace(b" ", b"")), None
    for factor in factors:
        if factor.kind != TOTP or factor.secret is None:
            continue
        rules = Rules(
            period=factor.period,
            digits=factor.digits,
            algorithm=Algorithm(factor.algorithm),
            skew=factor.skew,
        )
        try:
            step = check(
                typed,
                Secret(factor.secret),
                rules,
                seconds=now.timestamp(),
                spent=factor.spent,
            )
        except CodeError:
            continue
        found = found or Shown(kind=TOTP, row=replace(factor, spent=step, used_at=now))
    return found


def _by_recovery(
    barrier: Barrier, factors: Sequence[Factor], code: Secret, now: datetime
) -> Shown | None:
    found = None
    for factor in factors:
        if factor.kind != RECOVERY:
            continue
        try:
            digest = recovery_digest(barrier, factor.entity, code)
            at = place_of(digest, [bytes.fromhex(each) for each in factor.codes])
        except CodeError:
            continue
        left = factor.codes[:at] + factor.codes[at + 1 :]
        found = found or Shown(kind=RECOVERY, row=replace(factor, codes=left, used_at=now))
    return found


def _by_key(
    factors: Sequence[Factor], presented: Presented, now: datetime, party: RelyingParty
) -> Shown:
    keys = [factor for factor in factors if factor.kind == WEBAUTHN]
    answer = presented.answer.reveal() if presented.answer is not None else b""
    if presented.challenge is None:
        raise FactorRefusedError("no challenge stands")
    try:
        found = asserted(party, answer, presented.challenge, keys)
    except ClonedError as error:
        cloned = replace(named_factor(answer, keys), disabled=str(error))
        raise FactorRefusedError(
            str(error),
            ((FACTORS, cloned),),
            {"factor": cloned.id, "factor_disabled": True, "alert": CLONED},
        ) from None
    except AuthenticatorError as error:
        raise FactorRefusedError(str(error)) from None
    row = replace(found.factor, signs=found.signs, backed_up=found.backed_up, used_at=now)
    return Shown(kind=WEBAUTHN, row=row, user_verified=True)


def _counted(
    entity: str,
    lockout: FactorLockout | None,
    refused: FactorRefusedError,
    now: datetime,
    trying: Trying,
) -> FactorRefusedError:
    """Return the refusal with one more failure to write."""
    recent = lockout is not None and now - lockout.last_at < FORGET
    failures = (lockout.failures if lockout is not None and recent else 0) + 1
    locked = now + LOCKED if failures >= trying.most else None
    row = FactorLockout(entity, failures, now, locked)
    details = {**refused.details, "factor_failures": failures}
    if locked is not None:
        details = {"alert": LOCKED_ALERT, **details}
    return FactorRefusedError(refused.reason, (*refused.rows, (FACTOR_LOCKOUTS, row)), details)
