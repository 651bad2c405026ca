"""What can go wrong between the information system and its neighbours.

::

    grid.errors.InternalFailure
    ├── SourceFailure        an LDAP server answered with an error, or with what cannot be read
    └── ProtocolError        bytes that are not the LDAP message they should be
    grid.errors.TimedOut
    └── SourceTimedOut       an LDAP server did not answer completely within the deadline
    grid.errors.InvalidArgument
    ├── NameSyntaxError      a text is not a distinguished name (RFC 4514)
    ├── LdifError            a text is not LDIF (RFC 2849); knows the line
    ├── LogicalNameError     a text is no name of a file, or no replica
    ├── FileUnknown          the catalogue has no such file
    ├── NameTaken            a logical name belongs to another file
    ├── TooManyReplicas      a file has as many names or replicas as it may have
    └── RecordError          a GLUE record lacks what the schema demands, or has what it does not admit
    grid.errors.ConfigurationError
    └── BindFailure          the LDAP server could not take its address
"""

from __future__ import annotations

from grid.errors import ConfigurationError, InternalFailure, InvalidArgument, TimedOut


class SourceFailure(InternalFailure):
    """An LDAP server could not be read.  ``url`` says which, ``reason`` why."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"The information source {url} could not be read: {reason}")


class SourceTimedOut(TimedOut):
    """An LDAP server did not answer completely within ``seconds``."""

    def __init__(self, url: str, seconds: float) -> None:
        self.url = url
        self.seconds = seconds
        super().__init__(f"The information source {url} did not answer completely within {seconds:g} s")


class ProtocolError(InternalFailure):
    """Bytes from the network are not the LDAP message (RFC 4511) they should be."""


class ForeignEntry(InvalidArgument):
    """A source publishes an entry that is not its to publish.  ``dn`` is its name, ``reason`` says why not."""

    def __init__(self, dn: str, reason: str) -> None:
        self.dn = dn
        self.reason = reason
        super().__init__(f"{dn[:200]} {reason}")


class NameSyntaxError(InvalidArgument):
    """A text is not a distinguished name of RFC 4514."""

    def __init__(self, text: str) -> None:
        self.text = text[:200]
        super().__init__(f"{self.text!r} is not a distinguished name like GlueCEUniqueID=x,o=grid")


class LdifError(InvalidArgument):
    """A text is not LDIF (RFC 2849); ``line`` counts from 1."""

    def __init__(self, line: int, what: str) -> None:
        self.line = line
        super().__init__(f"LDIF line {line}: {what}")


class RecordError(InvalidArgument):
    """A GLUE record lacks a value that the schema demands, or has one that it does not admit.

    ``record`` is the entry's name, ``attribute`` the one that is wrong, ``wanted`` what it should be.
    """

    def __init__(self, record: str, attribute: str, wanted: str = "a value") -> None:
        self.record = record
        self.attribute = attribute
        self.wanted = wanted
        super().__init__(f"A GLUE record {record[:200]} needs {wanted} for {attribute}")


class BindFailure(ConfigurationError):
    """The LDAP server could not take its address; the sentence says how to mend it."""

    def __init__(self, bind: str, reason: str) -> None:
        self.bind = bind
        self.reason = reason
        super().__init__(
            f"The LDAP server cannot listen on {bind}: {reason}; stop what uses it or configure another address"
        )


class LogicalNameError(InvalidArgument):
    """A text is no logical file name, GUID or replica.  ``text`` is it, ``reason`` how it should be."""

    def __init__(self, text: str, reason: str) -> None:
        self.text = text
        self.reason = reason
        super().__init__(f"{text[:200]!r} cannot be used: {reason}")


class FileUnknown(InvalidArgument):
    """The catalogue has no such file.  ``name`` is what was asked for."""

    def __init__(self, name: str, reason: str = "") -> None:
        self.name = name
        super().__init__(f"No such file: {name[:300]}" + (f" ({reason})" if reason else ""))


class NameTaken(InvalidArgument):
    """A logical name belongs to the file ``guid``."""

    def __init__(self, lfn: str, guid: str) -> None:
        self.lfn = lfn
        self.guid = guid
        super().__init__(f"lfn:{lfn} is a name of guid:{guid} already; remove it first or use another name")


class TooManyReplicas(InvalidArgument):
    """A file has ``limit`` names or replicas, and no more are taken."""

    def __init__(self, guid: str, limit: int) -> None:
        self.guid = guid
        self.limit = limit
        super().__init__(f"guid:{guid} has {limit} names or replicas, and a file may not have more")
