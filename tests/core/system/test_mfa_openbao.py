"""Vault's login MFA beside OpenBao: the same requests to both, statuses and fields compared."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from strongroom.base.secret import Secret
from strongroom.crypto.totp import hotp
from tests.core.system.people import secret_of
from tests.core.system.room import room
from tests.core.system.side_by_side import Script, step
from tests.oracles.openbao import OpenBao

TOTP = "identity/mfa/method/totp"
ENFORCEMENT = "identity/mfa/login-enforcement"


@pytest.fixture
async def script(openbao: OpenBao, tmp_path: Path) -> AsyncIterator[Script]:
    await forget(openbao)
    openbao.ask("POST", "sys/auth/mfa-people", {"type": "userpass"})
    async with room(tmp_path) as ours:
        ours.clock.advance(datetime.now(UTC) - ours.clock.now())
        await ours.ask("POST", "sys/auth/mfa-people", {"type": "userpass"})
        yield Script(openbao, ours)
    await forget(openbao)
    openbao.ask("DELETE", "sys/auth/mfa-people")


async def forget(openbao: OpenBao) -> None:
    for path in (ENFORCEMENT, TOTP):
        listed = openbao.ask("LIST", path).body or {}
        for each in listed.get("data", {}).get("keys", []):
            openbao.ask("DELETE", f"{path}/{each}")


async def test_methods(script: Script) -> None:
    kept = {"method": "data.method_id"}
    await script.run(
        step("LIST", "identity/mfa/method"),
        step("LIST", TOTP),
        step("POST", TOTP, {}),
        step("POST", TOTP, {"issuer": "i"}, kept=kept, lax=True),
        step("GET", f"{TOTP}/{{method}}", lax=True),
        step("GET", "identity/mfa/method/{method}", lax=True),
        step("LIST", TOTP, lax=True),
        step("LIST", "identity/mfa/method", lax=True),
        step("POST", f"{TOTP}/{{method}}", {"issuer": "j", "digits": 8, "period": "1m"}),
        step("POST", f"{TOTP}/{{method}}", {"skew": 0}),
        *(
            step("POST", TOTP, {"issuer": "i", **wrong})
            for wrong in (
                {"digits": 7},
                {"algorithm": "MD5"},
                {"algorithm": "sha1"},
                {"skew": 2},
                {"skew": -1},
                {"period": 0},
                {"period": -3},
                {"period": "x"},
                {"key_size": 0},
                {"key_size": -1},
                {"max_validation_attempts": -1},
            )
        ),
        step("POST", TOTP, {"issuer": "i", "method_name": "mine"}, lax=True),
        step("POST", TOTP, {"issuer": "i", "method_name": "mine"}, lax=True),
        step("GET", f"{TOTP}/nobody"),
        step("GET", "identity/mfa/method/nobody"),
        step("POST", f"{TOTP}/nobody", {"issuer": "i"}),
        step("DELETE", f"{TOTP}/nobody"),
        step("POST", "identity/mfa/method/okta", {}),
        step("POST", "identity/mfa/method/duo", {}),
        step("POST", "identity/mfa/method/pingid", {}),
        step("DELETE", f"{TOTP}/{{method}}"),
        step("GET", f"{TOTP}/{{method}}"),
    )


async def test_what_a_method_is_shown_as(script: Script) -> None:
    shown = [
        (await both(script, "GET", f"{TOTP}/{{m}}", m=await made(script, given)))
        for given in (
            {"issuer": "i"},
            {"issuer": "i", "digits": 8, "algorithm": "SHA256", "key_size": 32, "skew": 0},
        )
    ]

    for theirs, ours in shown:
        for each in (theirs, ours):
            each.pop("id")
        assert ours == theirs


async def test_enforcements(script: Script) -> None:
    mounts = "data.mfa-people/.accessor"
    body = {"mfa_method_ids": ["{method}"]}
    await script.run(
        step("LIST", ENFORCEMENT),
        step("POST", TOTP, {"issuer": "i"}, kept={"method": "data.method_id"}, lax=True),
        step("GET", "sys/auth", kept={"mount": mounts}, lax=True),
        step("POST", f"{ENFORCEMENT}/e", {}),
        step("POST", f"{ENFORCEMENT}/e", {"mfa_method_ids": ["nope"]}),
        step("POST", f"{ENFORCEMENT}/e", body),
        step("POST", f"{ENFORCEMENT}/e", {**body, "auth_method_accessors": ["no"]}),
        step("POST", f"{ENFORCEMENT}/e", {**body, "auth_method_types": ["no"]}),
        step("POST", f"{ENFORCEMENT}/e", {**body, "identity_entity_ids": ["no"]}),
        step("POST", f"{ENFORCEMENT}/e", {**body, "identity_group_ids": ["no"]}),
        step(
            "POST",
            f"{ENFORCEMENT}/e",
            {"mfa_method_ids": [], "auth_method_types": ["userpass"]},
            ours=400,
            because="nobody could meet it",
        ),
        step("POST", f"{ENFORCEMENT}/e", {**body, "auth_method_accessors": ["{mount}"]}),
        step("GET", f"{ENFORCEMENT}/e", lax=True),
        step("LIST", ENFORCEMENT, lax=True),
        step("GET", f"{ENFORCEMENT}/nobody"),
        step("POST", ENFORCEMENT, body),
        step("DELETE", f"{TOTP}/{{method}}", ours=400, because="OpenBao says 500"),
        step("DELETE", f"{ENFORCEMENT}/e"),
        step("DELETE", f"{ENFORCEMENT}/nobody"),
    )


async def test_what_an_enforcement_is_shown_as(script: Script) -> None:
    ids = await made(script, {"issuer": "i"})
    accessors = await both(script, "GET", "sys/auth")
    for place, answer, id_ in zip(("theirs", "ours"), accessors, ids, strict=True):
        body = {"mfa_method_ids": [id_]}
        body["auth_method_accessors"] = [answer["mfa-people/"]["accessor"]]
        status = await one(script, place, "POST", f"{ENFORCEMENT}/e", body)
        assert status[0] == 204, status

    theirs, ours = await both(script, "GET", f"{ENFORCEMENT}/e")

    assert ours.keys() == theirs.keys()
    assert {k: type(v) for k, v in ours.items()} == {k: type(v) for k, v in theirs.items()}
    assert ours["auth_method_types"] == theirs["auth_method_types"] == []


async def test_keys(script: Script) -> None:
    destroy = {"method_id": "{method}", "entity_id": "{entity}"}
    await script.run(
        step("POST", TOTP, {"issuer": "i"}, kept={"method": "data.method_id"}, lax=True),
        step("POST", "auth/mfa-people/users/al", {"password": "right", "policies": "gen"}),
        step(
            "POST",
            "auth/mfa-people/login/al",
            {"password": "right"},
            kept={"token": "auth.client_token", "entity": "auth.entity_id"},
            lax=True,
        ),
        step("POST", f"{TOTP}/generate", {"method_id": "{method}"}),
        step("POST", f"{TOTP}/generate", {}),
        step("POST", f"{TOTP}/generate", {"method_id": "{method}"}, token="{token}"),
        step(
            "PUT",
            "sys/policies/acl/gen",
            {"policy": f'path "{TOTP}/generate" {{ capabilities = ["update"] }}'},
        ),
        step("POST", f"{TOTP}/generate", {"method_id": "nobody"}, token="{token}"),
        step("POST", f"{TOTP}/generate", {"method_id": "{method}"}, token="{token}", lax=True),
        step("POST", f"{TOTP}/generate", {"method_id": "{method}"}, token="{token}"),
        step("POST", f"{TOTP}/admin-generate", destroy),
        step("POST", f"{TOTP}/admin-destroy", destroy),
        step("POST", f"{TOTP}/admin-destroy", destroy),
        *(
            step("POST", f"{TOTP}/{operation}", wrong)
            for operation in ("admin-generate", "admin-destroy")
            for wrong in (
                {},
                {"method_id": "{method}"},
                {"entity_id": "{entity}"},
                {"method_id": "{method}", "entity_id": "nobody"},
                {"method_id": "nobody", "entity_id": "{entity}"},
            )
        ),
        step("POST", f"{TOTP}/admin-generate", destroy, lax=True),
    )


async def test_a_login_in_both_phases(script: Script) -> None:
    answers: dict[str, list[Any]] = {"theirs": [], "ours": []}
    ids = dict(zip(answers, await made(script, {"issuer": "i", "method_name": "app"}), strict=True))
    for place, told in answers.items():
        told.extend(await story(script, place, ids[place]))

    for number, (theirs, ours) in enumerate(zip(answers["theirs"], answers["ours"], strict=True)):
        assert ours == theirs, number


async def story(script: Script, place: str, method: str) -> list[Any]:
    """Tell one side of a login, and return what it answered."""

    async def ask(verb: str, path: str, body: object = None, **more: Any) -> tuple[int, Any]:
        return await one(script, place, verb, path, body, **more)

    async def answered(*request: Any, **more: Any) -> int:
        return (await ask(*request, **more))[0]

    login = ("POST", "auth/mfa-people/login/bo", {"password": "right"})
    await ask("POST", "auth/mfa-people/users/bo", {"password": "right", "policies": "p"})
    _, first = await ask(*login, token="-")
    entity = first["auth"]["entity_id"]
    whom = {"method_id": method, "entity_id": entity}
    _, key = await ask("POST", f"{TOTP}/admin-generate", whom)
    secret = Secret(secret_of(key["data"]["url"]))
    enforcement = {"mfa_method_ids": [method], "identity_entity_ids": [entity]}
    await ask("POST", f"{ENFORCEMENT}/e", enforcement)
    status, waiting = await ask(*login, token="-")
    id_ = waiting["auth"]["mfa_requirement"]["mfa_request_id"]
    told = [status, known(waiting, {method: "method", id_: "request"})]
    now = int(time.time()) // 30
    code, later = hotp(now, secret, 6), hotp(now + 1, secret, 6)
    wrong: tuple[dict[str, Any], ...] = (
        {},
        {"mfa_request_id": id_},
        {"mfa_request_id": "nope", "mfa_payload": {method: ["123456"]}},
        {"mfa_request_id": id_, "mfa_payload": {}},
        {"mfa_request_id": id_, "mfa_payload": {"nope": ["1"]}},
        {"mfa_request_id": id_, "mfa_payload": {method: []}},
        {"mfa_request_id": id_, "mfa_payload": {method: "123456"}},
        {"mfa_request_id": id_, "mfa_payload": {method: ["000000"]}},
    )
    told += [await answered("POST", "sys/mfa/validate", each, token="-") for each in wrong]
    shown = {"mfa_request_id": id_, "mfa_payload": {method: [code]}}
    status, done = await ask("POST", "sys/mfa/validate", shown, token="-")
    told += [status, known(done, {entity: "entity"})]
    told.append((await ask("POST", "sys/mfa/validate", shown, token="-"))[0])
    for header in (f"{method}:{code}", f"{method}:000000", "garbage", method, "nope:1"):
        told.append((await ask(*login, token="-", headers={"X-Vault-MFA": header}))[0])
    header = f"{method}:{later}"
    status, at_once = await ask(*login, token="-", headers={"X-Vault-MFA": header})
    return [*told, status, known(at_once, {entity: "entity"})]


def known(body: Any, names: dict[str, str]) -> Any:
    """Return a login's reply without what differs by nature."""
    changing = ("request_id", "client_token", "accessor")
    match body:
        case dict():
            return {k: bool(v) if k in changing else known(v, names) for k, v in body.items()}
        case list():
            return [known(each, names) for each in body]
    return names.get(body, body) if isinstance(body, str) else body


async def made(script: Script, given: dict[str, object]) -> list[str]:
    """Make a method on both sides."""
    answers = [await one(script, place, "POST", TOTP, given) for place in ("theirs", "ours")]
    return [str(body["data"]["method_id"]) for _, body in answers]


async def both(script: Script, verb: str, path: str, m: list[str] | None = None) -> list[Any]:
    found = []
    for number, place in enumerate(("theirs", "ours")):
        filled = path.format(m=m[number]) if m else path
        status, body = await one(script, place, verb, filled)
        assert status == 200, body
        found.append(body["data"])
    return found


async def one(
    script: Script, place: str, verb: str, path: str, body: object = None, **more: Any
) -> tuple[int, Any]:
    if place == "theirs":
        answer: Any = script.bao.ask(verb, path, body, **more)
    else:
        headers = {k.lower(): v for k, v in more.pop("headers", {}).items()}
        token = "" if more.pop("token", None) else None
        answer = await script.room.ask(verb, path, body, token=token, headers=headers)
    return answer.status, answer.body
