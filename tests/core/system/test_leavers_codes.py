"""Leavers who would sign in again as somebody whom they approved, or whose password they set."""

from __future__ import annotations

from pathlib import Path

from tests.core.system.people import Person, validate
from tests.core.system.room import Room, room
from tests.core.system.test_entrances import entry_of, looked
from tests.core.system.test_leaving import leave, registered, works

ALL = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'


async def company(ours: Room, *names: str) -> list[Person]:
    """Give registered people who may do everything and were made by root, with an app each."""
    await ours.policy("all", ALL)
    for rule in ("policies", "factors", "approvals"):  # what is tried here is not step-up
        await ours.ask("POST", f"strongroom/step-up/rules/{rule}", {"enabled": False})
    found = [await registered(ours, name, "all") for name in names]
    off = {"policies": "all", "kinds": "totp"}
    assert (await ours.ask("POST", "strongroom/factors/rules/all", off)).status == 204
    for each in found:
        await each.enrol_totp()
        await each.must_show_code()
    return found


async def hired(ours: Room, asks: Person, approves: Person) -> tuple[Person, str]:
    """Register carol, her first password set by who approves; return her and her code."""
    up = (await ours.ask("GET", "sys/auth")).data["up/"]["accessor"]
    wish = {"kind": "person", "entity_name": "carol", "name": "carol", "reason": "in the team"}
    asked = await asks.ask(
        "POST", "strongroom/registrations", {**wish, "mount_accessor": up, "alias": "carol"}
    )
    assert asked.status == 200, asked
    path = f"strongroom/registrations/{asked.data['id']}/approve"
    gave = await approves.ask("POST", path, {"revision": 1})
    assert gave.status == 200, gave
    given = {"password": "first", "token_policies": ["all"]}
    assert (await approves.ask("POST", "auth/up/users/carol", given)).status == 204
    carol = Person(room=ours, name="carol", password="first", entity=str(gave.data["entity"]))
    return carol, str(gave.data["enrolment_code"])


async def test_a_leaver_does_not_enrol_and_sign_in_as_whom_they_approved(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        mallory, bob, eve = await company(ours, "mallory", "bob", "eve")
        carol, code = await hired(ours, asks=bob, approves=mallory)
        await carol.must_log_in()

        left = await leave(ours, mallory)
        entry = await entry_of(ours, "person.leave")

        assert left.data["passwords"] == entry["passwords"] == ["auth/up/carol"]
        assert left.data["codes_void_of"] == entry["codes_void_of"] == [carol.entity]
        assert (await looked(ours))["to_look_at"] == {mallory.entity: ["auth/up/carol"]}
        assert not await works(ours, carol.token)  # it may have been mallory who signed in
        assert (await carol.log_in()).status == 400
        assert "has left" in (await ours.last())["status_detail"]

        confirmed = await bob.ask(
            "POST", "strongroom/leavers/entrances/confirm", {"mount": "up", "name": "carol"}
        )
        assert confirmed.status == 204
        assert (await carol.log_in()).status == 400  # mallory still knows the password

        given = {"password": "second"}
        assert (await bob.ask("POST", "auth/up/users/carol/password", given)).status == 204
        carol.password = "second"
        await carol.must_log_in()
        begin = "strongroom/factors/totp/begin"
        tried = await carol.ask("POST", begin, {"name": "app", "enrolment_code": code})
        assert tried.status == 403  # the code is void, whoever signs in

        wish = {"kind": "factors", "entity": carol.entity, "reason": "their first was void"}
        asked = await bob.ask("POST", "strongroom/registrations", wish)
        path = f"strongroom/registrations/{asked.data['id']}/approve"
        gave = await eve.ask("POST", path, {"revision": 1})
        assert gave.status == 200, gave
        await carol.enrol_totp(enrolment_code=gave.data["enrolment_code"])


async def test_a_code_that_the_leaver_had_asked_for_is_void_and_others_stand(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as ours:
        mallory, bob, eve = await company(ours, "mallory", "bob", "eve")
        carol, code = await hired(ours, asks=mallory, approves=bob)

        assert (await leave(ours, eve)).data["codes_void_of"] == []
        assert (await leave(ours, mallory)).data["codes_void_of"] == [carol.entity]
        await carol.must_log_in()  # bob set the password, and is there

        given = {"name": "app", "enrolment_code": code}
        assert (await carol.ask("POST", "strongroom/factors/totp/begin", given)).status == 403


async def test_a_factor_that_the_leaver_may_have_enrolled_does_not_make_up_for_the_password(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as ours:
        mallory, bob = await company(ours, "mallory", "bob")
        carol, code = await hired(ours, asks=bob, approves=mallory)
        await carol.must_log_in()
        await carol.enrol_totp(enrolment_code=code)  # by mallory, for all that is known
        await carol.must_show_code()

        await leave(ours, mallory)

        assert not await works(ours, carol.token)
        assert (await carol.log_in()).status == 400


async def test_who_changed_the_password_or_was_let_in_by_another_goes_on(tmp_path: Path) -> None:
    async with room(tmp_path) as ours:
        mallory, bob = await company(ours, "mallory", "bob")
        given = {"password": "again"}
        assert (await mallory.ask("POST", "auth/up/users/bob/password", given)).status == 204
        bob.password = "again"

        left = await leave(ours, mallory)

        assert left.data["passwords"] == []  # bob has a factor of his own
        shown = await validate(ours, await bob.log_in(), totp=bob.next_code())
        assert shown.status == 200
