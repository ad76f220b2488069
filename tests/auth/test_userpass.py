"""The userpass method as a caller meets it: paths in, replies out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from strongroom.auth.userpass import Userpass, method
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.secret import Secret
from strongroom.crypto.passwords import decoy, verify_password
from strongroom.sdk.auth import TokenRules
from strongroom.testing.mount import Mount, shown

PASSWORD = "correct horse battery staple"
NOTHING_SET = {
    "token_bound_cidrs": [],
    "token_explicit_max_ttl": 0,
    "token_max_ttl": 0,
    "token_no_default_policy": False,
    "token_num_uses": 0,
    "token_period": 0,
    "token_policies": [],
    "token_strictly_bind_ip": False,
    "token_ttl": 0,
    "token_type": "default",
}


@pytest.fixture
async def mount() -> Mount:
    """A mount with one user, alice."""
    made = Mount(Userpass())
    await made.write("users/alice", password=PASSWORD)
    return made


class TestUsers:
    async def test_a_user_has_vaults_defaults(self, mount: Mount) -> None:
        assert await mount.read("users/alice") == NOTHING_SET

    async def test_names_are_kept_in_lower_case(self, mount: Mount) -> None:
        await mount.write("users/Bob.B-b", password=PASSWORD)

        assert await mount.list("users") == {"keys": ["alice", "bob.b-b"]}
        assert await mount.read("users/BOB.B-B") == NOTHING_SET

    async def test_names_are_listed_a_page_at_a_time(self, mount: Mount) -> None:
        for name in ("carol", "bob"):
            await mount.write(f"users/{name}", password=PASSWORD)

        assert await mount.list("users", limit=2) == {"keys": ["alice", "bob"]}
        assert await mount.list("users", after="bob") == {"keys": ["carol"]}

    @pytest.mark.parametrize("name", ["-a", "a.", "a b", "a@b", "é", "a+b"])
    async def test_a_name_that_vault_does_not_take_is_refused(
        self, mount: Mount, name: str
    ) -> None:
        with pytest.raises(InputError, match="username"):
            await mount.write(f"users/{name}", password=PASSWORD)

    async def test_a_write_keeps_what_it_does_not_name(self, mount: Mount) -> None:
        await mount.write("users/alice", token_policies=["a"], token_ttl="1h", token_num_uses=3)
        await mount.write("users/alice", token_max_ttl="2h", token_num_uses=0)

        assert shown(await mount.read("users/alice")) == NOTHING_SET | {
            "token_policies": ["a"],
            "policies": ["a"],
            "token_ttl": 3600,
            "ttl": 3600,
            "token_max_ttl": 7200,
            "max_ttl": 7200,
        }
        assert (await mount.login(username="alice", password=PASSWORD)).alias == "alice"

    async def test_older_names_are_taken_and_shown_beside_the_new(self, mount: Mount) -> None:
        await mount.write(
            "users/alice", policies="x,Y, x", ttl="1h", max_ttl="2h", bound_cidrs="127.0.0.1/32"
        )

        found = await mount.read("users/alice")

        assert found["policies"] == found["token_policies"] == ["x", "y"]
        assert found["ttl"] == found["token_ttl"] == 3600
        assert found["max_ttl"] == found["token_max_ttl"] == 7200
        assert found["bound_cidrs"] == found["token_bound_cidrs"] == ["127.0.0.1"]

    async def test_policies_have_a_path_of_their_own(self, mount: Mount) -> None:
        await mount.write("users/alice", token_ttl="1h")
        await mount.write("users/ALICE/policies", policies="Zz,default")

        found = await mount.read("users/alice")
        assert found["token_policies"] == ["zz", "default"]
        assert found["token_ttl"] == 3600

    async def test_a_user_that_exists_is_an_update(self, mount: Mount) -> None:
        assert await mount.exists("users/Alice") is True
        assert await mount.exists("users/bob") is False

    async def test_deleting_is_repeatable(self, mount: Mount) -> None:
        await mount.delete("users/Alice")
        await mount.delete("users/alice")

        with pytest.raises(NotFoundError):
            await mount.read("users/alice")

    @pytest.mark.parametrize("path", ["users/bob/password", "users/bob/policies"])
    async def test_an_unknown_user_has_nothing_to_change(self, mount: Mount, path: str) -> None:
        with pytest.raises(NotFoundError):
            await mount.write(path, password=PASSWORD, policies="a")

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"token_ttl": "2h", "token_max_ttl": "1h"}, "token_ttl"),
            ({"token_type": "batch", "token_period": "1h"}, "periodic"),
            ({"token_type": "batch", "token_num_uses": 1}, "limited use count"),
            ({"token_type": "weird"}, "token_type"),
            ({"token_bound_cidrs": "nonsense"}, "token_bound_cidrs"),
            ({"token_num_uses": -1}, "token_num_uses"),
            ({"token_policies": ["a", "root"]}, "cannot create root tokens"),
            ({"token_policies": ["a", " ROOT "]}, "reads as 'root'"),
        ],
    )
    async def test_rules_that_cannot_be_are_refused_and_change_nothing(
        self, mount: Mount, fields: dict[str, object], message: str
    ) -> None:
        before = mount.store.records

        with pytest.raises(InputError, match=message):
            await mount.write("users/alice", **fields)
        assert mount.store.records == before

    async def test_a_type_that_means_nothing_is_adjusted_with_a_warning(self, mount: Mount) -> None:
        await mount.write("users/alice", token_type="default-batch")

        assert mount.warnings == ("default-batch has no useful meaning; adjusting to batch",)
        assert (await mount.read("users/alice"))["token_type"] == "batch"


class TestPasswords:
    @pytest.mark.parametrize("path", ["users/bob", "users/alice/password"])
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({}, "must provide password"),
            ({"password": ""}, "must provide password"),
            ({"password": "x" * 1025}, "longer than 1,024 bytes"),
            ({"password": "é" * 513}, "longer than 1,024 bytes"),
            ({"password_hash": "$2a$10$abc"}, "hashes made elsewhere"),
            ({"password": "x", "password_hash": "$2a$10$abc"}, "hashes made elsewhere"),
        ],
    )
    async def test_a_password_that_cannot_be_taken_is_refused(
        self, mount: Mount, path: str, fields: dict[str, object], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            await mount.write(path, **fields)

    async def test_an_empty_password_does_not_replace_one(self, mount: Mount) -> None:
        with pytest.raises(InputError):
            await mount.write("users/alice", password="", token_ttl="1h")

        assert await mount.read("users/alice") == NOTHING_SET

    @pytest.mark.parametrize("path", ["users/alice/password", "users/alice"])
    async def test_a_changed_password_replaces_the_old(self, mount: Mount, path: str) -> None:
        await mount.write(path, password="another one")

        assert (await mount.login(username="alice", password="another one")).alias == "alice"
        with pytest.raises(DeniedError):
            await mount.login(username="alice", password=PASSWORD)

    async def test_a_password_of_1024_bytes_counts_to_its_last_byte(self, mount: Mount) -> None:
        await mount.write("users/alice", password="x" * 1023 + "a")

        assert (await mount.login(username="alice", password="x" * 1023 + "a")).alias == "alice"
        with pytest.raises(DeniedError):
            await mount.login(username="alice", password="x" * 1023 + "b")

    async def test_neither_password_nor_digest_of_it_is_stored_or_shown(self, mount: Mount) -> None:
        [row] = mount.store.rows.values()

        assert PASSWORD not in f"{row!r} {row.data!r}"
        assert b"$argon2id$" in row.data
        assert "argon2id" not in repr(row.value)
        assert row.fingerprint is None


class TestLogin:
    async def test_the_right_password_proves_the_user(self, mount: Mount) -> None:
        await mount.write("users/alice", token_policies="dev", token_ttl="1h")

        proof = await mount.login(username="ALICE", password=PASSWORD)

        assert proof.alias == proof.role == proof.display == "alice"
        assert proof.shown_by == "password"
        assert proof.metadata == {"username": "alice"}
        assert proof.rules == TokenRules(token_policies=("dev",), token_ttl=timedelta(hours=1))

    @pytest.mark.parametrize(
        ("username", "password"),
        [
            pytest.param("alice", "wrong", id="wrong password"),
            pytest.param("bob", PASSWORD, id="unknown user"),
            pytest.param("b ob", PASSWORD, id="name that no user can have"),
            pytest.param("carol", PASSWORD, id="right password from a wrong network"),
        ],
    )
    async def test_refusals_are_alike_and_cost_one_hash_each(
        self,
        mount: Mount,
        monkeypatch: pytest.MonkeyPatch,
        username: str,
        password: str,
    ) -> None:
        await mount.write("users/carol", password=PASSWORD, token_bound_cidrs="10.0.0.0/8")
        costs: list[str] = []
        monkeypatch.setattr(method, "verify_password", counting(costs))

        with pytest.raises(DeniedError) as caught:
            await mount.login(username=username, password=password)

        assert str(caught.value) == "invalid username or password"
        assert caught.value.__cause__ is None
        assert [cost.split("$")[3] for cost in costs] == [decoy().split("$")[3]]

    async def test_a_login_from_a_bound_network_succeeds(self, mount: Mount) -> None:
        await mount.write("users/alice", token_bound_cidrs="192.0.2.0/24")

        assert (await mount.login(username="alice", password=PASSWORD)).alias == "alice"

    @pytest.mark.parametrize("fields", [{}, {"password": ""}])
    @pytest.mark.parametrize("username", ["alice", "bob"])
    async def test_a_missing_password_is_an_error_of_input(
        self, mount: Mount, username: str, fields: dict[str, str]
    ) -> None:
        with pytest.raises(InputError, match="missing password"):
            await mount.login(username=username, **fields)

    async def test_a_login_writes_nothing(self, mount: Mount) -> None:
        before = mount.store.rows["user/alice"]
        await mount.login(username="alice", password=PASSWORD)

        assert mount.store.rows["user/alice"] is before

    async def test_a_hash_of_another_cost_is_replaced_at_the_next_login(
        self, mount: Mount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = mount.store.rows["user/alice"].data
        monkeypatch.setattr(method, "needs_rehash", lambda phc: True)
        await mount.login(username="alice", password=PASSWORD)

        assert mount.store.rows["user/alice"].data != before
        assert (await mount.login(username="alice", password=PASSWORD)).alias == "alice"

    async def test_the_loop_serves_others_while_a_password_is_hashed(
        self, mount: Mount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        go_on = threading.Event()

        def waits(phc: str, password: Secret) -> None:
            assert go_on.wait(10)
            verify_password(phc, password)

        monkeypatch.setattr(method, "verify_password", waits)
        login = asyncio.create_task(mount.login(username="alice", password=PASSWORD))
        assert await mount.list("users") == {"keys": ["alice"]}
        go_on.set()

        assert (await login).alias == "alice"

    async def test_lock_out_counts_a_name_in_its_one_form(self) -> None:
        login = Userpass().login()

        assert login.subject(method.Attempt(username="ALICE")) == "alice"


class TestRenewal:
    async def test_renewal_gets_the_rules_now_in_force(self, mount: Mount) -> None:
        await mount.write("users/alice", token_policies="new")

        async with mount.call() as call:
            rules = await Userpass().still_holds(call, "alice", "alice")

        assert rules == TokenRules(token_policies=("new",))

    async def test_a_deleted_user_renews_nothing(self, mount: Mount) -> None:
        await mount.delete("users/alice")

        with pytest.raises(DeniedError):
            async with mount.call() as call:
                await Userpass().still_holds(call, "alice", "alice")


def counting(costs: list[str]) -> Callable[[str, Secret], None]:
    """Return `verify_password`, noting each hash that it was asked to verify."""

    def verify(phc: str, password: Secret) -> None:
        costs.append(phc)
        verify_password(phc, password)

    return verify
