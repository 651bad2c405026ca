"""The command line, read by the strict rules of the original (gLite WMS user interface).

A token that begins with ``-`` is exactly a known long option or a single short letter: no abbreviations, no
``--option=value``, no bundled letters.  An option's argument never begins with ``-``.  An option is given once
unless it says otherwise.  Operands come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill, wrap
from typing import Final

from clients.errors import NotServed, OptionError, UsageError

_COLUMN: Final = 34
_TAB: Final = 8
_WIDTH: Final = 80
SUPPORT: Final = "the support address of your site, with the output of --debug"


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    :ivar long: the name without dashes.
    :ivar short: one letter, or None.
    :ivar argument: what stands for its argument in the usage text; None for a switch.
    :ivar text: what it does, one line.
    :ivar many: may be given more than once.
    :ivar refused: why this client refuses it; None when it is served.
    """

    long: str
    short: str | None
    argument: str | None
    text: str
    many: bool = False
    refused: str | None = None

    @property
    def line(self) -> str:
        """The option as the usage text and the error messages show it."""
        names = f"--{self.long}" + (f", -{self.short}" if self.short else "")
        left = f"{names} {self.argument}" if self.argument else names
        gap = "" if len(left) < _COLUMN else " "
        return f"\t{left:<{_COLUMN}}{gap}{self.text}"

    @property
    def lines(self) -> str:
        """The same, its text broken so that a terminal of 80 columns need not."""
        head = self.line.removesuffix(self.text)
        first, *rest = wrap(self.text, _WIDTH - _TAB - len(head.removeprefix("\t")))
        return "\n".join([head + first, *(f"\t{'':<{_COLUMN}}{more}" for more in rest)])


def switch(long: str, text: str, short: str | None = None, *, refused: str | None = None) -> Option:
    """An option without an argument."""
    return Option(long, short, None, text, refused=refused)


def valued(
    long: str,
    argument: str,
    text: str,
    short: str | None = None,
    *,
    many: bool = False,
    refused: str | None = None,
) -> Option:
    """An option with an argument."""
    return Option(long, short, argument, text, many, refused)


