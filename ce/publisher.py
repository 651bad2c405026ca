"""What the element tells the information system: GLUE 1.3 entries of its queues with their live state.

Each queue is one GlueCE with a cluster and sub-cluster of its own, because the broker takes memory and software
from the sub-cluster and queues differ in them.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ce import database
from ce.settings import UNLIMITED, CeSettings, Queue
from ce.vital import VitalThread
from infosys.entry import Entry
from infosys.glue1 import CEInfo, CEPolicy, CEState, Cluster, ComputingElement, Record, SubCluster, entries_of
from infosys.server import LdapServer

_log = logging.getLogger("wms.ce")
ASSUMED_SECONDS = 60.0
"""How long a job is taken to run while none has ended yet."""
_REST = 1.0
_REPEAT = 60.0


@dataclass(frozen=True, slots=True)
class Occupation:
    """How full a queue is, and how long its last jobs ran on the average (s).

    :ivar busy: slots in use; a running job may have several.
    """

    running: int
    waiting: int
    busy: int
    mean_seconds: float


LONGEST_RESPONSE = 2_146_660_842
"""Seconds that production sites publish for *nobody knows how long*; it fits 32 bits."""


def response_time(queue: Queue, now: Occupation) -> int:
    """Seconds until a job that comes now would start: 0 while there is a free slot (GLUE 1.3, estimated)."""
    if now.busy < queue.slots and now.waiting == 0:
        return 0
    return max(1, int((now.waiting + 1) * now.mean_seconds / queue.slots))


def records(settings: CeSettings, queue: Queue, now: Occupation) -> list[Record]:
    """The GLUE 1.3 records of one queue."""
    ce_id = settings.ce_id(queue)
    cluster = f"{settings.host}-{queue.name}"
    element = ComputingElement(
        unique_id=ce_id,
        cluster_id=cluster,
        name=queue.name,
        access=queue.access_rules or ("DENY:/*",),
        capability=("CPUScalingReferenceSI00=0",),
        info=CEInfo(
            host_name=settings.host,
            gatekeeper_port=settings.port,
            lrms_type=queue.lrms,
            lrms_version="1",
            job_manager=queue.lrms,
            contact=(f"{settings.base}/ce-cream/services",),
            total_cpus=queue.slots,
        ),
        state=_state(queue, now),
        policy=_policy(queue),
    )
    return [
        element,
        Cluster(unique_id=cluster, site_id=settings.site, ce_ids=(ce_id,), name=cluster),
        _sub_cluster(queue, cluster),
    ]


def _state(queue: Queue, now: Occupation) -> CEState:
    free = max(0, queue.slots - now.busy)
    estimate = response_time(queue, now)
    worst = (now.waiting + 1) * (queue.max_wall_minutes or UNLIMITED) * 60
    return CEState(
        status=queue.status,
        running_jobs=now.running,
        waiting_jobs=now.waiting,
        total_jobs=now.running + now.waiting,
        free_job_slots=free,
        free_cpus=free,
        estimated_response_time=estimate,
        worst_response_time=min(LONGEST_RESPONSE, max(estimate, worst)) if estimate else 0,
    )


def _policy(queue: Queue) -> CEPolicy:
    wall, cpu = queue.max_wall_minutes or UNLIMITED, queue.max_cpu_minutes or UNLIMITED
    return CEPolicy(
        max_cpu_time=cpu,
        max_obtainable_cpu_time=cpu,
        max_wall_clock_time=wall,
        max_obtainable_wall_clock_time=wall,
        max_running_jobs=queue.slots,
        max_waiting_jobs=queue.max_waiting,
        max_total_jobs=queue.slots + queue.max_waiting,
        max_slots_per_job=queue.slots,
        assigned_job_slots=queue.slots,
        priority=queue.priority,
    )


def _sub_cluster(queue: Queue, cluster: str) -> SubCluster:
    host = os.uname()
    return SubCluster(
        unique_id=cluster,
        cluster_id=cluster,
        name=cluster,
        physical_cpus=queue.cpus,
        logical_cpus=queue.cpus,
        platform=host.machine,
        smp_size=queue.cpus,
        ram_size=queue.ram_mb,
        virtual_size=queue.virtual_mb,
        os_name=host.sysname,
        os_release=platform.freedesktop_os_release().get("VERSION_ID", host.release) if _has_release() else "",
        os_version=host.release,
        software=queue.software,
    )


def _has_release() -> bool:
    return os.path.exists("/etc/os-release") or os.path.exists("/usr/lib/os-release")


class Publisher:
    """The resource level of the information system, in the element's own process.

    The entries are exchanged after a change, once a second at most, and once a minute in any case.
    """

    def __init__(self, settings: CeSettings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self.server = LdapServer(settings.resource_bind)
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._thread = VitalThread("ce-publisher", self._run)

    def start(self) -> None:
        """Take the address, publish, and go on.

        :raises BindFailure: the address cannot be had.
        """
        self.server.start()
        self.server.publish(self.entries())
        self._thread.start()

    def changed(self) -> None:
        """Jobs changed: publish soon."""
        self._changed.set()

    def close(self) -> None:
        """Stop; the address is free again."""
        self._closing.set()
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10.0)
        self.server.close()

    def entries(self) -> list[Entry]:
        """The entries as things stand."""
        found: list[Entry] = []
        with self._engine.connect() as db:
            for queue in self._settings.queues:
                running, waiting, busy = database.occupation(db, queue.name)
                mean = database.mean_seconds(db, queue.name, 20)
                now = Occupation(running, waiting, busy, ASSUMED_SECONDS if mean is None else max(mean, 1.0))
                found += entries_of(records(self._settings, queue, now))
        return found

    def _run(self) -> None:
        while not self._closing.wait(_REST):
            self._changed.wait(_REPEAT)
            self._changed.clear()
            if self._closing.is_set():
                return
            try:
                self.server.publish(self.entries())
            except SQLAlchemyError as error:
                _log.error("the state of the queues cannot be read; the last one stays published: %s", error)
