"""Asks the catalogues of files where the job's data is, outside of all locks and never for longer than a deadline.

A file's catalogue is the one that the job names, else those that the information system has for the job's VO, else
those of the configuration: the first that knows a replica wins.  One that only the job names must be public
(:mod:`broker.catalogue_address`).  An http address is asked anonymously, an https one with the job's proxy.  Answers
are kept for a minute, for one user each (those without a proxy apart); an address that does not answer is left alone
for a few seconds, so that a job of many files does not wait for it many times.
"""

from __future__ import annotations

import logging
import re
import ssl
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from broker.catalogue_address import Doorkeeper
from broker.data import DataPlan, Replicas, Resolution
from broker.errors import CatalogueRefused
from broker.inputdata import DataRequest, InputFile, data_request
from broker.job import Job
from broker.supermarket import Snapshot
from grid.errors import GridError
from gsi.tls import client_context
from web.dial import Address
from wsdl.client import RemoteFault
from wsdl.datalocation import DataLocation
from wsdl.transport import ServiceUnreachable

log = logging.getLogger("wms.broker")

KEPT_FOR: Final = 60.0
"""Seconds that replicas are remembered."""
EMPTY_FOR: Final = 5.0
"""The same for an answer without replicas."""
SILENT_FOR: Final = 15.0
"""The same for an address that gives no answer."""
MAX_KEPT: Final = 10_000
"""Answers that are remembered."""
MAX_KEPT_LENGTH: Final = 20_000
"""Characters of one of them; longer ones are asked for each time."""

MAX_REPLICAS: Final = 1000
"""Replicas of one file that are looked at."""
MAX_URL: Final = 2048
"""Characters of a replica's URL; longer ones are left out."""

AT_ONCE: Final = 4
"""Questions of one job that are under way at once."""
MAX_OF_OWNER: Final = 8
"""Questions of one user; a catalogue of the user's own that never ends its answers holds up nobody else."""
MAX_QUESTIONS: Final = 64
"""Questions of all users."""
SLOW: Final = 2.0
MAX_SLOW: Final = 2
"""Jobs of one user that may wait for catalogues longer than so many seconds; they keep the broker's threads busy."""

_ADDRESS: Final = re.compile(r"https?://[^/\s?#@]+(/[^\s]*)?")

Discover = Callable[[str], Sequence[str]]
"""The addresses of the catalogues of a VO, best first; quick, and without errors."""


@dataclass
class _Round:
    """The questions of one job.

    :ivar known: the catalogues that this WMS asks by itself.
    :ivar checked: of those that only the job names, where connections may go, or why nowhere.
    """

    owner: str
    proxy: Path | None
    known: tuple[str, ...]
    until: float
    files: deque[tuple[int, InputFile]]
    found: dict[int, Replicas] = field(default_factory=dict)
    clients: dict[str, DataLocation] = field(default_factory=dict)
    checked: dict[str, tuple[Address, ...] | str] = field(default_factory=dict)
    context: ssl.SSLContext | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)


