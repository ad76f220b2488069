"""What people leave behind as a way in, as requests see it: kept at a write, asked at a login.

Trust   The core keeps it, by what a method's routes say that they open (`sdk.engine.Opens`); a
        method cannot leave it out for one caller.
"""

from __future__ import annotations

from strongroom.core.attempt import Attempt
from strongroom.core.router import Bound, Operation
from strongroom.core.subjects import CHANGES
from strongroom.identity import entrances
from strongroom.identity.admission import NotAdmittedError
from strongroom.identity.entrances import ClosedError, Coming
from strongroom.identity.standing import Standing
from strongroom.sdk.auth import Proof
from strongroom.sdk.engine import Call

ALONE = "role-id"  # what was shown where nothing secret was


async def note(attempt: Attempt, call: Call, bound: Bound, given: object) -> None:
    """Keep who wrote a role, a user or a configuration, or read all that a login by it takes."""
    opens, (live, _) = bound.route.opens, attempt.serving
    if opens is None:
        return
    tx, mount, name = attempt.transaction, live.row.uuid, opens.name(given)
    if bound.operation is Operation.DELETE and opens.removed:
        entrances.dropped(tx, mount, name)
    elif bound.operation in CHANGES:
        if await entrances.written(tx, mount, name, call.makers, attempt.now):
            attempt.details = {**attempt.details, "taken_over": True}
    elif bound.operation is Operation.READ and opens.shown and await opens.shown(call, given):
        await entrances.seen(tx, mount, name, call.makers)


async def let_in_by(attempt: Attempt, proof: Proof, standing: Standing) -> tuple[str, ...]:
    """Return with whom else the token of a login ends.

    Raises NotAdmittedError where somebody made the way in who has left.
    """
    live, _ = attempt.serving
    coming = Coming(
        mount=live.row.uuid,
        entrance=proof.entrance or proof.role,
        set_by=proof.set_by,
        alone=proof.shown_by == ALONE,
    )
    try:
        return await entrances.let_in_by(attempt.transaction, coming, standing, attempt.now)
    except ClosedError as error:
        raise NotAdmittedError(str(error)) from None
