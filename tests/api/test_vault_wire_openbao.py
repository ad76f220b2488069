"""The same requests to OpenBao and to us: statuses, and the shape of what is said to be wrong.

Where we choose to differ, the request stands in `DIFFERENT` with the reason.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse

import pytest

from tests.oracles.openbao import ROOT_TOKEN, OpenBao
from tests.servers import Strongroom, strongroom

DATA = b'{"data":{"a":"b"}}'
MERGE = b"application/merge-patch+json"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, as bytes; `{root}` in a header is the server's root token."""

    method: bytes
    target: bytes
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    token: bytes | None = b"{root}"

    def wire(self, root: str) -> bytes:
        lines = [b"%s /v1/%s HTTP/1.1" % (self.method, self.target), b"host: x"]
        lines += [b"connection: close", b"content-length: %d" % len(self.body)]
        given = self.headers + ((b"x-vault-token", self.token),) * (self.token is not None)
        lines += [name + b": " + (value or b"") for name, value in given]
        head = b"\r\n".join(lines).replace(b"{root}", root.encode())
        return head + b"\r\n\r\n" + self.body


def ask(
    method: str, target: str, body: bytes = b"", *, token: str | None = "{root}", **h: str
) -> Asked:
    headers = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in h.items())
    return Asked(
        method=method.encode(),
        target=target.encode(),
        body=body,
        headers=headers,
        token=None if token is None else token.encode(),
    )


def patch(content_type: str, body: bytes = DATA, target: str = "secret/data/app") -> Asked:
    return ask("PATCH", target, body, content_type=content_type)


