"""A gSOAP server of the same contract, and a driver quick enough for it: built and run when Debian's gSOAP is there.

The server (``gsoap_server.cpp``) answers constants; what it costs is what the toolkit of the original WMProxy costs
with nothing behind it.  It is made with ``wsdl2h``, ``soapcpp2 -j -S`` and ``g++ -O2``.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.load import ROOT

PACKAGES: Final = "gsoap libgsoap-dev libssl-dev zlib1g-dev pkg-config g++"
THREADS: Final = 64
"""Of the server: the connections that it serves at once."""

_SERVED: Final = frozenset({"getVersion", "jobRegister"})
_OPERATION: Final = re.compile(r"virtual int (\w+)(\([^;]*\)) SOAP_PURE_VIRTUAL;")
_TYPEMAP: Final = 'wmp = "http://glite.org/wms/wmproxy"\n'
_SECONDS: Final = 240.0


class Missing(Exception):
    """The programs are not here; the text says which and how to get them."""


@dataclass(frozen=True, slots=True)
class Built:
    """The programs.

    :ivar driver: takes the options of :mod:`benchmarks.load`.
    """

    server: Path
    driver: Path


def build(place: Path) -> Built:
    """Make server and driver in ``place``: ten seconds.

    :raises Missing: when a program or library is not installed.
    :raises RuntimeError: when one fails; the message is its own.
    """
    programs = {name: _program(name) for name in ("wsdl2h", "soapcpp2", "g++", "pkg-config")}
    compile_flags, link_flags = (_flags(programs["pkg-config"], option) for option in ("--cflags", "--libs"))
    place.mkdir(exist_ok=True)
    (place / "typemap.dat").write_text(_TYPEMAP)
    for name in ("gsoap_server.cpp", "load.cpp"):
        shutil.copy(ROOT / "benchmarks" / name, place)
    contract = ROOT / "wsdl" / "files" / "WMProxy.wsdl"
    options = ("-t", place / "typemap.dat", "-o", place / "wmproxy.h")
    _run(contract.parent, programs["wsdl2h"], *options, contract.name)
    _run(place, programs["soapcpp2"], "-j", "-S", "-x", "-w", "-L", "-I/usr/share/gsoap/import", "wmproxy.h")
    (place / "others.inc").write_text(_others((place / "soapWMProxyService.h").read_text()))
    optimised = (programs["g++"], "-O2", "-std=c++17", "-w", "-pthread", *compile_flags)
    units = ("soapC", "soapWMProxyService", "gsoap_server")
    with ThreadPoolExecutor(2) as two:
        list(two.map(lambda unit: _run(place, *optimised, "-c", f"{unit}.cpp"), units))
    libraries = ("-lssl", "-lcrypto", "-lz")
    _run(place, programs["g++"], "-pthread", "-o", "server", *(f"{unit}.o" for unit in units), *link_flags, *libraries)
    _run(place, *optimised, "-o", "driver", "load.cpp", "-lssl", "-lcrypto")
    return Built(place / "server", place / "driver")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed (Debian: apt-get install {PACKAGES})")
    return found


def _flags(program: str, option: str) -> list[str]:
    done = subprocess.run([program, option, "gsoapssl++"], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode or not Path("/usr/include/openssl/ssl.h").exists():
        raise Missing(f"the libraries of gSOAP or OpenSSL are not installed (Debian: apt-get install {PACKAGES})")
    return shlex.split(done.stdout)


def _others(header: str) -> str:
    """Bodies of the operations that the server does not serve."""
    refusal = '{ return soap_receiverfault("not served", nullptr); }'
    found = [match.groups() for match in _OPERATION.finditer(header)]
    if not {name for name, _ in found} >= _SERVED:
        raise RuntimeError("soapcpp2 did not make the operations of the contract")
    return "".join(f"int WMProxyService::{name}{parts} {refusal}\n" for name, parts in found if name not in _SERVED)


def _run(place: Path, *command: str | Path) -> None:
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, timeout=_SECONDS, check=False, errors="replace"
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-2000:]}")


@contextlib.contextmanager
def running(built: Built, children: int = 0, tls: Sequence[Path] = ()) -> Iterator[processes.Running]:
    """The server on a free port of loopback.

    :param children: nodes in the answer to jobRegister.
    :param tls: certificate and key of the host, trust directory; plain HTTP without.
    """
    port = processes.free_port()
    command = [str(built.server), str(port), str(THREADS), str(children)]
    if tls:
        certificate, key, trust = tls
        pair = built.server.with_name("host.pem")
        pair.touch(0o600)
        pair.write_bytes(certificate.read_bytes() + b"\n" + key.read_bytes())
        command += [str(pair), str(trust)]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        processes.await_port(process, port)
        yield processes.Running(f"{'https' if tls else 'http'}://localhost:{port}/", process.pid)
    finally:
        process.terminate()
        process.wait(10)
