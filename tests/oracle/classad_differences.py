"""Where an expression means deliberately something else than in the ClassAd library of HTCondor (classad2, 25.14).

Each difference is a rule with its reason, with examples of both answers, and with a *model*: what has to be put in the
place of a rule of this evaluator so that it answers as the library does.  With all models in place the evaluator must
give the library's answer to every random expression, so nothing else may differ.  Where a model would be the library
written again, it raises :class:`Outside`: such an expression is not compared, and only few may be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jdl import evaluate, function, functions_list, functions_number, functions_text, functions_time
from jdl.functions import FUNCTIONS
from jdl.nodes import Conditional
from jdl.operators import BINARY, UNARY
from jdl.special import SPECIAL
from jdl.values import ERROR, UNDEFINED, Record, RelTime, wrap64


class Outside(Exception):
    """The library's answer is known to be another one, and not modelled."""


Put = Callable[[Any, str, Any], None]
"""Puts something under a name, into a dictionary or a module."""


@dataclass(frozen=True)
class Difference:
    """One deliberate difference.

    ``examples``: expression, what it is here, what it is there (as text of the language; ``syntax`` for a syntax
    error).  ``model``: makes this evaluator answer as the library does.
    """

    name: str
    reason: str
    examples: tuple[tuple[str, str, str], ...]
    model: Callable[[Put], None] = lambda put: None


@contextmanager
def modelled() -> Any:
    """With the models of all differences."""
    undo: list[Callable[[], None]] = []

    def put(place: Any, name: str, new: Any) -> None:
        if isinstance(place, dict):
            old = place[name]
            place[name] = new
            undo.append(lambda: place.__setitem__(name, old))
        else:
            old = getattr(place, name)
            setattr(place, name, new)
            undo.append(lambda: setattr(place, name, old))

    try:
        for difference in DIFFERENCES:
            difference.model(put)
        yield
    finally:
        for step in reversed(undo):
            step()


# -- booleans


def _truth(value: Any) -> Any:
    """A number as a boolean."""
    return value != 0 if type(value) in (int, float) else value


def _as_number(value: Any) -> Any:
    return int(value) if type(value) is bool else value


def _lax_logic(codes: list[Any], decisive: bool) -> Any:
    def chain(scope: Any) -> Any:
        result: Any = not decisive
        for code in codes:
            value = _truth(code(scope))
            if value is decisive:
                return decisive
            if value is not (not decisive):
                if value is not UNDEFINED:
                    return ERROR
                result = UNDEFINED
        return result

    return chain


def _booleans_are_numbers(put: Put) -> None:
    for name in ("+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!="):
        strict = BINARY[name]

        def lax(left: Any, right: Any, strict: Any = strict) -> Any:
            if type(left) is RelTime or type(right) is RelTime:
                return strict(left, right)
            return strict(_as_number(left), _as_number(right))

        put(BINARY, name, lax)
        if name in functions_list._COMPARISONS:
            put(functions_list._COMPARISONS, name, lax)
    put(evaluate, "_logic", _lax_logic)
    negation = UNARY["!"]
    put(UNARY, "!", lambda value: negation(_truth(value)))
    conditional, then_else = evaluate._MAKERS[Conditional], SPECIAL["ifthenelse"]

    def lax_conditional(expr: Any) -> Any:
        if expr.then is None:
            return conditional(expr)
        return _lax_choice([evaluate.code_of(child) for child in (expr.condition, expr.then, expr.otherwise)])

    def lax_then_else(call: Any, code_of: Any) -> Any:
        if len(call.arguments) != 3:
            return then_else(call, code_of)
        return _lax_choice([code_of(argument) for argument in call.arguments])

    put(evaluate._MAKERS, Conditional, lax_conditional)
    put(SPECIAL, "ifthenelse", lax_then_else)
    numbers = functions_list._numbers
    put(functions_list, "_numbers", lambda values: numbers(_lax_items(values)))
    for name in ("&", "|", "^"):
        bits = BINARY[name]

        def no_booleans(left: Any, right: Any, bits: Any = bits) -> Any:
            return ERROR if type(left) is bool and type(right) is bool else bits(left, right)

        put(BINARY, name, no_booleans)


