"""The AppRole method as a caller meets it: roles, secret ids, logins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from strongroom.auth.approle import AppRole, secret_ids
from strongroom.auth.approle.method import Attempt
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.secret import Secret
from strongroom.core.router import Operation
from strongroom.sdk.auth import Proof, TokenRules
from strongroom.sdk.engine import Store
from strongroom.sdk.workloads import LONGEST, SHORT
from strongroom.testing.mount import MONTH, Mount, shown

NEW_ROLE: dict[str, object] = {
    "bind_secret_id": True,
    "local_secret_ids": False,
    "secret_id_bound_cidrs": None,
    "secret_id_num_uses": 0,
    "secret_id_ttl": 0,
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
    """A mount with a role `ci` whose role id is `ci-id`."""
    made = Mount(AppRole())
    await made.write("role/ci", role_id="ci-id", token_policies="deploy")
    return made


async def issued(mount: Mount, role: str = "ci", /, **terms: Any) -> dict[str, Any]:
    return dict(shown(await mount.write(f"role/{role}/secret-id", **terms)))


async def logged_in(mount: Mount, secret_id: str, role_id: str = "ci-id") -> Proof:
    return await mount.login(role_id=role_id, secret_id=secret_id)


async def refused(mount: Mount, secret_id: str, role_id: str = "ci-id") -> bool:
    """Say that a login is refused, in the words of every refusal."""
    with pytest.raises(DeniedError) as caught:
        await logged_in(mount, secret_id, role_id)
    return str(caught.value) == "invalid role or secret ID"


class Counting:
    """A store that notes what is asked of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self.store, name)


def count(mount: Mount, kind: str) -> int:
    return sum(key.startswith(f"{kind}/") for key in mount.store.records)


class TestRoles:
    async def test_a_role_has_vaults_defaults(self) -> None:
        mount = Mount(AppRole())
        await mount.write("role/dev")

        assert await mount.read("role/dev") == NEW_ROLE

    async def test_a_role_gets_a_random_role_id(self, mount: Mount) -> None:
        await mount.write("role/one")
        await mount.write("role/two")

        ids = {(await mount.read(f"role/{name}/role-id"))["role_id"] for name in ("one", "two")}

        assert len(ids) == 2
        assert {len(role_id) for role_id in ids} == {36}

    async def test_names_are_kept_in_lower_case(self, mount: Mount) -> None:
        await mount.write("role/Web.1-a")

        assert await mount.list("role") == {"keys": ["ci", "web.1-a"]}
        assert await mount.list("role", after="ci", limit=1) == {"keys": ["web.1-a"]}
        assert await mount.read("role/WEB.1-A") == NEW_ROLE
        assert await mount.exists("role/WEB.1-a") is True
        assert await mount.exists("role/other") is False

    async def test_a_write_keeps_what_it_does_not_name(self, mount: Mount) -> None:
        await mount.write(
            "role/ci",
            policies="a,b",
            token_ttl="10m",
            period="5m",
            secret_id_ttl="1h",
            secret_id_num_uses=3,
            bound_cidr_list="127.0.0.0/8",
        )
        await mount.write("role/ci", token_ttl=20)

        assert shown(await mount.read("role/ci")) == NEW_ROLE | {
            "policies": ["a", "b"],
            "token_policies": ["a", "b"],
            "token_ttl": 20,
            "period": 300,
            "token_period": 300,
            "secret_id_ttl": 3600,
            "secret_id_num_uses": 3,
            "secret_id_bound_cidrs": ["127.0.0.0/8"],
        }
        assert await mount.read("role/ci/role-id") == {"role_id": "ci-id"}

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"bind_secret_id": False}, "at least one constraint"),
            ({"secret_id_bound_cidrs": "127.0.0.1"}, "secret_id_bound_cidrs"),
            ({"secret_id_bound_cidrs": "10.0.0.0/255.0.0.0"}, "secret_id_bound_cidrs"),
            ({"token_bound_cidrs": "junk"}, "token_bound_cidrs"),
            ({"secret_id_num_uses": -1}, "secret_id_num_uses"),
            ({"secret_id_ttl": "-1s"}, "secret_id_ttl"),
            ({"token_ttl": "2h", "token_max_ttl": "1h"}, "token_max_ttl"),
            ({"token_type": "batch", "token_num_uses": 5}, "limited use count"),
            ({"role_id": ""}, "role_id"),
            ({"role_id": "a\0b"}, "role_id"),
            ({"role_id": "x" * 513}, "role_id"),
            ({"role_id": "other-id"}, "already in use"),
            ({"local_secret_ids": True}, "during role creation"),
        ],
    )
    async def test_a_role_that_cannot_be_is_refused_and_nothing_changes(
        self, mount: Mount, fields: dict[str, object], message: str
    ) -> None:
        await mount.write("role/other", role_id="other-id")
        before = mount.store.records

        with pytest.raises(InputError, match=message):
            await mount.write("role/ci", **fields)
        assert mount.store.records == before

    async def test_a_name_that_vault_does_not_take_is_refused(self, mount: Mount) -> None:
        with pytest.raises(InputError, match="role_name"):
            await mount.write("role/-a")

    @pytest.mark.parametrize("networks", ["secret_id_bound_cidrs", "token_bound_cidrs"])
    async def test_a_network_is_constraint_enough(self, mount: Mount, networks: str) -> None:
        await mount.write("role/open", bind_secret_id=False, **{networks: "10.0.0.0/8"})

        with pytest.raises(InputError, match="at least one constraint"):
            await mount.delete(f"role/open/{networks.replace('_', '-')}")

    async def test_local_secret_ids_are_fixed_when_the_role_is_made(self, mount: Mount) -> None:
        await mount.write("role/near", local_secret_ids=True)
        await mount.write("role/near", local_secret_ids=True, token_ttl=5)

        assert await mount.read("role/near/local-secret-ids") == {"local_secret_ids": True}

    async def test_deleting_is_repeatable(self, mount: Mount) -> None:
        await mount.delete("role/CI")
        await mount.delete("role/ci")

        assert mount.store.records == {}

    @pytest.mark.parametrize(
        "path", ["", "/role-id", "/policies", "/token-ttl", "/local-secret-ids"]
    )
    async def test_an_unknown_role_is_not_found(self, mount: Mount, path: str) -> None:
        with pytest.raises(NotFoundError):
            await mount.read(f"role/none{path}")


