"""The process that buys: an order as JSON on its standard input, parcels on its standard output.

    python -m broker.purchaser

A source's answer is made into ads here, where it stops no other thread, takes no more memory than the order allows,
and gives all of it back when the process ends.  Without a reader it ends at its next parcel, and at its deadline in
any case.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import signal
import sys

from broker.parcels import Sender
from broker.purchase import Order, buy
from grid.errors import GridError

log = logging.getLogger("wms.broker")

MAX_ORDER = 64 << 20
"""Bytes."""


def main() -> int:
    """Serve one order; returns the exit code, 0 also when the source was no good: that is told in a parcel."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    plain = json.loads(sys.stdin.buffer.readline(MAX_ORDER))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who ordered decides when to end
    signal.alarm(int(plain["deadline"]) + 1)
    order = Order.of(plain)
    resource.setrlimit(resource.RLIMIT_AS, (order.memory, order.memory))
    gc.disable()  # nothing here is a cycle, and all of it goes with the process
    with os.fdopen(os.dup(1), "wb", 256 << 10) as out:
        sender = Sender(out)
        try:
            for parcel in buy(order):
                sender.send(parcel)
        except GridError as error:
            sender.send(("failed", error.description))
        except MemoryError:
            room = f"{order.memory >> 20} MiB"
            sys.stderr.write(f"the answer of {order.source.url} does not fit into {room}\n")
            return 3
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                return 4
            sender.send(("failed", f"The purchase from {order.source.url} failed: {error}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