def _lax_items(values: Any) -> Any:
    if type(values) is tuple and any(type(value) is bool for value in values):
        raise Outside("sums of booleans")
    return values


def _lax_choice(codes: list[Any]) -> Any:
    condition, then, otherwise = codes

    def choose(scope: Any) -> Any:
        value = _truth(condition(scope))
        if value is True:
            return then(scope)
        if value is False:
            return otherwise(scope)
        return UNDEFINED if value is UNDEFINED else ERROR

    return choose


# -- numbers


def _division_by_zero(put: Put) -> None:
    for name in ("+", "-", "*", "/", "%"):
        compute = BINARY[name]

        def computed(left: Any, right: Any, compute: Any = compute, name: str = name) -> Any:
            if any(type(value) is float and not math.isfinite(value) for value in (left, right)):
                raise Outside("numbers that are none")
            if name in "/%" and type(right) in (bool, int, float) and right == 0 and {type(left), type(right)} != {int}:
                raise Outside("a division by zero")
            return compute(left, right)

        put(BINARY, name, computed)


def _shifts(put: Put) -> None:
    for name in ("<<", ">>", ">>>"):
        strict = BINARY[name]

        def modular(left: Any, right: Any, strict: Any = strict, name: str = name) -> Any:
            if type(left) is int and type(right) is int:
                right &= 63
                if name == ">>>" and not right and left < 0:
                    return 0
            return strict(left, right)

        put(BINARY, name, modular)


def _infinities(put: Put) -> None:
    _division_by_zero(put)
    for module in (functions_number, functions_list):
        put(module, "finite", lambda number: number)

    def saturated(value: Any, rounding: Any = math.trunc) -> Any:
        if value is None:
            return ERROR
        if not math.isfinite(value):
            return -(1 << 63)
        number = rounding(value)
        return number if wrap64(number) == number else -(1 << 63)

    for module in (functions_number, functions_time):
        put(module, "whole", saturated)

    def power(run: Any, base: Any, exponent: Any) -> Any:
        left, right = function.number_of(base), function.number_of(exponent)
        if left is None or right is None:
            return ERROR
        try:
            result = math.pow(left, right)
        except (ValueError, OverflowError):
            if left == 0:
                return math.inf
            result = math.nan if left < 0 and right != int(right) else math.inf
        if type(base) is int and type(exponent) is int and exponent >= 0:
            return saturated(result + 0.5)
        return result

    put(FUNCTIONS, "pow", function.Function(power, 2, 2, strict=False))


# -- texts


def _library_text(value: Any) -> Any:
    if type(value) is float:
        if not math.isfinite(value):
            raise Outside("infinities as texts")
        return "0.0" if value == 0 else f"{value:.15E}"
    if type(value) in (tuple, Record):
        raise Outside("the text of a list or an ad")
    if type(value) is RelTime and value.seconds != int(value.seconds):
        raise Outside("parts of seconds as texts")
    return function.text_of(value)


def _texts(put: Put) -> None:
    put(functions_text, "text_of", _library_text)


# -- times


def _times(put: Put) -> None:
    for name in ("abstime", "reltime"):
        body = FUNCTIONS[name].body

        def read(run: Any, *values: Any, body: Any = body) -> Any:
            if values and type(values[0]) is str:
                raise Outside("a text that is a time")
            return body(run, *values)

        put(FUNCTIONS, name, function.Function(read, FUNCTIONS[name].least, FUNCTIONS[name].most))


