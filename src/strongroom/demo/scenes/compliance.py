"""Vendors and training before anybody sees a secret; a policy all know; a vendor that leaves."""

from __future__ import annotations

from typing import Any

from strongroom.demo.company import INES, PEOPLE, SOFIA, Person
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import refusal

_COURSE, _POLICY, _VENDOR, _PROGRAM = "handling", "secrets", "oldcourier", "courier-sync"
_STAYS = {
    "tier": "high",
    "holds": "sends the shop's mail",
    "contract_ends_at": "2026-12-31T00:00:00Z",
    "report": "soc2-type2",
    "report_at": "2025-10-31T00:00:00Z",
    "assessed_at": "2025-11-20T00:00:00Z",
    "assess_again_at": "2026-11-20T00:00:00Z",
}
_TEXT = """\
# Handling secrets

- A secret is stored here and nowhere else.
- Who needs one of production asks for it, for a while.
- What somebody knew who left is written anew within a day.
"""


def prepare(stage: Stage) -> None:
    """Write down whose products work here, and who has learned to handle secrets."""
    with stage.step("Sofia writes down two vendors, and what speaks for trusting them") as step:
        ines, sofia = stage.logged_in(INES), stage.logged_in(SOFIA)
        for name in ("lanternmail", _VENDOR):
            given = {**_STAYS, "owner": stage.entities[INES.name]}
            sofia.write_data(f"strongroom/vendors/{name}", data=given)
        _register(stage, ines, sofia)
        found = sofia.read(f"strongroom/vendors/{_VENDOR}")["data"]
        step.expect(len(found["workloads"]) == 1, "its program is not known to be its")
        step.detail = f"{_PROGRAM} is {_VENDOR}'s"
    with stage.step("Everybody's training is recorded, by somebody else") as step:
        course = {"title": "Handling secrets", "version": "1"}
        sofia.write_data(f"strongroom/training/courses/{_COURSE}", data=course)
        denied = refusal(lambda: _record(stage, sofia, SOFIA))
        step.expect(denied is not None, "Sofia recorded her own")
        for person in PEOPLE:
            _record(stage, ines if person is SOFIA else sofia, person)
        step.detail = f"{len(PEOPLE)} people; her own: {denied}"


def _register(stage: Stage, asks: Any, approves: Any) -> None:
    wish = {
        "kind": "workload",
        "entity_name": _PROGRAM,
        "reason": "the courier's program",
        "owner": stage.entities[INES.name],
        "justification": "fetches what is to be sent",
        "environment": "staging",
        "vendor": _VENDOR,
        "ends_at": "2026-12-31T00:00:00Z",
    }
    made = asks.write_data("strongroom/registrations", data=wish)["data"]
    at = f"strongroom/registrations/{made['id']}/approve"
    approves.write_data(at, data={"revision": made["revision"]})


def _record(stage: Stage, client: Any, person: Person) -> None:
    given = {"course": _COURSE, "entity": stage.entities[person.name], "reference": "course list"}
    client.write_data("strongroom/training/completions", data=given)


def agree(stage: Stage) -> None:
    """Put a policy into force by two people, and let everybody say that they know it."""
    with stage.step("Ines proposes a policy, Sofia puts it in force; Ines alone could not") as step:
        sofia = stage.logged_in(SOFIA)
        given = {"title": "Handling secrets", "owner": stage.entities[SOFIA.name]}
        sofia.write_data(f"strongroom/documents/{_POLICY}", data=given)
        proposed = {"text": _TEXT, "reason": "what everybody should know"}
        at = f"strongroom/documents/{_POLICY}/propose"
        made = stage.logged_in(INES).write_data(at, data=proposed)["data"]
        path = f"strongroom/documents/proposals/{made['id']}/approve"
        decision = {"revision": made["revision"], "because": "read it whole"}
        done = sofia.write_data(path, data=decision)["data"]
        step.expect(done["state"] == "approved", f"it is {done['state']}")
    with stage.step("Everybody says that they have read it") as step:
        for person in PEOPLE:
            at = f"strongroom/documents/{_POLICY}/acknowledge"
            stage.logged_in(person).write_data(at, data={"version": 1})
        found = sofia.read(f"strongroom/documents/{_POLICY}")["data"]
        step.expect(not found["to_acknowledge"], "somebody has not")
        step.detail = f"{len(found['acknowledged'])} people"


def part(stage: Stage) -> None:
    """End all access of a vendor at once."""
    with stage.step(f"The contract with {_VENDOR} is over: all that is its ends at once") as step:
        sofia = stage.logged_in(SOFIA)
        at = f"strongroom/vendors/{_VENDOR}/leave"
        told = sofia.write_data(at, data={"reason": "the contract is over"})["data"]
        step.expect(len(told["ended"]) == 1, "its program was not ended")
        known = sofia.read(f"strongroom/vendors/{_VENDOR}/knowledge")["data"]["secrets"]
        step.detail = f"{len(told['ended'])} program; it knew {len(known)} secrets"


PREPARED = Scene(name="compliance", title="Vendors and training", play=prepare)
AGREED = Scene(name="policy", title="A policy", play=agree)
PARTED = Scene(name="vendor", title="A vendor leaves", play=part)
