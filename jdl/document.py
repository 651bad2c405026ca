"""The job description language as a document, from the tables that the parser, the evaluator and the checks go by.

``python -m jdl.document`` prints it; ``make docs`` puts it into docs/jdl.md.  What examples come to is computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from typing import Final

from grid.errors import JdlError
from jdl import attribute_words, vocabulary
from jdl.attributes import ATTRIBUTES, PRIVATE, Attribute
from jdl.evaluate import evaluate
from jdl.parser import SUBMITTED, parse, parse_expression
from jdl.scope import MAX_STEPS
from jdl.tokens import PRECEDENCE, UNARY_PRECEDENCE
from jdl.values import ERROR, UNDEFINED, AbsTime, Record, RelTime, Value

__all__ = ["document"]

JOB: Final = parse(
    '[ Executable = "/bin/sh"; cpus = 4; '
    'Requirements = other.GlueCEStateFreeCPUs >= cpus && other.GlueCEUniqueID != ""; ]'
)
"""Whose attributes the examples see."""

ELEMENT: Final = parse(
    '[ GlueCEUniqueID = "ce.example:8443/cream-fork-short"; GlueCEStateFreeCPUs = 12; '
    'tags = { "VO-cms-X", "python3" }; storage = [ CloseSEs = { [ name = "se.example"; freespace = 5000 ] } ]; ]'
)
"""What ``other`` is in the examples."""

NOW: Final = 1_772_366_400
"""Seconds since 1970 that the examples take for the time."""

_WHERE: Final = {"J": "job, node", "P": "parametric", "D": "DAG", "C": "collection"}

_OPERATORS: Final = {
    "||": ("or", "false || undefined"),
    "&&": ("and", "undefined && false"),
    "|": ("bitwise or", "5 | 2"),
    "^": ("bitwise exclusive or", "5 ^ 1"),
    "&": ("bitwise and", "6 & 3"),
    "==": ("equal, strings without regard to case", '"a" == "A"'),
    "!=": ("not equal", "1 != 1.0"),
    "=?=": ("the same type and value, also undefined; `is` is the same", "other.X =?= undefined"),
    "=!=": ("not the same; `isnt` is the same", '"a" =!= "A"'),
    "<": ("less", '"a" < "B"'),
    "<=": ("less or equal", "1 <= 1.0"),
    ">": ("greater", "2 > undefined"),
    ">=": ("greater or equal", "other.GlueCEStateFreeCPUs >= cpus"),
    "<<": ("shifted to the left", "1 << 4"),
    ">>": ("shifted to the right", "-16 >> 2"),
    ">>>": ("shifted to the right without a sign", "16 >>> 2"),
    "+": ("sum", "1 + 2.5"),
    "-": ("difference", "1 - 2"),
    "*": ("product", "3 * 4"),
    "/": ("quotient, of integers towards 0", "-7 / 2"),
    "%": ("rest, with the sign of the dividend", "-7 % 3"),
}
_UNARY: Final = (
    ("!", "not", "!(1 > 2)"),
    ("-", "negative", "-cpus"),
    ("+", "itself, when it is a number", "+cpus"),
    ("~", "bitwise not", "~5"),
)
_POSTFIX: Final = (
    ("`.name`", "an attribute of an ad; of a list of ads, the list of theirs", "{ [ a = 1 ], [ a = 2 ] }.a"),
    ("`[index]`", "an item of a list from 0; an attribute of an ad by its name", "other.tags[0]"),
)
_CONDITIONALS: Final = (
    ("`a ? b : c`", "b if a is true, c if it is false", 'cpus > 2 ? "many" : "few"'),
    ("`a ?: b`", "a, or b if a is undefined", "other.X ?: 0"),
)
_LITERALS: Final = (
    ("integer", "`42`, `0x2A`, `052` (octal), 64 bits", "0x2A + 052"),
    ("real", "`2.5`, `.5`, `1e3`", "1e3"),
    (
        "string",
        r'`"a"`; escapes `\"`, `\\`, `\n`, `\t`, `\r`, `\b`, `\f`, octal `\101`; neighbours are one',
        r'"a\tb" "c"',
    ),
    ("truth", "`true`, `false`", "true"),
    ("undefined", "what an attribute is that is not there", "undefined"),
    ("error", "what an expression is that makes no sense", '"a" * 2'),
    ("list", "`{ a, b }`", "{ 1, cpus }"),
    ("ad", "`[ name = value; … ]`", "[ a = 1; b = a + 1 ].b"),
    ("times", "by absTime() and relTime()", "absTime(0) + relTime(90)"),
)
_ERRORS: Final = (
    '[\n  Executable = "/bin/ls";\n  Requirements = Membr("X", other.tags);\n  Rank = 0;\n]',
    "[ Executable = “/bin/ls”; ]",
)


def document() -> str:
    """docs/jdl.md, whole."""
    return "\n".join(
        [_HEAD, *_literals(), *_operators(), _NAMES, *_functions(), *_attributes(), *_private(), *_limits(), *_errors()]
    )


_HEAD: Final = """\
# The job description language

