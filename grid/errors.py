"""The base of the one exception tree.

::

    GridError                       code 1201
    ├── InternalFailure             1202  the service itself failed
    │   └── NotImplementedYet       1202  declared in the contract, served by a later release
    ├── FileSystemFailure           1203  a file or directory of the service could not be used
    ├── ConfigurationError          1205  the node's configuration is wrong or incomplete
    ├── AuthenticationFailed        1206  who calls could not be established
    ├── AuthorizationDenied         1207  who calls is known and may not
    ├── ProxyError                  1212  a proxy certificate is unusable
    │   └── ProxyExpired            1213
    ├── DelegationError             1215  a delegation id or delegated proxy is wrong or unknown
    ├── JobUnknown                  1218  no such job, or not the caller's
    ├── InvalidArgument             1225  an argument of the call is wrong
    │   └── JdlError                1507  something in a job description is wrong (code set by the raiser)
    ├── OperationNotAllowed         1226  right caller, wrong moment
    ├── LoggingFailure              1227  Logging & Bookkeeping did not take or give an event
    ├── ServerOverloaded            1228
    ├── TimedOut                    1229
    └── NoSuitableResource          1222  nothing matches

Each room derives its own classes from these and keeps the facts as attributes; only the port modules turn
an error into a fault of the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class GridError(Exception):
    """An error with a code, a sentence for the user and the chain of its causes.

    :param description: one sentence: what is wrong, where, and how to mend it.
    :param code: overrides the class's :attr:`default_code`.
    :param causes: sentences, innermost first; they go to FaultCause and must show no internals.
    """

    default_code: ClassVar[int] = 1201

    def __init__(self, description: str, *, code: int | None = None, causes: Sequence[str] = ()) -> None:
        super().__init__(description)
        self.description = description
        self.code: int = self.default_code if code is None else code
        self.causes: tuple[str, ...] = tuple(causes)


class InternalFailure(GridError):
    """The service itself failed; the caller did nothing wrong."""

    default_code = 1202


class NotImplementedYet(InternalFailure):
    """The contract declares it and this release does not serve it."""


class FileSystemFailure(GridError):
    """A file or directory of the service could not be used."""

    default_code = 1203


class ConfigurationError(GridError):
    """The node's configuration is wrong or incomplete."""

    default_code = 1205


class AuthenticationFailed(GridError):
    """Who calls could not be established."""

    default_code = 1206


class AuthorizationDenied(GridError):
    """Who calls is known, and may not do this."""

    default_code = 1207


class ProxyError(GridError):
    """A proxy certificate is missing, unreadable or unusable."""

    default_code = 1212


class ProxyExpired(ProxyError):
    """A proxy certificate is past its end."""

    default_code = 1213


class DelegationError(GridError):
    """A delegation id or a delegated proxy is wrong or unknown."""

    default_code = 1215


class JobUnknown(GridError):
    """No such job, or a job of somebody else: one and the same answer for both."""

    default_code = 1218


class NoSuitableResource(GridError):
    """No computing element matches; the causes say why."""

    default_code = 1222


class InvalidArgument(GridError):
    """An argument of the call is wrong."""

    default_code = 1225


class JdlError(InvalidArgument):
    """Something in a job description is wrong; the raiser sets the 15xx code."""

    default_code = 1507


class OperationNotAllowed(GridError):
    """The caller may, but not now: the job is in the wrong state."""

    default_code = 1226


class LoggingFailure(GridError):
    """Logging and Bookkeeping did not take or give an event in time."""

    default_code = 1227


class ServerOverloaded(GridError):
    """A limit of the server is reached; the sentence says which."""

    default_code = 1228


class TimedOut(GridError):
    """Something did not answer within its deadline."""

    default_code = 1229
