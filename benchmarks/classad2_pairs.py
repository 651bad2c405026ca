"""The same matches by the ClassAd library, pair by pair, in a process of its own: ``classad2`` of the htcondor wheel.

::

    python -m benchmarks.classad2_pairs < request.json

The request is ``{"jobs": [text …], "elements": [text …]}``.  What is measured begins with all ads parsed and the
expressions at hand; the answer is ``{"seconds": …, "matches": […], "parse": …}``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.load import ROOT


@dataclass(frozen=True, slots=True)
class Pairs:
    """What came of it.

    :ivar seconds: for all pairs.
    :ivar matches: for each job the number of elements that match and have a rank.
    :ivar parse: seconds to read the jobs.
    """

    seconds: float
    matches: list[int]
    parse: float


class Missing(Exception):
    """The library is not installed."""


def measure(jobs: Sequence[str], elements: Sequence[str]) -> Pairs:
    """Run it.

    :raises Missing: the library is not installed.
    :raises RuntimeError: it fails; the message is its own.
    """
    request = json.dumps({"jobs": list(jobs), "elements": list(elements)}).encode()
    command = [sys.executable, "-m", "benchmarks.classad2_pairs"]
    done = subprocess.run(command, input=request, capture_output=True, timeout=600, check=False, cwd=ROOT)
    if done.returncode == 3:
        raise Missing("htcondor is not installed")
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace")[-2000:])
    return Pairs(**json.loads(done.stdout))


def _run(classad2: Any, request: dict[str, list[str]]) -> dict[str, Any]:
    elements = [classad2.ClassAd(text) for text in request["elements"]]
    begin = time.perf_counter()
    jobs = [classad2.ClassAd(text) for text in request["jobs"]]
    parse = time.perf_counter() - begin
    asked = [(job, job.lookup("Requirements"), job.lookup("Rank")) for job in jobs]
    matches = []
    begin = time.perf_counter()
    for job, requirements, rank in asked:
        count = 0
        for element in elements:
            if requirements.eval(scope=job, target=element) is True:
                value = rank.eval(scope=job, target=element)
                count += type(value) in (int, float)  # its UNDEFINED is an int as well
        matches.append(count)
    return {"seconds": time.perf_counter() - begin, "matches": matches, "parse": parse}


def main() -> int:
    """The command."""
    try:
        import classad2
    except ImportError:
        return 3
    print(json.dumps(_run(classad2, json.load(sys.stdin))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
