"""The input sandbox on its way to the server: which local files it names, and their upload by HTTPS PUT."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from clients.errors import ClientError, EndpointFailure

if TYPE_CHECKING:
    from clients.endpoint import Endpoint
    from clients.session import Session
    from jdl.tree import ClassAd

PROTOCOL: Final = "https"
"""How this client moves files."""

MAX_FILE: Final = (1 << 31) - 1
"""Bytes of one file of a sandbox."""

TIMEOUT: Final = 300
"""Seconds without progress after which a transfer fails, when the configuration does not say."""

_ATTRIBUTE: Final = "InputSandbox"
_TITLE: Final = "Input Sandbox Error"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file to upload.

    :ivar path: absolute.
    :ivar size: bytes, when it was looked at.
    """

    path: Path
    size: int

    @property
    def name(self) -> str:
        """Its name in the sandbox."""
        return self.path.name


def absorb(ad: ClassAd, directory: Path, environ: Mapping[str, str]) -> tuple[ClassAd, list[LocalFile]]:
    """Find the local files of the job's input sandbox.

    :param directory: where relative paths begin.
    :returns: the ad with these files as ``file://`` URLs, and the files.
    :raises grid.errors.JdlError: a file is missing, or two have the same name.
    :raises ClientError: a file cannot be read or is too large.
    """
    from jdl.client import rewrite_input_sandbox

    rewritten, found = rewrite_input_sandbox(
        ad, str(directory), environ, lambda pattern: sorted(glob.glob(pattern)), os.path.isfile
    )
    return rewritten, [_looked_at(Path(file.path)) for file in found]


def _looked_at(path: Path) -> LocalFile:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ClientError(f"{_ATTRIBUTE}: '{path}' cannot be read: {error.strerror}", title=_TITLE) from error
    if not os.access(path, os.R_OK):
        raise ClientError(f"{_ATTRIBUTE}: '{path}' cannot be read: permission denied", title=_TITLE)
    if size > MAX_FILE:
        raise ClientError(
            f"{_ATTRIBUTE}: '{path}' has {size} bytes, a file has at most {MAX_FILE}", title=_TITLE
        )
    return LocalFile(path, size)


def check_protocol(session: Session, endpoint: Endpoint) -> None:
    """Make sure that the server moves files as this client does, and as ``--proto`` wants.

    :raises ClientError: ``--proto`` names what the server or this client does not do.
    :raises EndpointFailure: the server does not offer https.
    """
    offered = endpoint.protocols() or ["gsiftp"]
    wanted = session.line.text("proto")
    if wanted is not None and wanted not in offered:
        raise ClientError(
            f"--proto {wanted}: the specified FileTransferProtocol is not supported by the server.\n"
            f"List of supported protocols: {', '.join(offered)}",
            title="Wrong Argument Option",
        )
    if wanted not in (None, PROTOCOL):
        raise ClientError(
            f"--proto {wanted}: this client moves files by {PROTOCOL} only", title="Not Supported"
        )
    if PROTOCOL not in offered:
        raise EndpointFailure(f"{endpoint.url} offers {', '.join(offered)}, this client moves files by {PROTOCOL}")


def check_room(endpoint: Endpoint, files: Sequence[LocalFile]) -> None:
    """Make sure that the files fit: the free quota if the server has quotas, else its largest sandbox.

    :raises EndpointFailure: they do not.
    """
    total = sum(file.size for file in files)
    limit = _free_quota(endpoint)
    if limit > 0 and total > limit:
        raise EndpointFailure(
            f"Not enough User-FreeQuota ({limit} bytes) on the server for the\n"
            f"InputSandbox files ({total} bytes)",
            title="UserFreeQuota Error",
        )
    if limit > 0:
        return
    limit = int(endpoint.call("getMaxInputSandboxSize") or 0)
    if 0 < limit < total:
        raise EndpointFailure(
            f"The InputSandbox files ({total} bytes) are larger than the server allows ({limit} bytes)",
            title="InputSandboxSize Error",
        )


def _free_quota(endpoint: Endpoint) -> int:
    """The hard limit in bytes; 0 when the server has no quotas or does not serve the operation."""
    from wsdl.client import RemoteFault

    try:
        answer: Any = endpoint.call("getFreeQuota")
    except RemoteFault as fault:
        endpoint.session.messages.debug("getFreeQuota:", fault.description)
        return 0
    hard = answer.get("hardLimit") if isinstance(answer, Mapping) else getattr(answer, "hardLimit", 0)
    return int(hard or 0)


def destination(endpoint: Endpoint, jobid: str) -> str:
    """The https URI of the job's input directory, without a slash at its end.

    :raises ClientError: the server names none.
    """
    uris = [str(uri) for uri in endpoint.call("getSandboxDestURI", jobId=jobid, protocol=PROTOCOL)]
    for uri in uris:
        if uri.startswith("https://"):
            return uri.rstrip("/")
    raise ClientError(f"the server names no https place for the input files: {', '.join(uris) or 'nothing at all'}")


def target(directory: str, file: LocalFile) -> str:
    """Where a file goes."""
    return f"{directory}/{quote(file.name)}"


def upload(session: Session, directory: str, files: Sequence[LocalFile]) -> None:
    """Send the files, one after the other over one connection.

    :raises GridError: a transfer failed; the sentence names URL and reason.
    """
    from web.client import FileClient

    client = FileClient(session.context, timeout=session.configuration.transfer_timeout or TIMEOUT)
    try:
        for file in files:
            url = target(directory, file)
            session.messages.debug("File transfer:", f"\nSource: {file.path}\nDestination: {url}")
            client.put(url, file.path)
    finally:
        client.close()
