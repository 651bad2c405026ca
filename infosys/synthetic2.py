"""The made-up grid (:mod:`infosys.synthetic`) as GLUE 2.0 tells it: the same sites, elements, shares and states.

One computing service for each host, with an endpoint, a manager, an execution environment, its benchmarks, a share for
each VO view (or access rule) of each queue, and an application environment for each software tag.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from infosys.ce_id import CeId
from infosys.entry import Entry
from infosys.glue2 import AccessPolicy, AdminDomain, MappingPolicy
from infosys.glue2_computing import (
    ApplicationEnvironment,
    Benchmark,
    ComputingEndpoint,
    ComputingManager,
    ComputingService,
    ComputingShare,
    ExecutionEnvironment,
)
from infosys.levels import Level
from infosys.names import join
from infosys.synthetic import VOS, entries
from infosys.unknown import is_unknown

_PLATFORMS: Final = {"x86_64": "amd64", "i686": "i386", "aarch64": "arm64", "ppc64le": "ppc64le"}
_FAMILY: Final = "linux"


def entries2(
    sites: int, *, ces_per_site: int = 5, seed: int = 0, vos: Sequence[str] = VOS, moment: int = 0
) -> Iterator[Entry]:
    """The GLUE 2.0 entries of a top-level tree, below ``GLUE2DomainID=<site>,GLUE2GroupID=grid,o=glue``.

    The parameters are those of :func:`infosys.synthetic.entries`, and so is the grid.
    """
    site: list[Entry] = []
    for entry in entries(sites, ces_per_site=ces_per_site, seed=seed, vos=vos, moment=moment):
        if entry.is_a("GlueSite") and site:
            yield from _site(site)
            site = []
        site.append(entry)
    yield from _site(site)


def _site(found: list[Entry]) -> Iterator[Entry]:
    name = found[0].first("GlueSiteUniqueID") or ""
    suffix = Level.TOP.suffix2(name)
    domain = AdminDomain(id=name, description="A made-up site", www=found[0].values("GlueSiteWeb"))
    yield domain.entry("GLUE2GroupID=grid,o=glue")
    for hosts in (entry for entry in found if entry.is_a("GlueSubCluster")):
        yield from _service(name, suffix, hosts, found)


def _service(site: str, suffix: str, hosts: Entry, found: list[Entry]) -> Iterator[Entry]:
    """A host with its queues."""
    host = hosts.first("GlueSubClusterUniqueID") or ""
    queues = [each for each in found if each.is_a("GlueCE") and each.first("GlueCEHostingCluster") == host]
    first = queues[0]
    creamy = first.first("GlueCEImplementationName") == "CREAM"
    kind = "org.glite.ce.CREAM" if creamy else "org.nordugrid.arex"
    service = ComputingService(id=f"{host}_ComputingElement", type=kind, domain_ids=(site,))
    base = join(service.rdn, suffix)
    yield service.entry(suffix)
    endpoint = ComputingEndpoint(
        id=f"{host}_{kind}",
        service_id=service.id,
        url=first.values("GlueCEInfoContactString")[0],
        interface_name="org.glite.ce.CREAM" if creamy else "org.nordugrid.gridftpjob",
        implementation_name=first.first("GlueCEImplementationName") or "",
        implementation_version=first.first("GlueCEImplementationVersion") or "",
        health_state="ok",
    )
    yield endpoint.entry(base)
    manager = ComputingManager(
        id=f"{host}_Manager",
        service_id=service.id,
        product_name=first.first("GlueCEInfoLRMSType") or "unknown",
        product_version=first.first("GlueCEInfoLRMSVersion") or "",
        total_logical_cpus=_number(first, "GlueCEInfoTotalCPUs"),
        application_dir="/opt/exp_soft",
    )
    yield manager.entry(base)
    environment = _environment(host, manager.id, hosts)
    yield environment.entry(base)
    yield from _benchmarks(environment, hosts, base)
    rules: dict[str, None] = {}
    for queue in queues:
        views = [each for each in found if each.is_a("GlueVOView") and each.dn.endswith(f",{queue.dn}")]
        for rule, state in _rules(queue, views):
            rules[rule[0]] = None
            yield from _share(queue, rule, state, endpoint, environment.id, base)
    policy = AccessPolicy(id=f"{endpoint.id}_policy", rules=tuple(rules), endpoint_ids=(endpoint.id,))
    yield policy.entry(join(endpoint.rdn, base))
    for tag in hosts.values("GlueHostApplicationSoftwareRunTimeEnvironment"):
        yield ApplicationEnvironment(id=f"{tag}_{host}", app_name=tag, manager_id=manager.id).entry(base)


def _environment(host: str, manager: str, hosts: Entry) -> ExecutionEnvironment:
    return ExecutionEnvironment(
        id=host,
        manager_id=manager,
        platform=_PLATFORMS.get(hosts.first("GlueHostArchitecturePlatformType") or "", "UNDEFINEDVALUE"),
        main_memory=_number(hosts, "GlueHostMainMemoryRAMSize") or 444_444,
        virtual_memory=_number(hosts, "GlueHostMainMemoryVirtualSize"),
        os_family=_FAMILY,
        os_name=hosts.first("GlueHostOperatingSystemName") or "",
        os_version=hosts.first("GlueHostOperatingSystemRelease") or "",
        connectivity_in=hosts.first("GlueHostNetworkAdapterInboundIP") == "TRUE",
        connectivity_out=hosts.first("GlueHostNetworkAdapterOutboundIP") == "TRUE",
        logical_cpus=_number(hosts, "GlueHostArchitectureSMPSize"),
        cpu_vendor=hosts.first("GlueHostProcessorVendor") or "",
        cpu_model=hosts.first("GlueHostProcessorModel") or "",
        cpu_clock_speed=_number(hosts, "GlueHostProcessorClockSpeed"),
    )


def _benchmarks(environment: ExecutionEnvironment, hosts: Entry, base: str) -> Iterator[Entry]:
    for kind, attribute in (("specint2000", "GlueHostBenchmarkSI00"), ("specfp2000", "GlueHostBenchmarkSF00")):
        value = _number(hosts, attribute)
        if value is not None:
            made = Benchmark(id=f"{environment.id}_{kind}", type=kind, value=value, environment_id=environment.id)
            yield made.entry(join(environment.rdn, base))


def _rules(queue: Entry, views: Sequence[Entry]) -> Iterator[tuple[tuple[str, ...], Entry]]:
    """Each group that a queue admits, and the entry that has its state."""
    if views:
        for view in views:
            yield view.values("GlueCEAccessControlBaseRule"), view
    else:
        for rule in queue.values("GlueCEAccessControlBaseRule"):
            yield (rule,), queue


def _share(
    queue: Entry, rules: tuple[str, ...], state: Entry, endpoint: ComputingEndpoint, environment: str, base: str
) -> Iterator[Entry]:
    ce_id = queue.first("GlueCEUniqueID") or ""
    parts = CeId.parse(ce_id)
    group = rules[0].partition(":")[2].strip("/").replace("/", "_").replace("=", "_")
    share = ComputingShare(
        id=f"{parts.queue}_{group}_{endpoint.service_id}",
        service_id=endpoint.service_id,
        endpoint_ids=(endpoint.id,),
        resource_ids=(environment,),
        other_info=(f"CREAMCEId={ce_id}",),
        serving_state=(state.first("GlueCEStateStatus") or "production").lower(),
        mapping_queue=parts.queue,
        max_wall_time=_seconds(state, "GlueCEPolicyMaxWallClockTime"),
        max_cpu_time=_seconds(state, "GlueCEPolicyMaxCPUTime"),
        max_running_jobs=_number(state, "GlueCEPolicyMaxRunningJobs"),
        max_total_jobs=_number(state, "GlueCEPolicyMaxTotalJobs"),
        max_waiting_jobs=_number(state, "GlueCEPolicyMaxWaitingJobs"),
        max_slots_per_job=_number(state, "GlueCEPolicyMaxSlotsPerJob"),
        total_jobs=_number(state, "GlueCEStateTotalJobs"),
        running_jobs=_number(state, "GlueCEStateRunningJobs"),
        waiting_jobs=_number(state, "GlueCEStateWaitingJobs"),
        free_slots=_number(state, "GlueCEStateFreeJobSlots"),
        estimated_average_waiting_time=_number(state, "GlueCEStateEstimatedResponseTime"),
        estimated_worst_waiting_time=_number(state, "GlueCEStateWorstResponseTime"),
    )
    yield share.entry(base)
    policy = MappingPolicy(id=f"{share.id}_policy", rules=rules, share_ids=(share.id,))
    yield policy.entry(join(share.rdn, base))


def _number(entry: Entry, attribute: str) -> int | None:
    text = entry.first(attribute)
    return int(text) if text is not None else None


def _seconds(entry: Entry, attribute: str) -> int | None:
    minutes = _number(entry, attribute)
    return minutes if minutes is None or is_unknown(minutes) else minutes * 60
