"""The computing elements behind the records of a table, and the access rules that they have."""

from __future__ import annotations

import itertools
from functools import cached_property

import numpy as np
import numpy.typing as npt

from broker.table import Mask, Table

Places = npt.NDArray[np.intp]


class Elements:
    """A record is a computing element or a VO view of one.

    :ivar ids: the elements' identifiers.
    :ivar of_record: for each record the number of its element.
    """

    def __init__(self, table: Table) -> None:
        self.of_record: Places = table.elements
        self.ids = table.ce_ids
        self._rules = table.access_rules
        self._rules_of = table.rules_of

    def having(self, records: Mask | Places) -> Mask:
        """The elements of which a record is there."""
        found = np.zeros(len(self.ids), dtype=np.bool_)
        found[self.of_record[records]] = True
        return found

    def records(self, elements: Mask) -> Mask:
        """The records of elements."""
        return elements[self.of_record] if len(elements) else np.zeros(0, dtype=np.bool_)

    @cached_property
    def rules(self) -> dict[str, Places]:
        """The access rules that there are, and the records that have each, in their order."""
        holders: dict[str, list[int]] = {}
        for number, rules in enumerate(self._rules):
            for rule in dict.fromkeys(rules):
                holders.setdefault(rule, []).append(number)
        order = np.argsort(self._rules_of, kind="stable")
        ends = np.searchsorted(self._rules_of[order], np.arange(len(self._rules) + 1))
        alike = [order[start:end] for start, end in itertools.pairwise(ends.tolist())]
        return {rule: np.sort(np.concatenate([alike[each] for each in numbers])) for rule, numbers in holders.items()}
