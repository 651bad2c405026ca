"""What is known of expressions that many descriptions share."""

from __future__ import annotations

from typing import Final

from jdl.classad import ClassAd
from jdl.nodes import Expr, ListExpr, Literal

__all__ = ["Alike"]

_FORMS: Final = frozenset({"rank", "requirements"})


class Alike:
    """Makes equal expressions of many ads the same object, so that it is seen at a glance what differs.

    Expressions are known by identity, so it keeps all that it has seen.
    """

    def __init__(self) -> None:
        self._same: dict[Expr, Expr] = {}
        self._known: dict[int, tuple[Expr, int]] = {}
        self._model: ClassAd | None = None

    def share(self, ad: ClassAd) -> int:
        """Put the first equal expression in place of each of the ad's own.

        :returns: characters of the ad's text, nearly.
        """
        known = self._known
        size = 0
        for key, expr in list(ad.pairs()):
            entry = known.get(id(expr))
            if entry is None:
                first = self._same.setdefault(expr, expr)
                entry = known.get(id(first))
                if entry is None:
                    entry = known[id(first)] = (first, _size(first))
                ad.set(key, first)
            size += entry[1] + len(key) + 5
        return size

    def learn(self, ad: ClassAd) -> None:
        """Take the ad, which is not changed afterwards, for what the next one is compared with."""
        self._model = ad

    def changed(self, ad: ClassAd) -> set[str] | None:
        """Names in lower case of what differs from the ad learnt last; None when there is none.

        What is no constant differs always, since its value depends on the ad around it; not so Rank and
        Requirements, whose values nobody takes here.
        """
        model = self._model
        if model is None:
            return None
        names = {key for key, expr in ad.pairs() if expr is not model.at(key) or not _fixed(key, expr)}
        names.update(key for key in model.folded() if ad.at(key) is None)
        return names


def _fixed(key: str, expr: Expr) -> bool:
    if isinstance(expr, ListExpr):
        return expr.constant
    return isinstance(expr, Literal) or key in _FORMS


def _size(expr: Expr) -> int:
    if isinstance(expr, Literal) and isinstance(expr.value, str):
        return len(expr.value)
    return len(expr.text())
