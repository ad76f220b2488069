"""Somebody leaves by the directory's word: all that is hers ends, what she knew is written anew."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from strongroom.demo.company import INES, MEI, SOFIA
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import read, refusal

_AT = "shop/database"


def play(stage: Stage) -> None:
    """End what a leaver has, let her try, and rotate what she knew."""
    entity = stage.entities[MEI.name]
    with stage.step("Mei works on her last day") as step:
        mei = stage.logged_in(MEI)
        found = read(mei, "development", _AT)
        step.detail = f"reads version {found['metadata']['version']}"
    with stage.step("Sofia lets the directory say over SCIM that Mei is active no more") as step:
        sofia = stage.logged_in(SOFIA)  # with her key: it is fresh
        begun = perf_counter()
        told = stage.vault.deactivate(entity, sofia.token)
        took = perf_counter() - begun
        step.expect(told["active"] is False, "she is active all the same")
        step.detail = f"PATCH active=false, acknowledged after {took * 1000:.0f} ms"
    with stage.step("All that was hers ended with that answer; what finding it took") as step:
        ended = sofia.list("strongroom/leavers")["data"]["key_info"][entity]["ended"]
        step.expect(ended["tokens"]["count"] > 0, "no token ended")
        step.detail = _latencies(ended)
    with stage.step("Her very next read is refused, and so is a new login") as step:
        denied = refusal(lambda: read(mei, "development", _AT))
        step.expect(denied is not None, "she still reads")
        again = refusal(lambda: stage.logged_in(MEI))
        step.expect(again is not None, "she logs in again")
        step.detail = f"{denied}; {again}"
    with stage.step("The log says what she had read: Ines writes each anew") as step:
        known = sofia.read(f"strongroom/people/{entity}/knowledge")["data"]["secrets"]
        paths = sorted({each["path"] for each in known if not each["written_since"]})
        step.expect(f"development/data/{_AT}" in paths, "what she read is not listed")
        ines = stage.logged_in(INES)
        for path in paths:
            _write_anew(stage, ines, path)
        left = sofia.read(f"strongroom/people/{entity}/knowledge")["data"]["secrets"]
        step.expect(all(each["written_since"] for each in left), "some were not written anew")
        step.detail = ", ".join(paths)


def _latencies(ended: dict[str, Any]) -> str:
    told = [
        f"{each['count']} {name} in {each['ms']:.1f} ms"
        for name, each in ended.items()
        if each["count"]
    ]
    return ", ".join(told)


def _write_anew(stage: Stage, ines: Any, path: str) -> None:
    mount, _, name = path.partition("/data/")
    values = {"password": stage.secret()}
    ines.secrets.kv.v2.create_or_update_secret(name, values, mount_point=mount)


SCENE = Scene(name="leaver", title="A leaver", play=play)
