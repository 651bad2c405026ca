"""LB.wsdl and LBTypes.wsdl equal the interface of L&B, as a table written separately states it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from lb.eventtypes import EVENT_TYPES
from wsdl import library

TABLE = json.loads(Path(__file__).with_name("lb_contract.json").read_text())
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP = "{http://schemas.xmlsoap.org/wsdl/soap/}"
XSD = "{http://www.w3.org/2001/XMLSchema}"
OCCURS = {("1", "1"): "", ("1", "unbounded"): "+", ("0", "1"): "?", ("0", "unbounded"): "*"}


def members(group):
    for node in group:
        occurs = OCCURS[node.get("minOccurs", "1"), node.get("maxOccurs", "1")]
        nillable = " nillable" if node.get("nillable") == "true" else ""
        yield f"{node.get('name')}{occurs} {node.get('type')}{nillable}"


def content(node):
    enumeration = [item.get("value") for item in node.iterfind(f"{XSD}restriction/{XSD}enumeration")]
    if enumeration:
        return {"enumeration": enumeration}
    if node.get("type"):
        return {"type": node.get("type")}
    group = next(item for item in node.iter(f"{XSD}sequence", f"{XSD}choice"))
    return {etree.QName(group).localname: list(members(group))}


@pytest.fixture(scope="module")
def main():
    return library.root("LB.wsdl")


def test_every_type_has_its_members_in_order():
    schema = library.root("LBTypes.wsdl").find(f"{WSDL}types/{XSD}schema")
    assert schema.get("targetNamespace") == TABLE["namespaces"]["types"]
    found = {node.get("name"): content(node) for node in schema if isinstance(node.tag, str)}
    assert found == TABLE["types"]
    assert list(found) == list(TABLE["types"])


def test_every_message_element_has_its_children_in_order(main):
    schema = main.find(f"{WSDL}types/{XSD}schema")
    assert schema.get("targetNamespace") == TABLE["namespaces"]["elements"]
    assert schema.get("elementFormDefault") == "unqualified"
    assert {n.get("name"): content(n) for n in schema.iterfind(f"{XSD}element")} == TABLE["elements"]


def test_every_operation_has_its_messages_and_fault(main):
    assert main.get("targetNamespace") == TABLE["namespaces"]["wsdl"]
    messages = {
        node.get("name"): [f"{part.get('name')} {part.get('element')}" for part in node]
        for node in main.iterfind(f"{WSDL}message")
    }
    found = {}
    for operation in main.iterfind(f"{WSDL}portType/{WSDL}operation"):
        entry = {}
        for side in ("input", "output"):
            name = operation.find(WSDL + side).get("message").removeprefix("lb:")
            entry[side] = [name, *messages[name]]
        fault = operation.find(f"{WSDL}fault")
        entry["fault"] = [f"{fault.get('name')} {p}" for p in messages[fault.get("message").removeprefix("lb:")]]
        found[operation.get("name")] = entry
    assert found == TABLE["operations"]
    assert list(found) == list(TABLE["operations"])


def test_the_binding_is_document_literal_with_an_empty_action(main):
    binding = main.find(f"{WSDL}binding")
    assert binding.find(f"{SOAP}binding").get("style") == "document"
    assert {node.get("name") for node in binding.iterfind(f"{WSDL}operation")} == set(TABLE["operations"])
    for operation in binding.iterfind(f"{WSDL}operation"):
        assert operation.find(f"{SOAP}operation").get("soapAction") == ""
        assert {body.get("use") for body in operation.iter(f"{SOAP}body", f"{SOAP}fault")} == {"literal"}
    ports = [port.get("name") for port in main.iterfind(f"{WSDL}service/{WSDL}port")]
    assert ports == ["LoggingAndBookkeeping"]


def test_the_table_of_events_has_the_fields_of_the_interface():
    assert list(EVENT_TYPES) == [entry.split()[0] for entry in TABLE["types"]["event"]["choice"]]
    common = 10  # timestamp … srcInstance
    for kind in EVENT_TYPES.values():
        wanted = [entry.split()[0] for entry in TABLE["types"][f"event{kind.name}"]["sequence"][common:]]
        assert [f"{own.wire}{'?' if own.optional else ''}" for own in kind.fields] == [w.rstrip("+") for w in wanted]
        for own, entry in zip(kind.fields, TABLE["types"][f"event{kind.name}"]["sequence"][common:], strict=True):
            type_name = entry.split()[1].removeprefix("lbt:")
            if own.words:
                assert list(own.words) == TABLE["types"][type_name]["enumeration"]
