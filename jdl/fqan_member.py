"""Whether a VOMS attribute is admitted by an access rule of a computing element (gLite WMS, FQANmember)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from jdl.patterns import whole_pattern

__all__ = ["fqan_member"]

_PREFIX: Final = 5
"""Length of ``VOMS:`` and ``DENY:``."""


def _form(letters: str) -> re.Pattern[str]:
    name = f"[{letters}]+"
    return re.compile(
        rf"(?:/(?i:VO)={name})?(?:/(?i:GROUP)=)?"
        rf"(?P<group>/{name}(?:/{name})*)"
        rf"(?:/(?i:Role)=(?P<role>{name}))?"
        rf"(?:/(?i:Capability)={name})?\Z",
        re.ASCII,
    )


_FQAN: Final = _form(r"A-Za-z0-9._\-")
_RULE: Final = _form(r"A-Za-z0-9._*\-")


class _Parts(NamedTuple):
    group: str
    role: str | None


@lru_cache(maxsize=8192)
def _parts(text: str, rule: bool) -> _Parts | None:
    match = (_RULE if rule else _FQAN).match(text) if len(text) <= 1024 else None
    return _Parts(match["group"], match["role"]) if match else None


def fqan_member(fqan: str, rule: str) -> bool:
    """Whether the prefixed FQAN (``VOMS:/cms/Role=production``) is what the rule names.

    Only the prefix and the words VO, GROUP, Role and Capability ignore case.  ``*`` in a rule's group or role stands
    for any characters; a dot is a dot.  A group does not admit its subgroups.  Without a role is the same as
    ``Role=NULL``; the capability does not count.  What is not written as an FQAN matches nothing.
    """
    if fqan[:_PREFIX].lower() != rule[:_PREFIX].lower():
        return False
    held, wanted = _parts(fqan[_PREFIX:], False), _parts(rule[_PREFIX:], True)
    if held is None or wanted is None or not _matches(wanted.group, held.group):
        return False
    if held.role is None or wanted.role is None:
        present = held.role if wanted.role is None else wanted.role
        return present is None or present.upper() == "NULL"
    return _matches(wanted.role, held.role)


def _matches(rule: str, text: str) -> bool:
    if "*" not in rule:
        return rule == text
    return whole_pattern(rule).fullmatch(text.encode()) is not None
