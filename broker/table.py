"""The computing elements of one snapshot as a table: an expression is asked of all of them at once.  Pure.

A row is a record, in the order of the records.  Whatever a method answers equals what the evaluator
(:mod:`jdl.evaluate`) says for each row; :mod:`broker.masks` makes it fast.  What was answered is kept for whoever asks
the same (:mod:`broker.masks.key`), unless it depends on time, chance or experience.  Arrays that are handed out are
not to be changed.
"""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from broker.circumstances import USUAL, Circumstances
from broker.masks.cache import Cache
from broker.masks.column import Column
from broker.masks.key import Keys, Opaque, own_names
from broker.masks.numbers import Numbers
from broker.masks.question import MAX_SECONDS, GivenUp, Question, Sources
from broker.masks.vector import CONSTANT, Domain, Kind, Kinds, Mask, Truth, Vector
from infosys.access import User, judge
from infosys.ce_ads import CeRecord
from jdl.nodes import Expr, Literal, Operation
from jdl.scope import MAX_STEPS
from jdl.tree import ClassAd
from jdl.values import ERROR

__all__ = ["Mask", "Table", "Truth", "refuses_jobs"]

REFUSING_STATES: Final = frozenset({"closed", "draining"})
STATUS: Final = "GlueCEStateStatus"

_T = TypeVar("_T", Kinds, Mask, Numbers)
_S = TypeVar("_S", bound=np.generic)

MAX_COLUMNS: Final = 1000
"""Columns that a table keeps.  Only a site with thousands of attributes of its own has more; those are slow to ask."""

_MAX_STANDING: Final = 64
"""Standing expressions that a table remembers."""

_MAX_GIVEN_UP: Final = 4
"""Expressions of which a table remembers that they were given up; each may have a hundred thousand nodes."""

_FOR_EACH_ROW: Final = 4
"""So many times as long an expression may take that only the evaluator can answer; its steps are counted besides."""

_ABANDONED: Final = Vector.of(CONSTANT, (ERROR,))

_MANY: Final = 0.8
"""The part of all rows from which on distinct combinations are not worth finding."""


