"""From text to tree.

The grammar is that of (new) ClassAds with what job descriptions add: outer brackets may be missing, ``#`` begins a
comment like ``//`` does, a stray ``;`` is no error.  Anything behind the ad is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from grid.limits import MAX_JDL_BYTES
from jdl.errors import JdlSyntaxError, Position
from jdl.tokens import PRECEDENCE, Source, Token, tokenize
from jdl.tree import (
    MAX_INT,
    SCOPES,
    Call,
    ClassAd,
    Conditional,
    Expr,
    ListExpr,
    Literal,
    Operation,
    Reference,
    Select,
    Subscript,
)
from jdl.values import ERROR, UNDEFINED, Error, Undefined

__all__ = ["LIMITS", "SUBMITTED", "Limits", "parse", "parse_expression"]


@dataclass(frozen=True)
class Limits:
    """What a text may hold: characters, words, levels of nesting.

    The defaults are wider than what a user may submit (:data:`SUBMITTED`), so that a description to which the server
    added its attributes is still read.
    """

    characters: int = 4 << 20
    words: int = 1_000_000
    depth: int = 90


LIMITS: Final = Limits()

SUBMITTED: Final = Limits(characters=MAX_JDL_BYTES, words=200_000, depth=80)
"""What a user may submit.  A second's work at most: a text of a million characters may be a million words."""

_WORDS: Final[dict[str, bool | Undefined | Error]] = {
    "true": True,
    "false": False,
    "undefined": UNDEFINED,
    "error": ERROR,
}
_ENDS: Final = frozenset({";", ",", "}", "]", ")"})
"""What an expression may end before."""
_IDENTITY: Final = {"is": "=?=", "isnt": "=!="}


def parse(text: str, limits: Limits = LIMITS, *, join_lines: bool = False) -> ClassAd:
    """The ad that the text describes.

    :param join_lines: the end of a line inside a string means a blank.
    :raises JdlSyntaxError: the text is no ad, is empty, or exceeds the limits; says where.
    """
    parser = _Parser(text, limits, join_lines)
    if parser.kind == "end":
        raise JdlSyntaxError("Not a valid ClassAd: the text is empty")
    bracketed = parser.sees("[")
    if bracketed:
        parser.advance()
    ad = parser.attributes(0, "]" if bracketed else None)
    parser.finish("the job description")
    return ad


def parse_expression(text: str, limits: Limits = LIMITS) -> Expr:
    """The expression that the text is.

    :raises JdlSyntaxError: as :func:`parse`.
    """
    parser = _Parser(text, limits)
    expr = parser.expression()
    parser.finish("the expression")
    return expr


