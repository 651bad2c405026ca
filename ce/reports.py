"""What a wrapper left in its control directory, read as what it is: a text by a stranger.

The payload runs under the same account as its wrapper and can forge every word here, so a report is opened
without following links, bounded, parsed strictly, cut to printable text, and never says anything about
another job.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grid.states import CreamState

MAX_STATUS_BYTES = 16 << 10
MAX_RESULT_BYTES = 1 << 20
MAX_REASON = 1000
_STEPS = {"RUNNING": CreamState.RUNNING, "REALLY-RUNNING": CreamState.REALLY_RUNNING}
_VERDICTS = ("ok", "abort", "resubmit")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\ud7ff]+")
_NODE = re.compile(r"[A-Za-z0-9._:-]{1,255}")


@dataclass(frozen=True, slots=True)
class Step:
    """A state that the wrapper reached: seconds of the epoch, node name."""

    state: CreamState
    at: float
    node: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds: wall clock, user and system time of the payload."""

    real: float
    user: float
    sys: float


@dataclass(frozen=True, slots=True)
class Result:
    """How the job ended: verdict ``ok``, ``abort`` or ``resubmit``, exit code and signal of the payload."""

    verdict: str
    reason: str
    exit_code: int | None
    signal: int | None
    usage: Usage | None
    node: str
    notes: tuple[str, ...]


class Forged(ValueError):
    """The file is not what a wrapper writes."""


def read_steps(control: Path, uid: int) -> tuple[Step, ...]:
    """The steps in the status file; what is incomplete, repeated or unknown is left out."""
    try:
        data = _read(control, "status", uid, MAX_STATUS_BYTES)
    except Forged:
        return ()
    steps: dict[CreamState, Step] = {}
    for line in (data or b"").split(b"\n")[:-1]:
        try:
            record = _object(line)
            state = _STEPS[_text(record, "status", 40)]
            steps.setdefault(state, Step(state, _number(record, "time"), _node(record)))
        except (Forged, KeyError):
            continue
    return tuple(steps.values())


def read_result(control: Path, uid: int) -> Result | None:
    """The result, or None when there is none.

    :raises Forged: there is one that no wrapper wrote.
    """
    data = _read(control, "result.json", uid, MAX_RESULT_BYTES)
    if data is None:
        return None
    record = _object(data)
    verdict = _text(record, "class", 20)
    if verdict not in _VERDICTS:
        raise Forged("class")
    notes = record.get("notes")
    return Result(
        verdict=verdict,
        reason=_text(record, "reason", MAX_REASON),
        exit_code=_small(record, "exit_code", 255),
        signal=_small(record, "signal", 64),
        usage=_usage(record.get("usage")),
        node=_node(record),
        notes=tuple(_printable(note, 200) for note in notes[:20] if isinstance(note, str))
        if isinstance(notes, list)
        else (),
    )


def _read(control: Path, name: str, uid: int, limit: int) -> bytes | None:
    """Read a file by descriptors, from the directory above which only the service can write."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        top = os.open(control.parent, flags | os.O_DIRECTORY)
    except FileNotFoundError:  # somebody has tidied up: this job has left nothing, and no other one may suffer
        return None
    try:
        middle = os.open(control.name, flags | os.O_DIRECTORY, dir_fd=top)
        try:
            descriptor = os.open(name, flags | os.O_NONBLOCK, dir_fd=middle)
        finally:
            os.close(middle)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Forged(f"{name}: {error.strerror}") from error
    finally:
        os.close(top)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != uid or status.st_nlink != 1:
            raise Forged(f"{name}: not a plain file of the job")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Forged(f"{name}: larger than {limit} bytes")
    return data


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Forged("not JSON") from error
    if not isinstance(value, dict):
        raise Forged("not an object")
    return value


def _constant(name: str) -> float:
    raise ValueError(name)


def _text(record: dict[str, Any], key: str, limit: int) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise Forged(key)
    return _printable(value, limit)


def _printable(value: str, limit: int) -> str:
    return _UNPRINTABLE.sub(" ", value[: 4 * limit])[:limit].strip()


def _node(record: dict[str, Any]) -> str:
    value = record.get("node")
    if not isinstance(value, str) or not _NODE.fullmatch(value):
        raise Forged("node")
    return value


def _number(record: dict[str, Any], key: str) -> float:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e12 < value < 1e12:
        raise Forged(key)
    return float(value) if math.isfinite(value) else 0.0


def _small(record: dict[str, Any], key: str, top: int) -> int | None:
    value = record.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= top:
        raise Forged(key)
    return value


def _usage(value: object) -> Usage | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Forged("usage")
    numbers = [_number(value, key) for key in ("real", "user", "sys")]
    if min(numbers) < 0:
        raise Forged("usage")
    return Usage(*numbers)
