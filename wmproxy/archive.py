"""Reading a zipped input sandbox: a gzipped tar, member by member, into files of the service's own choosing.

Nothing of the archive reaches the file system but the bytes of regular files: names are looked up among the places
that the caller gives, modes, owners and times are passed over.  Hard links to earlier members, by which clients
share a file between nodes, become copies.  Everything else (links, devices, sparse files, names that lead anywhere
else, names that come twice) makes the whole archive refused.

What reading costs is bounded: headers of one member by :data:`HEADER_BYTES`, members by number, data by the rooms
of the places, so neither compression nor extended headers can make much of little.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from grid import filesystem
from grid.files import fsync_file
from web import digest, paths, upload
from web.errors import PathRefused
from wmproxy.errors import ArchiveRefused

HEADER_BYTES: Final = 64 << 10
"""Bytes of all headers of one member, long names and extended attributes included."""

MANY: Final = 16
"""Files for each of which an fsync is not waited for."""

_BLOCK: Final = 256 << 10
_MOST_PADDING: Final = 1 << 20
_UNREADABLE: Final = (
    tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError, RecursionError
)  # fmt: skip
_KINDS: Final = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


@dataclass
class Place:
    """A directory that members may go to.

    :ivar key: how it stands in the archive, ``SandboxDir/xx/https_3a…/input``.
    :ivar files: how many more files it takes; and ``room``: how many more bytes.
    :ivar taken: names that stand there already, and stay.
    :ivar replaceable: names that stand there already, with their bytes, and may be replaced.
    """

    key: str
    files: int
    room: int
    taken: set[str] = field(default_factory=set)
    replaceable: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """A file that was unpacked: where it is now, and where it belongs."""

    staged: Path
    place: str
    name: str
    size: int


class Unpacker:
    """Unpacks archives of one job into one directory; members of all of them must be distinct.

    :param staging: an empty directory; files get numbers as names.
    :param place_of: the place with a key, None when there is none; asked once for each.
    :param most: members that are looked at, directories among them.
    :param charge: called with the bytes of each file before it is written; its exceptions pass.
    """

    def __init__(
        self, staging: Path, place_of: Callable[[str], Place | None], most: int, charge: Callable[[int], None]
    ) -> None:
        self._staging = staging
        self._place_of = place_of
        self._places: dict[str, Place] = {}
        self._left = most
        self._charge = charge
        self.members: dict[str, Member] = {}
        self._unsynced: list[Path] = []

    def unpack(self, archive: Path) -> None:
        """Unpack one archive; its files are on disk when this returns, their names are not.

        :raises ArchiveRefused: 1225; what was unpacked of it so far stays in the staging directory.
        :raises OSError: when the file system refuses.
        """
        try:
            with gzip.open(archive, "rb") as data:
                source = _Source(data, archive.name)
                with tarfile.open(fileobj=source, mode="r:") as tar:  # type: ignore[call-overload]
                    while (info := _following(tar, source)) is not None:
                        self._take(info, source)
                source.end()
        except _UNREADABLE as error:
            raise ArchiveRefused(archive.name, f"it cannot be read: {error or type(error).__name__}") from error
        self._make_durable()

    def _make_durable(self) -> None:
        if len(self._unsynced) > MANY:
            filesystem.sync(self._staging)
        else:
            for path in self._unsynced:
                fsync_file(path)
        self._unsynced.clear()

    def _take(self, info: tarfile.TarInfo, source: _Source) -> None:
        self._left -= 1
        if self._left < 0:
            raise ArchiveRefused(source.archive, "it has too many members")
        if info.isdir():
            return  # the places are there, and no other directory is made
        if info.issparse() or not (info.isreg() or info.islnk()):
            raise ArchiveRefused(source.archive, f"{_shown(info.name)} is {_KINDS.get(info.type, 'no regular file')}")
        path, place, name = self._target(info.name, source)
        if info.islnk():
            linked = self.members.get(_plain(info.linkname))
            if linked is None:
                target = _shown(info.linkname)
                raise ArchiveRefused(
                    source.archive, f"{_shown(info.name)} is a link to {target}, which is no earlier member"
                )
            size: int = linked.size
        else:
            linked, size = None, info.size
        self._make_room(place, info.name, size, source)
        self._charge(size)
        staged = self._staging / str(len(self.members))
        if linked is None:
            _write(staged, source.blocks(size))
        else:
            _write(staged, _blocks(linked.staged))
        self._unsynced.append(staged)
        place.taken.add(name)
        self.members[path] = Member(staged, place.key, name, size)

    def _target(self, text: str, source: _Source) -> tuple[str, Place, str]:
        path = _plain(text)
        key, _, name = path.rpartition("/")
        place = self._places.get(key) or self._place_of(key)
        if place is None:
            raise ArchiveRefused(source.archive, f"{_shown(text)} leads out of the job's input directories")
        self._places[key] = place
        try:
            paths.check(name)
        except PathRefused as error:
            raise ArchiveRefused(source.archive, f"{_shown(text)}: {error.description}") from None
        if upload.is_partial(name):
            raise ArchiveRefused(source.archive, f"{_shown(text)} is a name of the server's own")
        if name in place.taken:
            raise ArchiveRefused(source.archive, f"{_shown(text)} is there already; each file may come once")
        return path, place, name

    @staticmethod
    def _make_room(place: Place, name: str, size: int, source: _Source) -> None:
        old = place.replaceable.pop(name.rpartition("/")[2], None)
        place.files -= 1 if old is None else 0
        place.room -= size - (old or 0)
        if place.files < 0:
            raise ArchiveRefused(source.archive, f"with {_shown(name)} the input sandbox has too many files")
        if size < 0 or place.room < 0:
            raise ArchiveRefused(
                source.archive,
                f"{_shown(name)} has {size} bytes, and the input sandbox takes {place.room + size} more",
            )


class _Source:
    """The data of a gzipped tar for :mod:`tarfile`: forward only, and with so many bytes for the headers of a member.

    :mod:`tarfile` reads nothing but headers here; what members hold is read by :meth:`blocks`.
    """

    def __init__(self, data: gzip.GzipFile, name: str) -> None:
        self.archive = name
        self._data = data
        self._at = 0
        self._headers = HEADER_BYTES
        self._last = b""

    def next_member(self) -> None:
        """From here on the headers of another member are read."""
        self._headers = HEADER_BYTES

    def end(self) -> None:
        """The archive was read to its end: make sure that it is one, and that the checksum is right.

        :raises tarfile.ReadError: otherwise; :mod:`tarfile` takes a damaged header for the end.
        """
        if any(self._last) or len(self._read(_MOST_PADDING)) == _MOST_PADDING:
            raise tarfile.ReadError("it is damaged, or goes on behind its end")

    def tell(self) -> int:
        """Where in the data the next byte is."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go on to ``offset``; only :func:`tarfile.next` does that, over what pads a member's data.

        :raises tarfile.ReadError: back, or far ahead.
        """
        ahead = offset - self._at
        if whence or ahead < 0 or ahead > 2 * tarfile.BLOCKSIZE:
            raise tarfile.ReadError("its headers contradict its data")
        self._read(ahead)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Bytes of a header.

        :raises tarfile.ReadError: when a member has too many of them.
        """
        if size < 0 or size > self._headers:
            raise tarfile.ReadError("a member has headers of more than 64 KiB")
        self._headers -= size
        self._last = self._read(size)
        return self._last

    def blocks(self, size: int) -> Iterator[bytes]:
        """The ``size`` bytes of the member at hand.

        :raises EOFError: when there are fewer.
        """
        while size:
            block = self._read(min(size, _BLOCK))
            if not block:
                raise EOFError("it ends within a member")
            size -= len(block)
            yield block

    def _read(self, size: int) -> bytes:
        data = self._data.read(size)
        self._at += len(data)
        return data


def _following(tar: tarfile.TarFile, source: _Source) -> tarfile.TarInfo | None:
    """The next member; :mod:`tarfile` is to keep none of those before."""
    source.next_member()
    info = tar.next()
    tar.members.clear()  # type: ignore[attr-defined]  # typeshed hides it
    return info


def _write(path: Path, blocks: Iterator[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        checksum = hashlib.sha256()
        for block in blocks:
            checksum.update(block)
            file.write(block)
        file.flush()
        digest.keep(file.fileno(), checksum.digest())


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _plain(path: str) -> str:
    """Without the ``./`` that tar puts before relative names."""
    return path.removeprefix("./")


def _shown(name: str) -> str:
    """A member's name for a sentence: bounded, printable."""
    return ascii(name[:200])
