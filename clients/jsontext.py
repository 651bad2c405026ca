"""The JSON of ``--json`` and the lines of ``--json --pretty-print``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from clients.messages import STEERING

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"


def compact(value: Mapping[str, Json]) -> str:
    """One line with exactly one blank behind each colon and comma, which scripts split at.

    What would steer a terminal is written as an escape of JSON.
    """
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def pretty(value: Mapping[str, Json]) -> str:
    """The original's form for reading: ``name: value`` lines inside braces, not JSON."""
    return "{\n" + "\n".join(_lines(value, 2)) + "\n}"


def _lines(value: Mapping[str, Json], indent: int) -> list[str]:
    lines: list[str] = []
    pad = " " * indent
    for name, item in value.items():
        if isinstance(item, Mapping):
            lines += [f"{pad}{name}: {{", *_lines(item, indent + 3), f"{pad}   }}"]
        elif isinstance(item, (list, tuple)):
            lines += [f"{pad}{name}: {_plain(entry)}" for entry in item]
        else:
            lines.append(f"{pad}{name}: {_plain(item)}")
    return lines


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
