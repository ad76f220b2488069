"""The quarter, day by day: what the programs read, what happens on which day, and the controls.

Units  Days and times are of the story, in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from strongroom.demo.company import END, START
from strongroom.demo.scenes import (
    access,
    break_glass,
    changing,
    compliance,
    custodians,
    expiry,
    guardrail,
    handover,
    least_privilege,
    leaver,
    no_secret,
    renewal,
    reviewing,
    rotation,
    step_up,
    too_broad,
    weekly,
)
from strongroom.demo.stage import Scene, SceneEndedError, Stage
from strongroom.demo.traffic import Traffic

MORNING, EVENING = timedelta(hours=8), timedelta(hours=17)
WEEKS = 13
ONE_DAY = timedelta(days=1)

HAPPENS: Mapping[date, Scene] = {
    date(2026, 1, 6): compliance.AGREED,
    date(2026, 1, 8): guardrail.SCENE,
    date(2026, 1, 13): no_secret.SCENE,
    date(2026, 1, 15): expiry.SCENE,
    date(2026, 1, 20): step_up.SCENE,
    date(2026, 1, 21): access.SCENE,
    date(2026, 1, 22): rotation.SCENE,
    date(2026, 1, 28): renewal.SCENE,
    date(2026, 2, 3): handover.SCENE,
    date(2026, 2, 12): too_broad.GRANTED,
    date(2026, 2, 16): too_broad.FOUND,
    date(2026, 2, 18): break_glass.SCENE,
    date(2026, 2, 24): custodians.SCENE,
    date(2026, 2, 25): renewal.SCENE,
    date(2026, 3, 5): leaver.SCENE,
    date(2026, 3, 11): no_secret.RETIRED,
    date(2026, 3, 12): compliance.PARTED,
    date(2026, 3, 18): least_privilege.SCENE,
    date(2026, 3, 19): changing.SCENE,
    date(2026, 3, 24): reviewing.SCENE,
    date(2026, 3, 25): renewal.SCENE,
}


def days() -> Iterator[datetime]:
    """Give the midnight at which each day of the quarter begins."""
    day = START
    while day < END:
        yield day
        day += ONE_DAY


def scenes_of(day: date) -> Iterator[Scene]:
    """Give what happens on a day: the week's controls on Mondays, then what the story has."""
    if day.weekday() == 0:
        yield weekly.SCENE
    if day in HAPPENS:
        yield HAPPENS[day]


def play(stage: Stage) -> None:
    """Live through the quarter."""
    traffic = Traffic(stage)
    for day in days():
        stage.advance_to(day + MORNING)
        traffic.morning(day)
        for scene in scenes_of(day.date()):
            _happen(stage, scene)
        stage.advance_to(day + EVENING)
        traffic.evening(day)
        if (day + ONE_DAY).day == 1:
            traffic.close_month(f"{day:%B}")
    stage.advance_to(END + MORNING)
    with stage.step("The controls ran, and a checkpoint was kept, each Monday") as step:
        step.expect(len(stage.weeks) == WEEKS, f"{len(stage.weeks)} runs, not {WEEKS}")
        step.detail = " ".join(stage.weeks)


def _happen(stage: Stage, scene: Scene) -> None:
    """Play what happens on a day; the quarter goes on whatever comes of it."""
    outer, stage.scene = stage.scene, scene.name
    try:
        scene.play(stage)
    except SceneEndedError:
        stage.require_processes()
    finally:
        stage.scene = outer


SCENE = Scene(name="quarter", title="The quarter", play=play, essential=True)
