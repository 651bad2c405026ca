"""From an entry's texts to the typed attributes of an ad.

Whatever comes from a directory is somebody else's text: a value that does not fit its type is left out and told in
:attr:`AdWriter.problems`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from infosys import names
from infosys.entry import Entry
from infosys.errors import NameSyntaxError
from infosys.filters import as_integer
from infosys.schema import Schema
from jdl.tree import MAX_INT, MIN_INT, ClassAd, ListExpr, Literal
from jdl.values import UNDEFINED

MAX_PROBLEMS: Final = 100
MAX_VALUE: Final = 4096
"""Characters of one value; longer ones are left out."""
MAX_VALUES: Final = 20_000
"""Values of one attribute; further ones are left out."""

MAX_KEPT: Final = 200_000
"""Attribute names and values that a writer remembers, to use them again."""

_LITERALS: Final[Mapping[str, Any]] = {"true": True, "false": False, "undefined": UNDEFINED}


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the values of one attribute become those of an ad.

    :ivar single: None when nothing is known: then one value is no list.
    """

    spelt: str
    integer: bool
    single: bool | None
    left_out: bool


class AdWriter:
    """Fills ads from entries.

    :param schema: which attributes are lists and numbers, as learnt from the source.
    :param fallback: where attributes are looked up that the source's schema does not know.
    """

    def __init__(self, schema: Schema, fallback: Schema) -> None:
        self._schema = schema
        self._fallback = fallback
        self.problems: list[str] = []
        self._plans: dict[str, _Plan] = {}
        self._nodes: dict[tuple[str, bool], Literal] = {}
        self._lists: dict[tuple[int, ...], ListExpr] = {}

    def note(self, problem: str) -> None:
        """Keep a sentence for operators; of very many the first :data:`MAX_PROBLEMS`."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem[:500])

    def fill(self, ad: ClassAd, entry: Entry, skip: tuple[str, ...] = ()) -> None:
        """Give the ad the entry's attributes; one that is there already is replaced, or removed by garbage.

        Equal values are one node in all ads of a writer: nodes are not changed after they are made.
        """
        for name, values in entry.attributes.items():
            if name in skip:
                continue
            plan = self._plans.get(name) or self._plan(name)
            if plan.left_out:
                continue
            found = []
            for value in values[:MAX_VALUES]:
                node = self._nodes.get((value, plan.integer))
                if node is None:
                    try:
                        node = self._node(value, plan.integer)
                    except ValueError as error:
                        self.note(f"{entry.dn}: {plan.spelt} {error}")
                        continue
                found.append(node)
            if len(values) > MAX_VALUES:
                self.note(f"{entry.dn}: {plan.spelt} has {len(values)} values; those after {MAX_VALUES} are left out")
            if len(values) == 1 if plan.single is None else plan.single:
                if found:
                    ad.set(plan.spelt, found[0])
                else:
                    ad.remove(plan.spelt)  # a view's garbage does not leave the element's value in its place
            else:
                ad.set(plan.spelt, self._list(found))

    def _plan(self, name: str) -> _Plan:
        """How an attribute is written."""
        known = self._schema.attribute(name) or self._fallback.attribute(name)
        plan = _Plan(
            (self._fallback.attribute(name) or known).name if known else name,
            known.integer if known else False,
            known.single if known else None,
            name.lower() == "objectclass",
        )
        if len(self._plans) < MAX_KEPT:
            self._plans[name] = plan
        return plan

    def _node(self, value: str, integer: bool) -> Literal:
        """:raises ValueError: as :func:`typed`."""
        node = Literal(typed(value, integer))
        if len(self._nodes) < MAX_KEPT:
            self._nodes[value, integer] = node
        return node

    def _list(self, items: list[Literal]) -> ListExpr:
        key = tuple(map(id, items))  # the nodes are kept by the list, so their ids stay theirs
        found = self._lists.get(key)
        if found is None:
            found = ListExpr(items)
            if len(self._lists) < MAX_KEPT:
                self._lists[key] = found
        return found

    def ad(self, entry: Entry) -> ClassAd:
        """A new ad of the entry's attributes."""
        made = ClassAd()
        self.fill(made, entry)
        return made


def typed(value: str, integer: bool) -> Any:
    """A value as a ClassAd literal.

    :raises ValueError: when it does not fit; the text completes a sentence that begins with the attribute's name.
    """
    if len(value) > MAX_VALUE:
        raise ValueError(f"has a value of {len(value)} characters")
    if "\0" in value:
        raise ValueError("has a value with a NUL character")
    if value.lower() in _LITERALS:
        return _LITERALS[value.lower()]
    if not integer:
        return value
    number = as_integer(value)
    if number is None or not MIN_INT <= number <= MAX_INT:
        raise ValueError(f"is {value[:40]!r} and not an integer")
    return number


def foreign_keys(entry: Entry, attribute: str) -> list[str]:
    """The values that the entry's GlueForeignKey gives to an attribute."""
    found = []
    for text in entry.values("GlueForeignKey"):
        try:
            components = names.parse(text)
        except NameSyntaxError:
            continue  # a key that is no name points nowhere
        if components and components[0][0][0].lower() == attribute.lower():
            found.append(components[0][0][1])
    return found
