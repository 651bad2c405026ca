"""How often a second the disk makes a small write durable: the limit of everything that must survive power loss."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

_BLOCK = b"x" * 4096


def fsyncs(directory: Path, seconds: float) -> float:
    """Appends of 4 KiB a second, each followed by fsync, one after the other."""
    path = directory / "fsync.bench"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        count, begin = 0, time.perf_counter()
        while (passed := time.perf_counter() - begin) < seconds:
            os.write(descriptor, _BLOCK)
            os.fsync(descriptor)
            count += 1
        return count / passed
    finally:
        os.close(descriptor)
        path.unlink()


def sandboxes(directory: Path, seconds: float) -> float:
    """Bare system calls that make what a submission makes, a second: a directory with three others and five files in
    it, the contents of four of them and all names durable; one after the other."""
    place = directory / "sandboxes.bench"
    place.mkdir(0o700)
    try:
        count, begin = 0, time.perf_counter()
        while (passed := time.perf_counter() - begin) < seconds:
            made = place / str(count)
            for one in (made, made / "input", made / "output", made / "peek"):
                one.mkdir(0o700)
            for name in ("lock", "proxy", "original", "registered", "started"):
                descriptor = os.open(made / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                if name != "lock":
                    os.write(descriptor, _BLOCK)
                    os.fsync(descriptor)
                os.close(descriptor)
            for one in (made, place):
                descriptor = os.open(one, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                os.fsync(descriptor)
                os.close(descriptor)
            count += 1
        return count / passed
    finally:
        shutil.rmtree(place)


def kind(directory: Path) -> str:
    """The type of the file system that ``directory`` is on (tmpfs makes durability cost nothing)."""
    best, found = -1, "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mounted, name, *_ = line.split()
        point = Path(mounted.replace("\\040", " "))
        if directory.resolve().is_relative_to(point) and len(point.parts) > best:
            best, found = len(point.parts), name
    return found
