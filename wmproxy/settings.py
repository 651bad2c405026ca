"""What the WMProxy service needs to know; :mod:`node` fills it from the node's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gsi.trust import TrustPolicy
from wmproxy.load import Limits


@dataclass(frozen=True)
class WmproxySettings:
    """Settings of one WMProxy service.  Sizes are bytes, times are seconds.

    :ivar binds: ``host:port`` pairs to listen on.
    :ivar endpoint: the URL that clients use; it stands in ``?wsdl``, in sandbox URIs and in RegJob events.
    :ivar document_root: directory above the sandbox directory; its URL is the root of the server.
    :ivar admitted_vos: virtual organisations whose members may register, start and delegate.
    :ivar lb_host: host (and ``lb_port``: query port) of the bookkeeping server, as written into job ids.
    :ivar limits: load limits, by the key of an operation or ``AllOperations``.
    :ivar max_input_sandbox: bytes of all input files of one job together; ``max_output_sandbox``: of its output.
    :ivar quota_soft: bytes of all sandboxes of one user, beyond which no new job is registered; negative for any
        number.
    :ivar quota_hard: bytes of all sandboxes of one user that are taken at all; negative for any number.
    :ivar max_waiting_jobs: jobs of one user, nodes included, that may be registered and not started.
    :ivar waiting_lifetime: after which a job that was not started is aborted and removed.
    :ivar gridftp_host: of a GridFTP server that serves ``document_root``; empty when there is none.
    :ivar gridftp_port: of that server; 0 leaves it out of URIs.
    :ivar max_output_files: files in one output directory; patterns may bring more than are named.
    :ivar min_perusal_interval: the shortest PerusalTimeInterval, whole seconds, and that of jobs that name none.
    :ivar max_perusal_files: files of one job that are looked at while it runs.
    :ivar max_perusal_bytes: of what one job sends of these files.
    :ivar policy: which chains of certificates are accepted.
    :ivar version: what getVersion answers; digits and dots only, old clients compare it with 2.2.0, 2.9.0, 3.0.0.
    """

    binds: tuple[str, ...]
    endpoint: str
    certificate: Path
    key: Path
    host_credential: Path
    certificate_directory: Path
    voms_directory: Path
    database_url: str
    document_root: Path
    delegation_directory: Path
    journal_directory: Path
    interlogger_doorbell: Path
    broker_doorbell: Path
    broker_control: Path
    run_directory: Path
    admitted_vos: tuple[str, ...]
    lb_host: str
    lb_port: int
    host: str = "localhost"
    workers: int = 2
    threads: int = 16
    max_input_sandbox: int = 100_000_000
    max_input_sandbox_files: int = 50
    max_output_sandbox_files: int = 50
    max_output_files: int = 1000
    min_perusal_interval: int = 10
    max_perusal_files: int = 15
    max_perusal_bytes: int = 100_000_000
    max_output_sandbox: int = 2_147_483_647
    quota_soft: int = -1
    quota_hard: int = -1
    max_waiting_jobs: int = 50_000
    waiting_lifetime: float = 14 * 86_400.0
    gridftp_host: str = ""
    gridftp_port: int = 2811
    registration_deadline: float = 10.0
    match_deadline: float = 60.0
    expiry_period: float = 86_400.0
    limits: Mapping[str, Limits] = field(default_factory=dict)
    version: str = "3.9.0"
    sandbox_directory: str = "SandboxDir"
    policy: TrustPolicy = TrustPolicy()  # noqa: RUF009 - frozen

    @property
    def base_url(self) -> str:
        """Scheme, host and port of :attr:`endpoint`, no slash at the end."""
        scheme, _, rest = self.endpoint.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"
