"""What can be wrong with a job description.

::

    grid.errors.JdlError
    ├── JdlSyntaxError        1507  the text is not a ClassAd, or not a DAG; knows line, column, excerpt
    ├── NodeFaults            1513  nodes of a compound request are wrong; knows each node's error
    └── AttributeFault        15xx  one attribute is wrong; knows its name and position
        ├── AlreadySet        1501
        ├── NotSet            1502
        ├── TypeMismatch      1503  wrong type, or wrong format
        ├── MemberMisused     1504  member() without its two arguments
        ├── MandatoryMissing  1505  missing attribute, missing path, incomplete group
        ├── WrongValue        1506
        ├── WrongCombination  1508
        ├── FileConflict      1509
        ├── TooManyAttributes 1510
        └── NotAccepted       1219, 1220  the server does not take such a job

    grid.errors.InvalidArgument
    ├── NotExpressible        1225  an element of a JSDL document has no equivalent here; knows its path
    └── TemplateRefused       1225  a template cannot be made of these arguments

The sentences are those of the gLite JDL library, which clients and their users know; the position, when the
attribute stands in the submitted text, is added in parentheses at the end, and its line below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, NamedTuple

from grid.errors import InvalidArgument, JdlError

__all__ = [
    "AlreadySet",
    "AttributeFault",
    "FileConflict",
    "JdlSyntaxError",
    "MandatoryMissing",
    "MemberMisused",
    "NodeFaults",
    "NotAccepted",
    "NotExpressible",
    "NotSet",
    "Place",
    "Position",
    "TemplateRefused",
    "TooManyAttributes",
    "TypeMismatch",
    "WrongCombination",
    "WrongValue",
]


MAX_TEXT: Final = 1000
"""Characters that one error says; what a user wrote may be a thousand times that."""


class Position(NamedTuple):
    """Where something stands in a text; both count from 1, the column in characters."""

    line: int
    column: int


class Place(Position):
    """A position in a text that is at hand, so that its line can be shown."""

    _show: Callable[[int, int], str]

    @classmethod
    def of(cls, position: Position, show: Callable[[int, int], str]) -> Place:
        """The position with what gives the excerpt of a line and a column."""
        place = cls(*position)
        place._show = show
        return place

    @property
    def excerpt(self) -> str:
        """The line (shortened around the place) over a line with a caret."""
        return self._show(self.line, self.column)


class JdlSyntaxError(JdlError):
    """The text cannot be read as a ClassAd.

    ``line`` and ``column`` count from 1 and are 0 when the error belongs to the whole text; ``excerpt`` is the
    line at fault (shortened around the place) over a line with a caret.
    """

    default_code: ClassVar[int] = 1507

    def __init__(self, what: str, *, line: int = 0, column: int = 0, excerpt: str = "") -> None:
        self.what = what = _cut(what)
        self.line = line
        self.column = column
        self.excerpt = excerpt
        place = f" at line {line}, column {column}" if line else ""
        shown = f":\n{excerpt}" if excerpt else ""
        super().__init__(f"The following parsing error(s) have been found:\n{what}{place}{shown}")


    @classmethod
    def at(cls, position: Position | None, what: str) -> JdlSyntaxError:
        """The error that ``what`` is there; it belongs to the whole text when there is no place."""
        if position is None:
            return cls(what)
        excerpt = position.excerpt if isinstance(position, Place) else ""
        return cls(what, line=position.line, column=position.column, excerpt=excerpt)


class NodeFaults(JdlError):
    """What is wrong with the nodes of a compound request, all in one.

    :param errors: pairs of a node's name and its error, in node order.
    :param unchecked: nodes behind them that were not looked at any more.
    """

    default_code: ClassVar[int] = 1513

    def __init__(self, errors: Sequence[tuple[str, JdlError]], unchecked: int = 0) -> None:
        self.errors = tuple(errors)
        self.unchecked = unchecked
        lines = [f"{_cut(name)} ->{_cut(_sentence(error))}" for name, error in self.errors]
        if unchecked:
            lines.append(f"(the {unchecked} nodes behind them were not checked)")
        text = "\n".join(lines)
        super().__init__(f"The following error(s) have been found while checking nodes:\n{text}")


def _sentence(error: JdlError) -> str:
    """What is wrong and where, without the line shown: the errors of nodes have one line each."""
    return error.sentence if isinstance(error, AttributeFault) else error.description


class AttributeFault(JdlError):
    """One attribute (or a group named together) is wrong.

    :param attribute: the name, or several joined by ``", "``.
    :param text: what is wrong, without the name.
    :param position: where the attribute stands in the submitted text, when it does.
    :ivar sentence: attribute, text and place, without the line.
    :ivar excerpt: that line over a line with a caret, when the text is at hand.
    """

    default_code: ClassVar[int] = 1506

    def __init__(
        self,
        attribute: str,
        text: str,
        position: Position | None = None,
        *,
        code: int | None = None,
        causes: Sequence[str] = (),
    ) -> None:
        self.attribute = attribute = _cut(attribute)
        self.text = text = _cut(text)
        self.position = position
        self.line = position.line if position else 0
        self.column = position.column if position else 0
        self.excerpt = excerpt = position.excerpt if isinstance(position, Place) else ""
        place = f" (line {position.line}, column {position.column})" if position else ""
        shown = f":\n{excerpt}" if excerpt else ""
        self.sentence = f"{attribute}: {text}{place}"
        super().__init__(f"{self.sentence}{shown}", code=code, causes=causes)


class AlreadySet(AttributeFault):
    """An attribute, or a name that must be unique, is given twice."""

    default_code = 1501


class NotSet(AttributeFault):
    """An attribute that the operation needs has no value."""

    default_code = 1502

    @classmethod
    def because(cls, attribute: str, detail: str, position: Position | None) -> NotSet:
        """``detail`` says what is wanted."""
        return cls(attribute, f"the attribute has not been initialised yet ({detail})", position)


class TypeMismatch(AttributeFault):
    """The value has another type than the attribute, or not the attribute's format."""

    default_code = 1503

    @classmethod
    def wrong_type(cls, attribute: str, detail: str, position: Position | None) -> TypeMismatch:
        """The value is of another type; ``detail`` says which is wanted."""
        return cls(attribute, f"wrong type caught for attribute ({detail})", position)

    @classmethod
    def wrong_format(cls, attribute: str, right: str, position: Position | None) -> TypeMismatch:
        """The value is of the right type but not written as ``right`` says."""
        return cls(attribute, f"wrong format caught for attribute. The right format is:\n'{right}'", position)


