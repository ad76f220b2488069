"""The ldap method before a directory that hangs, lies, or sends anything at all."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.auth.ldap import Ldap, ber
from strongroom.auth.ldap.ber import OCTETS, SEQUENCE
from strongroom.auth.ldap.lanes import FULL, Lanes
from strongroom.base.errors import DeniedError, StrongroomError, UpstreamError
from strongroom.testing.mount import Mount
from tests.auth.hostile_directory import (
    Answer,
    Hostile,
    bound,
    done,
    entry,
    hostile,
    message,
    result,
)

ALICE = "uid=alice,dc=test"
UNUSABLE = "answer cannot be used"
FOUND = (bound(1), entry(2, ALICE, uid=[b"alice"]) + done(2), bound(3))


async def mounted(directory: Hostile, lanes: Lanes | None = None, **more: object) -> Mount:
    mount = Mount(Ldap(lanes))
    fields = {"url": directory.url, "userdn": "dc=test", "userattr": "uid"}
    fields |= {"binddn": "cn=s", "bindpass": "s", "request_timeout": 2, "connection_timeout": 2}
    await mount.write("config", **{**fields, **more})
    return mount


async def refused(*script: Answer, **more: object) -> StrongroomError:
    """Return what a login meets before this directory."""
    with hostile(*script) as directory:
        mount = await mounted(directory, **more)
        with pytest.raises(StrongroomError) as caught:
            await mount.login(username="alice", password="secret")
    return caught.value


def slowly(data: bytes) -> Answer:
    """Send a byte each tenth of a second."""

    def send(client: socket.socket, _: int) -> None:
        for byte in data:
            client.sendall(bytes((byte,)))
            time.sleep(0.1)

    return send


def endless(piece: bytes) -> Answer:
    """Send the same without an end."""

    def send(client: socket.socket, _: int) -> None:
        while True:
            client.sendall(piece)

    return send


def consent_and_hang(client: socket.socket, number: int) -> None:
    """Agree to TLS, and never speak it."""
    client.sendall(message(number, result(0x78, 0)))
    while client.recv(4_096):
        pass


def hang_up(client: socket.socket, _: int) -> None:
    client.shutdown(socket.SHUT_RDWR)


async def test_a_directory_that_does_as_it_should_lets_in() -> None:
    with hostile(*FOUND, bound(4)) as directory:
        mount = await mounted(directory)
        proof = await mount.login(username="alice", password="secret")

        assert proof.alias == "alice"
        assert directory.binds() == [(b"cn=s", b"s"), (ALICE.encode(), b"secret"), (b"cn=s", b"s")]


async def test_a_principal_name_is_bound_looked_up_and_its_entry_bound_with_the_password() -> None:
    script = (bound(1), entry(2, ALICE, uid=[b"alice"]) + done(2), bound(3))
    with hostile(*script) as directory:
        mount = await mounted(directory, binddn="", bindpass="", upndomain="corp.test")
        proof = await mount.login(username="Alice", password="secret")

        assert proof.alias == "alice"
        assert directory.binds() == [(b"Alice@corp.test", b"secret"), (ALICE.encode(), b"secret")]
        assert b"userPrincipalName" in directory.questions[1]
        assert b"Alice@corp.test" in directory.questions[1]


@pytest.mark.parametrize("name", ["alice@evil.test", "CORP\\alice"])
async def test_a_principal_name_with_a_domain_of_its_own_is_nobodys(name: str) -> None:
    with hostile(*[bound(number) for number in range(1, 5)]) as directory:
        mount = await mounted(directory, binddn="", bindpass="", upndomain="corp.test")
        with pytest.raises(DeniedError):
            await mount.login(username=name, password="secret")

        [(bound_name, password)] = directory.binds()
        assert bound_name.endswith(b"@corp.test")
        assert b"alice" not in bound_name
        assert password == b"secret"


async def test_an_entry_that_does_not_take_the_password_is_not_the_principals() -> None:
    script = (bound(1), entry(2, "uid=bob,dc=test", uid=[b"bob"]) + done(2), bound(3, 49))

    error = await refused(*script, binddn="", bindpass="", upndomain="corp.test")

    assert isinstance(error, DeniedError)


@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        ("userAccountControl", [b"514"]),
        ("userAccountControl", [b"nonsense"]),
        ("nsAccountLock", [b"TRUE"]),
        ("pwdAccountLockedTime", [b"000001010000Z"]),
    ],
)
async def test_an_entry_that_says_it_is_disabled_is_refused(
    attribute: str, values: list[bytes]
) -> None:
    found = entry(2, ALICE, uid=[b"alice"], **{attribute: values}) + done(2)

    error = await refused(bound(1), found, bound(3), bound(4))

    assert str(error) == "the account is disabled"


async def test_an_entry_of_an_enabled_account_lets_in() -> None:
    found = entry(2, ALICE, uid=[b"alice"], useraccountcontrol=[b"512"], nsAccountLock=[b"false"])
    with hostile(bound(1), found + done(2), bound(3), bound(4)) as directory:
        mount = await mounted(directory)

        assert (await mount.login(username="alice", password="secret")).alias == "alice"


async def test_groups_may_be_searched_for_anonymously() -> None:
    groups = entry(6, "cn=ops,dc=test", cn=[b"ops"]) + done(6)
    with hostile(*FOUND, bound(4), bound(5), groups) as directory:
        mount = await mounted(directory, groupdn="dc=test", anonymous_group_search=True)
        proof = await mount.login(username="alice", password="secret")

        assert proof.groups == ("ops",)
        assert directory.binds()[-1] == (b"", b"")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="silence"),
        pytest.param(bound(1)[:5], id="half an answer"),
        pytest.param(slowly(bound(1) * 10), id="a byte at a time"),
    ],
)
async def test_a_directory_that_hangs_is_waited_for_no_longer_than_configured(
    answer: Answer,
) -> None:
    start = time.monotonic()

    error = await refused(answer, request_timeout=1)

    assert str(error) == "the directory did not answer in time" or UNUSABLE in str(error)
    assert isinstance(error, UpstreamError)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another protocol"),
        pytest.param(b"\0" * 64, id="zeros"),
        pytest.param(b"\x30\x80" + b"\0" * 64, id="an indefinite length"),
        pytest.param(b"\x30\x84\x7f\xff\xff\xff", id="two gigabytes announced"),
        pytest.param(b"\x30\x89" + b"\xff" * 9, id="a length of nine bytes"),
        pytest.param(message(1, b""), id="no operation"),
        pytest.param(message(1, ber.element(0x61)), id="an empty answer"),
        pytest.param(message(2, result(0x61, 0)), id="another number"),
        pytest.param(message(0, result(0x78, 52)), id="a notice of disconnection"),
        pytest.param(message(-1, result(0x61, 0)), id="a negative number"),
        pytest.param(done(1), id="success of a search"),
        pytest.param(message(1, result(0x78, 0)), id="success of an extension"),
        pytest.param(message(1, result(0x69, 0)), id="success of an addition"),
        pytest.param(message(1, ber.element(0x61, ber.integer(0))), id="a code of another kind"),
        pytest.param(
            message(1, ber.element(0x61, ber.element(0x0A, b"\0" * 9))), id="a code of nine bytes"
        ),
        pytest.param(
            message(1, ber.element(0x61, ber.element(0x0A, b"\0" * 900_000))),
            id="a code as long as a book",
        ),
        pytest.param(message(1, result(0x61, 0)[:-3]), id="an answer cut short"),
        pytest.param(bound(1) + bound(2) + bound(3), id="answers to what was not asked"),
        pytest.param(b"\x30\x81\x00" * 50, id="empty messages"),
        pytest.param(ber.element(SEQUENCE, b"\x30\x82\x03\xe8" * 250), id="sequences in sequences"),
        pytest.param(hang_up, id="a connection that ends"),
    ],
)
@pytest.mark.parametrize("at", [0, 2], ids=["first", "user's bind"])
async def test_no_answer_but_a_bind_that_succeeded_lets_in(answer: Answer, at: int) -> None:
    if at and isinstance(answer, bytes):
        answer = answer.replace(b"\x02\x01\x01", b"\x02\x01\x03")

    error = await refused(*FOUND[:at], answer, *FOUND[at + 1 :])

    assert isinstance(error, UpstreamError)


@pytest.mark.parametrize("code", [1, 7, 10, 14, 19, 32, 34, 48, 49, 50, 53, 80, 118, 4096, -1])
async def test_every_other_code_of_the_users_bind_refuses(code: int) -> None:
    error = await refused(*FOUND[:2], bound(3, code))

    assert isinstance(error, DeniedError)
    assert str(error) == "the directory refuses name and password"


@pytest.mark.parametrize("code", [2, 3, 8, 11, 13, 51, 52])
async def test_a_directory_that_serves_nobody_now_is_said_to(code: int) -> None:
    error = await refused(*FOUND[:2], bound(3, code))

    assert str(error) == "the directory does not serve now"


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(done(2), id="nobody"),
        pytest.param(
            entry(2, ALICE, uid=[b"alice"]) + entry(2, "uid=a,dc=x", uid=[b"alice"]) + done(2),
            id="two",
        ),
        pytest.param(entry(2, ALICE, uid=[b"alice"]) + done(2, 4), id="one of more"),
        pytest.param(entry(2, "", uid=[b"alice"]) + done(2), id="an entry without a name"),
        pytest.param(
            message(2, ber.element(0x73, ber.element(OCTETS, b"ldap://127.0.0.1:1/dc=x")))
            + done(2),
            id="a referral",
        ),
    ],
)
async def test_nobody_is_bound_in_place_of_whom_the_search_does_not_give(found: bytes) -> None:
    with hostile(bound(1), found, bound(3), bound(4)) as directory:  # it says yes to anybody
        mount = await mounted(directory)
        with pytest.raises(DeniedError, match="nobody, or several"):
            await mount.login(username="alice", password="secret")

        assert [password for _, password in directory.binds()] == [b"s", b"secret"]
        [_, (name, _)] = directory.binds()
        assert name.startswith(b"uid=")
        assert b"alice" not in name
        assert directory.connections == 1


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(done(2, 10), id="refers elsewhere"),
        pytest.param(done(2, 32), id="has no such base"),
        pytest.param(done(2, 1), id="fails"),
        pytest.param(endless(entry(2, ALICE, uid=[b"alice"])), id="entries without an end"),
        pytest.param(endless(entry(2, ALICE, uid=[b"x" * 50_000])), id="large entries"),
        pytest.param(
            endless(message(2, ber.element(0x73, ber.element(OCTETS, b"ldap://x")))),
            id="referrals without an end",
        ),
        pytest.param(entry(2, ALICE) + entry(3, ALICE) + done(2), id="entries of another question"),
        pytest.param(message(2, ber.element(0x64, b"\x04\x02\xff\xff\x30\x00")), id="no text"),
        pytest.param(message(2, ber.element(0x79)) + done(2), id="an answer between"),
        pytest.param(message(2, ber.element(0x64, b"\x04\x01x\x30\x05")), id="a cut list"),
    ],
)
async def test_a_search_that_does_not_end_as_it_should_is_no_answer(found: Answer) -> None:
    start = time.monotonic()

    error = await refused(bound(1), found, bound(3), bound(4), request_timeout=3)

    assert isinstance(error, UpstreamError)
    assert time.monotonic() - start < 5


async def test_pages_without_an_end_are_not_followed() -> None:
    cookie = ber.element(SEQUENCE, ber.integer(0), ber.element(OCTETS, b"more"))
    control = ber.element(
        SEQUENCE, ber.element(OCTETS, b"1.2.840.113556.1.4.319"), ber.element(OCTETS, cookie)
    )

    def page(client: socket.socket, number: int) -> None:
        client.sendall(message(number, result(0x65, 0), ber.element(0xA0, control)))

    start = time.monotonic()
    error = await refused(
        *FOUND, bound(4), *[page] * 6_000, groupdn="dc=g", max_page_size=10, request_timeout=3
    )

    assert isinstance(error, UpstreamError)
    assert time.monotonic() - start < 5


async def test_what_came_in_the_clear_behind_starttls_is_refused() -> None:
    injected = message(1, result(0x78, 0)) + bound(2)

    error = await refused(injected, starttls=True)

    assert str(error) == "the directory does not speak TLS as it should"


@pytest.mark.parametrize("code", [1, 2, 53])
async def test_a_directory_without_starttls_gets_no_password(code: int) -> None:
    with hostile(message(1, result(0x78, code)), bound(2)) as directory:
        mount = await mounted(directory, starttls=True)
        with pytest.raises(UpstreamError):
            await mount.login(username="alice", password="secret")

        assert directory.binds() == []


async def test_a_handshake_that_hangs_is_waited_for_no_longer_than_configured() -> None:
    start = time.monotonic()

    error = await refused(consent_and_hang, starttls=True, connection_timeout=1)

    assert str(error) == "the directory did not answer in time"
    assert time.monotonic() - start < 2


async def test_a_url_that_hangs_leaves_time_for_the_next() -> None:
    with hostile() as hanging, hostile(*FOUND, bound(4)) as good:
        mount = await mounted(good, url=f"{hanging.url},{good.url}")

        assert (await mount.login(username="alice", password="secret")).alias == "alice"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=200), at=st.integers(0, 3))
async def test_any_bytes_at_any_step_let_nobody_in(data: bytes, at: int) -> None:
    script = [*FOUND, bound(4)]

    def then_end(client: socket.socket, _: int) -> None:
        client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)

    with hostile(*script[:at], then_end) as directory:
        mount = await mounted(directory)
        with pytest.raises((UpstreamError, DeniedError)):
            await mount.login(username="alice", password="secret")


class TestLanes:
    async def test_a_mount_whose_directory_hangs_delays_no_other(self) -> None:
        lanes = Lanes(most=2, waiting=2)
        with hostile() as hanging, hostile(*FOUND, bound(4)) as good:
            slow = await mounted(hanging, lanes)
            quick = await mounted(good, lanes)
            slow.mounted = replace(slow.mounted, accessor="ldap_2")
            waits = [
                asyncio.create_task(slow.login(username="alice", password="secret"))
                for _ in range(4)
            ]
            await asyncio.sleep(0.1)

            start = time.monotonic()
            proof = await quick.login(username="alice", password="secret")
            took = time.monotonic() - start
            with pytest.raises(UpstreamError, match=FULL):
                await slow.login(username="alice", password="secret")

            assert proof.alias == "alice"
            assert took < 1
            assert hanging.connections == 2
            ended = await asyncio.gather(*waits, return_exceptions=True)
            assert {str(each) for each in ended} == {"the directory did not answer in time"}

    async def test_no_more_threads_run_than_there_are_places_and_each_comes_to_its_turn(
        self,
    ) -> None:
        lanes, running, most, lock = Lanes(most=3, waiting=50), 0, 0, threading.Lock()

        def work(_until: float) -> int:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.01)
            with lock:
                running -= 1
            return 1

        done_work = await asyncio.gather(*(lanes.run("a", 10, work) for _ in range(40)))

        assert sum(done_work) == 40
        assert most == 3
        assert lanes._lanes == {}

    async def test_who_stops_waiting_leaves_their_place_to_the_next(self) -> None:
        lanes, go_on = Lanes(most=1, waiting=5), threading.Event()
        first = asyncio.create_task(lanes.run("a", 10, lambda _: go_on.wait(10)))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(lanes.run("a", 10, lambda _: 2))
        third = asyncio.create_task(lanes.run("a", 10, lambda _: 3))
        late = asyncio.create_task(lanes.run("a", 0.05, lambda _: 4))
        await asyncio.sleep(0.1)
        second.cancel()
        go_on.set()

        assert await first is True
        assert await third == 3
        with pytest.raises(UpstreamError, match="in time"):
            await late
        with pytest.raises(asyncio.CancelledError):
            await second
        assert lanes._lanes == {}

    async def test_what_a_thread_raises_is_raised_where_it_is_waited_for(self) -> None:
        def fails(_until: float) -> None:
            raise DeniedError

        with pytest.raises(DeniedError):
            await Lanes().run("a", 10, fails)
