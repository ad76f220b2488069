"""A password alone lets no registered person in; a login that waits is judged again at its end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.system.people import PASSWORD, Person, person, requirement, validate
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


# -- a login that waits


async def waiting(r: Room) -> tuple[Person, Answer]:
    ada = await enrolled(r, "ada")
    answer = await ada.log_in()
    assert requirement(answer)
    return ada, answer


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("auth/up/users/ada/password", {"password": "another"}),
        ("auth/up/users/ada/password", {"password": PASSWORD}),  # even the same one
        ("auth/up/users/ada", {"token_bound_cidrs": ["10.0.0.0/8"]}),
        ("auth/up/users/ada", {"token_policies": ["more"]}),
        ("sys/auth/up/tune", {"max_lease_ttl": "30m"}),
        ("strongroom/people/{}/leave", {}),
    ],
)
async def test_gives_nothing_after_what_it_was_judged_by_has_changed(
    tmp_path: Path, path: str, given: dict[str, object]
) -> None:
    async with room(tmp_path) as r:
        ada, answer = await waiting(r)
        changed = await r.ask("POST", path.format(ada.entity), given)
        assert changed.status in (200, 204), changed

        refused = await validate(r, answer, totp=ada.next_code())

        assert refused.status in (400, 403)  # of who left nothing waits any more
        assert not (refused.body or {}).get("auth")


async def test_waits_for_what_is_demanded_by_then(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        ada, answer = await waiting(r)
        rule = {"policies": ["own-factors"], "kinds": ["webauthn"]}
        await r.ask("POST", "strongroom/factors/rules/keys", rule)

        done = await validate(r, answer, totp=ada.next_code())

        assert done.status == 200
        assert done.auth["policies"] == ["enrol-factors"]


async def test_gives_its_token_where_nothing_has_changed(tmp_path: Path, storage: str) -> None:
    async with room(tmp_path, storage=storage) as r:
        ada, answer = await waiting(r)
        await r.ask("POST", "auth/up/users/bob", {"password": "of somebody else"})

        done = await validate(r, answer, totp=ada.next_code())

        assert done.status == 200
        assert "own-factors" in done.auth["policies"]


# -- the limits of what comes of it


async def test_a_persons_token_is_a_session_though_nobody_opened_it(
    tmp_path: Path, storage: str
) -> None:
    async with room(tmp_path, storage=storage) as r:
        ada = await enrolled(r, "ada")
        answer = await ada.must_show_code()
        entry = (await r.last())["unmapped"]
        for _ in range(3):
            r.clock.advance(timedelta(minutes=14))
            assert (await ada.ask("GET", "auth/token/lookup-self")).status == 200

        r.clock.advance(timedelta(minutes=15))

        assert (await ada.ask("GET", "auth/token/lookup-self")).status == 403
        assert answer.auth["lease_duration"] == 12 * 3600
        assert (entry["idle"], entry["longest"]) == (900, 43200)


async def test_it_ends_after_its_longest_and_is_renewed_no_further(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        ada = await enrolled(r, "ada")
        await ada.must_show_code()
        for _ in range(71):
            r.clock.advance(timedelta(minutes=10))
            assert (await ada.ask("POST", "auth/token/renew-self")).status == 200

        r.clock.advance(timedelta(minutes=11))

        assert (await ada.ask("GET", "auth/token/lookup-self")).status == 403


async def test_a_person_gets_no_batch_token_which_could_not_be_ended(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        ada = await enrolled(r, "ada")
        await r.ask("POST", "auth/up/users/ada", {"token_type": "batch"})

        answer = await ada.must_show_code()

        assert answer.auth["token_type"] == "service"


@pytest.mark.parametrize(
    ("bound", "near", "far"),
    [("address", 403, 403), ("network", 200, 403), ("off", 200, 200)],
)
async def test_it_is_used_from_where_it_was_signed_in(
    tmp_path: Path, bound: str, near: int, far: int
) -> None:
    async with room(tmp_path) as r:
        limits = {"idle": "15m", "longest": "12h", "bound": bound}
        assert (await r.ask("POST", "strongroom/sessions/limits", limits)).status == 204
        ada = await enrolled(r, "ada")
        await ada.must_show_code()

        async def status(address: str) -> int:
            path = "auth/token/lookup-self"
            return (await r.ask("GET", path, token=ada.token, address=address)).status

        assert await status("127.0.0.1") == 200
        assert await status("127.0.0.9") == near
        assert await status("192.0.2.1") == far
        assert await status("::ffff:127.0.0.1") == 200


async def test_from_where_is_one_of_three_words(tmp_path: Path) -> None:
    async with room(tmp_path) as r:
        limits = {"idle": "15m", "longest": "12h", "bound": "anywhere"}

        answer = await r.ask("POST", "strongroom/sessions/limits", limits)

        assert answer.status == 400
        assert answer.errors[0].startswith("bound")
