"""Software tags that VOs put on a computing element, as lcg-tags keeps them.

A directory holds files ``<vo>.list``, or directories of them (``<vo>/<vo>.list``), with one tag on each line.  Whoever
manages a VO's software writes them; what is published of them is bounded.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from grid.errors import FileSystemFailure
from grid.files import read_bounded

_log = logging.getLogger("wms.ce")

MAX_FILES: Final = 1000
MAX_BYTES: Final = 1 << 20
"""Bytes of one file."""
MAX_TAGS: Final = 20_000
_TAG: Final = re.compile(r"[!\"$-~][!-~]{0,249}")


def read_tags(directory: Path) -> tuple[str, ...]:
    """The tags of all files, each once, in the order of the files' names.

    A file that cannot be read, and a line that is no tag, are left out and logged.
    """
    found: dict[str, None] = {}
    for path in _files(directory):
        try:
            text = read_bounded(path, MAX_BYTES).decode("ascii", "replace")
        except (OSError, FileSystemFailure) as error:
            _log.warning("the software tags of %s are left out: %s", path, error)
            continue
        wrong = []
        for number, line in enumerate(text.splitlines(), 1):
            tag = line.strip()
            if _TAG.fullmatch(tag):
                found[tag] = None
            elif tag and not tag.startswith("#"):
                wrong.append(number)
            if len(found) >= MAX_TAGS:
                _log.warning("more than %d software tags below %s; the rest is left out", MAX_TAGS, directory)
                return tuple(found)
        if wrong:
            _log.warning("%s, line %d and %d more are no software tags", path, wrong[0], len(wrong) - 1)
    return tuple(found)


def _files(directory: Path) -> Iterator[Path]:
    paths = sorted({*directory.glob("*.list"), *directory.glob("*/*.list")})
    if len(paths) > MAX_FILES:
        _log.warning("more than %d files of software tags below %s; the rest is left out", MAX_FILES, directory)
    yield from paths[:MAX_FILES]
