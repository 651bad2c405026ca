"""The builtin functions of strings, patterns and version numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from jdl.function import MANY, MAX_STRING, Function, bounded, split_at, text_of
from jdl.patterns import Pattern, pattern
from jdl.scope import Run
from jdl.values import ERROR, UNDEFINED, Record, Value, fold

__all__ = ["TEXTS"]


def _strcat(run: Run, *values: Any) -> Value:
    parts = [text_of(value) for value in values]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or sum(map(len, known)) > MAX_STRING:
        return ERROR
    return bounded(run, "".join(known))


def _substr(run: Run, text: Any, offset: Any, length: Any = None) -> Value:
    if type(text) is not str or type(offset) is not int or (length is not None and type(length) is not int):
        return ERROR
    begin = max(len(text) + offset, 0) if offset < 0 else min(offset, len(text))
    if length is None:
        end = len(text)
    elif length < 0:
        end = max(len(text) + length, begin)
    else:
        end = min(begin + length, len(text))
    return text[begin:end]


def _case(change: Callable[[str], str]) -> Callable[..., Value]:
    def body(run: Run, value: Any) -> Value:
        text = text_of(value)
        return ERROR if text is None else bounded(run, change(text))

    return body


def _string(run: Run, value: Any) -> Value:
    text = text_of(value)
    if text is None and type(value) is Record:
        text = value.ad.text()
    return ERROR if text is None else bounded(run, text)


def _split(run: Run, text: Any, separators: Any = ", \t") -> Value:
    if type(text) is not str or type(separators) is not str:
        return ERROR
    return tuple([part for part in split_at(text, separators) if part])


def _join(run: Run, *values: Any) -> Value:
    """join(separator, item, ...), join(separator, list), join(list): what is undefined is passed over.

    No separator stands behind empty items at the beginning.
    """
    separator, items = (values[0], values[1:]) if values else ("", ())
    if len(values) == 1 and type(values[0]) is tuple:
        separator, items = "", values[0]
    elif len(items) == 1 and type(items[0]) is tuple:
        items = items[0]
    if ERROR in values or ERROR in items:
        return ERROR
    known = [item for item in items if item is not UNDEFINED]
    if not known and (items or separator is UNDEFINED):
        return UNDEFINED
    between = "" if separator is UNDEFINED else text_of(separator)
    parts = [text_of(item) for item in known]
    texts = [part for part in parts if part is not None]
    if between is None or len(texts) < len(parts):
        return ERROR
    texts = texts[next((place for place, each in enumerate(texts) if each), len(texts)) :]
    if sum(map(len, texts)) + len(between) * len(texts) > MAX_STRING:
        return ERROR
    return bounded(run, between.join(texts))


def _strcmp(change: Callable[[str], str]) -> Callable[..., Value]:
    def body(run: Run, left: Any, right: Any) -> Value:
        first, second = text_of(left), text_of(right)
        if first is None or second is None:
            return ERROR
        first, second = change(first), change(second)
        return (first > second) - (first < second)

    return body


# -- patterns


def _pattern(expression: Any, options: Any) -> Pattern | None:
    if type(expression) is not str or type(options) is not str:
        return None
    return pattern(expression, options)


def _regexp(run: Run, expression: Any, text: Any, options: Any = "") -> Value:
    compiled = _pattern(expression, options)
    if compiled is None or type(text) is not str:
        return ERROR
    return compiled.search(text.encode("utf-8", "surrogatepass")) is not None


def _regexp_member(run: Run, expression: Any, texts: Any, options: Any = "") -> Value:
    compiled = _pattern(expression, options)
    if compiled is None or type(texts) is not tuple or any(type(text) is not str for text in texts):
        return ERROR
    return any(compiled.search(text.encode("utf-8", "surrogatepass")) is not None for text in texts)


_MATCH_STEPS: Final = 4
"""What one replacement costs of an evaluation's budget."""

_REFERENCE: Final = re.compile(rb"\\([0-9])")


def _filled(template: bytes, groups: tuple[bytes | None, ...]) -> bytes:
    return _REFERENCE.sub(lambda reference: groups[int(reference[1])] or b"", template)


