"""Who may log what (pure rules).

A service's host, when its DN is trusted, logs for the owner whom ``DG.USER`` names.  Everybody else logs for
themselves: ``DG.USER`` must be the identity of their certificate, the job must be theirs, and the source must be
the user interface, the application or the worker node.  Nobody logs in the name of the bookkeeping server.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, replace
from typing import Final

from grid.dn import normalise
from grid.states import Source
from lb.errors import EventRefused
from lb.events import Event

MAX_TAG_NAME: Final = 255
MAX_USER_LINE: Final = 128 << 10
"""Bytes of an event line from a user."""

MAX_USER_BYTES: Final = 1 << 20
"""Bytes of all event lines that users add to one job: its status, tags included, is rewritten with each event."""

MAX_EVENTS_FOR_LATE: Final = 200
"""Events of one job beyond which users cannot add late ones: each has the status made anew from all of them."""

MAX_CHILDREN: Final = 10_000
"""Nodes of one compound job."""

MAX_USER_CHILDREN: Final = 100
"""Nodes of one compound job that a user registers without a service: each is a row that is written at once."""

_SERVER_ONLY: Final = frozenset(("CollectionState", "Purge", "Notification"))
_ANYWHERE: Final = frozenset(("UserTag", "Sandbox", "Chkpt", "Listener", "CurDescr", "TakePayloadOwnership"))
_LINKS: Final = frozenset(("ChangeACL", "GrantPayloadOwnership", "ConnectJob", "DisconnectJob"))
_ON_NODE: Final = frozenset(("Accepted", "Running", "ReallyRunning", "Suspend", "Resume", "Done", "ResourceUsage"))
_USER_TYPES: Final = {
    Source.UserInterface: _ANYWHERE | _LINKS | {"RegJob", "Transfer", "Cancel"},
    Source.Application: _ANYWHERE | {"ResourceUsage"},
    Source.LRMS: _ON_NODE | {"UserTag"},
}
"""What users may log for their own jobs, by source."""

_PROXY_CN = re.compile(r"(?:/CN=(?:proxy|limited proxy|[0-9]+))+")
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent an event or asks a question.

    :ivar dn: identity of the verified certificate chain, normalised.
    :ivar trusted: the DN is one of the configured services.
    """

    dn: str
    trusted: bool


def on_behalf(event: Event, sender: Sender) -> Event:
    """The event with ``DG.USER`` made certain: absent means the sender.

    :raises EventRefused: when a sender that is not trusted names somebody else.
    """
    named = normalise(event.user) if event.user else sender.dn
    if named != sender.dn and not sender.trusted:
        if not (named.startswith(sender.dn) and _PROXY_CN.fullmatch(named[len(sender.dn) :])):
            raise EventRefused(errno.EPERM, f"DG.USER is {named}, but the certificate that logs is {sender.dn}")
        named = sender.dn  # old clients write the subject of their proxy
    return event if named == event.user else replace(event, user=named)


def check_event(event: Event, sender: Sender, size: int) -> None:
    """Check what can be checked without the job.

    :param size: bytes of the event's line.
    :raises EventRefused: when the sender may not log such an event.
    """
    if event.source is Source.LBServer or event.type in _SERVER_ONLY:
        raise EventRefused(errno.EPERM, f"{event.type} from {event.source.value} is the server's own to log")
    if event.type == "UserTag":
        name = event.get("name")
        if len(name) > MAX_TAG_NAME or not _PRINTABLE.fullmatch(name):
            raise EventRefused(errno.EINVAL, f"a tag's name has 1 to {MAX_TAG_NAME} printable characters")
    if event.type == "RegJob" and not 0 <= (event.number("nsubjobs") or 0) <= MAX_CHILDREN:
        raise EventRefused(errno.EINVAL, f"a compound job has at most {MAX_CHILDREN} nodes")
    if sender.trusted:
        return
    allowed: frozenset[str] = _USER_TYPES.get(event.source, frozenset())
    wrong_code = event.type == "Cancel" and event.get("status_code") != "REQ"
    if event.type not in allowed or wrong_code:
        raise EventRefused(errno.EPERM, f"users do not log {event.type} as {event.source.value}")
    if event.type == "RegJob" and (event.number("nsubjobs") or 0) > MAX_USER_CHILDREN:
        raise EventRefused(errno.EINVAL, f"a compound job that a user registers has at most {MAX_USER_CHILDREN} nodes")
    if size > MAX_USER_LINE:
        raise EventRefused(errno.EMSGSIZE, f"an event of a user has at most {MAX_USER_LINE} bytes")


def check_owner(event: Event, sender: Sender, owner: str, heirs: tuple[str | None, str | None]) -> None:
    """Check the event against the job it is about.

    :param owner: the job's owner, normalised.
    :param heirs: the payload's owner, and whom the payload was granted to but who has not taken it yet.
    :raises EventRefused: when it is for somebody else's job; users cannot tell this from an unknown job.
    """
    payload_owner, granted_to = heirs
    if event.user == owner or (event.user == payload_owner and event.type != "RegJob"):
        return
    if event.type == "TakePayloadOwnership" and event.user == granted_to:
        return
    if sender.trusted and event.type != "RegJob" and event.user == sender.dn:
        return
    if sender.trusted:
        raise EventRefused(errno.EPERM, f"the job belongs to {owner}, and the event is for {event.user}")
    raise no_such_job(event, sender)


def no_such_job(event: Event, sender: Sender) -> EventRefused:
    """The refusal of an event for a job that is not there; for users the same as for another's job."""
    if sender.trusted:
        return EventRefused(errno.ENOENT, f"no job {event.jobid} is registered here")
    if event.type == "RegJob":
        return EventRefused(errno.EPERM, f"{event.jobid} cannot be registered: the identifier is taken")
    return EventRefused(errno.EPERM, f"there is no job {event.jobid} that {sender.dn} may log for")
