"""Ways around a grant: the mount as a whole, leases, made tokens, wrapped replies, the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from strongroom import app
from strongroom.testing.leasing import Leasing, Outside
from tests.core.governance.office import asked, decide, entity, office, person, reads, signed_in
from tests.core.governance.test_granted_only import only_granted, workload
from tests.core.system.room import Room
from tests.core.system.test_groups import storage

ALL = ", ".join(f'"{each}"' for each in ("create", "read", "update", "delete", "list", "patch"))
MOUNTS = f"""
path "kv/*" {{ capabilities = [{ALL}] }}
path "out/*" {{ capabilities = [{ALL}] }}
path "sys/mounts/*" {{ capabilities = [{ALL}] }}
path "sys/remount" {{ capabilities = ["update", "sudo"] }}
path "sys/leases/renew" {{ capabilities = ["update"] }}
path "auth/token/*" {{ capabilities = [{ALL}, "sudo"] }}
"""
READ = 'path "secret/*" { capabilities = ["read", "list"] }'
MINUTE = timedelta(minutes=1)
__all__ = ["storage"]


@pytest.fixture
async def ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> AsyncIterator[Room]:
    """An office with a second mount, half of it production, and one that gives accounts out."""
    engines = {**app.ENGINES, "leasing": Leasing(Outside())}
    monkeypatch.setattr(app, "ENGINES", engines)
    async with office(tmp_path, monkeypatch, storage) as made:
        await made.policy("reader", READ)
        await made.policy("mounts", MOUNTS)
        await made.mount("kv/", "kv", version="2")
        assert (await made.ask("POST", "sys/mounts/out", {"type": "leasing"})).status == 204
        paths = ["secret/prod/*", "kv/+/prod/*", "out/creds/prod"]
        await made.ask("POST", "strongroom/environments/production", {"paths": paths})
        await made.ask("POST", "strongroom/step-up/rules/policies", {"enabled": False})
        yield made


async def granted(ours: Room, token: str, by: str, **more: object) -> str:
    """Have a request approved; return its id."""
    id_ = await asked(ours, token, **more)
    answer = await decide(ours, id_, by)
    assert answer.data["state"] == "approved", answer
    return id_


def set_clock(ours: Room, to: datetime) -> None:
    """Put the clock of a host anywhere, back too."""
    ours.clock._base = to


async def changes(ours: Room, token: str | None) -> list[tuple[int, str]]:
    """Return what comes of configuring, tuning, moving and disabling a mount, and what refused."""
    found = []
    for method, path, body in (
        ("POST", "kv/config", {"max_versions": 3}),
        ("POST", "sys/mounts/kv/tune", {"description": "x"}),
        ("POST", "sys/remount", {"from": "kv/", "to": "kv-new/"}),
        ("DELETE", "sys/mounts/kv", None),
    ):
        answer = await ours.ask(method, path, body, token=token)
        entry = (await ours.last())["unmapped"]
        found.append((answer.status, str(entry.get("guardrail", ""))))
    return found


async def test_a_mount_that_holds_production_is_not_changed_as_a_whole_without_a_grant(
    ours: Room,
) -> None:
    ann, her = await person(ours, "ann", "mounts", "reader")
    _, his = await person(ours, "bob")
    await workload(ours, ann)
    await only_granted(ours)
    await granted(ours, her, his, paths=["kv/config", "kv/data/prod/db"], capabilities=["update"])

    held = [(403, "granted:production")] * 4
    assert await changes(ours, her) == await changes(ours, None) == held
    assert (await ours.ask("GET", "kv/config", token=her)).status == 200
    assert (await ours.ask("GET", "sys/mounts/kv")).status == 200


async def test_a_grant_on_all_of_a_mount_changes_it_and_a_mount_beside_it_is_free(
    ours: Room,
) -> None:
    _, her = await person(ours, "ann", "mounts")
    _, his = await person(ours, "bob")
    await ours.mount("aside/", "kv")
    await only_granted(ours)
    everything = {"paths": ["kv/*"], "capabilities": ["update"]}

    aside = await ours.ask("POST", "sys/mounts/aside/tune", {"description": "x"}, token=her)
    before = await ours.ask("POST", "sys/mounts/kv/tune", {"description": "x"}, token=her)
    await granted(ours, her, his, **everything)
    tuned = await ours.ask("POST", "sys/mounts/kv/tune", {"description": "x"}, token=her)
    configured = await ours.ask("POST", "kv/config", {"max_versions": 3}, token=her)
    dropped = await ours.ask("DELETE", "sys/mounts/kv", token=her)
    gone = await ours.ask("DELETE", "sys/mounts/aside", token=her)

    assert (aside.status, before.status, tuned.status) == (204, 403, 204)
    assert (configured.status, dropped.status, gone.status) == (204, 403, 204)


async def test_what_a_grant_gave_out_ends_with_it_and_is_not_renewed(ours: Room) -> None:
    _, her = await person(ours, "ann", "mounts")
    _, his = await person(ours, "bob")
    loose = await ours.ask("GET", "out/creds/other?ttl=3h", token=her)
    old = await ours.ask("GET", "out/creds/prod?ttl=3h", token=her)
    await only_granted(ours)
    renewed = {"lease_id": old.body["lease_id"], "increment": "3h"}
    refused = await ours.ask("POST", "sys/leases/renew", renewed, token=her)

    await granted(ours, her, his, paths=["out/creds/*"], **{"for": "10m"})
    within = await ours.ask("GET", "out/creds/prod?ttl=3h", token=her)
    aside = await ours.ask("GET", "out/creds/other?ttl=3h", token=her)
    lease = {"lease_id": within.body["lease_id"], "increment": "3h"}
    during = await ours.ask("POST", "sys/leases/renew", lease, token=her)
    ours.clock.advance(9 * MINUTE)
    late = await ours.ask("POST", "sys/leases/renew", lease, token=her)
    ours.clock.advance(MINUTE)
    over = await ours.ask("POST", "sys/leases/renew", lease, token=her)

    assert loose.body["lease_duration"] == aside.body["lease_duration"] == 3 * 3600
    assert refused.status == 403
    assert within.body["lease_duration"] == during.body["lease_duration"] == 600
    assert (late.body["lease_duration"], over.status) == (60, 400)


async def test_what_a_person_makes_with_a_login_is_served_by_no_grant(ours: Room) -> None:
    _, her = await person(ours, "ann", "mounts", "reader")
    _, his = await person(ours, "bob")
    await ours.policy("kept", READ)
    role = {"allowed_policies": ["kept"], "orphan": True}
    await ours.ask("POST", "auth/token/roles/kept", role, token=her)
    await only_granted(ours)
    await granted(ours, her, his)

    made = [
        await ours.ask("POST", at, {"policies": [name], **more}, token=her)
        for at, name, more in (
            ("auth/token/create", "reader", {}),
            ("auth/token/create", "reader", {"type": "batch"}),
            ("auth/token/create-orphan", "reader", {}),
            ("auth/token/create/kept", "kept", {}),
        )
    ]

    assert [each.status for each in made] == [200] * 4
    tokens = [str(each.auth["client_token"]) for each in made]
    assert [await reads(ours, each) for each in (her, *tokens)] == [200, 403, 403, 403, 403]


async def test_a_wrapped_reply_is_opened_once_even_after_the_grant(ours: Room) -> None:
    """It was read while the grant held; what was read can be handed on, and the log says so."""
    _, her = await person(ours, "ann")
    _, his = await person(ours, "bob")
    await only_granted(ours)
    await granted(ours, her, his)
    await ours.ask("POST", "strongroom/step-up/rules/sharing", {"enabled": False})
    wrapped = await ours.ask("GET", "secret/prod/db", token=her, headers={"x-vault-wrap-ttl": "3h"})
    ours.clock.advance(timedelta(hours=2))

    opened = await ours.ask(
        "POST", "sys/wrapping/unwrap", {}, token=wrapped.body["wrap_info"]["token"]
    )
    entry = (await ours.last())["unmapped"]

    assert opened.data == {"password": "p"}
    assert entry["creation_path"] == "secret/prod/db"
    assert await reads(ours, await signed_in(ours, "ann")) == 403


async def test_a_grant_ends_exactly_and_no_clock_that_goes_back_and_forth_revives_it(
    ours: Room,
) -> None:
    _, her = await person(ours, "ann")
    _, his = await person(ours, "bob")
    await only_granted(ours)
    ours.clock.advance(MINUTE)
    await granted(ours, her, his, **{"for": "10m"})
    tick = timedelta(microseconds=1)

    moves = (
        *(timedelta(0), -tick, tick, timedelta(minutes=10) - tick),
        *(tick, -2 * tick, 3 * tick, -11 * MINUTE, 12 * MINUTE),
    )
    found = []
    for move in moves:
        set_clock(ours, ours.clock.now() + move)
        found.append(await reads(ours, her))
    set_clock(ours, ours.clock.now() - 6 * MINUTE)
    anew = await signed_in(ours, "ann")

    assert found == [200, 403, 200, 200, 403, 403, 403, 403, 403]
    assert await reads(ours, anew) == 403


async def test_a_grant_that_was_ended_stays_so_when_the_clock_goes_back(ours: Room) -> None:
    _, her = await person(ours, "ann")
    _, his = await person(ours, "bob")
    await only_granted(ours)
    id_ = await granted(ours, her, his)
    grant = (await ours.ask("GET", f"strongroom/requests/{id_}")).data["outcome"]
    ours.clock.advance(5 * MINUTE)
    before = await reads(ours, her)
    ended = await ours.ask("POST", f"strongroom/grants/{grant}/end", {"because": "done"})
    at_end = await reads(ours, her)

    set_clock(ours, ours.clock.now() - MINUTE)
    back = await reads(ours, her)

    assert (before, ended.status, at_end, back) == (200, 204, 403, 403)


async def test_who_logs_in_as_a_workload_is_served_and_the_entry_names_who_made_its_secret(
    ours: Room,
) -> None:
    """As the decision 0024 says: it cannot be told from the workload, but by the log."""
    role = "auth/ar/role/app"
    text = f'path "{role}/secret-id" {{ capabilities = ["update"] }}'
    await ours.policy("secret-ids", text)
    ann, her = await person(ours, "ann", "secret-ids", "reader")
    await ours.mount("auth/ar/", "approle")
    await ours.ask("POST", role, {"token_policies": ["reader"]})
    role_id = (await ours.ask("GET", f"{role}/role-id")).data["role_id"]
    app = await entity(ours, "batch")
    accessor = (await ours.ask("GET", "sys/auth")).data["ar/"]["accessor"]
    alias = {"name": role_id, "mount_accessor": accessor, "canonical_id": app}
    assert (await ours.ask("POST", "identity/entity-alias", alias)).status == 200
    given = {"owner": ann, "justification": "it serves", "environment": "production"}
    assert (await ours.ask("POST", f"strongroom/workloads/{app}", given)).status == 204
    await only_granted(ours)

    made = await ours.ask("POST", f"{role}/secret-id", {}, token=her)
    shown = {"role_id": role_id, "secret_id": made.data["secret_id"]}
    login = await ours.ask("POST", "auth/ar/login", shown, token="")

    assert await reads(ours, login.auth["client_token"]) == 200
    assert (await ours.last())["unmapped"]["let_in_by"] == [ann]
    assert await reads(ours, her) == 403