class TestSettings:
    @pytest.mark.parametrize(
        ("path", "sent", "read", "reset"),
        [
            (
                "policies",
                {"policies": "P1,p2"},
                {"token_policies": ["p1", "p2"], "policies": ["p1", "p2"]},
                {"token_policies": []},
            ),
            ("period", {"period": 77}, {"token_period": 77, "period": 77}, {"token_period": 0}),
            (
                "period",
                {"token_period": "1m"},
                {"token_period": 60, "period": 60},
                {"token_period": 0},
            ),
            (
                "secret-id-num-uses",
                {"secret_id_num_uses": 4},
                {"secret_id_num_uses": 4},
                {"secret_id_num_uses": 0},
            ),
            (
                "secret-id-ttl",
                {"secret_id_ttl": "4m"},
                {"secret_id_ttl": 240},
                {"secret_id_ttl": 0},
            ),
            (
                "secret-id-bound-cidrs",
                {"secret_id_bound_cidrs": "10.0.0.0/8"},
                {"secret_id_bound_cidrs": ["10.0.0.0/8"]},
                {"secret_id_bound_cidrs": None},
            ),
            (
                "bound-cidr-list",
                {"bound_cidr_list": ["10.0.0.0/8"]},
                {"bound_cidr_list": ["10.0.0.0/8"]},
                {"bound_cidr_list": None},
            ),
            (
                "token-bound-cidrs",
                {"token_bound_cidrs": "127.0.0.1/32,10.0.0.1"},
                {"token_bound_cidrs": ["127.0.0.1", "10.0.0.1"]},
                {"token_bound_cidrs": []},
            ),
            ("token-max-ttl", {"token_max_ttl": 9}, {"token_max_ttl": 9}, {"token_max_ttl": 0}),
            ("token-num-uses", {"token_num_uses": 2}, {"token_num_uses": 2}, {"token_num_uses": 0}),
            ("token-ttl", {"token_ttl": "3m"}, {"token_ttl": 180}, {"token_ttl": 0}),
        ],
    )  # fmt: skip
    async def test_a_setting_is_written_read_and_set_back(
        self,
        mount: Mount,
        path: str,
        sent: dict[str, object],
        read: dict[str, object],
        reset: dict[str, object],
    ) -> None:
        await mount.write(f"role/CI/{path}", **sent)
        assert await mount.read(f"role/ci/{path}") == read

        await mount.delete(f"role/ci/{path}")
        assert await mount.read(f"role/ci/{path}") == reset

    async def test_the_secret_id_may_be_made_optional(self, mount: Mount) -> None:
        await mount.write("role/ci", secret_id_bound_cidrs="10.0.0.0/8")
        await mount.write("role/ci/bind-secret-id", bind_secret_id=False)
        assert await mount.read("role/ci/bind-secret-id") == {"bind_secret_id": False}

        await mount.delete("role/ci/bind-secret-id")
        assert await mount.read("role/ci/bind-secret-id") == {"bind_secret_id": True}

    async def test_an_older_path_says_so(self, mount: Mount) -> None:
        await mount.read("role/ci/bound-cidr-list")

        assert mount.reply.warnings == (
            '"bound_cidr_list" is deprecated; use "secret_id_bound_cidrs".',
        )

    async def test_a_setting_that_is_not_sent_is_missing(self, mount: Mount) -> None:
        with pytest.raises(InputError, match="missing token_ttl"):
            await mount.write("role/ci/token-ttl", token_max_ttl=5)

    async def test_a_setting_must_suit_the_others(self, mount: Mount) -> None:
        await mount.write("role/ci/token-ttl", token_ttl="3m")

        with pytest.raises(InputError, match="token_max_ttl"):
            await mount.write("role/ci/token-max-ttl", token_max_ttl="1m")

    async def test_an_unknown_role_has_nothing_to_set(self, mount: Mount) -> None:
        await mount.delete("role/none/token-ttl")

        with pytest.raises(NotFoundError, match='role "none" does not exist'):
            await mount.write("role/none/token-ttl", token_ttl=5)

    async def test_every_setting_is_declared_with_its_field(self) -> None:
        paths = {
            route.path: set(route.write.given.__dataclass_fields__) - {"role_name", "sent"}
            for route in AppRole().routes()
            if route.write and route.read and route.path.count("/") == 2
        }

        assert paths.pop("role/{role_name}/role-id") == {"role_id"}
        assert {path.split("/")[2] for path in paths} == {
            "bind-secret-id",
            "bound-cidr-list",
            "period",
            "policies",
            "secret-id-bound-cidrs",
            "secret-id-num-uses",
            "secret-id-ttl",
            "token-bound-cidrs",
            "token-max-ttl",
            "token-num-uses",
            "token-ttl",
        }
        assert all(len(fields) == 1 for fields in paths.values())


