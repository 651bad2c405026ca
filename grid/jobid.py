"""Job identifiers: ``https://<L&B host>:<port>/<unique>``.

The unique part is a 16-byte MD5 digest in URL-safe base64 without padding (22 characters); the digest is a
name, not a protection, so it is taken from the system's random source.  Source: gLite jobid library.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

from grid.errors import InvalidArgument
from grid.limits import MAX_JOB_ID

DEFAULT_PORT: Final = 9000

_FORM = re.compile(
    r"https://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)"
    r"(?::(?P<port>[0-9]{1,5}))?/(?P<unique>[A-Za-z0-9_-]{1,128})(?:\?[\x21-\x7e]*)?"
)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9. -]")


class JobIdError(InvalidArgument):
    """A text is not a job identifier.

    :ivar text: what was given, cut to 200 characters.
    """

    def __init__(self, text: str) -> None:
        self.text = text[:200]
        super().__init__(
            f"{self.text!r} is not a job identifier; it has the form https://<host>:<port>/<unique>, "
            "for example https://lb.example.org:9000/9kA2bCdEfGhIjKlMnOpQrS"
        )


@dataclass(frozen=True, slots=True, order=True)
class JobId:
    """A job identifier.  ``str()`` always prints the port.

    :ivar host: bookkeeping server, lower case, IPv6 literals with their brackets.
    :ivar port: its query port (1–65535).
    :ivar unique: the part that names the job, case-sensitive.
    """

    host: str
    port: int
    unique: str

    @classmethod
    def parse(cls, text: str) -> JobId:
        """Read a job identifier; a trailing ``?info`` is tolerated and dropped.

        :raises JobIdError: when the text has another form.
        """
        found = _FORM.fullmatch(text.strip()) if len(text) <= MAX_JOB_ID else None
        port = int(found["port"] or DEFAULT_PORT) if found else 0
        if not found or not 0 < port < 65536:
            raise JobIdError(text)
        return cls(found["host"].lower(), port, found["unique"])

    @classmethod
    def new(cls, host: str, port: int = DEFAULT_PORT) -> JobId:
        """Make an identifier that nobody can guess, never beginning with ``-``."""
        while True:
            unique = _digest(secrets.token_bytes(32))
            if not unique.startswith("-"):
                return cls(host.lower(), port, unique)

    @classmethod
    def from_file_name(cls, name: str) -> JobId:
        """Invert :attr:`file_name`.

        :raises JobIdError: when the name is not the file-name form of an identifier.
        """
        text = re.sub(r"_([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), name)
        job = cls.parse(text)
        if job.file_name != name:
            raise JobIdError(name)
        return job

    def __str__(self) -> str:
        return f"https://{self.host}:{self.port}/{self.unique}"

    @property
    def file_name(self) -> str:
        """The identifier as a file name: every unsafe character becomes ``_`` and two hex digits."""
        return _UNSAFE.sub(lambda found: f"_{ord(found[0]):02x}", str(self))

    @property
    def reduced(self) -> str:
        """The first two characters of the unique part: the directory level above a job's directory."""
        return self.unique[:2]

    @property
    def store_port(self) -> int:
        """The port that takes events: one above the query port (L&B)."""
        return self.port + 1

    def child(self, seed: str, index: int) -> JobId:
        """The deterministic identifier of a node: digest of ``parentUnique,seed,index``, index from 0."""
        return JobId(self.host, self.port, _digest(f"{self.unique},{seed},{index}".encode()))


def _digest(data: bytes) -> str:
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
