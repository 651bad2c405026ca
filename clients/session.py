"""What the parts of one command share: options, screen, configuration, proxy, connections."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ssl

    from clients.configuration import Configuration
    from clients.messages import Messages
    from clients.options import CommandLine, Syntax
    from clients.proxy import Proxy
    from clients.questions import Questions
    from wsdl.client import SoapClient

TIMEOUT: Final = 120
"""Seconds that one SOAP call may take when the configuration does not say."""


class Session:
    """One run of one command."""

    def __init__(
        self,
        syntax: Syntax,
        line: CommandLine,
        messages: Messages,
        questions: Questions,
        environ: Mapping[str, str],
    ) -> None:
        self.syntax = syntax
        self.line = line
        self.messages = messages
        self.questions = questions
        self.environ = environ
        self._clients: dict[tuple[str, str, str, float], SoapClient] = {}

    @cached_property
    def now(self) -> datetime.datetime:
        """When the command began."""
        return datetime.datetime.now(datetime.UTC)

    @cached_property
    def proxy(self) -> Proxy:
        """The user's proxy, checked.

        :raises grid.errors.ProxyError: missing, over, too short; or no directory of authorities.
        """
        from clients import proxy

        loaded = proxy.load(self.environ, self.now)
        self.messages.debug("Proxy:", f"{loaded.path} of {loaded.dn}, VO {loaded.vo or 'none'}")
        return loaded

    @cached_property
    def configuration(self) -> Configuration:
        """The configuration files, merged.

        :raises ClientError: one of them is wrong.
        """
        from clients import configuration

        return configuration.load(
            self.line.text("config"), self.environ, self._file_vo(), script=self.syntax.script
        )

    @cached_property
    def vo(self) -> str | None:
        """The virtual organisation: the proxy's, ``--vo``, the configuration's; None when nobody names one."""
        given = self.line.text("vo")
        carried = self.proxy.vo
        if carried:
            if given and given != carried:
                self.messages.warning("--vo option ignored", f"the proxy is of the VO {carried}")
            return carried
        return given or self.configuration.virtual_organisation

    def check_proxy(self) -> Proxy:
        """The proxy, which must also last as long as the configuration wants."""
        from clients import proxy

        minutes = self.configuration.proxy_validity
        if minutes and self.proxy.minutes_left(self.now) < minutes:
            raise proxy.ProxyTooShort(self.proxy.path, self.proxy.dn, minutes, self.proxy.not_after)
        return self.proxy

    @cached_property
    def context(self) -> ssl.SSLContext:
        """TLS with the proxy; always verifies the server."""
        from clients.proxy import certificates
        from gsi.tls import client_context

        if not self.configuration.authenticate_server:
            self.messages.warning(
                "AuthenticateServer = false",
                "this client verifies every server; put the authority of yours into X509_CERT_DIR",
            )
        path = self.proxy.path  # first: without a proxy nothing else matters
        return client_context(certificates(self.environ), path)

    def call(self, wsdl: str, port: str, url: str, operation: str, **parts: Any) -> Any:
        """One SOAP call with the deadline of the configuration.

        :raises wsdl.client.RemoteFault: the server answered a fault.
        :raises wsdl.transport.ServiceUnreachable: it could not be asked.
        """
        self.messages.debug(f"Calling {operation}", f"on {url}")
        return self.soap(wsdl, port, url, operation).call(operation, **parts)

    def soap(self, wsdl: str, port: str, url: str, operation: str) -> SoapClient:
        """The client for a port, made once for each deadline."""
        from wsdl.client import SoapClient

        timeout = self._deadline(operation)
        key = (wsdl, port, url, timeout)
        if key not in self._clients:
            self._clients[key] = SoapClient(wsdl, port, url, self.context, timeout=timeout)
        return self._clients[key]

    def send(self, url: str, data: bytes, kind: str, operation: str) -> tuple[int, str, bytes]:
        """POST a document that is no SOAP message: HTTP status, media type and bytes of the answer.

        :param operation: whose deadline counts.
        :raises wsdl.transport.ServiceUnreachable: there was no answer.
        """
        from wsdl.transport import HttpTransport

        with contextlib.closing(HttpTransport(self.context, self._deadline(operation))) as transport:
            return transport.send(url, data, kind)

    def _deadline(self, operation: str) -> float:
        timeouts = self.configuration.soap_timeouts
        return float(timeouts.get(f"{operation.lower()}timeout", 0) or timeouts.get("globaltimeout", 0) or TIMEOUT)

    def close(self) -> None:
        """Close the kept connections."""
        for client in self._clients.values():
            client.close()

    def _file_vo(self) -> str | None:
        """The VO that selects configuration files; a missing proxy is no error here."""
        from grid.errors import ProxyError

        try:
            return self.proxy.vo or self.line.text("vo")
        except ProxyError:
            return self.line.text("vo")
