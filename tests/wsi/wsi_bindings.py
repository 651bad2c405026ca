"""Basic Profile 1.1 §4.4 to §4.7: messages, port types, bindings, and the SOAP binding."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from lxml import etree
from wsi_assertion import DESCRIPTION
from wsi_description import Description, S, W, elements, qname

HTTP_TRANSPORT = "http://schemas.xmlsoap.org/soap/http"


def _bindings(d: Description) -> Iterator[tuple[etree._Element, etree._Element | None]]:
    """Every binding with its port type."""
    port_types = d.named("portType")
    for binding in d.named("binding").values():
        yield binding, port_types.get(qname(binding, binding.get("type")) or "")


def _styles(binding: etree._Element) -> list[str]:
    """The style of each operation of a binding."""
    soap = binding.find(f"{S}binding")
    default = (soap.get("style") if soap is not None else None) or "document"
    return [
        (own.get("style") if (own := operation.find(f"{S}operation")) is not None else None) or default
        for operation in binding.iterchildren(f"{W}operation")
    ]


def _bodies(d: Description, style: str) -> Iterator[tuple[str, etree._Element, etree._Element | None]]:
    """Every soapbind:body of the bindings of a style: where, the body, and the message that it binds."""
    messages = d.named("message")
    for binding, port_type in _bindings(d):
        operations = list(binding.iterchildren(f"{W}operation"))
        abstract = {} if port_type is None else {o.get("name"): o for o in port_type.iterchildren(f"{W}operation")}
        for operation, own in zip(operations, _styles(binding), strict=True):
            if own != style:
                continue
            for side in ("input", "output"):
                bound = operation.find(f"{W}{side}")
                body = bound.find(f"{S}body") if bound is not None else None
                declared = abstract.get(operation.get("name"))
                node = declared.find(f"{W}{side}") if declared is not None else None
                message = messages.get(qname(node, node.get("message")) or "") if node is not None else None
                if body is not None:
                    yield f"{binding.get('name')}.{operation.get('name')} ({side})", body, message


def _bound_parts(body: etree._Element, message: etree._Element | None) -> list[etree._Element]:
    parts = [] if message is None else list(message.iterchildren(f"{W}part"))
    named = body.get("parts")
    return parts if named is None else [part for part in parts if part.get("name") in named.split()]


def _extensions(d: Description, *names: str) -> Iterator[tuple[str, etree._Element, list[str]]]:
    """Every soapbind element of these names, in which binding, and the styles of the binding."""
    for binding, _ in _bindings(d):
        for node in binding.iter(*(f"{S}{name}" for name in names)):
            yield str(binding.get("name")), node, _styles(binding)


@DESCRIPTION("R2201")
def document_bodies_name_one_part(d: Description) -> list[str] | None:
    """In a document-literal binding the attribute parts of a soapbind:body, if it is there, lists at most one."""
    bodies = list(_bodies(d, "document"))
    return [f"{w} lists {b.get('parts')}" for w, b, _ in bodies if len((b.get("parts") or "").split()) > 1] or (
        [] if bodies else None
    )


@DESCRIPTION("R2210")
def document_messages_have_one_part(d: Description) -> list[str] | None:
    """A document-literal binding whose soapbind:body names no parts binds a message of one part at most."""
    bodies = [(w, m) for w, b, m in _bodies(d, "document") if b.get("parts") is None]
    return [f"{w} binds {m.get('name')}" for w, m in bodies if m is not None and len(m.findall(f"{W}part")) > 1] or (
        [] if bodies else None
    )


@DESCRIPTION("R2203")
def rpc_parts_have_types(d: Description) -> list[str] | None:
    """What a soapbind:body of an rpc-literal binding binds are parts that are defined by a type."""
    bodies = list(_bodies(d, "rpc"))
    return [
        f"{where} binds {part.get('name')}, which has no type"
        for where, body, message in bodies
        for part in _bound_parts(body, message)
        if part.get("type") is None
    ] or ([] if bodies else None)


@DESCRIPTION("R2204")
def document_parts_have_elements(d: Description) -> list[str] | None:
    """What a soapbind:body of a document-literal binding binds are parts that are defined by an element."""
    bodies = list(_bodies(d, "document"))
    return [
        f"{where} binds {part.get('name')}, which has no element"
        for where, body, message in bodies
        for part in _bound_parts(body, message)
        if part.get("element") is None
    ] or ([] if bodies else None)


@DESCRIPTION("R2205")
def faults_and_headers_have_elements(d: Description) -> list[str] | None:
    """What soapbind:header, headerfault and fault bind are parts that are defined by an element."""
    messages, found, seen = d.named("message"), [], 0
    for binding, port_type in _bindings(d):
        abstract = {} if port_type is None else {o.get("name"): o for o in port_type.iterchildren(f"{W}operation")}
        for operation in binding.iterchildren(f"{W}operation"):
            declared = abstract.get(operation.get("name"))
            for node in () if declared is None else declared.iterchildren(f"{W}fault"):
                seen += 1
                message = messages.get(qname(node, node.get("message")) or "")
                for part in [] if message is None else message.iterchildren(f"{W}part"):
                    if part.get("element") is None:
                        found.append(f"the fault {node.get('name')} of {operation.get('name')} has no element")
        for node in binding.iter(f"{S}header", f"{S}headerfault"):
            seen += 1
            message = messages.get(qname(node, node.get("message")) or "")
            for part in [] if message is None else message.iterchildren(f"{W}part"):
                if part.get("name") == node.get("part") and part.get("element") is None:
                    found.append(f"a header of {binding.get('name')} has no element")
    return found if seen else None


@DESCRIPTION("R2209", "SHOULD")
def every_part_is_bound(d: Description) -> list[str] | None:
    """A binding binds every part of the messages of its port type to something: body, header or fault."""
    found = []
    for style in ("rpc", "document"):
        for where, body, message in _bodies(d, style):
            parts = [] if message is None else list(message.iterchildren(f"{W}part"))
            headers = {h.get("part") for h in body.getparent().iter(f"{S}header", f"{S}headerfault")}
            bound = {part.get("name") for part in _bound_parts(body, message)} | headers
            found += [f"{where} leaves {p.get('name')} out" for p in parts if p.get("name") not in bound]
    return found


@DESCRIPTION("R2303")
def no_notifications(d: Description) -> list[str] | None:
    """No operation of a port type begins with the server: neither solicit-response nor notification."""
    return [
        f"{operation.get('name')} of {port_type.get('name')} begins with its output"
        for port_type in d.named("portType").values()
        for operation in port_type.iterchildren(f"{W}operation")
        if [c.tag for c in elements(operation) if c.tag in (f"{W}input", f"{W}output")][:1] == [f"{W}output"]
    ]


@DESCRIPTION("R2304")
def operations_have_distinct_names(d: Description) -> list[str] | None:
    """No two operations of a port type have the same name."""
    found = []
    for port_type in d.named("portType").values():
        names = [operation.get("name") for operation in port_type.iterchildren(f"{W}operation")]
        twice = sorted({name for name in names if names.count(name) > 1})
        found += [f"{port_type.get('name')} has {name} twice" for name in twice]
    return found


@DESCRIPTION("R2305")
def parameter_order_omits_one_part(d: Description) -> list[str] | None:
    """The attribute parameterOrder of an operation, if it is there, names all parts of the answer but one at most,
    so that the one can be the return value of a function."""
    found, seen = [], 0
    for port_type in d.named("portType").values():
        for operation in port_type.iterchildren(f"{W}operation"):
            order, output = operation.get("parameterOrder"), operation.find(f"{W}output")
            if order is None or output is None:
                continue
            seen += 1
            parts = {part.name for part in d.parts(qname(output, output.get("message")))}
            if len(parts - set(order.split())) > 1:
                found.append(f"{operation.get('name')} leaves out {' '.join(sorted(parts - set(order.split())))}")
    return found if seen else None


@DESCRIPTION("R2401")
def bindings_are_soap_bindings(d: Description) -> list[str] | None:
    """Every binding uses the SOAP binding of WSDL 1.1 §3: it has a soapbind:binding, every operation in it has its
    soapbind:operation, and every message a soapbind:body."""
    found = []
    for binding, _ in _bindings(d):
        if len(binding.findall(f"{S}binding")) != 1:
            found.append(f"{binding.get('name')} has no soapbind:binding")
        for operation in binding.iterchildren(f"{W}operation"):
            where = f"{binding.get('name')}.{operation.get('name')}"
            if len(operation.findall(f"{S}operation")) != 1:
                found.append(f"{where} has no soapbind:operation")
            found += [
                f"{where} has an {side} without soapbind:body"
                for side in ("input", "output")
                if operation.find(f"{W}{side}") is not None and operation.find(f"{W}{side}/{S}body") is None
            ]
    return found


@DESCRIPTION("R2701")
def bindings_say_their_transport(d: Description) -> list[str] | None:
    """Every soapbind:binding has the attribute transport."""
    return [f"{w} names no transport" for w, node, _ in _extensions(d, "binding") if node.get("transport") is None]


@DESCRIPTION("R2702")
def the_transport_is_http(d: Description) -> list[str] | None:
    """The transport of every soapbind:binding is HTTP."""
    return [
        f"{where} uses {node.get('transport')}"
        for where, node, _ in _extensions(d, "binding")
        if node.get("transport") not in (HTTP_TRANSPORT, None)
    ]


@DESCRIPTION("R2705")
def a_binding_has_one_style(d: Description) -> list[str] | None:
    """All operations of a binding are rpc-literal or all are document-literal."""
    return [f"{b.get('name')} mixes {' and '.join(sorted(set(_styles(b))))}" for b, _ in _bindings(d)
            if len(set(_styles(b))) > 1]  # fmt: skip


@DESCRIPTION("R2706")
def the_use_is_literal(d: Description) -> list[str] | None:
    """Where body, fault, header and headerfault say their use, it is literal."""
    return [
        f"{where}: a {etree.QName(node).localname} is {node.get('use')}"
        for where, node, _ in _extensions(d, "body", "fault", "header", "headerfault")
        if node.get("use") not in ("literal", None)
    ]


@DESCRIPTION("R2710")
def signatures_differ(d: Description) -> list[str] | None:
    """The child of soap:Body differs for every two operations of a binding (with rpc the wrapper's qualified name,
    with document-literal the element), so that it alone tells what is called."""
    found = []
    for binding in {operation.binding for operation in d.operations}:
        seen: dict[object, str] = {}
        for operation in (o for o in d.operations if o.binding == binding):
            rpc = operation.style == "rpc"
            signature = (operation.namespace, operation.name) if rpc else tuple(p.refers for p in operation.request)
            if signature in seen:
                found.append(f"{operation.name} of {binding} looks like {seen[signature]}")
            seen[signature] = operation.name
    return found


@DESCRIPTION("R2716")
def document_bindings_name_no_namespace(d: Description) -> list[str] | None:
    """In a document-literal binding body, header, headerfault and fault have no attribute namespace."""
    nodes = [(w, n) for w, n, styles in _extensions(d, "body", "header", "headerfault", "fault") if "rpc" not in styles]
    return [f"{w}: a {etree.QName(n).localname} has one" for w, n in nodes if n.get("namespace") is not None] or (
        [] if nodes else None
    )


@DESCRIPTION("R2717")
def rpc_bodies_name_their_namespace(d: Description) -> list[str] | None:
    """In an rpc-literal binding every soapbind:body has the attribute namespace, an absolute URI."""
    bodies = list(_bodies(d, "rpc"))
    found = [f"{w} has {b.get('namespace')!r}" for w, b, _ in bodies if not urlsplit(b.get("namespace") or "").scheme]
    return found if bodies else None


@DESCRIPTION("R2726")
def rpc_faults_name_no_namespace(d: Description) -> list[str] | None:
    """In an rpc-literal binding header, headerfault and fault have no attribute namespace."""
    nodes = [(w, n) for w, n, styles in _extensions(d, "header", "headerfault", "fault") if "rpc" in styles]
    return [f"{w}: a {etree.QName(n).localname} has one" for w, n in nodes if n.get("namespace") is not None] or (
        [] if nodes else None
    )


@DESCRIPTION("R2718")
def bindings_have_all_operations(d: Description) -> list[str] | None:
    """A binding has the operations of its port type, all and no others."""
    found = []
    for binding, port_type in _bindings(d):
        bound = {operation.get("name") for operation in binding.iterchildren(f"{W}operation")}
        declared = set() if port_type is None else {o.get("name") for o in port_type.iterchildren(f"{W}operation")}
        if port_type is None or bound != declared:
            found.append(f"{binding.get('name')} differs in {' '.join(sorted(map(str, bound ^ declared)))}")
    return found


@DESCRIPTION("R2720")
def headers_name_one_part(d: Description) -> list[str] | None:
    """A soapbind:header or headerfault names its part by the attribute part, a single name."""
    nodes = list(_extensions(d, "header", "headerfault"))
    return [f"{w}: part is {n.get('part')!r}" for w, n, _ in nodes if len((n.get("part") or "").split()) != 1]


@DESCRIPTION("R2749")
def headers_have_no_parts(d: Description) -> list[str] | None:
    """A soapbind:header or headerfault has no attribute called parts."""
    nodes = list(_extensions(d, "header", "headerfault"))
    return [f"{where}: parts is {node.get('parts')!r}" for where, node, _ in nodes if node.get("parts") is not None]


@DESCRIPTION("R2721")
def bound_faults_have_names(d: Description) -> list[str] | None:
    """Every soapbind:fault has the attribute name."""
    return [f"{where}: a fault has no name" for where, node, _ in _extensions(d, "fault") if node.get("name") is None]


@DESCRIPTION("R2754")
def bound_faults_have_the_same_name(d: Description) -> list[str] | None:
    """The name of a soapbind:fault is the name of the wsdl:fault that it stands in."""
    return [
        f"{where}: {node.get('name')} stands in {node.getparent().get('name')}"
        for where, node, _ in _extensions(d, "fault")
        if node.get("name") is not None and node.get("name") != node.getparent().get("name")
    ]


@DESCRIPTION("R2723")
def bound_faults_are_literal(d: Description) -> list[str] | None:
    """A soapbind:fault that says its use says literal."""
    return [
        f"{where}: the fault {node.get('name')} is {node.get('use')}"
        for where, node, _ in _extensions(d, "fault")
        if node.get("use") not in ("literal", None)
    ]


@DESCRIPTION("R2740", "SHOULD")
def known_faults_are_bound(d: Description) -> list[str] | None:
    """A binding has a soapbind:fault for every fault that the port type declares."""
    found = []
    for binding, port_type in _bindings(d):
        bound = {
            (operation.get("name"), fault.get("name"))
            for operation in binding.iterchildren(f"{W}operation")
            for fault in operation.iterchildren(f"{W}fault")
            if fault.find(f"{S}fault") is not None
        }
        for operation in [] if port_type is None else port_type.iterchildren(f"{W}operation"):
            names = [fault.get("name") for fault in operation.iterchildren(f"{W}fault")]
            found += [
                f"{binding.get('name')}.{operation.get('name')} does not bind {name}"
                for name in names
                if (operation.get("name"), name) not in bound
            ]
    return found
