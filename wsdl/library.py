"""The documents of ``wsdl/files``: the contracts' WSDLs and schemas, as they are in the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from lxml import etree

from grid import xmldoor
from grid.errors import InvalidArgument

DIRECTORY: Final = Path(__file__).resolve().parent / "files"


class DocumentUnknown(InvalidArgument):
    """The package has no document of this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no contract document {name[:100]!r}")


@cache
def names() -> frozenset[str]:
    """The names of all documents.  Nothing else can be read through this module, whatever a caller asks for."""
    return frozenset(path.name for path in DIRECTORY.iterdir() if path.suffix in (".wsdl", ".xsd"))


@cache
def read(name: str) -> bytes:
    """The bytes of a document.

    :raises DocumentUnknown: for a name that is not in :func:`names`.
    """
    if name not in names():
        raise DocumentUnknown(name)
    return (DIRECTORY / name).read_bytes()


def root(name: str) -> etree._Element:
    """A fresh tree of a document; the caller may change it.

    :raises DocumentUnknown: for a name that is not in :func:`names`.
    """
    return xmldoor.parse(read(name))
