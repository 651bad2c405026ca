"""Basic Profile 1.1 §3.1 to §3.3: envelopes, faults, and how they are processed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxml import etree
from wsi_assertion import EXCHANGE
from wsi_description import Description, elements, local, qname
from wsi_exchange import SOAP, XML_TYPES, E, Exchange, Message

ENCODING_STYLE = f"{E}encodingStyle"
CODES = ("VersionMismatch", "MustUnderstand", "Client", "Server")
NEXT = "http://schemas.xmlsoap.org/soap/actor/next"


def _each(x: Exchange, find: Callable[[Message, etree._Element], Iterator[str]]) -> list[str] | None:
    """What ``find`` sees in the envelopes under test."""
    envelopes = list(x.envelopes())
    if not envelopes:
        return None
    return [f"{side}: {sentence}" for side, message, root in envelopes for sentence in find(message, root)]


def _faults(x: Exchange, find: Callable[[etree._Element], Iterator[str]]) -> list[str] | None:
    faults = [message.fault for _, message in x.messages() if message.fault is not None]
    return [sentence for fault in faults for sentence in find(fault)] if faults else None


@EXCHANGE("R9980")
def envelopes_have_their_form(x: Exchange, _: Description) -> list[str] | None:
    """An envelope has the structure of SOAP 1.1 §4: an optional soap:Header first, then one soap:Body; blocks of the
    header are qualified."""

    def find(_: Message, root: etree._Element) -> Iterator[str]:
        names = [child.tag for child in elements(root)]
        if names[:1] == [f"{E}Header"]:
            yield from (f"the block {b.tag} is not qualified" for b in elements(root)[0] if not b.tag.startswith("{"))
            names = names[1:]
        if names[:1] != [f"{E}Body"]:
            yield f"the envelope holds {' '.join(map(str, names)) or 'nothing'}"
        yield from (f"the envelope has {name} once more" for name in names[1:] if name.startswith(E))

    return _each(x, find)


@EXCHANGE("R9981")
def bodies_have_one_child(x: Exchange, _: Description) -> list[str] | None:
    """The soap:Body has no child element or one."""

    def find(_: Message, root: etree._Element) -> Iterator[str]:
        for body in root.iterchildren(f"{E}Body"):
            if len(elements(body)) > 1:
                yield f"the body has {len(elements(body))} children"

    return _each(x, find)


@EXCHANGE("R1000")
def faults_have_known_children(x: Exchange, _: Description) -> list[str] | None:
    """The children of a soap:Fault are faultcode, faultstring, faultactor and detail, and no others."""
    return _faults(x, lambda fault: (
        f"a fault has the child {child.tag}" for child in elements(fault)
        if local(child.tag) not in ("faultcode", "faultstring", "faultactor", "detail")
    ))  # fmt: skip


@EXCHANGE("R1001")
def children_of_faults_are_unqualified(x: Exchange, _: Description) -> list[str] | None:
    """The children of a soap:Fault are in no namespace."""
    return _faults(x, lambda f: (f"{c.tag} is qualified" for c in elements(f) if c.tag.startswith("{")))


@EXCHANGE("R1004", "SHOULD")
def faultcodes_are_those_of_soap(x: Exchange, _: Description) -> list[str] | None:
    """A faultcode is one of the four of SOAP 1.1, or a qualified name whose namespace its author controls."""

    def find(fault: etree._Element) -> Iterator[str]:
        for code in fault.iterchildren("faultcode"):
            name = qname(code, code.text)
            if name is None or name not in {f"{E}{known}" for known in CODES}:
                yield f"the faultcode is {code.text}"

    return _faults(x, find)


@EXCHANGE("R1031", "SHOULD")
def faultcodes_have_no_dots(x: Exchange, _: Description) -> list[str] | None:
    """A faultcode is not refined by dots (Client.Authentication); detail and faultstring say more."""
    return _faults(x, lambda f: (f"{c.text}" for c in f.iterchildren("faultcode") if "." in (c.text or "")))


@EXCHANGE("R1005")
def no_encoding_style_in_the_envelope(x: Exchange, _: Description) -> list[str] | None:
    """No element of the envelope's own namespace has a soap:encodingStyle."""
    return _each(x, lambda _, root: (
        f"{node.tag} has one" for node in root.iter(f"{E}*") if node.get(ENCODING_STYLE) is not None
    ))  # fmt: skip


