"""A quarterly review: what people and programs hold, looked at by others; two grants end."""

from __future__ import annotations

import time
from typing import Any, Final

from strongroom.demo.company import INES, LENA, SOFIA, TOMAS, WAREHOUSE
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import read, refusal

_AREA: Final = "strongroom/reviews"
_PATIENCE: Final = 200  # times a tenth of a second, for what the server does behind an answer


def play(stage: Stage) -> None:
    """Begin both reviews, revoke two grants, prove it, keep the rest, sign."""
    with stage.step("Sofia begins the quarter's review: what people hold now is frozen") as s:
        sofia = stage.logged_in(SOFIA)
        people = _begun(sofia, "people")
        lines = _lines(sofia, people)
        s.expect(len(lines) == people["lines"], f"{len(lines)} lines, not {people['lines']}")
        s.detail = f"{people['lines']} lines, root {people['root'][:16]}… in the log"
    with stage.step("Two grants of last year's stocktaking are not needed: revoked, and gone") as s:
        lena = stage.logged_in(LENA)
        read(lena, "staging", "shop/database")
        revoked = [each for each in lines if each["name"] == WAREHOUSE]
        s.expect({e["holder"] for e in revoked} == _ids(stage, LENA, TOMAS), "others hold it")
        for each in revoked:
            _decide(sofia, people, each, "revoke", "the stocktaking is over")
        denied = refusal(lambda: read(lena, "staging", "shop/database"))
        s.expect(denied is not None, "Lena still reads it")
        s.detail = f"Lena: {denied}"
    with stage.step("The server tried each: refused, as an entry of the log says") as s:
        proven = [_proven(sofia, people, each) for each in revoked]
        s.expect(all(each["proof"] == "refused" for each in proven), f"{proven}")
        s.detail = "entries " + ", ".join(str(each["proof_entry"]) for each in proven)
    with stage.step("Sofia cannot decide on herself: Ines does; the rest is kept") as s:
        ines = stage.logged_in(INES)
        own = next(each for each in lines if each["holder"] == stage.entities[SOFIA.name])
        denied = refusal(lambda: _decide(sofia, people, own, "keep", "I need it"))
        s.expect(denied is not None, "she decided on herself")
        for each in (each for each in lines if each not in revoked):
            herself = each["holder"] == stage.entities[SOFIA.name]
            _decide(ines if herself else sofia, people, each, "keep", "it is their work")
        s.detail = denied or ""
    with stage.step("Programs likewise: not by Ines alone, who owns them; Sofia signs both") as s:
        programs = _begun(sofia, "workloads")
        of_programs = _lines(sofia, programs)
        said = _decide(ines, programs, of_programs[0], "keep", "the shop runs on it")
        s.expect(said["state"] == "attested", f"it is {said['state']} by its owner's word")
        for each in of_programs:
            _decide(sofia, programs, each, "keep", "the shop runs on it")
        signed = [_signed(sofia, each) for each in (people, programs)]
        s.expect(all(each["state"] == "signed" for each in signed), "not signed off")
        s.detail = f"{programs['lines']} lines of programs; {signed[0]['states']}"


def _ids(stage: Stage, *who: Any) -> set[str]:
    return {stage.entities[each.name] for each in who}


def _begun(client: Any, kind: str) -> dict[str, Any]:
    given = {"kind": kind, "reviewers": ["reviewers"], "fallback": ["reviewers"]}
    found: dict[str, Any] = client.write_data(_AREA, data=given)["data"]
    return found


def _lines(client: Any, review: dict[str, Any]) -> list[dict[str, Any]]:
    return [*client.list(f"{_AREA}/{review['id']}/lines")["data"]["key_info"].values()]


def _decide(
    client: Any, review: dict[str, Any], line: dict[str, Any], verdict: str, because: str
) -> dict[str, Any]:
    at = f"{_AREA}/{review['id']}/lines/{line['number']}/decide"
    found: dict[str, Any] = client.write_data(at, data={"verdict": verdict, "because": because})[
        "data"
    ]
    return found


def _proven(client: Any, review: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    """Wait for what the server does behind the answer; return the decision as it is then."""
    found: dict[str, Any] = {}
    for _ in range(_PATIENCE):
        found = client.read(f"{_AREA}/{review['id']}/lines/{line['number']}")["data"]["decision"]
        if found["proof"] != "waiting":
            break
        time.sleep(0.1)
    return found


def _signed(client: Any, review: dict[str, Any]) -> dict[str, Any]:
    given = {"statement": "all of it was looked at, with who leads the teams"}
    found: dict[str, Any] = client.write_data(f"{_AREA}/{review['id']}/sign-off", data=given)[
        "data"
    ]
    return found


SCENE = Scene(name="review", title="The quarter's review", play=play)
