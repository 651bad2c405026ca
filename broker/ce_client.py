"""Calls on the computing elements' SOAP ports (CREAM2 and delegation-2).

Work is handed over as the user: the TLS connection shows the job's delegated proxy, and what is delegated to the
CE is a limited proxy signed with it.  Watching, cancelling and purging go with the host's credential, which the
CE's operator admits, since they must go on when the user's proxy has ended.
"""

from __future__ import annotations

import hashlib
import logging
import re
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.errors import CeJobUnknown, CeRefused, CeUnreachable
from broker.settings import BrokerSettings
from grid.codes import fault_of
from grid.errors import GridError, InvalidArgument
from grid.states import CreamState
from gsi.credential import Credential
from gsi.tls import client_context
from wsdl.client import RemoteFault, SoapClient
from wsdl.delegation import delegate

log = logging.getLogger("wms.broker")

_CREAM = ("CREAM2.wsdl", "CREAM2")
_DELEGATION = ("WMProxy-gridsite-delegation-2.0.0.wsdl", "gridsite-delegation")
_KEPT_CLIENTS = 64
_CONTEXT_LIFETIME = 60.0
_REDELEGATE_AFTER = 3600.0
_MAX_REASON = 4000
_MAX_NODE = 255
_OF_THE_JOB = frozenset(("Authentication", "Authorization", "InvalidArgument"))
"""Kinds of faults that are the description's or the user's matter."""
_EXIT_CODE = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True)
class CeEvent:
    """One event of a CE's stream.

    :ivar number: position in the stream.
    :ivar wrapper_code: the wrapper's last sequence code, as text; empty when there is none.
    :ivar infrastructure: the CE says that the job was lost through no fault of its own.
    :ivar hopeless: the CE says that another attempt cannot help.
    """

    number: int
    ce_job: str
    state: CreamState
    exit_code: int
    failure_reason: str
    worker_node: str
    wrapper_code: str
    infrastructure: bool
    hopeless: bool = False


@dataclass(frozen=True)
class CeEvents:
    """One answer to QueryEvent.

    :ivar last: the greatest number in the answer, those of events that could not be read included.
    """

    db_id: str
    events: tuple[CeEvent, ...]
    last: int = 0


