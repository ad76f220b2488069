"""Networks as Vault's clients write them, and what is in them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import InputError
from strongroom.base.network import (
    MOST_NETWORKS,
    admits,
    all_written,
    covers,
    parse_network,
    written,
)


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1/8", "10.0.0.1/8"),
        ("1.2.3.4/32", "1.2.3.4"),
        (" 1.2.3.4 ", "1.2.3.4"),
        ("::1/128", "::1"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_a_network_is_written_back_as_vault_does(text: str, back: str) -> None:
    assert written(text, "token_bound_cidrs") == back


@pytest.mark.parametrize(
    "text", ["", "/", "junk", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "10.0.0.0/", "fe80::1%eth0/64"]
)
def test_what_is_no_network_is_the_callers_error(text: str) -> None:
    with pytest.raises(InputError, match="cidr_list: not a network"):
        parse_network(text, "cidr_list")


def test_a_bare_address_is_a_network_where_that_is_allowed() -> None:
    assert parse_network("10.0.0.1", "cidr_list") == ip_network("10.0.0.1/32")
    with pytest.raises(InputError):
        parse_network("10.0.0.1", "cidr_list", bare=False)


@pytest.mark.parametrize(
    ("networks", "address", "admitted"),
    [
        ([], "10.0.0.1", True),
        ([], "", True),
        (["10.0.0.0/8"], "10.255.0.1", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["11.0.0.0/8", "10.0.0.1"], "10.0.0.1", True),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True),
        (["2001:db8::/32"], "2001:db8::1%eth0", True),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["0.0.0.0/0", "::/0"], "", False),
        (["0.0.0.0/0", "::/0"], "@", False),
    ],
)
def test_an_address_is_admitted(networks: list[str], address: str, *, admitted: bool) -> None:
    assert admits(networks, address) is admitted


@pytest.mark.parametrize(
    ("outer", "inner", "inside"),
    [
        (["10.0.0.0/8"], [], True),
        (["10.0.0.0/8"], ["10.1.0.0/16", "10.2.3.4"], True),
        (["10.0.0.0/8"], ["10.1.0.0/16", "11.0.0.0/16"], False),
        (["10.0.0.0/8", "11.0.0.0/8"], ["11.1.0.0/16"], True),
        (["10.0.0.0/8"], ["0.0.0.0/0"], False),
        (["0.0.0.0/0"], ["::/0"], False),
        (["::/0"], ["2001:db8::/32"], True),
        ([], ["10.0.0.0/8"], False),
    ],
)
def test_networks_cover_others(outer: list[str], inner: list[str], *, inside: bool) -> None:
    assert covers(outer, inner) is inside


@given(
    address=st.integers(0, 2**32 - 1), network=st.integers(0, 2**32 - 1), prefix=st.integers(0, 32)
)
def test_admitting_is_agreeing_in_the_prefix(address: int, network: int, prefix: int) -> None:
    mask = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    cidr = f"{ip_address(network)}/{prefix}"

    assert admits([cidr], str(ip_address(address))) is (address & mask == network & mask)


def test_long_text_is_no_network_and_is_not_parsed() -> None:
    longest = "0000:0000:0000:0000:0000:ffff:100.100.100.100/128"
    began = process_time()

    assert parse_network(longest, "cidrs").prefixlen == 128
    for text in ("1." * 2_000_000, ":" * 4_000_000, "1/" * 2_000_000):
        with pytest.raises(InputError):
            parse_network(text, "cidrs")
    assert process_time() - began < 1


def test_a_list_has_so_many_networks_and_no_more() -> None:
    most = [f"10.0.0.{n}/24" for n in range(MOST_NETWORKS)]

    assert all_written(most, "cidrs") == tuple(most)
    with pytest.raises(InputError, match="cidrs: at most 256 networks"):
        all_written([*most, "10.0.1.0/24"], "cidrs")
