"""Jobs that are alike are matched once: nodes of a collection, jobs of one template (gLite, bulk matchmaking).

gLite matched nodes together when the attributes that the user calls significant (SignificantAttributes) were equal, and
gave all of them what fitted the first.  Here jobs are alike when everything is equal that their match can depend on:
nobody needs to say so, and no job gets an element that does not fit it.  Each job then makes its own choice among the
common candidates, so that the nodes spread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Final, TypeAlias

from broker.candidates import MatchResult
from broker.choice import Memo
from broker.job import Job
from broker.supermarket import Snapshot
from infosys.access import User
from jdl.tree import SCOPES, Call, ClassAd, Expr, Reference

Key: TypeAlias = Hashable

MAX_RESULTS: Final = 1000
MAX_CANDIDATES: Final = 200_000
"""Candidates of all results that are kept together."""
MAX_NODES: Final = 5000
"""Nodes of the expressions of one job that are looked at; a larger one is matched alone."""

MAX_KEY: Final = 65_536
"""Characters of one job's expressions; a larger one is matched alone, since keys are kept."""

_ALWAYS: Final = ("requirements", "rank", "submitto", "fuzzyrank", "fuzzy_factor")
_STEADY: Final = frozenset({
    "strcat", "substr", "toupper", "tolower", "string", "strcmp", "stricmp", "regexp", "split", "join",
    "size", "member", "ismember", "identicalmember", "anycompare", "allcompare", "sum", "avg", "min", "max",
    "isundefined", "iserror", "isstring", "isinteger", "isreal", "isboolean", "islist", "isclassad", "int",
    "real", "bool", "floor", "ceiling", "round", "fqanmember", "ifthenelse", "anymatch", "allmatch",
    "whichmatch",
})  # fmt: skip
"""Functions whose value depends on their arguments alone."""


def own_names(wms_requirements: Expr | None) -> frozenset[str] | None:
    """The attributes of a job that the WMS's requirements read; None when that cannot be told."""
    return _closure(ClassAd(), frozenset(), [] if wms_requirements is None else [wms_requirements])


def match_key(job: Job, wms_names: frozenset[str] | None) -> Key | None:
    """What the match of a job depends on beside the user and the picture; None when that cannot be told.

    It cannot when an expression asks for the time, for chance or for how elements fared, or takes an ad as a whole,
    nor when data decides.

    :param wms_names: from :func:`own_names`.
    """
    if job.needs_data or wms_names is None:
        return None
    begin = wms_names.union(_ALWAYS)
    names = _closure(job.ad, begin, [expr for name in begin if (expr := job.ad.at(name)) is not None])
    if names is None:
        return None
    key = tuple((name, expr.text()) for name in sorted(names) if (expr := job.ad.at(name)) is not None)
    return key if sum(len(text) for _, text in key) <= MAX_KEY else None


def _closure(ad: ClassAd, names: frozenset[str], expressions: list[Expr]) -> frozenset[str] | None:
    """The names and those that the expressions read, through attributes of the ad too."""
    found = set(names)
    waiting = expressions
    nodes = 0
    while waiting:
        node = waiting.pop()
        nodes += 1
        if nodes > MAX_NODES or (isinstance(node, Call) and node.key not in _STEADY):
            return None
        waiting.extend(node.children())
        if not isinstance(node, Reference) or (node.scope or "").lower() in ("other", "target"):
            continue
        if node.scope is None and node.key in SCOPES:
            return None
        if node.key not in found:
            found.add(node.key)
            own = ad.at(node.key)
            if own is not None:
                waiting.append(own)
    return frozenset(found)


class Matches:
    """The results for one picture of the computing elements; with the next one they are forgotten.

    :ivar hits: how often a result was there already.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._results: OrderedDict[Key, MatchResult] = OrderedDict()
        self._candidates = 0
        self._reasons: dict[Key, str] = {}
        self._memos: dict[Key, Memo] = {}
        self.hits = 0

    def result(
        self,
        key: Key | None,
        user: User,
        tried_hosts: Collection[str],
        snapshot: Snapshot,
        make: Callable[[], MatchResult],
    ) -> MatchResult:
        """The result for jobs with this key, made at first need.

        :param key: from :func:`match_key`; None: made each time.
        """
        if key is None:
            return make()
        whole = (key, user, frozenset(tried_hosts))
        with self._lock:
            if self._snapshot is not snapshot:
                self._snapshot = snapshot
                self._results.clear()
                self._reasons.clear()
                self._memos.clear()
                self._candidates = 0
            found = self._results.get(whole)
            if found is not None:
                self._results.move_to_end(whole)
                self.hits += 1
                return found
        made = make()
        with self._lock:
            if self._snapshot is snapshot and whole not in self._results:
                self._results[whole] = made
                self._candidates += _size(made)
                while self._results and (len(self._results) > MAX_RESULTS or self._candidates > MAX_CANDIDATES):
                    _, dropped = self._results.popitem(last=False)
                    self._candidates -= _size(dropped)
        return made


    def reason(
        self, key: Key | None, user: User, snapshot: Snapshot, headline: str, make: Callable[[], str]
    ) -> str:
        """Why jobs with this key match nothing, found out at first need: that costs more than the match."""
        whole = (key, user, headline)
        with self._lock:
            known = self._reasons.get(whole) if key is not None and self._snapshot is snapshot else None
        if known is not None:
            return known
        made = make()
        with self._lock:
            if key is not None and self._snapshot is snapshot and len(self._reasons) < MAX_RESULTS:
                self._reasons[whole] = made
        return made


    def memo(self, key: Key | None, user: User, snapshot: Snapshot) -> Memo:
        """What choices for jobs with this key have computed (:class:`broker.choice.Chooser`)."""
        if key is None:
            return {}
        with self._lock:
            if self._snapshot is not snapshot or (len(self._memos) >= MAX_RESULTS and (key, user) not in self._memos):
                return {}
            return self._memos.setdefault((key, user), {})


def _size(result: MatchResult) -> int:
    return len(result.candidates) + len(result.tried)
