"""Whether the services of a node answer, asked as a client would ask."""

from __future__ import annotations

import http.client
import socket

from broker import control
from ce.service import CREAM_PATH
from grid.doorbell import ring
from grid.errors import GridError
from gsi.tls import client_context
from infosys.client import LdapSource
from infosys.synthetic import CAPABILITY
from node.configuration import Configuration
from node.layout import Layout

_REAL = f"(&(objectClass=GlueCE)(!(GlueCECapability={CAPABILITY})))"
"""Computing elements that are not made up."""


class Health:
    """Asks services whether they answer, as a client would."""

    def __init__(self, layout: Layout, configuration: Configuration) -> None:
        self._layout = layout
        self._configuration = configuration

    def answers(self, name: str) -> bool:
        """Whether the service answers now; waits a second at the most."""
        try:
            return self._ask(name)
        except (OSError, GridError, http.client.HTTPException):
            return False

    def _ask(self, name: str) -> bool:
        conf = self._configuration
        if name == "wmproxy":
            return self._get(conf.wmproxy.port, "/glite_wms_wmproxy_server?wsdl") == 200
        if name == "ce":
            return self._get(conf.ce.port, f"{CREAM_PATH}?wsdl") == 200
        if name == "lb":
            return self._get(conf.lb.port, "/?version") == 200 and self._connects(conf.lb.store_port)
        if name == "interlogger":
            return ring(self._layout.run / "interlogger.bell")
        if name == "bdii":
            source = LdapSource(f"ldap://{conf.node.bind}:{conf.bdii.port}", "o=grid", timeout=1.0)
            return len(source.fetch(_REAL, ["GlueCEUniqueID"])) >= len(conf.ce.queue)
        if name == "catalogue":
            return self._get(conf.catalogue.port, "/?wsdl") == 200
        answer = control.ask(self._layout.run / "broker.sock", {"op": "health"}, 1.0)
        return int(answer["computing_elements"]) - int(answer["made_up"]) >= len(conf.ce.queue)

    def _get(self, port: int, path: str) -> int:
        context = client_context(self._layout.certificates, None)
        connection = http.client.HTTPSConnection(self._configuration.node.host, port, timeout=1.0, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def _connects(self, port: int) -> bool:
        with socket.create_connection((self._configuration.node.bind, port), timeout=1.0):
            return True
