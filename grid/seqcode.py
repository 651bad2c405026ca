"""Sequence codes: the causal order of a job's events across hosts whose clocks differ (L&B).

``UI=000000:NS=0000000006:WM=000000:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000``;
the fixed widths make text order equal to counter order, UI first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from grid.errors import InvalidArgument
from grid.states import Source

_FORM = re.compile(
    r"UI=(\d{1,6}):NS=(\d{1,10}):WM=(\d{1,6}):BH=(\d{1,10}):JSS=(\d{1,6}):LM=(\d{1,6}):LRMS=(\d{1,6}):APP=(\d{1,6})"
    r"(?::LBS=(\d{1,6}))?"
)
_COUNTER_OF: Final[dict[Source, str]] = {
    Source.UserInterface: "ui",
    Source.NetworkServer: "ns",
    Source.WorkloadManager: "wm",
    Source.BigHelper: "bh",
    Source.JobController: "jss",
    Source.LogMonitor: "lm",
    Source.LRMS: "lrms",
    Source.Application: "app",
    Source.LBServer: "lbs",
}
_WIDE: Final = frozenset(("ns", "bh"))


class SequenceCodeError(InvalidArgument):
    """A text is not a sequence code."""

    def __init__(self, text: str) -> None:
        self.text = text[:200]
        super().__init__(f"{self.text!r} is not a sequence code of the form UI=…:NS=…:WM=…:…:LBS=…")


@dataclass(frozen=True, slots=True, order=True)
class SequenceCode:
    """The nine counters, compared in this order."""

    ui: int = 0
    ns: int = 0
    wm: int = 0
    bh: int = 0
    jss: int = 0
    lm: int = 0
    lrms: int = 0
    app: int = 0
    lbs: int = 0

    @classmethod
    def parse(cls, text: str) -> SequenceCode:
        """Read a code; one without LBS is completed with 0.

        :raises SequenceCodeError: for any other text.
        """
        found = _FORM.fullmatch(text.strip())
        if not found:
            raise SequenceCodeError(text)
        return cls(*(int(group or 0) for group in found.groups()))

    def bump(self, source: Source) -> SequenceCode:
        """Return the code with ``source``'s counter increased by one (it stays at its widest value).

        :raises SequenceCodeError: when the source has no counter in this form (PBS, CREAM, VM sources).
        """
        name = _COUNTER_OF.get(source)
        if name is None:
            raise SequenceCodeError(f"{source.value} in {self}")
        top = 10**10 - 1 if name in _WIDE else 10**6 - 1
        return replace(self, **{name: min(top, int(getattr(self, name)) + 1)})

    def __str__(self) -> str:
        return (
            f"UI={self.ui:06d}:NS={self.ns:010d}:WM={self.wm:06d}:BH={self.bh:010d}:JSS={self.jss:06d}"
            f":LM={self.lm:06d}:LRMS={self.lrms:06d}:APP={self.app:06d}:LBS={self.lbs:06d}"
        )