class TestRoleIds:
    async def test_another_role_id_keeps_secret_ids_good(self, mount: Mount) -> None:
        secret = (await issued(mount))["secret_id"]
        await mount.write("role/ci/role-id", role_id="a/b c")

        assert await mount.read("role/ci/role-id") == {"role_id": "a/b c"}
        assert (await logged_in(mount, secret, "a/b c")).alias == "a/b c"
        assert await refused(mount, secret, "ci-id")
        assert count(mount, "id") == 1

    async def test_a_role_id_of_another_role_is_refused(self, mount: Mount) -> None:
        await mount.write("role/other", role_id="other-id")

        with pytest.raises(InputError, match="already in use"):
            await mount.write("role/ci/role-id", role_id="other-id")

    async def test_a_role_keeps_its_own_role_id_when_sent_again(self, mount: Mount) -> None:
        await mount.write("role/ci", role_id="ci-id", token_ttl=5)

        assert (await mount.read("role/ci"))["token_ttl"] == 5

    @pytest.mark.parametrize("fields", [{}, {"role_id": ""}])
    async def test_a_role_id_must_be_sent(self, mount: Mount, fields: dict[str, str]) -> None:
        with pytest.raises(InputError, match="missing role_id"):
            await mount.write("role/ci/role-id", **fields)


