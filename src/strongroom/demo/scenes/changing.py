"""A policy is changed as a difference that somebody else approved, and once in a hurry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from strongroom.demo.company import INES, SOFIA, policies, rule
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import refusal

_POLICY = "developer"
_PATH = f"sys/policies/acl/{_POLICY}"
_HOUR = timedelta(hours=1)


def play(stage: Stage) -> None:
    """Turn a rule on, be refused, propose, be approved, and write; then an emergency."""
    new = policies()[_POLICY] + rule("development/metadata/shared/*", "list")
    with stage.step("Sofia has a rule: the developers' policy changes by approval alone") as s:
        sofia = stage.logged_in(SOFIA)
        at = "strongroom/change-rules/developers"
        sofia.write_data(at, data={"paths": [_PATH], "description": "what developers may"})
        s.detail = _PATH
    with stage.step("Ines, who may write it, is told that it needs an approved change") as s:
        ines = stage.logged_in(INES)
        denied = refusal(lambda: ines.write_data(_PATH, data={"policy": new}))
        s.expect("approved change" in (denied or ""), f"she was told {denied}")
        s.detail = denied or ""
    with stage.step("She proposes it: what would change is shown as a difference") as s:
        change = _proposed(ines, new, "strongroom/changes")
        lines = change["writes"][0]["difference"][0]["diff"]
        s.expect(any(each.startswith("+path") for each in lines), "no line was added")
        own = refusal(lambda: _approve(ines, change))
        s.expect(own is not None, "she approved it herself")
        s.detail = next(each for each in lines if each.startswith("+path"))
    with stage.step("Sofia approves; the very same write now passes, and passes once") as s:
        done = _approve(stage.logged_in(SOFIA), change)
        s.expect(done["state"] == "approved", f"it is {done['state']}")
        ines.write_data(_PATH, data={"policy": new})
        again = refusal(lambda: ines.write_data(_PATH, data={"policy": new}))
        s.expect(again is not None, "it passed twice")
        s.detail = f"the entry of the write names change {change['id'][:8]}"
    with stage.step("An emergency passes at once, and Sofia approves it afterwards") as s:
        hurried = _proposed(ines, policies()[_POLICY], "strongroom/changes/emergency")
        ines.write_data(f"strongroom/changes/{hurried['id']}/apply", data={})
        stage.advance_to(stage.now + _HOUR)
        done = _approve(stage.logged_in(SOFIA), hurried)
        s.expect(done["state"] == "applied", f"it is {done['state']}")
        s.detail = f"due {hurried['due_at']}"


def _proposed(client: Any, text: str, at: str) -> dict[str, Any]:
    write = {"path": _PATH, "body": {"policy": text}}
    given = {"reason": "developers share settings", "ticket": "OPS-12", "writes": [write]}
    found: dict[str, Any] = client.write_data(at, data=given)["data"]
    return found


def _approve(client: Any, change: dict[str, Any]) -> dict[str, Any]:
    given = {"revision": change["revision"], "because": "read the difference"}
    found: dict[str, Any] = client.write_data(
        f"strongroom/changes/{change['id']}/approve", data=given
    )["data"]
    return found


SCENE = Scene(name="changing", title="A policy, by approval", play=play)
