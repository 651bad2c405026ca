"""The served contract equals, name by name and in order, a table that was written down separately from it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from wsdl import library
from wsdl.documents import Documents

TABLE = json.loads((Path(__file__).parent / "wmproxy_contract.json").read_text())
PREFIXES = {uri: prefix for prefix, uri in TABLE["prefixes"].items()}
DOCUMENTS = TABLE["documents"]
ADDRESS = "https://wms.example.org:7443/glite_wms_wmproxy_server"
W = "{http://schemas.xmlsoap.org/wsdl/}"
S = "{http://schemas.xmlsoap.org/wsdl/soap/}"
X = "{http://www.w3.org/2001/XMLSchema}"


def served(name: str) -> etree._Element:
    documents = Documents(["WMProxy.wsdl"], {"WMProxy_PortType": ADDRESS})
    found = documents.answer({"REQUEST_METHOD": "GET", "QUERY_STRING": f"wsdl={name}"})
    assert found is not None and found[0] == "200 OK"
    return etree.fromstring(found[2])


def short(node: etree._Element, text: str) -> str:
    """``prefix:name`` as the table spells it."""
    prefix, _, name = text.rpartition(":")
    return f"{PREFIXES[node.nsmap[prefix or None]]}:{name}"


def occurrence(node: etree._Element) -> dict[str, str]:
    return {key: node.get(key) for key in ("minOccurs", "maxOccurs", "nillable") if node.get(key) is not None}


def read_type(node: etree._Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for restriction in node.iterchildren(f"{X}restriction"):
        found["restriction"] = short(restriction, restriction.get("base"))
        values = [value.get("value") for value in restriction.iterchildren(f"{X}enumeration")]
        if values:
            found["enumeration"] = values
    extension = next(node.iter(f"{X}extension"), None)
    holder = node if extension is None else extension
    if extension is not None:
        found["extension"] = short(extension, extension.get("base"))
    for sequence in holder.iterchildren(f"{X}sequence"):
        found["sequence"] = [read_particle(particle) for particle in sequence]
    attributes = [
        {"name": a.get("name"), "type": short(a, a.get("type")), "use": a.get("use")}
        for a in holder.iterchildren(f"{X}attribute")
    ]
    if attributes:
        found["attributes"] = attributes
    for wildcard in holder.iterchildren(f"{X}anyAttribute"):
        found["anyAttribute"] = dict(wildcard.attrib)
    return found


def read_particle(node: etree._Element) -> dict[str, Any]:
    if node.tag == f"{X}any":
        return {"any": dict(node.attrib)}
    if node.get("ref"):
        return {"ref": short(node, node.get("ref")), **occurrence(node)}
    return {"name": node.get("name"), "type": short(node, node.get("type")), **occurrence(node)}


def read_schema(root: etree._Element) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: root.get(key) for key in ("targetNamespace", "elementFormDefault", "attributeFormDefault")
    }
    includes = [node.get("schemaLocation").rpartition("=")[2] for node in root.iterchildren(f"{X}include")]
    if includes:
        found["includes"] = includes
    assert not list(root.iterchildren(f"{X}import")), "no schema imports its own namespace"
    types = root.iterchildren(f"{X}simpleType", f"{X}complexType")
    found["types"] = {node.get("name"): read_type(node) for node in types}
    found["elements"] = {
        node.get("name"): {"type": short(node, node.get("type"))} if node.get("type") else read_type(node[0])
        for node in root.iterchildren(f"{X}element")
    }
    return found


def read_wsdl(root: etree._Element) -> dict[str, Any]:
    messages = {
        node.get("name"): [
            [part.get("name"), short(part, part.get("type") or part.get("element"))] for part in node
        ]
        for node in root.iterchildren(f"{W}message")
    }

    def message(node: etree._Element) -> str:
        prefix, _, name = node.get("message").partition(":")
        assert node.nsmap[prefix] == root.get("targetNamespace")
        return name

    def operation(node: etree._Element) -> dict[str, Any]:
        order = node.get("parameterOrder")
        sides = [message(node.find(f"{W}{side}")) for side in ("input", "output")]
        return {
            "name": node.get("name"),
            "parameterOrder": order.split() if order else None,
            "request": [sides[0], messages[sides[0]]],
            "response": [sides[1], messages[sides[1]]],
            "faults": [[f.get("name"), *messages[message(f)][0]] for f in node.iterchildren(f"{W}fault")],
        }

    return {
        "name": root.get("name"),
        "targetNamespace": root.get("targetNamespace"),
        "imports": [
            [node.get("namespace"), node.get("location").rpartition("=")[2]]
            for node in root.iterchildren(f"{W}import")
        ],
        "schemas": [read_schema(node) for node in root.find(f"{W}types")],
        "portTypes": {
            node.get("name"): [operation(child) for child in node.iterchildren(f"{W}operation")]
            for node in root.iterchildren(f"{W}portType")
        },
        "bindings": {node.get("name"): read_binding(node, root) for node in root.iterchildren(f"{W}binding")},
        "services": {
            node.get("name"): [[p.get("name"), short(p, p.get("binding"))] for p in node]
            for node in root.iterchildren(f"{W}service")
        },
    }


def read_binding(node: etree._Element, root: etree._Element) -> dict[str, Any]:
    """One description when all operations agree, as they must."""
    soap = node.find(f"{S}binding")
    operations = node.findall(f"{W}operation")
    port_type = next(p for p in root.iterchildren(f"{W}portType") if p.get("name") == node.get("type").split(":")[1])
    assert [o.get("name") for o in operations] == [o.get("name") for o in port_type.findall(f"{W}operation")]
    for bound, abstract in zip(operations, port_type.findall(f"{W}operation"), strict=True):
        faults = [fault.get("name") for fault in bound.findall(f"{W}fault")]
        assert faults == [fault.get("name") for fault in abstract.findall(f"{W}fault")]
        assert [f.find(f"{S}fault").get("name") for f in bound.findall(f"{W}fault")] == faults
        assert {f.find(f"{S}fault").get("use") for f in bound.findall(f"{W}fault")} == {"literal"}
    bodies = [body for o in operations for body in o.iter(f"{S}body")]
    assert len(bodies) == 2 * len(operations)
    actions = {o.find(f"{S}operation").get("soapAction") for o in operations}
    uses = {(body.get("use"), body.get("namespace")) for body in bodies}
    assert len(actions) == len(uses) == 1
    use, namespace = uses.pop()
    return {
        "portType": short(node, node.get("type")),
        "style": soap.get("style"),
        "transport": soap.get("transport"),
        "soapAction": actions.pop(),
        "use": use,
        "namespace": namespace,
    }


def ordered(value: Any) -> Any:
    """The same with the order of every mapping made part of the value."""
    if isinstance(value, dict):
        return [[key, ordered(item)] for key, item in value.items()]
    return [ordered(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name.endswith(".wsdl")])
def test_wsdl_equals_the_table_in_names_types_order_and_faults(name: str) -> None:
    found, table = read_wsdl(served(name)), DOCUMENTS[name]
    assert found == table
    for section in ("schemas", "portTypes", "bindings", "services"):
        assert ordered(found[section]) == ordered(table[section])


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if ".xsd" in name])
def test_jsdl_schema_equals_the_table(name: str) -> None:
    found = read_schema(served(name))
    assert found == DOCUMENTS[name]
    assert ordered(found["types"]) == ordered(DOCUMENTS[name]["types"])


def test_the_table_has_all_44_operations() -> None:
    counts = [len(ops) for name in DOCUMENTS for ops in DOCUMENTS[name].get("portTypes", {}).values()]
    assert sorted(counts) == [2, 9, 33]


def test_every_operation_is_documented() -> None:
    for name in DOCUMENTS:
        for node in library.root(name).iter(f"{W}portType"):
            for operation in node.iterchildren(f"{W}operation"):
                assert operation.findtext(f"{W}documentation", "").strip(), operation.get("name")


@pytest.mark.skipif(not shutil.which("wsdl2h") or not shutil.which("soapcpp2"), reason="gSOAP is not installed")
def test_gsoap_makes_a_client_from_the_contract(tmp_path: Path) -> None:
    for name in DOCUMENTS:
        (tmp_path / name).write_bytes(library.read(name))
    options = {"cwd": tmp_path, "check": True, "capture_output": True, "timeout": 60}
    subprocess.run([shutil.which("wsdl2h"), "-o", "wmp.h", "WMProxy.wsdl"], **options)
    imports = "/usr/share/gsoap/import"
    subprocess.run([shutil.which("soapcpp2"), "-j", "-x", "-C", f"-I{imports}", "wmp.h"], **options)
    made = (tmp_path / "soapWMProxyProxy.h").read_text()
    for operation in DOCUMENTS["WMProxy.wsdl"]["portTypes"]["WMProxy_PortType"]:
        assert f"{operation['name']}(" in made