@EXCHANGE("R1006")
def no_encoding_style_on_the_entry(x: Exchange, _: Description) -> list[str] | None:
    """No child of soap:Body has a soap:encodingStyle."""
    return _each(x, lambda _, root: (
        f"{node.tag} has one" for body in root.iterchildren(f"{E}Body") for node in elements(body)
        if node.get(ENCODING_STYLE) is not None
    ))  # fmt: skip


@EXCHANGE("R1007")
def no_encoding_style_on_accessors(x: Exchange, d: Description) -> list[str] | None:
    """With an rpc-literal binding no grandchild of soap:Body has a soap:encodingStyle."""
    entry = x.request.entry
    operation = None if entry is None else d.called(entry.tag)
    if operation is None or operation.style != "rpc":
        return None
    return _each(x, lambda _, root: (
        f"{node.tag} has one" for body in root.iterchildren(f"{E}Body") for child in elements(body)
        for node in elements(child) if node.get(ENCODING_STYLE) is not None
    ))  # fmt: skip


@EXCHANGE("R1008")
def no_document_type(x: Exchange, _: Description) -> list[str] | None:
    """An envelope has no document type declaration."""
    return _each(x, lambda _, root: iter(["it has one"] if root.getroottree().docinfo.doctype else []))


@EXCHANGE("R1009")
def no_processing_instructions(x: Exchange, _: Description) -> list[str] | None:
    """An envelope has no processing instructions."""
    return _each(x, lambda _, root: (f"it has <?{pi.target}?>" for pi in root.iter(etree.ProcessingInstruction)))


@EXCHANGE("R1011")
def nothing_follows_the_body(x: Exchange, _: Description) -> list[str] | None:
    """No element follows soap:Body in the envelope."""
    return _each(x, lambda _, root: (
        f"{after.tag} follows" for body in root.iterchildren(f"{E}Body") for after in body.itersiblings()
        if isinstance(after.tag, str)
    ))  # fmt: skip


@EXCHANGE("R1012")
def envelopes_are_in_unicode(x: Exchange, _: Description) -> list[str] | None:
    """An envelope is encoded in UTF-8 or UTF-16."""

    def find(_: Message, root: etree._Element) -> Iterator[str]:
        encoding = (root.getroottree().docinfo.encoding or "UTF-8").upper()
        if encoding not in ("UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE"):
            yield f"it is in {encoding}"

    return _each(x, find)


@EXCHANGE("R1018")
def the_content_type_tells_the_encoding(x: Exchange, _: Description) -> list[str] | None:
    """The charset parameter of an envelope's Content-Type is there and tells the encoding that it has."""

    def find(message: Message, root: etree._Element) -> Iterator[str]:
        encoding = (root.getroottree().docinfo.encoding or "UTF-8").upper()
        if message.charset is None or message.charset.partition("LE")[0].partition("BE")[0] != encoding:
            yield f"the charset is {message.charset}, the envelope is in {encoding}"

    return _each(x, find)


@EXCHANGE("R1013")
def must_understand_is_0_or_1(x: Exchange, _: Description) -> list[str] | None:
    """A soap:mustUnderstand attribute is 0 or 1, not true or false."""
    return _each(x, lambda _, root: (
        f"{node.tag} has {value!r}" for node in root.iter("*")
        if (value := node.get(f"{E}mustUnderstand")) not in (None, "0", "1")
    ))  # fmt: skip


