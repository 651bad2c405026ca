"""Directories of jobs: made whole under another name, handed to the job's account, then renamed into place.

``jobs/<id>/control`` holds what wrapper and element exchange, ``jobs/<id>/work`` is the payload's working
directory, ``jobs/<id>/tmp`` its TMPDIR, ``jobs/<id>/tools`` joins its PATH.  Nothing here is fsynced: everything can be
made again from the database, and is after a restart, as long as the job has not begun.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from importlib import resources
from pathlib import Path

from ce.description import JobDescription, Program
from ce.errors import BadSettings
from ce.fork import MARKER
from ce.lrms import LocalAccount
from ce.settings import CeSettings
from grid.files import make_directory


class Staging:
    """Makes and removes the directories of jobs.

    :raises BadSettings: job accounts could not reach the work directory.
    """

    def __init__(self, settings: CeSettings, *, pool: bool) -> None:
        self._settings = settings
        self._wrapper = resources.files("ce").joinpath("wrapper.py").read_bytes()
        self._broker_info = resources.files("ce").joinpath("brokerinfo.py").read_bytes()
        make_directory(settings.work_directory, 0o711)
        make_directory(settings.jobs_directory, 0o711)
        if pool:
            _check_reachable(settings.jobs_directory)

    def control(self, job: str) -> Path:
        """The control directory of a job."""
        return self._settings.jobs_directory / job / "control"

    def prepare(self, job: str, description: JobDescription, account: LocalAccount, proxy: bytes, ends: float) -> Path:
        """Make the directory of ``job``; what an interrupted earlier call left is replaced.

        :param proxy: the delegated limited proxy (PEM); ``ends``: its end, seconds of the epoch.
        :returns: the control directory.
        :raises OSError: the file system refused.
        """
        final = self._settings.jobs_directory / job
        fresh = self._settings.jobs_directory / f".{job}.new"
        self.remove(job)
        os.mkdir(fresh, 0o700)
        for name in ("control", "work", "tmp", "tools"):
            os.mkdir(fresh / name, 0o700)
        order = self._order(job, description, ends)
        for name, data, mode in (
            ("proxy.pem", proxy, 0o600),
            ("wrapper.py", self._wrapper, 0o400),
            ("job.json", json.dumps(order).encode(), 0o400),
        ):
            _write_for(fresh / "control" / name, data, mode, account)
        _write_for(fresh / "tools" / "brokerinfo.py", self._broker_info, 0o400, account)
        script = self._script(final / "tools" / "brokerinfo.py")
        _write_for(fresh / "tools" / "glite-brokerinfo", script, 0o500, account)
        if account.switch:
            for directory in (fresh / "control", fresh / "work", fresh / "tmp", fresh / "tools", fresh):
                os.chown(directory, account.uid, account.gid)
        os.rename(fresh, final)
        return final / "control"

    def _script(self, program: Path) -> bytes:
        """A script that runs ``program``, for a PATH; the kernel would cut long names after ``#!``."""
        words = shlex.join([str(self._settings.interpreter), "-I", str(program)])
        return f'#!/bin/sh\nexec {words} "$@"\n'.encode()

    def remove(self, job: str) -> None:
        """Remove everything of a job; nothing of it need exist.

        A link planted by the job is removed, never followed (``shutil.rmtree`` works by descriptors here).
        """
        for name in (job, f".{job}.new"):
            path = self._settings.jobs_directory / name
            if path.exists():
                shutil.rmtree(path)

    def known(self) -> list[str]:
        """Names of the job directories that stand here."""
        return [name for name in os.listdir(self._settings.jobs_directory) if not name.startswith(".")]

    def _order(self, job: str, description: JobDescription, ends: float) -> dict[str, object]:
        settings = self._settings
        directory = settings.jobs_directory / job
        queue = settings.queue(description.queue)
        perusal = description.perusal
        internals = {**dict(settings.internals), MARKER: job, "GLITE_WMS_LOG_DESTINATION": settings.host}
        internals["EDG_WL_NOSETPGRP"] = "1"
        if description.grid_id is not None:
            internals["GLITE_WMS_JOBID"] = internals["EDG_WL_JOBID"] = str(description.grid_id)
        return {
            "version": 1,
            "sequence_code": str(description.sequence_code or ""),
            "executable": description.executable,
            "arguments": description.arguments,
            "environment": description.environment,
            "internals": internals,
            "prologue": _command(description.prologue),
            "epilogue": _command(description.epilogue),
            "slots": description.slots,
            "stdin": description.stdin,
            "stdout": description.stdout,
            "stderr": description.stderr,
            "input": [{"name": item.name, "uri": item.uri} for item in description.input],
            "output": [{"name": item.name, "uri": item.uri} for item in description.output],
            "output_patterns": description.output_patterns,
            "output_base": description.output_base,
            "perusal": perusal and {"list": perusal.list_uri, "to": perusal.destination, "seconds": perusal.seconds},
            "work": str(directory / "work"),
            "tmp": str(directory / "tmp"),
            "tools": str(directory / "tools"),
            "proxy": str(directory / "control" / "proxy.pem"),
            "proxy_not_after": ends,
            "certificates": str(settings.certificates_directory),
            "crl_check": settings.crl_check,
            "doorbell": str(settings.doorbell),
            "transfer_tries": settings.transfers.tries,
            "transfer_first_wait": settings.transfers.first_wait,
            "transfer_timeout": settings.transfers.timeout,
            "wall_seconds": queue.max_wall_minutes * 60 if queue and queue.max_wall_minutes else None,
            "cpu_seconds": queue.max_cpu_minutes * 60 if queue and queue.max_cpu_minutes else None,
            "kill_grace": max(0.1, settings.kill_grace / 2),
        }


def _command(program: Program | None) -> list[str] | None:
    return [program.executable, *program.arguments] if program else None


def _write_for(path: Path, data: bytes, mode: int, account: LocalAccount) -> None:
    """Write a file that belongs to the account before it has any content."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        if account.switch:
            os.fchown(descriptor, account.uid, account.gid)
        os.fchmod(descriptor, mode)
        file.write(data)


def _check_reachable(path: Path) -> None:
    for directory in (path, *path.resolve().parents):
        if not os.stat(directory).st_mode & 0o001:
            raise BadSettings(
                f"job accounts cannot pass through {directory}",
                f"put the work directory elsewhere, or: chmod o+x {directory}",
            )
