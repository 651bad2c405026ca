"""``?wsdl``: the contract's documents as a running service gives them out.

Addresses come from the configuration, never from the request: a Host header is the caller's word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from lxml import etree

from grid.errors import ConfigurationError
from wsdl import library
from wsdl.contract import imported
from wsdl.names import WSDL, WSDL_SOAP, XSD

Answer = tuple[str, list[tuple[str, str]], bytes]

_IMPORTS: Final = (
    (f"{{{WSDL}}}import", "location"),
    (f"{{{XSD}}}include", "schemaLocation"),
    (f"{{{XSD}}}import", "schemaLocation"),
)


class Documents:
    """The documents of one service, made ready once.

    :param names: names of documents; the first is what ``?wsdl`` answers.  What they import is found.
    :param addresses: URL of each WSDL port by its name; a port that is not named has the first URL.
    :raises DocumentUnknown: when the package lacks one.
    :raises ConfigurationError: when there is no address.
    """

    def __init__(self, names: Sequence[str], addresses: Mapping[str, str]) -> None:
        if not names or not addresses:
            raise ConfigurationError("a service needs a contract document and the URL at which it answers")
        self.main = names[0]
        self.address = next(iter(addresses.values()))
        self._addresses = dict(addresses)
        self._ready: dict[str, bytes] = {}
        for name in names:
            self._prepare(name)

    def answer(self, environ: Mapping[str, Any]) -> Answer | None:
        """The answer to a GET or HEAD that asks for a document; None when it asks for something else."""
        query = str(environ.get("QUERY_STRING", ""))
        asked = [(key.lower(), value) for key, value in parse_qsl(query[:1000], keep_blank_values=True)]
        if len(asked) != 1 or asked[0][0] not in ("wsdl", "xsd"):
            return None
        name = asked[0][1] or self.main
        data = self._ready.get(name)
        if data is None:
            text = b"This service has no such document. Its contract is at " + self.address.encode() + b"?wsdl\n"
            return "404 Not Found", _headers("text/plain; charset=utf-8", text), text
        return "200 OK", _headers("text/xml; charset=utf-8", data), data

    def _prepare(self, name: str) -> None:
        if name in self._ready:
            return
        root = library.root(name)
        needed = imported(root)
        self._ready[name] = b""  # documents may import one another
        for node in root.iter(f"{{{WSDL}}}port"):
            for address in node.iterchildren(f"{{{WSDL_SOAP}}}address"):
                address.set("location", self._addresses.get(node.get("name", ""), self.address))
        for tag, attribute in _IMPORTS:
            for node in root.iter(tag):
                location = node.get(attribute)
                if location is not None:
                    kind = "xsd" if location.endswith(".xsd") else "wsdl"
                    node.set(attribute, f"{self.address}?{kind}={quote(location)}")
        self._ready[name] = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
        for other in needed:
            self._prepare(other)


def _headers(kind: str, body: bytes) -> list[tuple[str, str]]:
    return [("Content-Type", kind), ("Content-Length", str(len(body)))]
