"""Secrets that must be found nowhere: planted through every way in, looked for in everything kept.

What is looked for is random, so that finding it is no accident. It may stand in the answer to the
one who asked for it, and nowhere else: not in the database or its write-ahead log, not in the
transparency log or a sink's file, not in what the process writes, not in the text of an error.
"""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from strongroom.crypto.tiles import bundle_path
from tests import servers
from tests.endtoend.conftest import furnish
from tests.servers import Got, Strongroom

MERGE = {"Content-Type": "application/merge-patch+json"}


def spellings(value: str) -> set[bytes]:
    """Return the forms in which a value may have been written."""
    raw = value.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode(), quote(value).encode()}
    for start in range(3):  # base64 of the value within something longer
        for encoded in (b64encode, urlsafe_b64encode):
            whole = encoded(b"\0" * start + raw)
            found.add(whole[4 if start else 0 : -4])
    found.add(json.dumps(value)[1:-1].encode())
    found.add(raw.decode().encode("utf-16-le"))
    return found


@dataclass
class Canaries:
    """The planted values by where they were planted, and every answer that was an error."""

    server: Strongroom
    planted: dict[str, str] = field(default_factory=dict)
    errors: list[tuple[str, Got]] = field(default_factory=list)

    def new(self, where: str) -> str:
        # A quote and an umlaut, so that a form which escapes one is told from the value.
        value = f"canary-{os.urandom(12).hex()}-ü"
        self.planted[where] = value
        return value

    def keep(self, where: str, value: str) -> str:
        """Plant a value that the server made."""
        self.planted[where] = value
        return value

    def ask(self, method: str, path: str, body: object = None, **more: object) -> Got:
        got = self.server.ask(method, path, body, **more)  # type: ignore[arg-type]
        if got.status >= 400:
            self.errors.append((f"{method} {path}", got))
        return got

    def write(self, path: str, body: object, method: str = "POST", **more: object) -> Got:
        got = self.ask(method, path, body, **more)
        assert got.status < 300, (path, got.status, got.raw)
        return got


def plant(canaries: Canaries) -> None:
    plant_secrets(canaries)
    plant_logins(canaries)
    plant_tokens(canaries)
    plant_mistakes(canaries)


def plant_secrets(c: Canaries) -> None:
    c.write(
        "secret/data/app", {"data": {"password": c.new("KV 2, a value"), c.new("KV 2, a key"): 1}}
    )
    c.write("secret/data/app", {"data": {"deep": [{"er": c.new("KV 2, a value within")}]}})
    c.write("secret/data/app", {"data": {"p": c.new("KV 2, a patch")}}, "PATCH", headers=MERGE)
    c.write("secret/data/old", {"data": {"p": c.new("KV 2, a destroyed version")}})
    c.write("secret/destroy/old", {"versions": [1]})
    c.write("secret/data/gone", {"data": {"p": c.new("KV 2, a deleted secret")}})
    c.ask("DELETE", "secret/metadata/gone")
    c.write("kv1/app", {"password": c.new("KV 1, a value")})
    c.write("kv1/app", {"password": c.new("KV 1, an overwritten value")})
    c.write("kv1/app", {"password": "another"})
    c.write("cubbyhole/mine", {"password": c.new("cubbyhole, a value")})
    for path in ("secret/data/app", "kv1/app", "cubbyhole/mine"):
        assert c.ask("GET", path).status == 200


def plant_logins(c: Canaries) -> None:
    c.write("sys/auth/userpass", {"type": "userpass"})
    c.write("sys/auth/approle", {"type": "approle"})
    password = c.new("userpass, a password")
    c.write("auth/userpass/users/ada", {"password": password})
    login = c.write("auth/userpass/login/ada", {"password": password}, token="")
    c.keep("userpass, a token", login.body["auth"]["client_token"])
    c.ask(
        "POST",
        "auth/userpass/login/ada",
        {"password": c.new("userpass, a wrong password")},
        token="",
    )
    c.ask(
        "POST", "auth/userpass/users/ada/password", {"password": c.new("userpass, a new password")}
    )
    c.write("auth/approle/role/job", {"token_policies": ["default"]})
    role = c.ask("GET", "auth/approle/role/job/role-id").body["data"]["role_id"]
    made = c.write("auth/approle/role/job/secret-id", {}).body["data"]["secret_id"]
    secret_id = c.keep("approle, a secret id", made)
    custom = c.new("approle, a secret id of one's own")
    c.write("auth/approle/role/job/custom-secret-id", {"secret_id": custom})
    for each in (secret_id, custom):
        login = c.write("auth/approle/login", {"role_id": role, "secret_id": each}, token="")
        c.keep(f"approle, a token for {each[:6]}", login.body["auth"]["client_token"])
    wrong = c.new("approle, a wrong secret id")
    c.ask("POST", "auth/approle/login", {"role_id": role, "secret_id": wrong}, token="")
    c.ask("POST", "auth/approle/role/job/secret-id/lookup", {"secret_id": secret_id})
    c.ask("POST", "auth/approle/role/job/secret-id/destroy", {"secret_id": secret_id})


