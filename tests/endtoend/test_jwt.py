"""OpenBao as issuer of workloads' tokens, and as people's OIDC provider."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import hvac
import pytest

from tests import servers
from tests.cli.conftest import Shell
from tests.core.test_web import listening
from tests.endtoend.test_bao import Bao, program
from tests.endtoend.test_hvac import connected
from tests.oracles.openbao import OpenBao, openbao_dev
from tests.servers import Strongroom

BACK = "https://console.example/callback"
READ = 'path "secret/data/app" { capabilities = ["read"] }'


@dataclass(frozen=True, kw_only=True)
class Platform:
    """OpenBao, with somebody who has an entity there, and a client of its OIDC provider."""

    bao: OpenBao
    person: str  # token
    client_id: str
    client_secret: str

    @property
    def issuer(self) -> str:
        return f"{self.bao.address}/v1/identity/oidc"

    @property
    def provider(self) -> str:
        return f"{self.issuer}/provider/default"

    def token(self) -> str:
        """Return a token of the platform for its workload."""
        answer = self.bao.ask("GET", "identity/oidc/token/app", token=self.person)
        return str(answer.body["data"]["token"])

    def consent(self, auth_url: str) -> dict[str, str]:
        """Do what a browser does: log in at the provider, and bring back what it gives."""
        query = urlsplit(auth_url).query
        path = f"identity/oidc/provider/default/authorize?{query}"
        answer = self.bao.ask("GET", path, token=self.person)
        assert answer.status == 200, answer
        return {name: str(answer.body[name]) for name in ("code", "state")}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with openbao_dev() as bao:
        bao.ask("POST", "sys/auth/userpass", {"type": "userpass"})
        bao.write_policy("all", 'path "*" { capabilities = ["create", "read", "update"] }')
        given = {"password": "right", "token_policies": "all"}
        bao.ask("POST", "auth/userpass/users/ada", given)
        person = bao.ask("POST", "auth/userpass/login/ada", {"password": "right"})
        everybody = {"allowed_client_ids": "*", "algorithm": "ES256"}
        bao.ask("POST", "identity/oidc/config", {"issuer": bao.address})
        bao.ask("POST", "identity/oidc/key/app", everybody)
        bao.ask(
            "POST", "identity/oidc/role/app", {"key": "app", "client_id": "strongroom", "ttl": "1h"}
        )
        client = {"redirect_uris": [BACK], "assignments": ["allow_all"], "key": "default"}
        made = bao.ask("POST", "identity/oidc/client/us", client)
        assert made.status == 204, made
        known = bao.ask("GET", "identity/oidc/client/us").body["data"]
        yield Platform(
            bao=bao,
            person=person.body["auth"]["client_token"],
            client_id=known["client_id"],
            client_secret=known["client_secret"],
        )


@pytest.fixture
def server(strongroom_server: Strongroom, platform: Platform) -> Strongroom:
    """A server whose mounts `jwt` and `oidc` trust the platform."""
    for kind in ("jwt", "oidc"):
        strongroom_server.ask("DELETE", f"sys/auth/{kind}")
        made = strongroom_server.ask("POST", f"sys/auth/{kind}", {"type": kind})
        assert made.status == 204, made.raw
    strongroom_server.ask("PUT", "sys/policies/acl/read-app", {"policy": READ})
    strongroom_server.ask("POST", "secret/data/app", {"data": {"a": "b"}})
    config = {"oidc_discovery_url": platform.issuer, "default_role": "app"}
    answer = strongroom_server.ask("POST", "auth/jwt/config", config)
    assert answer.status == 204, answer.raw
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": "strongroom",
        "token_policies": "read-app",
    }
    answer = strongroom_server.ask("POST", "auth/jwt/role/app", role)
    assert answer.status == 204, answer.raw
    oidc = {
        "oidc_discovery_url": platform.provider,
        "oidc_client_id": platform.client_id,
        "oidc_client_secret": platform.client_secret,
        "default_role": "dev",
    }
    answer = strongroom_server.ask("POST", "auth/oidc/config", oidc)
    assert answer.status == 204, answer.raw
    people = {"user_claim": "sub", "allowed_redirect_uris": BACK, "token_policies": "read-app"}
    answer = strongroom_server.ask("POST", "auth/oidc/role/dev", people)
    assert answer.status == 204, answer.raw
    return strongroom_server


def read(client: hvac.Client) -> object:
    found = client.secrets.kv.v2.read_secret("app", raise_on_deleted_version=True)
    return found["data"]["data"]


def test_a_workload_comes_in_with_hvac(server: Strongroom, platform: Platform) -> None:
    client = connected(server, "")
    auth = client.auth.jwt.jwt_login(role="app", jwt=platform.token())["auth"]
    client.token = auth["client_token"]

    assert auth["lease_duration"] == 900
    assert read(client) == {"a": "b"}
    client.adapter.close()


def test_hvac_configures_and_reads_roles(server: Strongroom, platform: Platform) -> None:
    client = connected(server, server.root)
    client.auth.jwt.create_role(
        name="other",
        role_type="jwt",
        user_claim="sub",
        bound_audiences=["strongroom"],
        allowed_redirect_uris=[],
    )

    assert client.auth.jwt.list_roles()["data"]["keys"] == ["app", "other"]
    assert client.auth.jwt.read_role("other")["data"]["bound_audiences"] == ["strongroom"]
    assert client.auth.jwt.read_config()["data"]["status"] == "valid"
    client.auth.jwt.delete_role("other")
    client.adapter.close()


def test_a_workload_comes_in_with_bao(
    server: Strongroom, platform: Platform, tmp_path: Path
) -> None:
    bao = Bao(program=program(), server=server, home=tmp_path)
    made = json.loads(bao.ok("write", "auth/jwt/login", "role=app", f"jwt={platform.token()}"))
    bao.token = made["auth"]["client_token"]
    wrong = bao("write", "auth/jwt/login", "role=app", "jwt=x.y.z")

    assert json.loads(bao.ok("kv", "get", "-mount=secret", "app"))["data"]["data"] == {"a": "b"}
    assert "invalid role or token" in wrong.err


def test_keys_of_the_platform_rotate_without_a_restart(
    server: Strongroom, platform: Platform
) -> None:
    before = server.ask("POST", "auth/jwt/login", {"jwt": platform.token()}, token="")
    rotated = platform.bao.ask("POST", "identity/oidc/key/app/rotate", {"verification_ttl": "1s"})
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:  # it asks anew within ten seconds of the last time
        after = server.ask("POST", "auth/jwt/login", {"jwt": platform.token()}, token="")
        if after.status == 200:
            break
        time.sleep(0.5)
    else:
        pytest.fail(f"the new key was not found: {after.raw!r}")

    assert before.status == 200
    assert rotated.status in (200, 204)


def test_a_person_comes_in_by_the_provider(server: Strongroom, platform: Platform) -> None:
    client = connected(server, "")
    begun = client.auth.oidc.oidc_authorization_url_request(role="dev", redirect_uri=BACK)
    came = platform.consent(begun["data"]["auth_url"])
    auth = client.auth.oidc.oidc_callback(
        path="oidc", nonce="", code=came["code"], state=came["state"]
    )["auth"]
    client.token = auth["client_token"]
    again = server.ask("GET", f"auth/oidc/oidc/callback?state={came['state']}&code=x", token="")

    assert read(client) == {"a": "b"}
    assert auth["metadata"] == {"role": "dev"}
    assert (again.status, again.body["errors"]) == (400, ["OIDC login failed"])
    client.adapter.close()


def test_a_person_comes_in_with_bao(server: Strongroom, platform: Platform, tmp_path: Path) -> None:
    """Its program listens where it may be sent back to, and prints where to go."""
    port = servers.free_port()
    local = f"http://localhost:{port}/oidc/callback"
    for side, path in ((platform.bao, "identity/oidc/client/us"), (server, "auth/oidc/role/dev")):
        field = "redirect_uris" if side is platform.bao else "allowed_redirect_uris"
        assert side.ask("POST", path, {field: [BACK, local]}).status == 204
    bao = Bao(program=program(), server=server, home=tmp_path)
    tls = {"BAO_CACERT": str(server.ca_file)} if server.tls else {}
    with subprocess.Popen(
        [bao.program, "login", "-method=oidc", f"port={port}", "skip_browser=true", "role=dev"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BAO_ADDR": server.address} | tls,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = next(line.strip() for line in process.stdout if "/authorize?" in line)
        came = platform.consent(url[url.index("http") :])
        browser = http.client.HTTPConnection("localhost", port, timeout=30)
        browser.request("GET", f"/oidc/callback?{urlencode(came)}")
        shown = browser.getresponse().status
        browser.close()
        said = process.stdout.read()

    assert (shown, process.returncode) == (200, 0), said
    assert "read-app" in said


def test_a_person_comes_in_with_our_own_program(
    server: Strongroom, platform: Platform, tmp_path: Path
) -> None:
    port = servers.free_port()
    local = f"http://localhost:{port}/oidc/callback"
    for side, path in ((platform.bao, "identity/oidc/client/us"), (server, "auth/oidc/role/dev")):
        field = "redirect_uris" if side is platform.bao else "allowed_redirect_uris"
        assert side.ask("POST", path, {field: [BACK, local]}).status == 204
    shell = Shell(tmp_path)
    shell.environment |= {"STRONGROOM_ADDR": server.address}
    shell.environment |= {"STRONGROOM_CACERT": str(server.ca_file)} if server.tls else {}
    words = ["login", "--method=oidc", f"port={port}", "skip_browser=true", "role=dev"]
    with subprocess.Popen(
        [sys.executable, "-m", "strongroom", *words],
        env=shell.full_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = next(line.strip() for line in process.stdout if "/authorize?" in line)
        came = platform.consent(url)
        browser = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        browser.request("GET", f"/oidc/callback?{urlencode(came)}")
        shown = browser.getresponse().status
        browser.close()
        said = process.stdout.read()

    assert (shown, process.returncode) == (200, 0), said
    assert came["code"] not in said
    listed = shell.ok("session", "list", "-format=json").data
    assert [each["surface"] for each in listed.values()] == ["cli"]


def test_the_provider_gives_one_code_for_one_login(server: Strongroom, platform: Platform) -> None:
    """Two callbacks with one state at once: one gets in."""
    begun = server.ask("POST", "auth/oidc/oidc/auth_url", {"redirect_uri": BACK}, token="")
    came = platform.consent(begun.body["data"]["auth_url"])
    path = f"auth/oidc/oidc/callback?state={came['state']}&code={came['code']}"
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(server.ask, "GET", path, token="") for _ in range(8)]

    assert sorted(each.result().status for each in answers) == [200] + [400] * 7


def test_a_token_of_another_audience_stays_out(server: Strongroom, platform: Platform) -> None:
    begun = server.ask("POST", "auth/oidc/oidc/auth_url", {"redirect_uri": BACK}, token="")
    asked = parse_qs(urlsplit(begun.body["data"]["auth_url"]).query)
    platform.bao.ask(
        "POST", "identity/oidc/role/other", {"key": "app", "client_id": "other", "ttl": "1h"}
    )
    answer = platform.bao.ask("GET", "identity/oidc/token/other", token=platform.person)
    token = answer.body["data"]["token"]

    refused = server.ask("POST", "auth/jwt/login", {"jwt": token}, token="")

    assert asked["code_challenge_method"] == ["S256"]
    assert (refused.status, refused.body["errors"]) == (400, ["invalid role or token"])


def test_a_provider_that_hangs_delays_only_its_own(server: Strongroom, platform: Platform) -> None:
    stop = threading.Event()
    server.ask("DELETE", "sys/auth/hung")
    server.ask("POST", "sys/auth/hung", {"type": "jwt"})
    with listening(lambda _sock, _head: stop.wait(30) and None) as port:  # type: ignore[func-returns-value]
        config = {"jwks_url": f"http://127.0.0.1:{port}/", "skip_jwks_validation": True}
        role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "strongroom"}
        token = platform.token()
        server.ask("POST", "auth/hung/config", config)
        server.ask("POST", "auth/hung/role/app", role)
        with ThreadPoolExecutor(20) as pool:
            given = {"role": "app", "jwt": token}
            late = [
                pool.submit(server.ask, "POST", "auth/hung/login", given, token="")
                for _ in range(16)
            ]
            time.sleep(0.2)
            started = time.monotonic()
            well = [
                server.ask("POST", "auth/jwt/login", {"jwt": token}, token="") for _ in range(10)
            ]
            took = time.monotonic() - started
            waited = {each.result().status for each in late}
        stop.set()

    assert {each.status for each in well} == {200}
    assert took < 3
    assert waited == {502}