def _strange_times(put: Put) -> None:
    body = FUNCTIONS["formattime"].body

    def formatted(run: Any, *values: Any) -> Any:
        if not values or type(values[0]) in (Record, tuple) or body(run, *values) is ERROR:
            raise Outside("a time without a source, or beyond what a calendar has")
        return body(run, *values)

    split = FUNCTIONS["splittime"].body

    def parts(run: Any, value: Any) -> Any:
        if type(value) in (int, float) and split(run, value) is ERROR:
            raise Outside("a time beyond what a calendar has")
        return split(run, value)

    put(FUNCTIONS, "splittime", function.Function(parts, 1, 1))
    put(FUNCTIONS, "formattime", function.Function(formatted, 0, 2, strict=False))


def _long_intervals(put: Put) -> None:
    body = FUNCTIONS["interval"].body

    def interval(run: Any, value: Any) -> Any:
        number = function.number_of(value)
        if number is not None and not abs(number) < 1 << 31:
            raise Outside("a long interval")
        return body(run, value)

    put(FUNCTIONS, "interval", function.Function(interval, 1, 1, strict=False))


# -- functions


def _options(put: Put) -> None:
    find = functions_text.pattern

    def known(expression: Any, options: Any) -> Any:
        if set(options) - set("imsg"):
            raise Outside("options of patterns")
        return find(expression, options)

    for module in (functions_text, functions_list):
        put(module, "pattern", known)
    body = FUNCTIONS["regexpmember"].body

    def member(run: Any, expression: Any, *values: Any) -> Any:
        if type(expression) is str and find(expression, "") is None:
            raise Outside("a broken pattern")
        return body(run, expression, *values)

    put(FUNCTIONS, "regexpmember", function.Function(member, 2, 3))


def _errors_first(put: Put) -> None:
    for name, row in list(FUNCTIONS.items()):
        if row.strict or name in ("identicalmember", "anycompare", "allcompare", "join"):

            def body(run: Any, *values: Any, row: Any = row) -> Any:
                if UNDEFINED in values and ERROR in values:
                    raise Outside("both ERROR and UNDEFINED among the arguments")
                if row.strict and UNDEFINED in values:
                    return UNDEFINED
                return ERROR if row.strict and ERROR in values else row.body(run, *values)

            put(FUNCTIONS, name, function.Function(body, row.least, row.most, strict=False))


def _unknown_lists(put: Put) -> None:
    for name in ("stringlistmember", "stringlistimember", "stringlistsubsetmatch", "stringlistisubsetmatch"):
        row = FUNCTIONS[name]

        def known(run: Any, *values: Any, row: Any = row, name: str = name) -> Any:
            if ERROR in values:
                return ERROR
            if name.endswith("member"):
                texts = all(value is UNDEFINED or type(value) is str for value in values)
                if texts and UNDEFINED in values[:2]:
                    return UNDEFINED if values[:2] == (UNDEFINED, UNDEFINED) else False
                values = (*values[:2], *[value for value in values[2:] if value is not UNDEFINED])
            return row.body(run, *["" if value is UNDEFINED else value for value in values])

        put(FUNCTIONS, name, function.Function(known, row.least, row.most, strict=False))


def _averages(put: Put) -> None:
    def average(numbers: Any) -> Any:
        mean = sum(map(float, numbers)) / max(len(numbers), 1)
        return int(mean) if numbers and all(type(number) is int for number in numbers) else mean

    put(FUNCTIONS, "stringlistavg", functions_list._string_numbers(average))


def _list_first(put: Put) -> None:
    for name in ("member", "ismember", "identicalmember"):
        body = FUNCTIONS[name].body

        def ordered(run: Any, item: Any, items: Any, body: Any = body) -> Any:
            if type(item) is tuple and type(items) is not tuple:
                return UNDEFINED if items is UNDEFINED else ERROR
            return body(run, item, items)

        put(FUNCTIONS, name, function.Function(ordered, 2, 2, FUNCTIONS[name].strict))


