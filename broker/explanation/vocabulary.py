"""What the ads of one snapshot say: names of attributes and their values, gathered once for each."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterable
from functools import cached_property
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from broker.explanation import likeness
from broker.explanation.elements import Elements, Places
from broker.masks.column import Column
from broker.supermarket import Snapshot
from broker.table import MAX_COLUMNS, Table
from jdl.tree import ListExpr, Literal
from jdl.values import UNDEFINED, Value

MAX_LIKE: Final = 500
"""Words whose neighbours are kept."""
MAX_PREPARED: Final = 20_000
"""Words of one attribute that are made ready before somebody asks."""


class Word(NamedTuple):
    """A text that some ads have.

    :ivar text: in the spelling of one of them.
    :ivar numbers: the values of its attribute that are it or hold it.
    """

    text: str
    numbers: list[int]


class Sayings:
    """What stands under one name in all ads, kept as long as its column: that outlives many pictures.

    :ivar values: by number, as in the column; None when they depend on other attributes of their ads.
    """

    def __init__(self, column: Column) -> None:
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
        self.values = values if len(values) == len(column.exprs) else None
        self._numbers = np.flatnonzero(np.bincount(column.codes, minlength=len(column.exprs))).tolist()

    @cached_property
    def words(self) -> dict[str, Word]:
        """The texts that are values or stand in them, in lower case; none of a value that no ad has any more."""
        values = self.values or ()
        return _words_of((number, values[number]) for number in self._numbers)

    @cached_property
    def index(self) -> likeness.Index:
        """Those words by their letters."""
        return likeness.Index(self.words)


class Vocabulary:
    """The words of the ads of a table.

    :ivar elements: whose ads they are.
    """

    def __init__(self, table: Table) -> None:
        self.elements = Elements(table)
        self._table: Table = weakref.proxy(table)  # who is kept as long as the table must not keep it
        self._ads = [record.ad for record in table.records]
        self._values: dict[str, tuple[Places, list[Value]]] = {}
        self._sayings: dict[str, Sayings] = {}
        self._like: OrderedDict[tuple[str, str], list[str]] = OrderedDict()

    def has(self, name: str) -> bool:
        """Whether any ad has an attribute of that name."""
        return len(self._table.column(name.lower()).exprs) > 1  # the first one stands for its absence

    def prepare(self) -> None:
        """Make now what the first explanation would make."""
        self.elements.rules  # noqa: B018 - made for all who ask
        self.like_names("")
        for name in list(self.names)[:MAX_COLUMNS]:
            said = _sayings_of(self._table.column(name))
            if said.values is not None and len(said.words) <= MAX_PREPARED:
                said.index  # noqa: B018 - as above

    @cached_property
    def names(self) -> dict[str, str]:
        """The names of all attributes, in lower case, with their spellings."""
        found: dict[str, str] = {}
        for ad in self._ads:
            if not ad.folded() <= found.keys():
                found.update((key, ad.spelling(key)) for key in ad.folded() - found.keys())
        return found

    def like_names(self, wanted: str, most: int = 1, least: float = 0.6) -> list[str]:
        """The names that are like ``wanted``, in lower case, the most similar first."""
        return self._index_of_names.nearest(wanted, most, least)

    @cached_property
    def _index_of_names(self) -> likeness.Index:
        return likeness.Index(self.names)

    def values(self, name: str) -> tuple[Places, list[Value]]:
        """The values of an attribute, each once, and for each record the number of its value."""
        key = name.lower()
        kept = self._values.get(key)
        if kept is None:
            column = self._table.column(key)
            if not self.has(key):
                return np.zeros(len(self._ads), dtype=np.intp), [UNDEFINED]  # users can ask for any number of names
            values = self._said(key).values
            if values is not None:
                kept = column.codes.astype(np.intp), values
            else:  # it depends on other attributes of its ad
                kept = np.arange(len(self._ads)), [ad.value(key) for ad in self._ads]
            self._values[key] = kept
        return kept

    def words(self, name: str) -> dict[str, Word]:
        """The texts that an attribute is or holds anywhere, in lower case."""
        return self._said(name.lower()).words

    def _said(self, key: str) -> Sayings:
        """What stands under a name in lower case."""
        said = self._sayings.get(key)
        if said is None:
            column = self._table.column(key)
            said = _sayings_of(column)
            if said.values is None:  # then it is not the column's
                said = Sayings(column)
                said.__dict__["words"] = _words_of(enumerate(ad.value(key) for ad in self._ads))
            if self.has(key):  # users can ask for any number of names
                self._sayings[key] = said
        return said

    def like(self, name: str, wanted: str) -> list[str]:
        """The texts of an attribute that are like ``wanted``, in lower case, the most similar first."""
        wanted = wanted[: likeness.MAX_WORD]  # no more is compared, and none of a megabyte is kept
        key = (name.lower(), wanted)
        kept = self._like.get(key)
        if kept is None:
            kept = self._like[key] = self._said(name.lower()).index.nearest(wanted, likeness.SIFTED)
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


def _words_of(values: Iterable[tuple[int, Value]]) -> dict[str, Word]:
    words: dict[str, Word] = {}
    for number, value in values:
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, str):
                word = words.get(item.lower())
                if word is None:
                    words[item.lower()] = Word(item, [number])
                else:
                    word.numbers.append(number)
    return words


def _sayings_of(column: Column) -> Sayings:
    said = _SAYINGS.get(column)
    if said is None:
        said = _SAYINGS[column] = Sayings(column)
    return said


_SAYINGS: WeakKeyDictionary[Column, Sayings] = WeakKeyDictionary()
_KEPT: WeakKeyDictionary[Table, Vocabulary] = WeakKeyDictionary()


def vocabulary_of(table: Table) -> Vocabulary:
    """The vocabulary of a table, kept as long as the table."""
    kept = _KEPT.get(table)
    if kept is None:
        kept = _KEPT[table] = Vocabulary(table)
    return kept


def prepare(snapshot: Snapshot) -> None:
    """Make ready what explanations look things up in; to be called by who has made the snapshot."""
    vocabulary_of(snapshot.table).prepare()
