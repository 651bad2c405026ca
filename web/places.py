"""What a service says about the files that it offers: where each is, who may touch it, and when."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gsi.identity import Identity


class TransferRefused(Exception):
    """A transfer is refused with an HTTP status and one sentence for the user.

    :ivar headers: further headers of the answer.
    """

    def __init__(self, status: int, sentence: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


class Room(Protocol):
    """Where the bytes of one upload are counted while they arrive; made for it and used by it alone."""

    def grow(self, directory: int, descriptor: int, name: str, size: int) -> None:
        """Have room for ``size`` bytes, and make the open file that long: whoever counts files sees it.

        :param directory: the open directory of the upload, in which ``name`` is what the file will be called.
        :raises TransferRefused: when there is not so much.
        """
        ...

    def naming(self, directory: int, name: str, size: int) -> AbstractContextManager[None]:
        """Inside, the upload of ``size`` bytes gets its name."""
        ...

    def give_back(self) -> None:
        """The upload has ended and, if it got no name, its file is gone.  Called once in any case."""
        ...


@dataclass(frozen=True, slots=True)
class Location:
    """Where a file of a transfer is.

    :ivar directory: belongs to the service; its last component is not followed when it is a link.
    :ivar name: one segment.
    :ivar max_bytes: of an upload; None: as many as the server takes.
    :ivar commit: makes the context in which an upload gets its name; it may hold a lock, and refuse with
        :class:`TransferRefused` because the moment has passed.
    :ivar hidden: names that begin with a dot may be uploaded.
    :ivar room: where the bytes of an upload are counted; None: nowhere.
    """

    directory: Path
    name: str
    max_bytes: int | None = None
    commit: Callable[[], AbstractContextManager[object]] | None = None
    hidden: bool = False
    room: Room | None = None


class TransferPolicy(Protocol):
    """The authorization point of file transfer; each service has its own."""

    def locate(self, identity: Identity, method: str, path: str) -> Location:
        """Find the place of a URL path, for a caller who may use it so.

        :param method: "GET", "HEAD" or "PUT".
        :param path: decoded, ``/``-separated, beginning with a slash; no segment is empty, ``.`` or ``..``.
        :raises TransferRefused: when there is no such place or the caller may not; 404 for both hides which.
        """
        ...


@contextlib.contextmanager
def directory_of(location: Location) -> Iterator[int]:
    """A descriptor of the directory, so that every later step is about that directory and no other."""
    descriptor = os.open(location.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
