"""Named points between durable steps where a test may end the process as ``kill -9`` would.

In service a point costs one dictionary look-up.  A test sets ``WMS_FAULT_POINT`` to ``name`` or ``name@n``
(the n-th passage, counted per process) and ``WMS_FAULT_MARKER`` to a file name; the marker is created
exclusively before the process dies, so that a restarted process passes the point unharmed.
"""

from __future__ import annotations

import os
import signal
from typing import Final

_NAME, _, _COUNT = os.environ.get("WMS_FAULT_POINT", "").partition("@")
_ARMED: Final = _NAME
_left = int(_COUNT) if _COUNT.isdigit() else 1


def point(name: str) -> None:
    """Pass the point ``name``; the process ends here when a test armed it."""
    if _ARMED and name == _ARMED:
        _passed()


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
