"""The arithmetic of a load, and what is sent and read."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import wrk
from bench.driver import BrokenReplyError, chunked_length, reply_length
from bench.load import Measured, Request, percentile

REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([1.0], 0.5, 1.0),
        ([1.0, 2.0], 0.5, 1.0),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 102)], 0.99, 100.0),
        ([1.0, 2.0], 1.0, 2.0),
        ([1.0, 2.0], 0.0, 1.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(
    values: list[float], share: float, expected: float
) -> None:
    assert percentile(values, share) == expected


def test_the_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(percentile([], 0.99))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_percentiles_are_values_and_rise_with_the_share(
    values: list[float], one: float, other: float
) -> None:
    ordered = sorted(values)
    low, high = (percentile(ordered, share) for share in sorted([one, other]))

    assert low in values
    assert low <= high


def test_throughput_is_of_the_time_it_took() -> None:
    assert Measured(requests=500, seconds=2, failed=0, p50=1, p99=2).throughput == 250


def test_a_request_says_how_long_its_body_is() -> None:
    raw = Request(method="POST", path="/v1/x", headers={"X-A": "b"}, body=b"{}").raw("h:1")

    assert raw == b"POST /v1/x HTTP/1.1\r\nHost: h:1\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}"


class TestReplies:
    @pytest.mark.parametrize("reply", [REPLY, CHUNKED, b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"])
    def test_a_whole_reply_has_its_own_length(self, reply: bytes) -> None:
        assert reply_length(reply) == len(reply)

    @given(st.data())
    def test_a_reply_that_is_cut_is_never_taken_for_whole(self, data: st.DataObject) -> None:
        reply = data.draw(st.sampled_from([REPLY, CHUNKED]))
        cut = reply[: data.draw(st.integers(0, len(reply) - 1))]

        assert (reply_length(cut) or len(reply)) > len(cut)

    def test_a_length_is_found_wherever_the_header_stands(self) -> None:
        reply = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nA: b\r\n\r\nabc"

        assert reply_length(reply) == len(reply)

    def test_a_reply_without_a_length_is_refused(self) -> None:
        with pytest.raises(BrokenReplyError):
            reply_length(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nuntil the end")

    @given(st.lists(st.binary(min_size=1, max_size=40)))
    def test_chunks_add_up(self, chunks: list[bytes]) -> None:
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])

        assert chunked_length(b"head" + body, 4) == len(body) + 4


class TestWrk:
    def test_what_its_script_prints_is_read(self) -> None:
        printed = (
            "Running 2s test\n\n"
            '{"requests":900,"microseconds":2000000,"status":3,"broken":0,"p50":1500.0,"p99":9000}\n'
        )

        assert wrk.read(printed) == Measured(requests=900, seconds=2, failed=3, p50=1.5, p99=9)

    def test_connections_that_broke_are_an_error(self) -> None:
        with pytest.raises(RuntimeError, match="2 connections broke"):
            wrk.read('{"requests":9,"microseconds":2,"status":0,"broken":2,"p50":1,"p99":1}\n')

    @given(st.binary())
    def test_a_request_is_one_line_that_can_be_undone(self, raw: bytes) -> None:
        line = wrk.escaped(raw)
        undone = re.sub(r"%(..)", lambda m: chr(int(m[1], 16)), line)

        assert line.isascii()
        assert "\n" not in line
        assert undone.encode("latin-1") == raw
