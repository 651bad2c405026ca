"""The words of the language: a text becomes tokens with offsets."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from typing import Final, NamedTuple

from jdl.errors import JdlSyntaxError, Position

__all__ = ["KEYWORDS", "PRECEDENCE", "UNARY_PRECEDENCE", "Source", "Token", "tokenize"]

KEYWORDS: Final = frozenset({"true", "false", "undefined", "error", "is", "isnt"})

_LEVELS: Final = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!=", "=?=", "=!="),
    ("<", "<=", ">", ">="),
    ("<<", ">>", ">>>"),
    ("+", "-"),
    ("*", "/", "%"),
)
PRECEDENCE: Final = {operator: level for level, row in enumerate(_LEVELS, 1) for operator in row}
"""Binary operators and how tightly they bind; ``?:`` binds less than all."""
UNARY_PRECEDENCE: Final = len(_LEVELS) + 1

_TOKEN: Final = re.compile(
    r"""
    [ \t\r\n\f\v]*+
    (?: (?P<comment> \#[^\n]* | //[^\n]* | /\*[^*]*\*+(?:[^/*][^*]*\*+)*/ )
      | (?P<name>    [A-Za-z_][A-Za-z0-9_]* )
      | (?P<string>  "[^"\\]*(?:\\.[^"\\]*)*" )
      | (?P<real>    (?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? | [0-9]+[eE][+-]?[0-9]+ )
      | (?P<int>     0[xX][0-9a-fA-F]+ | [0-9]+ )
      | (?P<quoted>  '[^'\\]*(?:\\.[^'\\]*)*' )
      | (?P<op>      =\?= | =!= | && | \|\| | == | != | <= | >= | >>> | >> | << | \?: | [-+*/%!~<>?:=&|^()\[\]{},;.] )
      | (?P<end>     \Z )
      | (?P<strange> . ) )
    """,
    re.VERBOSE | re.DOTALL,
)
"""Something is found at every place, so a search never looks further than where it begins."""
_WORD: Final = re.compile(r"[A-Za-z0-9_.]*")
_ESCAPE: Final = re.compile(r"((?:\\[0-3][0-7]{2}|\\[0-7]{1,2})+)|\\(.)", re.DOTALL)
_OCTAL: Final = re.compile(r"\\([0-7]+)")
_SIMPLE_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_TYPOGRAPHIC: Final = "“”„‟«»‘’‚‛‹›″′"
_DOUBLE_LIKE: Final = "“”„‟«»″"
_EXCERPT_WIDTH: Final = 100


class Token(NamedTuple):
    """A word: ``kind`` is int, real, name, string, quoted, op or end; ``value`` its meaning."""

    kind: str
    value: str | int | float
    offset: int


class Source:
    """A text that can say where an offset is."""

    def __init__(self, text: str, join_lines: bool = False) -> None:
        self.text = text
        self.join_lines = join_lines
        self._starts: list[int] | None = None
        self._line, self._start, self._end = 0, 0, -1  # the line that was asked for last

    def position(self, offset: int) -> Position:
        """Line and column of a character."""
        if not self._start <= offset < self._end:
            if self._starts is None:
                self._starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
            line = bisect_right(self._starts, offset)
            self._line, self._start = line, self._starts[line - 1]
            self._end = self._starts[line] if line < len(self._starts) else len(self.text) + 1
        return tuple.__new__(Position, (self._line, offset - self._start + 1))

    def error(self, what: str, offset: int) -> JdlSyntaxError:
        """The error that ``what`` is at that character."""
        line, column = self.position(offset)
        return JdlSyntaxError(what, line=line, column=column, excerpt=self.excerpt(line, column))

    def excerpt(self, line: int, column: int) -> str:
        """The line, shortened around the column, over a line with a caret; empty when the line is."""
        if self._starts is None:
            self.position(0)
        start = self._starts[line - 1] if self._starts else 0
        end = self.text.find("\n", start)
        content = self.text[start : len(self.text) if end < 0 else end]
        caret = column - 1
        if len(content) > _EXCERPT_WIDTH:
            cut = max(0, caret - _EXCERPT_WIDTH // 2)
            content = content[cut : cut + _EXCERPT_WIDTH]
            caret -= cut
        shown = "".join(char if char.isprintable() else " " if char in "\t\r" else "?" for char in content)
        return f"{shown.rstrip()}\n{' ' * caret}^" if shown.strip() else ""


def tokenize(source: Source, limit: int) -> list[Token]:
    """All words of the text and an ``end``.

    :raises JdlSyntaxError: a character or word that the language does not have; more words than ``limit``.
    """
    text = source.text
    tokens: list[Token] = []
    append, new = tokens.append, tuple.__new__
    for match in _TOKEN.finditer(text, 1 if text.startswith("\ufeff") else 0):
        kind = match.lastgroup or ""
        if kind == "comment":
            continue
        word = match[kind]
        offset = match.start(kind)
        if kind == "name" or (kind == "op" and word != "/"):
            append(new(Token, (kind, word, offset)))
        elif kind == "string" and "\\" not in word and "\0" not in word and not source.join_lines:
            append(new(Token, (kind, word[1:-1], offset)))
        elif kind == "end":
            break
        elif kind == "strange":
            raise source.error(_strange(text, offset), offset)
        else:
            append(_token(source, kind, word, offset, match.end()))
        if len(tokens) > limit:
            raise source.error(f"more than {limit} words", offset)
    append(Token("end", "", len(text)))
    return tokens


def _token(source: Source, kind: str, word: str, offset: int, end: int) -> Token:
    if kind == "op":
        if word == "/" and source.text.startswith("*", end):
            raise source.error("a comment that is not closed", offset)
        return Token(kind, word, offset)
    if kind == "string" or kind == "quoted":
        inner = word[1:-1]
        if source.join_lines:
            inner = inner.replace("\n", " ")
        if "\\" in inner or "\0" in inner:
            inner = _unescape(source, inner, offset + 1)
        if kind == "quoted" and not inner:
            raise source.error("an attribute name is empty", offset)
        return Token(kind, inner, offset)
    rest = _WORD.match(source.text, end)
    if rest is not None and rest.group():
        # a dot may follow an integer in brackets only, so any letter, digit or dot here is a slip of the pen
        raise source.error(f"malformed number '{(word + rest.group())[:40]}'", offset)
    return Token(kind, _number(source, kind, word, offset), offset)


def _number(source: Source, kind: str, word: str, offset: int) -> int | float:
    if kind == "real":
        real = float(word)
        if real == float("inf"):
            raise source.error(f"the number {word[:40]} is out of range", offset)
        return real
    base = 16 if word[:2] in ("0x", "0X") else 8 if word[0] == "0" else 10
    # 2**63 has 19 decimal, 22 octal digits; longer words need not be converted to be refused
    digits = word[2:] if base == 16 else word
    if len(digits.lstrip("0")) > 22:
        raise source.error(f"the integer {word[:40]} does not fit 64 bits", offset)
    try:
        number = int(digits, base)
    except ValueError as error:
        raise source.error(f"malformed octal number '{word}'", offset) from error
    if number > 1 << 63:
        raise source.error(f"the integer {word} does not fit 64 bits", offset)
    return number


def _unescape(source: Source, inner: str, offset: int) -> str:
    def meaning(match: re.Match[str]) -> str:
        if match[1] is None:
            return _SIMPLE_ESCAPES.get(match[2], match[2])
        # old libraries write characters beyond ASCII as the octal bytes of their UTF-8 form
        octets = bytes(int(digits, 8) for digits in _OCTAL.findall(match[1]))
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError as error:
            where = offset + match.start()
            raise source.error("octal escapes that are not UTF-8", where) from error

    value = _ESCAPE.sub(meaning, inner)
    if "\0" in value:
        raise source.error("a NUL character", offset)
    return value


def _strange(text: str, offset: int) -> str:
    char = text[offset]
    if char == '"':
        return "a string that is not closed"
    if char == "'":
        return "a quoted attribute name that is not closed"
    name = unicodedata.name(char, f"U+{ord(char):04X}")
    if char in _TYPOGRAPHIC:
        plain = '"' if char in _DOUBLE_LIKE else "'"
        return f"a typographic quote ({char}, {name}) where a plain {plain} is needed"
    shown = f"'{char}' ({name})" if char.isprintable() else name
    return f"unexpected character {shown}"
