"""Random expressions of the ClassAd language: all operators, functions, types and scopes, right and wrong ones."""

from __future__ import annotations

import random
from collections.abc import Callable

MY = """[
  i = 3; z = 0; n = -7; big = 9223372036854775807; r = 2.5; b = true; f = false; s = "abc"; t = "Abc"; e = "";
  l = { 1, 2, 3 }; m = { "a", "B", "abc" }; mixed = { 1, "a", 2.5, true, undefined }; none = { }; u = undefined;
  d = [ i = 10; s = "in"; d = [ x = 1; y = i ]; own = self.i ]; ads = { [ x = 1; y = "p" ], [ x = 2 ], [ y = "q" ] };
  sum1 = i + r; ref = s; deep = d.d.x; to = target.i; bad = 1 / 0; csv = "a, b,c"; nums = "1,2,3"; v = "1.10.2";
  span = relTime(90061); point = absTime(1000000000); nosuch = missing;
]"""
TARGET = """[
  i = 5; r = 0.5; b = false; s = "ABC"; l = { 3, 4.0, "c" }; only = 42; name = "Scientific Linux";
  d = [ i = 20; x = target.i; deep = [ z = 7 ] ]; ads = { [ x = 5; free = true ], [ x = 6; free = false ] };
  tags = { "VO-cms", "vo-atlas", "X" }; back = target.i; own = i + 1; bad = "a" * 2;
]"""

NAMES = (
    *("i", "z", "n", "big", "r", "b", "f", "s", "t", "e", "l", "m", "mixed", "none", "u", "d", "ads", "sum1", "ref"),
    *("deep", "to", "bad", "csv", "nums", "v", "span", "point", "nosuch", "missing"),
)
OTHERS = ("i", "r", "b", "s", "l", "only", "name", "d", "ads", "tags", "back", "own", "bad", "missing")
LITERALS = (
    *("0", "1", "2", "3", "5", "7", "63", "1000", "9223372036854775807", "0.0", "0.5", "1.0", "2.5", "1e3", "1.5E-3"),
    *("true", "false", "undefined", "error", '""', '"a"', '"A"', '"abc"', '"b,c"', '"1"', '"2.5"', '"x y"', '"12x"'),
    *("relTime(5)", "relTime(93784)", "absTime(5)", 'absTime("2003-01-25T09:00:00-06:00")', '"1.9"', '"a\\"b"'),
)  # fmt: skip
LOGIC = ("&&", "||")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "=?=", "=!=", "is", "isnt")
ARITHMETIC = ("+", "-", "*", "/", "%")
BITS = ("&", "|", "^", "<<", ">>", ">>>")
PATTERNS = ('"a"', '"^a"', '"b$"', '"[a-c]+"', '"(a)(b)?"', '"."', '"A"', '"l.*x"', '"("', '"x*"')
TIMES = ("span", "point", "relTime(59)", "absTime(86399)", "absTime(5, 3600)", "i", "relTime(-5)", "r", "u")
TEMPLATES = ('"<\\\\0>"', '"\\\\1"', '"z"', '"[\\\\1]"')


