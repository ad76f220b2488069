"""Leases: given, looked at, renewed, and taken back however badly the outside system behaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom import app
from strongroom.core.revocation import LONGEST_WAIT
from strongroom.core.runtime import Runtime
from strongroom.testing.leasing import Leasing, Outside
from tests.core.system.room import Room, room

HOUR = timedelta(hours=1)


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture(params=["sqlite", "postgresql"])
async def ours(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    outside: Outside,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Room]:
    monkeypatch.setattr(app, "ENGINES", {**app.ENGINES, "leasing": Leasing(outside)})
    storage = ""
    if request.param == "postgresql":
        storage = request.getfixturevalue("postgresql_ready").url
    async with room(tmp_path, storage=storage) as made:
        assert (await made.ask("POST", "sys/mounts/out", {"type": "leasing"})).status == 204
        yield made


async def given(ours: Room, token: str | None = None, query: str = "") -> Any:
    answer = await ours.ask("GET", f"out/creds/app{query}", token=token)
    assert answer.status == 200, answer
    return answer.body


async def expire(ours: Room) -> int:
    return await Runtime(server=ours.server).expire()


async def events(ours: Room, code: str) -> list[dict[str, Any]]:
    return [e for e in await ours.entries() if e["metadata"]["event_code"] == code]


class TestLooking:
    async def test_a_lease_tells_when_it_ends(self, ours: Room) -> None:
        lease = (await given(ours))["lease_id"]

        answer = await ours.ask("POST", "sys/leases/lookup", {"lease_id": lease})

        assert answer.data == {
            "id": lease,
            "path": "out/creds/app",
            "issue_time": "2026-01-01T00:00:00Z",
            "expire_time": "2026-01-01T01:00:00Z",
            "last_renewal": None,
            "renewable": True,
            "ttl": 3600,
        }

    async def test_ids_are_listed_by_folder(self, ours: Room) -> None:
        lease = (await given(ours))["lease_id"]

        top = await ours.ask("LIST", "sys/leases/lookup")
        below = await ours.ask("LIST", "sys/leases/lookup/out/creds/app")

        assert "out/" in top.data["keys"]
        assert below.data["keys"] == [lease.rpartition("/")[2]]

    @pytest.mark.parametrize("path", ["sys/leases/lookup", "sys/leases/lookup/out"])
    async def test_listing_asks_for_sudo(self, ours: Room, path: str) -> None:
        await ours.policy("p", 'path "sys/leases/lookup/*" { capabilities = ["list"] }')
        token = await ours.token("p")

        assert (await ours.ask("LIST", path, token=token)).status == 403

    @pytest.mark.parametrize(
        "id_",
        ["x", "out/creds/app/x", "h" + "0" * 64, "auth/token/create/h" + "f" * 64, "/", "é" * 40],
    )
    async def test_an_id_of_no_lease_is_invalid(self, ours: Room, id_: str) -> None:
        answer = await ours.ask("POST", "sys/leases/lookup", {"lease_id": id_})

        assert (answer.status, answer.errors) == (400, ["invalid lease"])

    async def test_a_tokens_id_needs_its_path(self, ours: Room) -> None:
        await ours.token("default", ttl="1h")
        [name] = (await ours.ask("LIST", "sys/leases/lookup/auth/token/create")).data["keys"]

        there = await ours.ask(
            "POST", "sys/leases/lookup", {"lease_id": f"auth/token/create/{name}"}
        )
        elsewhere = await ours.ask("POST", "sys/leases/lookup", {"lease_id": f"auth/x/{name}"})

        assert there.data["ttl"] == 3600
        assert elsewhere.status == 400


class TestRenewing:
    async def test_lives_on_from_now(self, ours: Room, outside: Outside) -> None:
        lease = (await given(ours))["lease_id"]
        ours.clock.advance(timedelta(minutes=30))

        answer = await ours.ask("POST", "sys/leases/renew", {"lease_id": lease, "increment": "2h"})

        assert answer.body["lease_duration"] == 7200
        assert outside.asked == 1
        looked = await ours.ask("POST", "sys/leases/lookup", {"lease_id": lease})
        assert looked.data["expire_time"] == "2026-01-01T02:30:00Z"
        assert looked.data["last_renewal"] == "2026-01-01T00:30:00Z"

    async def test_ends_at_its_limit_and_says_so(self, ours: Room) -> None:
        lease = (await given(ours))["lease_id"]

        answer = await ours.ask("PUT", f"sys/leases/renew/{lease}", {"increment": "9h"})

        assert answer.body["lease_duration"] == 4 * 3600
        assert "capped" in answer.body["warnings"][0]

    async def test_not_when_it_is_not_renewable(self, ours: Room) -> None:
        lease = (await given(ours, query="?renewable=false"))["lease_id"]

        answer = await ours.ask("POST", "sys/renew", {"lease_id": lease})

        assert (answer.status, answer.errors) == (400, ["lease is not renewable"])

    async def test_not_when_it_is_over(self, ours: Room) -> None:
        lease = (await given(ours))["lease_id"]
        ours.clock.advance(HOUR)

        answer = await ours.ask("POST", "sys/leases/renew", {"lease_id": lease})

        assert (answer.status, answer.errors) == (400, ["lease expired"])

    async def test_nothing_changes_when_the_outside_system_refuses(
        self, ours: Room, outside: Outside
    ) -> None:
        lease = (await given(ours))["lease_id"]
        outside.broken = True

        answer = await ours.ask("POST", "sys/leases/renew", {"lease_id": lease, "increment": "3h"})

        assert answer.status == 502
        looked = await ours.ask("POST", "sys/leases/lookup", {"lease_id": lease})
        assert looked.data["ttl"] == 3600


class TestRevoking:
    async def test_is_done_behind_the_request(self, ours: Room, outside: Outside) -> None:
        lease = (await given(ours))["lease_id"]

        answer = await ours.ask("POST", "sys/leases/revoke", {"lease_id": lease})

        assert answer.status == 204
        assert outside.accounts
        assert await expire(ours) == 1
        assert not outside.accounts
        assert (await ours.ask("POST", "sys/leases/lookup", {"lease_id": lease})).status == 400

    async def test_or_before_the_reply(self, ours: Room, outside: Outside) -> None:
        lease = (await given(ours))["lease_id"]

        await ours.ask("POST", "sys/leases/revoke", {"lease_id": lease, "sync": True})

        assert not outside.accounts
        assert await expire(ours) == 0

    async def test_by_the_older_paths(self, ours: Room, outside: Outside) -> None:
        one, two = (await given(ours))["lease_id"], (await given(ours))["lease_id"]

        await ours.ask("PUT", "sys/revoke", {"lease_id": one, "sync": True})
        await ours.ask("PUT", f"sys/revoke/{two}", {"sync": True})

        assert not outside.accounts

    @pytest.mark.parametrize("sync", [True, False])
    async def test_by_prefix_leaves_the_neighbours(
        self, ours: Room, outside: Outside, sync: bool
    ) -> None:
        await given(ours)
        await ours.ask("GET", "out/creds/app2")

        answer = await ours.ask("POST", "sys/leases/revoke-prefix/out/creds/app", {"sync": sync})
        await expire(ours)

        assert answer.status == 204
        assert [account.partition("-")[0] for account in outside.accounts] == ["app2"]
        [entry] = await events(ours, "lease.revoke_prefix")
        assert entry["unmapped"]["leases"] == 1

    async def test_a_prefix_is_needed(self, ours: Room) -> None:
        answer = await ours.ask("POST", "sys/leases/revoke-force//")

        assert answer.status == 400

    async def test_by_force_forgets_what_cannot_be_revoked(
        self, ours: Room, outside: Outside
    ) -> None:
        lease = (await given(ours))["lease_id"]
        outside.broken = True

        answer = await ours.ask("POST", "sys/leases/revoke-force/out")

        assert answer.status == 204
        assert (await ours.ask("POST", "sys/leases/lookup", {"lease_id": lease})).status == 400
        [entry] = await events(ours, "lease.revoke_prefix")
        assert entry["unmapped"]["unrevoked"] == [lease]

    async def test_a_prefix_of_logins_ends_their_tokens_and_those_below(self, ours: Room) -> None:
        await ours.ask("POST", "sys/auth/up", {"type": "userpass"})
        await ours.ask("POST", "auth/up/users/al", {"password": "x", "policies": "maker"})
        await ours.policy("maker", 'path "auth/token/create" { capabilities = ["update"] }')
        login = await ours.ask("POST", "auth/up/login/al", {"password": "x"})
        child = await ours.token(by=login.auth["client_token"])
        assert (await ours.ask("GET", "auth/token/lookup-self", token=child)).status == 403  # alive
        before = await ours.ask("POST", "auth/token/lookup", {"token": child})

        await ours.ask("POST", "sys/leases/revoke-prefix/auth/up/login")

        assert before.status == 200
        for token in (login.auth["client_token"], child):
            answer = await ours.ask("POST", "sys/capabilities", {"token": token, "paths": ["x"]})
            assert (answer.status, answer.errors) == (400, ["invalid token"])
        assert await expire(ours) >= 1
        assert (await ours.ask("LIST", "sys/leases/lookup/auth/up")).status == 404

    async def test_a_revoked_token_takes_its_leases_along(
        self, ours: Room, outside: Outside
    ) -> None:
        await ours.policy("p", 'path "out/*" { capabilities = ["read"] }')
        token = await ours.token("p")
        await given(ours, token)

        await ours.ask("POST", "auth/token/revoke", {"token": token})
        await expire(ours)

        assert not outside.accounts


class TestExpiry:
    async def test_an_expired_lease_is_revoked_with_an_entry(
        self, ours: Room, outside: Outside
    ) -> None:
        lease = (await given(ours))["lease_id"]
        ours.clock.advance(HOUR)

        assert await expire(ours) == 1

        assert not outside.accounts
        [entry] = await events(ours, "lease.revoke")
        assert entry["status_id"] == 1
        assert entry["actor"]["user"]["uid"] == "system"
        assert entry["unmapped"]["lease"] == lease

    async def test_one_that_cannot_be_revoked_is_tried_later_and_later(
        self, ours: Room, outside: Outside
    ) -> None:
        await given(ours)
        outside.broken = True
        ours.clock.advance(HOUR)
        tried = []

        for second in range(16):
            before = outside.asked
            await expire(ours)
            if outside.asked > before:
                tried.append(second)
            ours.clock.advance(timedelta(seconds=1))

        assert tried == [0, 1, 3, 7, 15]
        failed = await events(ours, "lease.revoke")
        assert [entry["unmapped"]["attempt"] for entry in failed] == [1, 2, 3, 4, 5]
        assert {entry["status_id"] for entry in failed} == {2}

    async def test_it_is_never_lost(self, ours: Room, outside: Outside) -> None:
        await given(ours)
        outside.broken = True
        ours.clock.advance(HOUR)
        for _ in range(20):
            await expire(ours)
            ours.clock.advance(LONGEST_WAIT)

        outside.broken = False
        await expire(ours)

        assert not outside.accounts
        assert ours.server.failing == {}

    async def test_one_that_was_forgotten_by_force_is_not_remembered(
        self, ours: Room, outside: Outside
    ) -> None:
        await given(ours)
        outside.broken = True
        ours.clock.advance(HOUR)
        await expire(ours)

        await ours.ask("POST", "sys/leases/revoke-force/out")
        await expire(ours)

        assert ours.server.failing == {}

    async def test_a_stuck_one_is_shown(self, ours: Room, outside: Outside) -> None:
        lease = (await given(ours))["lease_id"]
        outside.broken = True
        ours.clock.advance(HOUR)
        for _ in range(6):
            await expire(ours)
            ours.clock.advance(LONGEST_WAIT)

        looked = await ours.ask("POST", "sys/leases/lookup", {"lease_id": lease})
        listed = await ours.ask("GET", "sys/leases?type=irrevocable")
        counted = await ours.ask("GET", "sys/leases/count?type=irrevocable")

        assert "does not answer" in looked.data["revoke_error"]
        assert [each["lease_id"] for each in listed.data["leases"]] == [lease]
        assert counted.data == {"lease_count": 1, "counts": {"out/": 1}}

    async def test_a_defect_of_the_engine_does_not_stop_the_others(
        self, ours: Room, outside: Outside
    ) -> None:
        await given(ours)
        outside.defect = RuntimeError("planted value")
        ours.clock.advance(HOUR)

        await expire(ours)

        [entry] = await events(ours, "lease.revoke")
        assert "RuntimeError" in entry["status_detail"]
        assert "planted" not in str(await ours.entries())
        outside.defect = None
        ours.clock.advance(timedelta(seconds=2))
        await expire(ours)
        assert not outside.accounts

    async def test_many_stuck_ones_do_not_hold_up_the_rest(
        self, ours: Room, outside: Outside
    ) -> None:
        for _ in range(3):
            await given(ours)
        outside.broken = True
        ours.clock.advance(HOUR)
        await expire(ours)
        outside.broken = False
        await given(ours, query="?ttl=1s")
        ours.clock.advance(timedelta(milliseconds=900))

        await expire(ours)
        ours.clock.advance(timedelta(milliseconds=100))
        await expire(ours)

        assert not outside.accounts


class TestDisabledMount:
    async def test_is_hidden_at_once_and_cleared_when_its_leases_are_gone(
        self, ours: Room, outside: Outside
    ) -> None:
        await given(ours)
        outside.broken = True

        disabled = await ours.ask("DELETE", "sys/mounts/out")
        await expire(ours)

        assert disabled.status == 204
        assert (await ours.ask("GET", "out/creds/app")).status == 404
        assert "out/" not in (await ours.ask("GET", "sys/mounts")).data
        taken = await ours.ask("POST", "sys/mounts/out", {"type": "kv"})
        assert taken.errors == ["path is already in use at out/"]

        outside.broken = False
        ours.clock.advance(timedelta(seconds=2))
        await expire(ours)

        assert not outside.accounts
        assert len(await events(ours, "mount.wipe")) == 1
        assert (await ours.ask("POST", "sys/mounts/out", {"type": "kv"})).status == 204

    async def test_keeps_its_leases_when_moved(self, ours: Room, outside: Outside) -> None:
        lease = (await given(ours))["lease_id"]

        await ours.ask("POST", "sys/remount", {"from": "out", "to": "off"})
        renewed = await ours.ask("POST", "sys/leases/renew", {"lease_id": lease})
        ours.clock.advance(HOUR * 800)
        await expire(ours)

        assert renewed.status == 200
        assert not outside.accounts


async def test_tidying_ends_what_nobody_holds(ours: Room, outside: Outside) -> None:
    await ours.policy("p", 'path "out/*" { capabilities = ["read"] }')
    await given(ours, await ours.token("p"))
    await ours.store(lambda tx: tx.run("DELETE FROM token WHERE policies = ?", ('["p"]',)))

    answer = await ours.ask("POST", "sys/leases/tidy")
    await expire(ours)

    assert answer.status == 202
    assert not outside.accounts
