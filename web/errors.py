"""What goes wrong between an HTTP client and a service.

::

    InvalidArgument
    ├── BodyTooLarge             1225  more bytes than this server takes (413)
    ├── BodyMalformed            1225  a chunked body that makes no sense (400)
    └── PathRefused              1225  a URL path that names no file safely (400)
    TimedOut
    └── ClientTooSlow            1229  the client sends or takes fewer bytes than is bearable (408)
    GridError
    └── ClientGone               1201  the client went away in the middle of its request
    InternalFailure
    └── UnaskedAuthorization     1202  an operation ended without asking the authorization point
        └── OtherAuthorization   1202  or asked for another rule than is declared for it
    FileSystemFailure
    └── TransferError            1203  a file did not arrive, seen by the client
"""

from __future__ import annotations

from grid.errors import FileSystemFailure, GridError, InternalFailure, InvalidArgument, TimedOut


class BodyTooLarge(InvalidArgument):
    """The request has more bytes than the server takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request is larger than the {limit} bytes that this server takes; send less")
        self.limit = limit


class BodyMalformed(InvalidArgument):
    """The chunks of a request make no sense."""

    def __init__(self) -> None:
        super().__init__("the chunks of the request are malformed")


class PathRefused(InvalidArgument):
    """A URL path that does not name a file safely."""


class ClientTooSlow(TimedOut):
    """The client sends, or takes, bytes more slowly than the server waits for."""


class ClientGone(GridError):
    """The client closed the connection before its request was complete."""


class UnaskedAuthorization(InternalFailure):
    """An operation answered without having asked the authorization point: a defect of the service."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"the service did not check the authorization of {operation} and therefore refuses it")
        self.operation = operation


class OtherAuthorization(UnaskedAuthorization):
    """An operation answered having asked for another rule than its declaration names: a defect of the service."""


class TransferError(FileSystemFailure):
    """A file was not transferred.

    :ivar url: what was asked for.
    :ivar status: the server's HTTP status, or None when it gave none.
    :ivar sentence: what the server said, or what failed on the way.
    """

    def __init__(self, url: str, status: int | None, sentence: str) -> None:
        answer = "" if status is None else f" (HTTP {status})"
        super().__init__(f"{url}: {sentence}{answer}")
        self.url, self.status, self.sentence = url, status, sentence
