"""A password alone lets no registered person in; a login that waits is judged again at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.system.people import Person, person, requirement
from tests.core.system.room import Answer, Room, room
from tests.core.system.test_groups import storage

__all__ = ["storage"]


async def registered(r: Room, name: str, *policies: str) -> Person:
    """Give somebody who is registered, and has enrolled nothing."""
    made = await person(r, name, *policies)
    entity = await r.ask("POST", "identity/entity", {"name": name})
    made.entity = entity.data["id"]
    accessor = (await r.ask("GET", "sys/auth")).data["up/"]["accessor"]
    alias = {"name": name, "mount_accessor": accessor, "canonical_id": made.entity}
    assert (await r.ask("POST", "identity/entity-alias", alias)).status == 200
    about = {"name": name, "email": f"{name}@example.test"}
    assert (await r.ask("POST", f"strongroom/people/{made.entity}", about)).status == 204
    return made


async def enrolled(r: Room, name: str, *policies: str) -> Person:
    """Give somebody who is registered, and has an app."""
    made = await registered(r, name, *policies)
    await made.must_log_in()
    await made.enrol_totp()
    return made


async def at_another_mount(r: Room, who: Person) -> Answer:
    """Let somebody log in at a mount that is not said to be for people."""
    await r.ask("POST", "sys/auth/plain", {"type": "userpass"})
    accessor = (await r.ask("GET", "sys/auth")).data["plain/"]["accessor"]
    await r.ask("POST", f"auth/plain/users/{who.name}", {"password": "x"})
    alias = {"name": who.name, "mount_accessor": accessor, "canonical_id": who.entity}
    await r.ask("POST", "identity/entity-alias", alias)
    return await r.ask("POST", f"auth/plain/login/{who.name}", {"password": "x"}, token="")


async def test_a_registered_person_without_a_factor_can_only_enrol(
    tmp_path: Path, storage: str
) -> None:
    async with room(tmp_path, storage=storage) as r:
        ada = await registered(r, "ada")

        first = await ada.must_log_in()

        assert first.auth["policies"] == ["enrol-factors"]
        assert first.auth["lease_duration"] == 900
        assert (await r.last())["unmapped"]["only_enrols"] == ["totp", "webauthn"]
        await ada.enrol_totp()
        assert requirement(await ada.log_in())
        again = await ada.must_show_code()
        assert "own-factors" in again.auth["policies"]


async def test_they_are_asked_at_every_mount_and_by_whatever_method(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        ada, bob = await enrolled(r, "ada"), await registered(r, "bob")

        waits, enrols = await at_another_mount(r, ada), await at_another_mount(r, bob)

        assert requirement(waits)
        assert enrols.auth["policies"] == ["enrol-factors"]


async def test_who_is_not_registered_logs_in_as_before(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        eve = await person(r, "eve")

        answer = await eve.must_log_in()

        assert "own-factors" in answer.auth["policies"]


async def test_the_last_app_or_key_of_a_person_is_not_deleted_by_its_owner(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        ada = await enrolled(r, "ada")
        await ada.must_show_code()

        path = f"strongroom/factors/{ada.ids['totp']}/delete"
        answer = await ada.ask("POST", path, {"code": ada.next_code()})

        assert answer.status == 400
        assert answer.errors == ["enrol another app or security key first: you must have one"]


async def test_a_rule_may_ask_for_none_and_is_an_alert(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        ada, kiosk = await enrolled(r, "ada"), await registered(r, "kiosk")
        rule = {"policies": ["own-factors"], "kinds": ["none"]}

        written = await r.ask("POST", "strongroom/factors/rules/loose", rule)
        entry = (await r.last())["unmapped"]
        answer = await kiosk.must_log_in()

        assert written.status == 204
        assert entry["alert"] == "second_factor_waived"
        assert "own-factors" in answer.auth["policies"]
        assert requirement(await ada.log_in())  # who has one is asked all the same


@pytest.mark.parametrize("kinds", [["none", "totp"], ["None"], []])
async def test_a_rule_of_none_stands_alone(tmp_path: Path, kinds: list[str]) -> None:
    async with room(tmp_path) as r:
        rule = {"policies": ["x"], "kinds": kinds}

        answer = await r.ask("POST", "strongroom/factors/rules/loose", rule)

        assert answer.status == 400
