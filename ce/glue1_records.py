"""What the element tells the information system of its queues: GLUE 1.3.

Each queue is one GlueCE with a cluster and sub-cluster of its own, because the broker takes memory and software
from the sub-cluster and queues differ in them.  Each VO and FQAN that a queue admits has its view.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ce import worker_node
from ce.occupation import Occupation, free_slots, response_time
from ce.settings import UNLIMITED, CeSettings, Queue
from infosys.access import vos_of
from infosys.entry import Entry
from infosys.glue1 import (
    CEInfo,
    CEPolicy,
    CESEBind,
    CEState,
    Cluster,
    ComputingElement,
    SubCluster,
    VOView,
    bind_entries,
    entries_of,
)
from infosys.glue1_service import Service, with_offset

LONGEST_RESPONSE: Final = 2_146_660_842
"""Seconds that production sites publish for *nobody knows how long*; it fits 32 bits."""
NOBODY: Final = "DENY:/*"
"""The rule of a queue that admits nobody; GLUE 1.3 demands one."""


def queue_entries(
    settings: CeSettings, queue: Queue, now: Occupation, own: Mapping[str, Occupation], tags: tuple[str, ...] = ()
) -> list[Entry]:
    """The entries of one queue.

    :param own: by access rule what those have in the queue whom it admits.
    :param tags: software tags of the whole element, beside those of the queue.
    """
    ce_id = settings.ce_id(queue)
    cluster = f"{settings.host}-{queue.name}"
    entries = entries_of(
        [
            _element(settings, queue, now, own),
            Cluster(unique_id=cluster, site_id=settings.site, ce_ids=(ce_id,), name=cluster),
            _sub_cluster(queue, cluster, tags),
        ]
    )
    if queue.close_storage:
        binds = [
            CESEBind(ce_id=ce_id, se_id=each.se_id, access_point=each.mount, mount_info=each.mount)
            for each in queue.close_storage
        ]
        entries += bind_entries(ce_id, binds)
    return entries


def service_entries(settings: CeSettings, started: str) -> list[Entry]:
    """The service through which all queues are reached.

    :param started: when it began to answer, ISO 8601 in UTC.
    """
    granted = [rule for queue in settings.queues for rule in queue.access_rules if rule[:5].upper() != "DENY:"]
    return Service(
        unique_id=f"{settings.host}:{settings.port}_org.glite.ce.CREAM",
        site_id=settings.site,
        name=f"{settings.host}-CREAM",
        type="org.glite.ce.CREAM",
        version="2.1",
        endpoint=f"{settings.base}/ce-cream/services",
        status="OK",
        status_info="the service publishes this itself",
        wsdl=f"{settings.endpoint}?wsdl",
        start_time=with_offset(started),
        access_point_url=f"{settings.base}/ce-cream/services",
        uri=f"{settings.base}/ce-cream/services",
        owner=vos_of(granted),
        access=tuple(dict.fromkeys(granted)),
        access_rule=vos_of(granted),
    ).entries()


def _element(settings: CeSettings, queue: Queue, now: Occupation, own: Mapping[str, Occupation]) -> ComputingElement:
    return ComputingElement(
        unique_id=settings.ce_id(queue),
        cluster_id=f"{settings.host}-{queue.name}",
        name=queue.name,
        access=queue.access_rules or (NOBODY,),
        capability=(f"CPUScalingReferenceSI00={queue.si00}",) if queue.si00 else (),
        info=CEInfo(
            host_name=settings.host,
            gatekeeper_port=settings.port,
            lrms_type=queue.lrms,
            lrms_version="1",
            job_manager=queue.lrms,
            contact=(f"{settings.base}/ce-cream/services",),
            total_cpus=queue.slots,
            default_se=queue.close_storage[0].se_id if queue.close_storage else "",
        ),
        state=state(queue, now),
        policy=_policy(queue),
        views=tuple(
            VOView(
                local_id=rule.partition(":")[2],
                access=(rule,),
                state=state(queue, now, own.get(rule)),
                policy=_policy(queue),
                default_se=queue.close_storage[0].se_id if queue.close_storage else "",
            )
            for rule in queue.access_rules
            if rule.upper().startswith(("VO:", "VOMS:"))
        ),
    )


def state(queue: Queue, now: Occupation, own: Occupation | None = None) -> CEState:
    """The state of a queue, or of what those have in it whose jobs are ``own``."""
    shown = own or now
    free = free_slots(queue, now, own)
    estimate = response_time(queue, now)
    worst = (now.waiting + 1) * (queue.max_wall_minutes or UNLIMITED) * 60
    return CEState(
        status=queue.status,
        running_jobs=shown.running,
        waiting_jobs=shown.waiting,
        total_jobs=shown.running + shown.waiting,
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


def _sub_cluster(queue: Queue, cluster: str, tags: tuple[str, ...]) -> SubCluster:
    host = worker_node.local()
    return SubCluster(
        unique_id=cluster,
        cluster_id=cluster,
        name=cluster,
        physical_cpus=max(queue.cpus, queue.slots),
        logical_cpus=max(queue.cpus, queue.slots),
        platform=host.platform,
        smp_size=queue.cpus,
        processor_vendor=host.cpu_vendor,
        processor_model=host.cpu_model,
        processor_clock_speed=host.clock_speed or 0,
        ram_size=queue.ram_mb,
        virtual_size=queue.virtual_mb,
        os_name=host.os_name,
        os_release=host.os_release,
        os_version=host.os_version,
        si00=queue.si00,
        sf00=queue.sf00,
        software=tuple(dict.fromkeys((*queue.software, *tags))),
    )
