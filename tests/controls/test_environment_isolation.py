"""T17, each case who could reach what: `strongroom.controls.environment_isolation`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.environment_isolation import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import Crossing, EnvironmentFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeAccess, FakeLog, entry, found, items


def crossing(*, by_policy: bool, guardrail: str) -> Crossing:
    return Crossing(
        identity="app",
        bound=("staging",),
        environment="production",
        pattern="secret/data/production/*",
        by_policy=by_policy,
        guardrail=guardrail,
    )


def production(*, protected: bool) -> EnvironmentFact:
    return EnvironmentFact(name="production", paths=("p/*",), protected=protected, open=False)


REFUSED = "environment:production"


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        pytest.param(
            FakeAccess(crossed=[crossing(by_policy=False, guardrail=REFUSED)]),
            Verdict.EFFECTIVE,
            id="no policy grants it",
        ),
        pytest.param(
            FakeAccess(crossed=[crossing(by_policy=True, guardrail=REFUSED)]),
            Verdict.EFFECTIVE,
            id="the guardrail refuses it",
        ),
        pytest.param(
            FakeAccess(crossed=[crossing(by_policy=True, guardrail="")]),
            Verdict.EXCEPTIONS,
            id="nothing refuses it",
        ),
        pytest.param(
            FakeAccess([production(protected=False)]), Verdict.EXCEPTIONS, id="left unprotected"
        ),
        pytest.param(
            FakeAccess([production(protected=True)]), Verdict.NOT_EXERCISED, id="nobody is bound"
        ),
    ],
)
async def test_verdict(access: FakeAccess, expected: Verdict) -> None:
    written = [
        wrote(index, protected=each.protected) for index, each in enumerate(access.boundaries)
    ]

    assert await found(CONTROL, access=access, log=FakeLog(written)) is expected


def wrote(index: int, name: str = "production", **said: object) -> LogEntry:
    own = {"boundary": name, "paths": ["p/*"], "protected": True, "open": False} | said
    return entry(index, "environment.write", **own)


def deleted(index: int, name: str = "production", **said: object) -> LogEntry:
    return entry(index, "environment.delete", boundary=name, **said)


def stored(**changed: object) -> EnvironmentFact:
    return replace(production(protected=True), **changed)  # type: ignore[arg-type]


# What the log holds, what is stored, and what comes of it.
AGAINST = {
    "as written": ([wrote(3)], [stored(entry=3)], None),
    "as written last": ([wrote(3, paths=["old/*"]), wrote(5)], [stored(entry=5)], None),
    "a refused write": ([wrote(3), wrote(5, ok=False, paths=[])], [stored(entry=3)], None),
    "deleted on record": ([wrote(3), deleted(5)], [], None),
    "an older row": (
        [wrote(3, paths=["old/*"]), wrote(5)],
        [stored(entry=3, paths=("old/*",))],
        "is not as entry 5 wrote it",
    ),
    "a row that was brought back": (
        [wrote(3), deleted(5)],
        [stored(entry=3)],
        "is there, and no entry says so",
    ),
    "a row of nobody": ([], [stored()], "is there, and no entry says so"),
    "a row that is gone": ([wrote(3)], [], "entry 3 wrote it, and it is gone without one"),
    "a row that was changed": ([wrote(3)], [stored(problem="not as written")], "not as written"),
}


@pytest.mark.parametrize(("history", "there", "problem"), AGAINST.values(), ids=AGAINST)
async def test_an_environment_that_is_not_as_the_log_last_says_is_named(
    history: list[LogEntry], there: list[EnvironmentFact], problem: str | None
) -> None:
    judged = await items(CONTROL, access=FakeAccess(there), log=FakeLog(history))

    broken = [(i.subject, i.because) for i in judged if i.held is False]
    assert broken == ([] if problem is None else [("environment production", problem)])


async def test_an_environment_that_is_younger_than_the_checkpoint_is_no_exception() -> None:
    log = FakeLog([wrote(3, paths=["old/*"])], written={9: wrote(9)})

    assert await items(CONTROL, access=FakeAccess([stored(entry=9)]), log=log) == []


async def test_an_entry_that_was_cut_judges_nothing() -> None:
    log = FakeLog([entry(3, "environment.write", boundary="production", cut=["paths"])])

    assert await found(CONTROL, access=FakeAccess([stored()]), log=log) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "last",
    [
        entry(3, "environment.write", cut=["details"]),
        entry(3, "environment.delete", cut={"details": {"count": 2}}),
    ],
)
async def test_an_entry_that_does_not_say_which_environment_is_not_passed_over(
    last: LogEntry,
) -> None:
    [item] = await items(CONTROL, log=FakeLog([last]))

    assert (item.subject, item.held) == ("entry 3", None)


async def test_paths_that_were_shortened_are_not_compared() -> None:
    cut = {"paths": {"count": 60, "sha256": "00" * 32}}
    last = replace(wrote(3), own={**wrote(3).own, "cut": cut})

    [item] = await items(CONTROL, access=FakeAccess([stored(entry=3)]), log=FakeLog([last]))

    assert (item.subject, item.held) == ("environment production", None)
