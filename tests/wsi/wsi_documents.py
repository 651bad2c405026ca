"""Basic Profile 1.1 §4.1 to §4.3: documents, imports, their structure, and the types in them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lxml import etree
from wsi_assertion import DESCRIPTION
from wsi_description import SOAPBIND, WSDL, XSD, Description, S, W, X, elements, local, qname, short
from wsi_schema import SOAP_BINDING_RULES, WSDL_RULES, invalid

SOAP_ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
_REFERENCES = {"element", "type", "message", "binding"}
_DECLARATION = re.compile(rb"""^(?:\xef\xbb\xbf)?<\?xml\s+version=["']([^"']*)["'](?:\s+encoding=["']([^"']*)["'])?""")


def _declaration(data: bytes) -> tuple[str, str]:
    """Version and encoding of a document as it declares them."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "1.0", "UTF-16"
    found = _DECLARATION.match(data)
    if found is None:
        return "1.0", "UTF-8"
    return found[1].decode(), (found[2] or b"UTF-8").decode().upper()


def _encodings(d: Description, root: str) -> list[str]:
    return [
        f"{name} is encoded in {_declaration(d.documents[name])[1]}"
        for name, tree in d.roots.items()
        if tree.tag == root and _declaration(d.documents[name])[1] not in ("UTF-8", "UTF-16")
    ]


def _versions(d: Description, root: str) -> list[str]:
    return [
        f"{name} is XML {_declaration(d.documents[name])[0]}"
        for name, tree in d.roots.items()
        if tree.tag == root and _declaration(d.documents[name])[0] != "1.0"
    ]


@DESCRIPTION("R2028")
def wsdl_elements_fit_their_schema(d: Description) -> list[str] | None:
    """Every element of the WSDL namespace stands where the corrected schema of WSDL 1.1 allows it, with the
    attributes that it demands and none that it does not know."""
    return [f"{name}: {found}" for name, root in d.wsdls for found in invalid(root, WSDL, WSDL_RULES)]


@DESCRIPTION("R2029")
def soap_binding_elements_fit_their_schema(d: Description) -> list[str] | None:
    """Every element of the SOAP binding's namespace has the attributes that its corrected schema demands, and no
    others, and no content."""
    return [f"{name}: {found}" for name, root in d.wsdls for found in invalid(root, SOAPBIND, SOAP_BINDING_RULES)]


@DESCRIPTION("R2001")
def wsdl_import_is_for_descriptions(d: Description) -> list[str] | None:
    """A wsdl:import brings in a WSDL description and nothing else."""
    imports = [(name, node) for name, root in d.wsdls for node in root.iterchildren(f"{W}import")]
    if not imports:
        return None
    return [
        f"{name} imports {node.get('location')}, whose root is {d.roots[short(node.get('location', ''))].tag}"
        for name, node in imports
        if node.get("location") and d.roots[short(node.get("location", ""))].tag != f"{W}definitions"
    ]


@DESCRIPTION("R2002")
def schemas_come_by_xsd_import(d: Description) -> list[str] | None:
    """Definitions of XML Schema are brought into a description by the schema's own import (or include), so nothing
    outside of xsd:schema points to a schema document."""
    return [
        f"{name} brings in a schema by {node.tag}"
        for name, root in d.wsdls
        for node in root.iter()
        if isinstance(node.tag, str) and not node.tag.startswith(X)
        and any(short(node.get(a, "")).endswith(".xsd") for a in ("location", "schemaLocation"))
    ]  # fmt: skip


@DESCRIPTION("R2003")
def xsd_import_stands_in_a_schema(d: Description) -> list[str] | None:
    """The import statement of XML Schema is used only inside an xsd:schema element of the types section."""
    imports = [(name, node) for name, root in d.wsdls for node in root.iter(f"{X}import")]
    return [
        f"{name} has an xsd:import below {node.getparent().tag}"
        for name, node in imports
        if node.getparent().tag != f"{X}schema" or node.getparent().getparent().tag != f"{W}types"
    ]


@DESCRIPTION("R2004")
def xsd_import_is_for_schemas(d: Description) -> list[str] | None:
    """A schema import never takes its definitions from a document whose root is not xsd:schema, such as a WSDL."""
    imports = [(name, node) for name, root in d.roots.items() for node in root.iter(f"{X}import", f"{X}include")]
    return [
        f"{name} imports {node.get('schemaLocation')} as a schema"
        for name, node in imports
        if node.get("schemaLocation") and d.roots[short(node.get("schemaLocation", ""))].tag != f"{X}schema"
    ]


@DESCRIPTION("R2005")
def imported_namespace_is_the_target(d: Description) -> list[str] | None:
    """The namespace that a wsdl:import names is the target namespace of the description that it imports."""
    imports = [(name, node) for name, root in d.wsdls for node in root.iterchildren(f"{W}import")]
    if not imports:
        return None
    return [
        f"{name} imports {node.get('location')} as {node.get('namespace')}"
        for name, node in imports
        if node.get("location")
        and d.roots[short(node.get("location", ""))].get("targetNamespace") != node.get("namespace")
    ]


