"""The limited proxy that travels with a job."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Protocol

from ce.database import Job


@dataclass(frozen=True, slots=True)
class JobProxy:
    """PEM text (certificate, key, chain) and the end of the chain."""

    pem: bytes
    not_after: datetime.datetime


class ProxySource(Protocol):
    """Where proxies come from."""

    def of(self, job: Job) -> JobProxy:
        """The proxy of a job.

        :raises GridError: there is none that can be used.
        """