class TestIssuing:
    async def test_a_secret_id_is_random_and_has_the_roles_terms(self, mount: Mount) -> None:
        await mount.write("role/ci", secret_id_ttl="1h", secret_id_num_uses=5)

        one, other = await issued(mount), await issued(mount)

        assert one["secret_id"] != other["secret_id"]
        assert one["secret_id_accessor"] != other["secret_id_accessor"]
        assert one["secret_id_ttl"] == 3600
        assert one["secret_id_num_uses"] == 5

    async def test_its_own_terms_may_be_tighter(self, mount: Mount) -> None:
        await mount.write(
            "role/ci",
            secret_id_ttl="1h",
            secret_id_num_uses=5,
            secret_id_bound_cidrs="10.0.0.0/8",
            token_bound_cidrs="10.0.0.0/8",
        )
        made = await issued(
            mount,
            ttl="1m",
            num_uses=1,
            cidr_list="10.1.0.0/16",
            token_bound_cidrs="10.2.0.0/16",
            metadata='{"team":"payments"}',
        )

        found = await mount.write("role/ci/secret-id/lookup", secret_id=made["secret_id"])

        assert found == {
            "cidr_list": ["10.1.0.0/16"],
            "creation_time": "2026-01-01T00:00:00Z",
            "expiration_time": "2026-01-01T00:01:00Z",
            "last_updated_time": "2026-01-01T00:00:00Z",
            "metadata": {"team": "payments"},
            "secret_id_accessor": made["secret_id_accessor"],
            "secret_id_num_uses": 1,
            "secret_id_ttl": 60,
            "token_bound_cidrs": ["10.2.0.0/16"],
        }

    @pytest.mark.parametrize(
        ("terms", "message"),
        [
            ({"ttl": "2h"}, "ttl cannot be longer"),
            ({"ttl": 0}, "ttl cannot be longer"),
            ({"ttl": "-1s"}, "ttl"),
            ({"num_uses": 6}, "num_uses cannot be higher"),
            ({"num_uses": 0}, "num_uses cannot be higher"),
            ({"num_uses": -1}, "num_uses cannot be negative"),
            ({"cidr_list": "11.0.0.0/8"}, "cidr_list"),
            ({"cidr_list": "0.0.0.0/0"}, "cidr_list"),
            ({"cidr_list": "::/0"}, "cidr_list"),
            ({"cidr_list": "10.0.0.1"}, "cidr_list"),
            ({"token_bound_cidrs": "11.0.0.0/8"}, "token_bound_cidrs"),
            ({"token_bound_cidrs": "junk"}, "token_bound_cidrs"),
            ({"metadata": "junk"}, "metadata"),
        ],
    )
    async def test_its_own_terms_may_not_be_wider(
        self, mount: Mount, terms: dict[str, Any], message: str
    ) -> None:
        await mount.write(
            "role/ci",
            secret_id_ttl="1h",
            secret_id_num_uses=5,
            secret_id_bound_cidrs="10.0.0.0/8",
            token_bound_cidrs="10.0.0.0/8",
        )

        with pytest.raises(InputError, match=message):
            await issued(mount, **terms)
        assert count(mount, "secret") == 0

    async def test_its_life_is_capped_by_the_mounts(self) -> None:
        mount = Mount(AppRole(), max_ttl=timedelta(hours=2))
        await mount.write("role/ci", secret_id_ttl="10h")

        assert "secret_id_ttl" in mount.warnings[0]
        assert (await issued(mount))["secret_id_ttl"] == 7200
        assert (await issued(mount, ttl="3h"))["secret_id_ttl"] == 7200
        assert mount.warnings[0].startswith("ttl")

    @pytest.mark.parametrize("asked", [{}, {"ttl": 0}, {"ttl": "10000h"}], ids=str)
    async def test_it_has_an_end_that_nobody_need_name(
        self, mount: Mount, asked: dict[str, object]
    ) -> None:
        made = await issued(mount, **asked)
        warned = len(mount.warnings)

        mount.at += MONTH.total_seconds()

        assert made["secret_id_ttl"] == MONTH.total_seconds()
        assert warned == bool(asked)
        with pytest.raises(DeniedError):
            await logged_in(mount, made["secret_id"])

    async def test_a_chosen_secret_id_is_taken_once(self, mount: Mount) -> None:
        made = await mount.write("role/ci/custom-secret-id", secret_id="mine")
        assert shown(made)["secret_id"] == "mine"

        with pytest.raises(InputError, match="already registered"):
            await mount.write("role/ci/custom-secret-id", secret_id="mine")
        assert (await logged_in(mount, "mine")).alias == "ci-id"

    @pytest.mark.parametrize("chosen", [{}, {"secret_id": ""}, {"secret_id": "x" * 4097}])
    async def test_a_chosen_secret_id_must_be_there(
        self, mount: Mount, chosen: dict[str, str]
    ) -> None:
        with pytest.raises(InputError, match="secret_id"):
            await mount.write("role/ci/custom-secret-id", **chosen)

    async def test_a_role_without_secret_ids_gets_none(self, mount: Mount) -> None:
        await mount.write("role/ci", bind_secret_id=False, secret_id_bound_cidrs="10.0.0.0/8")

        with pytest.raises(InputError, match="bind_secret_id is not set"):
            await issued(mount)

    async def test_a_secret_id_is_stored_nowhere(self, mount: Mount) -> None:
        made = await mount.write("role/ci/secret-id", ttl="1h")
        secret = made["secret_id"].text()

        assert "Secret(…)" in repr(made)
        assert secret not in repr(made)
        assert secret not in repr(mount.store.rows)
        assert not any(secret.encode() in row.data for row in mount.store.rows.values())

    async def test_the_log_gets_the_fingerprint(self, mount: Mount) -> None:
        await issued(mount)
        [key] = [key for key in mount.store.rows if key.startswith("secret/")]

        assert mount.reply.touched is not None
        assert mount.reply.touched.fingerprint == mount.store.rows[key].fingerprint is not None


