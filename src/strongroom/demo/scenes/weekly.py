"""Every Monday: the controls run over the last week, and the customer keeps a checkpoint.

A checkpoint that somebody else holds is what makes it impossible to rewrite what came before.
"""

from __future__ import annotations

from datetime import timedelta

from strongroom.demo.company import CONTROL_RUNNER, START
from strongroom.demo.evidence import EFFECTIVE, NOT_EXERCISED, run
from strongroom.demo.stage import Scene, Stage

WEEK = timedelta(days=7)
ABOUT_STATE = ("T02", "T11", "T12", "T17", "T34", "T36", "T62", "T64")


def play(stage: Stage) -> None:
    """Run the controls of the week, and keep the checkpoint."""
    with stage.step("The week's controls, and a checkpoint kept outside") as step:
        step.routine = True
        stage.keep_checkpoint()
        end = stage.now.replace(hour=0, minute=0, second=0, microsecond=0)
        runner = stage.logged_in(CONTROL_RUNNER)
        results = run(runner, max(START, end - WEEK), end, ABOUT_STATE)
        stage.last_run = results
        odd = [one.id for one in results.values() if one.verdict not in {EFFECTIVE, NOT_EXERCISED}]
        step.expect(set(odd) <= stage.open_exceptions, f"unexpected: {', '.join(odd)}")
        step.expect(stage.open_exceptions <= set(odd), "what is wrong was not found")
        stage.found_before |= set(odd)
        step.detail = f"{len(results)} controls, exceptions in {', '.join(odd) or 'none'}"
        stage.weeks.append("▲" if odd else "●")


SCENE = Scene(name="weekly", title="The week's controls", play=play)
