"""Which WMProxy server is asked, and what happens when it does not answer (fail-over)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from clients.configuration import check_endpoint
from clients.errors import ClientError, EndpointFailure
from grid.codes import fault_of
from grid.errors import GridError, ProxyError

if TYPE_CHECKING:
    from clients.session import Session
    from wsdl.client import SoapClient

T = TypeVar("T")

WSDL: Final = "WMProxy.wsdl"
PORT: Final = "WMProxy_PortType"
DELEGATION1: Final = "WMProxyDelegation_PortType"
DELEGATION2: Final = "WMProxyDelegation2_PortType"
VARIABLE: Final = "GLITE_WMS_WMPROXY_ENDPOINT"

_VERSION = re.compile(r"\s*(\d{1,6})\.(\d{1,6})\.(\d{1,6})")
_OWN_FAULT: Final = ("InvalidArgument", "NoSuitableResources")
"""Kinds of faults that every server would answer: asking the next one would hide the reason."""


class NoEndpoint(ClientError):
    """No server is left that could do what the command needs."""


@dataclass(frozen=True, slots=True)
class Version:
    """A server's version; a malformed one counts as 1.0.0."""

    major: int = 1
    minor: int = 0
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``a.b.c``."""
        found = _VERSION.match(text or "")
        return cls(*(int(group) for group in found.groups())) if found else cls()

    @property
    def delegation_port(self) -> str:
        """Delegation-2 from 2.9.0 on, delegation-1 before."""
        return DELEGATION2 if (self.major, self.minor) >= (2, 9) else DELEGATION1

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class Endpoint:
    """One server that answered getVersion.

    :ivar url: its address, as it was given.
    :ivar version: what it answered.
    """

    def __init__(self, session: Session, url: str, version: Version) -> None:
        self.session = session
        self.url = url
        self.version = version

    @classmethod
    def connect(cls, session: Session, url: str) -> Endpoint:
        """Ask ``url`` for its version.

        :raises wsdl.client.RemoteFault: it answered a fault.
        :raises wsdl.transport.ServiceUnreachable: it could not be asked.
        """
        session.messages.info(url, "Connecting to the service")
        text = session.call(WSDL, PORT, url, "getVersion")
        session.messages.debug("WMProxy Version:", str(text))
        return cls(session, url, Version.parse(str(text)))

    def call(self, operation: str, **parts: Any) -> Any:
        """One operation of the WMProxy port."""
        return self.session.call(WSDL, PORT, self.url, operation, **parts)

    def delegation_port(self) -> SoapClient:
        """The client of the delegation port that the server's version asks for."""
        return self.session.soap(WSDL, self.version.delegation_port, self.url, "putProxy")

    def protocols(self) -> list[str]:
        """The file transfer protocols that the server offers."""
        return [str(item) for item in self.call("getTransferProtocols")]


def candidates(session: Session) -> list[str]:
    """The servers in the order in which they are tried: ``--endpoint``, environment, or the configured at random.

    :raises NoEndpoint: nobody names one.
    """
    given = session.line.text("endpoint")
    if given:
        check_endpoint(given, "--endpoint")
        return [given]
    named = session.environ.get(VARIABLE)
    if named:
        check_endpoint(named, VARIABLE)
        return [named]
    urls = list(dict.fromkeys(session.configuration.endpoints))
    if urls:
        random.shuffle(urls)
        return urls
    files = ", ".join(map(str, session.configuration.sources)) or "no configuration file was found"
    discovery = (
        "\nEnableServiceDiscovery is set, and this client does not discover services"
        if session.configuration.service_discovery
        else ""
    )
    raise NoEndpoint(
        "Unable to find any endpoint where to perform service request\n"
        f"name one with --endpoint, {VARIABLE} or WmProxyEndPoints in the configuration ({files}){discovery}"
    )


def attempt(session: Session, step: Callable[[Endpoint], T]) -> T:
    """Do ``step`` on the first server that can; every failure but the last is a warning.

    :raises NoEndpoint: no server could; carries the last one's reason.
    :raises GridError: a fault that every server would answer, or a reason on this side.
    """
    from wsdl.client import RemoteFault
    from wsdl.transport import ServiceUnreachable

    urls = candidates(session)
    for number, url in enumerate(urls):
        try:
            return step(Endpoint.connect(session, url))
        except (RemoteFault, ServiceUnreachable, EndpointFailure) as error:
            reason = error
        if isinstance(reason, RemoteFault) and _own(reason):
            raise reason
        if number + 1 < len(urls):
            session.messages.warning(f"Unable to perform the operation on the service: {url}", _told(reason))
            session.messages.info("Switching to next WMProxy Server...")
    told = _told(reason)
    told = told if urls[-1] in told else f"{urls[-1]}: {told}"
    raise NoEndpoint(f"Unable to find any endpoint where to perform service request\n{told}") from reason


def of_job(session: Session, network_server: str | None, jobid: str) -> Endpoint:
    """The server that holds a job.

    :param network_server: what L&B says.
    :raises ClientError: L&B does not know it.
    """
    if session.line.has("endpoint"):
        session.messages.warning("--endpoint option ignored", "the job's own server is used")
    if not network_server:
        raise ClientError(
            f"Unable to find any endpoint where to connect\nL&B does not name the WMProxy server of {jobid}"
        )
    check_endpoint(network_server, f"network server of {jobid}")
    return Endpoint.connect(session, network_server)


def print_versions(session: Session) -> None:
    """What ``--version`` says about the configured servers; a server that does not answer is no error."""
    try:
        urls = candidates(session)
    except ClientError as error:
        session.messages.result(error.description)
        return
    for url in urls:
        session.messages.result(f"Connecting to the service {url}")
        try:
            text = session.call(WSDL, PORT, url, "getVersion")
        except ProxyError as error:
            session.messages.result(f"Connection failed: {error.description}")
            return
        except GridError as error:
            session.messages.result(f"Connection failed: {error.description}")
            continue
        session.messages.result(f"WMProxy Version: {text}")


def _own(fault: GridError) -> bool:
    return fault_of(fault.code) in _OWN_FAULT


def _told(error: GridError) -> str:
    from clients.command import text_of

    return text_of(error)
