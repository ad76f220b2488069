"""The loopback listener: the one form that counts, and everything else that may knock there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from strongroom.cli import loopback
from strongroom.cli.loopback import LARGEST_FORM, MOST, Listener

ORIGIN = "https://vault.example.test"
STATE = "s" * 43
GOOD = {"state": STATE, "answer": "signed"}


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A listener that waits, and what it will return."""

    port: int
    result: asyncio.Task[str]

    async def send(self, raw: bytes) -> int:
        """Send bytes, and return the status that came; 0 for a connection that was dropped."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(raw)
            first = (await reader.read()).partition(b"\r\n")[0]
            return int(first.split()[1]) if first else 0
        except ConnectionError:
            return 0
        finally:
            writer.close()

    def request(
        self, fields: dict[str, str] | bytes = b"", /, method: str = "POST", **changed: str | None
    ) -> bytes:
        """Return what the browser sends, with headers changed or left out."""
        form = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        path = changed.pop("path", "/key")
        headers = {
            "Host": f"127.0.0.1:{self.port}",
            "Origin": ORIGIN,
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(form)),
            **{name.replace("_", "-").title(): value for name, value in changed.items()},
        }
        lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + form

    async def good(self) -> str:
        """Send what counts, and return what the listener gave."""
        assert await self.send(self.request(GOOD)) == 200
        return await self.result


@asynccontextmanager
async def waiting(seconds: float = 20, patience: float = 5) -> AsyncIterator[Waiting]:
    ports: asyncio.Queue[int] = asyncio.Queue()
    listener = Listener(
        origin=ORIGIN, state=STATE, fits=lambda text: text == "signed", patience=patience
    )
    result = asyncio.create_task(listener.answer(ports.put_nowait, seconds))
    yield Waiting(port=await ports.get(), result=result)
    result.cancel()
    await asyncio.gather(result, return_exceptions=True)


@pytest.fixture
async def listener() -> AsyncIterator[Waiting]:
    async with waiting() as made:
        yield made


async def test_the_form_that_is_waited_for_is_taken_and_nothing_listens_after(
    listener: Waiting,
) -> None:
    assert await listener.good() == "signed"

    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", listener.port)


async def test_it_listens_on_the_loopback_address_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = []
    start = asyncio.start_server

    async def started(*args: object, **kwargs: object) -> asyncio.Server:
        server = await start(*args, **kwargs)  # type: ignore[arg-type]
        bound.extend(socket.getsockname() for socket in server.sockets)
        return server

    monkeypatch.setattr(loopback.asyncio, "start_server", started)
    async with waiting() as listener:
        assert bound == [("127.0.0.1", listener.port)]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"host": "localhost:1"}, 421),
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"host": None}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": f"{ORIGIN}.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": None}, 403),
        ({"method": "GET"}, 405),
        ({"method": "OPTIONS"}, 405),
        ({"path": "/"}, 404),
        ({"path": "/key?state=" + STATE}, 404),
        ({"path": "http://127.0.0.1/key"}, 404),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "multipart/form-data; boundary=x"}, 415),
        ({"content_type": None}, 415),
        ({"content_length": None}, 411),
        ({"content_length": "-1"}, 411),
        ({"content_length": "1_0"}, 411),
        ({"content_length": "٣"}, 411),
        ({"transfer_encoding": "chunked"}, 411),
        ({"content_length": str(LARGEST_FORM + 1)}, 413),
        ({"content_length": "9" * 5000}, 413),
        ({"x" * loopback.LARGEST_HEAD: "y"}, 431),
    ],
)
async def test_another_request_is_turned_away_and_the_waiting_goes_on(
    listener: Waiting, changed: dict[str, str | None], status: int
) -> None:
    got = await listener.send(listener.request(GOOD, **changed))  # type: ignore[arg-type]

    assert got == status
    assert not listener.result.done()
    assert await listener.good() == "signed"


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({**GOOD, "state": "t" * 43}, 403),
        ({**GOOD, "state": ""}, 403),
        ({**GOOD, "state": "é"}, 403),
        ({**GOOD, "answer": "forged"}, 400),
        ({**GOOD, "more": "x"}, 400),
        ({"state": STATE}, 400),
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"state=%ff&answer=signed", 400),
        (f"state={STATE}&state={STATE}&answer=signed".encode(), 400),
        (b"&".join([b"a=1"] * 2000), 400),
    ],
)
async def test_another_form_is_turned_away_and_the_waiting_goes_on(
    listener: Waiting, form: dict[str, str] | bytes, status: int
) -> None:
    assert await listener.send(listener.request(form)) == status
    assert not listener.result.done()
    assert await listener.good() == "signed"


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"POST /key\r\n\r\n",
        b"POST /key HTTP/1.0\r\n\r\n",
        b"POST  /key HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /key HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /key HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        b"POST /key HTTP/1.1\r\nHost : a\r\n\r\n",
    ],
)
async def test_what_is_no_request_of_a_browser_is_turned_away(
    listener: Waiting, raw: bytes
) -> None:
    assert await listener.send(raw) == 400
    assert await listener.good() == "signed"


async def test_of_several_that_would_count_the_first_alone_does(listener: Waiting) -> None:
    request = listener.request(GOOD)

    statuses = await asyncio.gather(*(listener.send(request) for _ in range(5)))

    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 409, 0}
    assert await listener.result == "signed"


async def test_slow_ones_are_dropped_and_keep_nobody_out() -> None:
    async with waiting(patience=0.2) as listener:
        request = listener.request(GOOD)
        slow = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(MOST + 8)]
        for _, writer in slow:
            writer.write(request[:-3])

        assert await slow[0][0].read() == b""  # the oldest make room
        assert await slow[-1][0].read() == b""  # the others are given up after their time
        assert await listener.good() == "signed"
        for _, writer in slow:
            writer.close()


async def test_nobody_who_comes_is_a_time_out() -> None:
    async with waiting(seconds=0.05) as listener:
        with pytest.raises(TimeoutError):
            await listener.result
