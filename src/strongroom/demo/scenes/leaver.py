"""Somebody leaves: her tokens are revoked and her login is gone, at once."""

from __future__ import annotations

from typing import Any

from strongroom.demo.company import MEI, SOFIA
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import read, refusal


def play(stage: Stage) -> None:
    """Revoke what a leaver has, and let her try."""
    with stage.step("Mei works on her last day") as step:
        mei = stage.logged_in(MEI)
        found = read(mei, "development", "shop/database")
        accessor = mei.auth.token.lookup_self()["data"]["accessor"]
        step.detail = f"reads version {found['metadata']['version']}"
    with stage.step("Sofia, the security lead, ends her tokens and her login") as step:
        sofia = stage.logged_in(SOFIA)
        _end(sofia, accessor)
        step.detail = "by accessor, and her user removed"
    with stage.step("Her very next read is refused, and so is a new login") as step:
        denied = refusal(lambda: read(mei, "development", "shop/database"))
        step.expect(denied is not None, "she still reads")
        again = refusal(lambda: stage.logged_in(MEI))
        step.expect(again is not None, "she logs in again")
        step.detail = f"{denied}, twice"


def _end(sofia: Any, accessor: str) -> None:
    sofia.auth.userpass.delete_user(MEI.name, mount_point=MEI.mount)
    sofia.auth.token.revoke_accessor(accessor)


SCENE = Scene(name="leaver", title="A leaver", play=play)
