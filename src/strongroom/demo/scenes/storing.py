"""The platform engineer stores what the programs need: with our CLI, and with `hvac`."""

from __future__ import annotations

from typing import Any

from strongroom.demo.company import ENVIRONMENTS, INES, SHOP, secrets_of
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import read, refusal


def play(stage: Stage) -> None:
    """Store secrets in three environments."""
    with stage.step("Ines stores the secrets of development with `strongroom kv put`") as step:
        token = stage.command_token(INES)
        stored = _with_our_command_line(stage, token)
        step.detail = f"{stored} secrets, values on the standard input"
    with stage.step("… and those of staging and production with hvac") as step:
        ines = stage.vault.client(token)
        stage.sessions[INES.name] = ines
        stored = sum(_with_hvac(stage, ines, name) for name in ENVIRONMENTS[1:])
        step.detail = f"{stored} secrets"
    with stage.step("She who writes them cannot read them") as step:
        denied = refusal(lambda: read(ines, "production", "payments/processor"))
        step.expect(denied is not None, "she can")
        step.detail = denied or ""
    with stage.step("The shop reads what it needs, and nothing of payments") as step:
        shop = stage.logged_in(SHOP)
        found = read(shop, "production", "shop/database")
        step.expect(found["metadata"]["version"] == 1, "not version 1")
        denied = refusal(lambda: read(shop, "production", "payments/processor"))
        step.expect(denied is not None, "it reads those of payments too")
        step.detail = denied or ""


def _with_our_command_line(stage: Stage, token: str) -> int:
    secrets = secrets_of("development", stage.secret())
    for path, values in secrets.items():
        (last, hidden), *shown = reversed(values.items())
        words = (f"{name}={value}" for name, value in shown)
        put = ("kv", "put", "--mount=development", path, *words, f"{last}=-")
        stage.shell.ok(*put, token=token, given=hidden)
    return len(secrets)


def _with_hvac(stage: Stage, client: Any, environment: str) -> int:
    secrets = secrets_of(environment, stage.secret())
    for path, values in secrets.items():
        client.secrets.kv.v2.create_or_update_secret(path, values, cas=0, mount_point=environment)
    return len(secrets)


SCENE = Scene(name="storing", title="Secrets in three environments", play=play, essential=True)
