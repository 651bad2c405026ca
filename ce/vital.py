"""Threads that the service cannot live without."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable

_log = logging.getLogger("wms.ce")


class VitalThread(threading.Thread):
    """A thread whose death ends its process, so that the supervisor's fresh one takes the work over.

    A service that answers while nothing moves behind it would be worse.
    """

    def __init__(self, name: str, target: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._body = target

    def run(self) -> None:
        try:
            self._body()
        except BaseException:
            _log.critical("the thread %s died; the service ends and is started again", self.name, exc_info=True)
            os.kill(os.getpid(), signal.SIGTERM)
            raise