SAME = {
    "a write": ask("POST", "secret/data/app", DATA),
    "a read": ask("GET", "secret/data/app"),
    "a read of nothing": ask("GET", "secret/data/none"),
    "a read with a body": ask("GET", "secret/data/app", b'{"x":1}'),
    "a version that is not there": ask("GET", "secret/data/app?version=99"),
    "a version that is no number": ask("GET", "secret/data/app?version=x"),
    "HEAD of a secret": ask("HEAD", "secret/data/app"),
    "HEAD of health": ask("HEAD", "sys/health", token=None),
    "a write to a folder": ask("POST", "secret/data/app/", DATA),
    "LIST with a slash": ask("LIST", "secret/metadata/"),
    "LIST without one": ask("LIST", "secret/metadata"),
    "list=true": ask("GET", "secret/metadata?list=true"),
    "list=1": ask("GET", "secret/metadata?list=1"),
    "list=false": ask("GET", "secret/metadata/app?list=false"),
    "list=yes": ask("GET", "secret/metadata?list=yes"),
    "list=": ask("GET", "secret/metadata/app?list="),
    "SCAN": ask("SCAN", "secret/metadata"),
    "scan=true": ask("GET", "secret/metadata?scan=true"),
    "help": ask("GET", "secret/data/app?help=1"),
    "help of a mount": ask("GET", "secret?help=1"),
    "help without a token": ask("GET", "secret?help=1", token=None),
    "an encoded ..": ask("GET", "secret/data/%2e%2e/data/app"),
    "an encoded slash": ask("GET", "secret%2fdata%2fapp"),
    "NUL": ask("GET", "secret/data/a%00b"),
    "a line break": ask("GET", "secret/data/a%0ab"),
    "a stray percent sign": ask("GET", "secret/data/a%zzb"),
    "Unicode": ask("POST", "secret/data/caf%C3%A9", DATA),
    "a space": ask("POST", "secret/data/a%20b", DATA),
    "a plus": ask("POST", "secret/data/a+b", DATA),
    "a long name": ask("POST", "secret/data/" + "a" * 600, DATA),
    "no path": ask("GET", ""),
    "no mount": ask("GET", "nowhere/x"),
    "a write to no mount": ask("POST", "nowhere/x", b"{}"),
    "a path without the operation": ask("DELETE", "secret/config"),
    "a path that KV has not": ask("GET", "secret/whatever/x"),
    "a path that sys has not": ask("GET", "sys/whatever"),
    "TRACE": ask("TRACE", "secret/data/app"),
    "half a body": ask("POST", "secret/data/app", b'{"data":'),
    "a body that is no JSON": ask("POST", "secret/data/app", b"hello"),
    "a list": ask("POST", "secret/data/app", b"[1]"),
    "a string": ask("POST", "secret/data/app", b'"x"'),
    "null": ask("POST", "secret/data/app", b"null"),
    "something behind the JSON": ask("POST", "secret/data/app", b'{"data":{}} x'),
    "no body": ask("POST", "secret/data/app"),
    "the same key twice": ask("POST", "secret/data/app", b'{"data":{"a":1},"data":{"a":2}}'),
    "data that is a string": ask("POST", "secret/data/app", b'{"data":"x"}'),
    "data that is null": ask("POST", "secret/data/app", b'{"data":null}'),
    "a check-and-set that is none": ask(
        "POST", "secret/data/app", b'{"data":{},"options":{"cas":"x"}}'
    ),
    "a check-and-set that fails": ask(
        "POST", "secret/data/app", b'{"data":{},"options":{"cas":77}}'
    ),
    "an unknown field": ask("POST", "secret/data/app", b'{"data":{"a":1},"nosuch":1}'),
    "text for a number": ask("POST", "secret/config", b'{"max_versions":"many"}'),
    "an object for a number": ask("POST", "secret/config", b'{"max_versions":{}}'),
    "a number as text": ask("POST", "secret/config", b'{"max_versions":"5"}'),
    "PATCH": patch(MERGE.decode()),
    "PATCH with a character set": patch("application/merge-patch+json; charset=utf-8"),
    "PATCH as plain JSON": patch("application/json"),
    "PATCH without a type": ask("PATCH", "secret/data/app", DATA),
    "PATCH that is no JSON": patch(MERGE.decode(), b'{"data"'),
    "PATCH where there is none": patch(MERGE.decode(), b"{}", "secret/config"),
    "JSON that says it is a form": ask(
        "POST", "secret/data/app", DATA, content_type="application/x-www-form-urlencoded"
    ),
    "no token": ask("GET", "secret/data/app", token=None),
    "an empty token": ask("GET", "secret/data/app", token=""),
    "another token": ask("GET", "secret/data/app", token="nope"),
    "a service token that is none": ask("GET", "secret/data/app", token="hvs.nope"),
    "a batch token that is none": ask("GET", "secret/data/app", token="hvb.AAAA"),
    "a bearer": ask("GET", "secret/data/app", token=None, authorization="Bearer {root}"),
    "basic authentication": ask("GET", "secret/data/app", token=None, authorization="Basic {root}"),
    "two tokens, the header's good": ask("GET", "secret/data/app", authorization="Bearer nope"),
    "two tokens, the bearer's good": ask(
        "GET", "secret/data/app", token="nope", authorization="Bearer {root}"
    ),
    "wrapped": ask("GET", "secret/data/app", x_vault_wrap_ttl="60"),
    "wrapped for minutes": ask("GET", "secret/data/app", x_vault_wrap_ttl="5m"),
    "wrapped for soon": ask("GET", "secret/data/app", x_vault_wrap_ttl="soon"),
    "wrapped for less than nothing": ask("GET", "secret/data/app", x_vault_wrap_ttl="-5"),
    "wrapped for nothing": ask("GET", "secret/data/app", x_vault_wrap_ttl="0"),
    "wrapped for an empty time": ask("GET", "secret/data/app", x_vault_wrap_ttl=""),
    "nothing, wrapped": ask("GET", "secret/data/none", x_vault_wrap_ttl="60"),
    "an empty answer, wrapped": ask("DELETE", "secret/data/none", x_vault_wrap_ttl="60"),
    "the root namespace": ask("GET", "secret/data/app", x_vault_namespace="root"),
    "a delete of nothing": ask("DELETE", "secret/data/none"),
    "a policy with a word that is no capability": ask(
        "POST", "sys/policies/acl/x", b'{"policy":"path \\"a\\" { capabilities = [\\"fly\\"] }"}'
    ),
    "half a policy": ask("POST", "sys/policies/acl/x", b'{"policy":"path \\"a\\" {"}'),
    "a policy that is not there": ask("GET", "sys/policies/acl/nope"),
    "a token for x long": ask("POST", "auth/token/create", b'{"ttl":"x"}'),
    "a lookup of no token": ask("POST", "auth/token/lookup", b'{"token":"nope"}'),
    "a revocation of no token": ask("POST", "auth/token/revoke", b'{"token":"nope"}'),
    "a login where there is no method": ask("POST", "auth/userpass/login/x", b'{"password":"p"}'),
    "a mount where there is one": ask("POST", "sys/mounts/secret", b'{"type":"kv"}'),
    "a mount of no type": ask("POST", "sys/mounts/zz", b'{"type":"nosuch"}'),
    "an unwrap of no token": ask("POST", "sys/wrapping/unwrap", b'{"token":"nope"}'),
    "my capabilities": ask("POST", "sys/capabilities-self", b'{"paths":["secret/data/app"]}'),
    "a second init": ask("POST", "sys/init", b'{"secret_shares":1,"secret_threshold":1}'),
    "init's state": ask("GET", "sys/init", token=None),
    "health": ask("GET", "sys/health", token=None),
    "health as another status": ask("GET", "sys/health?activecode=299", token=None),
    "the leader": ask("GET", "sys/leader", token=None),
    "the seal": ask("GET", "sys/seal-status", token=None),
}