class Expressions:
    """Makes expressions, alike for a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def expression(self, depth: int = 4) -> str:
        """One of up to so many levels."""
        dice = self.dice
        if depth <= 0 or dice.random() < 0.18:
            return self.leaf()
        make = dice.choices(_SHAPES, _WEIGHTS)[0]
        return make(self, depth - 1)

    def leaf(self) -> str:
        """A constant or a reference."""
        dice = self.dice
        chance = dice.random()
        if chance < 0.45:
            return dice.choice(LITERALS)
        if chance < 0.75:
            return dice.choice(("", "", "", "my.", "self.")) + dice.choice(NAMES)
        return dice.choice(("target.", "other.", "TARGET.")) + dice.choice(OTHERS)

    def infix(self, operators: tuple[str, ...], depth: int) -> str:
        """Two or three operands."""
        text = self.expression(depth)
        for _ in range(self.dice.choice((1, 1, 1, 2))):
            text += f" {self.dice.choice(operators)} {self.expression(depth)}"
        return f"({text})" if self.dice.random() < 0.6 else text

    def logic(self, depth: int) -> str:
        """``&&`` and ``||``."""
        return self.infix(LOGIC, depth)

    def comparison(self, depth: int) -> str:
        """``==`` and its like."""
        return self.infix(COMPARISONS, depth)

    def arithmetic(self, depth: int) -> str:
        """``+`` and its like."""
        return self.infix(ARITHMETIC, depth)

    def bits(self, depth: int) -> str:
        """``&`` and its like."""
        return self.infix(BITS, depth)

    def medley(self, depth: int) -> str:
        """Operators of all kinds without parentheses, as precedence has it."""
        words = LOGIC + COMPARISONS + ARITHMETIC + BITS
        return " ".join(
            [self.expression(depth - 1)]
            + [f"{self.dice.choice(words)} {self.expression(depth - 1)}" for _ in range(self.dice.randint(1, 3))]
        )

    def unary(self, depth: int) -> str:
        """A sign in front."""
        return f"{self.dice.choice('-+!~')}({self.expression(depth)})"

    def conditional(self, depth: int) -> str:
        """``? :`` and ``?:``."""
        if self.dice.random() < 0.3:
            return f"(({self.expression(depth)}) ?: ({self.expression(depth)}))"
        return f"({self.expression(depth)} ? {self.expression(depth)} : {self.expression(depth)})"

    def list(self, depth: int) -> str:
        """A list."""
        return "{ " + ", ".join(self.expression(depth - 1) for _ in range(self.dice.randint(0, 3))) + " }"

    def selection(self, depth: int) -> str:
        """An attribute or an item of something."""
        dice = self.dice
        base = dice.choice(
            (*("d", "target.d", "ads", "target.ads", "d.d", "l", "u", "missing", "[ x = 1; i = s ]"),
             "{ [ x = 2 ], [ x = 3 ] }", f"({self.expression(depth)})")
        )  # fmt: skip
        if dice.random() < 0.6 and "split" not in base:  # on what split() gives the library dies
            return f"{base}.{dice.choice(('i', 's', 'x', 'y', 'd', 'own', 'none', 'deep'))}"
        return f"{base}[{dice.choice(('0', '1', '2', self.expression(depth - 1)))}]"

    def call(self, depth: int) -> str:
        """A function of suitable arguments mostly."""
        name, arguments = self.dice.choice(_FUNCTIONS)
        if name in ("absTime", "relTime"):  # a text that is no time is a syntax error there
            return f"{name}({self.dice.choice(TIMES)})"
        if self.dice.random() < 0.06:
            count = self.dice.randint(1 if name == "formatTime" else 0, 4)
            return f"{name}({', '.join(self.expression(depth - 1) for _ in range(count))})"
        shape = self.dice.choice(arguments)
        return f"{name}({', '.join(self.argument(kind, depth) for kind in shape)})"

    def argument(self, kind: str, depth: int) -> str:
        """An argument of a kind, now and then of any."""
        dice = self.dice
        if kind == "any" or dice.random() < 0.12:
            return self.expression(depth)
        if kind == "text":
            return dice.choice(('"abc"', '"a"', '"B"', "s", "t", "e", "csv", "target.name", "target.s", '"12"', "u"))
        if kind == "number":
            return dice.choice(("i", "n", "r", "z", "2", "-1", "2.5", "target.i", "(1 + i)", "big", "7", "u", '"3"'))
        if kind == "small":
            return dice.choice(("0", "1", "2", "-1", "-2", "3", "i", "10"))
        if kind == "list":
            return dice.choice(("l", "m", "mixed", "none", "target.l", "target.tags", "{ 1, 2.5 }", "{ i, r, 0 }", "u"))
        if kind == "pattern":
            return dice.choice(PATTERNS)
        if kind == "template":
            return dice.choice(TEMPLATES)
        if kind == "options":
            return dice.choice(('"i"', '""', '"m"', '"s"'))
        if kind == "operator":
            return dice.choice(('"<"', '"<="', '"=="', '"!="', '">"', '">="', '"is"', '"isnt"', '"x"'))
        if kind == "csv":
            return dice.choice(("csv", "nums", '"a b"', '"1, 2.5,3"', '"A,b"', '""', '"7"', '"a"'))
        if kind == "version":
            return dice.choice(("v", '"1.9"', '"1.10"', '"2.0.1"', '"1.10.2"', '"a1"', '""'))
        if kind == "time":
            return dice.choice(TIMES)
        if kind == "format":
            return dice.choice(('"%Y-%m-%d"', '"%H:%M:%S"', '"%a %b %j"', '"%d%%"'))
        raise ValueError(kind)


_SHAPES: tuple[Callable[[Expressions, int], str], ...] = (
    Expressions.logic,
    Expressions.comparison,
    Expressions.arithmetic,
    Expressions.bits,
    Expressions.medley,
    Expressions.unary,
    Expressions.conditional,
    Expressions.list,
    Expressions.selection,
    Expressions.call,
)
_WEIGHTS = (14, 14, 14, 6, 6, 7, 8, 5, 9, 30)

_FUNCTIONS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    *((name, (("any",),)) for name in (
        "isUndefined", "isError", "isString", "isInteger", "isReal", "isBoolean", "isList", "isClassad", "isAbsTime",
        "isRelTime", "string", "bool", "size",
    )),
    *((name, (("number",), ("text",), ("any",))) for name in ("int", "real", "floor", "ceiling", "ceil", "round")),
    ("pow", (("number", "small"), ("number", "number"))),
    ("quantize", (("number", "number"), ("number", "list"))),
    ("ifThenElse", (("any", "any", "any"),)),
    ("strcat", (("text", "text"), ("text", "number", "any"), ())),
    ("substr", (("text", "small"), ("text", "small", "small"))),
    ("toUpper", (("text",), ("number",))),
    ("toLower", (("text",), ("any",))),
    ("strcmp", (("text", "text"), ("any", "any"))),
    ("stricmp", (("text", "text"),)),
    ("split", (("csv",), ("csv", "text"))),
    ("join", (("text", "list"), ("text", "text", "number"), ("list",))),
    ("regexp", (("pattern", "text"), ("pattern", "text", "options"))),
    ("regexpMember", (("pattern", "list"), ("pattern", "list", "options"))),
    ("regexps", (("pattern", "text", "template"), ("pattern", "text", "template", "options"))),
    ("replace", (("pattern", "text", "template"), ("pattern", "text", "template", "options"))),
    ("replaceAll", (("pattern", "text", "template"),)),
    ("member", (("number", "list"), ("text", "list"), ("any", "list"))),
    ("identicalMember", (("number", "list"), ("text", "list"), ("any", "list"))),
    ("anyCompare", (("operator", "list", "number"), ("operator", "list", "any"))),
    ("allCompare", (("operator", "list", "number"), ("operator", "list", "any"))),
    *((name, (("list",), ("any",))) for name in ("sum", "avg", "min", "max")),
    *((name, (("csv",), ("csv", "text"))) for name in (
        "stringListSize", "stringListSum", "stringListAvg", "stringListMin", "stringListMax",
    )),
    *((name, (("text", "csv"), ("text", "csv", "text"))) for name in ("stringListMember", "stringListIMember")),
    *((name, (("csv", "csv"),)) for name in (
        "stringListsIntersect", "stringListSubsetMatch", "stringListISubsetMatch",
    )),
    ("stringList_regexpMember", (("pattern", "csv"), ("pattern", "csv", "text", "options"))),
    *((name, (("version", "version"), ("any", "any"))) for name in (
        "versioncmp", "versionLT", "versionLE", "versionEQ", "versionGE", "versionGT",
    )),
    ("version_in_range", (("version", "version", "version"),)),
    *((name, (("time",), ("any",))) for name in (
        "getYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDayOfWeek", "getDays", "getHours", "getMinutes",
        "getSeconds", "int", "string", "isAbsTime", "isRelTime", "absTime", "relTime", "bool", "real",
    )),
    ("formatTime", (("time",), ("time", "format"), ("number", "format"))),
    ("splitTime", (("time",), ("any",))),
    ("interval", (("number",), ("time",))),
    *((name, (("any",),)) for name in ("noSuchFunction", "anyMatches")),
)  # fmt: skip
FUNCTIONS = frozenset(name.lower() for name, _ in _FUNCTIONS)
"""All that are drawn, in lower case."""