@DESCRIPTION("R2007")
def wsdl_import_says_where(d: Description) -> list[str] | None:
    """A wsdl:import has a location, and it is not empty."""
    imports = [(name, node) for name, root in d.wsdls for node in root.iterchildren(f"{W}import")]
    if not imports:
        return None
    return [f"{name} imports {n.get('namespace')} from nowhere" for name, n in imports if not n.get("location")]


@DESCRIPTION("R2803")
def imported_namespace_is_absolute(d: Description) -> list[str] | None:
    """The namespace of a wsdl:import is no relative URI."""
    imports = [(name, node) for name, root in d.wsdls for node in root.iterchildren(f"{W}import")]
    if not imports:
        return None
    return [
        f"{name} imports the namespace {node.get('namespace')!r}"
        for name, node in imports
        if not urlsplit(node.get("namespace", "")).scheme
    ]


@DESCRIPTION("R2010")
def schemas_are_in_unicode(d: Description) -> list[str] | None:
    """A schema document that a description imports is encoded in UTF-8 or UTF-16."""
    return _encodings(d, f"{X}schema") if any(r.tag == f"{X}schema" for r in d.roots.values()) else None


@DESCRIPTION("R2011")
def schemas_are_xml_1_0(d: Description) -> list[str] | None:
    """A schema document that a description imports is XML 1.0."""
    return _versions(d, f"{X}schema") if any(r.tag == f"{X}schema" for r in d.roots.values()) else None


@DESCRIPTION("R4003")
def descriptions_are_in_unicode(d: Description) -> list[str] | None:
    """A description is encoded in UTF-8 or UTF-16."""
    return _encodings(d, f"{W}definitions")


@DESCRIPTION("R4004")
def descriptions_are_xml_1_0(d: Description) -> list[str] | None:
    """A description is XML 1.0."""
    return _versions(d, f"{W}definitions")


@DESCRIPTION("R1034", "SHOULD")
def the_xml_prefix_is_not_declared(d: Description) -> list[str] | None:
    """A description does not declare the prefix xml, which every document has."""
    return [f"{name} declares xmlns:xml" for name, data in d.documents.items() if re.search(rb"\sxmlns:xml\s*=", data)]


@DESCRIPTION("R2022")
def imports_come_first(d: Description) -> list[str] | None:
    """Among the children of wsdl:definitions from the WSDL's own namespace only documentation precedes an import."""
    return _order(d, ("documentation", "import"), "import")


@DESCRIPTION("R2023")
def types_come_second(d: Description) -> list[str] | None:
    """Among the children of wsdl:definitions from the WSDL's own namespace only documentation and imports precede
    the types."""
    return _order(d, ("documentation", "import", "types"), "types")


def _order(d: Description, before: tuple[str, ...], kind: str) -> list[str]:
    found = []
    for name, root in d.wsdls:
        seen = ""
        for child in elements(root):
            if child.tag == f"{W}{kind}" and seen:
                found.append(f"{name} has a {kind} after a {seen}")
            if child.tag.startswith(W) and local(child.tag) not in before:
                seen = local(child.tag)
    return found


@DESCRIPTION("R2026", "SHOULD")
def no_extension_is_required(d: Description) -> list[str] | None:
    """A conformant description makes no extension element obligatory (wsdl:required)."""
    return [
        f"{name} requires {node.tag}"
        for name, root in d.wsdls
        for node in root.iter()
        if node.get(f"{W}required") in ("true", "1")
    ]


@DESCRIPTION("R2101")
def references_to_components_are_known(d: Description) -> list[str] | None:
    """A QName that refers to a message, port type or binding is in a namespace that the document defines or
    imports, and the component exists."""
    found = []
    for name, root in d.wsdls:
        spaces = {root.get("targetNamespace"), *(n.get("namespace") for n in root.iterchildren(f"{W}import"))}
        kinds = [("input", "message", "message"), ("output", "message", "message"), ("fault", "message", "message"),
                 ("binding", "type", "portType"), ("port", "binding", "binding")]  # fmt: skip
        for tag, attribute, kind in kinds:
            known = d.named(kind)
            for node in root.iter(f"{W}{tag}"):
                wanted = node.get(attribute)
                if wanted is None:
                    continue
                meant = qname(node, wanted)
                if meant is None or meant[1:].partition("}")[0] not in spaces or meant not in known:
                    found.append(f"{name}: {tag} {node.get('name')} refers to {wanted}, which is not known")
    return found


