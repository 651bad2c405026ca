"""A coverage-guided fuzzer of the SOAP door, the WMProxy port and the job descriptions, in one process.

``python tests/fuzz/soapdoor.py --seconds 60`` (``make fuzz``) mutates valid requests of every operation, and job
descriptions, and goes on from what reached new code (:mod:`fuzz_engine`).  What is held against the answers is in
:mod:`fuzz_door`, :mod:`fuzz_descriptions` and :mod:`fuzz_expressions`.  It prints its seed.  An input that fails is
kept, and ``--replay FILE`` runs it again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import fuzz_descriptions
import fuzz_door
import fuzz_expressions
from fuzz_edges import Edges
from fuzz_engine import Engine, Failure, Target, timed


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit code is 1 when something is amiss."""
    parser = argparse.ArgumentParser(description="Fuzz the SOAP door, the WMProxy port and the JDL, by coverage.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--corpus", type=Path, default=None, help="where inputs are kept (a scratch directory)")
    parser.add_argument("--replay", type=Path, default=None, metavar="FILE", help="run the input in a file again")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="wms-fuzz-") as directory:
        targets: list[Target] = [
            *fuzz_door.doors(Path(directory)),
            fuzz_descriptions.Descriptions(),
            fuzz_expressions.Expressions(),
        ]
        if options.replay is not None:
            return replay(options.replay, targets)
        scratch = options.corpus or Path(tempfile.mkdtemp(prefix="wms-fuzz-corpus-"))
        scratch.mkdir(parents=True, exist_ok=True)
        return fuzz(options.seconds, options.seed, scratch, targets)


def fuzz(seconds: float, seed: int, scratch: Path, targets: list[Target]) -> int:
    """Fuzz for some seconds and say what came of it."""
    edges = Edges([*fuzz_door.FILES, *fuzz_descriptions.FILES])
    print(f"seed {seed}, {edges.functions} functions watched, corpus in {scratch}", flush=True)
    again = f"PYTHONPATH=. {sys.executable} {__file__} --replay"
    engine = Engine(targets, edges, seed, scratch, replay=again, say=lambda text: print(text, flush=True))
    try:
        summary = engine.run(seconds)
    except Failure as failure:
        print(f"{engine.summary()}\n{failure}", file=sys.stderr)
        return 1
    finally:
        edges.close()
    print(f"seed {seed}: {summary}, nothing amiss")
    return 0


def replay(path: Path, targets: list[Target]) -> int:
    """Run one input again; what it raises comes with its traceback."""
    target = next((target for target in targets if path.suffix == f".{target.name}"), None)
    if target is None:
        names = ", ".join(f".{target.name}" for target in targets)
        print(f"{path}: the name of an input ends in one of {names}", file=sys.stderr)
        return 2
    timed(target, path.read_bytes())
    print(f"{path}: nothing amiss")
    return 0


if __name__ == "__main__":
    sys.exit(main())
