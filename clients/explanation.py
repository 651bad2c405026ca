"""Asking a server why a job matches where it does and nowhere else (``POST <server>/explain``)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from clients.errors import EndpointFailure

if TYPE_CHECKING:
    from clients.endpoint import Endpoint
    from jdl.tree import ClassAd
    from wsdl.explanation import Explanation

_TYPE: Final = "application/x-jdl; charset=utf-8"
_OPERATION: Final = "jobListMatch"
"""Whose deadline counts; the two do the same work."""


def ask(server: Endpoint, ad: ClassAd) -> Explanation | None:
    """The explanation of a description; None when the server does not serve explanations.

    :raises wsdl.client.RemoteFault: the server refused, in words of its own.
    :raises wsdl.transport.ServiceUnreachable: it could not be asked.
    :raises EndpointFailure: its answer cannot be read.
    """
    session = server.session
    url = f"{server.url.rstrip('/')}/explain"
    session.messages.debug("Asking for an explanation", f"at {url}")
    status, kind, data = session.send(url, ad.text().encode(), _TYPE, _OPERATION)
    if kind != "application/json":
        session.messages.debug("No explanation", f"HTTP {status}, {kind or 'no type'}")
        return None
    return _read(url, status, data)


def _read(url: str, status: int, data: bytes) -> Explanation:
    from wsdl.explanation import VERSION, Explanation
    from wsdl.records import RecordMalformed, from_json

    try:
        answer = json.loads(data)
        if status != 200:
            raise _fault(answer)
        if answer["version"] != VERSION:
            raise EndpointFailure(
                f"{url} answers in version {answer['version']!r}, and this command reads version {VERSION}; "
                "use the commands of the server's release"
            )
        return from_json(Explanation, answer)
    except RecordMalformed as error:
        raise EndpointFailure(f"{url}: {error.description}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EndpointFailure(f"{url} answered HTTP {status} with JSON that is no explanation") from error


def _fault(answer: Any) -> Exception:
    """What the server said, as the fault of jobListMatch would be; codes say whether the next server may be asked."""
    from grid.codes import fault_of
    from wsdl.client import RemoteFault

    told = answer["error"]
    code, causes = int(told["code"]), tuple(_clean(str(each)) for each in told.get("causes", ()))
    text = _clean(str(told["description"]))
    return RemoteFault(f"{fault_of(code)}Fault", text, code=code, causes=causes, method="explain")


def _clean(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)
