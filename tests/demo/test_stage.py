"""A step that goes wrong is on the record, whatever it was."""

from __future__ import annotations

import pytest

from strongroom.demo.processes import ProcessDiedError
from strongroom.demo.stage import SceneEndedError, Stage
from tests.demo.conftest import Watcher


def test_a_step_that_is_as_expected_holds(stage: Stage, watcher: Watcher) -> None:
    with stage.step("water is wet") as step:
        step.expect(held=True, otherwise="it is dry")

    assert stage.record.held
    assert watcher.begun == watcher.ended == [step]


def test_a_disappointed_step_is_noted_and_its_scene_goes_on(stage: Stage) -> None:
    with stage.step("water is dry") as step:
        step.expect(held=False, otherwise="it is wet")
        step.detail = "measured"

    assert not stage.record.held
    assert step.as_data()["problems"] == ["it is wet"]
    assert step.as_data()["detail"] == "measured"


def test_a_step_that_cannot_go_on_ends_its_scene(stage: Stage, watcher: Watcher) -> None:
    with pytest.raises(SceneEndedError), stage.step("division"):
        _ = 1 // 0

    assert watcher.ended[0].problems[0].startswith("ZeroDivisionError")


def test_a_dead_server_ends_the_story(stage: Stage) -> None:
    with pytest.raises(ProcessDiedError), stage.step("asking"):
        raise ProcessDiedError("server", "ended", "the tail")

    assert stage.record.steps[0].problems == ["ProcessDiedError: server ended"]


def test_a_story_without_steps_shows_nothing(stage: Stage) -> None:
    assert not stage.record.held


def test_an_interrupted_step_is_not_shown_as_one_that_held(stage: Stage, watcher: Watcher) -> None:
    with pytest.raises(KeyboardInterrupt), stage.step("waiting"):
        raise KeyboardInterrupt

    assert watcher.ended == []
