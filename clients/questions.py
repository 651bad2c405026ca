"""Questions and menus; with ``--noint`` or ``--json`` nothing is asked and each question has its default."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from clients.errors import FAILURE, Bye, ClientError

_DASHES: Final = "-" * 66
_RANGE = re.compile(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?")


def chosen(answer: str, count: int) -> tuple[int, ...] | None:
    """The numbers that an answer to a menu selects, from 0, in the menu's order; None when it selects nothing valid.

    Numbers, ranges ``2-5`` and lists of both joined by commas; an empty answer and ``a`` mean all.

    :param count: how many items the menu has.
    """
    if answer.strip().lower() in ("", "a", "all"):
        return tuple(range(count))
    picked: set[int] = set()
    for part in answer.split(","):
        found = _RANGE.fullmatch(part)
        if not found:
            return None
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last <= count:
            return None
        picked.update(range(first - 1, last))
    return tuple(sorted(picked))


@dataclass(frozen=True, slots=True)
class Menu:
    """The words of one menu.

    :ivar noun: ``jobId`` or ``resource`` or ``file``.
    :ivar single: exactly one item is wanted.
    """

    noun: str
    single: bool = False

    def prompt(self, count: int) -> str:
        """The line that asks."""
        if self.single:
            return f"Choose one {self.noun} in the list :"
        plural = f"Choose one or more {self.noun}(s) in the list"
        return f"{plural} - [1-{count}]all (use , as separator or - for a range): "


class Questions:
    """Asks on the terminal, or answers itself.

    :param interactive: False answers every question with its default.
    """

    def __init__(
        self, *, interactive: bool, stdin: TextIO | None = None, stdout: TextIO | None = None
    ) -> None:
        self.interactive = interactive
        self._stdin = stdin
        self._stdout = stdout

    def yes(self, question: str, *, default: bool, unasked: bool) -> bool:
        """A yes/no question.

        :param default: what an empty line means.
        :param unasked: the answer when nothing may be asked.
        :raises ClientError: stdin ends before an answer.
        """
        if not self.interactive:
            return unasked
        while True:
            answer = self._ask(f"{question} [y/n]{'y' if default else 'n'} : ").strip().lower()
            if answer in ("", "y", "yes", "n", "no"):
                return default if not answer else answer.startswith("y")

    def append_or_overwrite(self, path: str) -> str:
        """``a`` or ``o`` for an existing file; ``o`` when nothing may be asked.

        :raises Bye: the user chose not to save (``q``).
        """
        if not self.interactive:
            return "o"
        self._say(f"The file {path} already exists.\nPress the 'q' key for not saving.\n")
        while True:
            answer = self._ask("Do you want to append (a) or to overwrite (o) ? ").strip().lower()
            if answer in ("a", "o"):
                return answer
            if answer == "q":
                raise Bye(FAILURE)

    def choose(self, menu: Menu, items: Sequence[str], remarks: Sequence[Sequence[str]] = ()) -> list[str]:
        """The items that the user wants; all of them (the first for a single choice) when nothing may be asked.

        :param remarks: lines shown before each item.
        :raises Bye: the user chose ``q``.
        """
        if not self.interactive or len(items) < 2:
            return list(items[:1] if menu.single else items)
        lines = [_DASHES]
        for number, item in enumerate(items):
            lines += [f"   {remark}" for remark in (remarks[number] if remarks else ())]
            lines.append(f"{number + 1} : {item}")
        lines += [] if menu.single else ["a : all"]
        self._say("\n".join([*lines, "q : quit", _DASHES, "", ""]))
        while True:
            answer = self._ask(menu.prompt(len(items)))
            if answer.strip().lower() == "q":
                raise Bye(FAILURE)
            picked = chosen(answer, len(items))
            if picked and (not menu.single or len(picked) == 1):
                return [items[number] for number in picked]
            self._say("This is not one of the choices.\n")

    def _say(self, text: str) -> None:
        out = self._stdout or sys.stdout
        out.write(text)
        out.flush()

    def _ask(self, prompt: str) -> str:
        self._say(prompt)
        line = (self._stdin or sys.stdin).readline()
        if not line:
            raise ClientError("no answer on standard input; use --noint where nobody can answer")
        return line.rstrip("\n")
