"""Distinguished names of LDAP in their text form (RFC 4514).

A name is compared by its *key*: the tuple of its components, leaf first, with types and values in lower case and
runs of spaces made one, as caseIgnoreMatch demands.
"""

from __future__ import annotations

import functools
import re
from typing import TypeAlias

from infosys.errors import NameSyntaxError

Key: TypeAlias = tuple[str, ...]
Rdn: TypeAlias = tuple[tuple[str, str], ...]

_SPECIAL = frozenset('"+,;<>\\=#')
_ESCAPED_ALWAYS = frozenset('"+,;<>\\')
_ESCAPED = re.compile(r'["+,;<>\\\0]|^[# ]| \Z')
_HEX = frozenset("0123456789abcdefABCDEF")
_PAIR = re.compile(r" *([A-Za-z0-9][A-Za-z0-9-]*)=([^\\,;+\x00 ][^\\,;+\x00]*)(?:,|$)")
_PLAIN = re.compile(r"(?: *[A-Za-z0-9][A-Za-z0-9-]*=[^\\,;+\x00 ][^\\,;+\x00]*(?:,(?=.)|$))+", re.DOTALL)
MAX_NAME = 4096
"""Characters of one name; longer ones are refused."""


def rdn(attribute: str, value: str) -> str:
    """``attribute=value`` with the characters escaped that RFC 4514 §2.4 wants escaped."""
    if not _ESCAPED.search(value):
        return f"{attribute}={value}"
    parts = []
    last = len(value) - 1
    for place, character in enumerate(value):
        if character == "\0":
            parts.append("\\00")
        elif (
            character in _ESCAPED_ALWAYS
            or (character == "#" and place == 0)
            or (character == " " and place in (0, last))
        ):
            parts.append("\\" + character)
        else:
            parts.append(character)
    return f"{attribute}={''.join(parts)}"


def join(*parts: str) -> str:
    """Components and suffixes, leaf first, as one name; empty ones are left out."""
    return ",".join(part for part in parts if part)


@functools.lru_cache(maxsize=65_536)
def parse(text: str) -> tuple[Rdn, ...]:
    """The components of a name, leaf first; each is a tuple of (type, value), more than one when joined by ``+``.

    :raises NameSyntaxError: when the text is no name.
    """
    return _components(text)


def _components(text: str) -> tuple[Rdn, ...]:
    if len(text) > MAX_NAME:
        raise NameSyntaxError(text)
    if not text.strip():
        return ()
    if _PLAIN.fullmatch(text):  # what nearly all names are; telling the rest costs ten times as much
        return tuple([((attribute, value.rstrip(" ")),) for attribute, value in _PAIR.findall(text)])
    return _parse(text)


def _parse(text: str) -> tuple[Rdn, ...]:
    components: list[Rdn] = []
    for component in _split(text, ",;"):
        pairs = []
        for pair in _split(component, "+"):
            attribute, equals, value = pair.partition("=")
            attribute = attribute.strip()
            if not equals or not attribute or not attribute.replace("-", "a").replace(".", "a").isalnum():
                raise NameSyntaxError(text)
            pairs.append((attribute, _value(value, text)))
        components.append(tuple(pairs))
    return tuple(components)


@functools.lru_cache(maxsize=65_536)
def key(text: str) -> Key:
    """The form in which two names are the same name, leaf first.

    :raises NameSyntaxError: when the text is no name.
    """
    return _key(parse(text))


def fresh_key(text: str) -> Key:
    """The same of a name that anybody may have sent: nothing of it is kept, since strangers' names are endless.

    :raises NameSyntaxError: when the text is no name.
    """
    return _key(_components(text))


def _key(components: tuple[Rdn, ...]) -> Key:
    return tuple(
        [
            f"{component[0][0].lower()}={fold(component[0][1])}"
            if len(component) == 1
            else "+".join(sorted(f"{attribute.lower()}={fold(value)}" for attribute, value in component))
            for component in components
        ]
    )


def render(components: tuple[Rdn, ...]) -> str:
    """Invert :func:`parse`."""
    return ",".join("+".join(rdn(attribute, value) for attribute, value in component) for component in components)


def fold(value: str) -> str:
    """A value as caseIgnoreMatch compares it: lower case, no outer spaces, inner runs of spaces made one."""
    return " ".join(value.lower().split())


def spaced(value: str) -> str:
    """A value as caseExactMatch compares it: no outer spaces, inner runs of spaces made one."""
    return " ".join(value.split())


def _split(text: str, separators: str) -> list[str]:
    parts = []
    start = place = 0
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        if text[place] in separators:
            parts.append(text[start:place])
            start = place + 1
        place += 1
    parts.append(text[start:])
    return parts


def _value(text: str, whole: str) -> str:
    """Undo the escapes of one value; unescaped outer spaces do not count."""
    raw = bytearray()
    kept = 0  # bytes up to here end in something that stripping must not remove
    text = text.lstrip(" ")
    place = 0
    while place < len(text):
        character = text[place]
        if character != "\\":
            raw += character.encode("utf-8", "surrogatepass")
            place += 1
            if character != " ":
                kept = len(raw)
            continue
        pair = text[place + 1 : place + 3]
        if len(pair) == 2 and pair[0] in _HEX and pair[1] in _HEX:
            raw.append(int(pair, 16))
            place += 3
        elif pair and (pair[0] in _SPECIAL or pair[0] == " "):
            raw += pair[0].encode()
            place += 2
        else:
            raise NameSyntaxError(whole)
        kept = len(raw)
    if not kept:
        raise NameSyntaxError(whole)
    try:
        return raw[:kept].decode("utf-8")
    except UnicodeDecodeError as error:
        raise NameSyntaxError(whole) from error
