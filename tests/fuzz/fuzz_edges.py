"""Which edges an input reaches: steps from one line to the next, in functions of chosen files.

On Python 3.12 and later ``sys.monitoring`` tells of each line and of each direction of a branch, and is told to be
silent where nothing new can come, so watching costs less and less.  On 3.11 ``sys.settrace`` tells of pairs of lines;
a function of which all lines were reached and that gave nothing new for long is looked at only now and then.
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

Edge = tuple[int, int, int]
"""The number of a function, and two of its places: lines, or the offsets of a branch and of where it went.

-1 in place of the first: the second is a line.  Functions are numbered by their places in files, so that a seed repeats
a run; code itself as a key would be slow, since its hash is computed from all that it holds.
"""

_QUIET = 100
"""Calls without anything new after which a function, reached in all its lines, is looked at only now and then."""

_NOW_AND_THEN = 16


def codes(files: Iterable[Path]) -> list[types.CodeType]:
    """The code of all functions that are loaded from these files, and of those inside them."""
    names = {str(file) for file in files}
    gc.unfreeze()  # what a service in this process has put away is not among the collector's objects
    pending = [f.__code__ for f in gc.get_objects() if isinstance(f, types.FunctionType)]
    found: set[types.CodeType] = set()
    while pending:
        code = pending.pop()
        if code.co_filename in names and code not in found:
            found.add(code)
            pending += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return sorted(found, key=lambda code: (code.co_filename, code.co_firstlineno, code.co_name, code.co_code))


class Traced:
    """By ``sys.settrace``, for 3.11."""

    def __init__(self, watched: Iterable[types.CodeType]) -> None:
        self._codes = list(watched)  # so that no id is given to anything else
        self._numbers = {id(code): number for number, code in enumerate(self._codes)}
        lines = [{line for _, _, line in code.co_lines() if line} for code in self._codes]
        self._missing = dict(enumerate(lines))
        self._calls = dict.fromkeys(self._missing, 0)
        self._quiet = dict.fromkeys(self._missing, 0)
        self._run: set[Edge] = set()
        self._all = False

    @contextmanager
    def watching(self, *, whole: bool = False) -> Iterator[set[Edge]]:
        """Gather edges into the set that is given: with ``whole`` all that are reached, else at least the new ones."""
        self._run, self._all = set(), whole
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield self._run
        finally:
            sys.settrace(before)

    def new(self, edges: set[Edge]) -> None:
        """Take note of the new edges of a run."""
        for code, _, line in edges:
            self._missing[code].discard(line)
            self._quiet[code] = 0

    def _call(self, frame: types.FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        code = self._numbers.get(id(frame.f_code))
        if code is None:
            return None
        missing = self._missing[code]
        if not self._all:
            self._quiet[code] += 1
            if not missing or self._quiet[code] > 50 * _QUIET:  # some lines are never reached
                self._calls[code] += 1
                if self._quiet[code] > _QUIET and self._calls[code] % _NOW_AND_THEN:
                    return None
        add, last = self._run.add, -1

        def line(frame: types.FrameType, event: str, argument: object) -> Any:
            nonlocal last
            if event == "line":
                add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line


class Monitored:
    """By ``sys.monitoring``, for 3.12 and later."""

    def __init__(self, watched: Iterable[types.CodeType]) -> None:
        self._monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        self._codes = list(watched)
        self._numbers = {id(code): number for number, code in enumerate(self._codes)}
        self._ways: dict[tuple[int, int], set[int]] = {}
        self._run: set[Edge] = set()
        self._all = False

    @contextmanager
    def watching(self, *, whole: bool = False) -> Iterator[set[Edge]]:
        """As :meth:`Traced.watching`; it may be left out of calls that do not matter, but not nested."""
        self._run, self._all = set(), whole
        if whole:
            self._monitoring.restart_events()
        with self._registered():
            yield self._run

    def new(self, edges: set[Edge]) -> None:
        """As :meth:`Traced.new`."""

    @contextmanager
    def _registered(self) -> Iterator[None]:
        monitoring = self._monitoring
        tool, events = monitoring.COVERAGE_ID, monitoring.events
        if monitoring.get_tool(tool) is None:
            monitoring.use_tool_id(tool, "fuzz")
            for code in self._codes:
                monitoring.set_local_events(tool, code, events.LINE | events.BRANCH)
        monitoring.register_callback(tool, events.LINE, self._line)
        monitoring.register_callback(tool, events.BRANCH, self._branch)
        try:
            yield
        finally:
            monitoring.register_callback(tool, events.LINE, None)
            monitoring.register_callback(tool, events.BRANCH, None)

    def close(self) -> None:
        """Let others use the tool id."""
        monitoring = self._monitoring
        tool = monitoring.COVERAGE_ID
        if monitoring.get_tool(tool) == "fuzz":
            for code in self._codes:
                monitoring.set_local_events(tool, code, 0)
            monitoring.free_tool_id(tool)

    def _line(self, code: types.CodeType, line: int) -> object:
        self._run.add((self._numbers[id(code)], -1, line))
        return None if self._all else self._monitoring.DISABLE

    def _branch(self, code: types.CodeType, offset: int, destination: int) -> object:
        number = self._numbers[id(code)]
        self._run.add((number, offset, destination))
        ways = self._ways.setdefault((number, offset), set())
        ways.add(destination)
        # To be silent about one direction is to be silent about the other.
        return self._monitoring.DISABLE if len(ways) > 1 and not self._all else None


class Edges:
    """The edges that inputs reach.

    :ivar reached: all of them so far.
    :param files: whose functions are watched; those that are loaded when this is made.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        watched = codes(files)
        if not watched:
            raise ValueError("no function of these files is loaded; import them first")
        self.functions = len(watched)
        self.reached: set[Edge] = set()
        self._watch: Traced | Monitored = (Monitored if sys.version_info >= (3, 12) else Traced)(watched)

    def watching(self, *, whole: bool = False) -> AbstractContextManager[set[Edge]]:
        """Gather the edges of what runs inside: with ``whole`` all that are reached, else at least the new ones."""
        return self._watch.watching(whole=whole)

    def keep(self, edges: set[Edge]) -> set[Edge]:
        """Add the edges of a run; gives those that are new."""
        fresh = edges - self.reached
        if fresh:
            self.reached |= fresh
            self._watch.new(fresh)
        return fresh

    def close(self) -> None:
        """End the watching."""
        if isinstance(self._watch, Monitored):
            self._watch.close()
