"""Trees as text that parses back to equal trees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from jdl.classad import ClassAd
from jdl.nodes import (
    SCOPES,
    Call,
    Conditional,
    Expr,
    ListExpr,
    Literal,
    Operation,
    Reference,
    Select,
    Subscript,
)
from jdl.tokens import KEYWORDS, PRECEDENCE, UNARY_PRECEDENCE
from jdl.values import UNDEFINED

__all__ = ["name_text", "pretty", "string_text", "text"]

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_TERNARY: Final = 0
_POSTFIX: Final = UNARY_PRECEDENCE + 1
_ATOM: Final = _POSTFIX + 1

_NAMES_KEPT: Final = 2000

_ESCAPES: Final = {code: f"\\{code:03o}" for code in [*range(1, 32), 127]} | {
    ord("\n"): "\\n",
    ord("\t"): "\\t",
    ord("\r"): "\\r",
    ord("\b"): "\\b",
    ord("\f"): "\\f",
    ord("\\"): "\\\\",
}
_IN_STRING: Final = _ESCAPES | {ord('"'): '\\"'}
_IN_NAME: Final = _ESCAPES | {ord("'"): "\\'"}


def text(expr: Expr) -> str:
    """The expression on one line."""
    return _text(expr, _TERNARY)


def pretty(ad: ClassAd) -> str:
    """The ad with one attribute on each line, ``Name = value;``, indented by one blank for each level."""
    return "\n".join(_lines(ad, 0))


def string_text(value: str) -> str:
    """A string in double quotes."""
    if value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    return '"' + value.translate(_IN_STRING) + '"'


@lru_cache(_NAMES_KEPT)
def name_text(name: str) -> str:
    """An attribute's name, in single quotes unless it is an identifier and no word of the language."""
    if _IDENTIFIER.match(name) and name.lower() not in KEYWORDS:
        return name
    return "'" + name.translate(_IN_NAME) + "'"


def _lines(ad: ClassAd, level: int) -> Iterator[str]:
    indent = " " * level
    yield "["
    for name, value in ad.items():
        head = f"{indent} {name_text(name)} = "
        if isinstance(value, ClassAd):
            inner = list(_lines(value, level + 1))
            yield head + inner[0]
            yield from inner[1:-1]
            yield inner[-1] + ";"
        elif isinstance(value, ListExpr) and any(isinstance(item, ClassAd) for item in value.items):
            yield head + "{"
            for index, item in enumerate(value.items):
                comma = "," if index + 1 < len(value.items) else ""
                inner = list(_lines(item, level + 2)) if isinstance(item, ClassAd) else [_text(item, _TERNARY)]
                yield f"{indent}  {inner[0]}" + ("" if len(inner) > 1 else comma)
                yield from inner[1:-1]
                if len(inner) > 1:
                    yield inner[-1] + comma
            yield f"{indent} }};"
        else:
            yield head + _text(value, _TERNARY) + ";"
    yield f"{indent}]"


def _text(expr: Expr, outer: int) -> str:
    """The expression, in parentheses when it binds no tighter than ``outer`` wants."""
    printed, precedence = _print(expr)
    return printed if precedence >= outer else f"({printed})"


def _print(expr: Expr) -> tuple[str, int]:
    if isinstance(expr, Literal):
        value = expr.value
        return (string_text(value), _ATOM) if type(value) is str else _literal(expr)
    if isinstance(expr, Reference):
        return _reference(expr), _ATOM
    if isinstance(expr, Operation):
        return _operation(expr)
    if isinstance(expr, Call):
        return f"{expr.name}({_commas(expr.arguments)})", _ATOM
    if isinstance(expr, ListExpr):
        return (f"{{ {_commas(expr.items)} }}" if expr.items else "{ }"), _ATOM
    if isinstance(expr, ClassAd):
        inner = "; ".join([f"{name_text(name)} = {_print(value)[0]}" for name, value in expr.items()])
        return (f"[ {inner} ]" if inner else "[ ]"), _ATOM
    if isinstance(expr, Select):
        return f"{_base(expr.base)}.{name_text(expr.name)}", _POSTFIX
    if isinstance(expr, Subscript):
        return f"{_text(expr.base, _POSTFIX)}[{_text(expr.index, _TERNARY)}]", _POSTFIX
    if isinstance(expr, Conditional):
        if expr.then is None:
            # in parentheses, because libraries differ in how tightly this operator binds
            return f"{_text(expr.condition, _POSTFIX)} ?: {_text(expr.otherwise, _POSTFIX)}", _TERNARY
        head = _text(expr.condition, _TERNARY + 1)
        tail = _text(expr.otherwise, _TERNARY)
        return f"{head} ? {_text(expr.then, _TERNARY)} : {tail}", _TERNARY
    raise TypeError(f"no text for {type(expr).__name__}")


def _base(expr: Expr) -> str:
    """What a ``.`` may follow: ``5.x`` and ``other.x`` mean something else than selecting from 5 and from other."""
    ambiguous = isinstance(expr, Literal) or (isinstance(expr, Reference) and expr.key in SCOPES)
    return f"({text(expr)})" if ambiguous else _text(expr, _POSTFIX)


def _commas(items: tuple[Expr, ...]) -> str:
    return ",".join([_print(item)[0] for item in items])


def _literal(expr: Literal) -> tuple[str, int]:
    value = expr.value
    if isinstance(value, str):
        return string_text(value), _ATOM
    if isinstance(value, bool):
        return ("true" if value else "false"), _ATOM
    if isinstance(value, (int, float)):
        printed = repr(value)
        # a sign in front makes it a unary expression for what comes behind it
        return printed, (UNARY_PRECEDENCE if printed.startswith("-") else _ATOM)
    return ("undefined" if value is UNDEFINED else "error"), _ATOM


def _reference(expr: Reference) -> str:
    name = name_text(expr.name)
    if expr.scope is None:
        return name
    return f".{name}" if expr.scope == "." else f"{expr.scope}.{name}"


def _operation(expr: Operation) -> tuple[str, int]:
    if expr.unary:
        operand = expr.operands[0]
        inner = _text(operand, UNARY_PRECEDENCE)
        if isinstance(operand, Literal) and inner[0].isdigit():
            inner = f"({inner})"  # -(5) is an operation, -5 a constant
        return expr.operator + inner, UNARY_PRECEDENCE
    precedence = PRECEDENCE[expr.operator]
    parts = [_text(expr.operands[0], precedence + 1)]
    for operator, operand in zip(expr.operators, expr.operands[1:], strict=True):
        parts.append(operator)
        parts.append(_text(operand, precedence + 1))
    return " ".join(parts), precedence
