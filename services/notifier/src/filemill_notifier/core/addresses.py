"""Which addresses a notification may go to: those of the open internet, and those that are named."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

INSIDE: Final[tuple[Network, ...]] = tuple(
    ip_network(network)
    for network in (
        # IANA special-purpose registries (RFC 6890 and its successors), and what only looks global
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
"""Networks that are not the open internet, or that carry another address inside which may not be it."""


def may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    """Tell whether a notification may go to an address.

    Args:
        address: The address that will be connected to, after all resolving.
        allowed: Networks that are named as allowed; they win.
    """
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    reached = mapped or address
    if any(reached in network for network in allowed if network.version == reached.version):
        return True
    return not any(address in network for network in INSIDE if network.version == address.version)