def _replacement(run: Run, compiled: Pattern, text: bytes, template: bytes, once: bool, around: bool) -> bytes | None:
    """The text with what the pattern finds replaced; without what is ``around`` that when it is not wanted.

    ``\\0`` to ``\\9`` in the template are what the groups of the pattern found.  None when it would be too long, when
    a group found nothing, and when all places are wanted and one is empty.
    """
    wanted = [int(digit) for digit in _REFERENCE.findall(template)]
    parts: list[bytes] = []
    size = end = 0
    for match in compiled.finditer(text):
        groups = (match.group(0), *match.groups())
        if any(index >= len(groups) or groups[index] is None for index in wanted) or not (once or groups[0]):
            return None
        run.charge(_MATCH_STEPS)
        piece = _filled(template, groups)
        parts += [text[end : match.start()], piece] if around else [piece]
        size += len(piece)
        end = match.end()
        if size > MAX_STRING:
            return None
        if once:
            break
    if around:
        parts.append(text[end:])
    return b"".join(parts)


def _substitution(once: bool, around: bool) -> Callable[..., Value]:
    def body(run: Run, expression: Any, text: Any, template: Any, options: Any = "") -> Value:
        compiled = _pattern(expression, options.replace("g", "") if type(options) is str else options)
        if compiled is None or type(text) is not str or type(template) is not str:
            return ERROR
        octets, put = text.encode("utf-8", "surrogatepass"), template.encode("utf-8", "surrogatepass")
        found = _replacement(run, compiled, octets, put, once and "g" not in options, around)
        if found is None:
            return ERROR
        return bounded(run, found.decode("utf-8", "replace"))

    return body


# -- version numbers


def _version_order(left: str, right: str) -> int:
    """As strverscmp() of the C library: numbers by their value, but those that begin with 0 as if behind a point."""
    first, second = left.encode("utf-8", "surrogatepass") + b"\0", right.encode("utf-8", "surrogatepass") + b"\0"
    if first == second:
        return 0
    start = place = 0
    zeros = True
    while first[place] == second[place]:
        if first[place] not in _DIGITS:
            start, zeros = place + 1, True
        elif first[place] != _ZERO:
            zeros = False
        place += 1
    if first[start] in _NOT_ZERO and second[start] in _NOT_ZERO:
        lengths = [_digits_end(text, place) for text in (first, second)]
        if lengths[0] != lengths[1]:
            return 1 if lengths[0] > lengths[1] else -1
    elif zeros and start < place and (first[place] in _DIGITS or second[place] in _DIGITS):
        return 1 if (first[place] - _ZERO) & 255 > (second[place] - _ZERO) & 255 else -1
    return 1 if first[place] > second[place] else -1


_DIGITS: Final = frozenset(b"0123456789")
_NOT_ZERO: Final = frozenset(b"123456789")
_ZERO: Final = ord("0")


def _digits_end(text: bytes, place: int) -> int:
    while text[place] in _DIGITS:
        place += 1
    return place


def _compared_versions(test: Callable[[int], Value]) -> Callable[..., Value]:
    def body(run: Run, left: Any, right: Any) -> Value:
        first, second = text_of(left), text_of(right)
        if first is None or second is None:
            return ERROR
        return test(_version_order(first, second))

    return body


def _version_in_range(run: Run, version: Any, least: Any, most: Any) -> Value:
    texts = [text for text in map(text_of, (version, least, most)) if text is not None]
    if len(texts) < 3:
        return ERROR
    return _version_order(texts[1], texts[0]) <= 0 <= _version_order(texts[2], texts[0])


TEXTS: Final[dict[str, Function]] = {
    "strcat": Function(_strcat, 0, MANY),
    "substr": Function(_substr, 2, 3),
    "toupper": Function(_case(str.upper), 1, 1),
    "tolower": Function(_case(str.lower), 1, 1),
    "string": Function(_string, 1, 1),
    "strcmp": Function(_strcmp(str), 2, 2),
    "stricmp": Function(_strcmp(fold), 2, 2),
    "split": Function(_split, 1, 2, strict=False),
    "join": Function(_join, 0, MANY, strict=False),
    "regexp": Function(_regexp, 2, 3),
    "regexpmember": Function(_regexp_member, 2, 3),
    "regexps": Function(_substitution(once=True, around=False), 3, 4),
    "replace": Function(_substitution(once=True, around=True), 3, 4),
    "replaceall": Function(_substitution(once=False, around=True), 3, 4),
    "versioncmp": Function(_compared_versions(lambda order: order), 2, 2),
    "versionlt": Function(_compared_versions(lambda order: order < 0), 2, 2),
    "versionle": Function(_compared_versions(lambda order: order <= 0), 2, 2),
    "versioneq": Function(_compared_versions(lambda order: order == 0), 2, 2),
    "versionge": Function(_compared_versions(lambda order: order >= 0), 2, 2),
    "versiongt": Function(_compared_versions(lambda order: order > 0), 2, 2),
    "version_in_range": Function(_version_in_range, 3, 3),
}
