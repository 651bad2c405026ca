"""The computing elements behind the records of a table, and the access rules that they have."""

from __future__ import annotations

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
        self._records = table.records
        numbers: dict[str, int] = {}
        found = [numbers.setdefault(record.ce_id, len(numbers)) for record in table.records]
        self.of_record: Places = np.array(found, dtype=np.intp)
        self.ids = list(numbers)

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
        """The access rules that there are, and the records that have each."""
        alike: dict[tuple[str, ...], list[int]] = {}
        for place, record in enumerate(self._records):
            alike.setdefault(record.access_rules, []).append(place)
        found: dict[str, list[int]] = {}
        for rules, places in alike.items():
            for rule in dict.fromkeys(rules):
                found.setdefault(rule, []).extend(places)
        return {rule: np.array(places, dtype=np.intp) for rule, places in found.items()}
