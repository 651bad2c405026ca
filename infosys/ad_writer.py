"""From an entry's texts to the typed attributes of an ad.

Whatever comes from a directory is somebody else's text: a value that does not fit its type is left out and told in
:attr:`AdWriter.problems`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from infosys import names
from infosys.entry import Entry
from infosys.errors import NameSyntaxError
from infosys.filters import as_integer
from infosys.schema import Schema
from jdl.tree import MAX_INT, MIN_INT, ClassAd
from jdl.values import UNDEFINED

MAX_PROBLEMS: Final = 100
MAX_VALUE: Final = 4096
"""Characters of one value; longer ones are left out."""
MAX_VALUES: Final = 20_000
"""Values of one attribute; further ones are left out."""

_LITERALS: Final[Mapping[str, Any]] = {"true": True, "false": False, "undefined": UNDEFINED}


class AdWriter:
    """Fills ads from entries.

    :param schema: which attributes are lists and numbers, as learnt from the source.
    :param fallback: where attributes are looked up that the source's schema does not know.
    """

    def __init__(self, schema: Schema, fallback: Schema) -> None:
        self._schema = schema
        self._fallback = fallback
        self.problems: list[str] = []

    def note(self, problem: str) -> None:
        """Keep a sentence for operators; of very many the first :data:`MAX_PROBLEMS`."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem[:500])

    def fill(self, ad: ClassAd, entry: Entry, skip: tuple[str, ...] = ()) -> None:
        """Give the ad the entry's attributes; one that is there already is replaced, or removed by garbage."""
        for name, values in entry.attributes.items():
            if name.lower() == "objectclass" or name in skip:
                continue
            known = self._schema.attribute(name) or self._fallback.attribute(name)
            spelt = (self._fallback.attribute(name) or known).name if known else name
            found = []
            for value in values[:MAX_VALUES]:
                try:
                    found.append(typed(value, known.integer if known else False))
                except ValueError as error:
                    self.note(f"{entry.dn}: {spelt} {error}")
            if len(values) > MAX_VALUES:
                self.note(f"{entry.dn}: {spelt} has {len(values)} values; those after {MAX_VALUES} are left out")
            if known.single if known else len(values) == 1:
                if found:
                    ad.set(spelt, found[0])
                else:
                    ad.remove(spelt)  # a view's garbage does not leave the element's value in its place
            else:
                ad.set(spelt, found)

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
