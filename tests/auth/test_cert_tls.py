"""The cert method over real TLS connections to a real server, on record, and with hvac."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import hvac
import pytest
from hvac.exceptions import InvalidRequest

from tests import servers
from tests.auth.issuing import CLIENT, DAY, SERVER, Issued, alone, dns, root, uris
from tests.endtoend.taken import take_log
from tests.servers import Strongroom

POLICY = 'path "auth/token/renew-self" { capabilities = ["update"] }'
REFUSED = ["invalid certificate or no client certificate supplied"]


class Asking:
    """A strongroom whose second listener asks clients for a certificate."""

    def __init__(self, server: Strongroom, port: int, folder: Path) -> None:
        self.server, self.port, self.folder = server, port, folder

    def context(
        self, client: Issued | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=self.server.ca_file)
        made.minimum_version = made.maximum_version = version
        if client is not None:
            made.load_cert_chain(*client.write(self.folder))
        return made

    def ask(
        self,
        path: str,
        client: Issued | None,
        body: object = None,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        token: str = "",
    ) -> tuple[int, Any]:
        connection = HTTPSConnection(
            "127.0.0.1", self.port, timeout=30, context=self.context(client, version)
        )
        try:
            headers = {"X-Vault-Token": token} if token else {}
            connection.request("POST", f"/v1/{path}", json.dumps(body or {}), headers)
            response = connection.getresponse()
            raw = response.read()
            return response.status, json.loads(raw) if raw else None
        finally:
            connection.close()

    def login(self, client: Issued | None, **fields: object) -> tuple[int, Any]:
        return self.ask("auth/cert/login", client, fields)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def issued(by: Issued, name: str, *extensions: Any, **settings: Any) -> Issued:
    """Sign for the real clock, which the server goes by."""
    times = {"starts": now() - timedelta(hours=1), "ends": now() + DAY}
    return by.issue(name, *extensions, **(times | settings))


@pytest.fixture(scope="module")
def trusted() -> Issued:
    return root("root of tests", starts=now() - DAY, ends=now() + 100 * DAY)


@pytest.fixture(scope="module")
def between(trusted: Issued) -> Issued:
    return issued(trusted, "between", authority=True, ends=now() + 10 * DAY)


@pytest.fixture(scope="module")
def asking(trusted: Issued, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    port = servers.free_port()
    listener = f"""[[listener]]
