"""Printing a result: as text, as JSON, as lines, to the screen or to the file of ``--output``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from clients.jsontext import Json, compact, pretty

if TYPE_CHECKING:
    from clients.session import Session


def machine_readable(session: Session) -> bool:
    """True when ``--json`` was given."""
    return session.line.has("json")


def print_json(session: Session, value: Mapping[str, Json]) -> None:
    """One line of JSON, or the original's ``name: value`` lines with ``--pretty-print``."""
    session.messages.result(pretty(value) if session.line.has("pretty-print") else compact(value))