class Catalogues:
    """Safe for threads.

    :param certificates: trust directory, for https addresses.
    :param configured: addresses that are asked after those that ``discover`` gives.
    :param timeout: seconds for one question.
    :param patience: seconds for all questions of one job.
    :param of_jobs: whether a job may name a catalogue of its own; else such an address must be a known one.
    :param doorkeeper: judges what jobs name.
    :param host_credential: shown to configured catalogues alone, when an explanation is wanted without a proxy.
    """

    def __init__(
        self,
        certificates: Path,
        configured: Sequence[str] = (),
        discover: Discover = lambda vo: (),
        *,
        timeout: float = 10.0,
        patience: float = 30.0,
        host_credential: Path | None = None,
        of_jobs: bool = True,
        doorkeeper: Doorkeeper | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._certificates = certificates
        self._configured = tuple(configured)
        self._discover = discover
        self._timeout = timeout
        self._patience = patience
        self._host_credential = host_credential
        self._of_jobs = of_jobs
        self._doorkeeper = doorkeeper or Doorkeeper()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str, str], tuple[float, tuple[str, ...]]] = OrderedDict()
        self._silent: dict[tuple[str, str], tuple[float, str]] = {}
        self._busy: Counter[str] = Counter()
        self._waiting: list[tuple[str, float]] = []

    def plan(self, job: Job, snapshot: Snapshot, owner: str, proxy: Path | None) -> DataPlan | None:
        """Where the job's data is in this picture; None for a job without data.

        :param owner: the user's DN.  :param proxy: the user's proxy; without it https addresses cannot be asked.
        """
        found = self.resolve(job, owner, proxy)
        return None if found is None else found.plan(snapshot)

    def resolve(
        self, job: Job, owner: str, proxy: Path | None, known: Resolution | None = None, good_for: float = 0.0
    ) -> Resolution | None:
        """What the catalogues say of the job's files; None for a job without data.

        :param known: what they said before; it is taken again for ``good_for`` seconds after they answered.
        """
        if known is not None and self.left(known, good_for) > 0:
            return known
        request = data_request(job)
        if request is None:
            return None
        found = tuple(self.replicas(request, owner, proxy))
        return Resolution(request, found, self._monotonic())

    def left(self, known: Resolution, good_for: float) -> float:
        """Seconds for which :meth:`resolve` still takes it."""
        return max(0.0, known.answered_at + good_for - self._monotonic())

    def replicas(self, request: DataRequest, owner: str, proxy: Path | None = None) -> list[Replicas]:
        """The replicas of each file, in the request's order.  What goes wrong stands in :attr:`Replicas.problem`."""
        if not request.files:
            return []
        known = tuple(dict.fromkeys((*self._discover(request.vo), *self._configured)))
        began = (owner, self._monotonic())
        work = _Round(owner, proxy, known, began[1] + self._patience, deque(enumerate(request.files)))
        started = self._start(work, min(AT_ONCE, len(request.files)), began)
        if started:
            work.over.wait(self._patience)
            with self._lock:
                self._waiting.remove(began)
        problem = "the catalogues did not answer in time" if started else "too many slow questions are under way"
        with work.lock:
            work.files.clear()
            return [
                work.found.get(number) or Replicas(file, problem=problem) for number, file in enumerate(request.files)
            ]

    # -- threads -------------------------------------------------------------------------------------------

    def _start(self, work: _Round, wanted: int, began: tuple[str, float]) -> int:
        """Start as many threads as may be; each is daemonic, since nobody can end a question that does not end."""
        with self._lock:
            slow = sum(owner == work.owner and began[1] - at > SLOW for owner, at in self._waiting)
            free = min(MAX_OF_OWNER - self._busy[work.owner], MAX_QUESTIONS - self._busy.total())
            number = max(0, min(wanted, free)) if slow < MAX_SLOW else 0
            self._busy[work.owner] += number
            if number:
                self._waiting.append(began)
        left = Counter(threads=number)
        for _ in range(number):
            try:
                threading.Thread(target=self._ask, args=(work, left), name="catalogue", daemon=True).start()
            except RuntimeError as error:  # the machine has no more threads
                log.warning("a catalogue cannot be asked: %s", error)
                self._leave(work, left)
        return number

    def _ask(self, work: _Round, left: Counter[str]) -> None:
        try:
            while self._monotonic() < work.until:
                with work.lock:
                    if not work.files:
                        break
                    number, file = work.files.popleft()
                found = self._look_up(work, file)
                with work.lock:
                    work.found[number] = found
        except Exception:  # a defect here must not leave the job waiting
            log.exception("a question to a catalogue failed")
        finally:
            self._leave(work, left)

    def _leave(self, work: _Round, left: Counter[str]) -> None:
        """One thread less; the last one ends the round."""
        with self._lock:
            self._busy[work.owner] -= 1
            self._busy += Counter()  # forgets who has none
        with work.lock:
            left["threads"] -= 1
            if not left["threads"]:
                for client in work.clients.values():
                    client.close()
                work.over.set()

    # -- questions -----------------------------------------------------------------------------------------

    def _look_up(self, work: _Round, file: InputFile) -> Replicas:
        if not file.kind:
            return Replicas(file, problem="its name begins with none of lfn:, guid:, lds: and query:")
        addresses = (file.catalogue,) if file.catalogue else work.known
        said: list[str] = []
        for address in addresses:
            try:
                urls, problem = self._answer(work, address, file)
            except CatalogueRefused as refused:
                return Replicas(file, problem=refused.description)
            if urls:
                return Replicas(file, urls)
            said.append(f"{address[:200]} says: {problem}" if problem else f"{address[:200]} knows none")
        return Replicas(file, problem="; ".join(said)[:1000] or "no catalogue is known for the VO")

    def _answer(self, work: _Round, address: str, file: InputFile) -> tuple[tuple[str, ...], str]:
        """What one catalogue says: replicas, or why there are none.

        :raises CatalogueRefused: it is none that this job may name.
        """
        if not _ADDRESS.fullmatch(address):
            return (), "nothing, since it is no address of the form http://host:port/ or https://host:port/"
        asker = work.owner if work.proxy is not None else "without a proxy"
        key = (asker if address.startswith("https:") else "", address, file.asked)
        now = self._monotonic()
        with self._lock:
            kept = self._kept.get(key)
            silent = self._silent.get(key[:2])
        if silent is not None and now < silent[0]:
            return (), silent[1]
        try:
            addresses = self._checked(work, address)
            if kept is not None and now < kept[0]:
                return kept[1], ""
            listed = self._client(work, address, addresses).list_replicas(file.kind, file.asked)
            urls = tuple(url for url in listed if len(url) <= MAX_URL)[:MAX_REPLICAS]
        except CatalogueRefused:
            raise
        except RemoteFault as error:
            return (), " ".join(error.description.split())[:300]
        except ServiceUnreachable as error:
            return (), self._remember_silence(key[:2], _sentence(error))
        except GridError as error:  # the proxy cannot be used, or the trust directory
            return (), error.description[:300]
        self._remember(key, urls)
        return urls, ""

    def _checked(self, work: _Round, address: str) -> tuple[Address, ...] | None:
        """Where connections may go for an address that only the job names; None for one that this WMS knows.

        :raises CatalogueRefused: nowhere.  :raises ServiceUnreachable: its host's name is not known.
        """
        if _whole(address) in map(_whole, work.known):
            return None
        if not self._of_jobs:
            raise CatalogueRefused(address, "this WMS asks catalogues it knows alone")
        with work.lock:
            found = work.checked.get(address)
        if found is None:
            try:
                found = self._doorkeeper.admit(address)  # asks a name server, so not under the lock
            except CatalogueRefused as error:
                log.info("a job of %s names a catalogue: %s", work.owner, error.description)
                found = error.reason
            with work.lock:
                found = work.checked.setdefault(address, found)
        if isinstance(found, str):
            raise CatalogueRefused(address, found)
        return found

    def _client(self, work: _Round, address: str, addresses: tuple[Address, ...] | None) -> DataLocation:
        with work.lock:
            if address not in work.clients:
                context: ssl.SSLContext | None = None
                if address.startswith("https:"):
                    if work.proxy is None:
                        own = self._host_credential if address in self._configured else None
                        context = client_context(self._certificates, own)
                    else:
                        work.context = context = work.context or client_context(self._certificates, work.proxy)
                work.clients[address] = DataLocation(address, context, self._timeout, addresses)
            return work.clients[address]

    def _remember(self, key: tuple[str, str, str], urls: tuple[str, ...]) -> None:
        if sum(map(len, urls)) > MAX_KEPT_LENGTH:
            return
        now = self._monotonic()
        with self._lock:
            self._kept[key] = (now + (KEPT_FOR if urls else EMPTY_FOR), urls)
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)

    def _remember_silence(self, key: tuple[str, str], problem: str) -> str:
        now = self._monotonic()
        with self._lock:
            self._silent = {name: kept for name, kept in self._silent.items() if now < kept[0]}
            if len(self._silent) < MAX_KEPT:
                self._silent[key] = (now + SILENT_FOR, problem)
        return problem


def _whole(address: str) -> str:
    """The address with its path, which may be left out when it is the root."""
    return address if address.count("/") > 2 else f"{address}/"


def _sentence(error: ServiceUnreachable) -> str:
    """Why there is no answer, without what came instead: the address may be the user's invention, and what answers
    there need not be the user's to read."""
    if error.timed_out:
        return "nothing in time"
    if error.status is not None:
        return f"nothing of use (it answered HTTP {error.status})"
    if error.quotes:
        return "nothing of use (its answer is not a catalogue's)"
    return f"nothing of use ({error.reason[:200]})"
