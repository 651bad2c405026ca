"""The corrected schemas of WSDL 1.1 and of its SOAP binding, as a table: what may stand where, with which attributes.

Source: WSDL 1.1 appendix 4 as the Basic Profile corrects it (wsdl/2003-02-11.xsd, wsdl/soap/2003-02-11.xsd).  A
content model is a regular expression over the names of the children from the WSDL's own namespace; elements of other
namespaces are allowed where the schema has a wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from lxml import etree
from wsi_description import SOAPBIND, WSDL, elements, local, qname

NCNAME = re.compile(r"[^\W\d][\w.\-·]*")


class Rule(NamedTuple):
    """:ivar content: content model, ``"documentation? part*"``.
    :ivar required: attributes that must be there; with :attr:`optional` all that may be.
    :ivar parents: local names of the elements that it may stand in.
    """

    content: str
    required: frozenset[str]
    optional: frozenset[str]
    parents: frozenset[str]


def _rule(content: str, required: str, optional: str, parents: str) -> Rule:
    return Rule(content, *(frozenset(words.split()) for words in (required, optional, parents)))


_BOUND = "documentation? input? output? fault*|documentation? output input fault*"
WSDL_RULES: Mapping[str, Rule] = {
    "definitions": _rule(
        "documentation? (import|types|message|portType|binding|service)*", "", "name targetNamespace", ""
    ),
    "documentation": _rule("", "", "", "definitions import types message part portType operation input output fault"
                                       " binding service port"),
    "import": _rule("documentation?", "namespace location", "", "definitions"),
    "types": _rule("documentation?", "", "", "definitions"),
    "message": _rule("documentation? part*", "name", "", "definitions"),
    "part": _rule("documentation?", "name", "element type", "message"),
    "portType": _rule("documentation? operation*", "name", "", "definitions"),
    "operation": _rule(_BOUND, "name", "parameterOrder", "portType binding"),
    "input": _rule("documentation?", "", "name message", "operation"),
    "output": _rule("documentation?", "", "name message", "operation"),
    "fault": _rule("documentation?", "name", "message", "operation"),
    "binding": _rule("documentation? operation*", "name type", "", "definitions"),
    "service": _rule("documentation? port*", "name", "", "definitions"),
    "port": _rule("documentation?", "name binding", "", "service"),
}  # fmt: skip
SOAP_BINDING_RULES: Mapping[str, Rule] = {
    "binding": _rule("", "", "transport style", "binding"),
    "operation": _rule("", "", "soapAction style", "operation"),
    "body": _rule("", "", "parts use encodingStyle namespace", "input output"),
    "fault": _rule("", "name", "use encodingStyle namespace", "fault"),
    "header": _rule("headerfault*", "message part use", "encodingStyle namespace", "input output"),
    "headerfault": _rule("", "message part use", "encodingStyle namespace", "header"),
    "address": _rule("", "location", "", "port"),
}
_QNAMES = frozenset({"message", "type", "element", "binding"})
_NAMES = frozenset({"name", "part"})
_URIS = frozenset({"targetNamespace", "location", "transport", "namespace"})
_ENUMERATED = {"style": ("rpc", "document"), "use": ("literal", "encoded")}


def invalid(root: etree._Element, space: str, rules: Mapping[str, Rule]) -> Iterator[str]:
    """What the schema of ``space`` forbids in a WSDL document."""
    for node in root.iter(f"{{{space}}}*"):
        name = local(node.tag)
        rule = rules.get(name)
        if rule is None:
            yield f"there is no element {name} (line {node.sourceline})"
            continue
        where = f"{name} {node.get('name', '')} (line {node.sourceline})"
        yield from _attributes(node, rule, where)
        parent = node.getparent()
        if parent is not None and (parent.tag[1:].partition("}")[0], local(parent.tag)) not in _parents(space, rule):
            yield f"{where} stands in {local(parent.tag)}"
        yield from _content(node, space, rule, where)


def _parents(space: str, rule: Rule) -> set[tuple[str, str]]:
    found = {(WSDL, name) for name in rule.parents}
    if space == SOAPBIND:
        found |= {(SOAPBIND, name) for name in rule.parents}
    return found


def _attributes(node: etree._Element, rule: Rule, where: str) -> Iterator[str]:
    for name in sorted(rule.required - set(node.attrib)):
        yield f"{where} lacks the attribute {name}"
    for name, value in node.attrib.items():
        if name.startswith("{"):
            continue  # the wildcard for attributes of other namespaces
        if name not in rule.required | rule.optional:
            yield f"{where} has the attribute {name}"
        elif name in _QNAMES and qname(node, value) is None:
            yield f"{where}: {name} is {value!r}, whose prefix is not declared"
        elif name in _NAMES and not NCNAME.fullmatch(value):
            yield f"{where}: {name} is {value!r}, which is no name"
        elif name in _URIS and urlsplit(value).geturl() is None:
            yield f"{where}: {name} is no URI"
        elif name in _ENUMERATED and value not in _ENUMERATED[name]:
            yield f"{where}: {name} is {value!r}"


def _content(node: etree._Element, space: str, rule: Rule, where: str) -> Iterator[str]:
    name = local(node.tag)
    if space == WSDL and name == "documentation":
        return  # mixed content of any kind
    if (node.text or "").strip() or any((child.tail or "").strip() for child in node):
        yield f"{where} has text in it"
    own = [local(child.tag) for child in elements(node) if child.tag.startswith(f"{{{space}}}")]
    if not re.fullmatch(_spaced(rule.content), "".join(f"{child} " for child in own)):
        yield f"{where} holds {' '.join(own) or 'nothing'}, where {rule.content or 'nothing'} belongs"
    if space == SOAPBIND and len(own) != len(elements(node)):
        yield f"{where} holds elements of another namespace"


def _spaced(content: str) -> str:
    """The content model as a regular expression over names that each end with a blank."""
    return re.sub(r"[A-Za-z]+", lambda word: f"(?:{word[0]}~)", content).replace(" ", "").replace("~", " ")
