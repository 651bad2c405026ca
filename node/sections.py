"""The sections of a node's configuration file ``wms.toml``, with their defaults.  Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class NodeSection:
    """``[node]``: names.  ``admitted_vos`` empty means the VO alone."""

    host: str = "localhost"
    bind: str = "127.0.0.1"
    vo: str = "testvo"
    site: str = "WMS-TEST"


@dataclass(frozen=True)
class TrustSection:
    """``[trust]``: which chains of certificates every service of the node accepts."""

    gridsite_proxies: bool = False


@dataclass(frozen=True)
class LimitSection:
    """``[[wmproxy.limit]]``: load limits of one operation, or of all that have none of their own; None: no limit."""

    operation: str = "AllOperations"
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


@dataclass(frozen=True)
class WmproxySection:
    """``[wmproxy]``; sizes in bytes, times in seconds."""

    port: int = 7443
    endpoint: str = ""
    workers: int = 2
    threads: int = 16
    admitted_vos: tuple[str, ...] = ()
    max_input_sandbox: int = 100_000_000
    max_input_sandbox_files: int = 50
    max_output_sandbox_files: int = 50
    min_perusal_interval: int = 10
    max_perusal_files: int = 15
    max_perusal_bytes: int = 100_000_000
    max_output_sandbox: int = 2_147_483_647
    quota_soft: int = -1
    quota_hard: int = -1
    max_waiting_jobs: int = 50_000
    waiting_lifetime: float = 1_209_600.0
    gridftp_host: str = ""
    gridftp_port: int = 2811
    registration_deadline: float = 10.0
    match_deadline: float = 60.0
    limit: tuple[LimitSection, ...] = ()


@dataclass(frozen=True)
class LbSection:
    """``[lb]``: ``endpoint`` is ``host:port`` as it stands in job ids; the event port is that port plus one."""

    port: int = 9000
    store_port: int = 9001
    soap_port: int = 9003
    endpoint: str = ""
    threads: int = 16


@dataclass(frozen=True)
class SiteSection:
    """``[site]``: what the information system tells of the site; contacts are mail addresses or URIs."""

    description: str = "A site of a workload management system"
    web: str = ""
    contact: str = ""
    security_contact: str = ""
    support_contact: str = ""
    administrator_contact: str = ""
    place: str = ""
    country: str = ""
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True)
class ServiceSection:
    """``[[bdii.service]]``: a service that runs elsewhere and that this site publishes, so that clients find it."""

    type: str = ""
    url: str = ""
    version: str = ""
    access: tuple[str, ...] = ()


@dataclass(frozen=True)
class BdiiSection:
    """``[bdii]``: the information system.

    ``level``: ``site`` or ``top``.  ``sources``: LDAP URLs of the levels below.  ``timeout``: seconds for each answer.
    """

    port: int = 2170
    level: str = "top"
    endpoint: str = ""
    sources: tuple[str, ...] = ()
    refresh: float = 5.0
    grace: float = 120.0
    timeout: float = 15.0
    service: tuple[ServiceSection, ...] = ()
    synthetic_sites: int = 0


@dataclass(frozen=True)
class CatalogueSection:
    """``[catalogue]``: where the replicas of files are (DataLocationInterface)."""

    port: int = 8085
    endpoint: str = ""
    threads: int = 4


@dataclass(frozen=True)
class SourceSection:
    """``[[broker.source]]``: an LDAP server that the broker buys from; ``timeout`` in seconds."""

    url: str = ""
    base: str = "mds-vo-name=local,o=grid"
    schema: str = "auto"
    timeout: float = 30.0


@dataclass(frozen=True)
class BrokerSection:
    """``[broker]``; times in seconds, ``purchase_memory`` in MiB.

    ``source`` tables replace the one source that ``information_system`` names.  ``catalogues``: URLs that are asked
    after those that the BDII names.
    """

    information_system: str = ""
    source: tuple[SourceSection, ...] = ()
    catalogues: tuple[str, ...] = ()
    catalogue_timeout: float = 10.0
    catalogues_of_jobs: bool = True
    catalogue_hosts: tuple[str, ...] = ()
    refresh: float = 30.0
    full_refresh: float = 300.0
    entry_lifetime: float = 900.0
    purchase_memory: int = 2048
    match_retry_period: float = 60.0
    expiry_period: float = 86_400.0
    worker_threads: int = 5
    fewest_released_nodes: int = 20
    most_released_nodes: int = 1000
    max_retry_count: int = 10
    infrastructure_delay: float = 2.0
    success_window: float = 3600.0
    hold_after_failures: int = 3
    hold: float = 30.0
    longest_hold: float = 1800.0
    information_delay: float = 10.0
    wms_requirements: str = ""
    blacklist: tuple[str, ...] = ()
    ce_forward_parameters: tuple[str, ...] = (
        "GlueHostMainMemoryVirtualSize",
        "GlueHostMainMemoryRAMSize",
        "GlueCEPolicyMaxCPUTime",
        "GlueCEPolicyMaxObtainableCPUTime",
        "GlueCEPolicyMaxWallClockTime",
        "GlueCEPolicyMaxObtainableWallClockTime",
    )
    propagate_to_lrms: tuple[str, ...] = ()
    vo_shares: tuple[str, ...] = ()


@dataclass(frozen=True)
class QueueSection:
    """``[[ce.queue]]``: one computing element as the information system knows it.

    ``close_storage`` holds ``<storage element>`` or ``<storage element>=<where worker nodes see its files>``;
    benchmarks that are 0 are not published.
    """

    name: str = "default"
    slots: int = 4
    access: tuple[str, ...] = ()
    max_wall_minutes: int = 1440
    max_cpu_minutes: int = 1440
    memory_mb: int = 2048
    software: tuple[str, ...] = ()
    status: str = "Production"
    close_storage: tuple[str, ...] = ()
    si00: int = 0
    sf00: int = 0
    hep_spec06: float = 0.0


@dataclass(frozen=True)
class CeSection:
    """``[ce]``: accounts are numeric ids ``first_account`` … ``first_account + accounts - 1`` (as root only).

    ``software_tags`` is a directory of the VOs' lists of software tags (``<vo>.list`` or ``<vo>/<vo>.list``).
    """

    port: int = 8443
    ldap_port: int = 2171
    endpoint: str = ""
    work_directory: str = ""
    interpreter: str = ""
    first_account: int = 200_000
    accounts: int = 1000
    threads: int = 16
    software_tags: str = ""
    queue: tuple[QueueSection, ...] = field(default_factory=lambda: (QueueSection(),))
