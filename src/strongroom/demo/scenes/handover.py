"""A secret is handed over wrapped: it can be opened once, and a second opening is refused."""

from __future__ import annotations

import json

from strongroom.demo.company import MEI
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import refusal


def play(stage: Stage) -> None:
    """Wrap an answer, open it with the CLI, and try again."""
    with stage.step("Mei has a secret wrapped, for a colleague") as step:
        mei = stage.logged_in(MEI)
        given = mei.adapter.get("/v1/development/data/shop/search", wrap_ttl="10m")["wrap_info"]
        step.expect("key" not in json.dumps(given), "the answer shows the secret")
        step.detail = f"one use, within {given['ttl'] // 60} minutes"
    with stage.step("The colleague opens it with `strongroom unwrap`") as step:
        opened = stage.shell.ok("unwrap", "-", "--format", "json", given=given["token"]).data
        step.expect("key" in opened["data"]["data"], "the secret is not in it")
        step.detail = "opened once"
    with stage.step("Whoever intercepts the token is too late, and it shows") as step:
        thief = stage.vault.client(given["token"])
        denied = refusal(thief.sys.unwrap)
        step.expect(denied is not None, "it opened twice")
        step.detail = "refused, and on record"


SCENE = Scene(name="handover", title="A hand-over", play=play)
