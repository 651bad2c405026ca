"""IP addresses that a user's wish must not lead a server to: those that mean another machine to it than to the user.

What is reached there trusts its neighbours: services on the host's own loopback, on the site's network, the
configuration of virtual machines.  Pure.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
            "fd00:ec2::254", "fd20:ce::254", "fe80::a9fe:a9fe",
        ),
    )
)  # fmt: skip
"""Where clouds tell a machine its configuration and keys; 168.63.129.16 would pass for a public one."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""IPv4 seen from networks without it (RFC 6052); the last four bytes are the address."""
_SHARED: Final = IPv4Network("100.64.0.0/10")
"""Between a provider and its customers (RFC 6598)."""


def kind_of_internal(address: IPv4Address | IPv6Address) -> str | None:
    """What kind of internal address it is, with its article; None for a public one."""
    inner = _embedded(address)
    if inner is not None:
        return kind_of_internal(inner)
    if address in _METADATA:
        return "a cloud's metadata address"
    for says, kind in (
        (address.is_unspecified, "an unspecified address"),
        (address.is_loopback, "a loopback address"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        (isinstance(address, IPv4Address) and address in _SHARED, "a provider's shared address"),
        (address.is_private, "a private address"),
        (isinstance(address, IPv6Address) and address.is_site_local, "a private address"),
        (address.is_reserved or not address.is_global, "a reserved address"),
    ):
        if says:
            return kind
    return None


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to, by the system or by a relay."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
