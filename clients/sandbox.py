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
    from jdl.compound import Compound
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
    :ivar node: the name of the node that it is for; None: the job itself, or all nodes.
    """

    path: Path
    size: int
    node: str | None = None

    @property
    def name(self) -> str:
        """Its name in the sandbox."""
        return self.path.name


def absorb(ad: ClassAd, directory: Path, environ: Mapping[str, str]) -> ClassAd:
    """The description, and those of its nodes, with the local files of input sandboxes as ``file://`` URLs.

    :param directory: where relative paths begin.
    :raises grid.errors.JdlError: a file is missing, or two of one sandbox have the same name.
    """
    from jdl.client import rewrite_input_sandbox
    from jdl.clientnodes import each_node, hoist

    based = "InputSandboxBaseURI" in ad

    def rewritten(one: ClassAd) -> ClassAd:
        return rewrite_input_sandbox(
            one, str(directory), environ, lambda pattern: sorted(glob.glob(pattern)), os.path.isfile, based=based
        )[0]

    return hoist(each_node(rewritten(ad), rewritten))


def files(ad: ClassAd, compound: Compound | None) -> list[LocalFile]:
    """The local files of an absorbed description, looked at.

    :param compound: the expanded request; None for a simple job.
    :raises ClientError: a file is missing, cannot be read or is too large.
    """
    from jdl.clientnodes import uploads

    sizes: dict[str, int] = {}
    found = []
    for upload in uploads(ad, compound):
        path = Path(upload.path)
        if upload.path not in sizes:
            sizes[upload.path] = _size(path)
        found.append(LocalFile(path, sizes[upload.path], upload.node))
    return found


def _size(path: Path) -> int:
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
    return size


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
    limit = largest(endpoint)
    if 0 < limit < total:
        raise EndpointFailure(
            f"The InputSandbox files ({total} bytes) are larger than the server allows ({limit} bytes)",
            title="InputSandboxSize Error",
        )


def largest(endpoint: Endpoint) -> int:
    """The bytes that the server takes of a job's input files; 0 when it does not say."""
    return int(endpoint.call("getMaxInputSandboxSize") or 0)


def _free_quota(endpoint: Endpoint) -> int:
    """The hard limit in bytes; 0 when the server has no quotas or does not serve the operation.

    :raises wsdl.client.RemoteFault: nothing is left of the quota.
    """
    from wsdl.client import RemoteFault

    try:
        answer: Any = endpoint.call("getFreeQuota")
    except RemoteFault as fault:
        if fault.kind == "GetQuotaManagementFault":
            raise
        endpoint.session.messages.debug("getFreeQuota:", fault.description)
        return 0
    hard = answer.get("hardLimit") if isinstance(answer, Mapping) else getattr(answer, "hardLimit", 0)
    return int(hard or 0)


def destinations(endpoint: Endpoint, jobid: str, nodes: Mapping[str, str]) -> dict[str | None, str]:
    """The https URIs of input directories, without a slash at their ends: the job's own (None), each node's by name.

    :param nodes: names and identifiers of the nodes; empty for a simple job.
    :raises ClientError: the server does not name one.
    """
    if not nodes:
        return {None: _https(endpoint.call("getSandboxDestURI", jobId=jobid, protocol=PROTOCOL), jobid)}
    named: dict[str, str] = {}
    for item in endpoint.call("getSandboxBulkDestURI", jobId=jobid, protocol=PROTOCOL):
        owner, uris = (item["id"], item["Item"]) if isinstance(item, Mapping) else (item.id, item.Item)
        named[str(owner)] = _https(uris, str(owner))
    places: dict[str | None, str] = {}
    for name, owner in ((None, jobid), *nodes.items()):
        if owner not in named:
            raise ClientError(f"the server names no place for the input files of {owner}")
        places[name] = named[owner]
    return places


def _https(uris: Sequence[Any], jobid: str) -> str:
    texts = [str(uri) for uri in uris]
    for uri in texts:
        if uri.startswith("https://"):
            return uri.rstrip("/")
    said = ", ".join(texts) or "nothing at all"
    raise ClientError(f"the server names no https place for the input files of {jobid}: {said}")


def target(places: Mapping[str | None, str], file: LocalFile) -> str:
    """Where a file goes."""
    return f"{places[file.node]}/{quote(file.name)}"


def upload(session: Session, places: Mapping[str | None, str], files: Sequence[LocalFile]) -> None:
    """Send the files, one after the other over one connection.

    :raises GridError: a transfer failed; the sentence names URL and reason.
    """
    from web.client import FileClient

    client = FileClient(session.context, timeout=session.configuration.transfer_timeout or TIMEOUT)
    try:
        for file in files:
            url = target(places, file)
            session.messages.debug("File transfer:", f"\nSource: {file.path}\nDestination: {url}")
            client.put(url, file.path)
    finally:
        client.close()
