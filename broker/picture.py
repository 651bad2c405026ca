"""The last good picture of an information source on disk: its answers, byte for byte as they came.

A picture is read by the same reader as the source itself, so it outlives changes of this program, and whoever changes
the file can do no more than a source can.  It is written beside the reading, compressed, under a temporary name, and
gets its own when it is whole and on disk.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import secrets
import time
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from grid.errors import InternalFailure
from grid.faultpoints import point
from grid.files import fsync_directory

FORMAT: Final = 1
MAX_PICTURE: Final = 128 << 20
"""Bytes of a picture on disk; 5 000 computing elements need about 6 MiB."""
MAX_HEADER: Final = 64 << 10
_NAME: Final = b"N"
_DATA: Final = b"D"
_FRAME: Final = 1 << 20


class PictureError(InternalFailure):
    """A picture is not there, or not what it should be.

    :ivar path: its file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"The stored picture {path.name} cannot be used: {reason}")


def picture_of(directory: Path, url: str, base: str, schema: str) -> Path:
    """The file that holds the picture of a source; settings that change what it answers make it another one."""
    name = hashlib.sha256(f"{url}\n{base}\n{schema}".encode()).hexdigest()[:16]
    return directory / f"{name}.ism"


def sweep(directory: Path, kept: set[Path]) -> None:
    """Remove what writers that were killed left, and pictures of sources that there are no more."""
    with contextlib.suppress(FileNotFoundError):
        for path in directory.iterdir():
            if path.name.endswith(".ism.tmp") or (path.suffix == ".ism" and path not in kept):
                path.unlink(missing_ok=True)


class PictureWriter:
    """Keeps the answers of one purchase; nothing stands under the picture's name before :meth:`commit`.

    :raises OSError: when the directory cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.parent / f".{path.stem}.{secrets.token_hex(6)}.ism.tmp"
        descriptor = os.open(
            self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        self._file = os.fdopen(descriptor, "wb")
        self._packed = gzip.GzipFile("", "wb", 1, self._file)
        self._packed.write(json.dumps({"format": FORMAT, "taken_at": time.time()}).encode() + b"\n")
        self.too_large = False

    def begin(self, name: str) -> None:
        """What follows is the answer to the question of that name."""
        self._frame(_NAME, name.encode())

    def keep(self, data: bytes) -> None:
        """Bytes of the answer."""
        for start in range(0, len(data), _FRAME):
            self._frame(_DATA, data[start : start + _FRAME])

    def _frame(self, kind: bytes, data: bytes) -> None:
        if self._file.tell() > MAX_PICTURE:
            self.too_large = True
        if not self.too_large:
            self._packed.write(kind + len(data).to_bytes(4, "big") + data)

    def commit(self) -> None:
        """Make it the picture, durably; one that is too large is none.

        :raises OSError: when the file system refuses; the picture of before stays.
        """
        self._packed.close()
        if self.too_large:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        point("broker.picture.written")
        os.rename(self._temporary, self._path)
        fsync_directory(self._path.parent)

    def __enter__(self) -> PictureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._packed.close()
        with contextlib.suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


class PictureReader:
    """Gives the answers again, in the order in which they came.

    :ivar taken_at: seconds since 1970 when the picture was begun.
    :raises PictureError: when there is none, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = gzip.GzipFile(path, "rb")
            header: Any = json.loads(self._file.readline(MAX_HEADER))
            if header["format"] != FORMAT:
                raise PictureError(path, f"its format is {header['format']!r:.20}")
            self.taken_at = float(header["taken_at"])
        except FileNotFoundError:
            raise PictureError(path, "there is none") from None
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            raise PictureError(path, f"{error}") from error
        self._next: tuple[bytes, bytes] | None = self._frame()

    def begin(self, name: str) -> bool:
        """Go to the answer of that name; False when it is not the next one."""
        if self._next != (_NAME, name.encode()):
            return False
        self._next = self._frame()
        return True

    def settimeout(self, _: float) -> None:
        """A file does not let its reader wait."""

    def recv(self, _: int) -> bytes:
        """The next bytes of the answer; empty at its end."""
        if self._next is None or self._next[0] != _DATA:
            return b""
        data = self._next[1]
        self._next = self._frame()
        return data

    def close(self) -> None:
        """Read no more."""
        self._file.close()

    def _frame(self) -> tuple[bytes, bytes] | None:
        try:
            head = self._file.read(5)
            if not head:
                return None
            size = int.from_bytes(head[1:], "big")
            if len(head) < 5 or size > _FRAME or head[:1] not in (_NAME, _DATA):
                raise PictureError(self._path, "it is damaged")
            return head[:1], self._file.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise PictureError(self._path, f"it is damaged: {error}") from error
