"""Who may move which file of a sandbox: input in before the start, output in by the job, all out to the owner.

What is in ``peek`` has rules of its own (:mod:`wmproxy.peektransfer`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from broker import queue
from grid.jobid import JobId, JobIdError
from gsi.identity import Identity
from web import upload
from web.guard import Rule
from web.transfer import Location, TransferRefused
from wmproxy import jobs
from wmproxy.allotment import Allotment
from wmproxy.authorization import AuthorizationPoint
from wmproxy.errors import JobNotFound, PermissionMissing
from wmproxy.jobs import Job, Phase
from wmproxy.ledger import Ledger
from wmproxy.peektransfer import PeekTransfer
from wmproxy.quota import Quota
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings

_UNKNOWN = "there is no such file here, or it is not yours"


class SandboxPolicy:
    """The transfer policy of the sandbox tree (:class:`web.transfer.TransferPolicy`).

    Only ``/<sandbox directory>/<xx>/<job>/{input,output,peek}/<name>`` exist, and only for the job's owner and those on
    its access list; a job of somebody else and no job are the same 404.
    """

    def __init__(
        self,
        sandboxes: Sandboxes,
        authorization: AuthorizationPoint,
        ledger: Ledger,
        settings: WmproxySettings,
        quota: Quota,
    ) -> None:
        self._sandboxes = sandboxes
        self._authorization = authorization
        self._ledger = ledger
        self._settings = settings
        self._peeks = PeekTransfer(settings.max_perusal_bytes)
        self._quota = quota
        self._wholes = {
            "input": (settings.max_input_sandbox, "the input sandbox of the job"),
            "output": (settings.max_output_sandbox, "the output sandbox of the job"),
            "peek": (-1, "the peek directory of the job"),  # it counts for itself
        }

    def locate(self, identity: Identity, method: str, path: str) -> Location:
        """Find the place of a URL path.

        :raises TransferRefused: with the HTTP status and one sentence.
        """
        parts = path.strip("/").split("/")
        if len(parts) != 5 or parts[0] != self._sandboxes.name or parts[3] not in ("input", "output", "peek"):
            raise TransferRefused(404, _UNKNOWN)
        try:
            job = JobId.from_file_name(parts[2])
            record = self._authorization.permitted(identity, job, _rule(method, parts[3]), f"{method} {parts[3]}")
        except (JobIdError, JobNotFound):
            raise TransferRefused(404, _UNKNOWN) from None
        except PermissionMissing as error:
            raise TransferRefused(403, error.description) from None
        if parts[1] != job.reduced:
            raise TransferRefused(404, _UNKNOWN)
        location = self._place(record, method, parts[3], parts[4])
        if method in ("GET", "HEAD"):
            return location
        whole, what = self._wholes[parts[3]]
        return replace(location, room=Allotment(self._quota, record.owner, whole, what))

    def _place(self, record: Job, method: str, area: str, name: str) -> Location:
        directory = self._sandboxes.of(record.job)
        if area == "peek":
            if method == "PUT":
                self._make_room(record)
            return self._peeks.locate(record, directory, method, name, self._may_write_output)
        place = directory.input if area == "input" else directory.output
        if method in ("GET", "HEAD"):
            return Location(place, name)
        if area == "output":
            self._may_write_output(record)
            self._make_room(record)
            _check_room(place, name, self._settings.max_output_files)
            return Location(place, name, commit=lambda: self._open_output(record))
        self._may_write_input(record)
        self._make_room(record)
        _check_room(place, name, self._settings.max_input_sandbox_files)
        limit = self._settings.max_input_sandbox
        return Location(place, name, limit, lambda: self._open_input(record), hidden=True)

    def _make_room(self, record: Job) -> None:
        """A node's directory is made when its first file comes."""
        if record.parent is not None:
            self._sandboxes.ensure(record.job)

    def _may_write_input(self, record: Job) -> None:
        if record.phase is not Phase.REGISTERED:
            raise TransferRefused(
                409,
                "the job was started or has ended: its input sandbox is closed; register a new job to send other files",
            )

    def _may_write_output(self, record: Job) -> None:
        if record.phase is not Phase.STARTED:
            raise TransferRefused(409, "the job has not been started: it has no output yet")
        with self._ledger.engine.connect() as connection:
            progress = queue.progress(connection, record.job)
        if progress is None or progress.phase is queue.Phase.ENDED:
            raise TransferRefused(409, "the job has ended: its output is complete and does not change any more")

    @contextlib.contextmanager
    def _open_output(self, record: Job) -> Iterator[None]:
        """Ask once more before an uploaded file gets its name: the job may have ended since its upload began."""
        with self._ledger.engine.connect() as connection:
            current = jobs.get(connection, record.job)
        if current is None:
            raise TransferRefused(404, _UNKNOWN)
        self._may_write_output(current)
        yield

    @contextlib.contextmanager
    def _open_input(self, record: Job) -> Iterator[None]:
        """Hold the start off while an uploaded file gets its name."""
        try:
            with self._sandboxes.of(record.sandbox_owner).locked(exclusive=False):
                with self._ledger.engine.connect() as connection:
                    current = jobs.get(connection, record.job)
                if current is None:
                    raise TransferRefused(404, _UNKNOWN)
                self._may_write_input(current)
                yield
        except FileNotFoundError:
            raise TransferRefused(404, _UNKNOWN) from None


def _rule(method: str, area: str) -> Rule:
    """Reading what came out of a job is for its readers; what went in, and all writing, is for its writers."""
    return Rule.READER if method in ("GET", "HEAD") and area != "input" else Rule.WRITER


def _check_room(directory: Path, name: str, limit: int) -> None:
    """A job's directory takes so many names and no more; files under way are as many as the server's threads.

    :raises TransferRefused: 507 when ``name`` would be one too many.
    """
    found = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name == name:
                    return
                found += not upload.is_partial(entry.name)
    except FileNotFoundError:
        raise TransferRefused(404, _UNKNOWN) from None
    if found >= limit:
        raise TransferRefused(507, f"the sandbox holds {limit} files and takes no more; pack them into an archive")
