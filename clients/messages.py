"""What a command says: severities, frames, banners (gLite WMS user interface).

Results go to stdout as they are; messages go out in frames, informations to stdout, warnings and errors to stderr.
``--nomsg`` and ``--json`` keep everything below an error from the screen.  With a log file every message is also
written there.
"""

from __future__ import annotations

import datetime
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from clients.logfile import LogFile

MONTHS: Final = ("Jan", "Feb", "March", "Apr", "May", "June", "July", "Aug", "Sept", "Oct", "Nov", "Dec")
"""The month names of the original, which are neither all short nor all long."""

WIDTH: Final = 74
_DEBUG_BAR: Final = "-" * 41


def title_bar(title: str, width: int = WIDTH) -> str:
    """``======= title =======``: equals signs on both sides of the title, ``width`` as the original computed it."""
    side = "=" * (width // 2 - (len(title) // 2 + 1))
    return f"{side} {title} {side}"


def bar(width: int = WIDTH) -> str:
    """A line of equals signs."""
    return "=" * width


def stamp(moment: datetime.datetime) -> str:
    """``20 Nov 2026, 10:00:00`` in local time."""
    local = moment.astimezone()
    return f"{local.day:02d} {MONTHS[local.month - 1]} {local.year}, {local:%H:%M:%S}"


STEERING: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that steer a terminal or turn the order of what follows: job descriptions, user tags and the reasons of
sites may hold them, and others than their authors read these."""


def visible(text: str) -> str:
    """The text as a terminal may have it; line ends and tabs stay."""
    return STEERING.sub("?", text)


class Messages:
    """The screen of one command.

    :param quiet: only errors are shown (``--nomsg``, ``--json``).
    :param debugging: debug messages are shown too.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        debugging: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.quiet = quiet
        self.debugging = debugging
        self.log: LogFile | None = None
        self._stdout = stdout
        self._stderr = stderr

    @property
    def stdout(self) -> TextIO:
        """Where results go."""
        return self._stdout or sys.stdout

    @property
    def stderr(self) -> TextIO:
        """Where warnings and errors go."""
        return self._stderr or sys.stderr

    def result(self, text: str) -> None:
        """Print ``text`` and a newline, whatever the verbosity."""
        print(visible(text), file=self.stdout, flush=True)

    def info(self, text: str, header: str = "") -> None:
        """A framed line on stdout."""
        line = f"{header} {text}" if header else text
        self._record("Info", line)
        if not self.quiet:
            print(f"\n{visible(line)}\n", file=self.stdout, flush=True)

    def warning(self, header: str, text: str = "") -> None:
        """A warning on stderr."""
        self._record("Warning", f"{header}\n{text}")
        if not self.quiet:
            self._frame(f"Warning - {header}", text)

    def error(self, header: str, text: str) -> None:
        """An error on stderr, whatever the verbosity."""
        self._record("Error", f"{header}\n{text}")
        self._frame(f"Error - {header}", text)

    def fatal(self, header: str, text: str) -> None:
        """Like :meth:`error` with ``Fatal Error``."""
        self._record("Fatal Error", f"{header}\n{text}")
        self._frame(f"Fatal Error - {header}", text)

    def debug(self, header: str, text: str = "") -> None:
        """What goes on inside, on stdout with ``--debug``."""
        line = f"{header} {text}".rstrip()
        self._record("Debug", line)
        if self.debugging and not self.quiet:
            now = stamp(datetime.datetime.now(datetime.UTC))
            head = f"{now} -I- PID: {os.getpid()} (Debug) - {line}"
            print(f"{_DEBUG_BAR}\n{visible(head)}\n{_DEBUG_BAR}", file=self.stdout, flush=True)

    def note(self, lines: Sequence[str]) -> None:
        """Lines that explain a result, on stderr without a frame."""
        self._record("Info", "\n".join(lines))
        if not self.quiet and lines:
            print(visible("\n".join(lines)), file=self.stderr, flush=True)

    def _frame(self, head: str, text: str) -> None:
        self.stdout.flush()
        print(visible(f"\n{head}\n{text}\n"), file=self.stderr, flush=True)

    def _record(self, severity: str, text: str) -> None:
        if self.log is not None:
            self.log.record(severity, text)