def plant_tokens(c: Canaries) -> None:
    c.keep("the root token", c.server.root)
    for number, key in enumerate(c.server.keys):
        c.keep(f"share {number}", key)
    made = c.write("auth/token/create", {"policies": ["default"], "ttl": "1h"}).body["auth"]
    token = c.keep("a token", made["client_token"])
    chosen = c.new("a token with a text of one's own").replace("ü", "u")
    c.keep("a token with a text of one's own", chosen)
    c.ask("POST", "auth/token/create", {"id": chosen, "policies": ["default"], "ttl": "1h"})
    batch = c.write("auth/token/create", {"type": "batch", "policies": ["default"], "ttl": "1h"})
    c.keep("a batch token", batch.body["auth"]["client_token"])
    for path in ("lookup", "renew", "revoke"):
        c.write(f"auth/token/{path}", {"token": token})
    c.ask("POST", "auth/token/lookup", {"token": c.new("a token that is none, looked up")})
    wrapped = c.ask("GET", "secret/data/app", headers={"X-Vault-Wrap-TTL": "60"}).body["wrap_info"]
    c.keep("a wrapping token", wrapped["token"])
    c.write("sys/wrapping/lookup", {"token": wrapped["token"]})
    c.write("sys/wrapping/unwrap", {"token": wrapped["token"]})
    c.ask("POST", "sys/wrapping/unwrap", {"token": wrapped["token"]})
    own = c.write(
        "sys/wrapping/wrap",
        {"any": c.new("a wrapped value")},
        headers={"X-Vault-Wrap-TTL": "60"},
    ).body["wrap_info"]
    c.keep("a second wrapping token", own["token"])
    c.ask("POST", "sys/unseal", {"key": c.new("a share that is none")}, token="")


def plant_mistakes(c: Canaries) -> None:
    """Values that arrive where they do not belong."""
    c.ask("POST", "secret/data/app", f'{{"data": {{"p": "{c.new("half a body")}"'.encode())
    c.ask("POST", "secret/data/app", c.new("a body that is no JSON").encode())
    c.ask("POST", "secret/data/app", [c.new("a body that is a list")])
    c.ask("POST", "secret/data/app", c.new("a body that is a string"))
    c.ask("POST", "secret/data/app", {"data": c.new("text where an object belongs")})
    c.ask("POST", "secret/data/app", {"data": {"a": 1}, "options": {"cas": c.new("a cas")}})
    c.ask("POST", "secret/data/app", {"password": c.new("data beside the data")})
    c.ask("POST", "secret/data/app", {c.new("an unknown field"): 1, "data": {}})
    c.ask("POST", "secret/config", {"max_versions": c.new("text where a number belongs")})
    c.ask("POST", "secret/config", {"delete_version_after": c.new("text for a duration")})
    c.ask("POST", "secret/config", {"cas_required": c.new("text where a flag belongs")})
    c.ask("POST", "secret/undelete/app", {"versions": [c.new("text within a list of numbers")]})
    c.ask("POST", "auth/token/create", {"ttl": c.new("a ttl that is none")})
    c.ask("POST", "auth/token/create", {"policies": {"a": c.new("an object for a list")}})
    c.ask("POST", "auth/token/create", {"num_uses": c.new("text for a number of uses")})
    c.ask("POST", "auth/token/create", {"type": c.new("a type that is none")})
    c.ask("POST", "auth/userpass/users/bob", {"password": [c.new("a password in a list")]})
    c.ask("POST", "auth/userpass/users/bob", {"token_type": c.new("a token type that is none")})
    c.ask(
        "POST", "auth/userpass/users/bob", {"token_bound_cidrs": [c.new("a network that is none")]}
    )
    c.ask(
        "POST", "auth/approle/login", {"role_id": c.new("a role id that is none"), "secret_id": "x"}
    )
    c.ask("POST", "auth/approle/login", {"secret_id": c.new("a secret id alone")}, token="")
    c.ask("PUT", "sys/policies/acl/odd", {"policy": c.new("a policy that is none")})
    c.ask("POST", "sys/mounts/odd", {"type": c.new("a mount type that is none")})
    c.ask("POST", "sys/mounts/odd", {"type": "kv", "options": c.new("options that are none")})
    c.ask(
        "GET",
        "secret/data/app",
        headers={"X-Vault-Token": c.new("a token that is none").replace("ü", "u")},
    )
    for name in ("X-Vault-Wrap-TTL", "X-Vault-Namespace", "Authorization", "X-Odd", "Cookie"):
        value = c.new(f"the header {name}").replace("ü", "u")
        c.keep(f"the header {name}", value)
        c.ask("GET", "secret/data/app", headers={name: value})
    value = c.new("a content type").replace("ü", "u")
    c.keep("a content type", value)
    c.ask("PATCH", "secret/data/app", {"data": {}}, headers={"Content-Type": value})
    c.ask("GET", "secret/data/app?password=" + quote(c.new("a query field")))
    c.ask("GET", "secret/data/app?version=" + quote(c.new("a version that is none")))
    c.ask("GET", "secret/data/app?list=" + quote(c.new("a switch that is none")))


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    sink = tmp_path_factory.mktemp("sink") / "entries.jsonl"
    extra = f'[[sink]]\ntype = "file"\npath = "{sink}"\n'
    with servers.strongroom(extra_tables=extra) as server:
        furnish(server)
        planted = Canaries(server)
        plant(planted)
        await_followers(server, sink)
        yield planted


