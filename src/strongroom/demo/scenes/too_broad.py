"""A policy is widened in a hurry; the week's controls find it, and it is narrowed again."""

from __future__ import annotations

from strongroom.demo.company import CONTROL_RUNNER, SOFIA, policies, rule
from strongroom.demo.evidence import EFFECTIVE, run
from strongroom.demo.scenes.weekly import WEEK
from strongroom.demo.stage import Scene, Stage

_NAME = "shop-production"
_CONTROL = "T36"


def grant(stage: Stage) -> None:
    """Widen the shop's policy to the whole of production."""
    with stage.step("At night Sofia lets the shop read all of production") as step:
        wide = policies()[_NAME] + rule("production/*", "read", "list")
        stage.logged_in(SOFIA).sys.create_or_update_acl_policy(_NAME, wide)
        stage.open_exceptions.add(_CONTROL)
        step.detail = 'path "production/*"; forgotten'


def narrow(stage: Stage) -> None:
    """Take it back once the controls have found it."""
    with stage.step(f"{_CONTROL} has named the grant; Sofia narrows the policy again") as step:
        found = stage.last_run[_CONTROL]
        step.expect(found.exceptions > 0, "the control did not find it")
        stage.logged_in(SOFIA).sys.create_or_update_acl_policy(_NAME, policies()[_NAME])
        stage.open_exceptions.discard(_CONTROL)
        now = run(stage.logged_in(CONTROL_RUNNER), stage.now - WEEK, stage.now, (_CONTROL,))
        step.expect(now[_CONTROL].verdict == EFFECTIVE, f"still {now[_CONTROL].verdict}")
        step.detail = "run again: effective"


GRANTED = Scene(name="too-broad", title="A policy widened in a hurry", play=grant)
FOUND = Scene(name="too-broad", title="… and narrowed again", play=narrow)
