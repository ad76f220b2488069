"""Three custodians make a root token for one change, and revoke it within the hour."""

from __future__ import annotations

from typing import Any

from strongroom.demo.scenes.opening import THRESHOLD
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import refusal

_PURPOSE = "Secrets of the shop, payments and the mailer"


def play(stage: Stage) -> None:
    """Generate, use, revoke."""
    with stage.step("Three custodians make a root token, for one change") as step:
        token = _generate(stage)
        root = stage.vault.client(token)
        root.sys.tune_mount_configuration(path="production", description=_PURPOSE)
        mounts = root.sys.list_mounted_secrets_engines()["data"]
        step.expect(mounts["production/"]["description"] == _PURPOSE, "the change was not made")
        step.detail = f"{THRESHOLD} of the shares"
    with stage.step("It is revoked within the hour, and refused") as step:
        root.auth.token.revoke_self()
        denied = refusal(root.auth.token.lookup_self)
        step.expect(denied is not None, "it still works")
        step.detail = denied or ""


def _generate(stage: Stage) -> str:
    system: Any = stage.vault.client().sys
    begun = system.start_root_token_generation()
    answers = [system.generate_root(s, begun["nonce"]) for s in stage.shares[:THRESHOLD]]
    words = ("operator", "generate-root", "--decode", answers[-1]["encoded_root_token"])
    return stage.shell.ok(*words, "--otp", begun["otp"]).out.strip()


SCENE = Scene(name="custodians", title="A root token for an hour", play=play)
