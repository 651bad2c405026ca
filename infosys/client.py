"""Reading an LDAP server, with a deadline for the whole answer and a bound on its size."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from grid.errors import ConfigurationError
from infosys.entry import Entry
from infosys.errors import SourceFailure, SourceTimedOut
from infosys.filters import Filter
from infosys.messages import SUBTREE
from infosys.schema import Schema, learn
from infosys.stream import Question, entries

log = logging.getLogger("wms.infosys")

DEFAULT_PORT: Final = 2170
MAX_ANSWER: Final = 512 << 20
"""Bytes of one answer; a grid of 5 000 computing elements needs about 50 MiB."""
MAX_ENTRIES: Final = 1_000_000
ALL: Final = ("*",)


class _Bounded:
    """A socket that gives up at a deadline and after so many bytes, however slowly they come.

    ldap3's own time-outs begin anew with every packet, so a source that sends one byte a second would hold a
    reader for days.
    """

    def __init__(self, plain: socket.socket, url: str, deadline: float, seconds: float, max_bytes: int) -> None:
        self._plain = plain
        self._url = url
        self._deadline = deadline
        self._seconds = seconds
        self._left = max_bytes
        self.gave_up: SourceFailure | SourceTimedOut | None = None

    def recv(self, size: int) -> bytes:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            self.gave_up = SourceTimedOut(self._url, self._seconds)
            raise TimeoutError("the deadline of the whole answer has passed")
        self._plain.settimeout(remaining)
        try:
            data = self._plain.recv(size)
        except TimeoutError:
            self.gave_up = SourceTimedOut(self._url, self._seconds)
            raise
        self._left -= len(data)
        if self._left < 0:
            self.gave_up = SourceFailure(self._url, "its answer is larger than this reader accepts")
            raise OSError("too many bytes")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


class LdapSource:
    """An LDAP server that publishes a tree below ``base``.

    :param url: ``ldap://host[:port][/base]``, port 2170 when none is given.
    :param base: overrides the base of the URL; without any it is ``o=grid``.
    :param timeout: seconds for connection and whole answer together.
    """

    def __init__(
        self, url: str, base: str | None = None, timeout: float = 30.0, *, max_bytes: int = MAX_ANSWER
    ) -> None:
        wrong = f"{url!r} is not an information source of the form ldap://host:port/base"
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError:  # "Invalid IPv6 URL", a port that is no number
            raise ConfigurationError(wrong) from None
        if parts.scheme != "ldap" or not parts.hostname:
            raise ConfigurationError(wrong)
        self.url = url
        self.host = parts.hostname
        self.port = port or DEFAULT_PORT
        self.base = base or urllib.parse.unquote(parts.path.lstrip("/")) or "o=grid"
        self.timeout = timeout
        self.max_bytes = max_bytes

    def fetch(
        self,
        filter: str = "(objectClass=*)",
        attributes: Iterable[str] = ALL,
        *,
        base: str | None = None,
        scope: str = "SUBTREE",
    ) -> list[Entry]:
        """All entries below the base that the filter selects.

        :param filter: its RFC 4515 text; values from outside go through :func:`infosys.filters.escape`.
        :param attributes: names wanted; ``*`` for all.
        :param scope: ``BASE``, ``LEVEL`` or ``SUBTREE``.
        :raises SourceFailure: when the server cannot be reached, answers with an error or with what is no LDAP.
        :raises SourceTimedOut: when the answer is not complete within the timeout.
        """
        with self._connected() as connection:
            connection.search(
                base if base is not None else self.base, filter, search_scope=scope, attributes=list(attributes)
            )
            outcome = connection.result
            if outcome["result"] != 0:
                raise SourceFailure(self.url, f"{outcome['description']} {outcome.get('message') or ''}".strip())
            return list(self._entries(connection.response or ()))

    def stream(
        self,
        wanted: Filter,
        attributes: Sequence[str] = ALL,
        *,
        base: str | None = None,
        scope: int = SUBTREE,
        keep: Callable[[bytes], object] | None = None,
    ) -> Iterator[Entry]:
        """The entries below the base that the filter selects, one after the other as they come.

        For answers of many thousands (:mod:`infosys.stream`); nothing is kept of what was given.

        :param scope: of :mod:`infosys.messages`.
        :param keep: is given the bytes of the answer.
        :raises SourceFailure: as :meth:`fetch`; also in the midst, then what was given is not the whole answer.
        :raises SourceTimedOut: likewise.
        """
        where = self.base if base is None else base
        limits = (self.timeout, self.max_bytes, MAX_ENTRIES)
        return entries(Question(self.url, self.host, self.port, where, wanted, attributes, *limits, scope), keep)

    def schema(self) -> Schema:
        """The attribute types that the server publishes under ``cn=Subschema``.

        :raises SourceFailure: when it publishes none, or cannot be read.
        :raises SourceTimedOut: as :meth:`fetch`.
        """
        found = self.fetch("(objectClass=subschema)", ("attributeTypes",), base="cn=Subschema", scope="BASE")
        definitions = found[0].values("attributeTypes") if found else ()
        if not definitions:
            raise SourceFailure(self.url, "it publishes no attribute types under cn=Subschema")
        return learn(definitions)

    def _entries(self, response: Iterable[dict[str, Any]]) -> Iterator[Entry]:
        for count, item in enumerate(response, 1):
            if count > MAX_ENTRIES:
                raise SourceFailure(self.url, f"it has more than {MAX_ENTRIES} entries")
            if item.get("type") != "searchResEntry":
                continue  # a referral: other servers are asked only when they are configured
            yield Entry(
                item["dn"],
                {
                    name: tuple(value.decode("utf-8", "replace") for value in values)
                    for name, values in item["raw_attributes"].items()
                    if values
                },
            )

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        """An ldap3 connection that ends at the deadline; its errors become ours."""
        import ldap3  # half a second to import: only who reads pays
        from ldap3.core.exceptions import LDAPExceptionError

        deadline = time.monotonic() + self.timeout
        server = ldap3.Server(
            self.host, port=self.port, get_info=ldap3.NONE, connect_timeout=max(1, round(self.timeout))
        )
        connection = ldap3.Connection(
            server, client_strategy=ldap3.SYNC, check_names=False, auto_referrals=False, raise_exceptions=False
        )
        bounded: _Bounded | None = None
        try:
            connection.open(read_server_info=False)
            bounded = _Bounded(connection.socket, self.url, deadline, self.timeout, self.max_bytes)
            connection.socket = bounded
            yield connection
        except (LDAPExceptionError, OSError) as error:
            raise (bounded and bounded.gave_up) or SourceFailure(self.url, _reason(error)) from error
        except (ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
            # what ldap3's decoder raises on bytes that are no LDAP
            raise SourceFailure(self.url, "its answer is not LDAP") from error
        finally:
            if connection.socket is not None:
                _hang_up(connection)


def _hang_up(connection: Any) -> None:
    plain = connection.socket
    try:
        connection.unbind()
    except Exception as error:  # noqa: BLE001 - whatever ldap3 makes of a dead peer, the socket is closed below
        log.debug("unbind failed: %s", error)
    plain.close()


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
