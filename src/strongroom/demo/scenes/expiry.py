"""A token that outlives its time is refused."""

from __future__ import annotations

from strongroom.demo.company import TOMAS
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import read, refusal


def play(stage: Stage) -> None:
    """Use the token of a week ago, then log in again."""
    with stage.step("A script of Tomas's still has the token of a week ago") as step:
        denied = refusal(lambda: read(stage.sessions[TOMAS.name], "development", "shop/database"))
        step.expect(denied is not None, "the old token still works")
        step.detail = f"{denied}, after eight hours"
    with stage.step("He logs in again, and reads") as step:
        found = read(stage.logged_in(TOMAS), "development", "shop/database")
        step.expect("password" in found["data"], "nothing was read")
        step.detail = "a new token"


SCENE = Scene(name="expiry", title="A token ends", play=play)
