"""What developers were granted is held against what they used, and a smaller policy is replayed."""

from __future__ import annotations

from typing import Any

from strongroom.demo.company import SOFIA, policies
from strongroom.demo.stage import Scene, Stage

_NAME = "developer"


def play(stage: Stage) -> None:
    """Ask for a smaller policy, and judge the requests of the quarter by it."""
    sofia = stage.logged_in(SOFIA)
    with stage.step("Sofia asks what the developers' policy was used for") as step:
        asked = {"name": _NAME, "days": 90}
        found = sofia.adapter.get("/v1/strongroom/policies/propose", params=asked)["data"]
        idle = [rule for rule in found["rules"] if rule["became"] == "dropped"]
        step.expect(found["requests"] > 0, "nobody used it")
        step.expect(bool(idle), "every rule of it was used")
        step.detail = f"{len(idle)} of {len(found['rules'])} rules were not used"
    with stage.step("The smaller policy that is proposed would have refused nothing") as step:
        told = _replay(sofia, found["policy"])
        step.expect(told["requests"] > 0, "nothing was replayed")
        step.expect(not told["refused_requests"], f"it refuses {told['refused'][:1]}")
        step.detail = f"{told['requests']} real requests replayed"
    with stage.step("One that is too small is found before it hurts anybody") as step:
        told = _replay(sofia, "# nothing at all\n")
        step.expect(told["refused_requests"] > 0, "nothing was refused")
        now = sofia.adapter.get(f"/v1/sys/policies/acl/{_NAME}")["data"]["policy"]
        step.expect(now == policies()[_NAME], "the policy in force was changed")
        step.detail = f"{told['refused_requests']} requests would have been refused"


def _replay(client: Any, text: str) -> dict[str, Any]:
    given = {"name": _NAME, "policy": text, "days": 90}
    found: dict[str, Any] = client.adapter.post("/v1/strongroom/policies/replay", json=given)
    return dict(found["data"])


SCENE = Scene(name="least-privilege", title="No more than was used", play=play)
