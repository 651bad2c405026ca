"""Values in the encoding of SOAP 1.1 section 5, as far as strings and arrays of them go.

Toolkits write one and the same value in many ways: in its place or as an element of its own beside the wrapper that
``href`` and ``id`` tie to it (Axis 1, SOAP::Lite, older gSOAP), with or without ``xsi:type``, an array's items under
any name (§5.4.2: the names of accessors in an array have no meaning).  What is read here is what they all mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from lxml import etree

from wsdl.codec import ValueRefused, set_text
from wsdl.names import NIL, SOAP, SOAP_ENCODING, XSD, XSI, XSI_TYPE, local

ENCODING_STYLE: Final = f"{{{SOAP}}}encodingStyle"
MAX_ITEMS: Final = 10_000
"""Items of one array from outside."""
MAX_CHARACTERS: Final = 8 << 20
"""Characters of all its items: each of them may refer to one and the same text."""

_ARRAY_TYPE: Final = f"{{{SOAP_ENCODING}}}arrayType"
_ROOT: Final = f"{{{SOAP_ENCODING}}}root"
_HOPS: Final = 8
"""References that are followed from one place."""


class EncodedBody:
    """The children of a Body: one wrapper, and the independent elements that it refers to.

    :param entries: as :func:`wsdl.envelope.body_entries` gives them; not empty.
    :raises ValueRefused: when there is no entry.
    """

    def __init__(self, entries: Sequence[etree._Element]) -> None:
        if not entries:
            raise ValueRefused("Body", "it is empty")
        # §5.6: the root is the first that is not marked as none.
        self.wrapper: etree._Element = next((each for each in entries if each.get(_ROOT) != "0"), entries[0])
        self._by_id: dict[str, etree._Element] = {}
        for entry in entries:
            for element in entry.iter():
                name = element.get("id")
                if name:
                    self._by_id.setdefault(name, element)

    def part(self, name: str) -> str:
        """The string of the wrapper's child of this local name.

        :raises ValueRefused: when it is missing, nil, or no string.
        """
        for child in self.wrapper:
            if local(child.tag) == name:
                text = self._text(child, name)
                if text is None:
                    raise ValueRefused(name, "it is nil")
                return text
        raise ValueRefused(name, "it is missing")

    def strings(self) -> tuple[str, ...]:
        """The strings of the array that is the wrapper's first child; a nil or missing one is empty.

        The name of a result's accessor has no meaning either (SOAP 1.1 §7.1).

        :raises ValueRefused: when there is something else, or more than :data:`MAX_ITEMS` or
            :data:`MAX_CHARACTERS`.
        """
        if not len(self.wrapper):
            return ()
        array = self._target(self.wrapper[0], "the array")
        if len(array) > MAX_ITEMS:
            raise ValueRefused("the array", f"it has {len(array)} items, more than {MAX_ITEMS}")
        if not len(array) and (array.text or "").strip():
            raise ValueRefused("the array", "it is a text")
        texts: list[str] = []
        left = MAX_CHARACTERS
        for item in array:
            text = self._text(item, local(item.tag))
            if text is None:
                continue
            left -= len(text)
            if left < 0:
                raise ValueRefused("the array", f"its items have more than {MAX_CHARACTERS} characters")
            texts.append(text)
        return tuple(texts)

    def _text(self, element: etree._Element, name: str) -> str | None:
        target = self._target(element, name)
        if target.get(NIL) in ("true", "1"):
            return None
        if len(target):
            raise ValueRefused(name, f"it holds <{local(target[0].tag)[:60]}> where a text belongs")
        return target.text or ""

    def _target(self, element: etree._Element, name: str) -> etree._Element:
        for _ in range(_HOPS):
            reference = element.get("href")
            if reference is None:
                return element
            found = self._by_id.get(reference.removeprefix("#")) if reference.startswith("#") else None
            if found is None:
                raise ValueRefused(name, f"it refers to {reference[:60]!r}, which is not in the message")
            element = found
        raise ValueRefused(name, "its references go round in a circle")


def envelope(prefix: str, wrapper: str) -> tuple[etree._Element, etree._Element]:
    """An envelope and, in its Body, an empty wrapper of this Clark name; its namespaces are declared at the top."""
    space = etree.QName(wrapper).namespace
    names = {"SOAP-ENV": SOAP, "SOAP-ENC": SOAP_ENCODING, "xsi": XSI, "xsd": XSD, prefix: space}
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap=names)
    made = etree.SubElement(etree.SubElement(root, f"{{{SOAP}}}Body"), wrapper)
    made.set(ENCODING_STYLE, SOAP_ENCODING)
    return root, made


def put_string(parent: etree._Element, name: str, text: str) -> None:
    """Append ``<name xsi:type="xsd:string">``."""
    child = etree.SubElement(parent, name)
    child.set(XSI_TYPE, "xsd:string")
    set_text(child, text)


def put_strings(parent: etree._Element, name: str, texts: Iterable[str]) -> None:
    """Append an array of strings, whose items are called ``item``."""
    array = etree.SubElement(parent, name)
    array.set(XSI_TYPE, "SOAP-ENC:Array")
    for text in texts:
        put_string(array, "item", text)
    array.set(_ARRAY_TYPE, f"xsd:string[{len(array)}]")
