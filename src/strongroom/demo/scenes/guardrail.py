"""A developer tries production. A policy of his grants it; the guardrail refuses it anyway."""

from __future__ import annotations

from strongroom.demo.company import SHOP_IN_DEVELOPMENT, TOMAS
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import read, refusal


def play(stage: Stage) -> None:
    """Try production from development, as a person and as a workload."""
    with stage.step("Tomas tries production, which a policy of his grants") as step:
        tomas = stage.logged_in(TOMAS)
        read(tomas, "development", "shop/database")
        denied = refusal(lambda: read(tomas, "production", "shop/database"))
        step.expect(denied is not None, "he got in")
        step.detail = "refused all the same, by the guardrail"
    with stage.step("So does the shop in development, by mistake") as step:
        shop = stage.logged_in(SHOP_IN_DEVELOPMENT)
        denied = refusal(lambda: read(shop, "production", "shop/database"))
        step.expect(denied is not None, "it got in")
        step.detail = denied or ""


SCENE = Scene(name="guardrail", title="A guardrail that no policy lifts", play=play)