def await_followers(server: Strongroom, sink: Path) -> None:
    """Wait until all that was answered is published, and in the sink."""
    last, _ = server.ask("GET", "secret/data/app").receipt
    server.await_published(last)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if sink.exists() and sink.read_bytes().count(b"\n") > last:
            return
        time.sleep(0.05)
    raise AssertionError("the log or its sink fell behind")


def found_in(canaries: Canaries, text: bytes) -> list[str]:
    return [
        where
        for where, value in canaries.planted.items()
        if any(spelling in text for spelling in spellings(value))
    ]


def test_the_search_finds_what_is_there(canaries: Canaries) -> None:
    value = canaries.planted["KV 2, a value"]

    for text in (
        f'{{"a": "{value}"}}',
        json.dumps({"a": value}),
        b64encode(f"x{value}y".encode()).decode(),
        value.encode().hex(),
        quote(value),
    ):
        assert found_in(canaries, text.encode()) == ["KV 2, a value"]


def test_enough_was_planted_and_the_mistakes_were_noticed(canaries: Canaries) -> None:
    assert len(canaries.planted) > 60
    assert len(canaries.errors) > 25


def test_no_secret_is_in_any_file_of_the_server(canaries: Canaries) -> None:
    server = canaries.server
    files = [path for path in server.data.rglob("*") if path.is_file()]

    assert {"strongroom.db", "strongroom.db-wal"} <= {path.name for path in files}
    for file in files:
        assert (file.name, found_in(canaries, file.read_bytes())) == (file.name, [])


def test_no_secret_is_in_what_the_process_wrote(canaries: Canaries) -> None:
    assert found_in(canaries, canaries.server.stderr.read_bytes()) == []


def test_no_secret_is_in_the_log(canaries: Canaries) -> None:
    server = canaries.server
    size = server.await_published(0)

    assert size > 80
    for first in range(0, size, 256):
        path = bundle_path(first // 256, min(256, size - first))
        bundle = server.fetch("GET", f"/log/{path}")
        assert bundle.status == 200
        assert found_in(canaries, bundle.raw) == []


def test_no_secret_is_in_a_sinks_file(canaries: Canaries) -> None:
    configuration = canaries.server.configuration()
    sink = Path(configuration.split('path = "')[1].split('"')[0])

    assert sink.stat().st_size > 10_000
    assert found_in(canaries, sink.read_bytes()) == []


def test_no_error_repeats_a_secret(canaries: Canaries) -> None:
    for asked, got in canaries.errors:
        head = "\n".join(f"{name}: {value}" for name, value in got.headers.items()).encode()

        assert (asked.partition("?")[0], found_in(canaries, got.raw + head)) == (
            asked.partition("?")[0],
            [],
        )
