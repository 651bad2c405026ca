"""Identifiers of computing elements: ``host:port/<kind>-<lrms>-<queue>``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from grid.errors import InvalidArgument

# the greedy first part is the original's: in a queue name a further '-' belongs to the queue
_PARTS: Final = re.compile(r"(?P<contact>(?P<where>.+)/(?P<kind>[^-/]+)-(?P<lrms>[^-]+))-(?P<queue>.+)")
_CALLABLE: Final = re.compile(
    r"(?P<contact>(?P<host>[^:/\s]+):(?P<port>[0-9]{1,5})/(?P<kind>[^-/\s]+)-(?P<lrms>[^-\s]+))-(?P<queue>\S+)"
)


class CeIdError(InvalidArgument):
    """A text does not name a queue of a computing element."""

    def __init__(self, text: str) -> None:
        self.text = text[:200]
        super().__init__(
            f"{self.text!r} is not a computing element of the form <full-hostname>:<port-number>/cream-<lrms>-<queue>"
        )


@dataclass(frozen=True, slots=True)
class CeId:
    """The parts of an identifier, for example of ``host:8443/cream-slurm-grid``."""

    text: str
    contact: str
    """``host:8443/cream-slurm`` (GlobusResourceContactString)."""
    kind: str
    """``cream``, ``jobmanager`` or ``nordugrid``."""
    lrms: str
    queue: str
    host: str = ""
    port: int = 0

    @classmethod
    def find(cls, text: str) -> CeId | None:
        """Read the identifier as the information supermarket does (gLite WMS): None when it has another form.

        Host and port are filled in only when they are written as ``host:port``.
        """
        found = _PARTS.fullmatch(text)
        if not found:
            return None
        strict = _CALLABLE.fullmatch(text)
        host, port = (strict["host"], int(strict["port"])) if strict else ("", 0)
        return cls(text, found["contact"], found["kind"], found["lrms"], found["queue"], host, port)

    @classmethod
    def parse(cls, text: str) -> CeId:
        """Read an identifier that somebody wants to send a job to.

        :raises CeIdError: when host, port, LRMS or queue cannot be told from it.
        """
        found = _CALLABLE.fullmatch(text)
        if not found or not 0 < int(found["port"]) < 65_536:
            raise CeIdError(text)
        return cls(
            text, found["contact"], found["kind"], found["lrms"], found["queue"], found["host"], int(found["port"])
        )

    @classmethod
    def cream(cls, host: str, port: int, lrms: str, queue: str) -> CeId:
        """The identifier of a queue behind a CREAM service."""
        return cls.parse(f"{host}:{port}/cream-{lrms}-{queue}")

    def __str__(self) -> str:
        return self.text
