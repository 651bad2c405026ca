"""Drain: new work is refused, everything else goes on.

The sign is the file ``.drain`` in the document root, as in gLite; the operator's ``wms drain`` makes and removes it.
Its first line, if there is one, is told to the callers: where else to go.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from grid.files import write_private
from wmproxy.errors import Drained

FILE: Final = ".drain"
MAX_MESSAGE: Final = 500
"""Characters of the operator's message."""


class Drain:
    """The drain of one server; shared by its processes through the file.

    :param document_root: the directory above the sandboxes.
    """

    def __init__(self, document_root: Path) -> None:
        self._file = document_root / FILE

    @property
    def on(self) -> bool:
        """Whether new work is refused now."""
        return self._file.exists()

    @property
    def message(self) -> str:
        """What the operator tells the callers; empty when nothing, or when there is no drain."""
        try:
            with self._file.open("rb") as file:
                text = file.read(4 * MAX_MESSAGE).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        line = text.strip().partition("\n")[0][:MAX_MESSAGE]
        return "".join(character for character in line if character.isprintable())

    def begin(self, message: str = "") -> None:
        """Refuse new work from now on."""
        write_private(self._file, message.encode() + b"\n" if message else b"")

    def end(self) -> None:
        """Take new work again."""
        self._file.unlink(missing_ok=True)

    def check(self, operation: str) -> None:
        """Let a call that makes new work through.

        :raises Drained: while the drain is on.
        """
        if self.on:
            raise Drained(operation, self.message)
