"""Who the client is, when a proxy stands between.

Vault  The listener's `x_forwarded_for_*` settings; ours is one: the networks of the proxies.
Trust  `X-Forwarded-For` is believed only from a connection whose other end lies in a trusted
       network, and only as far back as trusted proxies wrote it. A trusted proxy can make any
       request look as if it came from anywhere: addresses that policies bind are then its word.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from strongroom.base.errors import InputError

Network = IPv4Network | IPv6Network


def trusts(networks: Sequence[Network], address: str) -> bool:
    """Say whether an address is a trusted proxy's."""
    return any(_parse(address) in network for network in networks) if networks else False


def client_of(
    headers: Sequence[tuple[bytes, bytes]], proxy: tuple[str, int], networks: Sequence[Network]
) -> tuple[str, int]:
    """Return the last address that is not a trusted proxy's; its port is unknown, thus 0.

    Raises InputError for a header that is no list of addresses.
    """
    written = b",".join(value for name, value in headers if name == b"x-forwarded-for")
    if not written:
        return proxy
    client = proxy[0]
    for each in reversed(written.split(b",")):
        client = str(_parse(each.decode("latin-1").strip()))
        if not trusts(networks, client):
            break
    return client, 0


def _parse(text: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        raise InputError("X-Forwarded-For", "not a list of addresses") from None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
