"""Output files on their way to the user: resumable, their sizes verified, safely on disk before anything is purged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from clients.errors import REFUSED_OVERWRITE, Bye, ClientError
from clients.sandbox import PROTOCOL, TIMEOUT
from grid.files import fsync_directory
from grid.limits import MAX_FILE_NAME

if TYPE_CHECKING:
    from clients.endpoint import Endpoint
    from clients.session import Session

_TITLE: Final = "Output Files Error"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One output file on the server.

    :ivar uri: its https URI.
    :ivar size: bytes; None when the server did not say.
    """

    uri: str
    size: int | None = None

    @property
    def name(self) -> str:
        """Its name here: the last part of the URI.

        :raises ClientError: the server names something that is no file name.
        """
        name = unquote(urlsplit(self.uri).path.rpartition("/")[2])
        if name in ("", ".", "..") or "/" in name or "\0" in name or len(name.encode()) > MAX_FILE_NAME:
            raise ClientError(f"the server names an output file that cannot be stored: {self.uri!r}", title=_TITLE)
        return name


def listing(endpoint: Endpoint, jobid: str) -> list[RemoteFile]:
    """The output files of a job.

    :raises ClientError: the server names a file twice or a place that is not https.
    """
    files: dict[str, RemoteFile] = {}
    for item in endpoint.call("getOutputFileList", jobId=jobid, protocol=PROTOCOL):
        file = _remote(item)
        check_uri(file.uri)
        if file.name in files:
            raise ClientError(f"the server names the output file {file.name!r} twice", title=_TITLE)
        files[file.name] = file
    return list(files.values())


def check_uri(uri: str) -> None:
    """Make sure that this client can fetch a file.

    :raises ClientError: its protocol is not https.
    """
    if not uri.startswith("https://"):
        raise ClientError(f"this client moves files by {PROTOCOL} only, not from {uri}", title=_TITLE)


def _remote(item: Any) -> RemoteFile:
    if isinstance(item, dict):
        return RemoteFile(str(item["name"]), int(item["size"]))
    return RemoteFile(str(item.name), int(item.size))


def make_directory(session: Session, jobid_unique: str) -> Path:
    """The directory for the files of one job, made when it is missing.

    ``<--dir or OutputStorage>/<LOGNAME>_<unique>``, or ``--dir`` itself with ``--nosubdir``.  When it exists the user
    is asked; files in it that an interrupted retrieval left are completed.

    :raises Bye: the user does not want to overwrite it.
    :raises ClientError: it cannot be made.
    """
    line = session.line
    base = Path(line.text("dir") or session.configuration.output_storage).absolute()
    directory = base if line.has("nosubdir") else base / own_name(session, jobid_unique)
    if directory.exists():
        _ask(session, directory)
    for path in (base, directory):
        make(path)
    return directory


def own_name(session: Session, jobid_unique: str) -> str:
    """``<LOGNAME>_<unique>``, the directory of a job below OutputStorage."""
    return f"{session.environ.get('LOGNAME') or 'jobOutput'}_{jobid_unique}"


def make(directory: Path) -> None:
    """Make a directory (not its parents) unless it is there.

    :raises ClientError: it cannot be made.
    """
    try:
        directory.mkdir(mode=0o755, exist_ok=True)
    except OSError as error:
        raise ClientError(
            f"Unable to create the output directory {directory}: {error.strerror}", title="File i/o Error"
        ) from error


def _ask(session: Session, directory: Path) -> None:
    if session.line.has("nosubdir"):
        session.messages.warning("--nosubdir", f"files are stored in {directory} itself")
    else:
        session.messages.warning("Directory already exists", f"the output directory already exists: {directory}")
    if not session.questions.yes("Do you wish to overwrite it ?", default=False, unasked=True):
        raise Bye(REFUSED_OVERWRITE)


def fetch(session: Session, files: Sequence[RemoteFile], directory: Path) -> None:
    """Download the files; when it returns each has its announced size and is durable.

    :raises ClientError: a file has another size, or cannot be stored.
    :raises GridError: a transfer failed; what has arrived stays for the next try.
    """
    from web.client import FileClient

    client = FileClient(session.context, timeout=session.configuration.transfer_timeout or TIMEOUT)
    try:
        for file in files:
            path = directory / file.name
            session.messages.debug("File transfer:", f"\nSource: {file.uri}\nDestination: {path}")
            client.get(file.uri, path)
            _make_durable(path, file)
    finally:
        client.close()
    fsync_directory(directory)


def _make_durable(path: Path, file: RemoteFile) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if file.size is not None and size != file.size:
            raise ClientError(
                f"{path} has {size} bytes, the server announced {file.size}: the file changed meanwhile; "
                "the job is not purged, fetch it again",
                title=_TITLE,
            )
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
