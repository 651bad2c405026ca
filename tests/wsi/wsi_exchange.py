"""An exchange: one HTTP request and its response as they were on the wire, taken apart for the assertions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lxml import etree

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
E = f"{{{SOAP}}}"
XML_TYPES = ("text/xml", "application/xml", "application/soap+xml")


class Malformed(ValueError):
    """Bytes that are no HTTP message."""


@dataclass(frozen=True)
class Message:
    """An HTTP message.

    :ivar start: the request line or status line.
    :ivar body: without the framing of chunks.
    """

    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """Read one message; interim responses (``100 Continue``) before it are passed over.

        :raises Malformed: when it is none.
        """
        head, separator, body = data.partition(b"\r\n\r\n")
        if not separator:
            raise Malformed(f"no end of the head in {data[:60]!r}")
        start, *lines = head.decode("latin-1").split("\r\n")
        if start.startswith("HTTP/1.1 1"):
            return cls.parse(body)
        headers = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        message = cls(start, headers, body)
        if (message.header("Transfer-Encoding") or "").lower() == "chunked":
            body = b"".join(_chunks(body))
        return cls(start, headers, body)

    def header(self, name: str) -> str | None:
        """The value of the first field of this name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def kind(self) -> str:
        """The media type, without parameters."""
        return (self.header("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        for parameter in (self.header("Content-Type") or "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip("\"'").upper()
        return None

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.start.split(" ", 2)[1])

    @cached_property
    def root(self) -> etree._Element | None:
        """The root element of the body; None when it is not well-formed XML."""
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        try:
            return etree.fromstring(self.body, parser)
        except (etree.XMLSyntaxError, ValueError):
            return None

    @property
    def envelope(self) -> etree._Element | None:
        """The SOAP 1.1 envelope, if the body is one."""
        return self.root if self.root is not None and self.root.tag == f"{E}Envelope" else None

    @property
    def entry(self) -> etree._Element | None:
        """The first child of soap:Body."""
        body = None if self.envelope is None else self.envelope.find(f"{E}Body")
        return None if body is None else next((c for c in body if isinstance(c.tag, str)), None)

    @property
    def fault(self) -> etree._Element | None:
        return self.entry if self.entry is not None and self.entry.tag == f"{E}Fault" else None

    @property
    def faultcode(self) -> str | None:
        """Local part of the faultcode."""
        return None if self.fault is None else self.fault.findtext("faultcode", "").strip().rpartition(":")[2]


def _chunks(data: bytes) -> Iterator[bytes]:
    while data:
        line, _, data = data.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        if not size:
            return
        yield data[:size]
        data = data[size + 2 :]


@dataclass(frozen=True)
class Exchange:
    """A request with its response.

    :ivar judged: whose messages are under test; a client may be wrong on purpose.
    """

    request: Message
    response: Message
    judged: frozenset[str] = field(default=frozenset({"request", "response"}))

    @classmethod
    def parse(cls, request: bytes, response: bytes, *judged: str) -> Exchange:
        return cls(Message.parse(request), Message.parse(response), frozenset(judged or ("request", "response")))

    def messages(self) -> Iterator[tuple[str, Message]]:
        """The messages under test."""
        for side, message in (("request", self.request), ("response", self.response)):
            if side in self.judged:
                yield side, message

    def envelopes(self) -> Iterator[tuple[str, Message, etree._Element]]:
        """The envelopes under test."""
        for side, message in self.messages():
            if message.envelope is not None:
                yield side, message, message.envelope


def recorded(folder: Path, *judged: str) -> list[Exchange]:
    """The exchanges that ``wms record`` wrote into a folder, in their order."""
    found = []
    for line in (folder / "index.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry.get("request") and entry.get("response"):
            request, response = ((folder / entry[side]).read_bytes() for side in ("request", "response"))
            found.append(Exchange.parse(request, response, *judged))
    return found
