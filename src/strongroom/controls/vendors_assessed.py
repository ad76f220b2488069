"""T91: vendors who hold or reach something are known, owned and assessed.

Population  Every active vendor, and every other that an active workload or person is of.
Holds when  It is in the register, with a tier and an owner who is an active person; its auditor's
            report is of the last 12 months and of the kind that counts; it was assessed, and the
            next assessment is not overdue; and its contract has not ended.
Not judged  A row that is not as it was written.
Trust       Nobody here reads the report: what is judged is what was written of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.compliance import VendorFact
from strongroom.sdk.facts.period import Period

FRESH = timedelta(days=366)
COUNTING = ("soc2-type1", "soc2-type2")


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each vendor."""
    for vendor in await evidence.compliance.vendors():
        subject = f"vendor {vendor.name}"
        proof = () if vendor.entry is None else (vendor.entry,)
        if vendor.problem:
            yield Item(subject, None, f"not as it was written: {vendor.problem}")
        elif not vendor.known:
            yield Item(subject, False, f"is in no register, and has {_has(vendor)}", proof)
        elif vendor.active:
            lack = _lack(vendor, period.end)
            yield Item(subject, not lack, lack or _words(vendor), proof)


def _words(vendor: VendorFact) -> str:
    report = f"{vendor.report} of {vendor.report_at:%Y-%m-%d}"
    return f"tier {vendor.tier}, {report}, {_has(vendor)}"


def _has(vendor: VendorFact) -> str:
    return f"{len(vendor.people)} people and {len(vendor.workloads)} workloads"


def _lack(vendor: VendorFact, at: datetime) -> str:
    """Say what a vendor lacks; nothing if nothing."""
    again, over = vendor.assess_again_at, vendor.contract_ends_at
    lacks = [
        (vendor.owner_problem, bool(vendor.owner_problem)),
        ("has no tier", not vendor.tier),
        ("was never assessed", vendor.assessed_at is None),
        (
            f"was to be assessed again by {again:%Y-%m-%d}" if again else "",
            bool(again and again < at),
        ),
        (f"its contract ended {over:%Y-%m-%d}" if over else "", bool(over and over < at)),
        ("has no SOC 2 report", vendor.report not in COUNTING),
    ]
    found = [words for words, holds in lacks if holds]
    if vendor.report in COUNTING and (vendor.report_at is None or at - vendor.report_at > FRESH):
        when = "no date" if vendor.report_at is None else f"{vendor.report_at:%Y-%m-%d}"
        found.append(f"its report is of {when}, over 12 months ago")
    return "; ".join(found)


CONTROL = ControlTest(
    id="T91",
    title="Vendors are assessed",
    kind=Kind.POP,
    population="Every active vendor, and every other that an active workload or person is of",
    procedure=(
        "Read the owner, the tier, the auditor's report, the assessments and the contract of each "
        "vendor in the register. Looked for workloads and people of vendors that are not in it."
    ),
    holds_when=(
        "Each is in the register, has a tier and an active owner, a SOC 2 report of the last 12 "
        "months, an assessment that is not overdue, and a contract that has not ended."
    ),
    limits=(
        "What the report says, and whether the assessment was any good, nobody can tell from "
        "here. A vendor that no row names is not found."
    ),
    parameters={"report_days": FRESH.days, "reports": list(COUNTING)},
    evaluate=evaluate,
)