address = "127.0.0.1:{port}"
tls = true
request_client_certificate = true
"""
    with servers.strongroom(tls=True, extra_tables=listener) as server:
        assert server.ask("POST", "sys/auth/cert", {"type": "cert"}).status == 204
        server.ask("PUT", "sys/policies/acl/renewing", {"policy": POLICY})
        role = {"certificate": trusted.pem, "token_policies": "renewing"}
        assert server.ask("POST", "auth/cert/certs/web", role).status == 204
        yield Asking(server, port, tmp_path_factory.mktemp("clients"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_gets_a_short_token(
    asking: Asking, between: Issued, version: ssl.TLSVersion
) -> None:
    client = issued(between, "web")

    status, body = asking.ask("auth/cert/login", client, version=version)

    assert status == 200, body
    auth = body["auth"]
    assert auth["lease_duration"] == 900
    assert auth["metadata"]["common_name"] == "web"
    assert auth["policies"] == ["default", "renewing"]
    assert auth["entity_id"]


def test_the_same_certificate_is_the_same_entity(asking: Asking, between: Issued) -> None:
    client = issued(between, "same")

    first, second = (asking.login(client)[1]["auth"]["entity_id"] for _ in range(2))

    assert first == second != asking.login(issued(between, "other"))[1]["auth"]["entity_id"]


def test_nobody_else_gets_in_and_all_are_told_the_same(
    asking: Asking, trusted: Issued, between: Issued
) -> None:
    other = root("root of tests", starts=now() - DAY, ends=now() + 100 * DAY)
    strangers: dict[str, Issued | None] = {
        "none": None,
        "expired": issued(trusted, "web", ends=now() - timedelta(minutes=1)),
        "not yet": issued(trusted, "web", starts=now() + timedelta(hours=1)),
        "purpose": issued(trusted, "web", purposes=SERVER),
        "another authority": issued(root("x", starts=now() - DAY, ends=now() + DAY), "web"),
        "of the same name": issued(other, "web"),
        "alone": alone("web", CLIENT, ends=now() + DAY),
        "no intermediate": Issued(
            certificate=(one := issued(between, "web")).certificate, key=one.key
        ),
    }

    answers = {why: asking.login(client) for why, client in strangers.items()}

    assert {
        why: answer for why, answer in answers.items() if answer != (400, {"errors": REFUSED})
    } == {}
    status, body = asking.login(issued(between, "web"), name="nobody")
    assert (status, body["errors"]) == (400, REFUSED)


def test_the_entry_says_why(asking: Asking, trusted: Issued, tmp_path: Path) -> None:
    asking.login(issued(trusted, "web", purposes=SERVER))

    entries = take_log(asking.server, tmp_path).entries()

    logins = [each for each in entries if each["metadata"]["event_code"] == "auth.login"]
    assert logins[-1]["unmapped"]["because"] == "web: the certificate is not for clients"


def test_a_long_chain_is_refused(asking: Asking, trusted: Issued) -> None:
    above = trusted
    for step in range(12):
        above = issued(above, f"step {step}", authority=True, ends=now() + 10 * DAY)

    assert asking.login(issued(above, "deep")) == (400, {"errors": REFUSED})


def test_a_huge_chain_ends_the_handshake_or_the_login(asking: Asking, trusted: Issued) -> None:
    above = trusted
    for step in range(30):
        names = dns(*(f"{number}.{step}.example" for number in range(200)))
        above = issued(above, f"step {step}", names, authority=True, ends=now() + 10 * DAY)

    try:
        status, _ = asking.login(issued(above, "deep"))
    except (ssl.SSLError, OSError):
        status = 400

    assert status == 400
    assert asking.login(issued(trusted, "web"))[0] == 200  # it still serves


def test_a_revoked_certificate_is_out_at_once(asking: Asking, trusted: Issued) -> None:
    client, server = issued(trusted, "leaver"), asking.server
    token = asking.login(client)[1]["auth"]["client_token"]
    assert asking.ask("auth/token/renew-self", client, token=token)[0] == 200

    revoked = trusted.revoke(client, starts=now() - DAY, ends=now() + DAY)
    assert server.ask("POST", "auth/cert/crls/root", {"crl": revoked}).status == 204

    assert asking.login(client) == (400, {"errors": REFUSED})
    assert asking.ask("auth/token/renew-self", client, token=token)[0] == 403
    assert server.ask("DELETE", "auth/cert/crls/root").status == 204


def test_renewal_needs_the_certificate(asking: Asking, trusted: Issued) -> None:
    client = issued(trusted, "renewing")
    token = asking.login(client)[1]["auth"]["client_token"]

    assert asking.ask("auth/token/renew-self", None, token=token)[0] == 403
    assert asking.ask("auth/token/renew-self", issued(trusted, "another"), token=token)[0] == 403
    assert asking.ask("auth/token/renew-self", client, token=token)[0] == 200


def test_a_token_ends_before_its_certificate(asking: Asking, trusted: Issued) -> None:
    client = issued(trusted, "brief", ends=now() + timedelta(minutes=2))

    auth = asking.login(client)[1]["auth"]

    assert 60 < auth["lease_duration"] <= 120


def test_an_svid_is_known_by_its_spiffe_id(asking: Asking) -> None:
    domain, server = root("prod.example", starts=now() - DAY, ends=now() + DAY), asking.server
    role = {"certificate": domain.pem, "allowed_uri_sans": "spiffe://prod.example/*"}
    assert server.ask("POST", "auth/cert/certs/spiffe", role).status == 204

    inside = asking.login(issued(domain, "", uris("spiffe://prod.example/ns/pay/sa/api")))
    outside = asking.login(issued(domain, "", uris("spiffe://other.example/ns/pay/sa/api")))

    assert inside[1]["auth"]["metadata"]["spiffe_id"] == "spiffe://prod.example/ns/pay/sa/api"
    assert outside == (400, {"errors": REFUSED})
    alias = server.ask("GET", f"identity/entity/id/{inside[1]['auth']['entity_id']}").body["data"]
    assert alias["aliases"][0]["name"] == "spiffe://prod.example/ns/pay/sa/api"
    server.ask("DELETE", "auth/cert/certs/spiffe")


def test_the_other_listener_asks_for_nothing(asking: Asking, trusted: Issued) -> None:
    other = Asking(asking.server, asking.server.port, asking.folder)

    assert other.login(issued(trusted, "web")) == (400, {"errors": REFUSED})


def test_a_handshake_without_the_key_comes_to_nothing(asking: Asking, trusted: Issued) -> None:
    """TLS itself: the certificate of somebody else does not go with one's own key."""
    mine, theirs = issued(trusted, "mine"), issued(trusted, "theirs")
    context = asking.context(None)

    with pytest.raises(ssl.SSLError, match=r"KEY_VALUES_MISMATCH|key values mismatch"):
        context.load_cert_chain(theirs.write(asking.folder)[0], mine.write(asking.folder)[1])
    with socket.create_connection(("127.0.0.1", asking.port), timeout=10) as plain:
        plain.sendall(b"POST /v1/auth/cert/login HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP/1.1 200")


def test_hvac_manages_roles_and_logs_in(asking: Asking, trusted: Issued) -> None:
    server = asking.server
    client = hvac.Client(
        url=f"https://127.0.0.1:{asking.port}", token=server.root, verify=str(server.ca_file)
    )
    api = client.auth.cert
    authority, _ = trusted.write(asking.folder)
    chain, key = issued(trusted, "hvac").write(asking.folder)

    api.create_ca_certificate_role(
        "hvac", certificate_file=authority, allowed_common_names=["hvac"], token_ttl=60
    )
    role = api.read_ca_certificate_role("hvac")["data"]
    api.configure_tls_certificate(disable_binding=False)
    anonymous = hvac.Client(url=client.url, verify=str(server.ca_file))
    given = {"cert_pem": chain, "key_pem": key}
    auth = anonymous.auth.cert.login(name="hvac", **given)["auth"]

    assert role["allowed_common_names"] == ["hvac"]
    assert sorted(api.list_certificate_roles()["data"]["keys"]) == ["hvac", "web"]
    assert auth["lease_duration"] == 60
    api.delete_certificate_role("hvac")
    with pytest.raises(InvalidRequest):
        anonymous.auth.cert.login(name="hvac", **given)
    client.adapter.close()
    anonymous.adapter.close()
