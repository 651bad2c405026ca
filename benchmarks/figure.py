"""What a benchmark finds: a value, and the limits it is to be read against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

_WIDTHS = (44, 12)


@dataclass(frozen=True, slots=True)
class Limit:
    """What bounds a figure, in the figure's own unit, measured in the same run (or a promise, such as 0.4 s).

    :ivar skipped: why it was not measured; its value means nothing then.
    """

    name: str
    value: float
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    :ivar limits: the first is the one that the figure is judged by.
    """

    name: str
    value: float
    unit: str
    limits: tuple[Limit, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        limits = [
            {"name": one.name, "skipped": one.skipped}
            if one.skipped
            else {"name": one.name, "value": one.value, "ratio": self.ratio(one)}
            for one in self.limits
        ]
        return {"name": self.name, "value": self.value, "unit": self.unit, "limits": limits}

    def ratio(self, limit: Limit) -> float | None:
        """The value as a part of the limit; None when the limit is zero or was not measured."""
        return round(self.value / limit.value, 4) if limit.value and not limit.skipped else None


def middle(values: Iterable[float]) -> float:
    """The median, to four digits."""
    return float(f"{median(values):.4g}")


def table(figures: Sequence[Figure]) -> list[str]:
    """The lines of the table: a figure with its first limit, further limits below it."""
    name, value = _WIDTHS
    lines = [f"{'figure':<{name}} {'value':>{value}}   {'ratio':>7}  of the limit", "-" * (name + value + 50)]
    for figure in figures:
        head = f"{figure.name:<{name}} {f'{figure.value:.4g} {figure.unit}':>{value}}"
        if not figure.limits:
            lines.append(head)
        for number, limit in enumerate(figure.limits):
            ratio = figure.ratio(limit)
            shown = "-" if ratio is None else f"{ratio:.3g}"
            start = head if number == 0 else " " * (name + value + 1)
            against = f"skipped, {limit.skipped}" if limit.skipped else f"{limit.value:.4g} {figure.unit}"
            lines.append(f"{start}   {shown:>7}  {limit.name}: {against}")
    return lines
