"""A secret is rotated: a new version beside the old, and of two writers one is refused."""

from __future__ import annotations

from typing import Any

from strongroom.demo.company import INES, PAYMENTS
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import read, refusal

_AT = "payments/processor"


def play(stage: Stage) -> None:
    """Write version 2, collide over version 3's place, read both."""
    with stage.step("Ines rotates the key of the payment processor") as step:
        token = stage.command_token(INES)
        words = ("kv", "put", "--mount=production", "-cas=1", _AT, "account=tidewater", "key=-")
        stage.shell.ok(*words, token=token, given=stage.secret())
        step.detail = "strongroom kv put -cas=1"
    with stage.step("Somebody else rotates it from the same version: refused") as step:
        denied = refusal(lambda: _write(stage, stage.vault.client(token), expected=1))
        step.expect(denied is not None, "the new key was overwritten")
        step.detail = "check-and-set did not match"
    with stage.step("Payments reads the new key, and can still see the old one") as step:
        payments = stage.logged_in(PAYMENTS)
        new = read(payments, "production", _AT)
        old = payments.secrets.kv.v2.read_secret_version(
            _AT, version=1, mount_point="production", raise_on_deleted_version=True
        )["data"]
        step.expect(new["metadata"]["version"] == 2, "it does not read version 2")
        step.expect(new["data"]["key"] != old["data"]["key"], "the key did not change")
        step.detail = "versions 2 and 1"


def _write(stage: Stage, client: Any, *, expected: int) -> None:
    values = {"account": "tidewater", "key": stage.secret()}
    client.secrets.kv.v2.create_or_update_secret(
        _AT, values, cas=expected, mount_point="production"
    )


SCENE = Scene(name="rotation", title="A rotation", play=play)
