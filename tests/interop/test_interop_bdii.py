"""A real BDII (Debian: bdii, slapd, glue-schema) publishes our computing element, and we read from it.

Debian's ``bdii-update`` calls OpenLDAP's commands with ``-h`` and ``-p``, which they no longer know, so that small
programs of the same names stand before them in PATH; its slapd configuration has no ``maxsize``, which a grid of more
than some hundred computing elements needs.  docs/information-system.md tells operators the same.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.matchmaker import Job, match
from broker.source import InformationSource
from broker.supermarket import Supermarket
from grid.fqan import Fqan
from infosys import ber, messages
from infosys.access import User
from infosys.bdii import Bdii
from infosys.ce_ads import assemble
from infosys.client import LdapSource
from infosys.entry import Entry, from_ldif
from infosys.errors import SourceFailure
from infosys.settings import BdiiSettings
from jdl.parser import parse
from node.ports import choose

FILES = Path("/usr/share/bdii")
UPDATE = shutil.which("bdii-update", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
SLAPD = shutil.which("slapd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
WMS = Path(sys.executable).parent / "wms"
SCHEMA = Path("/etc/ldap/schema/GLUE20.schema")

pytestmark = pytest.mark.skipif(
    UPDATE is None or SLAPD is None or not SCHEMA.exists() or not (FILES / "default.ldif").exists(),
    reason="bdii, slapd or their schema are not installed (Debian: apt-get install bdii slapd glue-schema ldap-utils)",
)

SHIM = """#!/bin/sh
h=localhost; p=389; n=$#
while [ $n -gt 0 ]; do
    case "$1" in
        -h) h=$2; shift 2; n=$((n - 2)) ;;
        -p) p=$2; shift 2; n=$((n - 2)) ;;
        *) set -- "$@" "$1"; shift; n=$((n - 1)) ;;
    esac
done
exec @program@ -H "ldap://$h:$p" "$@"
"""


class RealBdii:
    """slapd and bdii-update in a folder of their own."""

    def __init__(self, folder: Path, *, top: bool = False) -> None:
        self.folder = folder
        for name in ("grid", "glue", "stats", "run", "ldif", "provider", "plugin", "var/archive", "shim"):
            (folder / name).mkdir(parents=True)
        (self.port,) = choose(1)
        self.url = f"ldap://127.0.0.1:{self.port}"
        text = (FILES / ("bdii-top-slapd.conf" if top else "bdii-slapd.conf")).read_text()
        text = text.replace("/run/bdii/db", str(folder / "run")).replace("/var/lib/bdii/db", str(folder))
        lines = [f"{line}\nmaxsize 1073741824" if line.startswith("directory") else line for line in text.splitlines()]
        self.slapd_conf = folder / "slapd.conf"
        self.slapd_conf.write_text("\n".join(lines) + "\n")
        shutil.copy(FILES / "default.ldif", folder / "ldif/default.ldif")
        for name in ("ldapadd", "ldapmodify", "ldapdelete", "ldapsearch"):
            self.program("shim", name, SHIM.replace("@program@", f"/usr/bin/{name}"))
        self._slapd: subprocess.Popen[bytes] | None = None

    def program(self, kind: str, name: str, text: str) -> None:
        path = self.folder / kind / name
        path.write_text(text)
        path.chmod(0o755)

    def start(self) -> RealBdii:
        self._slapd = subprocess.Popen(
            [str(SLAPD), "-f", self.slapd_conf, "-h", self.url, "-d", "0"], stderr=subprocess.DEVNULL
        )
        until(lambda: answers(self.port), "slapd answers")
        keys = {
            "BDII_LOG_FILE": self.folder / "bdii.log", "BDII_LOG_LEVEL": "ERROR", "BDII_RUN_DIR": self.folder / "run",
            "BDII_PID_FILE": self.folder / "run/update.pid", "BDII_LDIF_DIR": self.folder / "ldif",
            "BDII_PROVIDER_DIR": self.folder / "provider", "BDII_PLUGIN_DIR": self.folder / "plugin",
            "BDII_PORT": self.port, "BDII_HOSTNAME": "127.0.0.1", "BDII_BREATHE_TIME": 1, "BDII_READ_TIMEOUT": 20,
            "BDII_ARCHIVE_SIZE": 0, "BDII_DELETE_DELAY": 0, "BDII_VAR_DIR": self.folder / "var",
            "SLAPD_CONF": self.slapd_conf,
        }  # fmt: skip
        conf = self.folder / "bdii.conf"
        conf.write_text("".join(f"{name}={value}\n" for name, value in keys.items()))
        # in a test's environment there is a proxy and more that no BDII has
        environment = {"PATH": f"{self.folder / 'shim'}:/usr/bin:/bin:/usr/sbin", "LC_ALL": "C.UTF-8"}
        subprocess.run([str(UPDATE), "-c", conf, "-d"], env=environment, check=True, timeout=20, cwd=self.folder)
        return self

    def close(self) -> None:
        pid_file = self.folder / "run/update.pid"
        if pid_file.exists():
            group = os.getpgid(int(pid_file.read_text()))
            os.killpg(group, signal.SIGKILL)  # it is the leader of its session, with its providers
        if self._slapd is not None:
            self._slapd.terminate()
            self._slapd.wait(10)

    def search(self, base: str, wanted: str = "(objectClass=*)", *attributes: str) -> list[Entry]:
        try:
            return LdapSource(self.url, timeout=10).fetch(wanted, attributes or ("*",), base=base)
        except SourceFailure as error:
            if error.reason.startswith("noSuchObject"):
                return []
            raise

    def log(self) -> str:
        path = self.folder / "bdii.log"
        return path.read_text() if path.exists() else ""


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def until(holds: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.1)


def source_script(node, kind: str, *options: str) -> str:
    return f"#!/bin/sh\nexec {WMS} info {node.root} {kind} {' '.join(options)}\n"


@pytest.fixture(scope="module")
def resource(node, tmp_path_factory) -> Iterator[RealBdii]:
    """The resource level of our node's computing element in a real BDII, as an operator would set it up."""
    made = RealBdii(tmp_path_factory.mktemp("resource"))
    (made.folder / "ldif/wms.ldif").write_text(node.wms("info", "ldif").stdout)
    made.program("plugin", "wms", source_script(node, "plugin"))
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="module")
def site(node, tmp_path_factory) -> Iterator[RealBdii]:
    """The site level of our node in a real BDII."""
    made = RealBdii(tmp_path_factory.mktemp("site"))
    made.program("provider", "wms", source_script(node, "provider", "--level", "site"))
    try:
        yield made.start()
    finally:
        made.close()


