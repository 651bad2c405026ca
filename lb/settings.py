"""Settings of the bookkeeping server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gsi.trust import TrustPolicy
from lb.store import StoreSettings


@dataclass(frozen=True, slots=True)
class LbSettings:
    """What a bookkeeping server needs to know.

    :ivar host: the name that job ids carry; the certificate must name it.
    :ivar port: the query port that job ids carry, if clients reach it by another than that of ``query_bind``.
    :ivar query_bind: ``host:port`` of pages and SOAP; clients find it by the job id (9000).
    :ivar soap_bind: ``host:port`` of SOAP alone (9003); the same is served at both.
    :ivar store_bind: ``host:port`` of the event port, the query port plus one (9001).
    :ivar database_url: see :func:`storage.open_engine`.
    :ivar certificate: of this host, PEM; ``key`` its private key.
    :ivar trust_dir: CA certificates and CRLs; ``voms_dir`` the VOMS servers' names, or None.
    :ivar trusted: DNs of services (the WMS and CE hosts): they log for others and read every job.
    :ivar run_dir: for heartbeat files.
    :ivar max_events: events of one job beyond which users may not add.
    :ivar max_jobs: jobs in one answer.
    """

    host: str
    query_bind: str
    soap_bind: str
    store_bind: str
    database_url: str
    certificate: Path
    key: Path
    trust_dir: Path
    run_dir: Path
    port: int | None = None
    voms_dir: Path | None = None
    trusted: frozenset[str] = frozenset()
    policy: TrustPolicy = TrustPolicy()  # noqa: RUF009 - frozen
    threads: int = 16
    max_connections: int = 200
    max_events: int = 2_000
    max_jobs: int = 5_000

    @property
    def query_port(self) -> int:
        """The port that job ids carry."""
        return self.port or int(self.query_bind.rpartition(":")[2])

    @property
    def query_url(self) -> str:
        """The address of pages and SOAP as clients write it."""
        return f"https://{self.host}:{self.query_port}/"

    @property
    def soap_url(self) -> str:
        """The address that the WSDL names."""
        return f"https://{self.host}:{self.soap_bind.rpartition(':')[2]}/"

    @property
    def store(self) -> StoreSettings:
        """Settings of the event port."""
        return StoreSettings(self.store_bind, self.trusted, self.max_connections)
