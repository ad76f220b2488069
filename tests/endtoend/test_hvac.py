"""hvac, the Python client of Vault, unchanged, over plain loopback and over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hvac
import pytest
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest

from tests import servers
from tests.servers import Strongroom

READ_APP = 'path "secret/data/app" { capabilities = ["read"] }'


def connected(server: Strongroom, token: str) -> hvac.Client:
    verify = str(server.ca_file) if server.tls else True
    return hvac.Client(url=server.address, token=token, verify=verify, timeout=30)


@pytest.fixture
def client(strongroom_server: Strongroom) -> Iterator[hvac.Client]:
    made = connected(strongroom_server, strongroom_server.root)
    yield made
    made.adapter.close()


@pytest.fixture
def other(strongroom_server: Strongroom) -> Iterator[hvac.Client]:
    """A client that has no token yet."""
    made = connected(strongroom_server, "")
    yield made
    made.adapter.close()


# -- the server itself


@pytest.mark.parametrize("tls", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_new_server_is_initialized_and_unsealed(tls: bool) -> None:
    with servers.strongroom(tls=tls, initialized=False) as server:
        client = connected(server, "")
        before = client.sys.is_initialized()
        made = client.sys.initialize(secret_shares=5, secret_threshold=3)
        sealed = client.sys.is_sealed()
        progress = client.sys.submit_unseal_key(made["keys_base64"][4])["progress"]
        client.sys.submit_unseal_keys([made["keys"][0], made["keys"][2]])
        client.token = made["root_token"]

        assert (before, sealed, progress) == (False, True, 1)
        assert len(made["keys"]) == 5
        assert client.sys.is_initialized()
        assert not client.sys.is_sealed()
        assert client.is_authenticated()

        client.sys.seal()

        assert client.sys.is_sealed()
        assert client.sys.read_seal_status()["t"] == 3
        client.adapter.close()


def test_health_is_told_by_status_and_by_body(client: hvac.Client) -> None:
    assert client.sys.read_health_status(method="HEAD").status_code == 200
    body = client.sys.read_health_status(method="GET")
    assert (body["initialized"], body["sealed"], body["standby"]) == (True, False, False)
    assert client.sys.read_leader_status()["ha_enabled"] is False


def test_the_key_in_use_can_be_read_and_rotated(client: hvac.Client) -> None:
    before = client.sys.get_encryption_key_status()["data"]["term"]

    client.sys.rotate_encryption_key()

    assert client.sys.get_encryption_key_status()["data"]["term"] == before + 1


# -- mounts


def test_engines_are_enabled_tuned_moved_and_disabled(client: hvac.Client) -> None:
    client.sys.enable_secrets_engine("kv", path="team", options={"version": "1"})
    client.sys.tune_mount_configuration("team", default_lease_ttl="1h", max_lease_ttl="2h")
    tuned = client.sys.read_mount_configuration("team")["data"]
    client.secrets.kv.v1.create_or_update_secret("app", {"a": "b"}, mount_point="team")
    client.sys.move_backend("team", "group")
    moved = client.secrets.kv.v1.read_secret("app", mount_point="group")
    listed = client.sys.list_mounted_secrets_engines()["data"]
    client.sys.disable_secrets_engine("group")

    assert (tuned["default_lease_ttl"], tuned["max_lease_ttl"]) == (3600, 7200)
    assert moved["data"] == {"a": "b"}
    assert listed["group/"]["type"] == "kv"
    assert "team/" not in listed
    with pytest.raises(InvalidPath):
        client.secrets.kv.v1.read_secret("app", mount_point="group")


def test_auth_methods_are_enabled_tuned_and_disabled(client: hvac.Client) -> None:
    client.sys.enable_auth_method("userpass", path="people", description="people")
    client.sys.tune_auth_method("people", default_lease_ttl="10m")
    tuned = client.sys.read_auth_method_tuning("people")["data"]
    listed = client.sys.list_auth_methods()["data"]
    client.sys.disable_auth_method("people")

    assert tuned["default_lease_ttl"] == 600
    assert (listed["people/"]["type"], listed["people/"]["description"]) == ("userpass", "people")
    assert listed["token/"]["type"] == "token"
    assert "people/" not in client.sys.list_auth_methods()["data"]


# -- policies


def test_policies_are_written_read_listed_and_deleted(client: hvac.Client) -> None:
    client.sys.create_or_update_policy("reads-app", READ_APP)

    assert client.sys.read_policy("reads-app")["data"]["rules"] == READ_APP
    assert {"default", "root", "reads-app"} <= set(client.sys.list_policies()["data"]["policies"])
    client.sys.create_or_update_acl_policy("reads-app", READ_APP)
    assert client.sys.read_acl_policy("reads-app")["data"]["policy"] == READ_APP
    assert "reads-app" in client.sys.list_acl_policies()["data"]["keys"]

    client.sys.delete_policy("reads-app")

    with pytest.raises(InvalidPath):
        client.sys.read_policy("reads-app")


def test_a_policy_that_does_not_parse_is_refused_with_its_line(client: hvac.Client) -> None:
    with pytest.raises(InvalidRequest, match="2"):
        client.sys.create_or_update_policy("odd", 'path "a" {\n  capabilities = ["fly"]\n}')


def test_capabilities_are_told_to_whoever_may_ask(client: hvac.Client) -> None:
    client.sys.create_or_update_policy("reads-app", READ_APP)
    token = client.auth.token.create(policies=["reads-app"], no_default_policy=True)["auth"]

    found = client.sys.get_capabilities(["secret/data/app", "sys/x"], token=token["client_token"])
    by_accessor = client.sys.get_capabilities(["secret/data/app"], accessor=token["accessor"])
    own = client.sys.get_capabilities(["secret/data/app"])

    assert found["data"]["secret/data/app"] == ["read"]
    assert found["data"]["sys/x"] == ["deny"]
    assert by_accessor["data"]["secret/data/app"] == ["read"]
    assert own["data"]["secret/data/app"] == ["root"]


# -- KV


def test_kv_version_2_keeps_versions(client: hvac.Client) -> None:
    kv = client.secrets.kv.v2
    for number in (1, 2, 3):
        kv.create_or_update_secret("app", {"n": number})
    kv.delete_secret_versions("app", [1])
    with pytest.raises(InvalidPath):
        kv.read_secret_version("app", version=1, raise_on_deleted_version=True)
    deleted = kv.read_secret_version("app", version=1, raise_on_deleted_version=False)
    kv.undelete_secret_versions("app", [1])
    kv.destroy_secret_versions("app", [2])

    assert deleted["data"]["data"] is None
    assert kv.read_secret_version("app", version=1, raise_on_deleted_version=True)["data"][
        "data"
    ] == {"n": 1}
    versions = kv.read_secret_metadata("app")["data"]["versions"]
    assert [versions[str(n)]["destroyed"] for n in (1, 2, 3)] == [False, True, False]
    assert kv.read_secret_version("app", raise_on_deleted_version=True)["data"]["data"] == {"n": 3}


def test_kv_version_2_checks_and_sets(client: hvac.Client) -> None:
    kv = client.secrets.kv.v2
    kv.create_or_update_secret("cas", {"n": 1}, cas=0)

    with pytest.raises(InvalidRequest, match="check-and-set"):
        kv.create_or_update_secret("cas", {"n": 2}, cas=0)

    assert kv.create_or_update_secret("cas", {"n": 2}, cas=1)["data"]["version"] == 2


@pytest.mark.filterwarnings("ignore:The raise_on_deleted_version:DeprecationWarning")  # hvac's own
def test_kv_version_2_patches(client: hvac.Client) -> None:
    kv = client.secrets.kv.v2
    kv.create_or_update_secret("patched", {"a": "1", "b": "2"})

    kv.patch("patched", {"b": "3", "c": "4"})

    read = kv.read_secret_version("patched", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"a": "1", "b": "3", "c": "4"}


def test_kv_version_2_has_metadata_and_settings(client: hvac.Client) -> None:
    kv = client.secrets.kv.v2
    kv.configure(max_versions=7, cas_required=False, mount_point="secret")
    kv.create_or_update_secret("described", {"a": "1"})
    kv.update_metadata("described", max_versions=2, custom_metadata={"owner": "ada"})

    settings = kv.read_configuration()["data"]
    metadata = kv.read_secret_metadata("described")["data"]
    assert settings["max_versions"] == 7
    assert (metadata["max_versions"], metadata["custom_metadata"]) == (2, {"owner": "ada"})

    kv.delete_metadata_and_all_versions("described")

    with pytest.raises(InvalidPath):
        kv.read_secret_metadata("described")


def test_kv_version_2_lists_folders(client: hvac.Client) -> None:
    kv = client.secrets.kv.v2
    for path in ("tree/a", "tree/b/c", "tree/b/d"):
        kv.create_or_update_secret(path, {"a": "1"})

    assert kv.list_secrets("tree")["data"]["keys"] == ["a", "b/"]
    assert kv.list_secrets("tree/b")["data"]["keys"] == ["c", "d"]
    kv.delete_latest_version_of_secret("tree/a")
    with pytest.raises(InvalidPath):
        kv.list_secrets("nothing")


def test_kv_version_1_is_written_read_listed_and_deleted(client: hvac.Client) -> None:
    kv = client.secrets.kv.v1
    kv.create_or_update_secret("app", {"a": "b", "n": 1}, mount_point="kv1")

    assert kv.read_secret("app", mount_point="kv1")["data"] == {"a": "b", "n": 1}
    assert kv.list_secrets("", mount_point="kv1")["data"]["keys"] == ["app"]

    kv.delete_secret("app", mount_point="kv1")

    with pytest.raises(InvalidPath):
        kv.read_secret("app", mount_point="kv1")


def test_the_generic_calls_work(client: hvac.Client) -> None:
    client.write_data("kv1/generic", data={"a": "b"})
    read: Any = client.read("kv1/generic")

    assert read["data"] == {"a": "b"}
    assert client.list("kv1/")["data"]["keys"] == ["generic"]

    client.delete("kv1/generic")

    assert client.read("kv1/generic") is None


# -- tokens


def test_tokens_are_made_looked_up_renewed_and_revoked(
    client: hvac.Client, strongroom_server: Strongroom
) -> None:
    made = client.auth.token.create(policies=["default"], ttl="1h", meta={"for": "test"})["auth"]
    looked_up = client.auth.token.lookup(made["client_token"])["data"]
    renewed = client.auth.token.renew(made["client_token"], increment="30m")["auth"]
    by_accessor = client.auth.token.lookup_accessor(made["accessor"])["data"]

    assert looked_up["policies"] == ["default"]
    assert looked_up["meta"] == {"for": "test"}
    assert looked_up["ttl"] <= 3600
    assert renewed["lease_duration"] == 1800
    assert by_accessor["accessor"] == made["accessor"]
    assert made["accessor"] in client.auth.token.list_accessors()["data"]["keys"]

    client.auth.token.revoke(made["client_token"])

    gone = connected(strongroom_server, made["client_token"])
    assert not gone.is_authenticated()
    with pytest.raises(Forbidden):
        client.auth.token.lookup(made["client_token"])
    gone.adapter.close()


def test_a_token_looks_after_itself(client: hvac.Client, strongroom_server: Strongroom) -> None:
    made = client.auth.token.create(policies=["default"], ttl="1h")["auth"]
    own = connected(strongroom_server, made["client_token"])

    assert own.auth.token.lookup_self()["data"]["accessor"] == made["accessor"]
    assert own.auth.token.renew_self(increment="20m")["auth"]["lease_duration"] == 1200
    own.auth.token.revoke_self()
    assert not own.is_authenticated()
    own.adapter.close()


def test_revoking_a_token_revokes_what_it_made(
    client: hvac.Client, strongroom_server: Strongroom
) -> None:
    client.sys.create_or_update_policy(
        "makes-tokens",
        'path "auth/token/create" { capabilities = ["update"] }\n'
        'path "auth/token/lookup-self" { capabilities = ["read"] }',
    )
    parent = client.auth.token.create(policies=["makes-tokens"], ttl="1h")["auth"]
    maker = connected(strongroom_server, parent["client_token"])
    child = maker.auth.token.create(policies=["makes-tokens"], ttl="30m")["auth"]
    childs = connected(strongroom_server, child["client_token"])
    before = childs.is_authenticated()

    client.auth.token.revoke_accessor(parent["accessor"])

    assert (before, childs.is_authenticated()) == (True, False)
    maker.adapter.close()
    childs.adapter.close()


def test_token_roles_bound_what_their_tokens_are(client: hvac.Client) -> None:
    client.auth.token.create_or_update_role(
        "batch-job",
        allowed_policies="default",
        orphan=True,
        renewable=False,
        token_explicit_max_ttl="5m",
    )

    made = client.auth.token.create(role_name="batch-job", policies=["default"])["auth"]

    assert (made["orphan"], made["renewable"]) == (True, False)
    assert client.auth.token.list_roles()["data"]["keys"] == ["batch-job"]
    assert client.auth.token.read_role("batch-job")["data"]["orphan"] is True
    client.auth.token.delete_role("batch-job")


def test_a_batch_token_works_and_cannot_be_renewed(
    client: hvac.Client, strongroom_server: Strongroom
) -> None:
    made = client.auth.token.create(policies=["default"], ttl="5m", type="batch")["auth"]
    batch = connected(strongroom_server, made["client_token"])

    assert made["client_token"].startswith("hvb.")
    assert batch.auth.token.lookup_self()["data"]["type"] == "batch"
    with pytest.raises(InvalidRequest):
        batch.auth.token.renew_self()
    batch.adapter.close()


# -- logins


def test_userpass_logs_people_in(client: hvac.Client, other: hvac.Client) -> None:
    client.sys.enable_auth_method("userpass")
    client.sys.create_or_update_policy("reads-app", READ_APP)
    client.secrets.kv.v2.create_or_update_secret("app", {"a": "b"})
    client.auth.userpass.create_or_update_user("ada", "correct horse", policies=["reads-app"])

    with pytest.raises(InvalidRequest, match="invalid username or password"):
        other.auth.userpass.login("ada", "wrong")
    with pytest.raises(InvalidRequest, match="invalid username or password"):
        other.auth.userpass.login("nobody", "correct horse")
    login = other.auth.userpass.login("ada", "correct horse")

    assert login["auth"]["metadata"] == {"username": "ada"}
    assert set(login["auth"]["policies"]) == {"default", "reads-app"}
    read = other.secrets.kv.v2.read_secret_version("app", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"a": "b"}
    with pytest.raises(Forbidden):
        other.secrets.kv.v2.create_or_update_secret("app", {"a": "c"})

    client.auth.userpass.update_password_on_user("ada", "battery staple")
    other.auth.userpass.login("ada", "battery staple")
    assert client.auth.userpass.list_user()["data"]["keys"] == ["ada"]
    client.auth.userpass.delete_user("ada")
    client.sys.disable_auth_method("userpass")
    assert not other.is_authenticated()


def test_approle_logs_workloads_in(client: hvac.Client, other: hvac.Client) -> None:
    client.sys.enable_auth_method("approle")
    approle = client.auth.approle
    approle.create_or_update_approle(
        "job", token_policies=["default"], token_ttl="10m", secret_id_num_uses=1
    )
    role_id = approle.read_role_id("job")["data"]["role_id"]
    secret_id = approle.generate_secret_id("job", metadata={"host": "a1"})["data"]

    login = other.auth.approle.login(role_id, secret_id["secret_id"])

    assert login["auth"]["lease_duration"] == 600
    assert login["auth"]["metadata"]["role_name"] == "job"
    assert other.is_authenticated()
    with pytest.raises(InvalidRequest):
        other.auth.approle.login(role_id, secret_id["secret_id"])
    assert approle.list_roles()["data"]["keys"] == ["job"]
    approle.delete_role("job")
    client.sys.disable_auth_method("approle")


# -- wrapping, cubbyhole, leases


def test_a_wrapped_answer_is_opened_once(client: hvac.Client, other: hvac.Client) -> None:
    client.secrets.kv.v2.create_or_update_secret("app", {"a": "b"})
    wrapped: Any = client.read("secret/data/app", wrap_ttl="5m")
    token = wrapped["wrap_info"]["token"]
    looked_up = client.write_data("sys/wrapping/lookup", data={"token": token})["data"]

    with pytest.raises(Forbidden):
        other.sys.unwrap(token)  # whoever shows no token may not even try
    other.token = token
    opened = other.sys.unwrap()

    assert looked_up["creation_path"] == "secret/data/app"
    assert looked_up["creation_ttl"] == 300
    assert opened["data"]["data"] == {"a": "b"}
    with pytest.raises(InvalidRequest, match="wrapping token is not valid or does not exist"):
        other.sys.unwrap()
    with pytest.raises(InvalidRequest, match="wrapping token is not valid or does not exist"):
        client.sys.unwrap(token)


def test_anything_can_be_wrapped(client: hvac.Client) -> None:
    token = client.sys.wrap({"any": "thing"}, ttl=60)["wrap_info"]["token"]
    again = client.write_data("sys/wrapping/rewrap", data={"token": token})["wrap_info"]["token"]

    assert client.sys.unwrap(again)["data"] == {"any": "thing"}
    with pytest.raises(InvalidRequest):
        client.sys.unwrap(token)


def test_a_cubbyhole_is_its_tokens_own(client: hvac.Client, strongroom_server: Strongroom) -> None:
    made = client.auth.token.create(policies=["default"], ttl="1h")["auth"]
    own = connected(strongroom_server, made["client_token"])
    own.write_data("cubbyhole/mine", data={"a": "b"})

    assert own.read("cubbyhole/mine")["data"] == {"a": "b"}
    assert client.read("cubbyhole/mine") is None
    own.adapter.close()


def test_leases_can_be_looked_for(client: hvac.Client) -> None:
    with pytest.raises(InvalidRequest):
        client.sys.read_lease("no/such/lease")
    with pytest.raises(InvalidPath):
        client.sys.list_leases("no/such")


# -- errors


def test_a_stranger_is_forbidden(other: hvac.Client) -> None:
    other.token = "hvs.nobody"

    assert not other.is_authenticated()
    with pytest.raises(Forbidden, match="permission denied"):
        other.secrets.kv.v2.read_secret_version("app", raise_on_deleted_version=True)