def _undefined_items(put: Put) -> None:
    for name in ("anycompare", "allcompare"):
        body = FUNCTIONS[name].body

        def stopped(run: Any, operator: Any, items: Any, value: Any, body: Any = body, name: str = name) -> Any:
            compare = functions_list._COMPARISONS.get(operator) if type(operator) is str else None
            if compare is not None and type(items) is tuple:
                verdicts = [compare(item, value) for item in items]
                if UNDEFINED in verdicts:
                    answer = body(run, operator, items[: verdicts.index(UNDEFINED)], value)
                    return answer if answer is ERROR or (answer is True and name == "anycompare") else False
            return body(run, operator, items, value)

        put(FUNCTIONS, name, function.Function(stopped, 3, 3, strict=False))


def _versions(put: Put) -> None:
    in_range = FUNCTIONS["version_in_range"].body

    def known(run: Any, *values: Any) -> Any:
        if UNDEFINED in values or ERROR in values:
            raise Outside("a range of what is not known")
        return in_range(run, *values)

    put(FUNCTIONS, "version_in_range", function.Function(known, 3, 3, strict=False))
    body = FUNCTIONS["versioncmp"].body

    def order(run: Any, left: Any, right: Any) -> Any:
        answer = body(run, left, right)
        if answer in (1, -1) and type(answer) is int:
            raise Outside("by how much versions differ")
        return answer

    put(FUNCTIONS, "versioncmp", function.Function(order, 2, 2))


# -- lists and ads


def _structures(put: Put) -> None:
    for name in ("=?=", "=!="):
        same = BINARY[name]

        def no_structures(left: Any, right: Any, same: Any = same) -> Any:
            if type(left) is type(right) and type(left) in (tuple, Record):
                raise Outside("lists and ads compared")
            return same(left, right)

        put(BINARY, name, no_structures)
    for name, word in (("is", "=?="), ("isnt", "=!=")):
        put(functions_list._COMPARISONS, name, BINARY[word])


# -- names


def _far_items(put: Put) -> None:
    item = evaluate.subscript

    def near(base: Any, index: Any) -> Any:
        if type(index) is int and abs(index) >= 1 << 31:
            raise Outside("items beyond 32 bits")
        return item(base, index)

    put(evaluate, "subscript", near)


def _selection(put: Put) -> None:
    def attribute_of(value: Any, key: str) -> Any:
        if type(value) is Record:
            where = value.scope
            while where is not None:
                found = where.values.get(key)
                if found is not None:
                    return evaluate.resolve(found, where)
                where = where.parent
            return UNDEFINED
        if type(value) is tuple:
            return tuple([attribute_of(item, key) for item in value])
        return UNDEFINED if value is UNDEFINED else ERROR

    put(evaluate, "attribute_of", attribute_of)


