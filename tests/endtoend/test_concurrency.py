"""Many clients at once: what each was told is what happened, in one order."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import servers
from tests.endtoend.conftest import furnish
from tests.endtoend.taken import take_log
from tests.servers import Got, Strongroom


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
)
def server(request: pytest.FixtureRequest) -> Iterator[Strongroom]:
    if request.param == "sqlite":
        with servers.strongroom() as running:
            furnish(running)
            yield running
        return
    instance: servers.PostgreSQL = request.getfixturevalue("postgresql")
    with instance.database() as database, servers.strongroom(storage=database.url) as running:
        furnish(running)
        yield running


def at_once(
    server: Strongroom, clients: int, work: Callable[[int, http.client.HTTPConnection], Got]
) -> list[Got]:
    """Let so many clients, connected already, begin at the same moment."""
    ready = threading.Barrier(clients)

    def run(number: int) -> Got:
        over = server.connection(timeout=60)
        over.connect()
        ready.wait()
        try:
            return work(number, over)
        finally:
            over.close()

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(run, range(clients)))


def put(
    server: Strongroom, path: str, value: int, over: http.client.HTTPConnection, **options: int
) -> Got:
    body = {"data": {"n": value}, "options": options}
    return server.ask("POST", f"secret/data/{path}", body, over=over)


def test_of_two_writers_with_the_same_check_one_wins(server: Strongroom) -> None:
    for number in range(10):
        path = f"race-{number}"

        answers = at_once(server, 2, lambda n, over: put(server, path, n, over, cas=0))  # noqa: B023

        assert sorted(got.status for got in answers) == [200, 400]
        [lost] = [got for got in answers if got.status == 400]
        assert lost.errors == ["check-and-set parameter did not match the current version"]
        won = [n for n, got in enumerate(answers) if got.status == 200]
        assert [server.ask("GET", f"secret/data/{path}").body["data"]["data"]["n"]] == won


def increment(server: Strongroom, over: http.client.HTTPConnection) -> Got:
    """Read, add one, and write if nobody else did; until it worked."""
    while True:
        read = server.ask("GET", "secret/data/counter", over=over).body["data"]
        value, version = read["data"]["n"], read["metadata"]["version"]
        got = put(server, "counter", value + 1, over, cas=version)
        if got.status == 200:
            return got
        assert got.status == 400, got.raw


def test_no_increment_of_many_at_once_is_lost(server: Strongroom) -> None:
    server.ask("POST", "secret/data/counter", {"data": {"n": 0}})

    answers = at_once(server, 64, lambda _, over: increment(server, over))

    versions = sorted(got.body["data"]["version"] for got in answers)
    assert versions == list(range(2, 66))
    assert server.ask("GET", "secret/data/counter").body["data"]["data"] == {"n": 64}


def test_writers_of_one_path_without_a_check_all_succeed(
    server: Strongroom, tmp_path: Path
) -> None:
    server.ask("POST", "secret/config", {"max_versions": 300})

    answers = at_once(server, 200, lambda n, over: put(server, "busy", n, over))

    assert {got.status for got in answers} == {200}
    versions = {got.body["data"]["version"]: n for n, got in enumerate(answers)}
    assert sorted(versions) == list(range(1, 201))
    for version in (1, 2, 100, 199, 200):
        read = server.ask("GET", f"secret/data/busy?version={version}").body["data"]
        assert read["data"] == {"n": versions[version]}
    by_index = sorted(answers, key=lambda got: got.receipt[0])
    assert [got.body["data"]["version"] for got in by_index] == list(range(1, 201))
    log = take_log(server, tmp_path)
    for got in answers:
        log.holds(got.receipt)


def test_a_token_is_made_and_used_by_many_at_once(server: Strongroom) -> None:
    server.ask(
        "PUT",
        "sys/policies/acl/many",
        {"policy": 'path "secret/data/*" { capabilities = ["read"] }'},
    )
    server.ask("POST", "secret/data/app", {"data": {"a": "b"}})

    def make_and_use(number: int, over: http.client.HTTPConnection) -> Got:
        made = server.ask("POST", "auth/token/create", {"policies": ["many"]}, over=over)
        token = made.body["auth"]["client_token"]
        return server.ask("GET", "secret/data/app", token=token, over=over)

    assert {got.status for got in at_once(server, 40, make_and_use)} == {200}


def test_mounts_and_policies_change_under_load_without_a_wrong_answer(server: Strongroom) -> None:
    """A request that was judged by what has changed meanwhile is judged again."""
    server.ask("POST", "secret/data/app", {"data": {"a": "b"}})

    def change_or_read(number: int, over: http.client.HTTPConnection) -> Got:
        for turn in range(8):
            if number % 4 == 0:
                path = f"sys/mounts/churn-{number}"
                made = server.ask("POST", path, {"type": "kv"}, over=over)
                gone = server.ask("DELETE", path, over=over)
                assert (made.status, gone.status) == (204, 204), (made.raw, gone.raw)
            elif number % 4 == 1:
                policy = f'path "x/{turn}" {{ capabilities = ["read"] }}'
                path = f"sys/policies/acl/churn-{number}"
                assert server.ask("PUT", path, {"policy": policy}, over=over).status == 204
            else:
                got = server.ask("GET", "secret/data/app", over=over)
                assert got.status == 200, got.raw
        return server.ask("GET", "secret/data/app", over=over)

    assert {got.status for got in at_once(server, 24, change_or_read)} == {200}
