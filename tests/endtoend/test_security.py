"""What a token gets that should not work, wherever it comes from, whenever it stopped working."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import pytest

from strongroom.crypto.merkle import leaf_hash
from strongroom.crypto.tiles import bundle_path, decode_bundle
from tests import servers
from tests.endtoend.conftest import furnish
from tests.servers import Got, Strongroom

READ_APP = 'path "secret/data/app" { capabilities = ["read"] }'
DENIED = b'{"errors":["permission denied"]}'


@pytest.fixture(scope="module")
def server() -> Iterator[Strongroom]:
    with servers.strongroom(extra_tables="[clock]\nsimulated = true\n") as running:
        furnish(running)
        running.ask("POST", "secret/data/app", {"data": {"a": "b"}})
        yield running


def entries(server: Strongroom) -> list[dict[str, Any]]:
    """Return every published entry, once all that was answered until now is published."""
    last, _ = server.ask("GET", "secret/data/app").receipt
    size = server.await_published(last)
    leaves: list[bytes] = []
    for first in range(0, size, 256):
        path = bundle_path(first // 256, min(256, size - first))
        leaves += decode_bundle(server.fetch("GET", f"/log/{path}").raw)
    return [json.loads(leaf) for leaf in leaves]


def entry_of(server: Strongroom, got: Got) -> dict[str, Any]:
    index, digest = got.receipt
    found = entries(server)[index]
    assert (
        leaf_hash(json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()) == digest
    )
    return found


def refused(server: Strongroom, got: Got) -> dict[str, Any]:
    """Check that this is a refusal like any other, on record; return its entry.

    Where nobody is behind a token any more, the record may be a count (`core.noise`).
    """
    assert (got.status, got.raw) == (403, DENIED)
    if "audit-receipt" not in got.headers:
        return {}
    found = entry_of(server, got)
    assert (found["status_id"], found["status_code"]) == (2, "403")
    return found


def read(server: Strongroom, token: str) -> Got:
    return server.ask("GET", "secret/data/app", token=token)


# -- tokens whose time is over


def test_an_expired_token_is_refused_from_that_moment_on(server: Strongroom) -> None:
    token = server.token(READ_APP, ttl="1h", explicit_max_ttl="1h")
    before = read(server, token).status
    server.ask("POST", "strongroom/clock", {"advance": "59m"})
    still = read(server, token).status
    server.ask("POST", "strongroom/clock", {"advance": "2m"})

    got = read(server, token)

    assert (before, still) == (200, 200)
    refused(server, got)


def test_an_expired_token_cannot_renew_itself(server: Strongroom) -> None:
    token = server.token(
        'path "auth/token/renew-self" { capabilities = ["update"] }', "renews", ttl="1h"
    )
    server.ask("POST", "strongroom/clock", {"advance": "61m"})

    refused(server, server.ask("POST", "auth/token/renew-self", {}, token=token))


def test_an_expired_batch_token_is_refused(server: Strongroom) -> None:
    token = server.token(READ_APP, type="batch", ttl="5m")
    before = read(server, token).status
    server.ask("POST", "strongroom/clock", {"advance": "6m"})

    got = read(server, token)

    assert before == 200
    refused(server, got)


def test_an_expired_wrapping_token_opens_nothing(server: Strongroom) -> None:
    wrapped = server.ask("GET", "secret/data/app", headers={"X-Vault-Wrap-TTL": "60"})
    server.ask("POST", "strongroom/clock", {"advance": "61s"})

    got = server.ask("POST", "sys/wrapping/unwrap", token=wrapped.body["wrap_info"]["token"])

    assert got.status in (400, 403)
    assert b'"a"' not in got.raw


def test_a_movable_clock_is_written_in_every_entry(server: Strongroom) -> None:
    assert {entry["unmapped"].get("clock") for entry in entries(server)} == {"simulated"}


# -- tokens that were revoked, or used up


def test_a_revoked_token_is_refused(server: Strongroom) -> None:
    token = server.token(READ_APP)
    before = read(server, token).status
    server.ask("POST", "auth/token/revoke", {"token": token})

    got = read(server, token)

    assert before == 200
    refused(server, got)


def test_a_token_that_has_been_used_up_is_refused(server: Strongroom) -> None:
    token = server.token(READ_APP, num_uses=3)

    answers = [read(server, token) for _ in range(5)]

    assert [got.status for got in answers] == [200, 200, 200, 403, 403]
    refused(server, answers[-1])


def test_a_token_for_one_use_works_once_however_many_try_at_once(server: Strongroom) -> None:
    for _ in range(3):
        token = server.token(READ_APP, num_uses=1)

        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda _: read(server, token), range(32)))  # noqa: B023

        assert sorted(got.status for got in answers) == [200, *[403] * 31]


def test_a_wrapped_answer_is_opened_once_however_many_try_at_once(server: Strongroom) -> None:
    wrapped = server.ask("GET", "secret/data/app", headers={"X-Vault-Wrap-TTL": "60"})
    token = wrapped.body["wrap_info"]["token"]

    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda _: server.ask("POST", "sys/wrapping/unwrap", token=token), range(16))
        )

    assert sum(got.status == 200 for got in answers) == 1
    assert {got.status for got in answers if got.status != 200} <= {400, 403}


def test_a_refused_request_uses_a_token_up_too(server: Strongroom) -> None:
    token = server.token(READ_APP, num_uses=2)
    server.ask("GET", "secret/data/other", token=token)
    read(server, token)

    refused(server, read(server, token))


def bound_token(server: Strongroom, network: str) -> str:
    server.ask("PUT", "sys/policies/acl/reader", {"policy": READ_APP})
    role = {"allowed_policies": ["reader"], "token_bound_cidrs": [network]}
    server.ask("POST", "auth/token/roles/bound", role)
    made = server.ask("POST", "auth/token/create/bound", {"policies": ["reader"]})
    return str(made.body["auth"]["client_token"])


def test_a_token_is_refused_from_elsewhere_than_it_is_bound_to(server: Strongroom) -> None:
    here, elsewhere = bound_token(server, "127.0.0.0/8"), bound_token(server, "192.0.2.0/24")

    assert read(server, here).status == 200
    found = refused(server, read(server, elsewhere))
    assert found["src_endpoint"]["ip"] == "127.0.0.1"


def test_a_forwarded_address_is_believed_from_nobody(server: Strongroom) -> None:
    token = bound_token(server, "192.0.2.0/24")
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        value = "for=192.0.2.1" if header == "Forwarded" else "192.0.2.1"

        got = server.ask("GET", "secret/data/app", token=token, headers={header: value})

        assert got.status == 403


# -- what is no token


@pytest.mark.parametrize(
    "token",
    [
        *(
            "hvs.nobody",
            "hvb.",
            "hvb.AAAA",
            "hvb.!!!",
            "hvb." + "A" * 9000,
            "x",
            "root",
            "s." + "a" * 24,
        ),
        *("hvs." + "A" * 24, "\x80\xff", "hvs.\xe9", "a" * 8193, "a" * 60_000, "' OR 1=1 --"),
    ],
)
def test_what_is_no_token_is_refused(server: Strongroom, token: str) -> None:
    server.ask("POST", "strongroom/clock", {"advance": "2m"})  # a new window of the noise

    got = read(server, token)

    assert (got.status, got.raw) == (403, DENIED)


def test_a_token_too_large_for_a_header_is_refused_as_a_header(server: Strongroom) -> None:
    assert read(server, "a" * 70_000).status == 431


def test_an_accessor_is_no_token(server: Strongroom) -> None:
    made = server.ask("POST", "auth/token/create", {"policies": ["root"]}).body["auth"]

    assert read(server, made["accessor"]).status == 403


# -- nobody lifts himself


def test_no_token_makes_one_that_may_do_more(server: Strongroom) -> None:
    token = server.token('path "auth/token/create" { capabilities = ["update"] }', "creates")

    got = server.ask("POST", "auth/token/create", {"policies": ["root"]}, token=token)
    own = server.ask("POST", "auth/token/create", {"policies": ["creates"]}, token=token)
    orphan = server.ask("POST", "auth/token/create", {"no_parent": True}, token=token)
    chosen = server.ask("POST", "auth/token/create", {"id": "hvs.mine"}, token=token)

    assert (got.status, own.status) == (400, 200)
    assert own.body["auth"]["policies"] in (["creates"], ["creates", "default"])
    assert {orphan.status, chosen.status} <= {400, 403}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(
            ("PUT", "sys/seal"),
            ("POST", "sys/rotate"),
            ("GET", "sys/raw/core"),
            ("LIST", "auth/token/accessors"),
        ),
        *(("POST", "sys/policies/acl/reader"), ("POST", "sys/auth/x"), ("POST", "sys/mounts/x")),
        *(
            ("POST", "strongroom/clock"),
            ("POST", "auth/token/revoke"),
            ("DELETE", "sys/mounts/secret"),
        ),
        *(
            ("POST", "sys/remount"),
            ("PUT", "sys/leases/revoke-prefix/x"),
            ("GET", "sys/policies/acl/root"),
        ),
    ],
)
def test_what_needs_more_is_refused(server: Strongroom, method: str, path: str) -> None:
    token = server.token(READ_APP)

    refused(server, server.ask(method, path, {}, token=token))


def test_all_paths_without_sudo_is_not_all(server: Strongroom) -> None:
    every = '["create", "read", "update", "delete", "list", "patch"]'
    token = server.token(f'path "*" {{ capabilities = {every} }}', "all")

    for method, path in (("PUT", "sys/seal"), ("LIST", "auth/token/accessors")):
        got = server.ask(method, path, {}, token=token)

        assert refused(server, got)["status_detail"] == "sudo is needed"
    assert server.ask("GET", "sys/seal-status").body["sealed"] is False


# -- the fence


class Flood:
    """Clients that read as fast as they can, each noting when an answer arrived and what it was."""

    def __init__(self, server: Strongroom, token: str, clients: int) -> None:
        self.seen: list[tuple[float, int]] = []
        self._server = server
        self._token = token
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + 10
        while len(self.seen) < 3 * len(self._threads) and time.monotonic() < deadline:
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.1)
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        over = self._server.connection()
        while not self._stop.is_set():
            sent = time.monotonic()  # before: later it may already have been answered
            over.request("GET", "/v1/secret/data/app", headers={"X-Vault-Token": self._token})
            response = over.getresponse()
            response.read()
            self.seen.append((sent, response.status))
        over.close()

    def started_after(self, moment: float) -> set[int]:
        """Return the statuses of requests that were sent after this moment."""
        return {status for sent, status in self.seen if sent > moment}

    @property
    def statuses(self) -> set[int]:
        return {status for _, status in self.seen}


def revoke(server: Strongroom, token: str) -> int:
    return server.ask("POST", "auth/token/revoke", {"token": token}).status


def narrow_policy(server: Strongroom, token: str) -> int:
    none = 'path "secret/data/none" { capabilities = ["read"] }'
    return server.ask("PUT", "sys/policies/acl/reader", {"policy": none}).status


def delete_policy(server: Strongroom, token: str) -> int:
    return server.ask("DELETE", "sys/policies/acl/reader").status


def revoke_by_accessor(server: Strongroom, token: str) -> int:
    accessor = server.ask("POST", "auth/token/lookup", {"token": token}).body["data"]["accessor"]
    return server.ask("POST", "auth/token/revoke-accessor", {"accessor": accessor}).status


@pytest.mark.parametrize("act", [revoke, revoke_by_accessor, narrow_policy, delete_policy])
def test_nothing_is_served_once_a_revocation_was_acknowledged(server: Strongroom, act: Any) -> None:
    token = server.token(READ_APP)

    with Flood(server, token, clients=12) as flood:
        status = act(server, token)
        acknowledged = time.monotonic()

    assert status == 204
    assert flood.statuses == {200, 403}
    assert flood.started_after(acknowledged) == {403}


def test_no_entry_of_a_grant_follows_the_entry_of_the_revocation(server: Strongroom) -> None:
    """What left after the revocation's answer was decided before it: the log has it in order."""
    made = server.ask("POST", "auth/token/create", {"policies": ["reader"]})
    server.ask("PUT", "sys/policies/acl/reader", {"policy": READ_APP})
    token, accessor = made.body["auth"]["client_token"], made.body["auth"]["accessor"]

    with Flood(server, token, clients=12) as flood:
        revoked, _ = server.ask("POST", "auth/token/revoke", {"token": token}).receipt

    assert flood.statuses == {200, 403}
    granted = [
        index
        for index, entry in enumerate(entries(server))
        if entry["status_id"] == 1
        and entry["metadata"]["event_code"] == "secret.read"
        and entry["actor"].get("session", {}).get("uid") == accessor
    ]
    assert granted
    assert max(granted) < revoked


# -- sealed


def test_a_server_that_is_sealed_under_load_stops_serving_at_once() -> None:
    with servers.strongroom() as server:
        furnish(server)
        server.ask("POST", "secret/data/app", {"data": {"a": "b"}})
        token = server.token(READ_APP)

        with Flood(server, token, clients=8) as flood:
            status = server.ask("PUT", "sys/seal").status
            acknowledged = time.monotonic()
        after = [
            server.ask(method, path, {}, token=server.root).status
            for method, path in (("GET", "secret/data/app"), ("GET", "sys/mounts"), ("PUT", "x/y"))
        ]
        server.unseal()

        assert status == 204
        assert flood.started_after(acknowledged) == {503}
        assert after == [503] * 3
        assert read(server, token).status == 200


def test_connections_that_were_kept_open_get_no_other_answer(server: Strongroom) -> None:
    token = server.token(READ_APP)
    over: http.client.HTTPConnection = server.connection()
    before = server.ask("GET", "secret/data/app", token=token, over=over).status
    server.ask("POST", "auth/token/revoke", {"token": token})

    after = server.ask("GET", "secret/data/app", token=token, over=over).status

    over.close()
    assert (before, after) == (200, 403)
