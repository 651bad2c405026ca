"""An ad: named expressions in the order in which they were written."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView
from typing import Final

from jdl.errors import Place, Position, TypeMismatch, WrongValue
from jdl.nodes import Expr, ListExpr, Literal
from jdl.values import UNDEFINED, Record, Value

__all__ = ["ClassAd"]

CONSTANT_STEPS: Final = 20_000
"""Steps that reading one plain attribute may cost; see :class:`jdl.scope.Run`."""


class ClassAd(Expr):
    """Named expressions; names ignore case, keep their first spelling and their order.

    Two ads are equal when the same names hold equal expressions, whatever the order and the spelling.
    ``duplicates`` lists the names that the text gave more than once (the last value counts).
    """

    __slots__ = ("_names", "_positions", "_show", "_values", "duplicates")

    def __init__(self, attributes: Iterable[tuple[str, Expr]] = (), position: Position | None = None) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Expr] = {}
        self._positions: dict[str, Position] = {}
        self._show: Callable[[int, int], str] | None = None
        self.duplicates: tuple[str, ...] = ()
        self._place((), position)
        for name, value in attributes:
            self.set(name, value)

    # -- a mapping of names to expressions

    def get(self, name: str) -> Expr | None:
        """The expression of that name, or None."""
        return self._values.get(name.lower())

    def at(self, key: str) -> Expr | None:
        """The expression of the name that is this one in lower case, or None."""
        return self._values.get(key)

    def set(self, name: str, value: object, position: Position | None = None) -> None:
        """Give ``name`` a value: a node, or what :func:`jdl.tree.from_python` takes.

        An attribute that is there already keeps its place and its spelling.

        :raises JdlError: the value has no form in a job description, or the name is empty or holds a NUL.
        """
        if isinstance(value, Expr):
            expr = value
        else:
            from jdl.tree import from_python  # tree is the face of this module and imports it

            expr = from_python(value)
        if not name or "\0" in name:
            raise WrongValue.because(repr(name), "a name is not empty and holds no NUL", position)
        key = name.lower()
        self._names.setdefault(key, name)
        self._values[key] = expr
        if position is not None:
            self._positions[key] = position
        # never lowered again: both only bound what an evaluation may cost
        self.depth = max(self.depth, expr.depth + 1)
        self.weight += expr.weight

    def remove(self, name: str) -> None:
        """Forget that attribute, if it is there."""
        key = name.lower()
        self._names.pop(key, None)
        self._values.pop(key, None)
        self._positions.pop(key, None)

    def items(self) -> Iterator[tuple[str, Expr]]:
        """Names as spelt and their expressions, in order."""
        for key, name in self._names.items():
            yield name, self._values[key]

    def where(self, name: str) -> Position | None:
        """Where the attribute's name stands in the text, if it came from one."""
        return self.place(self._positions.get(name.lower()))

    def place(self, position: Position | None) -> Position | None:
        """A position in this ad's text, as one that can show its line."""
        if position is None or self._show is None or isinstance(position, Place):
            return position
        return Place.of(position, self._show)

    def read_from(self, show: Callable[[int, int], str]) -> None:
        """Tell the ad what shows the lines of its text (line and column to an excerpt)."""
        self._show = show

    def spelling(self, name: str) -> str:
        """The name as this ad spells it; as given when the ad has no such attribute."""
        return self._names.get(name.lower(), name)

    def copy(self) -> ClassAd:
        """An ad of its own with the same expressions and positions (nested ads are shared)."""
        twin = ClassAd((), self.position)
        twin._names = dict(self._names)
        twin._values = dict(self._values)
        twin._positions = dict(self._positions)
        twin._show = self._show
        twin.duplicates = self.duplicates
        twin.depth, twin.weight = self.depth, self.weight
        return twin

    def pairs(self) -> ItemsView[str, Expr]:
        """The names in lower case and their expressions, in order."""
        return self._values.items()

    def folded(self) -> KeysView[str]:
        """The names in lower case, in order."""
        return self._values.keys()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._names.values()))

    def __len__(self) -> int:
        return len(self._names)

    def children(self) -> Iterator[Expr]:
        return iter(self._values.values())

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, ClassAd) and self._values == other._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values))

    def _key(self) -> tuple[object, ...]:
        return (frozenset(self._values.items()),)

    # -- values

    def value(self, name: str) -> Value:
        """What the attribute evaluates to with no other ad in sight; UNDEFINED when it is not there.

        Only what costs little: a description's plain attributes are constants or nearly so.
        """
        found = self._values.get(name.lower())
        if found is None:
            return UNDEFINED
        if isinstance(found, Literal) and found.weight < CONSTANT_STEPS // 2:
            return found.value  # what the evaluator would say, many times over for each job
        if isinstance(found, ListExpr) and found.constant and found.weight < CONSTANT_STEPS // 2:
            return tuple([item.value for item in found.items if isinstance(item, Literal)])
        from jdl.evaluate import evaluate_attribute  # the evaluator knows the nodes and this ad

        return evaluate_attribute(self, name, steps=CONSTANT_STEPS)

    def string(self, name: str) -> str | None:
        """The string of that name, None when there is none.

        :raises TypeMismatch: 1503, another type.  :raises WrongValue: 1506, a list.
        """
        value = self._scalar(name)
        if value is None or isinstance(value, str):
            return value
        raise self._mismatch(name, "a string is wanted")

    def strings(self, name: str) -> tuple[str, ...]:
        """A string, or a list of strings, as a tuple; empty when there is none.

        :raises TypeMismatch: 1503, anything else.
        """
        if name not in self:
            return ()
        value = self.value(name)
        if isinstance(value, str):
            return (value,)
        if isinstance(value, tuple):
            texts = tuple(item for item in value if isinstance(item, str))
            if len(texts) == len(value):
                return texts
        raise self._mismatch(name, "a string or a list of strings is wanted")

    def integer(self, name: str) -> int | None:
        """The integer of that name, None when there is none.

        :raises TypeMismatch: 1503, another type.  :raises WrongValue: 1506, a list.
        """
        value = self._scalar(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self._mismatch(name, "an integer is wanted")

    def real(self, name: str) -> float | None:
        """The number of that name as a float, None when there is none.

        :raises TypeMismatch: 1503, another type.  :raises WrongValue: 1506, a list.
        """
        value = self._scalar(name)
        if value is None:
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        raise self._mismatch(name, "a number is wanted")

    def boolean(self, name: str) -> bool | None:
        """The boolean of that name, None when there is none.

        :raises TypeMismatch: 1503, another type.  :raises WrongValue: 1506, a list.
        """
        value = self._scalar(name)
        if value is None or isinstance(value, bool):
            return value
        raise self._mismatch(name, "true or false is wanted")

    def record(self, name: str) -> ClassAd | None:
        """The ad of that name, None when there is none.

        :raises TypeMismatch: 1503, another type.  :raises WrongValue: 1506, a list.
        """
        value = self._scalar(name)
        if value is None:
            return None
        if isinstance(value, Record):
            return value.ad
        raise self._mismatch(name, "a classad is wanted")

    def _scalar(self, name: str) -> Value | None:
        if name not in self:
            return None
        value = self.value(name)
        if isinstance(value, tuple):
            raise WrongValue.is_list(self.spelling(name), self.where(name))
        return value

    def _mismatch(self, name: str, wanted: str) -> TypeMismatch:
        return TypeMismatch.wrong_type(self.spelling(name), wanted, self.where(name))

    # -- text

    def pretty(self) -> str:
        """The ad with one attribute on each line, indented by one blank for each level."""
        from jdl.printing import pretty  # the printer knows the nodes and this ad

        return pretty(self)