class TestLogin:
    async def test_a_secret_id_proves_its_role(self, mount: Mount) -> None:
        made = await issued(mount, metadata='{"team":"payments","role_name":"forged"}')

        proof = await logged_in(mount, made["secret_id"])

        assert proof == Proof(
            alias="ci-id",
            shown_by="secret-id",
            workload=True,
            role="ci",
            rules=TokenRules(token_policies=("deploy",), token_ttl=SHORT, token_max_ttl=LONGEST),
            metadata={"team": "payments", "role_name": "ci"},
        )

    async def test_the_secret_ids_networks_narrow_its_tokens(self, mount: Mount) -> None:
        made = await issued(mount, token_bound_cidrs="192.0.2.0/25")

        proof = await logged_in(mount, made["secret_id"])

        assert proof.rules.token_bound_cidrs == ("192.0.2.0/25",)

    async def test_every_refusal_says_the_same(self, mount: Mount) -> None:
        secret = (await issued(mount))["secret_id"]
        elsewhere = (await issued(mount, cidr_list="198.51.100.0/24"))["secret_id"]
        await mount.write("role/far", role_id="far-id", secret_id_bound_cidrs="198.51.100.0/24")
        far = (await issued(mount, "far"))["secret_id"]

        assert await refused(mount, "wrong")
        assert await refused(mount, "")
        assert await refused(mount, secret, "wrong")
        assert await refused(mount, elsewhere)
        assert await refused(mount, far, "far-id")
        assert await refused(mount, secret, "far-id")

    async def test_a_role_id_must_be_sent(self, mount: Mount) -> None:
        with pytest.raises(InputError, match="missing role_id"):
            await mount.login(secret_id="x")

    async def test_without_binding_the_network_alone_decides(self, mount: Mount) -> None:
        await mount.write("role/ci", bind_secret_id=False, secret_id_bound_cidrs="192.0.2.0/24")

        proof = await mount.login(role_id="ci-id", secret_id="whatever")
        assert proof.shown_by == "role-id"

        mount.address = "198.51.100.1"
        assert await refused(mount, "whatever")

    async def test_an_address_that_came_over_ipv6_is_the_ipv4_one(self, mount: Mount) -> None:
        secret = (await issued(mount, cidr_list="192.0.2.0/24"))["secret_id"]
        mount.address = "::ffff:192.0.2.9"

        assert (await logged_in(mount, secret)).alias == "ci-id"

    async def test_uses_are_counted_and_the_last_one_ends_it(self, mount: Mount) -> None:
        made = await issued(mount, num_uses=2, ttl="1h")
        secret = made["secret_id"]
        await logged_in(mount, secret)
        mount.at += 1
        found = await mount.write("role/ci/secret-id/lookup", secret_id=secret)
        assert found["secret_id_num_uses"] == 1

        await logged_in(mount, secret)

        assert await mount.write("role/ci/secret-id/lookup", secret_id=secret) == {}
        assert await refused(mount, secret)
        assert set(mount.store.records) == {"name/ci", "id/ci-id"}

    async def test_a_refused_login_spends_nothing(self, mount: Mount) -> None:
        secret = (await issued(mount, num_uses=1, cidr_list="192.0.2.0/24"))["secret_id"]
        home, mount.address = mount.address, "198.51.100.1"
        assert await refused(mount, secret)

        mount.address = home
        assert (await logged_in(mount, secret)).alias == "ci-id"

    async def test_a_secret_id_ends_to_the_second(self, mount: Mount) -> None:
        secret = (await issued(mount, ttl=60))["secret_id"]
        mount.at += 59
        await logged_in(mount, secret)
        mount.at += 1

        assert await refused(mount, secret)
        assert await mount.write("role/ci/secret-id/lookup", secret_id=secret) == {}

    async def test_an_unlimited_login_reads_two_rows_and_writes_none(self, mount: Mount) -> None:
        secret = (await issued(mount))["secret_id"]
        async with mount.call() as call:
            store = Counting(call.store)
            call.store = store
            await AppRole().prove(call, Attempt(role_id="ci-id", secret_id=Secret(secret)))

        assert store.calls == ["find", "find"]

    async def test_a_secret_id_of_another_role_is_unknown(self, mount: Mount) -> None:
        await mount.write("role/other", role_id="other-id")
        secret = (await issued(mount, "other"))["secret_id"]

        assert await refused(mount, secret)

    async def test_lock_out_counts_the_role_id(self) -> None:
        assert AppRole().login().subject(Attempt(role_id="ci-id")) == "ci-id"


