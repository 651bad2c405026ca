"""Basic Profile 1.1 §4.4 and §4.7 as envelopes show them: what stands in a body follows the description."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from lxml import etree
from wsi_assertion import EXCHANGE
from wsi_description import BoundOperation, Description, Part, elements, local
from wsi_exchange import Exchange

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
ARRAY_TYPE = "{http://schemas.xmlsoap.org/soap/encoding/}arrayType"


@lru_cache(maxsize=256)
def _compiled(d: Description, parts: tuple[Part, ...]) -> etree.XMLSchema:
    return d.compiled(parts)


def _described(
    x: Exchange, d: Description, style: str
) -> Iterator[tuple[str, BoundOperation, etree._Element, tuple[Part, ...]]]:
    """The bodies under test of operations of a style: which side, the child of soap:Body, the parts that it has."""
    called = None if x.request.entry is None else d.called(x.request.entry.tag)
    if called is None or called.style != style:
        return
    for side, message in x.messages():
        if message.entry is not None and message.fault is None:
            yield side, called, message.entry, called.request if side == "request" else called.response


@EXCHANGE("R2113")
def no_array_types(x: Exchange, _: Description) -> list[str] | None:
    """No element of an envelope has soapenc:arrayType."""
    envelopes = list(x.envelopes())
    return [f"{s}: {n.tag}" for s, _, root in envelopes for n in root.iter("*") if n.get(ARRAY_TYPE) is not None] or (
        [] if envelopes else None
    )


@EXCHANGE("R2211")
def accessors_are_not_nil(x: Exchange, d: Description) -> list[str] | None:
    """With rpc-literal no part accessor is nil."""
    bodies = list(_described(x, d, "rpc"))
    return [
        f"{side}: {child.tag} is nil"
        for side, _, entry, _ in bodies
        for child in elements(entry)
        if child.get(f"{XSI}nil") in ("1", "true")
    ] or ([] if bodies else None)


@EXCHANGE("R2212")
def every_part_has_one_accessor(x: Exchange, d: Description) -> list[str] | None:
    """With rpc-literal the wrapper holds one accessor for each part that the binding binds, and no others."""
    bodies = list(_described(x, d, "rpc"))
    return [
        f"{side} of {operation.name} has {[local(c.tag) for c in elements(entry)]}, not {[p.name for p in parts]}"
        for side, operation, entry, parts in bodies
        if sorted(local(child.tag) for child in elements(entry)) != sorted(part.name for part in parts)
    ] or ([] if bodies else None)


@EXCHANGE("R2301")
def accessors_are_in_order(x: Exchange, d: Description) -> list[str] | None:
    """The accessors stand in the order of the parts in the message (parameterOrder has no say in it)."""
    bodies = list(_described(x, d, "rpc"))
    found = []
    for side, operation, entry, parts in bodies:
        names = [local(child.tag) for child in elements(entry)]
        order = [part.name for part in parts if part.name in names]
        if [name for name in names if name in order] != order:
            found.append(f"{side} of {operation.name} has the order {names}")
    return found if bodies else None


@EXCHANGE("R2729")
def the_wrapper_of_an_answer_is_called_response(x: Exchange, d: Description) -> list[str] | None:
    """With rpc-literal the wrapper of an answer has the operation's name with Response behind it, in the namespace
    that the soapbind:body names."""
    bodies = [(o, entry) for side, o, entry, _ in _described(x, d, "rpc") if side == "response"]
    return [
        f"{operation.name} is answered by {entry.tag}"
        for operation, entry in bodies
        if entry.tag != f"{{{operation.namespace}}}{operation.name}Response"
    ] or ([] if bodies else None)


@EXCHANGE("R2735")
def accessors_are_unqualified(x: Exchange, d: Description) -> list[str] | None:
    """With rpc-literal the accessors of parts are in no namespace."""
    bodies = list(_described(x, d, "rpc"))
    return [
        f"{side}: {child.tag} is qualified"
        for side, _, entry, _ in bodies
        for child in elements(entry)
        if child.tag.startswith("{")
    ] or ([] if bodies else None)


@EXCHANGE("R2737")
def what_is_in_accessors_follows_the_types(x: Exchange, d: Description) -> list[str] | None:
    """With rpc-literal what is in an accessor is in the namespaces that the schema of its type says,
    and valid by it."""
    bodies = list(_described(x, d, "rpc"))
    found = []
    for side, operation, entry, parts in bodies:
        known = {part.name: part for part in parts}
        schema = _compiled(d, parts)
        for child in elements(entry):
            if local(child.tag) not in known:
                continue
            alone = etree.fromstring(etree.tostring(child, with_tail=False))
            alone.tag = local(alone.tag)
            if not schema.validate(alone):
                found.append(f"{side} of {operation.name}: {schema.error_log.last_error}")
    return found if bodies else None


@EXCHANGE("R2712")
def documents_are_the_described_elements(x: Exchange, d: Description) -> list[str] | None:
    """With document-literal the child of soap:Body is the element of the part, and valid by the schema."""
    bodies = list(_described(x, d, "document"))
    found = []
    for side, operation, entry, parts in bodies:
        if entry.tag not in [part.refers for part in parts]:
            found.append(f"{side} of {operation.name} is {entry.tag}")
            continue
        schema = _compiled(d, ())
        if not schema.validate(etree.fromstring(etree.tostring(entry, with_tail=False))):
            found.append(f"{side} of {operation.name}: {schema.error_log.last_error}")
    return found if bodies else None


@EXCHANGE("WSDL 1.1 §3.6")
def details_are_declared_faults(x: Exchange, d: Description) -> list[str] | None:
    """The detail of a fault that an operation raised begins with the element of one of the faults that the operation
    declares, valid by the schema.  (R2742 allows other details; clients of generated code cannot read them.)"""
    entry, fault = x.request.entry, x.response.fault
    operation = None if entry is None else d.called(entry.tag)
    detail = None if fault is None else fault.find("detail")
    if operation is None or detail is None or not elements(detail):
        return None
    first = elements(detail)[0]
    if first.tag not in operation.faults:
        return [f"{operation.name} does not declare {first.tag}"]
    schema = _compiled(d, ())
    if not schema.validate(etree.fromstring(etree.tostring(first, with_tail=False))):
        return [f"{operation.name}: {schema.error_log.last_error}"]
    return []