HELP: Final = switch("help", "print this text and exit")
VERSION: Final = switch("version", "print the version of this command and of the configured servers, and exit")
DEBUG: Final = switch("debug", "show what goes on inside and write it to a log file too")
LOGFILE: Final = valued("logfile", "<file>", "write messages to this file too")
NOINT: Final = switch("noint", "ask nothing; every question gets its default answer")
JSON: Final = switch("json", "print the result as one line of JSON and nothing else")
PRETTY: Final = switch("pretty-print", "with --json: print `name: value' lines instead of JSON")
CONFIG: Final = valued("config", "<file>", "read this client configuration", "c")
VO: Final = valued("vo", "<name>", "virtual organisation, when the proxy carries none")
ENDPOINT: Final = valued("endpoint", "<url>", "use this WMProxy server and no other", "e")
AUTO: Final = switch("autm-delegation", "delegate the proxy now, with a generated identifier", "a")
DELEGATION: Final = valued("delegationid", "<id>", "use the proxy delegated before with this identifier", "d")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What was given.

    :ivar values: by long name: True for a switch, the text for an option, a tuple for one that may be repeated.
    :ivar operands: what stands behind the options.
    :ivar tokens: everything as it was given.
    """

    values: Mapping[str, bool | str | tuple[str, ...]]
    operands: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """True when the option was given."""
        return name in self.values

    def text(self, name: str) -> str | None:
        """The argument of an option that is given at most once."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """The arguments of an option that may be repeated."""
        value = self.values.get(name)
        return value if isinstance(value, tuple) else ()


@dataclass(frozen=True, slots=True)
class Syntax:
    """The options of one command.

    :ivar command: its name.
    :ivar purpose: one line that says what it does.
    :ivar usages: what may stand behind the name, one line each.
    :ivar groups: headed groups of options, in the order of the usage text.
    :ivar exclusive: groups of option names of which one excludes the others; see :func:`excludes`.
    :ivar notes: lines below the options.
    :ivar single_dash_words: a long option may be written with one dash (``-all``).
    :ivar usage_code: the exit code of a wrong command line.
    :ivar banner: the words before the version.
    :ivar script: one of the two L&B commands, which look for their configuration in another order.
    """

    command: str
    purpose: str
    usages: tuple[str, ...]
    groups: tuple[tuple[str, tuple[Option, ...]], ...]
    exclusive: tuple[tuple[frozenset[str], frozenset[str]], ...] = ()
    notes: tuple[str, ...] = ()
    single_dash_words: bool = False
    usage_code: int = 255
    banner: str = "WMS User Interface version "
    script: bool = False

    @property
    def options(self) -> tuple[Option, ...]:
        """All options."""
        return tuple(option for _, group in self.groups for option in group)

    def usage(self, version: str) -> str:
        """The usage text."""
        lines = ["", f"{self.banner} {version}", "", fill(self.purpose, _WIDTH), ""]
        for number, rest in enumerate(self.usages):
            usage = f"{'   or:' if number else 'Usage:'} {self.command} {rest}"
            lines.append(fill(usage, _WIDTH, subsequent_indent=" " * 10, break_on_hyphens=False))
        for title, group in self.groups:
            lines += ["", f"{title}:"]
            lines += [option.lines for option in group if option.refused is None]
        refused = [f"--{option.long}" for option in self.options if option.refused is not None]
        if refused:
            text = "Known and refused with a reason: " + ", ".join(refused)
            lines += ["", fill(text, _WIDTH, break_on_hyphens=False)]
        lines += ["", *(fill(note, _WIDTH) for note in self.notes)] if self.notes else []
        lines += ["", "Please report any bug at:", f"\t{SUPPORT}", ""]
        return "\n".join(lines)

    def parse(self, argv: Sequence[str]) -> CommandLine:
        """Read the tokens behind the command's name.

        ``--help`` anywhere wins over every error.

        :raises UsageError: a token is no option of this command, or an argument is missing.
        :raises OptionError: a wrong argument, a repeated option, options that exclude one another.
        :raises NotServed: an option that this client refuses.
        """
        if "--help" in argv:
            return CommandLine({"help": True}, tokens=tuple(argv))
        values: dict[str, bool | str | tuple[str, ...]] = {}
        operands: list[str] = []
        tokens = iter(argv)
        for token in tokens:
            if not token.startswith("-") or token == "-":
                operands.append(token)
                continue
            option = self._option(token)
            if operands:
                raise UsageError(f"{token} stands behind {operands[-1]!r}: options come before the last argument")
            if option.long in values and not option.many:
                raise OptionError(f"option already specified: {option.long}")
            value = self._argument(option, tokens)
            if isinstance(value, str) and option.many:
                before = values.get(option.long, ())
                values[option.long] = (*(before if isinstance(before, tuple) else ()), value)
            else:
                values[option.long] = value
        self._check_combination(values)
        return CommandLine(values, tuple(operands), tuple(argv))

    def _option(self, token: str) -> Option:
        for option in self.options:
            if token == f"--{option.long}" or (option.short and token == f"-{option.short}"):
                return option
            if self.single_dash_words and len(option.long) > 1 and token == f"-{option.long}":
                return option
        raise UsageError(_unknown(token, self.options))

    def _argument(self, option: Option, tokens: Iterable[str]) -> bool | str:
        if option.argument is None:
            return True
        value = next(iter(tokens), None)
        if value is None:
            raise UsageError(f"--{option.long} needs an argument: {option.argument}")
        if value.startswith("-"):
            raise OptionError(
                f"Invalid argument value for the option:\n{option.line}", title="Wrong Argument Option"
            )
        return value

    def _check_combination(self, values: Mapping[str, object]) -> None:
        given = [option for option in self.options if option.long in values]
        for one, others in self.exclusive:
            left = [option for option in given if option.long in one]
            right = [option for option in given if option.long in others and option.long not in one]
            if left and right:
                lines = "\n".join(option.line for option in [*left, *right])
                raise OptionError(f"the following options cannot be specified together:\n{lines}")
        for option in given:
            if option.refused is not None:
                raise NotServed(f"--{option.long}: {option.refused}")


def excludes(one: str, *others: str) -> tuple[frozenset[str], frozenset[str]]:
    """``one`` excludes each of ``others``."""
    return frozenset([one]), frozenset(others)


def _unknown(token: str, options: Iterable[Option]) -> str:
    names = [f"--{option.long}" for option in options]
    name, equals, _ = token.partition("=")
    if equals and name in names:
        return f"{token}: write `{name} <value>', with a blank"
    longer = [name for name in names if name.startswith(token) and token.startswith("--")]
    if longer:
        return f"unknown option: {token} (long options are not abbreviated: {' or '.join(longer)})"
    return f"unknown option: {token}"
