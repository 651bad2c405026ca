"""Which WMProxy server is asked, and what happens when it does not answer (fail-over)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
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


def candidates(session: Session) -> Iterator[str]:
    """The servers in the order in which they are tried, each once.

    ``--endpoint``, else the environment, else the configured at random and, when EnableServiceDiscovery is set, after
    them those that the information system knows; it is asked only when it comes to that.

    :raises ClientError: an address that cannot be one, or an information system that is needed and cannot be asked.
    """
    given = session.line.text("endpoint")
    if given:
        check_endpoint(given, "--endpoint")
        yield given
        return
    named = session.environ.get(VARIABLE)
    if named:
        check_endpoint(named, VARIABLE)
        yield named
        return
    urls = list(dict.fromkeys(session.configuration.endpoints))
    random.shuffle(urls)
    yield from urls
    if session.configuration.service_discovery:
        from clients.discovery import discovered

        for url in discovered(session, session.configuration.wmproxy_type):
            if url.startswith("https://") and url not in urls:
                yield url


def first(session: Session) -> tuple[str, Iterator[str]]:
    """The first server, and those that are tried after it.

    :raises NoEndpoint: nobody names one.
    """
    urls = candidates(session)
    for url in urls:
        return url, urls
    files = ", ".join(map(str, session.configuration.sources)) or "no configuration file was found"
    discovery = (
        "\nno service of type "
        f"{session.configuration.wmproxy_type} for the VO {session.vo} is in the information system either"
        if session.configuration.service_discovery
        else ""
    )
    raise NoEndpoint(
        "Unable to find any endpoint where to perform service request\n"
        f"name one with --endpoint, {VARIABLE} or WmProxyEndPoints in the configuration ({files}){discovery}"
    )


def every(session: Session) -> Iterator[str]:
    """All servers, in the order in which they are tried.

    :raises NoEndpoint: nobody names one.
    """
    url, rest = first(session)
    yield url
    yield from rest


def attempt(session: Session, step: Callable[[Endpoint], T]) -> T:
    """Do ``step`` on the first server that can; every failure but the last is a warning.

    :raises NoEndpoint: no server could; carries the last one's reason.
    :raises GridError: a fault that every server would answer, or a reason on this side.
    """
    from wsdl.client import RemoteFault
    from wsdl.transport import ServiceUnreachable

    following: str | None
    following, rest = first(session)
    while following is not None:
        url = following
        try:
            return step(Endpoint.connect(session, url))
        except (RemoteFault, ServiceUnreachable, EndpointFailure) as error:
            reason = error
        if isinstance(reason, RemoteFault) and _own(reason):
            raise reason
        following = _next(rest)
        if following is not None:
            session.messages.warning(f"Unable to perform the operation on the service: {url}", _told(reason))
            session.messages.info("Switching to next WMProxy Server...")
    told = _told(reason)
    told = told if url in told else f"{url}: {told}"
    raise NoEndpoint(f"Unable to find any endpoint where to perform service request\n{told}") from reason


def _next(urls: Iterator[str]) -> str | None:
    """The next server; none when the information system cannot be asked, since another reason is told then."""
    try:
        return next(urls, None)
    except ClientError:
        return None


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
    urls = every(session)
    while True:
        try:
            url = next(urls, None)
        except ClientError as error:
            session.messages.result(error.description)
            return
        if url is None:
            return
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
