"""What the operator decides about a computing element."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ce.errors import BadSettings
from gsi.trust import TrustPolicy

_QUEUE_NAME = re.compile(r"[A-Za-z0-9_.]{1,64}")
UNLIMITED = 999999999
"""What GLUE 1.3 publishes for *no limit*."""


@dataclass(frozen=True, slots=True)
class CloseStorage:
    """A storage element near a queue.

    :ivar mount: where worker nodes see its files; empty when they do not.
    :ivar remote: the path on the storage element that is seen there.
    """

    se_id: str
    mount: str = ""
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue: what it is published as (one GlueCE with its own cluster) and what it allows.

    :ivar name: letters, digits, ``_`` and ``.`` (a ``-`` would make the CE id ambiguous).
    :ivar slots: jobs that run at the same time.
    :ivar access_rules: GLUE 1.3 rules, ``VO:<vo>``, ``VOMS:<fqan>``, ``DENY:<fqan>`` or a DN; none admits nobody.
    :ivar max_wall_minutes: enforced by the wrapper, counted from its start; None is no limit.
    :ivar max_cpu_minutes: enforced by the system on each process; None is no limit.
    :ivar max_waiting: jobs that may wait; one more is refused.
    :ivar ram_mb: main memory of the worker node as published; ``virtual_mb`` likewise.
    :ivar software: tags of GlueHostApplicationSoftwareRunTimeEnvironment.
    :ivar close_storage: storage elements near the worker nodes, the default one first.
    :ivar si00: benchmark SPECint2000 of one slot, ``sf00`` SPECfp2000 and ``hep_spec06`` HEP-SPEC06 likewise; None
        when nobody measured.
    :ivar status: ``Production``, ``Draining``, ``Queueing`` or ``Closed``; only the first two of
        Production and Queueing take jobs.
    """

    name: str
    slots: int = 1
    lrms: str = "fork"
    access_rules: tuple[str, ...] = ()
    max_wall_minutes: int | None = None
    max_cpu_minutes: int | None = None
    max_waiting: int = 100_000
    ram_mb: int = 1024
    virtual_mb: int = 2048
    cpus: int = 1
    software: tuple[str, ...] = ()
    status: str = "Production"
    priority: int = 1
    close_storage: tuple[CloseStorage, ...] = ()
    si00: int | None = None
    sf00: int | None = None
    hep_spec06: float | None = None

    def __post_init__(self) -> None:
        if not _QUEUE_NAME.fullmatch(self.name):
            raise BadSettings(f"queue name {self.name!r}", "use letters, digits, _ and . only")
        if self.slots < 1:
            raise BadSettings(f"queue {self.name} has {self.slots} slots", "give it at least one")
        if self.lrms != "fork":
            raise BadSettings(f"queue {self.name} asks for the batch system {self.lrms!r}", "this release has fork")


@dataclass(frozen=True, slots=True)
class Accounts:
    """How grid identities become local accounts.

    :ivar mode: ``pool`` (root only: one uid and gid for each DN from the range), ``single`` (the service's own
        account, for one DN only) or ``auto`` (pool as root, else single).
    :ivar first_id: first uid and gid of the range; the range must belong to nobody else.
    :ivar count: length of the range.
    """

    mode: str = "auto"
    first_id: int = 210_000
    count: int = 10_000


@dataclass(frozen=True, slots=True)
class Transfers:
    """How the wrapper moves files: tries, first wait (s, doubling) and time limit of one transfer (s)."""

    tries: int = 8
    first_wait: float = 0.5
    timeout: float = 3600.0


@dataclass(frozen=True, slots=True)
class CeSettings:
    """One computing element.

    :ivar host: the name in certificates, CE ids and addresses.
    :ivar port: the published port of the SOAP service.
    :ivar bind: where it listens, ``host:port``.
    :ivar work_directory: jobs' directories; as root, every directory above it must let job accounts pass.
    :ivar administrators: DNs (normalised slash form) that may look at, cancel and purge every job.
    :ivar resource_bind: ``host:port`` of the LDAP server with the GLUE 1.3 entries.
    :ivar spool_directory: private directory of the service; holds the delegated proxies.
    :ivar journal_directory: where the interlogger finds journals (``spool_directory/lb`` when None);
        ``interlogger_doorbell`` wakes it.
    :ivar software_tags: a directory of the VOs' lists of software tags (:mod:`ce.software_tags`); None for none.
    :ivar policy: which chains of certificates are accepted.
    :ivar run_directory: for the server's heartbeat files; private.
    :ivar kill_grace: seconds between TERM and KILL of a cancelled job.
    """

    host: str
    work_directory: Path
    database_url: str
    host_certificate: Path
    host_key: Path
    trust_directory: Path
    spool_directory: Path
    queues: tuple[Queue, ...]
    port: int = 8443
    bind: str = "127.0.0.1:8443"
    voms_directory: Path | None = None
    run_directory: Path | None = None
    interpreter: Path = Path("/usr/bin/python3")
    administrators: tuple[str, ...] = ()
    accounts: Accounts = Accounts()
    transfers: Transfers = Transfers()
    resource_bind: str = "127.0.0.1:2170"
    journal_directory: Path | None = None
    interlogger_doorbell: Path | None = None
    site: str = "wms-site"
    software_tags: Path | None = None
    max_jobs: int = 100_000
    max_list: int = 1000
    kill_grace: float = 5.0
    crl_check: bool = True
    purge_after_days: float = 10.0
    threads: int = 16
    internals: tuple[tuple[str, str], ...] = field(default=())
    policy: TrustPolicy = TrustPolicy()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        names = [queue.name for queue in self.queues]
        if not names or len(set(names)) != len(names):
            raise BadSettings("the computing element's queues", "give at least one, each with its own name")

    @property
    def base(self) -> str:
        """``https://host:port``."""
        return f"https://{self.host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Address of the CREAM2 port."""
        return f"{self.base}/ce-cream/services/CREAM2"

    @property
    def delegation_endpoint(self) -> str:
        """Address of the delegation-2 port."""
        return f"{self.base}/ce-cream/services/gridsite-delegation"

    @property
    def jobs_directory(self) -> Path:
        """One directory for each job."""
        return self.work_directory / "jobs"

    @property
    def certificates_directory(self) -> Path:
        """The copy of the trust directory that job accounts can read."""
        return self.work_directory / "certificates"

    @property
    def doorbell(self) -> Path:
        """The socket that wrappers ring."""
        return self.work_directory / "doorbell"

    @property
    def delegations_directory(self) -> Path:
        """The store of delegated proxies."""
        return self.spool_directory / "ce-delegation"

    @property
    def journal(self) -> Path:
        """The journal of the events logged here."""
        return (self.journal_directory or self.spool_directory / "lb") / "ce.0.log"

    def queue(self, name: str) -> Queue | None:
        """The queue of that name."""
        return next((queue for queue in self.queues if queue.name == name), None)

    def ce_id(self, queue: Queue) -> str:
        """``host:port/cream-fork-<name>`` (GLUE 1.3, CREAM)."""
        return f"{self.host}:{self.port}/cream-{queue.lrms}-{queue.name}"