@EXCHANGE("R1014")
def entries_are_qualified(x: Exchange, _: Description) -> list[str] | None:
    """The children of soap:Body are in a namespace."""
    return _each(x, lambda _, root: (
        f"{node.tag} is not" for body in root.iterchildren(f"{E}Body") for node in elements(body)
        if not node.tag.startswith("{")
    ))  # fmt: skip


@EXCHANGE("R1032")
def the_envelope_has_no_soap_attributes(x: Exchange, _: Description) -> list[str] | None:
    """Envelope, Header and Body have no attributes of the envelope's namespace."""
    return _each(x, lambda _, root: (
        f"{node.tag} has {name}" for node in root.iter(f"{E}Envelope", f"{E}Header", f"{E}Body")
        for name in node.attrib if name.startswith(E)
    ))  # fmt: skip


@EXCHANGE("R1033", "SHOULD")
def the_xml_prefix_is_not_declared(x: Exchange, _: Description) -> list[str] | None:
    """An envelope does not declare the prefix xml."""
    return _each(x, lambda message, _: iter(["it does"] if b"xmlns:xml=" in message.body else []))


# ---------------------------------------------------------------- what a receiver does


@EXCHANGE("R1015")
def what_is_no_envelope_gets_a_fault(x: Exchange, _: Description) -> list[str] | None:
    """A document whose root is not soap:Envelope is answered with a fault."""
    root = x.request.root
    if root is None or root.tag == f"{E}Envelope" or not x.request.kind.endswith("xml"):
        return None
    return [] if x.response.fault is not None else [f"{root.tag} was answered with {x.response.start}"]


def _mandatory(message: Message) -> list[str]:
    header = None if message.envelope is None else message.envelope.find(f"{E}Header")
    return [] if header is None else [
        block.tag for block in elements(header)
        if block.get(f"{E}mustUnderstand") in ("1", "true") and block.get(f"{E}actor") in (None, "", NEXT)
    ]  # fmt: skip


@EXCHANGE("R1027")
def what_is_not_understood_gets_a_fault(x: Exchange, _: Description) -> list[str] | None:
    """An envelope with a mandatory header block that the receiver does not understand is answered with a
    MustUnderstand fault.  (The services here understand none.)"""
    blocks = _mandatory(x.request)
    if not blocks:
        return None
    return [] if x.response.faultcode == "MustUnderstand" else [f"{blocks[0]} was answered with {x.response.faultcode}"]


@EXCHANGE("R2724", "SHOULD")
def what_the_description_lacks_gets_a_client_fault(x: Exchange, d: Description) -> list[str] | None:
    """An envelope that is inconsistent with the description is answered with a fault whose code is Client, unless
    it has to be MustUnderstand or VersionMismatch."""
    entry = x.request.entry
    if entry is None or _mandatory(x.request) or x.response.status in range(400, 500):
        return None
    operation = d.called(entry.tag)
    if operation is not None:
        names = [local(child.tag) for child in elements(entry)]
        if operation.style != "rpc" or set(names) >= {part.name for part in operation.request}:
            return None
    return [] if x.response.faultcode == "Client" else [f"{entry.tag} was answered with {x.response.faultcode}"]


@EXCHANGE("R2725")
def fault_conditions_have_an_order(x: Exchange, _: Description) -> list[str] | None:
    """Of several reasons for a fault VersionMismatch is told before MustUnderstand, and this before Client."""
    root = x.request.root
    if root is None or local(root.tag) != "Envelope" or x.request.kind not in XML_TYPES:
        return None
    wanted = "MustUnderstand" if _mandatory(x.request) else None
    if root.tag != f"{{{SOAP}}}Envelope":
        wanted = "VersionMismatch"
    if wanted is None:
        early = x.response.faultcode in ("MustUnderstand", "VersionMismatch")
        return [f"there is no reason for {x.response.faultcode}"] if early else []
    return [] if x.response.faultcode == wanted else [f"{wanted} belongs where {x.response.faultcode} was answered"]
