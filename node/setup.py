"""``wms init``: make what a node lacks; running it again harms nothing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from grid.errors import ConfigurationError
from grid.files import make_directory, write_private
from infosys.synthetic import MAX_SITES
from node import services
from node.configuration import Configuration
from node.credentials import DEFAULT_USERS, Credentials
from node.environment import client_configuration
from node.layout import Layout, reachable_by_all
from node.ports import choose

MINIMUM_WRAPPER_PYTHON = (3, 9)


class NoInterpreter(ConfigurationError):
    """No Python that the accounts of jobs could run."""

    def __init__(self, tried: Sequence[str]) -> None:
        self.tried = tuple(tried)
        least = ".".join(map(str, MINIMUM_WRAPPER_PYTHON))
        super().__init__(
            f"no Python {least} or later was found that other accounts may run (tried {', '.join(tried)}); "
            "as root, jobs run under accounts of their own: install a system Python (Debian: apt-get install python3), "
            "or work as an ordinary user"
        )


def initialise(
    root: Path,
    *,
    automatic_ports: bool = False,
    host: str = "localhost",
    bind: str = "127.0.0.1",
    vo: str = "testvo",
    users: Sequence[str] = (),
    sites: int = 0,
) -> list[str]:
    """Make the node in ``root``; returns lines that tell what it is.

    :param sites: made-up sites that a new node publishes beside its own (:mod:`infosys.synthetic`).

    An existing configuration is kept as it is, so ports and names are chosen once.

    :raises ConfigurationError: when something stands in the way, naming it.
    """
    layout = Layout(root)
    if root.exists() and not root.is_dir():
        raise ConfigurationError(f"{root} is not a directory; choose another place")
    if root.is_dir() and any(root.iterdir()) and not layout.configuration.exists() and not layout.trust.exists():
        raise ConfigurationError(f"{root} holds other files; choose an empty or new directory")
    new = not layout.configuration.exists()
    if sites and not new:
        raise ConfigurationError(
            f"{root} is a node already; set synthetic_sites in [bdii] of {layout.configuration} to {sites} instead"
        )
    if not 0 <= sites <= MAX_SITES:
        raise ConfigurationError(f"a node publishes 0 to {MAX_SITES} synthetic sites, not {sites}")
    layout.make()
    if new:
        text = configuration_text(layout, automatic_ports=automatic_ports, host=host, bind=bind, vo=vo, sites=sites)
        write_private(layout.configuration, text.encode(), 0o644)
    configuration = Configuration.read(layout.configuration)
    credentials = Credentials(layout)
    wanted = [*(DEFAULT_USERS if new or not credentials.users() else ()), *users]
    credentials.setup(configuration.node.host, configuration.node.vo, wanted)
    write_private(layout.client, client_configuration(configuration).encode(), 0o644)
    services.prepare(layout, configuration)
    return [
        f"{'made' if new else 'kept'} the node {root}",
        f"  WMProxy    {configuration.wmproxy_endpoint}",
        f"  L&B        https://{configuration.lb_host}:{configuration.lb_port}/",
        f"  BDII       {configuration.information_system}",
        f"  catalogue  {configuration.catalogue_endpoint}",
        f"  CE         {configuration.ce_endpoint}/CREAM2",
        f"  VO         {configuration.node.vo}, users {', '.join(credentials.users())}",
        *_synthetic_lines(configuration.bdii.synthetic_sites),
        f"next: wms up {root} --detach; wms proxy {root}; eval \"$(wms env {root})\"",
    ]


def configuration_text(
    layout: Layout, *, automatic_ports: bool, host: str, bind: str, vo: str, sites: int = 0
) -> str:
    """The first ``wms.toml`` of a node."""
    ports = choose(7, bind) if automatic_ports else [7443, 9000, 9003, 2170, 8443, 2171, 8085]
    wmproxy, lb, soap, bdii, ce, ce_ldap, catalogue = ports
    work = layout.ce_work_directory()
    make_directory(work, 0o711)
    return f"""\
# The configuration of this node.  Every service has a port that it listens on; set `endpoint` in its section
# when others reach it by another address.  `wms up` reads this file; change it while the node is down.

[node]
host = "{host}"        # the name in certificates and addresses
bind = "{bind}"
vo = "{vo}"
site = "WMS-TEST"

[site]                               # what the information system tells of the site
# contact = "grid@example.org"       # a mail address or URI; empty: root at this host
# web = "https://www.example.org/"
# place = "Berlin"
# country = "Germany"
# latitude = 52.5
# longitude = 13.4

[trust]
# gridsite_proxies = false           # true: take what GridSite's htproxyput signs (SHA-1, no ProxyCertInfo)

[wmproxy]
port = {wmproxy}
# admitted_vos = ["{vo}"]
# max_input_sandbox = 100000000      # bytes of all files of a job

[lb]
port = {lb}              # queries; events go to the port above
store_port = {lb + 1}
soap_port = {soap}

[bdii]
port = {bdii}
# sources = ["ldap://other.example.org:2170/mds-vo-name=resource,o=grid"]
{_synthetic(sites)}
[catalogue]
port = {catalogue}            # where files are (DataLocationInterface); `wms catalogue` fills it

[broker]
# match_retry_period = 60.0          # seconds between two attempts to match a waiting job
# expiry_period = 86400.0            # seconds that a job may wait

[ce]
port = {ce}
ldap_port = {ce_ldap}
work_directory = "{work}"
interpreter = "{interpreter()}"      # runs the job wrapper; Python 3.9 or later

{_first_queue(vo)}"""


def _first_queue(vo: str) -> str:
    """The table of the queue that a node begins with."""
    return f"""\
# One computing element for each queue.  Access rules as GLUE 1.3 has them; none means VO:{vo}.
[[ce.queue]]
name = "default"
slots = {max(2, os.cpu_count() or 2)}
memory_mb = 2048
"""


def _synthetic_lines(sites: int) -> list[str]:
    if not sites:
        return []
    return [f"  synthetic  {sites} sites, {sites * 5} computing elements, to try matching: they take no jobs"]


def _synthetic(sites: int) -> str:
    setting = f"synthetic_sites = {sites or 100}"
    return f"{setting if sites else '# ' + setting}              # made-up sites, to try matching; they take no jobs\n"


def interpreter() -> str:
    """A Python for the wrapper that the accounts of jobs may run.

    :raises NoInterpreter: when there is none.
    """
    candidates = [
        str(Path(sys.executable).resolve()),
        "/usr/bin/python3",
        "/usr/local/bin/python3",
        "/bin/python3",
    ]
    for path in candidates:
        if _usable(Path(path)):
            return path
    raise NoInterpreter(candidates)


def _usable(path: Path) -> bool:
    if not path.exists():
        return False
    if os.geteuid() == 0:
        real = path.resolve()
        if not reachable_by_all(real.parent) or not real.stat().st_mode & stat.S_IXOTH:
            return False
    check = f"import sys, ssl, http.client; sys.exit(sys.version_info < {MINIMUM_WRAPPER_PYTHON})"
    arguments = [str(path), "-I", "-c", check]
    return subprocess.run(arguments, capture_output=True, timeout=30, cwd="/", env={}).returncode == 0