class _Parser:
    """Recursive descent; the levels of nesting bound its own recursion."""

    def __init__(self, text: str, limits: Limits, join_lines: bool = False) -> None:
        if len(text) > limits.characters:
            raise JdlSyntaxError(f"the text has {len(text)} characters, more than {limits.characters}")
        self.source = Source(text, join_lines)
        self.limits = limits
        self.tokens = tokenize(self.source, limits.words)
        self.index = 0
        self.level = 0
        self.token: Token = self.tokens[0]
        self.kind: str = self.token.kind

    # -- moving

    def advance(self) -> Token:
        token = self.token
        self.index += 1
        self.token = self.tokens[self.index]
        self.kind = self.token.kind
        return token

    def sees(self, operator: str) -> bool:
        return self.kind == "op" and self.token.value == operator

    def take(self, operator: str, wanted: str) -> None:
        if not self.sees(operator):
            raise self.unexpected(wanted)
        self.advance()

    def unexpected(self, wanted: str) -> JdlSyntaxError:
        if self.kind == "end":
            # point behind the last word, not behind trailing blanks
            last = self.tokens[self.index - 1] if self.index else self.token
            offset = min(last.offset, max(len(self.source.text) - 1, 0))
            return self.source.error(f"{wanted} is missing, the text ends behind this", offset)
        shown = str(self.token.value)
        shown = shown if len(shown) <= 40 else shown[:37] + "..."
        shown = "".join(char if char.isprintable() else "?" for char in shown)
        kind = {"op": "", "string": "string ", "name": "", "quoted": "name "}.get(self.kind, "number ")
        return self.source.error(f"{wanted} is missing before {kind}'{shown}'", self.token.offset)

    def finish(self, what: str) -> None:
        if self.kind != "end":
            shown = str(self.token.value)[:40]
            raise self.source.error(f"text behind the end of {what}: '{shown}'", self.token.offset)

    def deeper(self) -> None:
        self.level += 1
        if self.level > self.limits.depth:
            raise self.too_deep()

    def too_deep(self) -> JdlSyntaxError:
        return self.source.error(f"nested deeper than {self.limits.depth} levels", self.token.offset)

    # -- grammar

    def attributes(self, offset: int, closing: str | None) -> ClassAd:
        """``Name = value; …`` up to the closing bracket (taken) or the end of the text."""
        ad = ClassAd(position=self.source.position(offset))
        duplicates: list[str] = []
        position = self.source.position
        while True:
            while self.sees(";"):
                self.advance()
            if self.kind == "end" if closing is None else self.sees(closing):
                break
            if self.kind not in ("name", "quoted"):
                raise self.unexpected("an attribute name" + (f" or '{closing}'" if closing else ""))
            token = self.advance()
            name = str(token.value)
            if not self.sees("="):
                raise self.unexpected(f"'=' behind '{name[:40]}'")
            self.advance()
            value = self.expression()
            if name in ad:
                duplicates.append(ad.spelling(name))
            ad.set(name, value, position(token.offset))
            if self.sees(";"):
                self.advance()
            elif not (self.kind == "end" if closing is None else self.sees(closing)):
                raise self.unexpected("';'" + (f" or '{closing}'" if closing else ""))
        if closing is not None:
            self.advance()
        ad.duplicates = tuple(duplicates)
        ad.read_from(self.source.excerpt)
        return ad

    def expression(self) -> Expr:
        token = self.token
        if token.kind == "string" and self.level < self.limits.depth:
            following = self.tokens[self.index + 1]
            if following.kind == "op" and following.value in _ENDS:  # what most values are
                self.index += 1
                self.token, self.kind = following, "op"
                return Literal(token.value, self.source.position(token.offset))
        self.deeper()
        offset = self.token.offset
        result = self.binary()
        if self.kind == "op" and self.token.value in ("?", "?:"):
            then: Expr | None = None
            if self.advance().value == "?":
                then = self.expression()
                self.take(":", "':'")
            otherwise = self.expression()
            result = self.checked(Conditional(result, then, otherwise, self.source.position(offset)))
        self.level -= 1
        return result

    def checked(self, expr: Expr) -> Expr:
        if expr.depth > self.limits.depth:
            raise self.too_deep()
        return expr

    def operator(self) -> str | None:
        """The binary operator that stands here."""
        if self.kind == "op":
            return str(self.token.value)
        if self.kind == "name":
            return _IDENTITY.get(str(self.token.value).lower())
        return None

    def binary(self) -> Expr:
        """Operators and operands; chains wait on a stack until something binds less, so nothing recurses."""
        chains: list[tuple[int, list[str], list[Expr], Position]] = []
        start = self.source.position(self.token.offset)
        operand = self.unary()
        while True:
            operator = self.operator()
            precedence = PRECEDENCE.get(operator or "", 0)
            while chains and chains[-1][0] > precedence:
                _, operators, operands, start = chains.pop()
                operands.append(operand)
                operand = self.checked(Operation(operators, operands, start))
            if not precedence or operator is None:
                return operand
            if chains and chains[-1][0] == precedence:
                chains[-1][1].append(operator)
                chains[-1][2].append(operand)
            else:
                chains.append((precedence, [operator], [operand], start))
            self.advance()
            start = self.source.position(self.token.offset)
            operand = self.unary()

    def unary(self) -> Expr:
        signs: list[Token] = []
        while self.kind == "op" and self.token.value in ("-", "+", "!", "~"):
            signs.append(self.advance())
            if len(signs) > self.limits.depth:
                raise self.too_deep()
        value = self.token.value
        if signs and signs[-1].value == "-" and isinstance(value, (int, float)) and not self.followed_by("["):
            # a constant, so that the smallest integer, whose absolute value is none, can be written
            expr: Expr = Literal(-value, self.source.position(signs.pop().offset))
            self.advance()
        else:
            expr = self.postfix(self.primary())
        for sign in reversed(signs):
            expr = self.checked(Operation((str(sign.value),), (expr,), self.source.position(sign.offset)))
        return expr

    def followed_by(self, operator: str) -> bool:
        following = self.tokens[self.index + 1]
        return following.kind == "op" and following.value == operator

    def postfix(self, expr: Expr) -> Expr:
        start = expr.position
        while self.kind == "op":
            if self.token.value == ".":
                self.advance()
                expr = Select(expr, self.attribute_name(), start)
            elif self.token.value == "[":
                self.advance()
                index = self.expression()
                self.take("]", "']'")
                expr = Subscript(expr, index, start)
            else:
                break
            self.checked(expr)
        return expr

    def attribute_name(self) -> str:
        if self.kind not in ("name", "quoted"):
            raise self.unexpected("an attribute name behind '.'")
        return str(self.advance().value)

    def primary(self) -> Expr:
        token = self.token
        position = self.source.position(token.offset)
        if token.kind == "name":
            return self.named(position)
        if token.kind == "quoted":
            return self.reference(str(self.advance().value), position)
        if token.kind == "string":
            return self.string(position)
        if token.kind in ("int", "real"):
            self.advance()
            if isinstance(token.value, int) and token.value > MAX_INT:
                raise self.source.error(f"the integer {token.value} does not fit 64 bits", token.offset)
            return Literal(token.value, position)
        if token.kind == "op":
            if token.value == "(":
                self.advance()
                inner = self.expression()
                self.take(")", "')'")
                return inner
            if token.value == "{":
                self.advance()
                return self.checked(ListExpr(self.sequence("}"), position))
            if token.value == "[":
                self.advance()
                self.deeper()
                ad = self.attributes(token.offset, "]")
                self.level -= 1
                return self.checked(ad)
            if token.value == ".":
                self.advance()
                return Reference(self.attribute_name(), ".", position)
        raise self.unexpected("a value")

    def string(self, position: Position) -> Expr:
        parts = [str(self.advance().value)]
        while self.kind == "string":  # "a" "b" is "ab"
            parts.append(str(self.advance().value))
        return Literal("".join(parts), position)

    def named(self, position: Position) -> Expr:
        name = str(self.advance().value)
        if name.lower() in _WORDS:
            return Literal(_WORDS[name.lower()], position)
        if name.lower() in _IDENTITY:
            raise self.source.error(f"a value is missing before '{name}'", self.tokens[self.index - 1].offset)
        if self.sees("("):
            self.advance()
            return self.checked(Call(name, self.sequence(")"), position))
        return self.reference(name, position)

    def reference(self, name: str, position: Position) -> Expr:
        if name.lower() in SCOPES and self.sees("."):
            self.advance()
            return Reference(self.attribute_name(), name, position)
        return Reference(name, None, position)

    def sequence(self, closing: str) -> list[Expr]:
        """Expressions between commas up to the closing mark, which is taken; a last comma is an error."""
        items: list[Expr] = []
        if not self.sees(closing):
            items.append(self.expression())
            while self.sees(","):
                self.advance()
                items.append(self.expression())
        if not self.sees(closing):
            raise self.unexpected(f"',' or '{closing}'")
        self.advance()
        return items
