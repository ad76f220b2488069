"""A session of the morning is asked for the key once more, before it changes a policy."""

from __future__ import annotations

from datetime import timedelta

from strongroom.demo.company import MEI, SOFIA, policies
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import refusal

_NAME = "shop-staging"
_LATER = timedelta(minutes=12)
_LUNCH = timedelta(minutes=40)


def play(stage: Stage) -> None:
    """Log in, wait, be asked, show the key; then leave the session alone."""
    with stage.step("Sofia logs in with password and key, and opens a session") as step:
        sofia = stage.logged_in(SOFIA)
        sofia.write_data("strongroom/sessions", data={"surface": "cli"})
        step.detail = "idle for 15 minutes at most"
    stage.advance_to(stage.now + _LATER)
    text = policies()[_NAME]
    with stage.step("Twelve minutes later she is asked for the key again, for a policy") as step:
        denied = refusal(lambda: sofia.sys.create_or_update_acl_policy(_NAME, text))
        step.expect(denied is not None, "the key of the morning was enough")
        own = stage.factors[SOFIA.name]
        sofia.write_data("strongroom/step-up", data=own.proof(sofia))
        sofia.sys.create_or_update_acl_policy(_NAME, text)
        step.detail = (denied or "").partition(":")[0]
    with stage.step("A password without the key is no login") as step:
        alone = stage.vault.client()
        at = f"/v1/auth/{MEI.mount}/login/{MEI.name}"
        auth = alone.adapter.post(at, json={"password": stage.passwords[MEI.name]})["auth"]
        step.expect(not auth["client_token"], "it gave a token")
        step.detail = "no token; the login waits for a factor"
    stage.advance_to(stage.now + _LUNCH)
    with stage.step("After lunch the session has ended by itself") as step:
        denied = refusal(sofia.auth.token.lookup_self)
        step.expect(denied is not None, "it still stands")
        step.detail = denied or ""


SCENE = Scene(name="step-up", title="A fresh factor", play=play)
