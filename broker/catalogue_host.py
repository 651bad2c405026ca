"""Hosts of catalogues, as jobs and the operator write them.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import Final

from grid.errors import ConfigurationError

NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,252}[A-Za-z0-9])?"
"""A pattern of names and of IPv4 addresses."""
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


def check_hosts(hosts: Sequence[str]) -> None:
    """Make sure that these are hosts.

    :raises ConfigurationError: one of them is a URL, has a port, or is nothing of the kind.
    """
    for host in hosts:
        bare = plain(host)
        if ":" in bare:
            try:
                scope = IPv6Address(bare).scope_id
            except AddressValueError:
                raise _no_host(host) from None
            if scope is not None:
                raise _no_host(host)
        elif re.fullmatch(NAME, bare) is None or is_odd(bare):
            raise _no_host(host)


def _no_host(host: str) -> ConfigurationError:
    return ConfigurationError(f"{host!r} is no host; write its name or IP address alone, such as catalogue.example.org")


def is_odd(host: str) -> bool:
    """Whether the system would read a number out of it that does not look like one: ``2130706433``, ``0177.1``."""
    if ":" in host or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) is None:
        return False
    try:
        IPv4Address(host)
    except AddressValueError:
        return True
    return False


def plain(host: str) -> str:
    """A host as it is compared."""
    bare = host.strip("[]").rstrip(".").lower()
    try:
        return str(ip_address(bare))
    except ValueError:
        return bare
