"""T91, each case a vendor: `strongroom.controls.vendors_assessed`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.vendors_assessed import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.compliance import VendorFact
from tests.controls.histories import FakeCompliance, day, found, items

ACME = VendorFact(
    name="acme",
    tier="high",
    report="soc2-type2",
    report_at=day(-100),
    assessed_at=day(-90),
    assess_again_at=day(200),
    contract_ends_at=day(300),
    workloads=("e-2",),
    entry=7,
)


@pytest.mark.parametrize(
    ("vendors", "expected"),
    [
        pytest.param([ACME], Verdict.EFFECTIVE, id="assessed"),
        pytest.param([replace(ACME, tier="")], Verdict.EXCEPTIONS, id="no tier"),
        pytest.param(
            [replace(ACME, owner_problem="its owner is no active person")],
            Verdict.EXCEPTIONS,
            id="the owner left",
        ),
        pytest.param([replace(ACME, report="iso27001")], Verdict.EXCEPTIONS, id="another report"),
        pytest.param(
            [replace(ACME, report="none", report_at=None)], Verdict.EXCEPTIONS, id="no report"
        ),
        pytest.param([replace(ACME, report_at=day(-340))], Verdict.EXCEPTIONS, id="an old report"),
        pytest.param([replace(ACME, assessed_at=None)], Verdict.EXCEPTIONS, id="never assessed"),
        pytest.param([replace(ACME, assess_again_at=day(29))], Verdict.EXCEPTIONS, id="overdue"),
        pytest.param([replace(ACME, contract_ends_at=day(3))], Verdict.EXCEPTIONS, id="contract"),
        pytest.param(
            [VendorFact(name="nobody", known=False, people=("e-9",))],
            Verdict.EXCEPTIONS,
            id="in no register",
        ),
        pytest.param([replace(ACME, problem="changed")], Verdict.INCONCLUSIVE, id="tampered"),
        pytest.param([replace(ACME, active=False)], Verdict.NOT_EXERCISED, id="left"),
        pytest.param([], Verdict.NOT_EXERCISED, id="no vendor"),
    ],
)
async def test_verdict(vendors: list[VendorFact], expected: Verdict) -> None:
    assert await found(CONTROL, compliance=FakeCompliance(vendors)) is expected


async def test_everything_that_a_vendor_lacks_is_said() -> None:
    bad = replace(ACME, tier="", assessed_at=None, assess_again_at=None, report_at=day(-400))
    [item] = await items(CONTROL, compliance=FakeCompliance([bad]))

    assert item.proof == (7,)
    assert item.because == (
        "has no tier; was never assessed; its report is of 2025-05-27, over 12 months ago"
    )
