"""A caller that is bound to an environment becomes nobody who is bound otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from strongroom.app import METHODS
from tests.core.system.room import Answer, Room, room

ALL = '["create", "read", "update", "delete", "list", "patch", "sudo"]'
ADMIN = f'path "auth/*" {{ capabilities = {ALL} }} path "sys/*" {{ capabilities = {ALL} }}'
GUARDED = "environment:prod"
USER = "auth/people/users/{}"
ROLE = "auth/apps/role/{}"
CHANGES: dict[str, tuple[str, str, dict[str, object]]] = {
    "a password": ("POST", USER, {"password": "stolen"}),
    "a password alone": ("POST", f"{USER}/password", {"password": "stolen"}),
    "no password": ("POST", f"{USER}/password", {}),
    "a user's policies": ("POST", f"{USER}/policies", {"policies": "x"}),
    "a user's rules": ("PUT", USER, {"token_ttl": "1h"}),
    "a user": ("DELETE", USER, {}),
    "a secret id": ("POST", f"{ROLE}/secret-id", {}),
    "a secret id of one's own": ("POST", f"{ROLE}/custom-secret-id", {"secret_id": "s" * 20}),
    "a role": ("POST", ROLE, {"bind_secret_id": False, "token_bound_cidrs": "127.0.0.1/32"}),
    "a setting": ("POST", f"{ROLE}/bind-secret-id", {"bind_secret_id": False}),
    "a setting's default": ("DELETE", f"{ROLE}/token-bound-cidrs", {}),
    "a role id": ("POST", f"{ROLE}/role-id", {"role_id": "another"}),
    "the end of a role": ("DELETE", ROLE, {}),
}


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    """`ann` and `ann-job` of production, `dev` and `dev-job` of dev, `al` and `al-job` of none."""
    async with room(tmp_path) as made:
        await made.policy("admin", ADMIN)
        for name in ("prod", "dev"):
            given = {"paths": [f"secret/+/{name}/*"]}
            assert (await made.ask("POST", f"strongroom/environments/{name}", given)).status == 204
        await made.ask("POST", "sys/auth/people", {"type": "userpass"})
        await made.ask("POST", "sys/auth/apps", {"type": "approle"})
        for name, environment in (("ann", "prod"), ("dev", "dev"), ("al", "")):
            await known(made, name, environment)
        yield made


async def known(r: Room, name: str, environment: str) -> None:
    """Make a user and a role that have each logged in, and bind their entities."""
    await r.ask("POST", USER.format(name), {"password": "own", "policies": "admin"})
    user = await r.ask("POST", f"auth/people/login/{name}", {"password": "own"}, token="")
    await r.ask("POST", ROLE.format(f"{name}-job"), {"role_id": f"{name}-id"})
    made = await r.ask("POST", ROLE.format(f"{name}-job/secret-id"), {})
    given = {"role_id": f"{name}-id", "secret_id": made.data["secret_id"]}
    job = await r.ask("POST", "auth/apps/login", given, token="")
    for entity in (user.auth["entity_id"], job.auth["entity_id"]):
        bound = {"metadata": {"environment": environment}} if environment else {}
        await r.ask("POST", f"identity/entity/id/{entity}", bound)


async def caller(r: Room, environment: str) -> str:
    return await r.token("admin", meta={"environment": environment} if environment else {})


def of(path: str, name: str) -> str:
    return path.format(name if path.startswith("auth/people") else f"{name}-job")


async def refused(r: Room, answer: Answer, guardrail: str) -> None:
    assert (answer.status, answer.errors) == (403, ["permission denied"])
    assert (await r.last())["unmapped"]["guardrail"] == guardrail


@pytest.fixture(params=CHANGES.values(), ids=CHANGES.keys())
def change(request: pytest.FixtureRequest) -> tuple[str, str, dict[str, object]]:
    method, path, given = request.param
    return method, path, given


async def test_what_another_logs_in_by_is_out_of_reach(
    r: Room, change: tuple[str, str, dict[str, object]]
) -> None:
    method, path, given = change

    dev, prod = await caller(r, "dev"), await caller(r, "prod")
    for token, name, guardrail in (
        (dev, "ann", "environment:prod"),
        (dev, "al", "environment:dev"),
        (prod, "dev", "environment:dev"),
        (prod, "al", "environment:prod"),
    ):
        answer = await r.ask(method, of(path, name), given, token=token)

        await refused(r, answer, guardrail)


async def test_ones_own_and_an_unbound_callers_are_not(
    r: Room, change: tuple[str, str, dict[str, object]]
) -> None:
    method, path, given = change

    for environment, name in (("prod", "ann"), ("dev", "dev"), ("", "al")):
        token = await caller(r, environment)
        answer = await r.ask(method, of(path, name), given, token=token)

        assert answer.status in (200, 204, 400), answer


async def test_it_counts_who_they_are_now_however_often_it_was_allowed(r: Room) -> None:
    token, own = await caller(r, "prod"), {"password": "own"}
    for _ in range(3):
        assert (await r.ask("POST", USER.format("ann"), own, token=token)).status == 204
    user = await r.ask("POST", "auth/people/login/ann", own, token="")
    moved = {"metadata": {"environment": "dev"}}
    await r.ask("POST", f"identity/entity/id/{user.auth['entity_id']}", moved)

    await refused(r, await r.ask("POST", USER.format("ann"), own, token=token), "environment:dev")


@pytest.mark.parametrize("name", ["ANN", "Ann"])
async def test_another_case_of_letters_is_no_way_around(r: Room, name: str) -> None:
    token = await caller(r, "dev")

    for path in (USER, f"{USER}/password"):
        answer = await r.ask("POST", path.format(name), {"password": "stolen"}, token=token)
        await refused(r, answer, GUARDED)
    role = await r.ask("POST", ROLE.format(f"{name}-job/secret-id"), {}, token=token)
    await refused(r, role, GUARDED)


async def test_a_user_that_was_deleted_is_not_made_anew_by_another(r: Room) -> None:
    await r.ask("DELETE", USER.format("ann"))

    answer = await r.ask(
        "POST", USER.format("ann"), {"password": "x"}, token=await caller(r, "dev")
    )

    await refused(r, answer, GUARDED)


async def test_a_role_does_not_get_the_role_id_of_another(r: Room) -> None:
    await r.ask("DELETE", ROLE.format("ann-job"))
    token = await caller(r, "dev")

    for path, given in (
        (ROLE.format("new"), {"role_id": "ann-id"}),
        (ROLE.format("dev-job"), {"role_id": "ann-id"}),
        (ROLE.format("dev-job/role-id"), {"role_id": "ann-id"}),
    ):
        await refused(r, await r.ask("POST", path, given, token=token), GUARDED)


@pytest.mark.parametrize("kind", ["userpass", "approle"])
async def test_a_mount_that_binds_its_logins_is_for_those_of_its_environment(
    r: Room, kind: str
) -> None:
    given = {"type": kind, "options": {"environment": "prod"}}
    assert (await r.ask("POST", "sys/auth/bound", given)).status == 204
    path = "auth/bound/users/new" if kind == "userpass" else "auth/bound/role/new"

    refusal = await r.ask("POST", path, {"password": "x"}, token=await caller(r, "dev"))
    await refused(r, refusal, GUARDED)
    made = await r.ask("POST", path, {"password": "x"}, token=await caller(r, "prod"))

    assert made.status in (200, 204)


async def test_reading_and_listing_are_left_to_policy(r: Room) -> None:
    token = await caller(r, "dev")

    answers = [
        await r.ask("GET", USER.format("ann"), token=token),
        await r.ask("LIST", "auth/people/users", token=token),
        await r.ask("GET", ROLE.format("ann-job"), token=token),
        await r.ask("LIST", ROLE.format("ann-job/secret-id"), token=token),
    ]

    assert [answer.status for answer in answers] == [200] * 4


async def test_somebody_new_is_made_where_policy_lets_it(r: Room) -> None:
    token = await caller(r, "dev")

    user = await r.ask("POST", USER.format("new"), {"password": "x"}, token=token)
    role = await r.ask("POST", ROLE.format("new"), {}, token=token)

    assert (user.status, role.status) == (204, 204)


async def test_a_refusal_is_the_same_whether_there_is_such_a_user(r: Room) -> None:
    await r.policy("none", 'path "auth/people/users/ann" { capabilities = ["read"] }')
    token = await r.token("none", meta={"environment": "dev"})
    by_policy = await r.ask("POST", USER.format("ann"), {"password": "x"}, token=token)

    by_guardrail = await r.ask(
        "POST", USER.format("ann"), {"password": "x"}, token=await caller(r, "dev")
    )

    assert by_guardrail == by_policy


async def test_capabilities_show_it(r: Room) -> None:
    token = await caller(r, "dev")
    paths = [USER.format("ann"), USER.format("dev"), USER.format("ann/password"), "auth/people/x"]
    paths += [ROLE.format("ann-job/secret-id"), USER.format("new")]

    found = (await r.ask("POST", "sys/capabilities", {"token": token, "paths": paths})).data

    every = ["create", "delete", "list", "patch", "read", "sudo", "update"]
    readable = ["list", "read", "sudo"]
    assert found[paths[0]] == readable
    assert found[paths[1]] == found[paths[3]] == found[paths[5]] == every
    assert found[paths[2]] == found[paths[4]] == ["delete", *readable]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_every_path_of_one_subject_says_whose_it_is(method: object) -> None:
    for route in method.routes():  # type: ignore[attr-defined]
        if "{" in route.path and (route.write or route.patch or route.delete):
            assert route.subjects is not None, route.path
