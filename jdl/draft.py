"""A node as the user wrote it: named, and not yet filled with what it inherits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from grid.errors import JdlError
from grid.limits import MAX_FILE_NAME
from jdl.classad import ClassAd
from jdl.errors import AlreadySet, Position, WrongValue

__all__ = ["Draft", "check_distinct", "check_name", "sanitised"]

_REPLACED: Final = {ord("."): "_", ord("/"): "I", ord("*"): "-", ord("$"): "_S_"}


@dataclass(frozen=True)
class Draft:
    """A node before inheritance and checks.

    ``fault``: what is wrong with how the node is written down, when something is; its ad is then empty.
    """

    name: str
    ad: ClassAd
    parents: tuple[int, ...] = ()
    fault: JdlError | None = None


def sanitised(name: str) -> str:
    """A node's name without the characters that gLite WMS replaces."""
    return name.translate(_REPLACED)


def check_name(name: str, where: Position | None) -> None:
    """A node's name is shown everywhere, in XML too, so it is of printable characters and not too long.

    :raises WrongValue: 1506.
    """
    if not name.isprintable() or not name.strip() or len(name.encode("utf-8", "replace")) > MAX_FILE_NAME:
        shown = "".join(char if char.isprintable() else "?" for char in name[:100])
        detail = f"'{shown}' is no name for a node: 1 to {MAX_FILE_NAME} bytes of printable characters are wanted"
        raise WrongValue.because("NodeName", detail, where)


def check_distinct(names: Iterable[tuple[str, Position | None]]) -> None:
    """No two nodes have one name; case makes no difference, as in all names of a description.

    :raises AlreadySet: 1501.
    """
    seen: set[str] = set()
    for name, where in names:
        key = name.lower()
        if key in seen:
            text = "unable to complete the operation: the attribute has already been set"
            raise AlreadySet(f"Duplicated NodeName({name})", text, where)
        seen.add(key)
