"""The load limits: refuse an operation while the machine or the service has too much to do.

The limits of an operation are those under its own key, or else those of ``AllOperations`` (gLite's
OperationLoadScripts looked its scripts up in the same way).  What they compare is measured at most once a second,
and only what a limit asks for; between two measurements a check costs a few comparisons.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grid.errors import ConfigurationError, GridError
from wmproxy.errors import LoadTooHigh

log = logging.getLogger("wms.wmproxy")

ALL: Final = "AllOperations"
MEASURED_FOR: Final = 1.0
"""Seconds that a measurement is good for."""

_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an operation needs of the machine; None: that does not matter.  Sizes are bytes.

    :ivar load1: load average of the last minute at most (``load5``, ``load15``: of the last five, fifteen).
    :ivar memory_available: memory that is free or can be freed, at least.
    :ivar sandbox_free: room on the file system of the sandboxes, at least.
    :ivar database_free: room on the file system of an SQLite database, at least.
    :ivar descriptors_free: file descriptors that the process can still open, at least.
    :ivar queue: requests at most that wait in the broker's queue for a computing element.
    :ivar requests: calls at most that are under way in the process.
    :ivar retry_after: seconds after which a refused caller should come back.
    """

    load1: float | None = None
    load5: float | None = None
    load15: float | None = None
    memory_available: int | None = None
    sandbox_free: int | None = None
    database_free: int | None = None
    descriptors_free: int | None = None
    queue: int | None = None
    requests: int | None = None
    retry_after: float = 60.0


_NEW_JOB: Final = Limits(
    memory_available=64 * _MIB, sandbox_free=64 * _MIB, database_free=64 * _MIB, descriptors_free=32, queue=250_000
)

DEFAULTS: Final[Mapping[str, Limits]] = {"jobRegister": _NEW_JOB, "jobSubmit": _NEW_JOB}
"""What holds unless the configuration has limits for the same key."""


@dataclass(frozen=True)
class _Gauge:
    """Something that is measured.

    :ivar most: whether the limit is a most; else it is a least.
    :ivar text: how a measured value reads.
    """

    what: str
    most: bool
    measure: Callable[[], float]
    text: Callable[[float], str] = "{:.0f}".format


class LoadLimiter:
    """Checks the limits of one process.

    :param limits: by operation key, over :data:`DEFAULTS`.
    :param known: the keys that operations have.
    :param queue_depth: given a number, how many requests wait in the broker's queue, counted up to that number.
    :raises ConfigurationError: for limits of a key that no operation has.
    """

    def __init__(
        self,
        limits: Mapping[str, Limits],
        known: frozenset[str],
        sandbox: Path,
        database: Path | None,
        queue_depth: Callable[[int], int],
    ) -> None:
        check_operations(limits.keys(), known)
        self._limits = {**DEFAULTS, **limits}
        most = max((limit.queue for limit in self._limits.values() if limit.queue is not None), default=0)
        self._gauges = _gauges(sandbox, database, lambda: queue_depth(most + 1))
        self._measured: dict[str, tuple[float, float | None]] = {}
        self._lock = threading.Lock()
        self._under_way = 0

    @contextlib.contextmanager
    def admitted(self, operation: str, key: str | None) -> Iterator[None]:
        """Let a call through, and count it while it is under way.

        :param key: the operation's key, None when limits do not apply to it.
        :raises LoadTooHigh: naming the limit, the value measured and when to come back.
        """
        limits = None if key is None else self._limits.get(key) or self._limits.get(ALL)
        if limits is not None:
            self._check(operation, limits)
        with self._lock:
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def _check(self, operation: str, limits: Limits) -> None:
        if limits.requests is not None and self._under_way >= limits.requests:
            what = "the number of calls under way in this process"
            raise LoadTooHigh(operation, what, str(self._under_way), str(limits.requests), limits.retry_after)
        for name, gauge in self._gauges.items():
            limit = getattr(limits, name)
            if limit is None:
                continue
            value = self._value(name, gauge)
            if value is not None and (value > limit if gauge.most else value < limit):
                raise LoadTooHigh(operation, gauge.what, gauge.text(value), gauge.text(limit), limits.retry_after)

    def _value(self, name: str, gauge: _Gauge) -> float | None:
        """The value now, or None when it cannot be measured; one thread measures, the others take what was known."""
        now = time.monotonic()
        taken, value = self._measured.get(name, (0.0, None))
        if taken and now - taken < MEASURED_FOR:
            return value
        with self._lock:
            if taken and self._measured[name][0] != taken:
                return self._measured[name][1]
            self._measured[name] = (now, value)
        try:
            value = gauge.measure()
        except (OSError, ValueError, GridError) as error:
            log.warning("%s cannot be measured, so no limit on it holds: %s", gauge.what, error)
            value = None
        self._measured[name] = (now, value)
        return value


def _gauges(sandbox: Path, database: Path | None, queue_depth: Callable[[], float]) -> dict[str, _Gauge]:
    """What can be measured, under the names of the limits."""
    load = "{:.2f}".format
    found = {
        "load1": _Gauge("the load average of the last minute", True, lambda: os.getloadavg()[0], load),
        "load5": _Gauge("the load average of the last 5 minutes", True, lambda: os.getloadavg()[1], load),
        "load15": _Gauge("the load average of the last 15 minutes", True, lambda: os.getloadavg()[2], load),
        "memory_available": _Gauge("the available memory", False, _memory_available, _size),
        "sandbox_free": _Gauge("the free space for sandboxes", False, lambda: _free(sandbox), _size),
        "descriptors_free": _Gauge("the number of free file descriptors", False, _descriptors_free),
        "queue": _Gauge("the number of requests waiting for a computing element", True, queue_depth),
    }
    if database is not None:
        found["database_free"] = _Gauge("the free space for the database", False, lambda: _free(database), _size)
    return found


def _memory_available() -> float:
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise ValueError("/proc/meminfo does not tell")


def _free(path: Path) -> float:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def _descriptors_free() -> float:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - len(os.listdir("/proc/self/fd"))


def _size(value: float) -> str:
    return f"{value / _MIB:.1f} MiB" if value >= _MIB / 10 else f"{value:.0f} bytes"


def check_operations(named: Iterable[str], known: frozenset[str]) -> None:
    """Load limits are for operations that there are.

    :param named: the keys of those that have limits.
    :param known: the keys of all.
    :raises ConfigurationError: naming the first that is unknown.
    """
    unknown = sorted(set(named) - known - {ALL})
    if unknown:
        raise ConfigurationError(
            f"there are load limits for {unknown[0]}, and no operation has that key; "
            f"there are {ALL}, {', '.join(sorted(known))}"
        )