def job(requirements: str) -> Job:
    return Job(parse(f"[Requirements = {requirements}; Rank = 1;]"))


def member() -> User:
    return User("/CN=somebody", (Fqan.parse("/testvo"),))


def test_both_trees_are_published_and_the_live_numbers_follow(node, resource) -> None:
    ce = f"localhost:{node.configuration().ce.port}/cream-fork-default"
    name = f"GlueCEUniqueID={ce},mds-vo-name=resource,o=grid"

    def running() -> list[str]:
        found = resource.search("mds-vo-name=resource,o=grid", f"(GlueCEUniqueID={ce})")
        return [value for entry in found if entry.is_a("GlueCE") for value in entry.values("GlueCEStateRunningJobs")]

    until(lambda: resource.search(name), f"{name} is in slapd; bdii-update says {resource.log()}")
    until(lambda: running() == ["0"], f"the plugin's number is there, not {running()}")

    def shares() -> list[str | None]:
        found = resource.search("GLUE2GroupID=resource,o=glue", "(objectClass=GLUE2ComputingShare)")
        return [entry.first("GLUE2ComputingShareRunningJobs") for entry in found]

    until(lambda: shares() == ["0"], f"the other tree, which is changed a moment later, has it too, not {shares()}")
    assert "ERROR" not in resource.log()
    running_job = node.submit('[Executable = "/bin/sleep"; Arguments = "3"; Requirements = true; Rank = 0;]')
    node.wait(running_job, states=("Running",))
    until(lambda: running() == ["1"], "a running job is counted")
    assert node.wait(running_job).startswith("Done")
    until(lambda: running() == ["0"], "a job that has ended no longer counts")


def test_our_broker_matches_with_what_a_real_bdii_publishes(node, site) -> None:
    base = f"mds-vo-name={node.configuration().node.site},o=grid"
    until(lambda: site.search(base, "(objectClass=GlueCE)"), f"the site is in slapd; bdii-update says {site.log()}")
    with Supermarket([InformationSource(site.url, "o=grid")]) as market:
        snapshot = market.refresh_now()
        assert snapshot.problems == ()
        found = match(job('other.GlueCEStateStatus == "Production"'), snapshot, member())
    assert [each.ce_id for each in found.candidates] == [f"localhost:{node.configuration().ce.port}/cream-fork-default"]


