"""``_PARAM_`` replaced in a description, many times over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from jdl.classad import ClassAd
from jdl.errors import JdlSyntaxError, Position, WrongValue
from jdl.nodes import Call, Expr, Literal, Reference, Select
from jdl.parser import SUBMITTED, parse_expression
from jdl.tree import rebuilt

__all__ = ["MARK", "Parameter", "Substitution", "mentions"]

MARK: Final = "_PARAM_"


@dataclass(frozen=True)
class Parameter:
    """A value: its text within strings and names, and its expression where it stands alone (None: its text parsed)."""

    text: str
    expr: Expr | None


def mentions(expr: Expr) -> bool:
    """Whether the mark stands anywhere in the expression."""
    return _compiled(expr) is not None


class Substitution:
    """Makes copies of an ad with another value for the mark; what does not hold the mark is shared by all copies.

    :param limit: characters that may be put in place of marks in one attribute of one copy.
    """

    def __init__(self, ad: ClassAd, limit: int) -> None:
        self._ad = ad
        self._limit = limit
        compiled = ((name, _compiled(expr)) for name, expr in ad.items())
        self._marked = [(name, write) for name, write in compiled if write is not None]
        self._named = [name for name in ad if MARK in name]

    def of(self, value: Parameter) -> ClassAd:
        """The copy for one value.

        :raises WrongValue: 1506, it grows beyond the limit.
        :raises JdlSyntaxError: 1507, the text makes no expression where one is wanted.
        """
        own = self._ad.copy()
        for name, write in self._marked:
            own.set(name, write(_Pen(value, self._limit, name, self._ad.where(name))))
        for name in self._named:
            expr, where = own.get(name), self._ad.where(name)
            own.remove(name)
            own.set(_Pen(value, self._limit, name, where).text(name), expr, where)
        return own


class _Pen:
    """Writes one value into one attribute."""

    def __init__(self, value: Parameter, limit: int, name: str, where: Position | None) -> None:
        self._value = value
        self._limit = limit
        self._left = limit
        self._name = name
        self._where = where
        self._alone: Expr | None = value.expr

    def text(self, text: str) -> str:
        """The text with the value in place of each mark; counted before it is made."""
        count = text.count(MARK)
        if not count:
            return text
        self._left -= count * len(self._value.text)
        if self._left < 0:
            detail = f"with its parameters in place it has more than {self._limit} characters"
            raise WrongValue.because(self._name, detail, self._where)
        return text.replace(MARK, self._value.text)

    def expression(self) -> Expr:
        """The value where an expression stands."""
        self.text(MARK)
        if self._alone is None:
            try:
                self._alone = parse_expression(self._value.text, SUBMITTED)
            except JdlSyntaxError as error:
                what = f"{self._name}: the parameter '{self._value.text[:100]}' is no expression ({error.what})"
                raise JdlSyntaxError.at(self._where, what) from error
        return self._alone


_Write: TypeAlias = Callable[[_Pen], Expr]


def _compiled(expr: Expr) -> _Write | None:
    """What writes the expression with a value in it; None when it does not hold the mark."""
    if isinstance(expr, Literal):
        return _literal(expr)
    if isinstance(expr, Reference):
        return _reference(expr)
    if isinstance(expr, ClassAd):
        return _record(expr)
    parts = [_compiled(child) for child in expr.children()]
    named = isinstance(expr, Call | Select) and MARK in expr.name
    if not named and not any(parts):
        return None
    writes = [part or _constant(child) for part, child in zip(parts, expr.children(), strict=True)]
    return lambda pen: _with(expr, [write(pen) for write in writes], pen)


def _constant(expr: Expr) -> _Write:
    return lambda pen: expr


def _literal(expr: Literal) -> _Write | None:
    value = expr.value
    if not isinstance(value, str) or MARK not in value:
        return None
    return lambda pen: Literal(pen.text(value), expr.position)


def _reference(expr: Reference) -> _Write | None:
    if MARK not in expr.name:
        return None
    if expr.name == MARK and expr.scope is None:
        return _Pen.expression
    return lambda pen: Reference(pen.text(expr.name), expr.scope, expr.position)


def _record(expr: ClassAd) -> _Write | None:
    parts = [(name, _compiled(value), value) for name, value in expr.items()]
    if not any(write or MARK in name for name, write, _ in parts):
        return None
    writes = [(name, write or _constant(value)) for name, write, value in parts]
    return lambda pen: ClassAd([(pen.text(name), write(pen)) for name, write in writes], expr.position)


def _with(expr: Expr, children: list[Expr], pen: _Pen) -> Expr:
    """A node of the same kind above other children, its own name written too."""
    if isinstance(expr, Call):
        return Call(pen.text(expr.name), children, expr.position)
    if isinstance(expr, Select):
        return Select(children[0], pen.text(expr.name), expr.position)
    return rebuilt(expr, children)