DIFFERENCES = (
    Difference(
        "booleans are no numbers",
        "the library that gLite used; a requirement must not change its meaning with a library",
        (
            ("true && 3", "error", "true"),
            ("!0", "error", "true"),
            ("true + 1", "error", "2"),
            ("true == 1", "error", "true"),
            ("1 ? 2 : 3", "error", "2"),
            ("ifThenElse(1, 2, 3)", "error", "2"),
            ("true & false", "false", "error"),
        ),
        _booleans_are_numbers,
    ),
    Difference(
        "shifting by less than 0 or more than 63",
        "C leaves it undefined; a slip of the pen must not become a number",
        (
            ("1 << 65", "error", "2"),
            ("1 << -1", "error", "-9223372036854775808"),
            ("-1 >>> 0", "-1", "0"),
        ),
        _shifts,
    ),
    Difference(
        "numbers that are none",
        "an infinity, NaN and an integer beyond 64 bits cannot be ranked and are ERROR",
        (
            ('real("INF")', "error", 'real("INF")'),
            ("pow(0, -1)", "error", 'real("INF")'),
            ("-1 / 0.0", "error", 'real("-INF")'),
            ("relTime(3) / 0 == relTime(3) / 0", "error", "true"),
            ("int(1e30)", "error", "-9223372036854775808"),
            ("pow(2, 64)", "error", "-9223372036854775808"),
            ("pow(-1, 7)", "-1", "0"),
        ),
        _infinities,
    ),
    Difference(
        "reals as texts",
        "a real in a text is written as people write it",
        (("strcat(1.5)", '"1.5"', '"1.500000000000000E+00"'), ("string({ 1 })", "error", '"{ 1 }"')),
        _texts,
    ),
    Difference(
        "what is selected is in the ad",
        "ad.X is what the ad has; there, a name that it lacks is looked up in the ads around it",
        (("[ x = 1; y = [ z = 2 ] ].y.x", "undefined", "1"),),
        _selection,
    ),
    Difference(
        "a text that is a time",
        "relTime() of a text is a span as that of a number; a text that is neither is ERROR and not a syntax error",
        (
            ('isRelTime(relTime("1+02:03:04"))', "true", "false"),
            ('absTime("next week")', "error", "syntax"),
            ('relTime(strcat("x"))', "error", "0.0"),
        ),
        _times,
    ),
    Difference(
        "a string list that is not known",
        "whether something is in it is not known either: UNDEFINED, as for member()",
        (
            ('stringListMember("a", undefined)', "undefined", "false"),
            ('stringListSubsetMatch(undefined, "a")', "undefined", "true"),
        ),
        _unknown_lists,
    ),
    Difference(
        "options of patterns",
        "a letter that means nothing is ERROR; f wants the whole text to match, as gLite's RegExp() had it",
        (
            ('regexp("a", "abc", "q")', "error", "true"),
            ('regexp("b", "abc", "f")', "false", "true"),
            ('regexpMember("(", { "a" })', "error", "false"),
        ),
        _options,
    ),
    Difference(
        "points in time that no calendar has",
        "formatTime() of what is no point in time of the years 1 to 9999 is ERROR",
        (('formatTime(9223372036854775807, "%H")', "error", '"15"'),),
        _strange_times,
    ),
    Difference(
        "the number of an item has 64 bits",
        "there, the item 4294967296 of a list is its first",
        (("{ 1, 2 }[4294967296]", "error", "1"),),
        _far_items,
    ),
    Difference(
        "spans of time beyond 68 years",
        "interval() of them overflows there",
        (("interval(5000000000)", '"57870+08:53:20"', '"8160+02:25:04"'),),
        _long_intervals,
    ),
    Difference(
        "an average of a string list is a real",
        "that of 1 and 2 is 1.5",
        (('stringListAvg("1,2")', "1.5", "1"),),
        _averages,
    ),
    Difference(
        "member() takes the list first as well",
        "descriptions of the European DataGrid had that order",
        (("member({ 1, 2 }, 2)", "true", "error"),),
        _list_first,
    ),
    Difference(
        "an undefined item does not end anyCompare()",
        "whether one of the items fits does not depend on their order",
        (('anyCompare("<", { undefined, 1 }, 5)', "true", "false"),),
        _undefined_items,
    ),
    Difference(
        "versioncmp() is -1, 0 or 1",
        "as strcmp() is; the library gives a difference of characters; what is not known is in no range known",
        (
            ('version_in_range(undefined, "1", "2")', "undefined", "error"),
            ('versioncmp("b", "A")', "1", "33"),
        ),
        _versions,
    ),
    Difference(
        "lists and ads can be identical",
        "=?= is never an error: it tells whether two values are the same",
        (("{ 1 } =?= { 1 }", "true", "error"), ("{ 1 } =!= { 2 }", "true", "error")),
        _structures,
    ),
    Difference(
        "ERROR wins over UNDEFINED among arguments",
        "one rule for all functions and operators; in the library it depends on the function and on the order",
        (("strcmp(undefined, error)", "error", "undefined"), ("member(undefined, error)", "error", "undefined")),
        _errors_first,
    ),
)
