"""Whose next factor somebody else has to allow, by the code that an approval gives.

    registered by an approval   → held: enrols with the code that the approval gave
    another removed a factor    → held: enrols with one that was there before, or with a code
    brought back by an approval → held: enrols with the code that the approval gave

A code comes with the approval of a registration, of a return, or of a request for new factors
(`core.system.registrations`), or from root. Whoever removed a factor approves none of these, and
whoever was given a code counts as one who could have enrolled by it (`Factor.helped_by`). Once
they have left, or who asked for it has, it is void: the next one comes with another person's
approval of a request for new factors.

Units   A code has 80 random bits, is good once, and for two weeks.
Trust   Guarded: who can write to the database can delete such a row, as they can a factor. Of a
        code a keyed digest is kept. A hold ends in the commit that stores the factor, so that a
        code is good once; a removal in between ends what was begun.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from strongroom.base.secret import Secret
from strongroom.crypto.errors import CodeError
from strongroom.crypto.recovery_codes import canonical, new_code
from strongroom.identity.factors.checking import FactorRefusedError
from strongroom.identity.factors.records import Factor
from strongroom.identity.records import PEOPLE, REGISTRATIONS
from strongroom.storage.barrier import Barrier
from strongroom.storage.register import Register, micros
from strongroom.storage.transaction import Transaction

LASTS: Final = timedelta(days=14)
LABEL: Final = "enrolment-code"
ASK: Final = (
    "to enrol a factor, show one that was there before somebody else removed yours, or a recovery "
    "code of then; or give `enrolment_code`, which an approval gives: let somebody ask for new "
    "factors for you at strongroom/registrations, kind `factors`"
)


@dataclass(frozen=True, slots=True)
class FactorHold:
    """A person who enrols only as the module says. `since` is when the first factor was removed.

    `changed_at` is when one was removed, or a code given, for the last time.
    `removed_by` are those who did, and who could have been them; `known_to` who was given the code
    that stands, of which `code` is the digest.
    """

    entity: str
    since: datetime
    removed_by: tuple[str, ...]
    code: str  # hex; empty: none stands
    code_until: datetime | None
    known_to: tuple[str, ...]
    changed_at: datetime
    entry: int | None = None

    @property
    def mark(self) -> str:
        """What an enrolment that began under it must find again: a later removal is another."""
        return f"{micros(self.changed_at)}:{self.code}"

    def outlived_by(self, factor: Factor) -> bool:
        """Say whether a factor was there before, and is none that who removed others could have."""
        theirs = set(self.removed_by).isdisjoint(factor.helped_by or ())
        return factor.created_at < self.since and theirs


FACTOR_HOLDS = Register("factor_hold", FactorHold, key=("entity",), guarded=True)


async def hold(tx: Transaction, entity: str, by: Iterable[str], now: datetime) -> bool:
    """Let a registered person enrol only as the module says; any code of before is void.

    Says whether it is so: who is not registered is not held.
    """
    if await tx.get(PEOPLE, entity) is None:
        return False
    old = await tx.get(FACTOR_HOLDS, entity)
    before = () if old is None else old.removed_by
    removed_by = tuple(dict.fromkeys((*before, *by)))
    since = now if old is None else old.since
    tx.put(FACTOR_HOLDS, FactorHold(entity, since, removed_by, "", None, (), now))
    tx.changed(f"entity:{entity}")
    return True


async def give_code(
    tx: Transaction,
    entity: str,
    known_to: Iterable[str],
    now: datetime,
    entropy: Callable[[int], bytes],
) -> Secret:
    """Return a new code for somebody who is held, or is from now on; the one of before is void."""
    old = await tx.get(FACTOR_HOLDS, entity) or FactorHold(entity, now, (), "", None, (), now)
    code = new_code(entropy)
    digest = _digest(tx.barrier, entity, code).hex()
    knowing = tuple(dict.fromkeys(known_to))
    new = replace(old, code=digest, code_until=now + LASTS, known_to=knowing, changed_at=now)
    tx.put(FACTOR_HOLDS, replace(new, entry=None))
    tx.changed(f"entity:{entity}")
    return code


async def void_codes(tx: Transaction, ids: Iterable[str], now: datetime) -> list[str]:
    """Make void each code that stands and that one of these was shown, or asked for.

    Returns whose they were. They enrol by one that another person's approval gives.
    """
    leaving, voided = set(ids), list[str]()
    held, _ = await tx.examine(FACTOR_HOLDS)
    for row in held:
        if not row.code or (
            leaving.isdisjoint(row.known_to) and not await _asked(tx, row, leaving)
        ):
            continue
        tx.put(FACTOR_HOLDS, replace(row, code="", code_until=None, known_to=(), changed_at=now))
        tx.changed(f"entity:{row.entity}")
        voided.append(row.entity)
    return voided


async def _asked(tx: Transaction, row: FactorHold, those: set[str]) -> bool:
    """Say whether one of these asked for what gave the code that stands."""
    requests = await tx.all(REGISTRATIONS, entity=row.entity)
    gave = [r for r in requests if r.decided_at is not None and r.decided_at == row.changed_at]
    return any(not those.isdisjoint((*each.requesters, each.decided_by)) for each in gave)


def check_code(barrier: Barrier, held: FactorHold, code: Secret, now: datetime) -> None:
    """Raise FactorRefusedError unless this is the code that stands."""
    try:
        given = _digest(barrier, held.entity, code)
    except CodeError:
        raise FactorRefusedError("no enrolment code is like that") from None
    right = hmac.compare_digest(given.hex().encode(), held.code.encode())
    if not held.code or not right:
        raise FactorRefusedError("another enrolment code, or none stands")
    if held.code_until is None or now >= held.code_until:
        raise FactorRefusedError("the enrolment code is over")


def _digest(barrier: Barrier, entity: str, code: Secret) -> bytes:
    return barrier.digest(LABEL, entity.encode() + b"\0" + canonical(code).reveal())
