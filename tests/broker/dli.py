"""Small catalogues over http, and questions to them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server

from broker.inputdata import DataRequest, InputFile
from grid.errors import InvalidArgument
from web.guard import asked
from wsdl.datalocation import DataLocationServer

ADA = "/CN=ada"


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None: ...


@contextlib.contextmanager
def catalogue(answer: Callable[[str], list[str]]) -> Iterator[tuple[str, list[str]]]:
    """A catalogue over http; its URL, and the names that it was asked for."""
    names: list[str] = []

    def lookup(environ: object, kind: str, name: str) -> list[str]:
        asked("listReplicas", "granted")
        names.append(f"{kind}:{name}")
        return answer(name)

    server = make_server("127.0.0.1", 0, DataLocationServer(lookup, "http://h/"), handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", names
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def wanted(*names: str, at: str = "", vo: str = "vo") -> DataRequest:
    """What a job with these files asks for; ``at``: at the catalogue that it names."""
    files = tuple(InputFile(name, name.partition(":")[0], name, at) for name in names)
    return DataRequest(files, frozenset({"gsiftp"}), vo)


def missing(name: str) -> list[str]:
    """The answer of a catalogue that has no file."""
    raise InvalidArgument(f"No such file: {name}")
