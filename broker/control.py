"""The broker's local socket: match requests from WMProxy, and a look at its health.

One JSON object per line, one request and one answer per connection.  The socket is in the node's private run
directory, so only the service account reaches it.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from grid.errors import GridError, InternalFailure, TimedOut
from grid.limits import MAX_JDL_BYTES
from grid.unixpath import short

log = logging.getLogger("wms.broker")

_MAX_LINE = MAX_JDL_BYTES * 2
Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class MatchAnswer:
    """The candidates, best first, and when there are none, the lines that say why."""

    candidates: tuple[tuple[str, int], ...]
    explanation: tuple[str, ...]


class ControlServer:
    """Answers on a Unix socket, a thread for each connection.

    :param handlers: a function for each value of ``op``; a GridError it raises is passed to the caller.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        with short(path) as name:
            self._server = _Server(name, handlers)
        os.chmod(path, 0o600)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.5,), daemon=True, name="control")
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        self._path.unlink(missing_ok=True)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str, handlers: Mapping[str, Handler]) -> None:
        self.handlers = handlers
        super().__init__(path, _Connection)


class _Connection(socketserver.StreamRequestHandler):
    timeout = 30

    def handle(self) -> None:
        server = self.server
        if not isinstance(server, _Server):
            raise TypeError("a connection of another server")
        try:
            request = json.loads(self.rfile.readline(_MAX_LINE))
            answer = dict(server.handlers[request["op"]](request))
        except GridError as error:
            answer = {"error": error.description, "code": error.code, "causes": list(error.causes)}
        except (ValueError, KeyError, TypeError, OSError) as error:
            log.warning("a request on the control socket is wrong: %s", error)
            answer = {"error": "the request could not be read", "code": 1202, "causes": []}
        except Exception:
            log.exception("a request on the control socket failed")
            answer = {"error": "the broker failed", "code": 1202, "causes": []}
        try:
            self.wfile.write(json.dumps(answer).encode() + b"\n")
        except OSError as error:
            log.info("a caller on the control socket went away: %s", error)


_NO_MATCHMAKING: Final = "Error during matchmaking: the broker does not answer; try again later"
_OPERATORS: Final = "the broker does not answer; `wms status` tells whether the node is up, `wms up` starts it"
"""For those who ask at the node itself, and not about a description."""


def ask(path: Path, request: Mapping[str, Any], deadline: float) -> dict[str, Any]:
    """Send one request.

    :param deadline: seconds for the whole exchange.
    :raises TimedOut: when no answer comes in time.
    :raises InternalFailure: when the broker is not there.
    :raises GridError: with the broker's own words and code.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(deadline)
        try:
            with short(path) as name:
                sock.connect(name)
            sock.sendall(json.dumps(dict(request)).encode() + b"\n")
            with sock.makefile("rb") as file:
                line = file.readline(_MAX_LINE * 4)
            answer: dict[str, Any] = json.loads(line)
        except TimeoutError:
            raise TimedOut(f"Timeout reached: the broker did not answer within {deadline:.0f} s") from None
        except (OSError, ValueError) as error:
            raise InternalFailure(_OPERATORS if "ad" not in request else _NO_MATCHMAKING) from error
    if "error" in answer:
        raise GridError(answer["error"], code=answer["code"], causes=answer["causes"])
    return answer


def explain(
    path: Path, ad: str, owner: str, fqans: tuple[str, ...], deadline: float
) -> dict[str, Any]:
    """Ask the broker why a job matches where it does and nowhere else.

    :param ad: the checked JDL.
    :returns: a :class:`wsdl.explanation.Explanation` as JSON.
    :raises GridError: see :func:`ask`.
    """
    found: dict[str, Any] = ask(path, {"op": "explain", "ad": ad, "owner": owner, "fqans": list(fqans)}, deadline)
    return dict(found["explanation"])


def story(path: Path, job: str, deadline: float) -> dict[str, Any]:
    """Ask the broker where a job of its queue stands.

    :returns: a :class:`wsdl.explanation.JobStory` as JSON.
    :raises GridError: see :func:`ask`.
    """
    return dict(ask(path, {"op": "explain", "job": job}, deadline)["story"])


def match(
    path: Path, ad: str, owner: str, fqans: tuple[str, ...], deadline: float, proxy: Path | None = None
) -> MatchAnswer:
    """Ask the broker what matches now (jobListMatch).

    :param ad: the checked JDL.
    :param proxy: file with the user's delegated proxy, with which catalogues are asked for the job's data.
    :raises GridError: see :func:`ask`.
    """
    request = {"op": "match", "ad": ad, "owner": owner, "fqans": list(fqans), "proxy": str(proxy or "")}
    answer = ask(path, request, deadline)
    return MatchAnswer(
        tuple((str(ce), int(rank)) for ce, rank in answer["candidates"]), tuple(answer["explanation"])
    )