class ComputingElements:
    """Clients for all CEs; safe for threads.

    Endpoints are the base of the CE's services, ``https://host:port/ce-cream/services``.  A TLS context is made
    anew every minute, so a revoked server certificate is noticed.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._clients: OrderedDict[tuple[str, ...], tuple[float, SoapClient]] = OrderedDict()
        self._delegated: dict[tuple[str, str], float] = {}

    def delegate(self, endpoint: str, proxy: Path) -> str:
        """Make sure that the CE has a limited proxy signed with ``proxy``; returns its delegation id.

        The id is a digest of the proxy, so jobs of one proxy share one delegation.

        :raises CeUnreachable: when there is no answer.
        :raises CeRefused: when the CE does not take it.
        """
        digest = hashlib.sha256(proxy.read_bytes()).hexdigest()[:32]
        with self._lock:
            known = self._delegated.get((endpoint, digest), 0.0)
        if time.monotonic() - known < _REDELEGATE_AFTER and known:
            return digest
        client = self._client(endpoint, _DELEGATION, "gridsite-delegation", proxy, digest)
        with _translated(endpoint):
            delegate(client, digest, Credential.load(proxy), limited=True)
        now = time.monotonic()
        with self._lock:
            # Most jobs bring a proxy of their own: what is too old to be used again must not pile up.
            self._delegated = {key: at for key, at in self._delegated.items() if now - at < _REDELEGATE_AFTER}
            self._delegated[(endpoint, digest)] = now
        return digest

    def register(self, endpoint: str, proxy: Path, delegation: str, *, description_id: str, jdl: str) -> str:
        """Register a job without starting it; repeating it with one ``description_id`` gives the same job.

        :returns: the CE's identifier of the job.
        :raises CeUnreachable: when there is no answer.
        :raises CeRefused: when the CE does not take it.
        """
        description = {
            "JDL": jdl,
            "autoStart": False,
            "delegationId": delegation,
            "jobDescriptionId": description_id,
        }
        with _translated(endpoint):
            results = self._cream(endpoint, proxy).call("JobRegister", jobDescriptionList=[description])
        result = _only(endpoint, results)
        if result.get("jobId") is None:
            if result.get("DelegationProxyFault") is not None:
                with self._lock:
                    self._delegated.pop((endpoint, delegation), None)
            text = _fault_text(result) or "it gives no job identifier"
            raise CeRefused(endpoint, text, about_job=_about_job(result))
        return str(result["jobId"]["id"])

    def start(self, endpoint: str, proxy: Path, ce_job: str) -> None:
        """Start a registered job; a job that was started before is left as it is.

        :raises CeUnreachable: when there is no answer: it may have been started.
        :raises CeJobUnknown: when the CE has no such job.
        :raises CeRefused: when the CE does not start it.
        """
        with _translated(endpoint):
            results = self._cream(endpoint, proxy).call("JobStart", jobId=[{"id": ce_job}])
        result = _only(endpoint, results)
        if result.get("JobStatusInvalidFault") is not None:
            return
        _raise_fault(endpoint, result)

    def cancel(self, endpoint: str, ce_job: str) -> None:
        """Ask for cancellation; the CE's event tells when it is done.  A job that has ended stays as it is.

        :raises CeUnreachable: when there is no answer.
        :raises CeJobUnknown: when the CE has no such job.
        """
        with _translated(endpoint):
            results = self._cream(endpoint).call("JobCancel", jobId=[{"id": ce_job}])
        result = _only(endpoint, results)
        if result.get("JobStatusInvalidFault") is not None:
            return
        _raise_fault(endpoint, result)

    def purge(self, endpoint: str, ce_jobs: Sequence[str]) -> None:
        """Make the CE forget jobs that have ended; unknown ones are forgotten already.

        :raises CeUnreachable: when there is no answer.
        """
        with _translated(endpoint):
            self._cream(endpoint).call("JobPurge", jobId=[{"id": ce_job} for ce_job in ce_jobs])

    def events(self, endpoint: str, after: int, wait: float) -> CeEvents:
        """Events with a number greater than ``after``; the CE holds the answer up to ``wait`` seconds for one.

        :raises CeUnreachable: when there is no answer.
        :raises CeRefused: when the CE does not let this host watch.
        """
        with _translated(endpoint):
            answer = self._cream(endpoint).call(
                "QueryEvent",
                fromEventId=str(after),
                eventType="JOB_STATUS",
                maxQueryEventResultSize=500,
                property=[{"name": "waitSeconds", "value": str(int(wait))}],
            )
        try:
            rows = [(int(row["id"]), row) for row in answer["event"]]
            events = tuple(event for number, row in rows if (event := _event(endpoint, number, row)) is not None)
            return CeEvents(str(answer["dbId"]), events, max((number for number, _ in rows), default=0))
        except (KeyError, TypeError, ValueError) as error:
            raise CeRefused(endpoint, f"its events cannot be read: {error}") from error

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            clients, self._clients = self._clients, OrderedDict()
        for _, client in clients.values():
            client.close()

    # -- connections -------------------------------------------------------------------------------------

    def _cream(self, endpoint: str, proxy: Path | None = None) -> SoapClient:
        if proxy is None:
            return self._client(endpoint, _CREAM, "CREAM2", self._settings.host_credential, "host")
        digest = hashlib.sha256(proxy.read_bytes()).hexdigest()[:32]
        return self._client(endpoint, _CREAM, "CREAM2", proxy, digest)

    def _client(self, endpoint: str, contract: tuple[str, str], path: str, credential: Path, who: str) -> SoapClient:
        key = (endpoint, path, who)
        now = time.monotonic()
        with self._lock:
            kept = self._clients.get(key)
            if kept is not None and now - kept[0] < _CONTEXT_LIFETIME:
                self._clients.move_to_end(key)
                return kept[1]
        try:
            context = client_context(self._settings.certificate_directory, credential)
        except (OSError, ssl.SSLError, GridError) as error:
            text = f"the credential {credential.name} cannot be used: {error}"
            raise CeRefused(endpoint, text, about_job=True) from error
        client = SoapClient(*contract, f"{endpoint}/{path}", context, self._settings.ce_timeout)
        with self._lock:
            self._clients[key] = (now, client)
            while len(self._clients) > _KEPT_CLIENTS:
                self._clients.popitem(last=False)  # connections close when the last user of the client is done
        return client


class _translated:
    """Turns what a call raises into the broker's own errors."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        if isinstance(error, (CeRefused, CeUnreachable)):
            return  # said already: the credential cannot be used, for example
        if isinstance(error, InvalidArgument):  # it cannot even be written as a call
            raise CeRefused(self._endpoint, error.description, about_job=True) from error
        if isinstance(error, RemoteFault):
            about = error.kind.removesuffix("Fault") in _OF_THE_JOB or fault_of(error.code) in _OF_THE_JOB
            raise CeRefused(self._endpoint, error.description, about_job=about) from error
        if isinstance(error, (GridError, OSError)):
            text = error.description if isinstance(error, GridError) else str(error)
            raise CeUnreachable(self._endpoint, text) from error


def _only(endpoint: str, results: Any) -> dict[str, Any]:
    if not isinstance(results, list) or len(results) != 1:
        raise CeRefused(endpoint, "it answers for another number of jobs than it was asked for")
    result: dict[str, Any] = results[0]
    return result


def _fault_text(result: dict[str, Any]) -> str:
    for name, value in result.items():
        if name.endswith("Fault") and value is not None:
            return str(value.get("Description") or name)
    return ""


def _raise_fault(endpoint: str, result: dict[str, Any]) -> None:
    text = _fault_text(result)
    if result.get("JobUnknownFault") is not None:
        raise CeJobUnknown(endpoint, text)
    if text:
        raise CeRefused(endpoint, text, about_job=_about_job(result))


def _about_job(result: Mapping[str, Any]) -> bool:
    """Whether a fault in a result says that the description or the user is the reason, by its error code."""
    faults = [value for name, value in result.items() if name.endswith("Fault") and value is not None]
    codes = [str(fault.get("ErrorCode") or "") for fault in faults]
    return any(code.isdecimal() and len(code) < 6 and fault_of(int(code)) in _OF_THE_JOB for code in codes)


def _event(endpoint: str, number: int, row: dict[str, Any]) -> CeEvent | None:
    """The event of one row; None for one that cannot be read, which must not stop those behind it."""
    try:
        properties = {item["name"]: item["value"] for item in row["property"]}
        exit_code = str(properties.get("exitCode") or "0")
        return CeEvent(
            number=number,
            ce_job=str(properties["jobId"]),
            state=CreamState(properties["status"]),
            exit_code=int(exit_code) if _EXIT_CODE.fullmatch(exit_code) else 1,
            failure_reason=str(properties.get("failureReason") or "")[:_MAX_REASON],
            worker_node=str(properties.get("workerNode") or "")[:_MAX_NODE],
            wrapper_code=str(properties.get("seqcode") or ""),
            infrastructure=properties.get("infrastructure") == "true",
            hopeless=properties.get("verdict") == "abort",
        )
    except (KeyError, TypeError, ValueError) as error:
        log.warning("event %d of %s cannot be read and is left out: %r", number, endpoint, error)
        return None
