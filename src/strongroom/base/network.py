"""Networks in CIDR notation, and whether an address is in one.

Specs  RFC 4632 and RFC 4291. The prefix is a number: `10.0.0.0/8`, never a netmask.
Vault  A bare address is a network of one, and `1.2.3.4/32` is written back as `1.2.3.4`. Bits
       to the right of the prefix are allowed and kept, since clients read back what they sent.
Trust  An address that cannot be read is in no network. Texts are bounded before they are parsed,
       and lists in number, since each use looks through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from strongroom.base.errors import InputError

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

LONGEST: Final = 64  # characters; IPv6 has 39, and with IPv4 in it and a prefix 49
MOST_NETWORKS: Final = 256  # in one list
_EXPECTED = "not a network in CIDR notation, such as 10.0.0.0/8"


def parse_network(text: str, field: str, *, bare: bool = True) -> Network:
    """Read a network; `bare` also takes an address alone. InputError, naming `field`, if none."""
    try:
        if (bare or "/" in text) and len(text) <= LONGEST:
            return _network(text)
    except ValueError:
        raise InputError(field, _EXPECTED) from None
    raise InputError(field, _EXPECTED)


def written(text: str, field: str) -> str:
    """Return a network or address as Vault writes it back: one that holds one address is bare."""
    network = parse_network(text.strip(), field)
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else text.strip()


def all_written(texts: Sequence[str], field: str) -> tuple[str, ...]:
    """Return a list of networks as Vault writes it back; InputError for too many, or for none."""
    few_enough(texts, field)
    return tuple(written(each, field) for each in texts)


def few_enough(texts: Sequence[str], field: str) -> None:
    """Raise InputError, naming `field`, for more networks than a list may have."""
    if len(texts) > MOST_NETWORKS:
        raise InputError(field, f"at most {MOST_NETWORKS} networks")


def admits(networks: Sequence[str], address: str) -> bool:
    """Say whether the address is in one of the networks; no networks at all admit any address."""
    if not networks:
        return True
    try:
        place = _address(address)
        return any(place in _network(each) for each in networks)
    except ValueError:
        return False


def covers(outer: Sequence[str], inner: Sequence[str]) -> bool:
    """Say whether each network of `inner` lies inside one of `outer`; all must be valid."""
    return all(any(_inside(small, large) for large in outer) for small in inner)


def _inside(small: str, large: str) -> bool:
    one, other = _network(small), _network(large)
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.subnet_of(other)
    if isinstance(one, IPv6Network) and isinstance(other, IPv6Network):
        return one.subnet_of(other)
    return False


@lru_cache(maxsize=4_096)
def _network(text: str) -> Network:
    _, slash, prefix = text.partition("/")
    if "%" in text or (slash and not (prefix.isascii() and prefix.isdigit())):
        raise ValueError("not a network")
    return ip_network(text, strict=False)


def _address(text: str) -> Address:
    """Read an address; IPv4 that came through an IPv6 socket is IPv4."""
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
