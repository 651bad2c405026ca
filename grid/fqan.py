"""Fully qualified attribute names of VOMS: ``/vo/group/Role=name/Capability=name``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from grid.errors import InvalidArgument

_PART = r"[A-Za-z0-9._-]+"
_FORM = re.compile(
    rf"(?P<group>(?:/{_PART})+?)(?:/Role=(?P<role>{_PART}))?(?:/Capability=(?P<capability>{_PART}))?"
)


class FqanError(InvalidArgument):
    """A text is not an FQAN."""

    def __init__(self, text: str) -> None:
        self.text = text[:200]
        super().__init__(f"{self.text!r} is not an FQAN; it has the form /vo[/group…][/Role=<role>]")


@dataclass(frozen=True, slots=True)
class Fqan:
    """One attribute.  ``Role=NULL`` and ``Capability=NULL`` are the same as none (VOMS)."""

    group: str
    role: str | None = None
    capability: str | None = None

    @classmethod
    def parse(cls, text: str) -> Fqan:
        """Read an FQAN.

        :raises FqanError: for any other text, ``.`` and ``..`` as group parts included.
        """
        found = _FORM.fullmatch(text)
        if not found or any(part in (".", "..") for part in found["group"].split("/")):
            raise FqanError(text)
        return cls(found["group"], _present(found["role"]), _present(found["capability"]))

    @property
    def vo(self) -> str:
        """The virtual organisation: the first component of the group."""
        return self.group.split("/", 2)[1]

    def __str__(self) -> str:
        return (
            self.group
            + (f"/Role={self.role}" if self.role else "")
            + (f"/Capability={self.capability}" if self.capability else "")
        )

    @property
    def full(self) -> str:
        """The long print: ``/vo/Role=NULL/Capability=NULL``."""
        return f"{self.group}/Role={self.role or 'NULL'}/Capability={self.capability or 'NULL'}"


def _present(value: str | None) -> str | None:
    return None if value in (None, "NULL") else value