<!-- Made by `make docs` from the tables in jdl/. Do not edit. -->

A job description is a ClassAd: names and expressions between brackets, which may be missing. Names ignore case.

    [
      Executable    = "/bin/sh";            # a comment; // and /* */ are comments as well
      Arguments     = "hello.sh";
      InputSandbox  = { "hello.sh" };
      StdOutput     = "hello.out";
      OutputSandbox = { "hello.out" };
      Requirements  = other.GlueCEStateStatus == "Production" && Member("python3", other.tags);
      Rank          = -other.GlueCEStateEstimatedResponseTime;
    ]

Most attributes are constants. *Requirements* and *Rank* are asked for each computing element, which is `other` in them:
those match of which Requirements is true, and the one with the highest Rank gets the job.

This page tells what can be written. [How a match is made](matchmaking.md) is a page of its own, and
[what differs from gLite](compatibility.md#jdl) another. The results of the examples were computed when this page was
made, with `cpus = 4` in the job, and an element with `GlueCEStateFreeCPUs = 12` and
`tags = { "VO-cms-X", "python3" }` as `other`.
"""

_NAMES: Final = """
## Names

| written | means |
|---|---|
| `X` | the attribute X of this ad or of the ads around it; never that of the computing element |
| `other.X`, `target.X` | that of the computing element (within anyMatch() and its like: of the item) |
| `self.X` | that of this very ad |
| `my.X`, `root.X`, `.X` | that of the outermost own ad |
| `parent.X` | that of the ad around this one |
| `'a name'.X`, `'a name'` | names with blanks or other characters stand in single quotes |

An attribute that is not there is undefined. Most operators and functions answer undefined for it, `&&` and `||` only
when the other side does not decide: `undefined && false` is false. Only true meets Requirements. An expression that
makes no sense (`"a" * 2`, a reference that leads back to itself) is error; `isUndefined()`, `isError()`, `=?=` and `?:`
are how to ask."""


def _result(example: str) -> str:
    value = evaluate(
        parse_expression(example), JOB, ELEMENT, clock=lambda: NOW, rng=lambda: 0.5, success=lambda ce: 0.9
    )
    return f"`{_shown(value)}`"


def _shown(value: Value) -> str:
    if value is UNDEFINED or value is ERROR:
        return "undefined" if value is UNDEFINED else "error"
    if isinstance(value, tuple):
        return "{ " + ", ".join(_shown(item) for item in value) + " }"
    if isinstance(value, Record):
        return value.ad.text()
    if isinstance(value, (AbsTime, RelTime)):
        return str(value)
    from jdl.tree import from_python

    return from_python(value).text()


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _literals() -> Iterable[str]:
    yield "## Values\n\n| kind | written | example | result |\n|---|---|---|---|"
    for kind, written, example in _LITERALS:
        yield _row(kind, written.replace("|", "\\|"), _code(example), _result(example))


def _operators() -> Iterable[str]:
    yield "\n## Operators\n\nWhat binds tightest stands first; what has the same number binds alike, from the left.\n"
    yield "| binds | operator | means | example | result |\n|---|---|---|---|---|"
    for name, meaning, example in _POSTFIX:
        yield _row(str(UNARY_PRECEDENCE + 1), name, meaning, _code(example), _result(example))
    for name, meaning, example in _UNARY:
        yield _row(str(UNARY_PRECEDENCE), _code(name), meaning, _code(example), _result(example))
    for name in sorted(PRECEDENCE, key=lambda name: -PRECEDENCE[name]):
        meaning, example = _OPERATORS[name]
        yield _row(str(PRECEDENCE[name]), _code(name), meaning, _code(example), _result(example))
    for name, meaning, example in _CONDITIONALS:
        yield _row("0", name, meaning, _code(example), _result(example))


_ABOUT_FUNCTIONS: Final = """
## Functions

Their names ignore case. An error among the arguments makes error, else one that is undefined undefined, unless it is
said otherwise; a wrong type makes error. Square brackets mean: may be left out."""


def _functions() -> Iterable[str]:
    yield _ABOUT_FUNCTIONS
    for title, words in vocabulary.GROUPS:
        yield f"\n### {title}\n\n| function | gives | example | result |\n|---|---|---|---|"
        for word in words:
            yield _row(_code(word.usage), word.meaning, _code(word.example), _result(word.example))
    yield _PATTERNS
    yield "### Not offered\n\n| function | because |\n|---|---|"
    for names, reason in vocabulary.NOT_OFFERED:
        yield _row(names, reason)


_PATTERNS: Final = """
Patterns are those of [RE2](https://github.com/google/re2/wiki/Syntax): what grep -E has, without back-references and
look-around. A pattern is found anywhere unless `^` and `$` say otherwise. A backslash is written twice, since the
string takes one: `"\\\\."` is a dot. Options: `i` ignores case, `m` lets `^` and `$` match at lines, `s` lets `.`
match the end of a line, `f` wants the whole text to match, `g` (regexps, replace) takes all places.
"""


_ABOUT_ATTRIBUTES: Final = f"""
## Attributes

Other attributes may be written as well; they are kept, and expressions may refer to them. *Where*:
{"; ".join(f"{letter} {meaning}" for letter, meaning in _WHERE.items())}.
*Checks* name the [error codes](operations.md#error-codes); that a value is of its type is checked of all (1503, and
1506 for a list where one value is wanted). A job must have the **bold** ones; the commands fill in requirements and
rank."""


def _attributes() -> Iterable[str]:
    yield _ABOUT_ATTRIBUTES
    for title, words in attribute_words.GROUPS:
        yield f"\n### {title}\n\n| attribute | value | where | default | means | checks |\n|---|---|---|---|---|---|"
        for one in words:
            attribute = ATTRIBUTES[one.name.lower()]
            name = f"**{attribute.name}**" if attribute.mandatory else attribute.name
            yield _row(name, attribute.kind.value, attribute.where, _default(attribute), one.meaning, one.checks)


def _default(attribute: Attribute) -> str:
    if attribute.default is None:
        return ""
    if isinstance(attribute.default, bool):
        return "true" if attribute.default else "false"
    return str(attribute.default)


def _private() -> Iterable[str]:
    yield "\n### Set by the server\n\nWhat a user writes there is ignored, and the command warns:"
    yield from wrap(", ".join(PRIVATE) + ".", 120)
    yield _OLD


_OLD: Final = """
### Of older versions

Prejob, Postjob, JobSteps, CurrentStep, JobState, PartitionNumber and StepWeight belong to kinds of jobs that are
refused (partitionable, checkpointable). DeepRetryCount and Notification were never attributes."""


def _limits() -> Iterable[str]:
    yield f"""
## Limits

A description has at most {SUBMITTED.characters:,} characters, {SUBMITTED.words:,} words and {SUBMITTED.depth} levels of
nesting; chains of one operator (`a && b && …`) are one level. An evaluation takes at most {MAX_STEPS:,} steps; what
would take more, or refers to itself, is error. Integers have 64 bits and wrap; a real that is infinite or no number is
error."""


def _errors() -> Iterable[str]:
    yield "\n## Errors\n\nAn error says what is wrong, where, and shows the line:"
    for text in _ERRORS:
        yield "\n    " + _refusal(text).replace("\n", "\n    ")
    yield ""


def _refusal(text: str) -> str:
    from jdl.check import check

    try:
        check(parse(text), vo=None)
    except JdlError as error:
        return error.description
    raise ValueError(f"an example of an error is none: {text}")


if __name__ == "__main__":
    print(document(), end="")
