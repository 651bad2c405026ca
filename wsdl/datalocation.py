"""The DataLocationInterface: where the replicas of a file are (``data-location-interface.wsdl``).

SOAP 1.1, rpc/encoded, one operation ``listReplicas``.  The type is one of :data:`TYPES`; the name may carry it as a
prefix (``lfn:/grid/vo/file``), as the WMS sends it, or not.  Replicas are storage URLs (``srm://se/path``,
``sfn://se/path``) or bare names of storage elements' hosts.
"""

from __future__ import annotations

import logging
import secrets
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from grid.errors import AuthenticationFailed, GridError
from web.dial import Address
from web.guard import guarded
from wsdl import encoded
from wsdl.client import remote_fault
from wsdl.codec import ValueRefused
from wsdl.documents import Documents
from wsdl.encoded import EncodedBody
from wsdl.envelope import FAULT, EnvelopeRefused, answer, body_entries, to_bytes, write_fault
from wsdl.faults import WireFault
from wsdl.names import DATA_LOCATION, clark
from wsdl.transport import HttpTransport, ServiceUnreachable
from wsdl.wsgi import TEXT, XML, RequestRefused, StartResponse, read_body, reply

_log: Final = logging.getLogger("wms.wsdl")

WSDL_NAME: Final = "data-location-interface.wsdl"
PORT: Final = "DataLocationInterface"
TYPES: Final = ("lfn", "guid", "lds", "query")
"""Logical file name, GUID, logical data set, query."""

MAX_REQUEST: Final = 64 << 10
"""Bytes of one request."""
MAX_NAME: Final = 4096
"""Characters of one logical name."""

_REQUEST: Final = clark(DATA_LOCATION, "listReplicas")
_RESPONSE: Final = clark(DATA_LOCATION, "listReplicasResponse")
_PREFIX: Final = "datalocationinterface"


class DataLocation:
    """Asks one catalogue.  Safe for threads; connections are kept.

    :param context: TLS context with the user's proxy, for an https address; None for http, which is anonymous.
    :param timeout: seconds for one call.
    :param addresses: where connections go; None: where the URL's host leads.
    """

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext | None,
        timeout: float = 10.0,
        addresses: Sequence[Address] | None = None,
    ) -> None:
        self.url = url
        self._transport = HttpTransport(context, timeout, addresses)

    def list_replicas(self, kind: str, name: str) -> tuple[str, ...]:
        """The replicas of a file, in the catalogue's order, each once.

        :param kind: one of :data:`TYPES`.
        :raises wsdl.client.RemoteFault: the catalogue answered with a fault, ``No such file`` for instance.
        :raises ServiceUnreachable: it could not be asked, or its answer is not one.
        """
        envelope, wrapper = encoded.envelope(_PREFIX, _REQUEST)
        encoded.put_string(wrapper, "inputDataType", kind)
        encoded.put_string(wrapper, "inputData", name)
        data = self._transport.post(self.url, envelope)
        try:
            body = EncodedBody(body_entries(data))
            if body.wrapper.tag == FAULT:
                raise remote_fault(body.wrapper)
            if body.wrapper.tag != _RESPONSE:
                raise ValueRefused(str(body.wrapper.tag)[:100], f"{_RESPONSE} belongs there")
            found = (text.strip() for text in body.strings())
            return tuple(dict.fromkeys(text for text in found if text))
        except (EnvelopeRefused, ValueRefused) as error:
            reason = f"its answer is not what the contract says: {error}"
            raise ServiceUnreachable(self.url, reason, quotes=True) from error

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()


Lookup = Callable[[Mapping[str, Any], str, str], Sequence[str]]
"""The replicas of a file: the WSGI environment, the type and the name without a prefix in, URLs out.

It asks the service's authorization point, and raises GridError with what the caller should read.
"""


class DataLocationServer:
    """The WSGI callable of a catalogue: POST is ``listReplicas``, GET and HEAD with ``?wsdl`` the contract.

    :param address: the URL at which others reach it, for the contract.
    :param identify: who is calling; a body that has not arrived yet is read for callers with a certificate only.
    """

    def __init__(
        self, lookup: Lookup, address: str, identify: Callable[[Mapping[str, Any]], object] | None = None
    ) -> None:
        self._lookup = lookup
        self._documents = Documents((WSDL_NAME,), {PORT: address})
        self._identify = identify

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST":
            return self._not_a_call(environ, start_response)
        try:
            if self._identify is not None and not environ.get("wms.body_arrived", True):
                self._identify(environ)
            data = read_body(environ, MAX_REQUEST)
        except RequestRefused as refused:
            text = f"{refused.text}. The contract of this service is at {self._documents.address}?wsdl\n"
            return reply(start_response, refused.status, TEXT, text.encode())
        except AuthenticationFailed as error:
            return _fault(start_response, WireFault("Client", error.description))
        try:
            urls = self._called(environ, data)
        except EnvelopeRefused as error:
            return _fault(start_response, error.fault)
        except GridError as error:
            return _fault(start_response, WireFault("Client", error.description))
        except Exception:  # noqa: BLE001 - the last place that can answer; the log has the traceback
            reference = secrets.token_hex(4)
            _log.exception("listReplicas failed (reference %s)", reference)
            return _fault(start_response, WireFault("Server", f"the catalogue failed (reference {reference})"))
        envelope, wrapper = encoded.envelope(_PREFIX, _RESPONSE)
        encoded.put_strings(wrapper, "urlList", urls)
        return reply(start_response, "200 OK", XML, to_bytes(envelope))

    def _called(self, environ: Mapping[str, Any], data: bytes) -> Sequence[str]:
        body = EncodedBody(body_entries(data))
        if body.wrapper.tag != _REQUEST:
            raise EnvelopeRefused("Client", f"this service has the operation {_REQUEST} alone")
        kind, name = body.part("inputDataType").strip(), body.part("inputData")
        if kind not in TYPES:
            raise ValueRefused("inputDataType", f"it is {kind[:60]!r} and none of {', '.join(TYPES)}")
        if len(name) > MAX_NAME:
            raise ValueRefused("inputData", f"it has more than {MAX_NAME} characters")
        with guarded("listReplicas"):
            return self._lookup(environ, kind, name.removeprefix(f"{kind}:"))

    def _not_a_call(self, environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        method = environ["REQUEST_METHOD"]
        found = self._documents.answer(environ) if method in ("GET", "HEAD") else None
        if found is None:
            text = f"This is a SOAP service: it takes POST. Its contract is at {self._documents.address}?wsdl\n"
            body = b"" if method == "HEAD" else text.encode()
            return reply(start_response, "405 Method Not Allowed", TEXT, body, ("Allow", "GET, HEAD, POST"))
        status, headers, body = found
        start_response(status, headers)
        return [b"" if method == "HEAD" else body]


def _fault(start_response: StartResponse, fault: WireFault) -> list[bytes]:
    envelope, body = answer(_PREFIX, DATA_LOCATION)
    write_fault(body, fault)
    return reply(start_response, "500 Internal Server Error", XML, to_bytes(envelope))
