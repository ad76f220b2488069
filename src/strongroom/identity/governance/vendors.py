"""Vendors: whose products and people work here, what speaks for trusting them, and until when.

A workload is a vendor's that says so (`vendor` is its name, or one of its other names; case does
not count). A person is a vendor's who works for one of its contracts.

Trust   The report is what somebody wrote of it: nobody here has read it. Who is whose is judged by
        what the rows say now, so whoever renames a workload's vendor takes it out of this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from unicodedata import normalize

from strongroom.base.errors import InputError
from strongroom.base.wording import check_says
from strongroom.identity.people import EMPLOYEE
from strongroom.identity.records import PEOPLE, WORKLOADS, Person, Workload
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

ACTIVE, LEFT = "active", "left"
TIERS: Final = ("critical", "high", "medium", "low")
NO_REPORT: Final = "none"
REPORTS: Final = (NO_REPORT, "soc2-type1", "soc2-type2", "iso27001", "other")
MOST_NAMES: Final = 32
LONGEST: Final = 256


@dataclass(frozen=True, slots=True)
class Vendor:
    """See the module. `owner` is the entity of the person who answers for it.

    `report` is the kind of their auditor's report, `report_at` its date, over the period from
    `report_from` to `report_until`. `assessed_at` is when somebody here judged it last.
    """

    name: str
    owner: str
    tier: str
    holds: str  # what they hold or reach, in words
    names: tuple[str, ...]
    contracts: tuple[str, ...]
    contract_ends_at: datetime | None
    report: str
    report_at: datetime | None
    report_from: datetime | None
    report_until: datetime | None
    reference: str
    assessed_at: datetime | None
    assess_again_at: datetime | None
    state: str
    left_at: datetime | None
    left_by: str
    why: str
    created_at: datetime
    updated_at: datetime
    entry: int | None = None


VENDORS = Register("vendor", Vendor, key=("name",), guarded=True)


def new_vendor(name: str, now: datetime) -> Vendor:
    """Return a vendor of which nothing is known yet."""
    return Vendor(
        name=name,
        owner="",
        tier="",
        holds="",
        names=(),
        contracts=(),
        contract_ends_at=None,
        report=NO_REPORT,
        report_at=None,
        report_from=None,
        report_until=None,
        reference="",
        assessed_at=None,
        assess_again_at=None,
        state=ACTIVE,
        left_at=None,
        left_by="",
        why="",
        created_at=now,
        updated_at=now,
    )


def check_vendor(vendor: Vendor, now: datetime) -> None:
    """Raise InputError for a row that lacks something, or says what cannot be."""
    if vendor.tier not in TIERS:
        raise InputError("tier", f"one of {', '.join(TIERS)}")
    check_says("holds", vendor.holds, "say what they hold or reach")
    for field in ("names", "contracts"):
        said: tuple[str, ...] = getattr(vendor, field)
        if len(said) > MOST_NAMES or any(len(each) > LONGEST for each in said):
            raise InputError(field, f"at most {MOST_NAMES}, of {LONGEST} characters each")
        for each in said:
            check_says(field, each, "one of them says nothing", least=1)
    if (vendor.report == NO_REPORT) != (vendor.report_at is None):
        raise InputError("report_at", "a report has a date, and no report has none")
    begun, ended = vendor.report_from, vendor.report_until
    if begun is not None and ended is not None and ended <= begun:
        raise InputError("report_until", "ends before it begins")
    for field, at in (("report_at", vendor.report_at), ("assessed_at", vendor.assessed_at)):
        if at is not None and at > now:
            raise InputError(field, "has not come yet")
    if vendor.assess_again_at is not None and vendor.assessed_at is None:
        raise InputError("assessed_at", "say when they were assessed before when next")


def folded(name: str) -> str:
    """Return a name as names are compared."""
    return normalize("NFKC", name).casefold().strip()


def known_by(vendor: Vendor) -> set[str]:
    """Return the names that a vendor goes by, folded."""
    return {folded(each) for each in (vendor.name, *vendor.names)}


def is_of(row: Person | Workload, vendor: Vendor) -> bool:
    """Say whether a person or workload is a vendor's."""
    if isinstance(row, Workload):
        return bool(row.vendor) and folded(row.vendor) in known_by(vendor)
    return row.worker != EMPLOYEE and folded(row.contract) in map(folded, vendor.contracts)


async def of_vendor(tx: Transaction, vendor: Vendor) -> list[Person | Workload]:
    """Return the people and workloads of a vendor, those too who have left; people first."""
    rows: list[Person | Workload] = [
        *(await tx.all(PEOPLE, order="entity")),
        *(await tx.all(WORKLOADS, order="entity")),
    ]
    return [row for row in rows if is_of(row, vendor)]


async def vendor_named(tx: Transaction, name: str) -> Vendor | None:
    """Return the vendor that goes by a name."""
    rows, _ = await tx.examine(VENDORS, order="name")
    return next((row for row in rows if folded(name) in known_by(row)), None)
