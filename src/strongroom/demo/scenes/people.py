"""Everybody is registered: asked for by one, approved by another; people then enrol factors."""

from __future__ import annotations

from typing import Any

from strongroom.demo.company import (
    FOUNDERS,
    INES,
    PEOPLE,
    RELEASES,
    REPORTS,
    SOFIA,
    TOMAS,
    WORKLOADS,
    Person,
    Workload,
)
from strongroom.demo.platforms import CERT_MOUNT, CI_MOUNT, JOB
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import refusal


def play(stage: Stage) -> None:
    """Enrol the founders, register everybody, enrol the rest."""
    with stage.step("Ines and Sofia enrol a security key and an app, before anything else") as step:
        first = stage.logged_in(INES)
        denied = refusal(lambda: first.read("development/data/shop/database"))
        step.expect(denied is not None, "a password alone did more than enrol")
        for person in FOUNDERS:
            stage.enrol(person)
        step.detail = "a password alone can do nothing but enrol"
    with stage.step("Ines asks for people and programs, Sofia approves each") as step:
        ines, sofia = stage.logged_in(INES), stage.logged_in(SOFIA)
        asked = [
            *(_person(stage, each) for each in PEOPLE if each not in FOUNDERS),
            *(_workload(stage, each) for each in WORKLOADS),
            *_of_platforms(stage),
        ]
        denied = refusal(lambda: stage.logged_in(TOMAS))
        step.expect(denied is not None, "Tomas got in before he was registered")
        for wish in asked:
            _register(stage, ines, sofia, wish)
        step.detail = f"{len(asked)} registered; before that, refused"
    with stage.step("The others enrol at their first login, by the approval's code") as step:
        others = [person for person in PEOPLE if person not in FOUNDERS]
        before = stage.logged_in(others[0])
        path = "strongroom/factors/totp/begin"
        denied = refusal(lambda: before.write_data(path, data={"name": "phone"}))
        step.expect(denied is not None, "somebody enrolled without the approval's code")
        for person in others:
            stage.enrol(person)
        step.detail = "from now on each login takes a password and a key or a code"


def _person(stage: Stage, person: Person) -> dict[str, Any]:
    worker = {"worker": "contractor", "contract": "2025-11", "ends_at": person.until}
    return {
        "kind": "person",
        "entity_name": person.name,
        "name": person.name.title(),
        "reason": person.work,
        "mount_accessor": stage.accessors[person.mount],
        "alias": person.name,
        **({"policies": list(person.held)} if person.held else {}),
        **(worker if person.until else {}),
    }


def _workload(stage: Stage, workload: Workload) -> dict[str, Any]:
    alias = stage.credentials[workload.name]["role_id"]
    return _program(stage, workload.name, workload.environment, workload.mount, alias)


def _of_platforms(stage: Stage) -> tuple[dict[str, Any], ...]:
    return (
        _program(stage, RELEASES, "staging", CI_MOUNT, JOB),
        _program(stage, REPORTS, "production", CERT_MOUNT, REPORTS),
    )


def _program(stage: Stage, name: str, environment: str, mount: str, alias: str) -> dict[str, Any]:
    return {
        "kind": "workload",
        "entity_name": name,
        "reason": "the shop runs on it",
        "owner": stage.entities[INES.name],
        "justification": f"{name} reads what it needs",
        "environment": environment,
        "mount_accessor": stage.accessors[mount],
        "alias": alias,
    }


def _register(stage: Stage, asks: Any, approves: Any, wish: dict[str, Any]) -> None:
    made = asks.write_data("strongroom/registrations", data=wish)["data"]
    at = f"strongroom/registrations/{made['id']}/approve"
    done = approves.write_data(at, data={"revision": made["revision"]})["data"]
    stage.entities[wish["entity_name"]] = done["entity"]
    if code := done.get("enrolment_code"):
        stage.enrolment_codes[wish["entity_name"]] = code


SCENE = Scene(name="people", title="People and programs", play=play, essential=True)
