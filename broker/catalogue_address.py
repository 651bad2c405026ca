"""Where a job may send the broker: a catalogue that a user names must be a public one.

The broker asks it from inside of the site, so an address of the user's choice could reach what only the site's own
machines may.  The name is resolved once, all of its addresses are judged, and the connection goes to these: what the
name stands for a moment later does not matter (DNS rebinding).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final

from broker.catalogue_host import NAME, is_odd, plain
from broker.errors import CatalogueRefused
from gsi.tls import explain
from web.dial import Address, resolve
from web.internal_address import kind_of_internal
from wsdl.transport import ServiceUnreachable

Resolve = Callable[[str, int], Sequence[Address]]
"""The addresses of a host and port; raises OSError when there are none."""

_PORTS: Final = frozenset((80, 443))
"""Ports that a job may name below :data:`_UNPRIVILEGED`; behind the others are mail, directories, remote shells …"""
_UNPRIVILEGED: Final = 1024
_URL: Final = re.compile(
    rf"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]{{2,45}}\]|{NAME}\.?)(?::(?P<port>[0-9]{{1,5}}))?(?:/[\x21-\x7e]*)?"
)


class Doorkeeper:
    """Judges the addresses that jobs name.  Safe for threads.

    :param hosts: names and IP addresses of hosts that may be asked although they are internal.
    """

    def __init__(self, hosts: Sequence[str] = (), find: Resolve = resolve) -> None:
        self._hosts = frozenset(map(plain, hosts))
        self._find = find

    def admit(self, url: str) -> tuple[Address, ...]:
        """Where a connection for ``url`` may go.

        :raises CatalogueRefused: nowhere.  :raises ServiceUnreachable: its host's name is not known.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise CatalogueRefused(url, "it is no address of the form http://host:port/ or https://host:port/")
        host = found["host"].strip("[]")
        port = int(found["port"] or (443 if found["scheme"] == "https" else 80))
        if port not in _PORTS and not _UNPRIVILEGED <= port < 65536:
            raise CatalogueRefused(url, f"a catalogue's port is 80, 443 or one from {_UNPRIVILEGED} to 65535")
        if is_odd(host):
            raise CatalogueRefused(url, "its host is a number that is no IP address in the usual spelling")
        try:
            addresses = tuple(self._find(host, port))
        except (OSError, UnicodeError) as error:
            raise ServiceUnreachable(url, explain(error, host, port)) from error
        if plain(host) not in self._hosts:
            for _, place in addresses:
                kind = kind_of_internal(ip_address(str(place[0]).partition("%")[0]))
                if kind is not None:
                    why = f"its host has {kind}, and a job may name public ones alone"
                    raise CatalogueRefused(url, f"{why}, or hosts that the operator allows ([broker] catalogue_hosts)")
        return addresses
