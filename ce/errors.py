"""Errors of the computing element.

::

    ConfigurationError      BadSettings          the operator's configuration cannot work
    AuthorizationDenied     NotAdmitted          the access rules of the queue admit others
                            LimitedProxy         a limited proxy may not start jobs
                            AccountRefused       no local account for this identity
    InvalidArgument         BadDescription       the job description cannot be used
    JobUnknown              NoSuchJob            unknown here, or somebody else's
    OperationNotAllowed     WrongState           the job is past the state in which this is possible
    ServerOverloaded        QueueFull
"""

from __future__ import annotations

from collections.abc import Sequence

from grid.errors import (
    AuthorizationDenied,
    ConfigurationError,
    InvalidArgument,
    JobUnknown,
    OperationNotAllowed,
    ServerOverloaded,
)


class BadSettings(ConfigurationError):
    """The configuration cannot work; ``remedy`` says how to mend it."""

    def __init__(self, fact: str, remedy: str) -> None:
        self.fact, self.remedy = fact, remedy
        super().__init__(f"{fact}: {remedy}")


class NotAdmitted(AuthorizationDenied):
    """The access rules of a queue do not admit the caller."""

    def __init__(self, dn: str, queue: str, admitted: Sequence[str], denied: bool) -> None:
        self.dn, self.queue, self.admitted = dn, queue, tuple(admitted)
        if denied:
            sentence = f"a DENY rule of queue {queue} refuses {dn}"
        else:
            sentence = f"queue {queue} does not admit {dn}; it admits {', '.join(admitted) or 'nobody'}"
        super().__init__(sentence)


class LimitedProxy(AuthorizationDenied):
    """Starting jobs needs a full proxy, so that a running job cannot start others."""

    def __init__(self, dn: str, action: str) -> None:
        self.dn, self.action = dn, action
        super().__init__(f"{action} needs a full proxy; the proxy of {dn} is limited")


class AccountRefused(AuthorizationDenied):
    """There is no local account for an identity."""

    def __init__(self, dn: str, why: str) -> None:
        self.dn = dn
        super().__init__(f"no local account for {dn}: {why}")


class BadDescription(InvalidArgument):
    """An attribute of the job description cannot be used."""

    def __init__(self, attribute: str, why: str) -> None:
        self.attribute = attribute
        super().__init__(f"{attribute}: {why}")


class NoSuchJob(JobUnknown):
    """One answer for an unknown job and for somebody else's."""

    def __init__(self, job: str) -> None:
        self.job = job[:80]
        super().__init__(f"job {self.job!r} is not known here")


class WrongState(OperationNotAllowed):
    """The job is in a state that does not allow the operation."""

    def __init__(self, job: str, operation: str, state: str) -> None:
        self.job, self.operation, self.state = job, operation, state
        super().__init__(f"{operation} is not possible: job {job} is {state}")


class QueueFull(ServerOverloaded):
    """A limit on the number of jobs is reached."""

    def __init__(self, what: str, limit: int) -> None:
        self.what, self.limit = what, limit
        super().__init__(f"{what} holds its limit of {limit} jobs; try later")
