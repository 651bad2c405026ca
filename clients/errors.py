"""What can end a command.

::

    grid.errors.GridError
    └── ClientError               an error frame on stderr and exit code 1; has a title
        ├── OptionError           an option's value or a combination of options is wrong
        ├── NotServed             an option or a kind of job that this client does not serve
        ├── EndpointFailure       a server did not do what a step asked; another server may
        └── JobNotFound           L&B knows no such job, or not for this user
    Exception
    ├── UsageError                usage text on stderr; exit code 255 (1 for the two L&B commands)
    └── Bye                       the user ended it; ``bye`` and the exit code it carries

Errors of lower floors (:class:`wsdl.client.RemoteFault` …) reach :mod:`clients.command` unchanged and are framed
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from grid.errors import GridError

FAILURE: Final = 1
USAGE: Final = 255
REFUSED_OVERWRITE: Final = 103
"""ECONNABORTED, what the original returned when the user would not overwrite a file."""


class ClientError(GridError):
    """A command cannot go on.

    :param title: stands behind ``Error - `` in the frame.
    :param description: the text below it, one or more lines.
    """

    default_title: ClassVar[str] = "Operation failed"

    def __init__(self, description: str, *, title: str | None = None, causes: Sequence[str] = ()) -> None:
        super().__init__(description, causes=causes)
        self.title = self.default_title if title is None else title


class OptionError(ClientError):
    """An option's value, or a combination of options, is wrong."""

    default_title = "Input Option Error"


class NotServed(ClientError):
    """Something that the original did and this client does not; the sentence names it."""

    default_title = "Not Supported"


class EndpointFailure(ClientError):
    """One server could not do what a step needs; the next one is tried when there is one."""

    default_title = "WMProxy Server Error"


class JobNotFound(ClientError):
    """Logging and Bookkeeping knows no such job, or not for this user.

    :ivar jobid: the job's identifier.
    """

    default_title = "Job Not Found"

    def __init__(self, jobid: str, description: str) -> None:
        self.jobid = jobid
        super().__init__(description)


class UsageError(Exception):
    """The command line cannot be read; ``str()`` says why and may be empty."""


class Bye(Exception):
    """The user wants no more.

    :ivar code: the exit code.
    """

    def __init__(self, code: int = FAILURE) -> None:
        super().__init__("bye")
        self.code = code
