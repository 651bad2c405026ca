"""The delegation calls of a client: getProxyReq, sign, putProxy.

The server keeps the private key that it made; what travels is its request and the signed chain (GridSite).
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from gsi import proxy

if TYPE_CHECKING:
    from gsi.credential import Credential
    from wsdl.client import SoapClient


def delegate(
    client: SoapClient,
    delegation_id: str,
    credential: Credential,
    *,
    limited: bool = False,
    lifetime: datetime.timedelta | None = None,
) -> None:
    """Delegate ``credential`` under ``delegation_id``; an existing delegation of this id is replaced.

    :param client: of a port that has getProxyReq and putProxy: WMProxy's own, delegation-1 or delegation-2.
    :param limited: sign a limited proxy, as a broker does for a computing element.
    :param lifetime: no longer than the credential's own, which is what None means.
    :raises RemoteFault: the service refused.
    :raises ServiceUnreachable: the service could not be asked.
    :raises ProxyError: what came back is no usable request, or the credential cannot sign it.
    """
    request = client.call("getProxyReq", delegationID=delegation_id)
    chain = proxy.sign_request(request, credential, lifetime=lifetime, limited=limited)
    client.call("putProxy", delegationID=delegation_id, proxy=chain)
