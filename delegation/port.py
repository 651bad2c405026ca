"""The delegation ports: handlers for delegation-1 and delegation-2 (GridSite), one object for both.

WMProxy's own getProxyReq and putProxy have the same parts and may be given to the same object.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final

from delegation.store import DelegationStore
from grid.errors import NotImplementedYet
from gsi.identity import Identity
from web.guard import Rule
from wsdl.operation import PROXY, operation
from wsdl.service import Call
from wsdl.types import NewProxyReq

Authorize = Callable[[Call, str], Identity]

VERSION: Final = "2.0.0"


class DelegationPort:
    """The operations of the delegation ports.

    :param authorize: the service's authorization point: given the call and the action, it returns who calls, or
        raises AuthenticationFailed or AuthorizationDenied.  The actions are those of gLite: getProxyReq, putProxy,
        renewProxyReq, getNewProxyReq, destroyProxy, getProxyTerminationTime, getDelegationVersion,
        getDelegationInterfaceVersion, getServiceMetadata.
    """

    def __init__(self, store: DelegationStore, authorize: Authorize) -> None:
        self._store = store
        self._authorize = authorize

    @operation("The version of the delegation service.", Rule.KNOWN, key="getDelegationVersion")
    def getVersion(self, call: Call) -> str:
        """The version of the service."""
        self._authorize(call, "getDelegationVersion")
        return VERSION

    @operation(
        "The version of the delegation interface.", Rule.KNOWN, key="getDelegationInterfaceVersion"
    )
    def getInterfaceVersion(self, call: Call) -> str:
        """The version of the interface."""
        self._authorize(call, "getDelegationInterfaceVersion")
        return VERSION

    @operation("A property of the service; none is defined.", Rule.KNOWN)
    def getServiceMetadata(self, call: Call, key: str) -> str:
        """No property is defined; gLite's services answer the same."""
        self._authorize(call, "getServiceMetadata")
        raise NotImplementedYet("Method not supported: this service has no metadata")

    @operation("A certificate request, for delegating a proxy under an id.", Rule.MEMBER, codes=(1215,))
    def getProxyReq(self, call: Call, delegationID: str) -> str:
        """A certificate request for (caller, delegationID)."""
        return self._store.request(self._authorize(call, "getProxyReq"), delegationID)

    @operation("A certificate request under a new id.", Rule.MEMBER, codes=(1215,))
    def getNewProxyReq(self, call: Call) -> NewProxyReq:
        """A certificate request under a new id that is given with it."""
        owner = self._authorize(call, "getNewProxyReq")
        chosen = secrets.token_hex(8)
        return NewProxyReq(self._store.request(owner, chosen), chosen)

    @operation("A certificate request that renews a delegation.", Rule.MEMBER, codes=PROXY)
    def renewProxyReq(self, call: Call, delegationID: str) -> str:
        """A certificate request that renews an existing delegation."""
        return self._store.renew_request(self._authorize(call, "renewProxyReq"), delegationID)

    @operation("Takes the delegated proxy that answers a request.", Rule.MEMBER, codes=PROXY)
    def putProxy(self, call: Call, delegationID: str, proxy: str) -> None:
        """The signed proxy and its chain."""
        self._store.put(self._authorize(call, "putProxy"), delegationID, proxy)

    @operation(
        "When a delegated proxy ends.", Rule.KNOWN, codes=PROXY, key="getProxyTerminationTime"
    )
    def getTerminationTime(self, call: Call, delegationID: str) -> datetime:
        """When the delegated proxy ends."""
        return self._store.termination_time(self._authorize(call, "getProxyTerminationTime"), delegationID)

    @operation("Forgets a delegation.", Rule.KNOWN, codes=(1215,), key="destroyProxy")
    def destroy(self, call: Call, delegationID: str) -> None:
        """Forget a delegation."""
        self._store.destroy(self._authorize(call, "destroyProxy"), delegationID)
