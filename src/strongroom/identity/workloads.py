"""What a workload's row must say: whose it is, what for, and where."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from strongroom.base.errors import InputError
from strongroom.base.wording import check_says
from strongroom.identity.environments import Lost, read_environments
from strongroom.identity.people import active_person
from strongroom.identity.records import Workload
from strongroom.identity.standing import ACTIVE
from strongroom.storage.transaction import Transaction

DECOMMISSIONED: Final = "decommissioned"


def new_workload(entity: str, now: datetime, registration: str = "") -> Workload:
    """Return a workload of which nothing is known yet."""
    return Workload(
        entity=entity,
        owner="",
        justification="",
        environment="",
        vendor="",
        state=ACTIVE,
        ends_at=None,
        registration=registration,
        created_at=now,
        updated_at=now,
        left_at=None,
    )


async def check_workload(tx: Transaction, workload: Workload, now: datetime) -> None:
    """Raise InputError for a row without a living owner, a reason, or an environment there is."""
    if not workload.owner:
        raise InputError("owner", "a workload has an owner: the entity of an active person")
    check_says("justification", workload.justification, "a workload has one")
    if workload.vendor:
        check_says("vendor", workload.vendor, "say whose product it is", least=1)
    if not workload.environment:
        raise InputError("environment", "a workload has one")
    if workload.vendor and workload.ends_at is None:
        raise InputError("ends_at", "a vendor's workload has an end date")
    if await active_person(tx, workload.owner, now) is None:
        raise InputError("owner", "not the entity of an active person")
    await check_environment(tx, workload.environment)


async def check_environment(tx: Transaction, name: str) -> None:
    """Raise InputError for the name of no environment, or of one that is lost."""
    found = (await read_environments(tx)).find(name)
    if found is None or isinstance(found, Lost):
        raise InputError("environment", "there is no such environment")