@DESCRIPTION("R2102")
def references_to_types_are_known(d: Description) -> list[str] | None:
    """A QName that refers to a component of a schema is in the target namespace of one of the schemas at hand, or
    in one that the schema that refers imports, and the component exists."""
    found = []
    types, declared = d.declared("Type"), d.declared("element")
    groups = {**d.declared("group"), **d.declared("attributeGroup"), **d.declared("attribute")}

    def unknown(node: etree._Element, text: str, kind: str) -> bool:
        meant = qname(node, text)
        if meant is None:
            return True
        if meant.startswith((f"{{{XSD}}}", "{http://www.w3.org/XML/1998/namespace}")):
            return False
        return meant not in {"type": types, "base": types, "element": declared}.get(kind, {**declared, **groups})

    for name, root in d.wsdls:
        for part in root.iter(f"{W}part"):
            for kind in ("type", "element"):
                if part.get(kind) is not None and unknown(part, part.get(kind, ""), kind):
                    found.append(f"{name}: the part {part.get('name')} refers to {part.get(kind)}, which is not known")
    for name, schema in d.schemas:
        allowed = {*d.spaces_of(name, schema), XSD, "http://www.w3.org/XML/1998/namespace"}
        allowed |= {node.get("namespace") for node in schema.iterchildren(f"{X}import")}
        for node in schema.iter():
            for kind in ("type", "base", "ref"):
                text = node.get(kind) if isinstance(node.tag, str) else None
                if text is None:
                    continue
                meant = qname(node, text) or ""
                space = meant[1:].partition("}")[0] if meant.startswith("{") else None
                if unknown(node, text, kind) or space not in allowed:
                    found.append(f"{name}: {local(node.tag)} {node.get('name')} refers to {text}, which is not known")
    return found


@DESCRIPTION("R2105")
def schemas_have_a_target(d: Description) -> list[str] | None:
    """Every schema in the types section has a target namespace that is not empty, except one that holds nothing
    but imports and annotations."""
    return [
        f"{name} has a schema without a target namespace"
        for name, root in d.wsdls
        for schema in root.iterfind(f"{W}types/{X}schema")
        if not schema.get("targetNamespace")
        and any(child.tag not in (f"{X}import", f"{X}annotation") for child in elements(schema))
    ]


@DESCRIPTION("R2110")
def no_soap_arrays(d: Description) -> list[str] | None:
    """No type is derived from the array of SOAP's section 5 encoding."""
    return [
        f"{name}: {node.getparent().getparent().get('name')} is derived from soapenc:Array"
        for name, schema in d.schemas
        for node in schema.iter(f"{X}restriction", f"{X}extension")
        if qname(node, node.get("base")) == f"{{{SOAP_ENCODING}}}Array"
    ]


@DESCRIPTION("R2111")
def no_array_type(d: Description) -> list[str] | None:
    """No type declaration has the attribute wsdl:arrayType."""
    return [
        f"{name}: {node.tag} has wsdl:arrayType"
        for name, schema in d.schemas
        for node in schema.iter()
        if isinstance(node.tag, str) and node.get(f"{W}arrayType") is not None
    ]


@DESCRIPTION("R2112", "SHOULD")
def no_array_of(d: Description) -> list[str] | None:
    """No element is called ArrayOf something, a name that comes from section 5 encoding."""
    return [
        f"{name}: an element is called {node.get('name')}"
        for name, schema in d.schemas
        for node in schema.iter(f"{X}element")
        if node.get("name", "").startswith("ArrayOf")
    ]


@DESCRIPTION("R2801")
def types_are_xml_schema_1_0(d: Description) -> list[str] | None:
    """What a description defines by schemas is XML Schema 1.0: a processor of it takes all of them together."""
    if not d.schemas:
        return None
    try:
        d.compiled()
    except etree.XMLSchemaParseError as error:
        return [str(error)]
    return []


@DESCRIPTION("R2206")
def element_parts_are_global(d: Description) -> list[str] | None:
    """A part that is defined by an element refers to a global declaration of it."""
    declared = d.declared("element")
    parts = [(name, part) for name, root in d.wsdls for part in root.iter(f"{W}part") if part.get("element")]
    if not parts:
        return None
    return [
        f"{name}: the part {part.get('name')} refers to {part.get('element')}, which is no global element"
        for name, part in parts
        if qname(part, part.get("element")) not in declared
    ]


@DESCRIPTION("R2306")
def a_part_has_a_type_or_an_element(d: Description) -> list[str] | None:
    """No part has both a type and an element."""
    return [
        f"{name}: the part {part.get('name')} has both"
        for name, root in d.wsdls
        for part in root.iter(f"{W}part")
        if part.get("type") is not None and part.get("element") is not None
    ]


@DESCRIPTION("R2711", "SHOULD")
def ports_have_addresses_of_their_own(d: Description) -> list[str] | None:
    """No two ports have the same address.  (The three ports of WMProxy always had one, as had the original; what is
    called is told by the qualified name of the body's child, which differs.)"""
    seen: dict[str, str] = {}
    found = []
    for _, root in d.wsdls:
        for port in root.iter(f"{W}port"):
            for address in port.iterchildren(f"{S}address"):
                location = address.get("location", "")
                if location in seen:
                    found.append(f"{port.get('name')} is at {location}, where {seen[location]} is")
                seen.setdefault(location, port.get("name", ""))
    return found
