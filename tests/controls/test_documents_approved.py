"""T90, each case a document: `strongroom.controls.documents_approved`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom.controls.documents_approved import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.compliance import DocumentFact
from tests.controls.histories import FakeCompliance, day, found, items

POLICY = DocumentFact(
    name="secrets",
    version=2,
    proposed_by=("e-1",),
    approved_by=("e-2",),
    approved_at=day(-20),
    reviewed_at=day(-20),
    acknowledged=3,
    entry=8,
)


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        pytest.param([POLICY], Verdict.EFFECTIVE, id="approved and known"),
        pytest.param([replace(POLICY, version=0)], Verdict.EXCEPTIONS, id="none in force"),
        pytest.param([replace(POLICY, approved_by=())], Verdict.EXCEPTIONS, id="by nobody"),
        pytest.param([replace(POLICY, approved_by=("e-1",))], Verdict.EXCEPTIONS, id="by oneself"),
        pytest.param(
            [replace(POLICY, approved_by=("e-1", "e-2"))], Verdict.EFFECTIVE, id="by another too"
        ),
        pytest.param([replace(POLICY, reviewed_at=day(-400))], Verdict.EXCEPTIONS, id="old"),
        pytest.param([replace(POLICY, reviewed_at=None)], Verdict.EXCEPTIONS, id="never reviewed"),
        pytest.param(
            [replace(POLICY, review_every=timedelta(days=30))], Verdict.EXCEPTIONS, id="sooner"
        ),
        pytest.param([replace(POLICY, missing=("e-3",))], Verdict.EXCEPTIONS, id="unknown to one"),
        pytest.param([replace(POLICY, drift=True)], Verdict.EXCEPTIONS, id="drift"),
        pytest.param([replace(POLICY, problem="x")], Verdict.INCONCLUSIVE, id="tampered"),
        pytest.param([], Verdict.NOT_EXERCISED, id="no document"),
    ],
)
async def test_verdict(documents: list[DocumentFact], expected: Verdict) -> None:
    assert await found(CONTROL, compliance=FakeCompliance(papers=documents)) is expected


async def test_all_that_it_lacks_is_said() -> None:
    bad = replace(POLICY, reviewed_at=None, missing=("e-3", "e-4"), drift=True)
    [item] = await items(CONTROL, compliance=FakeCompliance(papers=[bad]))

    assert item.proof == (8,)
    assert item.because == (
        "never reviewed; not acknowledged by e-3, e-4; says no longer what the settings are"
    )
