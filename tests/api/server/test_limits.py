"""Token buckets, and who the client is behind proxies."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api.forwarded import client_of, trusts
from strongroom.api.limits import TokenBuckets
from strongroom.base.errors import InputError

NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


class TestTokenBuckets:
    def test_a_burst_is_allowed_and_then_the_rate(self) -> None:
        buckets = TokenBuckets(rate=2, burst=3)

        assert [buckets.take("192.0.2.1", 0.0) for _ in range(4)] == [0, 0, 0, 1]
        assert [buckets.take("192.0.2.1", 0.5) for _ in range(2)] == [0, 1]

    def test_the_wait_is_said_in_whole_seconds(self) -> None:
        buckets = TokenBuckets(rate=0.1, burst=1)
        buckets.take("192.0.2.1", 0.0)

        assert buckets.take("192.0.2.1", 0.5) == 10
        assert buckets.take("192.0.2.1", 10.0) == 0

    def test_addresses_do_not_share_a_bucket(self) -> None:
        buckets = TokenBuckets(rate=1, burst=1)

        assert [buckets.take(f"192.0.2.{n}", 0.0) for n in (1, 2, 1)] == [0, 0, 1]

    def test_an_ipv6_network_shares_one(self) -> None:
        buckets = TokenBuckets(rate=1, burst=1)
        asked = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db8::3%eth0"]

        assert [buckets.take(address, 0.0) for address in asked] == [0, 1, 0, 1]

    def test_a_mapped_address_is_its_ipv4_address(self) -> None:
        buckets = TokenBuckets(rate=1, burst=1)

        assert [buckets.take(each, 0.0) for each in ("192.0.2.1", "::ffff:192.0.2.1")] == [0, 1]

    def test_the_address_unseen_for_longest_is_forgotten(self) -> None:
        buckets = TokenBuckets(rate=0.001, burst=1, capacity=2)
        for address in ("a", "b", "a", "c"):
            buckets.take(address, 0.0)

        assert len(buckets) == 2
        assert buckets.take("a", 0.0) > 0
        assert buckets.take("b", 0.0) == 0

    @pytest.mark.parametrize("arguments", [{"rate": 0, "burst": 1}, {"rate": 1, "burst": 0.5}])
    def test_a_bucket_that_never_fills_is_a_defect(self, arguments: dict[str, float]) -> None:
        with pytest.raises(ValueError):
            TokenBuckets(**arguments)  # type: ignore[arg-type]

    @given(st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=60))
    def test_no_address_ever_exceeds_burst_and_rate(self, pauses: list[float]) -> None:
        buckets = TokenBuckets(rate=2, burst=3)
        now, allowed = 0.0, 0
        for pause in pauses:
            now += pause
            allowed += buckets.take("192.0.2.1", now) == 0

        assert allowed <= 3 + 2 * now + 1e-6


class TestForwarded:
    @pytest.mark.parametrize(
        ("header", "client"),
        [
            (b"192.0.2.7", "192.0.2.7"),
            (b"6.6.6.6, 192.0.2.7", "192.0.2.7"),
            (b"192.0.2.7, 10.9.9.9,10.8.8.8", "192.0.2.7"),
            (b"10.9.9.9", "10.9.9.9"),
            (b"2001:db8::7, fd00::1", "2001:db8::7"),
            (b"::ffff:192.0.2.7", "192.0.2.7"),
        ],
    )
    def test_the_last_address_that_no_proxy_of_ours_has(self, header: bytes, client: str) -> None:
        headers = [(b"x-forwarded-for", header)]

        assert client_of(headers, ("10.1.1.1", 80), NETWORKS) == (client, 0)

    def test_without_the_header_the_proxy_is_the_client(self) -> None:
        assert client_of([(b"host", b"a")], ("10.1.1.1", 80), NETWORKS) == ("10.1.1.1", 80)

    @pytest.mark.parametrize("header", [b"unknown", b"192.0.2.7:80", b"192.0.2.7,", b"\xff", b" "])
    def test_anything_but_addresses_is_refused(self, header: bytes) -> None:
        with pytest.raises(InputError):
            client_of([(b"x-forwarded-for", header)], ("10.1.1.1", 80), NETWORKS)

    def test_trust_is_by_network(self) -> None:
        assert trusts(NETWORKS, "10.200.0.1")
        assert trusts(NETWORKS, "::ffff:10.0.0.1")
        assert not trusts(NETWORKS, "192.0.2.1")
        assert not trusts((), "10.0.0.1")
