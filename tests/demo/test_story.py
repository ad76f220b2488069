"""Scenes are played in their order; one that fails ends alone, unless all depends on it."""

from __future__ import annotations

import pytest

from strongroom.demo import story
from strongroom.demo.stage import Scene, Stage


def fails(stage: Stage) -> None:
    with stage.step("it fails"):
        raise ValueError


def works(stage: Stage) -> None:
    with stage.step("it works"):
        pass


@pytest.mark.parametrize(("essential", "played"), [(False, ["a", "b"]), (True, ["a"])])
def test_what_follows_a_failure(
    essential: bool, played: list[str], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Scene(name="a", title="A", play=fails, essential=essential)
    monkeypatch.setattr(story, "SCENES", (first, Scene(name="b", title="B", play=works)))

    story.tell(stage, lambda _: None)

    assert [step.scene for step in stage.record.steps] == played
    assert not stage.record.held


def test_each_scene_has_a_name_of_its_own() -> None:
    names = [scene.name for scene in story.SCENES]

    assert len(set(names)) == len(names)
