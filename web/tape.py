"""Recording what is on the wire: each request and each response as a file of its own, byte by byte.

A service records while its *switch* is there: a file ``<service>.record`` in its run directory that says where to and
how much.  ``wms record`` (:mod:`node.recorder`) makes it and takes it away; workers look for it at the beginning of
each request, which costs one look into a directory when there is none.

In the folder, ``000001.request.http`` and ``000001.response.http`` are one exchange, and every exchange has a line of
JSON in ``index.jsonl``, in the terms of the WS-I monitor: connection, direction (client, server), time.  Files are
private (0600).  What is recorded may hold job descriptions and certificates; a private key never travels.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from grid import clock
from grid.files import write_private

log = logging.getLogger("wms.web")

INDEX: Final = "index.jsonl"
MAX_EXCHANGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Switch:
    """What is to be recorded.

    :ivar folder: exists, and belongs to the service's account.
    :ivar exchanges: at most so many.
    :ivar message_bytes: an exchange with a larger message is noted in the index, and its messages are left out.
    """

    folder: str
    exchanges: int = 10_000
    message_bytes: int = 1 << 20

    @staticmethod
    def path(run_dir: Path, service: str) -> Path:
        """Where the switch of a service is."""
        return run_dir / f"{service}.record"

    def turn_on(self, path: Path) -> None:
        """Record from the next request on."""
        write_private(path, json.dumps(asdict(self)).encode())


class Recorder:
    """Of one worker: makes a tape for each request while the switch is there."""

    def __init__(self, run_dir: Path, service: str) -> None:
        self._path = str(Switch.path(run_dir, service))
        self._seen: tuple[int, Switch | None] = (0, None)
        self._next = 1

    def tape(self, connection: str, client: Any, server: Any, head: bytes) -> Tape | None:
        """The tape for a request whose ``head`` has arrived; None when nothing is to be recorded."""
        switch = self._switch()
        return None if switch is None else Tape(self, switch, connection, (_place(client), _place(server)), head)

    @property
    def wanted(self) -> bool:
        """Something may be to be recorded."""
        return os.access(self._path, os.F_OK)

    def _switch(self) -> Switch | None:
        try:
            changed = os.stat(self._path).st_mtime_ns
        except FileNotFoundError:
            return None
        if changed != self._seen[0]:
            self._next = 1
            self._seen = (changed, self._read())
        return self._seen[1]

    def _read(self) -> Switch | None:
        try:
            switch = Switch(**json.loads(Path(self._path).read_bytes()))
            if [type(value) for value in asdict(switch).values()] != [str, int, int]:
                raise TypeError("it is a text and two numbers")
            return switch
        except (OSError, ValueError, TypeError) as error:
            log.warning("the switch %s cannot be read, nothing is recorded: %s", self._path, error)
            return None

    def number(self, switch: Switch) -> tuple[int, int] | None:
        """The next free number in the folder, which all workers share, with its request file open; None at the end."""
        while self._next <= min(switch.exchanges, MAX_EXCHANGES):
            name = Path(switch.folder) / f"{self._next:06}.request.http"
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                return self._next, os.open(name, flags, 0o600)
            except FileExistsError:
                self._next += 1
        return None


class Tape:
    """One exchange, being recorded."""

    def __init__(self, recorder: Recorder, switch: Switch, connection: str, ends: tuple[str, str], head: bytes) -> None:
        self._recorder = recorder
        self._switch = switch
        self._connection = connection
        self._client, self._server = ends
        self._began = clock.now()
        self._answered: datetime | None = None
        self._request, self._response = bytearray(head), bytearray()
        self._bytes = [len(head), 0]

    def received(self, data: bytes) -> None:
        """Bytes of the request."""
        self._bytes[0] += len(data)
        if self._bytes[0] <= self._switch.message_bytes:
            self._request += data

    def sent(self, data: memoryview) -> None:
        """Bytes of the response."""
        if self._answered is None:
            self._answered = clock.now()
        self._bytes[1] += len(data)
        if self._bytes[1] <= self._switch.message_bytes:
            self._response += data

    def end(self, leftover: int = 0) -> None:
        """The exchange is over; the last ``leftover`` bytes that came in belong to the next request."""
        if leftover:
            self._bytes[0] -= leftover
            del self._request[self._bytes[0] :]
        try:
            self._write()
        except OSError as error:
            log.warning("an exchange was not recorded in %s: %s", self._switch.folder, error)

    def _write(self) -> None:
        taken = self._recorder.number(self._switch)
        if taken is None:
            return
        number, descriptor = taken
        folder = Path(self._switch.folder)
        whole = max(self._bytes) <= self._switch.message_bytes
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._request if whole else b"")
        names = {side: f"{number:06}.{side}.http" if whole else None for side in ("request", "response")}
        if whole:
            _append(folder / f"{number:06}.response.http", bytes(self._response))
        line = {
            "number": number,
            "connection": self._connection,
            "client": self._client,
            "server": self._server,
            "requested": self._began.isoformat(),
            "answered": None if self._answered is None else self._answered.isoformat(),
            "request_bytes": self._bytes[0],
            "response_bytes": self._bytes[1],
            **names,
        }
        _append(folder / INDEX, json.dumps(line).encode() + b"\n")


def _append(path: Path, data: bytes) -> None:
    """Add to a private file by one write, so that lines of several workers do not mix."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(data)


def _place(address: Any) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return str(address)
