"""Named points between durable steps where a test may end the process as ``kill -9`` would.

In service a point costs one comparison.  A test switches points on in one of two ways:

* ``WMS_FAULT_POINT`` holds ``name`` or ``name@n`` (the n-th passage, counted per process) and
  ``WMS_FAULT_MARKER`` a file name; the marker is created exclusively before the process dies, so that a
  restarted process passes the point unharmed.
* ``WMS_FAULT_FILE`` names a file that may hold a line ``name`` or ``name@n``, and after a blank the last word of
  the command line of those processes that are meant.  It is read at each passage, so one running node can be led
  past point after point; the process that dies renames it to ``<file>.hit`` first, which makes it the only one.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

_NAME, _, _COUNT = os.environ.get("WMS_FAULT_POINT", "").partition("@")
_ARMED: Final = _NAME
_FILE: Final = os.environ.get("WMS_FAULT_FILE", "")
_left = int(_COUNT) if _COUNT.isdigit() else 1
_passages: dict[str, int] = {}


def point(name: str) -> None:
    """Pass the point ``name``; the process ends here when a test armed it."""
    if _ARMED and name == _ARMED:
        _passed()
    if _FILE:
        _look(name)


def _passed() -> None:
    global _left
    _left -= 1
    marker = os.environ.get("WMS_FAULT_MARKER")
    if _left != 0 or not marker:
        return
    try:
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _look(name: str) -> None:
    """Pass a point while the file tells which is armed; passages count from the arming on."""
    try:
        with open(_FILE, encoding="utf-8") as file:
            order = file.read().strip()
    except FileNotFoundError:
        _passages.clear()
        return
    words = order.split()
    armed, _, count = words[0].partition("@") if words else ("", "", "")
    if armed != name or words[1:] not in ([], [sys.argv[-1]]):
        return
    _passages[order] = _passages.get(order, 0) + 1
    if _passages[order] < (int(count) if count.isdigit() else 1):
        return
    try:
        os.rename(_FILE, f"{_FILE}.hit")
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
