"""An emergency: somebody helps themselves, everybody is told, another person reviews it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from strongroom.demo.company import INES, LENA, SOFIA
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import read, refusal

_AREA = "strongroom/break-glass"
_DRILL = "shop/drill"
_AT = "payments/processor"
_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)


def play(stage: Stage) -> None:
    """Write the rule, drill, break the glass, close, rotate and review."""
    with stage.step("Sofia says who may break the glass, and of what; Lena drills it") as s:
        ines = stage.logged_in(INES)
        _write(ines, _DRILL, {"nothing": "for drills"})
        rule = {"environments": ["production"], "drill_path": f"production/data/{_DRILL}"}
        at = "strongroom/break-glass-rules/on-call"
        stage.logged_in(SOFIA).write_data(at, data=rule)
        lena = stage.logged_in(LENA)
        drill = _asked(lena, drill=True, reason="a drill")
        stage.advance_to(stage.now + _MINUTE)
        read(lena, "production", _DRILL)
        _closed(lena, drill, "the drill is over")
        found = lena.read(f"{_AREA}/{drill['id']}")["data"]
        s.expect(found["took_seconds"] <= found["target_seconds"], "it took too long")
        s.detail = f"{found['took_seconds']:.0f} seconds from the call to the first read"
    stage.advance_to(stage.now + _HOUR)
    with stage.step("Payments fail; Lena breaks the glass, and everybody who could is told") as s:
        lena = stage.logged_in(LENA)
        paths = [f"production/data/{_AT}"]
        case = _asked(lena, paths=paths, reason="nobody can pay, and nobody answers")
        s.expect(bool(case["told"]), "nobody was told")
        read(lena, "production", _AT)
        s.detail = f"told: {len(case['told'])}; case {case['id'][:8]}"
    with stage.step("She closes it; its access is over, and what she read is to be rotated") as s:
        _closed(lena, case, "restarted the processor's proxy")
        denied = refusal(lambda: read(lena, "production", _AT))
        s.expect(denied is not None, "she still reads it")
        ines = stage.logged_in(INES)
        _write(ines, _AT, {"account": "tidewater", "key": stage.secret()})
        s.detail = "Ines wrote it anew"
    with stage.step("Lena cannot review it herself; Sofia does") as s:
        review = {"verdict": "justified", "words": "orders failed", "findings": ["call two people"]}
        at = f"{_AREA}/{case['id']}/review"
        sofia = stage.logged_in(SOFIA)
        own = refusal(lambda: lena.write_data(at, data=review))
        s.expect(own is not None, "she reviewed it herself")
        done = sofia.write_data(at, data=review)["data"]
        s.expect(done["state"] == "reviewed", f"it is {done['state']}")
        s.detail = f"{done['verdict']}, {len(done['findings'])} finding"


def _asked(client: Any, **wish: object) -> dict[str, Any]:
    found: dict[str, Any] = client.write_data(_AREA, data=wish)["data"]
    return found


def _closed(client: Any, case: dict[str, Any], done: str) -> None:
    client.write_data(f"{_AREA}/{case['id']}/close", data={"done": done})


def _write(client: Any, at: str, values: dict[str, str]) -> None:
    client.secrets.kv.v2.create_or_update_secret(at, values, mount_point="production")


SCENE = Scene(name="break-glass", title="An emergency", play=play)
