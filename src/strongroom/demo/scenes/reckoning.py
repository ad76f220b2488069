"""The quarter is over: every control runs over all of it."""

from __future__ import annotations

from strongroom.demo.company import CONTROL_RUNNER, END, START
from strongroom.demo.evidence import EFFECTIVE, run
from strongroom.demo.stage import Scene, Stage


def play(stage: Stage) -> None:
    """Run every control over the quarter."""
    with stage.step("Every control runs over the quarter") as step:
        results = run(stage.logged_in(CONTROL_RUNNER), START, END)
        stage.record.findings.controls = list(results.values())
        odd = [f"{one.id} {one.verdict}" for one in results.values() if one.verdict != EFFECTIVE]
        step.expect(bool(results), "no control ran")
        step.expect(not odd, ", ".join(odd))
        found = {one.id for one in results.values() if one.runs_with_exceptions}
        step.expect(found == stage.found_before, f"of earlier runs: {sorted(found)}")
        earlier = f"; earlier runs found exceptions in {', '.join(sorted(found))}" if found else ""
        step.detail = f"{len(results) - len(odd)} of {len(results)} effective{earlier}"


SCENE = Scene(name="reckoning", title="The controls of the quarter", play=play)