class Table:
    """What jobs' expressions are asked of.  Used by several threads at once.

    An expression that takes longer than :attr:`seconds` is an error on each row, as one is that costs the evaluator too
    much on one.

    :param records: the rows; not to be changed afterwards.
    :param previous: an earlier table; what has not changed since is taken over.
    :ivar ce_ids: the computing elements, in the order of their first records.
    :ivar elements: for each row the place of its computing element there; views of one share it.
    :ivar access_rules: the different sets of access rules.  :ivar rules_of: for each row the place of its set there.
    :ivar seconds: of processor time that one expression may take.
    """

    seconds: float = MAX_SECONDS

    def __init__(self, records: Sequence[CeRecord], previous: Table | None = None) -> None:
        self.records = tuple(records)
        self.domain = Domain(len(self.records))
        self.cache = Cache()
        self._names: set[str] = set()
        for record in self.records:
            self._names.update(record.ad.folded())
        elements: dict[str, int] = {}
        self.elements = np.array([elements.setdefault(each.ce_id, len(elements)) for each in self.records], np.intp)
        self.ce_ids = tuple(elements)
        rules: dict[tuple[str, ...], int] = {}
        self.rules_of = np.array([rules.setdefault(each.access_rules, len(rules)) for each in self.records], np.int32)
        self.access_rules = tuple(rules)
        self._taking = _frozen(np.array([not refuses_jobs(record) for record in self.records], np.bool_))
        self._lock = threading.Lock()
        self._absent = Column([None] * len(self.records))
        self._columns: dict[str, Column] = {}
        if previous is not None:
            self._columns = dict(_taken_over(self, previous))
        self._standing: dict[int, tuple[Expr, frozenset[str]]] = {}
        self._given_up: tuple[tuple[ClassAd, Expr], ...] = ()
        self.distrusted = False

    def prepare(self) -> Table:
        """Make all columns now, so that no job waits for one."""
        for name in self._common_names():
            self.column(name).prepare()
        self.places  # noqa: B018 - made for all who rank
        return self

    def _common_names(self) -> list[str]:
        """The names of attributes, no more than are kept, those that most elements have."""
        if len(self._names) <= MAX_COLUMNS:
            return sorted(self._names)
        counted = Counter(name for record in self.records for name in record.ad.folded())
        return [name for name, _ in counted.most_common(MAX_COLUMNS)]

    def distrust(self) -> None:
        """Ask the evaluator alone from now on, row by row; to be called when it was found to say something else."""
        self.distrusted = True

    def unasked(self) -> Table:
        """A table of the same records and columns to which nothing that was answered is known."""
        table = copy.copy(self)
        table.cache = Cache()
        table._lock = threading.Lock()
        table._given_up = ()
        table._absent = self._absent.unasked()
        table._columns = {name: column.unasked() for name, column in self._columns.items()}
        return table

    def __len__(self) -> int:
        return len(self.records)

    # -- expressions

    def truth(
        self,
        job_ad: ClassAd,
        expr: Expr,
        circumstances: Circumstances = USUAL,
    ) -> NDArray[np.int8]:
        """A :class:`Truth` for each row.

        :param job_ad: the ad in which the expression's bare names are looked up; ``other`` is the row's.
        """
        return self._answer("truth", job_ad, expr, circumstances, self._truth)

    def where(
        self,
        job_ad: ClassAd,
        expr: Expr,
        circumstances: Circumstances = USUAL,
        *,
        standing: bool = False,
    ) -> Mask:
        """The rows on which the expression is true.

        :param standing: the same object is asked for many jobs, as a demand of the WMS is; then it is remembered which
            attributes of a job it reads.
        """
        if self._given_up and self.gave_up(job_ad, expr):
            return self._where(_ABANDONED)
        sources = Sources(circumstances, self.seconds)
        key = self._standing_key(job_ad, expr) if standing and not self.distrusted else None
        if key is None:
            return self._met(job_ad, expr, sources)
        kept: Mask | None = self.cache.get(key)
        if kept is None:
            kept = self._met(job_ad, expr, sources)
            if not sources.used:
                self.cache.put(key, kept, kept.nbytes)
        return kept

    def _met(self, job_ad: ClassAd, expr: Expr, sources: Sources) -> Mask:
        """The rows on which all terms of the expression are true."""
        keys = Keys(job_ad)
        cost = 0
        found: Mask | None = None
        try:
            for term in _terms(expr):
                sources.work()
                mask, charged = self._kept("where", job_ad, term, keys, sources, self._where)
                cost += charged
                if cost > MAX_STEPS or self.distrusted:
                    raise Opaque
                found = mask if found is None else found & mask
        except Opaque:
            return self._of_the_whole(job_ad, expr, sources, self._where)
        except GivenUp:
            return self._abandoned(job_ad, expr, self._where)
        return found if found is not None else np.ones(len(self), np.bool_)

    def _standing_key(self, job_ad: ClassAd, expr: Expr) -> Hashable | None:
        """What the answer to a standing expression depends on; None when that is more than a few constants."""
        held, names = self._standing.get(id(expr), (None, None))
        if held is not expr or names is None:
            if len(self._standing) >= _MAX_STANDING:
                return None
            names = own_names(expr)
            self._standing[id(expr)] = expr, names
        values = []
        for name in names:
            found = job_ad.at(name)
            if found is not None:
                if not isinstance(found, Literal):
                    return None
                values.append((name, repr(found.value)))
        return ("standing", id(expr), *values)

    def numbers(
        self,
        job_ad: ClassAd,
        expr: Expr,
        circumstances: Circumstances = USUAL,
    ) -> tuple[NDArray[np.float64], Mask]:
        """The expression's numbers, and the rows on which it is one; elsewhere the number means nothing."""
        found = self.exact_numbers(job_ad, expr, circumstances)
        return found.reals, found.ok

    def exact_numbers(
        self,
        job_ad: ClassAd,
        expr: Expr,
        circumstances: Circumstances = USUAL,
    ) -> Numbers:
        """The expression's numbers, integers as such."""
        return self._answer("numbers", job_ad, expr, circumstances, self._numbers)

    def gave_up(self, job_ad: ClassAd, expr: Expr) -> bool:
        """Whether these very objects were asked, and took too long; then the expression is an error everywhere."""
        return any(ad is job_ad and each is expr for ad, each in self._given_up)

    # -- users and states

    def admitted(self, user: User) -> Mask:
        """The rows whose access rules admit the user."""
        key = ("admitted", user)
        kept: Mask | None = self.cache.get(key)
        if kept is None:
            verdicts = np.array([judge(rules, user).allowed for rules in self.access_rules], np.bool_)
            kept = _frozen(verdicts[self.rules_of])
            self.cache.put(key, kept, kept.nbytes)
        return kept

    def takes_jobs(self) -> Mask:
        """The rows that do not say that they take no jobs."""
        return self._taking

    def on_hosts(self, hosts: Collection[str]) -> Mask:
        """The rows whose GlueCEInfoHostName, or whose host in the CE id, is one of these."""
        wanted = set(hosts)
        return np.array(
            [each.host in wanted or each.ce_id.partition(":")[0] in wanted for each in self.records], np.bool_
        )

    @cached_property
    def places(self) -> NDArray[np.int32]:
        """The place of each row in the order of the records' keys."""
        order = sorted(range(len(self)), key=lambda row: self.records[row].key)
        places = np.zeros(len(self), np.int32)
        places[order] = np.arange(len(self), dtype=np.int32)
        return places

    # -- what questions want

    def column(self, name: str) -> Column:
        """The attribute of that name in lower case; of a name that no record has, one that is undefined."""
        column = self._columns.get(name)
        if column is None:
            if name not in self._names:
                return self._absent
            with self._lock:
                column = self._columns.get(name)
                if column is None:
                    column = Column([record.ad.at(name) for record in self.records])
                    if len(self._columns) < MAX_COLUMNS:
                        self._columns[name] = column
        return column

    def combinations(self, names: frozenset[str]) -> Domain:
        """The distinct combinations of these attributes' values; the rows when nearly all are distinct."""
        columns = [self.column(name) for name in names]
        if len(columns) < 2:
            return columns[0].domain if columns else CONSTANT
        key = ("combinations", names)
        kept: Domain | None = self.cache.get(key)
        if kept is None:
            kept = _combined(columns, self.domain)
            self.cache.put(key, kept, 16 * len(self))
        return kept

    def ad(self, row: int) -> ClassAd:
        """The ad of a row."""
        return self.records[row].ad if self.records else ClassAd()

    # -- answers

    def _answer(
        self, what: str, ad: ClassAd, expr: Expr, circumstances: Circumstances, made: Callable[[Vector], _T]
    ) -> _T:
        """Ask an expression as one."""
        if self._given_up and self.gave_up(ad, expr):
            return made(_ABANDONED)
        sources = Sources(circumstances, self.seconds)
        try:
            if self.distrusted:
                raise Opaque
            return self._kept(what, ad, expr, Keys(ad), sources, made)[0]
        except Opaque:
            return self._of_the_whole(ad, expr, sources, made)
        except GivenUp:
            return self._abandoned(ad, expr, made)

    def _of_the_whole(self, ad: ClassAd, expr: Expr, sources: Sources, made: Callable[[Vector], _T]) -> _T:
        sources.used = True  # nobody knows what else it depends on
        patient = Sources(sources.circumstances, _FOR_EACH_ROW * self.seconds)
        try:
            return made(Question(self, ad, patient).whole(expr, by_rows=self.distrusted))
        except GivenUp:
            return self._abandoned(ad, expr, made)

    def _abandoned(self, ad: ClassAd, expr: Expr, made: Callable[[Vector], _T]) -> _T:
        self._given_up = (*self._given_up[1 - _MAX_GIVEN_UP :], (ad, expr))
        return made(_ABANDONED)

    def _kept(
        self, what: str, ad: ClassAd, expr: Expr, keys: Keys, sources: Sources, made: Callable[[Vector], _T]
    ) -> tuple[_T, int]:
        """What is made of the expression's vector, from the cache if it is there, and what the evaluator would charge.

        :raises Opaque: the expression cannot be taken apart.
        """
        keys.unkept = False
        key = (what, keys.of(expr))
        kept: tuple[_T, int] | None = None if keys.unkept else self.cache.get(key)
        if kept is None:
            used, sources.used = sources.used, False
            vector = Question(self, ad, sources).vector(expr)
            answer = made(vector)
            kept = answer, vector.cost
            if not keys.unkept and not sources.used:
                self.cache.put(key, kept, answer.nbytes)
            sources.used |= used
        return kept

    def _truth(self, vector: Vector) -> Kinds:
        return _frozen(self._spread(vector, vector.truth()))

    def _where(self, vector: Vector) -> Mask:
        return _frozen(self._spread(vector, vector.kinds == Kind.TRUE))

    def _numbers(self, vector: Vector) -> Numbers:
        return Numbers(vector, self._spread(vector, vector.doubles()), self._spread(vector, vector.numeric()))

    def _spread(self, vector: Vector, values: NDArray[_S]) -> NDArray[_S]:
        """Values by row."""
        if vector.domain.codes is not None:
            return values[vector.domain.codes]
        return np.full(len(self), values[0]) if vector.domain is CONSTANT else values


