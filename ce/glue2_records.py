"""What the element tells the information system of itself: GLUE 2.0, as CREAM and EGI's profile have it.

One computing service with an endpoint; a manager for each batch system, an execution environment for each queue, and
a share for each access rule of each queue.  Limits that there are not are left out, but for the two that the profile
demands, which then say 999999999.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ce import worker_node
from ce.glue1_records import NOBODY, state
from ce.occupation import Occupation
from ce.settings import UNLIMITED, CeSettings, Queue
from infosys.access import vos_of
from infosys.entry import Entry
from infosys.glue2 import RESOURCE, AccessPolicy, Entity, MappingPolicy
from infosys.glue2_computing import (
    ApplicationEnvironment,
    Benchmark,
    ComputingEndpoint,
    ComputingManager,
    ComputingService,
    ComputingShare,
    ExecutionEnvironment,
    ToStorageService,
)
from infosys.names import join
from infosys.unknown import known

VALIDITY: Final = 3600
"""Seconds for which an entry is thought to hold; entries are made anew each minute."""
_JOBS: Final = "executionmanagement.jobexecution"
_OPEN: Final = {"Production": "production", "Queueing": "queueing", "Draining": "draining", "Closed": "closed"}
_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9_.:+-]+")


@dataclass(frozen=True)
class State:
    """A queue as it is: as a whole, and by access rule what those have in it whom the rule admits."""

    now: Occupation
    own: Mapping[str, Occupation]


class Glue2Records:
    """The records of one moment.

    :param states: by queue's name.
    :param tags: software tags of the whole element, beside those of the queues.
    :param moment: when this was found out; aware, UTC.
    :param started: when the service began to answer, likewise.
    :param issuer: DN of who issued the service's certificate.
    """

    def __init__(
        self,
        settings: CeSettings,
        states: Mapping[str, State],
        tags: tuple[str, ...],
        moment: datetime,
        *,
        started: datetime,
        issuer: str,
    ) -> None:
        self._settings = settings
        self._states = states
        self._tags = tags
        self._started = started.strftime("%Y-%m-%dT%H:%M:%SZ")
        self._issuer = issuer
        self._common: dict[str, Any] = {
            "creation_time": moment.strftime("%Y-%m-%dT%H:%M:00Z"),
            "validity": VALIDITY,
            "other_info": (
                "InfoProviderName=wmproxy-ce",
                f"InfoProviderVersion={importlib.metadata.version('wmproxy')}",
                f"InfoProviderHost={settings.host}",
            ),
        }
        self._service = settings.host if settings.port == 8443 else f"{settings.host}:{settings.port}"
        self._service_id = f"{self._service}_ComputingElement"
        self._endpoint_id = f"{self._service}_org.glite.ce.CREAM"

    def entries(self, suffix: str = RESOURCE) -> list[Entry]:
        """The entries, those above before those below."""
        service = self._computing_service()
        base = join(service.rdn, suffix)
        endpoint = self._endpoint()
        found = [service.entry(suffix), endpoint.entry(base)]
        found.append(self._access_policy().entry(join(endpoint.rdn, base)))
        for lrms in dict.fromkeys(queue.lrms for queue in self._settings.queues):
            found.append(self._manager(lrms).entry(base))
        for queue in self._settings.queues:
            found.extend(self._queue_entries(queue, base))
        found.extend(each.entry(base) for each in self._applications())
        found.extend(each.entry(base) for each in self._close_storage())
        return found

    def _queue_entries(self, queue: Queue, base: str) -> Iterator[Entry]:
        environment = self._environment(queue)
        yield environment.entry(base)
        for benchmark in self._benchmarks(queue, environment.id):
            yield benchmark.entry(join(environment.rdn, base))
        for rule in [rule for rule in queue.access_rules if rule[:5].upper() != "DENY:"] or [NOBODY]:
            share = self._share(queue, rule)
            yield share.entry(base)
            denied = tuple(each for each in queue.access_rules if each[:5].upper() == "DENY:" and each != rule)
            policy = MappingPolicy(
                id=f"{share.id}_policy",
                rules=(rule, *denied),
                share_ids=(share.id,),
                user_domain_ids=vos_of([rule]),
                **self._common,
            )
            yield policy.entry(join(share.rdn, base))

    def _totals(self) -> dict[str, Any]:
        states = self._states.values()
        running, waiting = sum(each.now.running for each in states), sum(each.now.waiting for each in states)
        return {"total_jobs": running + waiting, "running_jobs": running, "waiting_jobs": waiting}

    def _computing_service(self) -> ComputingService:
        shares = sum(len(queue.access_rules) or 1 for queue in self._settings.queues)
        profile = ("ProfileName=EGI", "ProfileVersion=1.0")
        return ComputingService(
            **{**self._common, "other_info": (*self._common["other_info"], *profile)},
            id=self._service_id,
            name=self._service_id,
            type="org.glite.ce.CREAM",
            capability=(_JOBS,),
            complexity=f"endpointType=1, share={shares}, resource={len(self._settings.queues)}",
            domain_ids=(self._settings.site,),
            **self._totals(),
        )

    def _endpoint(self) -> ComputingEndpoint:
        settings = self._settings
        states = {_OPEN[queue.status] for queue in settings.queues}
        serving = next(each for each in ("production", "queueing", "draining", "closed") if each in states)
        return ComputingEndpoint(
            **self._common,
            id=self._endpoint_id,
            name=self._endpoint_id,
            service_id=self._service_id,
            url=f"{settings.base}/ce-cream/services",
            interface_name="org.glite.ce.CREAM",
            interface_version="2.1",
            capability=(_JOBS, "executionmanagement.jobmanagement", "executionmanagement.jobdescription"),
            wsdl=(f"{settings.endpoint}?wsdl",),
            semantics=("https://wiki.italiangrid.it/twiki/bin/view/CREAM/UserGuide",),
            implementor="wmproxy",
            implementation_name="CREAM",
            implementation_version="1.16",
            health_state="ok",
            serving_state=serving,
            start_time=self._started,
            issuer_ca=self._issuer,
            staging="staginginout",
            job_description=("glite:jdl",),
            **self._totals(),
        )

    def _access_policy(self) -> AccessPolicy:
        rules = tuple(
            dict.fromkeys(rule for queue in self._settings.queues for rule in queue.access_rules if rule[:5] != "DENY:")
        )
        return AccessPolicy(
            id=f"{self._endpoint_id}_policy",
            rules=rules or (NOBODY,),
            endpoint_ids=(self._endpoint_id,),
            user_domain_ids=vos_of(rules),
            **self._common,
        )

    def _manager_id(self, lrms: str) -> str:
        return f"{self._service_id}_Manager_{lrms}"

    def _manager(self, lrms: str) -> ComputingManager:
        queues = [queue for queue in self._settings.queues if queue.lrms == lrms]
        cpus = sum(max(queue.cpus, queue.slots) for queue in queues)
        busy = sum(self._states[queue.name].now.busy for queue in queues)
        return ComputingManager(
            **self._common,
            id=self._manager_id(lrms),
            name=self._manager_id(lrms),
            service_id=self._service_id,
            product_name=lrms,
            product_version="1",
            bulk_submission=False,
            reservation=False,
            total_physical_cpus=cpus,
            total_logical_cpus=cpus,
            total_slots=sum(queue.slots for queue in queues),
            slots_used_by_grid_jobs=busy,
            slots_used_by_local_jobs=0,
            homogeneous=True,
            working_area_shared=True,
            tmp_dir="/tmp",
        )

    def _environment_id(self, queue: Queue) -> str:
        return f"{queue.name}_{self._service_id}_Environment"

    def _environment(self, queue: Queue) -> ExecutionEnvironment:
        host = worker_node.local()
        return ExecutionEnvironment(
            **self._common,
            id=self._environment_id(queue),
            name=queue.name,
            manager_id=self._manager_id(queue.lrms),
            platform=host.platform,
            virtual_machine=host.virtual,
            total_instances=max(1, queue.slots // queue.cpus),
            physical_cpus=queue.cpus,
            logical_cpus=queue.cpus,
            cpu_multiplicity="singlecpu-singlecore" if queue.cpus == 1 else "singlecpu-multicore",
            cpu_vendor=host.cpu_vendor,
            cpu_model=host.cpu_model,
            cpu_version=host.cpu_version,
            cpu_clock_speed=host.clock_speed,
            cpu_time_scaling=1.0,
            wall_time_scaling=1.0,
            main_memory=queue.ram_mb,
            virtual_memory=queue.virtual_mb,
            os_family=host.os_family,
            os_name=host.os_name,
            os_version=host.os_release,
            connectivity_in=False,
            connectivity_out=True,
        )

    def _benchmarks(self, queue: Queue, environment_id: str) -> Iterator[Benchmark]:
        scores = {"specint2000": queue.si00, "specfp2000": queue.sf00, "hep-spec06": queue.hep_spec06}
        for kind, score in scores.items():
            if score is not None:
                yield Benchmark(
                    **self._common, id=f"{environment_id}_{kind}", type=kind, value=score, environment_id=environment_id
                )

    def _share(self, queue: Queue, rule: str) -> ComputingShare:
        seen = self._states[queue.name]
        own = seen.own.get(rule, seen.now if rule == NOBODY else None) or Occupation(0, 0, 0, 0.0)
        shown = state(queue, seen.now, own)
        wall = queue.max_wall_minutes * 60 if queue.max_wall_minutes else None
        cpu = queue.max_cpu_minutes * 60 if queue.max_cpu_minutes else None
        name = _names(queue.access_rules).get(rule, "nobody")
        return ComputingShare(
            **{**self._common, "other_info": (*self._common["other_info"], f"CREAMCEId={self._settings.ce_id(queue)}")},
            id=f"{queue.name}_{name}_{self._service_id}",
            name=f"{queue.name} for {rule}",
            description=f"What {rule} has of the queue {queue.name}",
            service_id=self._service_id,
            endpoint_ids=(self._endpoint_id,),
            resource_ids=(self._environment_id(queue),),
            serving_state=_OPEN[queue.status],
            mapping_queue=queue.name,
            max_wall_time=wall,
            default_wall_time=wall or UNLIMITED,
            max_multi_slot_wall_time=wall,
            max_cpu_time=cpu,
            default_cpu_time=cpu or UNLIMITED,
            max_total_cpu_time=cpu * queue.slots if cpu else None,
            min_wall_time=0,
            min_cpu_time=0,
            max_total_jobs=queue.slots + queue.max_waiting,
            max_running_jobs=queue.slots,
            max_waiting_jobs=queue.max_waiting,
            max_user_running_jobs=queue.slots,
            max_slots_per_job=queue.slots,
            max_main_memory=queue.ram_mb,
            guaranteed_main_memory=queue.ram_mb,
            max_virtual_memory=queue.virtual_mb,
            guaranteed_virtual_memory=queue.virtual_mb,
            scheduling_policy="fifo",
            preemption=False,
            default_storage_service=queue.close_storage[0].se_id if queue.close_storage else "",
            total_jobs=shown.total_jobs,
            running_jobs=shown.running_jobs,
            waiting_jobs=shown.waiting_jobs,
            local_running_jobs=0,
            local_waiting_jobs=0,
            suspended_jobs=0,
            staging_jobs=0,
            estimated_average_waiting_time=shown.estimated_response_time,
            # with no limit nobody knows the worst, and the profile wants a number that is none of the placeholders
            estimated_worst_waiting_time=known(shown.worst_response_time) or shown.estimated_response_time,
            free_slots=shown.free_job_slots,
            used_slots=own.busy,
            requested_slots=own.asked,
            reservation_policy="none",
        )

    def _applications(self) -> Iterator[Entity]:
        """An application environment for each software tag of each batch system."""
        having: dict[tuple[str, str], list[str]] = {}
        for queue in self._settings.queues:
            for tag in dict.fromkeys((*queue.software, *self._tags)):
                having.setdefault((queue.lrms, tag), []).append(self._environment_id(queue))
        for (lrms, tag), environments in having.items():
            yield ApplicationEnvironment(
                **self._common,
                id=f"{tag}_{self._manager_id(lrms)}",
                app_name=tag,
                description="a software tag",
                manager_id=self._manager_id(lrms),
                environment_ids=tuple(environments),
            )

    def _close_storage(self) -> Iterator[Entity]:
        close = {each.se_id: each for queue in self._settings.queues for each in queue.close_storage}
        for each in close.values():
            yield ToStorageService(
                **self._common,
                id=f"{self._service_id}_{each.se_id}",
                local_path=each.mount or "n.a.",
                remote_path=each.remote or "/",
                computing_service_id=self._service_id,
                storage_service_id=each.se_id,
            )


def _names(rules: Sequence[str]) -> dict[str, str]:
    """What each rule is called in identifiers: its VO or FQAN, and a number where two would be called alike."""
    found: dict[str, str] = {}
    for rule in rules:
        bare = _NOT_IN_IDS.sub("_", rule.partition(":")[2] if ":" in rule[:5] else rule).strip("_") or "any"
        count = sum(name == bare or name.startswith(f"{bare}~") for name in found.values())
        found.setdefault(rule, f"{bare}~{count + 1}" if count else bare)
    return found
