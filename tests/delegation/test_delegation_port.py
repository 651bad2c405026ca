"""The delegation ports over HTTP: the calls of a client, in each of the three namespaces."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from delegation.port import DelegationPort
from delegation.store import DelegationStore
from grid.errors import AuthorizationDenied
from gsi import proxy
from gsi.identity import Identity
from web.guard import asked
from wsdl.client import RemoteFault, SoapClient
from wsdl.contract import Contract
from wsdl.delegation import delegate
from wsdl.documents import Documents
from wsdl.service import soap_application

PORTS = ("WMProxy_PortType", "WMProxyDelegation_PortType", "WMProxyDelegation2_PortType")


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None: ...


class Gate:
    """An authorization point that admits one identity, or refuses everyone."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.closed = False
        self.actions: list[str] = []

    def __call__(self, call: Any, action: str) -> Identity:
        self.actions.append(action)
        for rule in call.terms.rules:
            asked(action, not self.closed, rule)
        if self.closed:
            raise AuthorizationDenied("not you")
        return self.identity


@contextlib.contextmanager
def listening(application: Any) -> Iterator[str]:
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture
def gate(alice: Identity) -> Gate:
    return Gate(alice)


@pytest.fixture
def kept(store: Any) -> DelegationStore:
    made: DelegationStore = store()
    return made


@pytest.fixture
def url(kept: DelegationStore, gate: Gate) -> Iterator[str]:
    """The address of a service that offers all three ports."""
    handler = DelegationPort(kept, gate)
    documents = Documents(["WMProxy.wsdl"], {PORTS[0]: "https://localhost/"})
    application = soap_application(Contract.load("WMProxy.wsdl"), dict.fromkeys(PORTS, handler), documents)
    with listening(application) as address:
        yield address


@pytest.mark.parametrize("port", PORTS)
def test_a_client_delegates_through_each_port(
    port: str, url: str, kept: DelegationStore, gate: Gate, world: Any, alice: Identity
) -> None:
    with SoapClient("WMProxy.wsdl", port, url, None) as client:
        delegate(client, "d", world.alice_proxy, lifetime=datetime.timedelta(hours=1))
    assert kept.get(alice, "d").identity.dn == alice.dn
    assert gate.actions == ["getProxyReq", "putProxy"]


def test_the_other_operations_of_version_2(url: str, kept: DelegationStore, gate: Gate, world: Any) -> None:
    with SoapClient("WMProxy.wsdl", PORTS[2], url, None) as client:
        assert client.call("getVersion") == client.call("getInterfaceVersion") == "2.0.0"
        new = client.call("getNewProxyReq")
        name = new["delegationID"]
        signed = proxy.sign_request(new["proxyRequest"], world.alice_proxy)
        client.call("putProxy", delegationID=name, proxy=signed)
        assert client.call("getTerminationTime", delegationID=name) == kept.termination_time(gate.identity, name)
        renewal = client.call("renewProxyReq", delegationID=name)
        client.call("putProxy", delegationID=name, proxy=proxy.sign_request(renewal, world.alice_proxy))
        client.call("destroy", delegationID=name)
        with pytest.raises(RemoteFault, match="Unable to get delegated Proxy") as caught:
            client.call("getTerminationTime", delegationID=name)
        assert caught.value.kind == "DelegationException"
        with pytest.raises(RemoteFault, match="Method not supported"):
            client.call("getServiceMetadata", key="k")
    assert gate.actions[:3] == ["getDelegationVersion", "getDelegationInterfaceVersion", "getNewProxyReq"]
    assert gate.actions[-3:] == ["destroyProxy", "getProxyTerminationTime", "getServiceMetadata"]


def test_new_ids_are_never_the_same(url: str) -> None:
    with SoapClient("WMProxy.wsdl", PORTS[2], url, None) as client:
        assert len({client.call("getNewProxyReq")["delegationID"] for _ in range(3)}) == 3


def test_whoever_is_refused_leaves_nothing(url: str, gate: Gate, tmp_path: Path) -> None:
    gate.closed = True
    for port, kind in ((PORTS[0], "AuthorizationFault"), (PORTS[2], "DelegationException")):
        with SoapClient("WMProxy.wsdl", port, url, None) as client:
            with pytest.raises(RemoteFault, match="not you") as caught:
                client.call("getProxyReq", delegationID="d")
        assert caught.value.kind == kind
    assert not list((tmp_path / "delegations").iterdir())


def test_a_limited_proxy_for_a_computing_element(store: Any, gate: Gate, world: Any, alice: Identity) -> None:
    kept = store(accept_limited=True)
    name = "WMProxy-gridsite-delegation-2.0.0.wsdl"
    documents = Documents([name], {"gridsite-delegation": "https://localhost/"})
    handlers = {"gridsite-delegation": DelegationPort(kept, gate)}
    with listening(soap_application(Contract.load(name), handlers, documents)) as url:
        with SoapClient(name, "gridsite-delegation", url, None) as client:
            delegate(client, "job 1", world.alice_proxy, limited=True)
    assert kept.get(alice, "job 1").identity.limited
