"""What the ads of one snapshot say: names of attributes and their values, gathered once for each."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from broker.explanation import likeness
from broker.explanation.elements import Elements, Places
from broker.table import Table
from jdl.tree import ListExpr, Literal
from jdl.values import UNDEFINED, Value

MAX_LIKE: Final = 500
"""Words whose neighbours are kept."""


class Word(NamedTuple):
    """A text that some ads have.

    :ivar text: in the spelling of one of them.
    :ivar numbers: the values of its attribute that are it or hold it.
    """

    text: str
    numbers: list[int]


class Vocabulary:
    """The words of the ads of a table.

    :ivar elements: whose ads they are.
    """

    def __init__(self, table: Table) -> None:
        self.elements = Elements(table)
        self._table: Table = weakref.proxy(table)  # who is kept as long as the table must not keep it
        self._ads = [record.ad for record in table.records]
        self._names: dict[str, str] | None = None
        self._values: dict[str, tuple[Places, list[Value]]] = {}
        self._words: dict[str, dict[str, Word]] = {}
        self._like: OrderedDict[tuple[str, str], list[str]] = OrderedDict()

    def has(self, name: str) -> bool:
        """Whether any ad has an attribute of that name."""
        return len(self._table.column(name.lower()).exprs) > 1  # the first one stands for its absence

    @property
    def names(self) -> dict[str, str]:
        """The names of all attributes, in lower case, with their spellings."""
        if self._names is None:
            found: dict[str, str] = {}
            for ad in self._ads:
                if not ad.folded() <= found.keys():
                    found.update((key, ad.spelling(key)) for key in ad.folded() - found.keys())
            self._names = found
        return self._names

    def values(self, name: str) -> tuple[Places, list[Value]]:
        """The values of an attribute, each once, and for each record the number of its value."""
        key = name.lower()
        kept = self._values.get(key)
        if kept is None:
            column = self._table.column(key)
            if not self.has(key):
                return np.zeros(len(self._ads), dtype=np.intp), [UNDEFINED]  # users can ask for any number of names
            values: list[Value] = []
            for expr in column.exprs:
                if expr is None:
                    values.append(UNDEFINED)
                elif isinstance(expr, Literal):
                    values.append(expr.value)
                elif isinstance(expr, ListExpr) and expr.constant:
                    values.append(tuple(item.value for item in expr.items if isinstance(item, Literal)))
                else:
                    break
            if len(values) == len(column.exprs):
                kept = column.codes.astype(np.intp), values
            else:  # it depends on other attributes of its ad
                kept = np.arange(len(self._ads)), [ad.value(key) for ad in self._ads]
            self._values[key] = kept
        return kept

    def words(self, name: str) -> dict[str, Word]:
        """The texts that an attribute is or holds anywhere, in lower case."""
        key = name.lower()
        words = self._words.get(key)
        if words is None:
            words = {}
            if not self.has(key):
                return words
            for number, value in enumerate(self.values(key)[1]):
                for item in value if isinstance(value, tuple) else (value,):
                    if isinstance(item, str):
                        word = words.get(item.lower())
                        if word is None:
                            words[item.lower()] = Word(item, [number])
                        else:
                            word.numbers.append(number)
            self._words[key] = words
        return words

    def like(self, name: str, wanted: str) -> list[str]:
        """The texts of an attribute that are like ``wanted``, in lower case, the most similar first."""
        wanted = wanted[: likeness.MAX_WORD]  # no more is compared, and none of a megabyte is kept
        key = (name.lower(), wanted)
        kept = self._like.get(key)
        if kept is None:
            kept = self._like[key] = likeness.nearest(wanted, self.words(name), likeness.SIFTED)
            if len(self._like) > MAX_LIKE:
                self._like.popitem(last=False)
        return kept


def texts_of(values: Iterable[Value]) -> dict[str, str]:
    """The strings among values and in lists of them, in lower case, with a spelling."""
    found: dict[str, str] = {}
    for value in values:
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, str):
                found.setdefault(item.lower(), item)
    return found


_KEPT: WeakKeyDictionary[Table, Vocabulary] = WeakKeyDictionary()


def vocabulary_of(table: Table) -> Vocabulary:
    """The vocabulary of a table, kept as long as the table."""
    kept = _KEPT.get(table)
    if kept is None:
        kept = _KEPT[table] = Vocabulary(table)
    return kept