class TestLookingUpAndDestroying:
    async def test_accessors_are_listed_a_page_at_a_time(self, mount: Mount) -> None:
        made = sorted([(await issued(mount))["secret_id_accessor"] for _ in range(3)])

        assert await mount.list("role/ci/secret-id", limit=2) == {"keys": made[:2]}
        assert await mount.list("role/ci/secret-id", after=made[1]) == {"keys": made[2:]}

    async def test_an_accessor_finds_what_the_secret_id_finds(self, mount: Mount) -> None:
        made = await issued(mount, ttl="1h", num_uses=3)

        by_secret = await mount.write("role/ci/secret-id/lookup", secret_id=made["secret_id"])
        by_accessor = await mount.write(
            "role/ci/secret-id-accessor/lookup", secret_id_accessor=made["secret_id_accessor"]
        )

        assert by_secret == by_accessor
        assert made["secret_id"] not in repr(by_accessor)

    async def test_an_unknown_secret_id_is_no_error(self, mount: Mount) -> None:
        assert await mount.write("role/ci/secret-id/lookup", secret_id="none") == {}
        assert await mount.write("role/ci/secret-id/destroy", secret_id="none") == {}

    @pytest.mark.parametrize("deed", ["lookup", "destroy"])
    async def test_an_unknown_accessor_is_not_found(self, mount: Mount, deed: str) -> None:
        path = f"role/ci/secret-id-accessor/{deed}"

        with pytest.raises(NotFoundError, match="failed to find accessor entry"):
            await mount.write(path, secret_id_accessor="none")

    @pytest.mark.parametrize("deed", ["lookup", "destroy"])
    @pytest.mark.parametrize(
        ("path", "field"),
        [("secret-id", "secret_id"), ("secret-id-accessor", "secret_id_accessor")],
    )
    async def test_what_is_meant_must_be_sent(
        self, mount: Mount, path: str, field: str, deed: str
    ) -> None:
        with pytest.raises(InputError, match=f"missing {field}"):
            await mount.write(f"role/ci/{path}/{deed}")

        with pytest.raises(NotFoundError, match='role "none" does not exist'):
            await mount.write(f"role/none/{path}/{deed}", **{field: "x"})

    @pytest.mark.parametrize("operation", [Operation.WRITE, Operation.DELETE])
    @pytest.mark.parametrize(
        ("path", "field"),
        [("secret-id", "secret_id"), ("secret-id-accessor", "secret_id_accessor")],
    )
    async def test_destroying_leaves_nothing(
        self, mount: Mount, operation: Operation, path: str, field: str
    ) -> None:
        made = await issued(mount, ttl="1h")
        target = f"role/ci/{path}/destroy"
        await mount.send(operation, target, query={field: made[field]})

        assert await refused(mount, made["secret_id"])
        assert set(mount.store.records) == {"name/ci", "id/ci-id"}

    async def test_a_new_role_of_the_same_name_and_id_accepts_no_older_secret_id(
        self, mount: Mount
    ) -> None:
        secret = (await issued(mount))["secret_id"]
        await mount.delete("role/ci")
        await mount.write("role/ci", role_id="ci-id")

        assert await refused(mount, secret)
        assert await mount.list("role/ci/secret-id") == {"keys": []}


