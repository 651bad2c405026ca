"""WMProxy's own errors; each keeps its facts and builds its sentence.

::

    GridError
    ├── JobUnknown
    │   └── JobNotFound            no such job, or somebody else's
    ├── AuthorizationDenied
    │   ├── VoNotAdmitted          names the admitted virtual organisations
    │   ├── FullProxyRequired      a limited proxy may not do this
    │   ├── LegacyProxyRefused     nor may one older than RFC 3820
    │   ├── PermissionMissing      the job's access list lets the caller do less
    │   ├── AclItemExists          1209
    │   ├── AclItemMissing
    │   └── Drained                the server takes no new work
    ├── QuotaExceeded              1224, with the numbers
    ├── TooManyWaiting             1224, jobs that are registered and not started
    ├── OperationNotAllowed
    │   ├── WrongPhase             the job is past, or not yet at, the moment for this
    │   │   ├── InputMissing       a file was not uploaded before the start
    │   │   └── InputTooLarge      more was, by GridFTP
    │   ├── OwnersAclItem          the owner cannot be taken off the list
    │   ├── ProxyFileMissing       neither the job's proxy nor its backup is there
    │   ├── NotForCompound         the operation is for jobs without nodes
    │   ├── IsNode                 a node goes with its parent
    │   ├── DescriptionTooLong
    │   └── TooManyFiles
    ├── InvalidArgument
    │   ├── AclItemUnfit           neither a DN nor an FQAN
    │   ├── TooManyAclItems
    │   ├── ArchiveRefused         a zipped input sandbox that is not unpacked
    │   ├── IdEmpty                a job or delegation id that is empty
    │   └── ProtocolNotAvailable
    ├── ServerOverloaded
    │   └── LoadTooHigh            a load limit is passed; names it
    └── NoSuitableResource
        └── NothingMatches         with the lines that say why
"""

from __future__ import annotations

from collections.abc import Sequence

from grid.errors import (
    AuthorizationDenied,
    GridError,
    InvalidArgument,
    JobUnknown,
    NoSuitableResource,
    OperationNotAllowed,
    ServerOverloaded,
)


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


class PermissionMissing(AuthorizationDenied):
    """The caller is on the job's access list, which does not let him do this."""

    def __init__(self, dn: str, job: str, action: str, who: str) -> None:
        self.dn = dn
        self.job = job
        self.action = action
        super().__init__(
            f"{action} is for {who}; the access list of {job} lets {dn} do less",
            causes=[f"AuthorizationError: user not authorized ({action})"],
        )


class AclItemExists(AuthorizationDenied):
    """Somebody is to be added who is on the list already."""

    default_code = 1209

    def __init__(self, file: str, kind: str, item: str) -> None:
        self.item = item
        super().__init__(
            f"unable to add the new credential entry to the gacl ({file})\nreason: the entry already exists\n"
            f"credential type : {kind}\nInput dn: {item}\n",
            causes=[f"GaclError: the entry already exists ({item})"],
        )


class AclItemMissing(AuthorizationDenied):
    """Somebody is to be removed who is not on the list."""

    def __init__(self, file: str, kind: str, item: str) -> None:
        self.item = item
        super().__init__(
            "Removal of the gacl item failed:\nunable to remove the credential entry from the gacl "
            f"({file})\nreason : the entry doesn't exist\ncredential type : {kind}\ninput dn: {item}\n",
            causes=[f"GaclError: the entry doesn't exist ({item})"],
        )


class OwnersAclItem(OperationNotAllowed):
    """The owner's own item is to be removed."""

    def __init__(self, job: str) -> None:
        self.job = job
        reason = "Removal of the item representing user that has registered the job is not allowed"
        super().__init__(
            f"The Operation is not allowed: {reason}", causes=[f"JobOperationException: {reason} (job {job})"]
        )


class TooManyWaiting(GridError):
    """A user has too many jobs that are registered and not started."""

    default_code = 1224

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"not enough quota: {limit} of your jobs are registered and have not been started, and no more may be; "
            "start them, or cancel and purge them",
            causes=[f"QuotaError: {limit} registered jobs"],
        )


