"""Notices go to inboxes, mail servers and channels; and what a bad receiver can do."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.core.governance.alerting import AlertFollower
from strongroom.core.governance.delivering import MOST_ATTEMPTS, deliver
from strongroom.core.governance.senders import Senders, may_reach
from tests.core.governance.emergencies import DRILL, HOUR, asks, firm, fresh, member, opens, shown
from tests.core.governance.mailing import PASSWORD, MailServer, mail_server, tls
from tests.core.system.room import Answer, Room
from tests.core.test_web import OK, listening

HERE = ["127.0.0.0/8"]
SOON, LONG = timedelta(milliseconds=400), timedelta(seconds=10)
TOKEN = "T0/B0/s3cret-of-the-channel"


@pytest.fixture
async def r(tmp_path: Path) -> AsyncIterator[Room]:
    async with firm(tmp_path) as made:
        yield made


async def mailer(r: Room, server: MailServer, **more: Any) -> Answer:
    given = {
        "kind": "smtp",
        "host": "127.0.0.1",
        "port": server.port,
        "security": "tls" if server.over_tls else "starttls",
        "username": "strongroom",
        "password": PASSWORD,
        "sender": "strongroom@example.test",
        "recipients": ["alerts@example.test"],
        "ca": tls()[1],
        "networks": HERE,
        **more,
    }
    return await r.ask("POST", "strongroom/notifiers/mail", given)


async def channel(r: Room, port: int, **more: Any) -> Answer:
    url = f"http://127.0.0.1:{port}/services/{TOKEN}"
    given = {"kind": "webhook", "url": url, "networks": HERE, **more}
    return await r.ask("POST", "strongroom/notifiers/chat", given)


async def sent(r: Room, times: int = 1, within: timedelta = LONG) -> None:
    senders = Senders(within)
    for _ in range(times):
        await deliver(r.server, senders)


async def deliveries(r: Room, name: str) -> list[dict[str, Any]]:
    listed = await r.ask("LIST", f"strongroom/notifiers/{name}/deliveries")
    return list(listed.data["key_info"].values()) if listed.status == 200 else []


async def problem(r: Room, name: str = "mail") -> str:
    [row] = await deliveries(r, name)
    assert row["state"] == "waiting"
    return str(row["problem"])


async def tried(r: Room, name: str, within: timedelta = LONG) -> None:
    answer = await r.ask("POST", f"strongroom/notifiers/{name}/test", {})
    assert answer.status == 200, answer
    await sent(r, within=within)


async def whole_log(r: Room) -> str:
    return json.dumps(await r.entries())


@pytest.mark.parametrize("over_tls", [False, True], ids=["starttls", "tls"])
async def test_break_glass_is_mailed_to_whoever_could_have_approved(
    r: Room, over_tls: bool
) -> None:
    with mail_server(over_tls=over_tls) as server:
        assert (await mailer(r, server)).status == 204
        ann, _ = await member(r, "ann"), await member(r, "bob")
        await opens(ann)
        await sent(r)

        [mail] = server.mails
        assert (mail["To"], mail["Subject"]) == ("bob@example.test", "Break-glass by Ann")
        assert "the database is down" in mail.get_content()
        assert "https://localhost:8200/break-glass/" in mail.get_content()
        assert (server.envelopes, server.logins) == (["<bob@example.test>"], ["strongroom"])
        assert PASSWORD.encode() not in b"".join(server.in_clear)
        [row] = await deliveries(r, "mail")
        assert (row["state"], row["attempts"]) == ("sent", 1)
        entry = (await r.entries())[row["entry"]]
        assert entry["metadata"]["event_code"] == "notice.deliver"
        assert PASSWORD not in await whole_log(r)


async def test_a_channel_is_told_once_and_is_given_no_mark_up(r: Room) -> None:
    came: list[bytes] = []

    def serve(sock: Any, head: bytes) -> None:
        while not head.partition(b"\r\n\r\n")[2].endswith(b"}"):
            head += sock.recv(65536)
        came.append(head)
        sock.sendall(OK + b"Content-Length: 2\r\n\r\nok")

    with listening(serve) as port:
        assert (await channel(r, port)).status == 204
        ann = await member(r, "ann")
        await member(r, "bob")
        await member(r, "cid")
        await opens(ann, reason="<!channel> <https://evil.example|here> & down")
        await sent(r, 3)

        [head] = came
        text = json.loads(head.partition(b"\r\n\r\n")[2])["text"]
        assert head.startswith(f"POST /services/{TOKEN} ".encode())
        assert "&lt;!channel&gt; &lt;https://evil.example|here&gt; &amp; down" in text
        shown_ = await r.ask("GET", "strongroom/notifiers/chat")
        assert shown_.data["has_secret"]
        assert TOKEN not in json.dumps(shown_.body) + await whole_log(r)


async def test_a_case_opens_though_nobody_can_be_reached_and_says_so(r: Room) -> None:
    with mail_server(refuses=1) as server:
        await mailer(r, server)
        ann, bob = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann)
        await sent(r)

        [late] = (await shown(r, case["id"]))["undelivered"]
        assert (late["to"], late["state"]) == (bob.entity, "waiting")
        assert late["problem"] == "127.0.0.1 answered 451"
        await sent(r)
        assert server.mails == []  # not yet
        r.clock.advance(timedelta(seconds=30))
        await sent(r)
        assert len(server.mails) == 1
        assert (await shown(r, case["id"]))["undelivered"] == []


async def test_what_is_never_taken_is_given_up_with_an_alert(r: Room) -> None:
    with mail_server(refuses=99) as server:
        await mailer(r, server)
        await tried(r, "mail")
        for _ in range(MOST_ATTEMPTS - 1):
            r.clock.advance(HOUR)
            await sent(r)

        [row] = await deliveries(r, "mail")
        assert (row["state"], row["attempts"]) == ("failed", MOST_ATTEMPTS)
        assert (await r.entries())[row["entry"]]["unmapped"]["alert"] == "notice_given_up"
        r.clock.advance(HOUR)
        await sent(r)
        assert (await deliveries(r, "mail"))[0]["attempts"] == MOST_ATTEMPTS


class TestBadReceivers:
    @pytest.mark.parametrize("at", ["greeting", "ehlo", "data"])
    @pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
    async def test_a_mail_server_that_hangs_is_left_in_time(
        self, r: Room, at: str, drips: bool
    ) -> None:
        with mail_server(hangs=at, drips=drips) as server:
            await mailer(r, server)
            began = time.monotonic()
            await tried(r, "mail", SOON)

            assert time.monotonic() - began < 5
            assert await problem(r) == "127.0.0.1 did not answer in time"

    async def test_a_mail_server_without_tls_gets_nothing(self, r: Room) -> None:
        with mail_server(offers_tls=False) as server:
            await mailer(r, server)
            await tried(r, "mail")

            assert "TLS" in await problem(r)
            assert not any(line.startswith((b"AUTH", b"MAIL")) for line in server.in_clear)

    async def test_a_certificate_of_nobodys_is_refused(self, r: Room) -> None:
        with mail_server(over_tls=True) as server:
            await mailer(r, server, ca="")
            await tried(r, "mail")

            assert "certificate" in await problem(r)
            assert server.logins == []

    async def test_a_wrong_password_is_said_without_it(self, r: Room) -> None:
        with mail_server() as server:
            await mailer(r, server, password="a-wrong-one")
            await tried(r, "mail")

            assert await problem(r) == "127.0.0.1 did not take the password"
            assert "a-wrong-one" not in await whole_log(r)

    async def test_a_channel_that_answers_nonsense_is_tried_again(self, r: Room) -> None:
        def elsewhere(sock: socket.socket, _: object) -> None:
            sock.settimeout(0.5)  # closed with anything unread, it would be a reset instead
            with suppress(TimeoutError):
                while sock.recv(65536):
                    pass
            sock.sendall(b"HTTP/1.1 302 no\r\nLocation: /x\r\n\r\n")

        with listening(elsewhere) as p:
            await channel(r, p)
            await tried(r, "chat")

            assert await problem(r, "chat") == "answered 302"

    @pytest.mark.parametrize("kind", ["chat", "mail"])
    async def test_private_addresses_are_not_asked_unless_allowed(self, r: Room, kind: str) -> None:
        came: list[object] = []
        with listening(lambda *_: came.append(1)) as port, mail_server() as server:
            if kind == "chat":
                await channel(r, port, networks=[])
            else:
                await mailer(r, server, networks=["10.0.0.0/8"])
            await tried(r, kind)

            assert await problem(r, kind) == "127.0.0.1 is at an address that is not asked"
            assert (came, server.in_clear) == ([], [])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "::1",
        "::ffff:169.254.169.254",
        "2002:a9fe:a9fe::1",
        "64:ff9b::a9fe:a9fe",
        "10.0.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "not an address",
    ],
)
def test_what_is_not_public_is_not_reached(address: str) -> None:
    assert not may_reach(address, ())


def test_what_is_public_or_named_is_reached() -> None:
    assert may_reach("93.184.216.34", ())
    assert may_reach("2606:2800:220:1::1", ())
    assert may_reach("10.1.2.3", ("10.0.0.0/8",))
    assert not may_reach("169.254.169.254", ("10.0.0.0/8",))


async def test_a_name_with_a_line_break_ends_no_header(r: Room) -> None:
    with mail_server() as server:
        await mailer(r, server)
        ann, _ = await member(r, "ann"), await member(r, "bob")
        name = "Ann\r\nBcc: everybody@evil.example\r\n\r\nhello"
        answer = await r.ask("POST", f"strongroom/people/{ann.entity}", {"name": name})
        assert answer.status == 204
        await opens(ann, reason="x y z\r\n.\r\nMAIL FROM:<evil@evil.example>\r\n")
        await sent(r)

        [mail] = server.mails
        assert mail["Bcc"] is None
        assert mail["Subject"] == "Break-glass by Ann Bcc: everybody@evil.example hello"
        assert server.envelopes == ["<bob@example.test>"]


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "pigeon"},
        {"sender": "no address"},
        {"sender": "a@b\r\nBcc: x@y"},
        {"recipients": ["a@b\nc"]},
        {"host": "a b"},
        {"host": "a\r\nb"},
        {"host": ""},
        {"port": 70000},
        {"security": "none"},
        {"ca": "no PEM"},
        {"networks": ["everywhere"]},
        {"topics": ["gossip"]},
        {"url": "https://example.test/x"},
        {"username": "a\r\nb"},
    ],
    ids=str,
)
async def test_a_notifier_is_refused(r: Room, given: dict[str, Any]) -> None:
    with mail_server() as server:
        answer = await mailer(r, server, **given)

    assert answer.status == 400, answer


@pytest.mark.parametrize(
    "url",
    ["", "http://example.test/x", "file:///etc/passwd", "https://a:b@example.test/", "https://"],
)
async def test_a_channel_is_refused(r: Room, url: str) -> None:
    answer = await r.ask("POST", "strongroom/notifiers/chat", {"kind": "webhook", "url": url})

    assert answer.status == 400, answer
    assert url not in answer.errors[0] or not url


async def test_a_password_goes_to_no_other_server_than_it_was_given_for(r: Room) -> None:
    with mail_server() as server:
        await mailer(r, server)
    moved = await r.ask("POST", "strongroom/notifiers/mail", {"host": "evil.example"})
    kept = await r.ask("POST", "strongroom/notifiers/mail", {"topics": ["alert"]})

    assert (moved.status, kept.status) == (400, 204)


async def test_alerts_go_to_those_who_are_for_them_and_not_about_themselves(r: Room) -> None:
    follower = AlertFollower(r.server)
    await follower.open()
    with mail_server() as server:
        await mailer(r, server, topics=["alert"])  # which is an alert: it may reach this machine
        await r.ask("POST", "strongroom/step-up/rules/exports", {"enabled": False})
        await follower.step()
        await sent(r)

        [mail] = server.mails
        assert (mail["To"], mail["Subject"]) == ("alerts@example.test", "2 alerts")
        assert "step_up_loosened" in mail.get_content()
        while await follower.step():
            pass
        await sent(r)
        assert len(server.mails) == 1
    again = AlertFollower(r.server)
    await again.open()
    assert again.next == follower.next


async def test_access_requests_tell_who_may_approve_and_who_asked(r: Room) -> None:
    ann, bob = await member(r, "ann"), await member(r, "bob")
    given = {"paths": ["secret/prod/db"], "for": "1h", "reason": "a fault"}
    asked = await ann.ask("POST", "strongroom/requests", given)
    id_ = asked.data["id"]
    await r.ask("POST", "strongroom/step-up/rules/approvals", {"enabled": False})
    await bob.ask("POST", f"strongroom/requests/{id_}/approve", {"revision": 1})

    [his] = (await bob.ask("LIST", "strongroom/notices")).data["key_info"].values()
    [hers] = (await ann.ask("LIST", "strongroom/notices")).data["key_info"].values()
    assert (his["topic"], his["title"]) == ("access_request", "Ann asks for access")
    assert "a fault" in his["text"]
    assert (hers["topic"], hers["title"]) == ("decision", "Your request was approved")
    read = await bob.ask("POST", f"strongroom/notices/{his['id']}/read", {})
    foreign = await bob.ask("POST", f"strongroom/notices/{hers['id']}/read", {})
    assert (read.status, foreign.status) == (204, 404)
    assert (await bob.ask("LIST", "strongroom/notices")).data["unread"] == 0


async def test_a_notifier_that_is_gone_sends_nothing_more(r: Room) -> None:
    with mail_server(refuses=1) as server:
        await mailer(r, server)
        ann, _ = await member(r, "ann"), await member(r, "bob")
        case = await opens(ann, paths=[], drill=True)
        await sent(r)
        await fresh(ann)
        assert (await asks(ann, case["id"], "close", done=f"read {DRILL}")).status == 200
        assert (await r.ask("DELETE", "strongroom/notifiers/mail")).status == 204
        r.clock.advance(HOUR)
        await sent(r, 2)

        assert server.mails == []
