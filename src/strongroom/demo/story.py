"""The whole story: its scenes in their order, and how they are played.

A later part of the product adds a scene here, or a day to `scenes.quarter`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from hvac.exceptions import VaultError
from requests import RequestException

from strongroom.demo.scenes import (
    ceremony,
    compliance,
    log,
    opening,
    pack,
    people,
    quarter,
    reckoning,
    storing,
)
from strongroom.demo.stage import Scene, SceneEndedError, Stage

SCENES: Final[tuple[Scene, ...]] = (
    opening.SCENE,
    ceremony.SCENE,
    people.SCENE,
    compliance.PREPARED,
    storing.SCENE,
    quarter.SCENE,
    reckoning.SCENE,
    log.SCENE,
    pack.SCENE,
)


def tell(stage: Stage, announce: Callable[[Scene], None]) -> None:
    """Play every scene; one that fails ends alone, unless the rest makes no sense without it.

    Raises `ProcessDiedError` if the server is gone.
    """
    for scene in SCENES:
        stage.scene = scene.name
        announce(scene)
        if not _played(scene, stage):
            stage.require_processes()
            if scene.essential:
                return


def _played(scene: Scene, stage: Stage) -> bool:
    """Play a scene; say whether it came to its end. What goes wrong between steps is one, too."""
    try:
        scene.play(stage)
    except SceneEndedError:
        return False
    except (VaultError, RequestException):
        with suppress(SceneEndedError), stage.step(f"{scene.title}: to its end"):
            raise
        return False
    return True
