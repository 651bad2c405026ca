"""Which delegated proxy a request uses, and delegating one (``-a``, ``-d``)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clients.errors import ClientError
from clients.options import AUTO, DELEGATION
from grid.limits import MAX_DELEGATION_ID

if TYPE_CHECKING:
    from clients.endpoint import Endpoint
    from clients.session import Session


@dataclass(frozen=True, slots=True)
class DelegationId:
    """An identifier; ``automatic`` when it was generated here and the proxy must still be delegated."""

    text: str
    automatic: bool


def generated() -> str:
    """22 characters of URL-safe base64 that do not begin with ``-``, so that ``-d`` can take them."""
    while True:
        text = secrets.token_urlsafe(16)
        if not text.startswith("-"):
            return text


def chosen(session: Session) -> DelegationId:
    """The identifier that the options or the configuration give.

    :raises ClientError: none is given.
    """
    line = session.line
    given = line.text("delegationid")
    if line.has("autm-delegation"):
        return DelegationId(generated(), True)
    text = given if given is not None else session.configuration.delegation_id
    if not text:
        raise ClientError(
            f"No delegationId found, please use one of the following methods:\n{AUTO.line}\n{DELEGATION.line}",
            title="Missing Information",
        )
    if len(text) > MAX_DELEGATION_ID:
        raise ClientError(
            f"the delegation identifier is longer than {MAX_DELEGATION_ID} characters",
            title="Wrong Argument Option",
        )
    return DelegationId(text, False)


def delegate(endpoint: Endpoint, identifier: str) -> None:
    """Sign the server's request with the user's proxy and hand it over.

    :raises wsdl.client.RemoteFault: the server refuses.
    """
    from wsdl.delegation import delegate as hand_over

    endpoint.session.messages.debug("Delegating", f"{identifier} to {endpoint.url}")
    hand_over(endpoint.delegation_port(), identifier, endpoint.session.proxy.credential)