# OpenBao's status, ours, and why
DIFFERENT = {
    "a path with ..": (ask("GET", "secret/data/../data/app"), 307, 400, "no guess at a path"),
    "a path with .": (ask("GET", "secret/data/./app"), 307, 400, "no guess at a path"),
    "a path with //": (ask("GET", "secret//data/app"), 307, 400, "no guess at a path"),
    "a path that is not UTF-8": (ask("GET", "secret/data/a%ffb"), 404, 400, "paths are text"),
    "a very long path": (ask("GET", "secret/data/" + "a" * 5000), 404, 400, "paths have an end"),
    "a read of a folder": (ask("GET", "secret/data/app/"), 500, 404, "nothing is there"),
    "two bodies": (ask("POST", "secret/data/app", DATA * 2), 200, 400, "which of them is meant?"),
    "an unknown field of a settings path": (
        *(ask("POST", "secret/config", b'{"max_versions":5,"nosuch":1}'), 204, 200),
        "the answer has a warning",
    ),
    "a bearer in small letters": (
        *(ask("GET", "secret/data/app", token=None, authorization="bearer {root}"), 403, 200),
        "schemes are the same in any case (RFC 9110)",
    ),
    "wrapped for eleven years": (
        *(ask("GET", "secret/data/app", x_vault_wrap_ttl="99999h"), 200, 400),
        "768h is the most",
    ),
    "a namespace": (
        *(ask("GET", "secret/data/app", x_vault_namespace="team"), 404, 400),
        "there are none, and the answer says so",
    ),
    "OPTIONS": (ask("OPTIONS", "secret/data/app"), 400, 405, "a method that is not served"),
}


@pytest.fixture(scope="module")
def ours() -> Iterator[Strongroom]:
    with strongroom() as server:
        server.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        server.ask("POST", "secret/data/app", {"data": {"a": "b"}})
        yield server


def sent(port: int, asked: Asked, root: str) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(asked.wire(root))
        response = HTTPResponse(connection, method=asked.method.decode())
        response.begin()
        return response.status, response.read()


def both(openbao: OpenBao, ours: Strongroom, asked: Asked) -> list[tuple[int, bytes]]:
    oracle = int(openbao.address.rpartition(":")[2])
    return [sent(oracle, asked, ROOT_TOKEN), sent(ours.port, asked, ours.root)]


def shape(raw: bytes) -> object:
    """Return what a client looks at: whether there is a body, and its keys."""
    try:
        body = json.loads(raw)
    except ValueError:
        return "none"  # OpenBao's HTTP library refuses some paths before OpenBao sees them
    return "errors" if isinstance(body, dict) and set(body) == {"errors"} else "body"


@pytest.mark.parametrize("asked", SAME.values(), ids=SAME)
def test_a_client_gets_what_it_gets_from_openbao(
    openbao: OpenBao, ours: Strongroom, asked: Asked
) -> None:
    sent(int(openbao.address.rpartition(":")[2]), SAME["a write"], ROOT_TOKEN)

    (wanted, theirs), (status, answer) = both(openbao, ours, asked)

    assert status == wanted
    if status >= 400 and asked.method != b"HEAD":
        assert shape(answer) == "errors"
        assert all(isinstance(error, str) for error in json.loads(answer)["errors"])
    elif shape(theirs) != "none":
        assert shape(answer) == shape(theirs)


@pytest.mark.parametrize("case", DIFFERENT.values(), ids=DIFFERENT)
def test_where_we_differ_from_openbao_it_is_as_we_chose(
    openbao: OpenBao, ours: Strongroom, case: tuple[Asked, int, int, str]
) -> None:
    asked, wanted, chosen, _ = case

    (theirs, _), (status, answer) = both(openbao, ours, asked)

    assert (theirs, status) == (wanted, chosen)
    assert status < 400 or shape(answer) == "errors"
