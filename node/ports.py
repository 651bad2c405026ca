"""Choosing ports: outside the ephemeral range, so that no outgoing connection sits on one by chance."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from grid.errors import ConfigurationError


class PortInUse(ConfigurationError):
    """A configured port is taken.

    :ivar port: the port.
    """

    def __init__(self, service: str, bind: str, port: int) -> None:
        self.port = port
        super().__init__(
            f"port {port} of {service} is in use on {bind}; stop what listens there, "
            f"or change it in wms.toml (or make a node with `wms init DIR --ports auto`)"
        )


def is_free(bind: str, port: int) -> bool:
    """Tell whether a server could listen on ``bind:port`` now."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((bind, port))
            sock.listen(1)
        except OSError:
            return False
    return True


def choose(count: int, bind: str = "127.0.0.1") -> list[int]:
    """Choose ``count`` different free ports, none in the ephemeral range and each with a free successor.

    The successor matters for the L&B, whose event port is its query port plus one.

    :raises ConfigurationError: when none can be found.
    """
    low, high = _ephemeral()
    chosen: list[int] = []
    for _ in range(20_000):
        port = 10_240 + secrets.randbelow(65_000 - 10_240)
        if low - 2 <= port <= high or any(abs(port - other) < 3 for other in chosen):
            continue
        if is_free(bind, port) and is_free(bind, port + 1):
            chosen.append(port)
            if len(chosen) == count:
                return chosen
    raise ConfigurationError(f"no {count} free ports were found on {bind}; give them in wms.toml")


def _ephemeral() -> tuple[int, int]:
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:
        return 32_768, 60_999
    return int(low), int(high)