def serving(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """A server that talks to each client in its own way, until the test ends; gives its port."""
    closing = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not closing.is_set():
                try:
                    client = listener.accept()[0]
                except TimeoutError:
                    continue
                with client:
                    try:
                        talk(client, closing)
                    except OSError:
                        continue  # the client had enough

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            closing.set()
            thread.join(5)


@pytest.fixture
def slow() -> Iterator[str]:
    """A source that sends a byte each tenth of a second."""

    def trickle(client: socket.socket, closing: threading.Event) -> None:
        for byte in b"\x30\x84\x00\x0f\xff\xff" + bytes(10_000):
            client.send(bytes((byte,)))
            if closing.wait(0.1):
                return

    for port in serving(trickle):
        yield f"ldap://127.0.0.1:{port}/mds-vo-name=SLOW,o=grid"


LIES = """
dn: GlueCEUniqueID=CE,mds-vo-name=OWN,o=grid
objectClass: GlueCE
GlueCEName: stolen

dn: GlueCEUniqueID=CE,mds-vo-name=OWN,mds-vo-name=LIAR,o=grid
objectClass: GlueCE
GlueCEName: nested

dn: GlueSiteUniqueID=OWN,mds-vo-name=OWN,mds-vo-name=local,o=grid
objectClass: GlueSite

dn: GLUE2DomainID=OWN,GLUE2GroupID=grid,o=glue
objectClass: GLUE2AdminDomain

dn: cn=config
objectClass: top

dn: GlueCEUniqueID=honest:1/cream-pbs-q,mds-vo-name=LIAR,o=grid
objectClass: GlueCE
"""


@pytest.fixture
def liar(node) -> Iterator[str]:
    """A source that answers every search with whatever it likes."""
    conf = node.configuration()
    text = LIES.replace("CE,", f"localhost:{conf.ce.port}/cream-fork-default,").replace("OWN", conf.node.site)
    lies = from_ldif(text)

    def lie(client: socket.socket, closing: threading.Event) -> None:
        client.recv(65_536)
        for entry in lies:
            attributes = b"".join(
                ber.sequence(ber.octets(name), ber.sequence(*map(ber.octets, values), tag=ber.SET))
                for name, values in entry.attributes.items()
            )
            client.sendall(messages.search_entry(1, ber.octets(entry.dn), attributes))
        client.sendall(messages.result(1, messages.SEARCH_DONE, messages.SUCCESS))

    for port in serving(lie):
        yield f"ldap://127.0.0.1:{port}/mds-vo-name=LIAR,o=grid"


def test_a_top_level_gathers_real_sites_though_one_is_dead_one_slow_and_one_lies(node, site, slow, liar) -> None:
    own = node.configuration().node.site
    ce = f"localhost:{node.configuration().ce.port}/cream-fork-default"
    until(lambda: site.search(f"mds-vo-name={own},o=grid", "(objectClass=GlueCE)"), "the site is in slapd")
    sources = (
        f"ldap://127.0.0.1:{choose(1)[0]}/mds-vo-name=DEAD,o=grid",
        slow,
        liar,
        f"{site.url}/mds-vo-name={own},o=grid",
    )
    settings = BdiiSettings(bind="127.0.0.1:0", site_name="TOP", sources=sources, timeout=2.0, refresh=3600.0)
    began = time.monotonic()
    with Bdii(settings) as top:
        assert time.monotonic() - began < 10
        served = LdapSource(top.server.url)
        everything = served.fetch(base="o=grid")
        elements = {entry.dn.lower(): entry.first("GlueCEName") for entry in everything if entry.is_a("GlueCE")}
        assert elements == {
            f"GlueCEUniqueID={ce},mds-vo-name={own},mds-vo-name=local,o=grid".lower(): "default",
            f"GlueCEUniqueID={ce},mds-vo-name=LIAR,mds-vo-name=local,o=grid".lower(): "nested",
            "GlueCEUniqueID=honest:1/cream-pbs-q,mds-vo-name=LIAR,mds-vo-name=local,o=grid".lower(): None,
        }
        assert {record.site for record in assemble(everything).records if record.ce_id == ce} == {own}
        shares = served.fetch("(objectClass=GLUE2ComputingShare)", base="GLUE2GroupID=grid,o=glue")
        assert [f"GLUE2DomainID={own}".lower() in entry.dn.lower() for entry in shares] == [True]
        told = served.fetch("(objectClass=applicationProcess)", base="o=infosys")
        fates = {entry.first("cn"): entry.values("description") for entry in told}
    assert [fates[source][0] for source in sources] == [
        "state: never answered", "state: never answered", "state: answers", "state: answers",
    ]  # fmt: skip
    assert "is not below mds-vo-name=liar,o=grid" in fates[liar][2]


def test_a_real_top_level_takes_our_site_and_survives_a_dead_one(node, site, tmp_path) -> None:
    own = node.configuration().node.site
    until(lambda: site.search(f"mds-vo-name={own},o=grid", "(objectClass=GlueCE)"), "the site is in slapd")
    top = RealBdii(tmp_path / "top", top=True)
    top.program("provider", "good", source_script(node, "provider", "--level", "top", "--source", site.url))
    dead = f"ldap://127.0.0.1:{choose(1)[0]}"
    top.program("provider", "dead", source_script(node, "provider", "--level", "top", "--source", dead))
    try:
        top.start()
        wanted = f"mds-vo-name={own},mds-vo-name=local,o=grid"
        until(lambda: top.search(wanted, "(objectClass=GlueCE)"), f"the site is in the top level: {top.log()}")
        domains = top.search("GLUE2GroupID=grid,o=glue", "(objectClass=GLUE2AdminDomain)", "GLUE2DomainID")
        assert [entry.first("GLUE2DomainID") for entry in domains] == [own]
        with Supermarket([InformationSource(top.url, "mds-vo-name=local,o=grid")]) as market:
            assert len(match(job("true"), market.refresh_now(), member()).candidates) == 1
    finally:
        top.close()