class ProxyFileMissing(OperationNotAllowed):
    """A job has no proxy file any more."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        super().__init__(
            "The Operation is not allowed: Unable to find a Proxy file in the job directory",
            causes=[f"JobOperationException: no user.proxy in {directory}"],
        )


class AclItemUnfit(InvalidArgument):
    """A text that cannot be an item of an access list."""

    def __init__(self, item: str) -> None:
        self.item = item[:200]
        super().__init__(
            f"{self.item!r} cannot be an item of an access list: write a DN (/C=../CN=..) or an FQAN "
            "(/vo/group/Role=role)"
        )


class TooManyAclItems(InvalidArgument):
    """An access list would become too long."""

    def __init__(self, listed: int, more: int, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"the access list of the job has {listed} items, {more} more were given and {limit} are taken; "
            "remove some, or name a group"
        )


class ArchiveRefused(InvalidArgument):
    """An archive of a zipped input sandbox is refused as a whole.

    :param reason: what is wrong with which member.
    """

    def __init__(self, archive: str, reason: str) -> None:
        self.archive = archive
        self.reason = reason
        super().__init__(
            f"Unable to untar ISB file {archive!r}: {reason}",
            causes=[f"ArchiveError: {reason} ({archive})"],
        )


class IdEmpty(InvalidArgument):
    """An identifier that must be given is empty.

    :param what: "Job" or "Delegation".
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"Provided {what} Id not valid", causes=[f"InvalidArgument: the {what.lower()} id is empty"])


class QuotaExceeded(GridError):
    """The sandboxes of a user have become, or would become, larger than they may.

    :param used: bytes of them all, uploads under way included.
    :param wanted: bytes more that were asked for.
    :param limit: bytes that they may have.
    """

    default_code = 1224

    def __init__(self, used: int, wanted: int, limit: int) -> None:
        self.used = used
        self.wanted = wanted
        self.limit = limit
        more = f", and {wanted} more are asked for" if wanted else ""
        super().__init__(
            f"not enough quota: your sandboxes hold {used} of the {limit} bytes that they may have{more}; "
            "fetch the output of jobs that have ended and purge them",
            causes=[f"QuotaError: {used} + {wanted} of {limit} bytes"],
        )


class Drained(AuthorizationDenied):
    """The server is drained: it takes no new work.

    :param message: the operator's words, empty when there are none.
    """

    def __init__(self, operation: str, message: str) -> None:
        self.operation = operation
        self.message = message
        further = message or "jobs that are started already go on; use another WMProxy server for new ones"
        super().__init__(
            f"Unavailable service (the server is temporarily drained): {further}",
            causes=[f"AuthorizationError: {operation} makes new work, and a drained server takes none"],
        )


class LoadTooHigh(ServerOverloaded):
    """A load limit of the operation is passed.

    :param what: what was measured, a noun.
    :param retry_after: seconds.
    """

    def __init__(self, operation: str, what: str, measured: str, limit: str, retry_after: float) -> None:
        self.operation = operation
        self.what = what
        self.measured = measured
        self.limit = limit
        self.retry_after = retry_after
        super().__init__(
            f"System load is too high: {what} is {measured}, and the limit for {operation} is {limit}; "
            f"try again in {retry_after:.0f} s"
        )


class WrongPhase(OperationNotAllowed):
    """The job's state does not allow the operation."""

    def __init__(self, job: str, reason: str) -> None:
        self.job = job
        super().__init__(
            f"The Operation is not allowed: {reason}", causes=[f"JobOperationException: {reason} (job {job})"]
        )


class InputMissing(WrongPhase):
    """Files that the client should have uploaded are not there.

    :param names: the first of them.
    :param place: URI of the directory where they belong.
    """

    def __init__(self, job: str, names: Sequence[str], place: str) -> None:
        self.names = tuple(names)
        self.place = place
        super().__init__(
            job, f"the input sandbox is not complete, {', '.join(names)} has not been uploaded to {place}"
        )


class InputTooLarge(WrongPhase):
    """The input sandbox holds more than it may."""

    def __init__(self, job: str, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(job, f"the input sandbox has {size} bytes, and it may have {limit}")


class NotForCompound(OperationNotAllowed):
    """An operation that has a meaning for simple jobs and for nodes only."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The Operation is not allowed: {reason}", causes=[f"JobOperationException: {reason}"]
        )


class IsNode(OperationNotAllowed):
    """A node is started with its parent, and in no other way."""

    def __init__(self, job: str, parent: str) -> None:
        self.job = job
        self.parent = parent
        reason = f"the job is a DAG subjob. The parent is: {parent}"
        super().__init__(
            f"The Operation is not allowed: {reason}", causes=[f"JobOperationException: {reason} (job {job})"]
        )


class DescriptionTooLong(OperationNotAllowed):
    """The description of a compound job with all its nodes does not fit into an answer."""

    def __init__(self, job: str, nodes: int) -> None:
        self.job = job
        self.nodes = nodes
        super().__init__(
            f"The Operation is not allowed: the description of {job} with its {nodes} nodes is more than one answer "
            "holds; ask for its original, or for its nodes' descriptions one by one"
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
