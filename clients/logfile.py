"""The log file of one command (``--logfile``, or ``--debug`` with a name of its own)."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from clients.errors import ClientError
from clients.messages import stamp

_STARS: Final = "*" * 80
_DASHES: Final = "-" * 80


def default_path(storage: str, command: str) -> Path:
    """``<storage>/<command>_<uid>_<pid>_<YYYYMMDD>_<HH-MM-SS>.log``."""
    now = datetime.datetime.now()
    return Path(storage) / f"{command}_{os.getuid()}_{os.getpid()}_{now:%Y%m%d_%H-%M-%S}.log"


class LogFile:
    """An open log file; private to the user, every record is on its way to the disk when the call returns.

    :param path: created with mode 0600; what it holds is kept when ``append`` is true.
    :raises ClientError: when it cannot be written.
    """

    def __init__(self, path: Path, *, append: bool = False) -> None:
        self.path = path.absolute()
        kind = os.O_APPEND if append else os.O_TRUNC
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | kind, 0o600)
        except OSError as error:
            raise ClientError(
                f"unable to write the log file {self.path}: {error.strerror}", title="File i/o Error"
            ) from error
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")

    def header(self, version: str, function: str, options: Sequence[str], jobids: Sequence[str]) -> None:
        """What was called, in the frame of asterisks."""
        lines = [_STARS, f"WMS User Interface - version  {version} - Log File", _STARS]
        lines += [f"Function: {function}", f"Options: {' '.join(options)}"]
        lines += [f"JobId(s): {' '.join(jobids)}"] if jobids else []
        self._write("\n".join([*lines, _STARS]))

    def record(self, severity: str, text: str) -> None:
        """One message with its time."""
        now = stamp(datetime.datetime.now(datetime.UTC))
        self._write(f"{_DASHES}\n{now} -I- PID: {os.getpid()} ({severity}) - {text.rstrip()}\n{_DASHES}")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def _write(self, text: str) -> None:
        self._file.write(text + "\n")
        self._file.flush()
