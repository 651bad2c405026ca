"""``POST <server>/explain``: why a job matches where it does and nowhere else, beside the WSDL.

The body is a job description (Content-Type ``application/x-jdl``, UTF-8), the answer an explanation document as JSON
(:mod:`wsdl.explanation`), whether or not something matches.  It is authorized, limited and drained as jobListMatch
is; no delegation is needed, since the job would run with what the caller's own proxy carries.  Errors are JSON too:
``{"error": {"code": 1506, "description": "…", "causes": ["…"]}}`` with a status of HTTP.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

from broker import control
from grid.errors import AuthenticationFailed, GridError, InternalFailure, InvalidArgument
from grid.limits import MAX_JDL_BYTES
from web.guard import Rule, guarded
from wmproxy.admission import Admission
from wmproxy.authorization import AuthorizationPoint
from wmproxy.errors import LoadTooHigh
from wmproxy.registration import Registration
from wmproxy.settings import WmproxySettings
from wsdl.faults import FaultWriter
from wsdl.operation import JDL, operation, terms_of
from wsdl.service import Call
from wsdl.wsgi import RequestRefused, StartResponse, read_body, reply

log = logging.getLogger("wms.wmproxy")

NAME: Final = "explain"
JDL_TYPE: Final = "application/x-jdl"
JSON_TYPE: Final = "application/json"

_STATUS: Final[Mapping[int, str]] = {
    1206: "401 Unauthorized",
    1207: "403 Forbidden",
    1226: "409 Conflict",
    1228: "503 Service Unavailable",
    1229: "504 Gateway Timeout",
}
_REQUEST: Final = "400 Bad Request"
_FAILURE: Final = "500 Internal Server Error"
_WANTED: Final = f"a job description has the Content-Type {JDL_TYPE}"


class ExplanationResource:
    """The WSGI callable of the resource.

    :param admission: what stands before every operation of the server.
    :param faults: knows which places of the server an answer does not name.
    """

    def __init__(
        self,
        settings: WmproxySettings,
        authorization: AuthorizationPoint,
        registration: Registration,
        admission: Admission,
        faults: FaultWriter,
    ) -> None:
        self._settings = settings
        self._authorization = authorization
        self._registration = registration
        self._admission = admission
        self._faults = faults
        terms = terms_of(self.explain)
        if terms is None:
            raise TypeError("the handler of explain has lost its declaration")
        self._terms = terms

    @operation(
        "Why a job matches where it does and nowhere else.",
        Rule.MEMBER,
        codes=(*JDL, 1226),
        new_work=True,
        key="jobListMatch",
    )
    def explain(self, call: Call, jdl: str) -> dict[str, Any]:
        """The explanation document of a description, for the caller."""
        identity = self._authorization.member(call.environ, call.operation)
        ad = self._registration.check_for_explanation(identity, jdl)
        fqans = tuple(str(fqan) for fqan in identity.fqans)
        broker = self._settings.broker_control
        return control.explain(broker, ad.text(), identity.dn, fqans, self._settings.match_deadline)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        if environ["REQUEST_METHOD"] != "POST":
            text = f"POST a job description ({JDL_TYPE}) here"
            return _error(start_response, "405 Method Not Allowed", InvalidArgument(text), ("Allow", "POST"))
        try:
            if not environ.get("wms.body_arrived", True):
                self._authorization.known(environ, NAME)  # reading a slow body holds a thread: not for strangers
            body = read_body(environ, MAX_JDL_BYTES, frozenset({JDL_TYPE}), _WANTED)
        except RequestRefused as refused:
            return _error(start_response, refused.status, InvalidArgument(refused.text))
        except AuthenticationFailed as error:
            return self._refused(start_response, error)
        return self._answered(environ, start_response, body)

    def _answered(self, environ: dict[str, Any], start_response: StartResponse, body: bytes) -> Iterable[bytes]:
        call = Call("", NAME, environ, self._terms)
        try:
            with guarded(NAME, self._terms.rules):
                answer = self._admission(call, lambda: self.explain(call, _text(body)))
        except GridError as error:
            log.info("%s answered with error %d (%s)", NAME, error.code, type(error).__name__)
            if error.code not in self._terms.codes:
                log.error("%s answered with the undeclared error code %d", NAME, error.code, exc_info=True)
            return self._refused(start_response, error)
        except Exception:  # the last place that can answer; the log has the traceback
            reference = secrets.token_hex(4)
            log.exception("%s failed (reference %s)", NAME, reference)
            text = f"the server failed to answer; its log tells why under the reference {reference}"
            return _error(start_response, _FAILURE, InternalFailure(text))
        return reply(start_response, "200 OK", JSON_TYPE, json.dumps(answer, separators=(",", ":")).encode())

    def _refused(self, start_response: StartResponse, error: GridError) -> Iterable[bytes]:
        status = _STATUS.get(error.code, _REQUEST if error.code in JDL or error.code == 1225 else _FAILURE)
        more: list[tuple[str, str]] = []
        if isinstance(error, LoadTooHigh):
            more.append(("Retry-After", f"{max(1, round(error.retry_after))}"))
        if isinstance(error, AuthenticationFailed):
            more.append(("Connection", "close"))  # a better certificate needs another handshake
        return _error(start_response, status, self._faults.shown(error), *more)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"the job description is not UTF-8: byte {error.start} is wrong") from error


def _error(start_response: StartResponse, status: str, error: GridError, *more: tuple[str, str]) -> Iterable[bytes]:
    told = {"code": error.code, "description": error.description, "causes": list(error.causes)}
    return reply(start_response, status, JSON_TYPE, json.dumps({"error": told}).encode(), *more)
