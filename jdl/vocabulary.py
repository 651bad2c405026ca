"""The builtin functions in words: how each is called, what it gives, and an example.

docs/jdl.md is made from this table, and errors tell the usage of a function from it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["GROUPS", "NOT_OFFERED", "WORDS", "Word"]

_PARAMETERS: Final = re.compile(r"\((.*)\)\Z")


class Word(NamedTuple):
    """One function.

    ``usage``: name and arguments, optional ones in brackets, ``...`` for any number.  ``example``: an expression.
    """

    usage: str
    meaning: str
    example: str

    @property
    def name(self) -> str:
        """The name as it is written."""
        return self.usage.partition("(")[0]

    @property
    def least(self) -> int:
        """How many arguments it has at least."""
        needed = re.sub(r"\[.*\]", "", self.usage.partition("(")[2].removesuffix(")"))
        return len([word for word in needed.split(",") if word.strip()])


_KINDS: Final = (
    Word(
        "isUndefined(value)", "whether the value is undefined: an attribute that is not there", "isUndefined(other.X)"
    ),
    Word("isError(value)", "whether the value is an error", "isError(1 / 0)"),
    Word("isString(value)", "whether it is a string", 'isString("a")'),
    Word("isInteger(value)", "whether it is an integer", "isInteger(1.5)"),
    Word("isReal(value)", "whether it is a real", "isReal(1.5)"),
    Word("isBoolean(value)", "whether it is true or false", "isBoolean(1 < 2)"),
    Word("isList(value)", "whether it is a list", "isList({ 1 })"),
    Word("isClassad(value)", "whether it is an ad", "isClassad([ a = 1 ])"),
    Word("isAbsTime(value)", "whether it is a point in time", "isAbsTime(absTime(0))"),
    Word("isRelTime(value)", "whether it is a span of time", "isRelTime(relTime(60))"),
    Word("ifThenElse(condition, then, otherwise)", "`condition ? then : otherwise`", 'ifThenElse(2 > 1, "a", "b")'),
)

_NUMBERS: Final = (
    Word("int(value)", "the whole part of a number, or of the number that a string begins with", 'int("12.7")'),
    Word("real(value)", "the value as a real", 'real("2.5")'),
    Word("bool(value)", 'true or false of a number, or of `"true"` and `"false"`', 'bool("TRUE")'),
    Word("floor(value)", "the largest integer that is not above", "floor(-2.5)"),
    Word("ceiling(value)", "the smallest integer that is not below", "ceiling(2.1)"),
    Word("ceil(value)", "as ceiling()", "ceil(2.1)"),
    Word("round(value)", "the nearest integer, the even one of two", "round(2.6)"),
    Word("pow(base, exponent)", "a power; an integer when both are and the exponent is not negative", "pow(2, 10)"),
    Word(
        "quantize(value, step)", "the next multiple of the step, or the next item of a list of steps", "quantize(13, 5)"
    ),
    Word("random([limit])", "a number by chance, from 0 to below the limit; without a limit, below 1", "random(6) < 6"),
)

_STRINGS: Final = (
    Word("strcat([value, ...])", "the values as one string", 'strcat("cpus: ", 4)'),
    Word("string(value)", "the value as a string", "string(2.50)"),
    Word("substr(text, offset[, length])", "a part; negative numbers count from the end", 'substr("production", 0, 4)'),
    Word("toUpper(text)", "in upper case", 'toUpper("Atlas")'),
    Word("toLower(text)", "in lower case", 'toLower("Atlas")'),
    Word("size(value)", "how long a string or a list is, how many attributes an ad has", 'size("abc")'),
    Word("strcmp(left, right)", "-1, 0 or 1: the order of two strings, with regard to case", 'strcmp("a", "B")'),
    Word("stricmp(left, right)", "-1, 0 or 1: the order of two strings, without regard to case", 'stricmp("a", "B")'),
    Word(
        "split(text[, separators])",
        "the parts between blanks and commas, or between those separators",
        'split("a, b c")',
    ),
    Word("join(separator, item, ...)", "the items, or those of a list, as one string", 'join("-", { "a", 1 })'),
)

_PATTERNS: Final = (
    Word(
        "regexp(pattern, text[, options])",
        "whether the pattern is found in the text",
        'regexp("^ce[0-9]", "CE01", "i")',
    ),
    Word(
        "regexpMember(pattern, list[, options])", "whether it is found in an item", 'regexpMember("^a", { "b", "ab" })'
    ),
    Word(
        "regexps(pattern, text, template[, options])",
        "the template, with what the groups found for `\\\\1` to `\\\\9`; empty when the pattern is not found",
        'regexps("([^:]+):([0-9]+)", "ce.x:8443", "\\\\2")',
    ),
    Word(
        "replace(pattern, text, template[, options])",
        "the text with the first place replaced",
        'replace("a", "aha", "o")',
    ),
    Word(
        "replaceAll(pattern, text, template[, options])",
        "the text with all places replaced",
        'replaceAll("a", "aha", "o")',
    ),
)

_LISTS: Final = (
    Word(
        "member(value, list)",
        "whether the list has the value, by `==`; the list may come first",
        'Member("X", { "a", "x" })',
    ),
    Word("isMember(value, list)", "as member()", "IsMember(2, { 1, 2 })"),
    Word("identicalMember(value, list)", "as member(), by `=?=`", 'identicalMember("X", { "a", "x" })'),
    Word(
        "anyCompare(operator, list, value)", "whether the comparison is true of an item", 'anyCompare("<", { 1, 5 }, 2)'
    ),
    Word("allCompare(operator, list, value)", "whether it is true of all items", 'allCompare("<", { 1, 5 }, 2)'),
    Word("sum(list)", "the sum of the numbers that are not undefined", "sum({ 1, 2.5 })"),
    Word("avg(list)", "their average", "avg({ 1, 2 })"),
    Word("min(list)", "the smallest of them", "min({ 3, 1 })"),
    Word("max(list)", "the largest of them", "max({ 3, 1 })"),
)

_STRING_LISTS: Final = (
    Word("stringListSize(text[, separators])", "how many items", 'stringListSize("a, b")'),
    Word("stringListSum(text[, separators])", "the sum of the numbers", 'stringListSum("1, 2")'),
    Word("stringListAvg(text[, separators])", "their average", 'stringListAvg("1, 2")'),
    Word("stringListMin(text[, separators])", "the smallest", 'stringListMin("3, 1")'),
    Word("stringListMax(text[, separators])", "the largest", 'stringListMax("3, 1.5")'),
    Word("stringListMember(item, text[, separators])", "whether the item is one", 'stringListMember("B", "a,b")'),
    Word(
        "stringListIMember(item, text[, separators])",
        "the same without regard to case",
        'stringListIMember("B", "a,b")',
    ),
    Word(
        "stringListsIntersect(text, text[, separators])",
        "whether both have an item",
        'stringListsIntersect("a,b", "b,c")',
    ),
    Word(
        "stringListSubsetMatch(text, text[, separators])",
        "whether the second has all items of the first",
        'stringListSubsetMatch("a", "a,b")',
    ),
    Word(
        "stringListISubsetMatch(text, text[, separators])",
        "the same without regard to case",
        'stringListISubsetMatch("A", "a,b")',
    ),
    Word(
        "stringList_regexpMember(pattern, text[, separators[, options]])",
        "whether the pattern is found in an item",
        'stringList_regexpMember("^b", "ab,ba")',
    ),
)

_VERSIONS: Final = (
    Word("versioncmp(left, right)", "-1, 0 or 1: the order of two version numbers", 'versioncmp("1.10", "1.9")'),
    Word("versionLT(left, right)", "whether the first is lower", 'versionLT("1.10", "1.9")'),
    Word("versionLE(left, right)", "whether it is not higher", 'versionLE("1.9", "1.9")'),
    Word("versionEQ(left, right)", "whether they are the same", 'versionEQ("1.9", "1.90")'),
    Word("versionGE(left, right)", "whether the first is not lower", 'versionGE("6.2", "6.10")'),
    Word("versionGT(left, right)", "whether the first is higher", 'versionGT("1.10", "1.9")'),
    Word(
        "version_in_range(version, least, most)", "whether it is in that range", 'version_in_range("6.5", "6.0", "7.0")'
    ),
)

_TIMES: Final = (
    Word("time()", "seconds since 1970", "time()"),
    Word("currentTime()", "the point in time now", "currentTime()"),
    Word("dayTime()", "the span since midnight, UTC", "dayTime()"),
    Word(
        "timeZoneOffset()", "by how much the clocks here are ahead of UTC: the system counts in UTC", "timeZoneOffset()"
    ),
    Word(
        "absTime([value[, offset]])",
        "a point in time from seconds since 1970 or a text; the offset of its clocks in seconds",
        'absTime("2026-03-01T12:00:00+01:00")',
    ),
    Word("relTime(value)", "a span of time from seconds or a text", 'relTime("1+02:03:04")'),
    Word("getYear(point)", "the year, UTC", "getYear(absTime(0))"),
    Word("getMonth(point)", "the month, 1 to 12", "getMonth(absTime(0))"),
    Word("getDayOfMonth(point)", "the day, 1 to 31", "getDayOfMonth(absTime(0))"),
    Word("getDayOfYear(point)", "the day of the year, from 0", "getDayOfYear(absTime(0))"),
    Word("getDayOfWeek(point)", "the day of the week, 0 is Sunday", "getDayOfWeek(absTime(0))"),
    Word("getDays(span)", "the whole days of a span", "getDays(relTime(100000))"),
    Word("getHours(time)", "the hours of a point or of a span", "getHours(relTime(100000))"),
    Word("getMinutes(time)", "the minutes", "getMinutes(relTime(100000))"),
    Word("getSeconds(time)", "the seconds", "getSeconds(relTime(100000))"),
    Word(
        "formatTime([time[, format]])",
        "a point in time, or seconds since 1970, as strftime() has it",
        'formatTime(0, "%Y-%m-%d")',
    ),
    Word("interval(seconds)", "seconds as days+hours:minutes:seconds", "interval(100000)"),
    Word("splitTime(time)", "an ad of the parts of a point or a span", "splitTime(absTime(0)).Year"),
)

_GLITE: Final = (
    Word(
        "anyMatch(list, expression)",
        "whether the expression is true of an ad of the list, which is `target` and `other` in it",
        "anyMatch({ [ free = 1 ], [ free = 9 ] }, target.free > 5)",
    ),
    Word(
        "allMatch(list, expression)",
        "whether it is true of all",
        "allMatch({ [ free = 1 ], [ free = 9 ] }, target.free > 5)",
    ),
    Word(
        "whichMatch(list, expression)",
        "the ads of which it is true; undefined when there is none",
        "whichMatch({ [ free = 1 ], [ free = 9 ] }, target.free > 5)",
    ),
    Word(
        "fqanMember(fqan, rules)",
        "whether a VOMS attribute is admitted by one of the rules of a computing element",
        'fqanMember("VOMS:/cms/Role=prod", { "VOMS:/cms/Role=*" })',
    ),
    Word(
        "listAttrRegEx(pattern, attribute)",
        "names of the attributes that the attribute's expression refers to and the pattern finds; undefined when none",
        'listAttrRegEx("^Glue", Requirements)',
    ),
    Word(
        "retrieveCloseSEsInfo(vo)",
        "the storage elements close to the computing element, as ads, with the storage areas of that VO",
        'anyMatch(retrieveCloseSEsInfo("cms"), target.freespace > 1000)',
    ),
    Word(
        "successFraction(element[, server])",
        "which part of the jobs that lately came to the computing element ended well there, 0 to 1; 1 when unknown",
        'successFraction("ce.example:8443/cream-fork-short")',
    ),
)

GROUPS: Final[tuple[tuple[str, tuple[Word, ...]], ...]] = (
    ("Matching (gLite's own)", _GLITE),
    ("What a value is", _KINDS),
    ("Lists", _LISTS),
    ("Strings", _STRINGS),
    ("Patterns", _PATTERNS),
    ("Numbers", _NUMBERS),
    ("Strings that are lists", _STRING_LISTS),
    ("Versions", _VERSIONS),
    ("Time", _TIMES),
)
"""All functions, by what they are for."""

WORDS: Final[dict[str, Word]] = {word.name.lower(): word for _, words in GROUPS for word in words}
"""All functions by their names in lower case."""

NOT_OFFERED: Final[tuple[tuple[str, str], ...]] = (
    (
        "eval, unparse, unresolved, debug",
        "expressions that are made of texts at run time cannot be explained or bounded",
    ),
    (
        "evalInEachContext, countMatches, EquivalentGroup",
        "gLite did not offer them; anyMatch(), allMatch() and whichMatch() do",
    ),
    ("measuredResponseTime", "gLite had it and did not offer it"),
    ("userHome, userMap", "they read files of the server"),
    (
        "splitUserName, splitSlotName, envV1ToV2, envV2ToV1, mergeEnvironment, listToArgs, argsToList",
        "they are about HTCondor's own users, slots, environments and arguments",
    ),
)
"""Functions of the ClassAd library and of gLite that there are not, and why."""
