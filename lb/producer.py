"""What a component uses to make a job's events: it knows the job and carries its sequence code."""

from __future__ import annotations

import socket

from grid.clock import now
from grid.dn import normalise
from grid.jobid import JobId
from grid.seqcode import SequenceCode
from grid.states import Source
from lb.errors import EventError
from lb.events import Event, type_named


class JobLog:
    """The logging context of one job in one component.

    Sequence codes go by L&B's rule: taking up a job increments the component's own counter once; each event
    carries the current code, and afterwards the counter is incremented again.

    :ivar jobid: the job.
    :ivar user: the owner's distinguished name that events carry, normalised.
    :param seqcode: the code handed over by the previous component, or None for a new job.
    :param host: this host's name; the system's name when None.
    :raises SequenceCodeError: when ``seqcode`` is not a code, or ``source`` has no counter.
    """

    def __init__(
        self,
        jobid: JobId,
        user: str,
        source: Source,
        seqcode: str | None = None,
        host: str | None = None,
        *,
        instance: str | None = None,
    ) -> None:
        self.jobid = jobid
        self.user = normalise(user)
        self.source = source
        self.host = host or socket.gethostname()
        self.instance = instance
        code = SequenceCode.parse(seqcode) if seqcode else SequenceCode()
        self._code = code.bump(source)

    @property
    def seqcode(self) -> str:
        """The code to hand over to the next component (and the one that the next event will carry).

        Take it after the last event of this component's turn: an event whose code is greater than those of the
        components that follow would count as news that is younger than theirs.
        """
        return str(self._code)

    def event(self, event_type: str, /, **fields: object) -> Event:
        """Make an event now and advance the sequence code, also when the event turns out to be wrong.

        Field names are L&B's; a trailing underscore is dropped (``from_``), a None value leaves the field out,
        other values are written as text.

        :raises EventError: when the fields do not fit the type.
        """
        carried = self.seqcode
        self._code = self._code.bump(self.source)
        texts = {name.rstrip("_"): _text(event_type, name, v) for name, v in fields.items() if v is not None}
        return Event(
            type=type_named(event_type).name,
            jobid=self.jobid,
            source=self.source,
            timestamp=now(),
            seqcode=carried,
            user=self.user,
            host=self.host,
            src_instance=self.instance,
            fields=texts,
        )


def _text(event_type: str, name: str, value: object) -> str:
    if isinstance(value, str):
        return str(value)  # a StrEnum becomes its plain value
    if isinstance(value, (int, float, JobId)) and not isinstance(value, bool):
        return str(value)
    raise EventError(event_type, f"cannot be written from a {type(value).__name__}", field=name)
