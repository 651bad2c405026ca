"""The engine of the fuzzer: what it keeps, what it mutates next, how it reports.

An input is kept when it reaches an edge (:mod:`fuzz_edges`) that none before it reached, and then it is known by all
edges that it reaches.  What is mutated next is found by way of an edge: of a few that are drawn, the one that the
fewest kept inputs reach, and of these inputs the one that was mutated least.  So rare places get the most attention.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fuzz_edges import Edge, Edges

MAX_KEPT = 5000
"""Inputs of one target."""

MAX_BYTES = 1 << 18

_DRAWN = 3
_INTERVAL = 5.0
SLOW = 2.0
"""Seconds that one input may take."""
ENDLESS = 20
"""Seconds after which an input that is still running is given up."""


class Failure(Exception):
    """What is fuzzed did what it must not."""


class Target(Protocol):
    """What is fuzzed.

    :ivar name: also the suffix of files that hold its inputs.
    :ivar share: how many of ten inputs are its.
    """

    name: str
    share: int

    def seeds(self, dice: random.Random) -> Sequence[bytes]:
        """Inputs to begin with."""

    def mutate(self, data: bytes, other: bytes, dice: random.Random) -> bytes:
        """A new input, from one that was kept, and a second one to take pieces from."""

    def run(self, data: bytes) -> object:
        """Use one input, always alike.

        :raises Failure: or anything else but what the input may cause.
        """


@dataclass(eq=False, slots=True)
class Kept:
    """One kept input."""

    data: bytes
    mutated: int = 0


@dataclass
class Corpus:
    """The kept inputs of one target, and which of them reach an edge."""

    kept: list[Kept] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    holders: dict[Edge, list[Kept]] = field(default_factory=dict)

    def add(self, data: bytes, edges: set[Edge]) -> None:
        """Keep an input with all edges that it reaches."""
        kept = Kept(data)
        self.kept.append(kept)
        for edge in edges:
            if edge not in self.holders:
                self.holders[edge] = []
                self.edges.append(edge)
            self.holders[edge].append(kept)

    def choose(self, dice: random.Random) -> bytes:
        """What to mutate next."""
        if not self.edges:
            return dice.choice(self.kept).data
        rare = min((self.holders[dice.choice(self.edges)] for _ in range(_DRAWN)), key=len)
        chosen = min((dice.choice(rare) for _ in range(_DRAWN)), key=lambda kept: kept.mutated)
        chosen.mutated += 1
        return chosen.data


@dataclass
class Summary:
    """What a run came to."""

    seed: int
    inputs: int
    seconds: float
    edges: int
    kept: dict[str, int]

    def __str__(self) -> str:
        rate = self.inputs / self.seconds if self.seconds else 0.0
        kept = ", ".join(f"{count} of {name}" for name, count in self.kept.items())
        return f"{self.inputs} inputs, {rate:.0f}/s, {self.edges} edges, kept {kept}"


class Engine:
    """Fuzzes targets for some time.

    :param edges: None to mutate the seeds blindly, for comparison.
    :param scratch: directory for the inputs that are kept, and for one that fails.
    :param replay: the command that runs a file again, without the file.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        edges: Edges | None,
        seed: int,
        scratch: Path,
        *,
        replay: str = "",
        say: Callable[[str], None] = print,
    ) -> None:
        self._targets = targets
        self._edges = edges
        self._seed = seed
        self._dice = random.Random(seed)
        self._scratch = scratch
        self._replay = replay
        self._say = say
        self._corpora = {target.name: Corpus() for target in targets}
        self._turns = [target for target in targets for _ in range(target.share)]
        self._inputs = 0
        self._started = 0
        self._began = 0.0

    def run(self, seconds: float, most: int | None = None) -> Summary:
        """Run the targets' own inputs, then fuzz for some seconds, or until there were ``most`` inputs.

        :raises Failure: at the first input that fails; the text names its file and the command that runs it again.
        """
        with self._ticking():
            return self._fuzz(seconds, most)

    @contextmanager
    def _ticking(self) -> Iterator[None]:
        """Look every second whether an input is still the same: one that does not end is a failure as well."""
        last, ticks = -1, 0

        def tick(number: int, frame: object) -> None:
            nonlocal last, ticks
            ticks = ticks + 1 if last == self._started else 0
            last = self._started
            if ticks >= ENDLESS:
                raise Failure(f"it did not end within {ENDLESS} seconds")

        before = signal.signal(signal.SIGALRM, tick)
        timer = signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
        try:
            yield
        finally:
            signal.signal(signal.SIGALRM, before)
            signal.setitimer(signal.ITIMER_REAL, *timer)  # others have a use for it too

    def _fuzz(self, seconds: float, most: int | None) -> Summary:
        self._began = time.monotonic()
        for target in self._targets:
            for data in target.seeds(self._dice):
                self._one(target, data, first=True)
        self._say(f"at first: {self.summary()}")
        self._began, self._inputs = (shown := time.monotonic()), 0
        while time.monotonic() - self._began < seconds and (most is None or self._inputs < most):
            target = self._dice.choice(self._turns)
            corpus = self._corpora[target.name]
            other = self._dice.choice(corpus.kept).data
            self._one(target, target.mutate(corpus.choose(self._dice), other, self._dice)[:MAX_BYTES])
            if time.monotonic() - shown > _INTERVAL:
                shown = time.monotonic()
                self._say(f"{shown - self._began:4.0f} s: {self.summary()}")
        return self.summary()

    def summary(self) -> Summary:
        """What has come so far."""
        kept = {name: len(corpus.kept) for name, corpus in self._corpora.items()}
        reached = len(self._edges.reached) if self._edges else 0
        return Summary(self._seed, self._inputs, time.monotonic() - self._began, reached, kept)

    def _one(self, target: Target, data: bytes, *, first: bool = False) -> None:
        self._inputs += 1
        self._started += 1
        corpus = self._corpora[target.name]
        try:
            if self._edges is None:
                timed(target, data)
                edges: set[Edge] = set()
            else:
                with self._edges.watching() as edges:
                    timed(target, data)
        except Exception as error:
            raise self._failed(target, data, error) from error
        fresh = self._edges.keep(edges) if self._edges else set()
        if first or (fresh and len(corpus.kept) < MAX_KEPT):
            if self._edges is not None:
                with self._edges.watching(whole=True) as edges:
                    target.run(data)
                self._edges.keep(edges)
            corpus.add(data, edges)
            (self._scratch / f"{len(corpus.kept):04d}.{target.name}").write_bytes(data)

    def _failed(self, target: Target, data: bytes, error: Exception) -> Failure:
        path = self._scratch / f"failed-{self._seed}-{self._inputs}.{target.name}"
        path.write_bytes(data)
        return Failure(
            f"{target.name}: {type(error).__name__}: {error}\n"
            f"seed {self._seed}, input {self._inputs}: {path}\nagain: {self._replay} {path}"
        )


def timed(target: Target, data: bytes) -> None:
    """Run one input.

    :raises Failure: when it takes too long, twice, and of the processor's time: others may be using the machine.
    """
    began = time.monotonic()
    target.run(data)
    if time.monotonic() - began > SLOW:
        used = time.thread_time()  # asking for it costs more than most inputs
        target.run(data)
        used = time.thread_time() - used
        if used > SLOW:
            raise Failure(f"it took {used:.1f} seconds")
