"""HTTP for SOAP clients: one kept connection, our TLS context and nothing else, bounded in time and size."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from lxml import etree
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError

from grid.errors import ConfigurationError, GridError
from grid.limits import MAX_XML_BYTES
from web.dial import Address
from wsdl.pinned import pinned_pools

_BLOCK: Final = 64 << 10
_CONNECT_TIMEOUT: Final = 10.0


class ServiceUnreachable(GridError):
    """A service could not be asked, or what came back was not an answer.

    :ivar url: the service's address.
    :ivar reason: what went wrong, without the address.
    :ivar timed_out: whether a deadline passed; the service may have acted all the same.
    :ivar quotes: whether the reason repeats what came back.
    :ivar status: of HTTP, when there was one.
    """

    default_code = 1202

    def __init__(
        self, url: str, reason: str, *, timed_out: bool = False, quotes: bool = False, status: int | None = None
    ) -> None:
        self.url = url
        self.reason = reason
        self.timed_out = timed_out
        self.quotes = quotes
        self.status = status
        super().__init__(f"{url} could not be asked: {reason}", code=1229 if timed_out else None)


class _Adapter(HTTPAdapter):
    """Connections to given addresses, if any are given, else to those that their host's name stands for."""

    def __init__(self, addresses: Sequence[Address] | None) -> None:
        self._addresses = addresses
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        if self._addresses is not None:
            self.poolmanager.pool_classes_by_scheme = pinned_pools(self._addresses)


class _ContextAdapter(_Adapter):
    """Connections with a given TLS context, whose trust is not widened by any bundle of public CAs."""

    def __init__(self, context: ssl.SSLContext, addresses: Sequence[Address] | None) -> None:
        self._context = context
        super().__init__(addresses)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
        """Requests would load its own CA bundle into the context here."""
        conn.cert_reqs = "CERT_REQUIRED"
        conn.ca_certs = None
        conn.ca_cert_dir = None


class HttpTransport:
    """The connections of one client.

    :param timeout: seconds for a whole exchange; connecting has at most 10 of them.
    :param addresses: where all connections go, whatever a URL's host stands for; None: where that leads.
    """

    def __init__(
        self, context: ssl.SSLContext | None, timeout: float, addresses: Sequence[Address] | None = None
    ) -> None:
        self._context = context
        self._timeout = timeout
        self._pinned = addresses is not None
        self.session = requests.Session()
        self.session.trust_env = False  # neither proxies nor REQUESTS_CA_BUNDLE of the environment
        self.session.headers.update(
            {
                "User-Agent": "wms",
                "Accept-Encoding": "identity",
                "Content-Type": "text/xml; charset=utf-8",
            }
        )
        self.session.mount("http://", _Adapter(addresses))
        if context is not None:
            self.session.mount("https://", _ContextAdapter(context, addresses))

    def post(self, address: str, envelope: etree._Element, action: str = "") -> bytes:
        """Send an envelope and read the whole answer, which is XML whatever its HTTP status.

        :param action: the soapAction of the operation.
        :raises ServiceUnreachable: no connection, no TLS, no answer in time, an answer that is not XML.
        :raises ConfigurationError: an https address without a TLS context.
        """
        data = etree.tostring(envelope, encoding="UTF-8", xml_declaration=True)
        response, content = self._exchange("POST", address, data, {"SOAPAction": f'"{action}"'})
        if _kind(response) not in ("text/xml", "application/xml"):
            raise _unfit(address, response, content)
        return content

    def send(self, address: str, data: bytes, kind: str) -> tuple[int, str, bytes]:
        """POST a document that is no SOAP message: HTTP status, media type and bytes of the answer, whatever it is.

        :param kind: the Content-Type of ``data``.
        :raises ServiceUnreachable: no connection, no TLS, no answer in time.
        :raises ConfigurationError: an https address without a TLS context.
        """
        response, content = self._exchange("POST", address, data, {"Content-Type": kind})
        return response.status_code, _kind(response), content

    def get(self, address: str) -> tuple[int, str]:
        """HTTP status and text of a page that is plain text, as services offer beside SOAP.

        :raises ServiceUnreachable: no connection, no TLS, no answer in time, an answer that is not text.
        :raises ConfigurationError: an https address without a TLS context.
        """
        response, content = self._exchange("GET", address, None)
        if _kind(response) != "text/plain":
            raise _unfit(address, response, content)
        return response.status_code, content.decode("utf-8", "replace")

    def _exchange(
        self, method: str, address: str, data: bytes | None, headers: dict[str, str] | None = None
    ) -> tuple[requests.Response, bytes]:
        if address.startswith("https:") and self._context is None:
            raise ConfigurationError(f"{address} needs a TLS context")
        deadline = time.monotonic() + self._timeout
        try:
            response = self.session.request(
                method,
                address,
                data=data,
                headers=headers,
                timeout=(min(self._timeout, _CONNECT_TIMEOUT), self._timeout),
                allow_redirects=False,
                stream=True,
            )
            with response:
                return response, _content(response, address, deadline)
        except (requests.Timeout, ReadTimeoutError):
            raise _late(address, self._timeout) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            quotes = not isinstance(_innermost(error), OSError)  # a status line that is none, for instance
            sentence = _sentence(error, address, look=not self._pinned)
            raise ServiceUnreachable(address, sentence, quotes=quotes) from error

    def close(self) -> None:
        """Close the kept connections."""
        self.session.close()


def _kind(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _unfit(address: str, response: requests.Response, content: bytes) -> ServiceUnreachable:
    said = " ".join(content[:300].decode("utf-8", "replace").split())
    reason = f"it answered HTTP {response.status_code} {response.reason}: {said}"
    return ServiceUnreachable(address, reason, quotes=True, status=response.status_code)


def _content(response: requests.Response, address: str, deadline: float) -> bytes:
    """The body, block by block: no answer may be endless in size or time."""
    blocks: list[bytes] = []
    size = 0
    while True:
        if time.monotonic() > deadline:
            raise _late(address, None)
        block = response.raw.read1(_BLOCK)
        if not block:
            return b"".join(blocks)
        size += len(block)
        if size > MAX_XML_BYTES:
            raise ServiceUnreachable(address, f"its answer has more than {MAX_XML_BYTES} bytes")
        blocks.append(block)


def _late(address: str, seconds: float | None) -> ServiceUnreachable:
    text = "it did not answer in time" + (f" ({seconds:g} s)" if seconds else "")
    return ServiceUnreachable(address, text, timed_out=True)


def _sentence(error: BaseException, address: str, *, look: bool) -> str:
    """What the innermost cause says, in the words of :func:`gsi.tls.explain` for connections."""
    from gsi.tls import explain  # cryptography is loaded only when something went wrong

    cause = _innermost(error)
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return explain(cause, parts.hostname or "", port, look=look) if isinstance(cause, OSError) else str(cause)


def _innermost(error: BaseException) -> BaseException:
    """requests wraps urllib3's errors, which wrap the socket's, each in its own way."""
    for _ in range(8):
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        if inner is None and not isinstance(error, ssl.SSLError):
            inner = error.__cause__
        if inner is None:
            return error
        error = inner
    return error
