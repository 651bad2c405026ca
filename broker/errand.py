"""Sending the purchaser out: a process for one purchase, and its parcels as they come.

The process is always ended when the errand is: after its receipt, at the deadline, at a stream that makes no sense,
and when the supermarket closes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from broker.parcels import Nodes, ParcelError, Receiver
from broker.purchase import STATES, STORED, Order, Receipt
from broker.states import Values
from grid.errors import InternalFailure
from infosys.ce_ads import CeRecord
from infosys.se_ads import SeRecord

log = logging.getLogger("wms.broker")

MAX_RECORDS: Final = 300_000
"""Records of one purchase, storage elements included."""
ANSWERS: Final = 3
"""Answers of one purchase, each with the source's timeout: schema, GLUE 1.3, GLUE 2.0."""
ASSEMBLING: Final = 120.0
"""Seconds for making and handing over the ads."""
_CHUNK: Final = 256 << 10


class PurchaseFailed(InternalFailure):
    """A purchase brought nothing; the description says why, in one sentence."""


@dataclass
class Goods:
    """What one errand brought."""

    records: list[CeRecord] = field(default_factory=list)
    storage: list[SeRecord] = field(default_factory=list)
    states: dict[str, Values] = field(default_factory=dict)
    receipt: Receipt = field(default_factory=Receipt)
    seconds: float = 0.0
    """From the order to the receipt."""


class Errand:
    """One purchase in a process of its own.

    :param nodes: of the source's purchase before.
    :param expecting: called with the number of records before the first of them comes.
    """

    def __init__(
        self, order: Order, expecting: Callable[[int], None] = lambda _: None, nodes: Nodes | None = None
    ) -> None:
        self._order = order
        self._nodes = nodes or Nodes()
        self._expecting = expecting
        self._seconds = order.source.timeout * (1 if order.kind == STATES else ANSWERS) + ASSEMBLING
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self) -> Goods:
        """Go, wait, and come back.

        :raises PurchaseFailed: with the reason.
        """
        began = time.monotonic()
        try:
            with self._sent() as process:
                goods = self._collected(process, began + self._seconds)
        except OSError as error:
            raise PurchaseFailed(f"The purchase from {self._order.source.url} failed: {error}") from error
        goods.seconds = time.monotonic() - began
        return goods

    def stop(self) -> None:
        """End the process; :meth:`run` raises soon."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    @contextlib.contextmanager
    def _sent(self) -> Any:
        with self._lock:
            if self._stopped:
                raise PurchaseFailed(f"The purchase from {self._order.source.url} was called off")
            process = self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "broker.purchaser"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        try:
            yield process
        finally:
            process.kill()
            for end in (process.stdin, process.stdout):
                if end is not None:
                    with contextlib.suppress(OSError):
                        end.close()
            process.wait()

    def _collected(self, process: subprocess.Popen[bytes], deadline: float) -> Goods:
        if process.stdin is None or process.stdout is None:
            raise PurchaseFailed("the purchaser has no pipes")
        order = {**self._order.plain(), "deadline": self._seconds}
        with contextlib.suppress(BrokenPipeError):  # then its stream ends at once, which is told below
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.close()
        receiver = Receiver(_Pipe(process.stdout.fileno(), deadline), self._nodes)
        goods = Goods()
        while True:
            try:
                kind, content = receiver.receive()
            except ParcelError as error:
                raise PurchaseFailed(self._ended(process, error)) from error
            except TimeoutError:
                raise PurchaseFailed(
                    f"The purchase from {self._order.source.url} was not done within {self._seconds:.0f} s"
                ) from None
            if kind == "failed":
                raise PurchaseFailed(content)
            if kind == "receipt":
                goods.receipt = Receipt(**content)
                return goods
            self._put(goods, kind, content)

    def _put(self, goods: Goods, kind: str, content: Any) -> None:
        if kind == "head":
            self._expecting(content)
        elif kind == "records":
            goods.records.extend(content)
        elif kind == "storage":
            goods.storage.extend(content)
        elif kind == "states":
            goods.states.update(content)
        if len(goods.records) + len(goods.storage) + len(goods.states) > MAX_RECORDS:
            raise PurchaseFailed(f"The information source {self._order.source.url} has more than {MAX_RECORDS} records")

    def _ended(self, process: subprocess.Popen[bytes], error: ParcelError) -> str:
        """Why there was no receipt."""
        what = "stored picture" if self._order.kind == STORED else "answer"
        url = self._order.source.url
        if self._stopped:
            return f"The purchase from {url} was called off"
        try:
            code = process.wait(1.0)
        except subprocess.TimeoutExpired:
            return f"The purchase from {url} makes no sense: {error.description}"
        if code == 3:
            return (
                f"The {what} of {url} needs more than {self._order.memory >> 20} MiB; "
                "raise [broker] purchase_memory if that is right"
            )
        return f"The purchase from {url} ended without a receipt (exit code {code}); the log may know more"


class _Pipe:
    """The reading end of a pipe, with a deadline.

    :raises TimeoutError: from reading, at the deadline.
    """

    def __init__(self, descriptor: int, deadline: float) -> None:
        self._descriptor = descriptor
        self._deadline = deadline
        self._data = b""
        self._place = 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def read(self, size: int) -> bytes:
        """So many bytes, fewer at the end."""
        while len(self._data) - self._place < size and self._more():
            pass
        found = self._data[self._place : self._place + size]
        self._place += len(found)
        return found

    def readline(self) -> bytes:
        """Up to and with the next line feed."""
        while b"\n" not in self._data[self._place :] and self._more():
            pass
        end = self._data.find(b"\n", self._place)
        return self.read((end + 1 if end >= 0 else len(self._data)) - self._place)

    def _more(self) -> bool:
        left = self._deadline - time.monotonic()
        if left <= 0 or not self._poll.poll(left * 1000):
            raise TimeoutError
        data = os.read(self._descriptor, _CHUNK)
        self._data = self._data[self._place :] + data
        self._place = 0
        return bool(data)
