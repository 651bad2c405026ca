"""The protocols by which sandbox files move, and the URIs of files and directories in each.

HTTPS is served by this service itself.  gsiftp is offered when a GridFTP server stands in front of the same sandbox
tree; it comes first then, and is what ``default`` means, which is what the clients of gLite expect.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

from grid.jobid import JobId
from wmproxy.errors import ProtocolNotAvailable
from wmproxy.sandboxes import Sandboxes

HTTPS: Final = "https"
GSIFTP: Final = "gsiftp"

_URI_SAFE: Final = "/!$&'()*+,;=:@"


class Protocols:
    """The protocols of one server.

    :param document_root: directory above the sandbox directory, as the GridFTP server sees it too.
    :param gridftp_host: host of the GridFTP server; empty when there is none.
    :param gridftp_port: its port; 0 leaves it out of URIs.
    """

    def __init__(self, sandboxes: Sandboxes, document_root: Path, gridftp_host: str, gridftp_port: int) -> None:
        self._sandboxes = sandboxes
        port = f":{gridftp_port}" if gridftp_port else ""
        self._gridftp = f"{GSIFTP}://{gridftp_host}{port}{quote(str(document_root.absolute()), safe=_URI_SAFE)}"
        self.served: tuple[str, ...] = (GSIFTP, HTTPS) if gridftp_host else (HTTPS,)

    def chosen(self, wanted: str) -> tuple[str, ...]:
        """What ``wanted`` stands for: ``all``, ``default`` or the name of one.

        :raises ProtocolNotAvailable: 1225, for a name that is not served.
        """
        if wanted == "all":
            return self.served
        if wanted == "default":
            return self.served[:1]
        if wanted not in self.served:
            raise ProtocolNotAvailable(wanted, self.served)
        return (wanted,)

    def uris(self, job: JobId, *parts: str, wanted: str) -> list[str]:
        """The URIs of a job's directory or of something in it, one for each protocol.

        :raises ProtocolNotAvailable: as :meth:`chosen`.
        """
        return [self._uri(protocol, job, parts) for protocol in self.chosen(wanted)]

    def inputs(self, job: JobId, *, wanted: str) -> list[str]:
        """The URIs of a job's input directory; one that GridFTP is to write to is there when this returns.

        :raises ProtocolNotAvailable: as :meth:`chosen`.
        """
        if GSIFTP in self.chosen(wanted):
            self._sandboxes.ensure(job, sync=False)  # what is written there is not made durable either
        return self.uris(job, "input", wanted=wanted)

    def _uri(self, protocol: str, job: JobId, parts: tuple[str, ...]) -> str:
        if protocol == HTTPS:
            return self._sandboxes.url(job, *parts)
        path = "/".join((self._sandboxes.relative(job), *parts))
        return f"{self._gridftp}/{quote(path, safe=_URI_SAFE)}"