def refuses_jobs(record: CeRecord) -> bool:
    """Whether the element says that it takes no jobs at present."""
    status = record.ad.value(STATUS)
    return isinstance(status, str) and status.lower() in REFUSING_STATES


def _frozen(array: NDArray[_S]) -> NDArray[_S]:
    array.flags.writeable = False
    return array


def _terms(expr: Expr) -> Iterator[Expr]:
    """What must all be true for the expression to be true."""
    if isinstance(expr, Operation) and not expr.unary and expr.operator == "&&":
        for operand in expr.operands:
            yield from _terms(operand)
    else:
        yield expr


def _combined(columns: Sequence[Column], rows: Domain) -> Domain:
    codes = np.zeros(rows.size, np.int64)
    size = 1
    for column in columns:
        if size > 1 << 31:
            codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
            size = rows.size
        codes = codes * len(column.exprs) + column.codes
        size *= len(column.exprs)
    distinct, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    if len(distinct) > _MANY * rows.size:
        return rows
    return Domain(len(distinct), inverse.astype(np.int32), first.astype(np.int32))


def _taken_over(table: Table, previous: Table) -> Iterator[tuple[str, Column]]:
    """The columns of the previous table, with what has changed since."""
    if not previous.records or not previous._columns:
        return
    known = {record.key: row for row, record in enumerate(previous.records)}
    origins = np.array([known.get(record.key, -1) for record in table.records], np.int64)
    aligned = len(previous) == len(table) and bool((origins == np.arange(len(table))).all())
    changed: dict[str, list[int]] = {}
    for row, (record, origin) in enumerate(zip(table.records, origins.tolist(), strict=True)):
        before = previous.records[origin].ad if origin >= 0 else _EMPTY
        if before is not record.ad:
            for name in _differing(before, record.ad):
                changed.setdefault(name, []).append(row)
    for name, column in list(previous._columns.items()):
        if name not in table._names:
            continue
        rows = changed.get(name, [])
        if aligned and not rows:
            yield name, column
            continue
        found = [table.records[row].ad.at(name) for row in rows]
        updated = column.updated(found, np.array(rows, np.intp), None if aligned else origins)
        if updated is not None:
            yield name, updated


_EMPTY: Final = ClassAd()


def _differing(before: ClassAd, after: ClassAd) -> Iterator[str]:
    """Names whose expression is not the same object in both ads, in lower case."""
    for name, expr in after.pairs():
        if before.at(name) is not expr:
            yield name
    for name in before.folded():
        if after.at(name) is None:
            yield name
