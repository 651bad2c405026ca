"""What the ads of one snapshot say: names of attributes and their values, gathered once for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from weakref import WeakKeyDictionary

from broker.table import Table
from infosys.ce_ads import CeRecord
from jdl.values import Value

MAX_COLUMNS: Final = 200
"""Attributes of one snapshot whose values are kept."""


class Vocabulary:
    """The words of the ads of a table."""

    def __init__(self, records: Sequence[CeRecord]) -> None:
        self._ads = [record.ad for record in records]
        self._names: dict[str, str] | None = None
        self._columns: dict[str, list[Value]] = {}
        self._words: dict[str, dict[str, str]] = {}

    @property
    def names(self) -> dict[str, str]:
        """The names of all attributes, in lower case, with their spellings."""
        if self._names is None:
            keys: set[str] = set()
            found: dict[str, str] = {}
            for ad in self._ads:
                new = ad.folded() - keys
                keys |= new
                found.update((key, ad.spelling(key)) for key in new)
            self._names = found
        return self._names

    def column(self, name: str) -> list[Value]:
        """What an attribute is in each ad, in the order of the records."""
        key = name.lower()
        column = self._columns.get(key)
        if column is None:
            if len(self._columns) >= MAX_COLUMNS:
                self._columns.clear()
                self._words.clear()
            column = self._columns[key] = [ad.value(key) for ad in self._ads]
        return column

    def words(self, name: str) -> dict[str, str]:
        """The texts that an attribute is or holds anywhere, in lower case, with a spelling."""
        key = name.lower()
        words = self._words.get(key)
        if words is None:
            words = {}
            for value in self.column(key):
                for item in value if isinstance(value, tuple) else (value,):
                    if isinstance(item, str):
                        words.setdefault(item.lower(), item)
            self._words[key] = words
        return words


_KEPT: WeakKeyDictionary[Table, Vocabulary] = WeakKeyDictionary()


def vocabulary_of(table: Table) -> Vocabulary:
    """The vocabulary of a table, kept as long as the table."""
    kept = _KEPT.get(table)
    if kept is None:
        kept = _KEPT[table] = Vocabulary(table.records)
    return kept
