"""A developer asks for production for an hour, and gets it from somebody else; then it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from strongroom.demo.company import INES, INES_TOO, LENA, SOFIA
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import read, refusal

_PATH = "production/data/shop/database"
_HOUR = timedelta(hours=1)


def play(stage: Stage) -> None:
    """Ask, be approved, read, and be out again; and try to approve oneself by another name."""
    with stage.step("Lena, a developer on call, cannot read production; she asks for an hour") as s:
        lena = stage.logged_in(LENA)
        denied = refusal(lambda: read(lena, "production", "shop/database"))
        s.expect(denied is not None, "she got in")
        asked = _asked(lena)
        s.expect(asked["state"] == "pending", f"the request is {asked['state']}")
        s.expect(asked["enough"], "nobody could approve it")
        s.detail = f"it needs {asked['needed']}, and {asked['approvers_in_all']} could approve"
    with stage.step("Sofia approves; Lena reads it from the next request on") as s:
        done = _approve(stage.logged_in(SOFIA), asked)
        s.expect(done["state"] == "approved", f"it is {done['state']}")
        read(lena, "production", "shop/database")
        s.detail = f"by the grant {done['grant'][:8]}, which each entry names"
    with stage.step("Ines asks too, and approves it by a second name of hers: refused") as s:
        ines = stage.logged_in(INES)
        own = _asked(ines)
        stage.factors[INES_TOO.name] = stage.factors[INES.name]
        herself = stage.logged_in(INES_TOO)
        denied = refusal(lambda: _approve(herself, own))
        s.expect(denied is not None, "she approved it")
        ines.delete(f"strongroom/requests/{own['id']}")
        s.detail = denied or ""
    stage.advance_to(stage.now + _HOUR)
    with stage.step("An hour later Lena's access has ended by itself") as s:
        lena = stage.logged_in(LENA)
        denied = refusal(lambda: read(lena, "production", "shop/database"))
        s.expect(denied is not None, "she still reads it")
        s.detail = denied or ""


def _asked(client: Any) -> dict[str, Any]:
    wish = {"paths": [_PATH], "capabilities": ["read"], "ttl": "1h", "reason": "orders fail"}
    found: dict[str, Any] = client.write_data("strongroom/requests", data=wish)["data"]
    return found


def _approve(client: Any, asked: dict[str, Any]) -> dict[str, Any]:
    given = {"revision": asked["revision"], "because": "the shop is down"}
    at = f"strongroom/requests/{asked['id']}/approve"
    found: dict[str, Any] = client.write_data(at, data=given)["data"]
    return found


SCENE = Scene(name="access", title="Production for an hour", play=play)
