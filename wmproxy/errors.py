"""WMProxy's own errors; each keeps its facts and builds its sentence.

::

    GridError
    ├── JobUnknown
    │   └── JobNotFound            no such job, or somebody else's
    ├── AuthorizationDenied
    │   ├── VoNotAdmitted          names the admitted virtual organisations
    │   ├── FullProxyRequired      a limited proxy may not do this
    │   └── LegacyProxyRefused     nor may one older than RFC 3820
    ├── OperationNotAllowed
    │   ├── WrongPhase             the job is past, or not yet at, the moment for this
    │   └── TooManyFiles
    ├── InvalidArgument
    │   └── ProtocolNotAvailable
    └── NoSuitableResource
        └── NothingMatches         with the lines that say why
"""

from __future__ import annotations

from collections.abc import Sequence

from grid.errors import AuthorizationDenied, InvalidArgument, JobUnknown, NoSuitableResource, OperationNotAllowed


class JobNotFound(JobUnknown):
    """The job does not exist here, or is not the caller's: the same words for both."""

    def __init__(self, job: str) -> None:
        self.job = job
        super().__init__(
            f"the job {job} is not known to this server, or it is not yours, or it was purged",
            causes=["JobUnknown: no job of the caller has this identifier"],
        )


class VoNotAdmitted(AuthorizationDenied):
    """The proxy names no virtual organisation that this server admits."""

    def __init__(self, dn: str, vo: str | None, admitted: Sequence[str]) -> None:
        self.dn = dn
        self.vo = vo
        self.admitted = tuple(admitted)
        named = f"attributes of the virtual organisation {vo}" if vo else "no VOMS attributes that can be verified here"
        super().__init__(
            f"the proxy of {dn} carries {named}; this server admits: {', '.join(admitted)}. "
            f"Make a proxy of an admitted virtual organisation (for example voms-proxy-init --voms {admitted[0]})",
            causes=[f"AuthorizationError: virtual organisation {vo or '(none)'} is not admitted"],
        )


class FullProxyRequired(AuthorizationDenied):
    """A limited proxy asks for something that creates work in the user's name."""

    def __init__(self, dn: str, action: str) -> None:
        self.dn = dn
        self.action = action
        super().__init__(
            f"{action} needs a full proxy, and the proxy of {dn} is limited; use the proxy that you made yourself",
            causes=["AuthorizationError: limited proxies may not register, submit, start or delegate"],
        )


class LegacyProxyRefused(AuthorizationDenied):
    """A proxy of a kind older than RFC 3820 asks for something that creates work in the user's name."""

    def __init__(self, dn: str, action: str) -> None:
        self.dn = dn
        self.action = action
        super().__init__(
            f"{action} needs a proxy of RFC 3820, and the proxy of {dn} is a legacy one; "
            "make a new one (voms-proxy-init -rfc)",
            causes=["AuthorizationError: legacy proxies may not register, submit, start or delegate"],
        )


class WrongPhase(OperationNotAllowed):
    """The job's state does not allow the operation."""

    def __init__(self, job: str, reason: str) -> None:
        self.job = job
        super().__init__(
            f"The Operation is not allowed: {reason}", causes=[f"JobOperationException: {reason} (job {job})"]
        )


class ProtocolNotAvailable(InvalidArgument):
    """A transfer protocol that this server does not serve."""

    def __init__(self, protocol: str, served: Sequence[str]) -> None:
        self.protocol = protocol[:60]
        super().__init__(
            f"The Operation is not allowed: requested protocol not available: {self.protocol!r}; "
            f"this server serves {', '.join(served)} (or say all or default)"
        )


class TooManyFiles(OperationNotAllowed):
    """A sandbox names more files than the server allows."""

    def __init__(self, direction: str, count: int, limit: int) -> None:
        self.count = count
        self.limit = limit
        super().__init__(
            f"The maximum number of {direction} sandbox files is reached: the job names {count}, "
            f"the server allows {limit}; pack them into an archive"
        )


class NothingMatches(NoSuitableResource):
    """No computing element matches now.

    :param lines: why, one sentence each.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__(
            "No Computing Element matching your job requirements has been found!",
            causes=tuple(lines) or ("BrokerHelper: no compatible resources",),
        )
