"""T20, each case a short history: `strongroom.controls.registered_first`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.registered_first import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.identities import PersonFact, WorkloadFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeIdentities, FakeLog, day, entry, found, items, login

ADA = PersonFact(entity="e-1", name="Ada", created_at=day(1))
ASKED = entry(3, "registration.request", actor="e-asks", registration="r-1")
APPROVED = entry(4, "registration.approve", actor="e-decides", registration="r-1", entity="e-1")
FOUNDED = [
    entry(-3, "bootstrap.administrator", entity="e-decides"),
    entry(-2, "person.write", entity="e-second"),
    entry(0, "identity.settings.write", registration="required"),
]
WRITTEN = entry(1, "person.write", entity="e-mole")
KNOWN = replace(entry(-9, "workload.write", entity="e-asks"), time=day(-9))
CAME = login(5, "password", "totp", on=2)
ASKED_BACK = entry(6, "registration.request", actor="e-asks", registration="r-2", about="e-1")
BY_DIRECTORY = entry(
    6, "scim.user.write", actor="e-asks", registration="r-2", entity="e-1", returning=True
)
BACK = entry(
    7,
    "registration.approve",
    actor="e-decides",
    registration="r-2",
    about="e-1",
    entity="e-1",
    returned=True,
)


JOB = WorkloadFact(entity="e-job", owner="e-asks", created_at=day(-9))


def by(actor: str) -> LogEntry:
    return replace(APPROVED, actor=actor)


def of(actor: str, code: str = "person.write", **own: object) -> LogEntry:
    """Return an entry by which the mole was written."""
    return replace(entry(1, code, entity="e-mole", **own), actor=actor)


@pytest.mark.parametrize(
    ("people", "log", "expected"),
    [
        pytest.param([ADA], [ASKED, APPROVED, CAME], Verdict.EFFECTIVE, id="in order"),
        pytest.param([ADA], [ASKED, APPROVED], Verdict.EFFECTIVE, id="not come yet"),
        pytest.param([ADA], [CAME], Verdict.EXCEPTIONS, id="written directly"),
        pytest.param([], [CAME], Verdict.EXCEPTIONS, id="never registered"),
        pytest.param(
            [ADA], [ASKED, replace(CAME, index=3), APPROVED], Verdict.EXCEPTIONS, id="too early"
        ),
        pytest.param([ADA], [ASKED, by("e-asks"), CAME], Verdict.EXCEPTIONS, id="by who asked"),
        pytest.param([ADA], [APPROVED, CAME], Verdict.INCONCLUSIVE, id="nobody asked"),
        pytest.param(
            [ADA], [ASKED, replace(APPROVED, ok=False), CAME], Verdict.EXCEPTIONS, id="refused"
        ),
        pytest.param(
            [],
            [ASKED, replace(APPROVED, own={"cut": ["details"]})],
            Verdict.INCONCLUSIVE,
            id="the approval was cut",
        ),
        pytest.param([replace(ADA, problem="x")], [], Verdict.INCONCLUSIVE, id="tampered"),
        pytest.param(
            [replace(ADA, created_at=day(-9))],
            [replace(CAME, index=2, time=day(-8)), CAME],
            Verdict.NOT_EXERCISED,
            id="was there before",
        ),
        pytest.param(
            [], [login(5, "password", actor="token:a1")], Verdict.NOT_EXERCISED, id="no entity"
        ),
        pytest.param(
            [],
            [login(5, "password", "totp", complete=False)],
            Verdict.NOT_EXERCISED,
            id="a login that waits",
        ),
        pytest.param([], [], Verdict.NOT_EXERCISED, id="nobody new"),
        pytest.param(
            [ADA],
            [ASKED, APPROVED, entry(6, "person.return", entity="e-1", returned=True)],
            Verdict.EXCEPTIONS,
            id="brought back",
        ),
        pytest.param(
            [ADA],
            [ASKED, APPROVED, entry(6, "person.write", entity="e-1", rewritten=["name"])],
            Verdict.EXCEPTIONS,
            id="made another",
        ),
        pytest.param(
            [ADA],
            [ASKED, APPROVED, entry(6, "scim.user.patch", entity="e-1", rewritten=["email"])],
            Verdict.EXCEPTIONS,
            id="made another by the directory",
        ),
        pytest.param(
            [ADA],
            [ASKED, APPROVED, entry(6, "person.write", entity="e-1")],
            Verdict.EFFECTIVE,
            id="another end",
        ),
        *(
            pytest.param(
                [ADA],
                [ASKED, APPROVED, entry(6, code, entity="e-1", **said)],
                Verdict.EXCEPTIONS,
                id=code,
            )
            for code, said in (
                ("entity.alias.write", {"rewritten": ["alias"]}),
                ("entity.merge", {"rewritten": ["aliases"]}),
                ("entity.write", {"rewritten": ["entity_name"]}),
                ("factor.code", {"enrolment_code": "root"}),
            )
        ),
        pytest.param(
            [ADA], [ASKED, APPROVED, ASKED_BACK, BACK], Verdict.EFFECTIVE, id="back by an approval"
        ),
        pytest.param(
            [ADA],
            [ASKED, APPROVED, ASKED_BACK, replace(BACK, actor="e-asks")],
            Verdict.EXCEPTIONS,
            id="back by who asked",
        ),
        pytest.param([ADA], [ASKED, APPROVED, BACK], Verdict.INCONCLUSIVE, id="nobody asked back"),
        pytest.param(
            [ADA],
            [ASKED, APPROVED, BY_DIRECTORY, replace(BACK, actor="e-asks")],
            Verdict.EXCEPTIONS,
            id="back by the directory that asked",
        ),
        pytest.param([ADA], [*FOUNDED, ASKED, APPROVED], Verdict.EFFECTIVE, id="by a founder"),
        pytest.param(
            [ADA], [*FOUNDED, WRITTEN, ASKED, by("e-mole")], Verdict.EXCEPTIONS, id="by a mole"
        ),
        pytest.param(
            [ADA],
            [*FOUNDED[:2], replace(WRITTEN, index=-1), FOUNDED[2], ASKED, by("e-mole")],
            Verdict.EFFECTIVE,
            id="by who was written when it was open",
        ),
        pytest.param(
            [ADA],
            [ASKED, replace(APPROVED, own={**APPROVED.own, "makers": ["e-x"]})],
            Verdict.EXCEPTIONS,
            id="by a token that was made",
        ),
        pytest.param(
            [ADA],
            [replace(ASKED, own={**ASKED.own, "makers": ["e-decides"]}), APPROVED],
            Verdict.EXCEPTIONS,
            id="by who asked with a token in another's name",
        ),
        pytest.param(
            [ADA],
            [*FOUNDED, replace(WRITTEN, code="scim.user.create"), ASKED, by("e-mole")],
            Verdict.EXCEPTIONS,
            id="by whom the directory made",
        ),
        *(
            pytest.param([ADA], [*FOUNDED[:2], made, ASKED, by("e-mole")], verdict, id=case)
            for case, made, verdict in (
                ("by whom another made", of("e-other"), Verdict.EFFECTIVE),
                ("by whom who asked made", of("e-asks"), Verdict.EXCEPTIONS),
                ("by whom their workload made", of("e-job"), Verdict.EXCEPTIONS),
                ("by whom it made over scim", of("e-job", "scim.user.create"), Verdict.EXCEPTIONS),
                (
                    "by whom a secret id of theirs made",
                    of("e-other", let_in_by=["e-asks"]),
                    Verdict.EXCEPTIONS,
                ),
            )
        ),
        pytest.param(
            [ADA],
            [*FOUNDED[:2], of("e-asks"), of("root"), ASKED, by("e-mole")],
            Verdict.EFFECTIVE,
            id="by whom root answers for since",
        ),
        pytest.param(
            [ADA, PersonFact(entity="e-decides", made_by=("e-job",), created_at=day(-9))],
            [ASKED, APPROVED],
            Verdict.EXCEPTIONS,
            id="by whom their workload gave an alias",
        ),
        pytest.param(
            [ADA, PersonFact(entity="e-decides", made_by=("e-other",), created_at=day(-9))],
            [ASKED, APPROVED],
            Verdict.EFFECTIVE,
            id="by whom another gave an alias",
        ),
    ],
)
async def test_verdict(people: list[PersonFact], log: list[LogEntry], expected: Verdict) -> None:
    given = FakeIdentities(persons=people, machines=[JOB])

    assert await found(CONTROL, identities=given, log=FakeLog([KNOWN, *log])) is expected


async def test_approval_and_first_login_are_the_proof() -> None:
    log = FakeLog([KNOWN, ASKED, APPROVED, CAME, login(9, "password", "totp", on=3)])
    [item] = await items(CONTROL, identities=FakeIdentities(persons=[ADA]), log=log)

    assert (item.subject, item.held, item.proof) == ("Ada (e-1)", True, (4, 5))


async def test_who_asked_for_another_text_of_it_is_one_who_asked() -> None:
    edited = entry(3, "registration.edit", actor="e-decides", registration="r-1")
    log = FakeLog([KNOWN, ASKED, edited, APPROVED])

    assert (
        await found(CONTROL, identities=FakeIdentities(persons=[ADA]), log=log)
        is Verdict.EXCEPTIONS
    )


async def test_a_request_by_a_stranger_is_no_request() -> None:
    given = FakeIdentities(persons=[ADA])

    [item] = await items(CONTROL, identities=given, log=FakeLog([ASKED, APPROVED]))

    assert (item.held, item.because) == (False, "asked for by somebody who is not registered")