class MemberMisused(AttributeFault):
    """member() or isMember() has not a value and a list (wording of the original)."""

    default_code = 1504

    def __init__(self, attribute: str, position: Position | None = None) -> None:
        super().__init__(
            attribute, "wrong usage of MultiAttribute method; syntax is: Member/IsMember(Value,List)", position
        )


class MandatoryMissing(AttributeFault):
    """Something the job cannot do without is missing."""

    default_code = 1505

    @classmethod
    def attribute_missing(cls, attribute: str) -> MandatoryMissing:
        """The attribute itself is missing."""
        return cls(attribute, "Jdl mandatory attribute is missing")

    @classmethod
    def path_missing(cls, attribute: str, path: str, position: Position | None) -> MandatoryMissing:
        """The attribute names a file that no sandbox entry brings."""
        return cls(attribute, f"Specified path '{path}' is missing", position)

    @classmethod
    def group_incomplete(cls, attributes: str, position: Position | None) -> MandatoryMissing:
        """Of attributes that go together only some are given (wording of the original, typing error included)."""
        text = "attributes group not complete, the attributes have to be specified all togheter"
        return cls(attributes, text, position)


class WrongValue(AttributeFault):
    """The value has the right type and is out of the attribute's range."""

    default_code = 1506

    @classmethod
    def because(cls, attribute: str, detail: str, position: Position | None) -> WrongValue:
        """``detail`` says what a right value is."""
        return cls(attribute, f"wrong value caught for attribute ({detail})", position)

    @classmethod
    def is_list(cls, attribute: str, position: Position | None) -> WrongValue:
        """A list where one value is wanted."""
        return cls(attribute, "the attribute cannot be of list type", position)


class WrongCombination(AttributeFault):
    """Attributes that are right each for itself exclude one another."""

    default_code = 1508

    def __init__(self, attributes: str, position: Position | None = None) -> None:
        super().__init__(attributes, "wrong combination of values", position)


class FileConflict(AttributeFault):
    """Two sandbox entries end in one file."""

    default_code = 1509

    def __init__(self, attribute: str, name: str, position: Position | None = None) -> None:
        self.name = name
        super().__init__(
            attribute,
            f"filename conflict found while extracting files.The following file is repeated more than once: '{name}'",
            position,
        )


class TooManyAttributes(AttributeFault):
    """A node that only names something has attributes of its own."""

    default_code = 1510

    def __init__(self, attributes: str, position: Position | None = None) -> None:
        super().__init__(attributes, "no other attributes can be specified for this node", position)


class NotAccepted(AttributeFault):
    """A kind of job that this server does not take."""

    default_code = 1220


class NotExpressible(InvalidArgument):
    """An element of a JSDL document cannot be said in a job description.

    :ivar element: the names of the elements down to it, joined by slashes.
    :ivar reason: what is wrong with it, and how to mend it.
    """

    def __init__(self, element: str, reason: str) -> None:
        self.element = element = _cut(element)
        self.reason = reason = _cut(reason)
        super().__init__(f"JSDL {element}: {reason}")


class TemplateRefused(InvalidArgument):
    """A template cannot be made of these arguments.

    :ivar argument: which one.
    """

    def __init__(self, argument: str, reason: str) -> None:
        self.argument = argument
        super().__init__(f"Invalid Argument: {argument} {reason}")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
