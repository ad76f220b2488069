"""T89, each case somebody who can reach a secret: `strongroom.controls.training_current`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom.controls.training_current import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import EnvironmentFact
from strongroom.sdk.facts.compliance import CompletionFact, CourseFact
from strongroom.sdk.facts.identities import PersonFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import (
    FakeAccess,
    FakeCompliance,
    FakeIdentities,
    FakeLog,
    day,
    entry,
    found,
    items,
)

COURSE = CourseFact(name="handling", entry=2)
DONE = CompletionFact(id="c1", course="handling", entity="e-1", completed_at=day(2), entry=4)
PROD = EnvironmentFact(
    name="production", paths=("secret/prod/*", "kv/+/prod"), protected=True, open=False
)
READ = entry(9, "secret.read", 5, path="secret/prod/db")
ADA = PersonFact(entity="e-1", name="Ada")


@pytest.mark.parametrize(
    ("courses", "completions", "log", "expected"),
    [
        pytest.param([COURSE], [DONE], [READ], Verdict.EFFECTIVE, id="done, then served"),
        pytest.param([COURSE], [], [], Verdict.EXCEPTIONS, id="not done"),
        pytest.param([], [DONE], [], Verdict.EXCEPTIONS, id="nothing to learn"),
        pytest.param(
            [replace(COURSE, validity=timedelta(days=9))], [DONE], [], Verdict.EXCEPTIONS, id="old"
        ),
        pytest.param([COURSE], [replace(DONE, void=True)], [], Verdict.EXCEPTIONS, id="taken back"),
        pytest.param(
            [COURSE], [replace(DONE, entity="e-2")], [], Verdict.EXCEPTIONS, id="another's"
        ),
        pytest.param(
            [COURSE], [DONE], [replace(READ, time=day(1))], Verdict.EXCEPTIONS, id="served before"
        ),
        pytest.param(
            [COURSE],
            [DONE],
            [replace(READ, time=day(1), path="kv/app/prod")],
            Verdict.EXCEPTIONS,
            id="by a pattern of one segment",
        ),
        pytest.param(
            [COURSE],
            [DONE],
            [replace(READ, time=day(1), path="secret/dev/db")],
            Verdict.EFFECTIVE,
            id="of another environment",
        ),
        pytest.param(
            [COURSE],
            [DONE],
            [replace(READ, time=day(1), ok=False)],
            Verdict.EFFECTIVE,
            id="refused before",
        ),
        pytest.param(
            [COURSE],
            [DONE],
            [replace(READ, time=day(1), actor="token:x", own={"makers": ["e-1"]})],
            Verdict.EXCEPTIONS,
            id="by a token that they made",
        ),
        pytest.param(
            [COURSE], [DONE], [replace(READ, time=None)], Verdict.INCONCLUSIVE, id="no time"
        ),
        pytest.param(
            [replace(COURSE, problem="x"), replace(COURSE, name="b")],
            [replace(DONE, course="b")],
            [],
            Verdict.INCONCLUSIVE,
            id="a course was changed",
        ),
        pytest.param(
            [replace(COURSE, required=False)], [DONE], [], Verdict.EXCEPTIONS, id="none required"
        ),
    ],
)
async def test_verdict(
    courses: list[CourseFact],
    completions: list[CompletionFact],
    log: list[LogEntry],
    expected: Verdict,
) -> None:
    given = FakeCompliance(taught=courses, completed=completions, reaching={"e-1": "secret/*"})
    parts = {"access": FakeAccess([PROD]), "identities": FakeIdentities(persons=[ADA])}

    assert await found(CONTROL, compliance=given, log=FakeLog(log), **parts) is expected


async def test_who_was_served_is_asked_whatever_their_policies_say_now() -> None:
    given = FakeCompliance(taught=[COURSE])
    log = FakeLog([entry(3, "secret.read", 4)])

    [item] = await items(
        CONTROL, compliance=given, log=log, identities=FakeIdentities(persons=[ADA])
    )

    assert (item.subject, item.because) == ("Ada (e-1): handling", "not completed")


async def test_without_anybody_who_can_it_is_not_exercised() -> None:
    assert await found(CONTROL, compliance=FakeCompliance(taught=[COURSE])) is Verdict.NOT_EXERCISED