class TestTidying:
    async def test_what_has_ended_is_removed_and_nothing_else(self, mount: Mount) -> None:
        await issued(mount, ttl=60)
        await issued(mount, ttl=61)
        kept = await issued(mount)
        mount.at += 60.5
        await mount.write("tidy/secret-id")

        assert mount.reply.status == 202
        assert mount.reply.warnings == ("Removed 1 secret ids that had ended.",)
        assert count(mount, "secret") == count(mount, "accessor") == 2
        assert count(mount, "expiry") == 2
        assert (await logged_in(mount, kept["secret_id"])).alias == "ci-id"

    async def test_tidying_goes_on_where_it_stopped(
        self, mount: Mount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(secret_ids, "AT_ONCE", 2)
        for ttl in (5, 7, 6):
            await issued(mount, ttl=ttl)
        mount.at += 10
        await mount.write("tidy/secret-id")
        assert mount.reply.warnings[0].endswith("More are due: call it again.")

        await mount.write("tidy/secret-id")
        assert set(mount.store.records) == {"name/ci", "id/ci-id"}

    async def test_a_deleted_role_with_many_secret_ids_is_finished_by_tidying(
        self, mount: Mount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(secret_ids, "AT_ONCE", 2)
        for _ in range(5):
            await issued(mount)
        await mount.delete("role/ci")
        assert count(mount, "secret") == 3
        assert count(mount, "gone") == 1

        await mount.write("tidy/secret-id")
        await mount.write("tidy/secret-id")
        assert {key.partition("/")[0] for key in mount.store.records} == {"expiry"}
        mount.at += MONTH.total_seconds()
        for _ in range(3):
            await mount.write("tidy/secret-id")
        assert mount.store.records == {}

    async def test_rows_of_expiry_outlive_a_role_and_then_go(self, mount: Mount) -> None:
        await issued(mount, ttl=60)
        await mount.delete("role/ci")
        mount.at += 60
        await mount.write("tidy/secret-id")

        assert mount.store.records == {}


class TestRenewal:
    async def test_renewal_gets_the_rules_now_in_force(self, mount: Mount) -> None:
        await mount.write("role/ci", token_policies="new")

        async with mount.call() as call:
            rules = await AppRole().still_holds(call, "ci", "ci-id")

        assert rules == TokenRules(token_policies=("new",), token_ttl=SHORT, token_max_ttl=LONGEST)

    @pytest.mark.parametrize(("role", "alias"), [("ci", "old-id"), ("other", "ci-id")])
    async def test_a_role_that_is_gone_or_another_renews_nothing(
        self, mount: Mount, role: str, alias: str
    ) -> None:
        with pytest.raises(DeniedError):
            async with mount.call() as call:
                await AppRole().still_holds(call, role, alias)
