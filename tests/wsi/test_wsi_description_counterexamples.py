"""Every requirement on descriptions fails on a description that breaks it."""

from dataclasses import dataclass

import pytest
import wsi_bindings  # noqa: F401 - declares assertions
import wsi_documents  # noqa: F401 - declares assertions
from wsi_assertion import DESCRIPTION
from wsi_description import Description

from wsdl import library

RPC, DOCUMENT = "WMProxy.wsdl", "LB.wsdl"
D1 = "WMProxy-gridsite-delegation-1.0.0.wsdl"
POSIX = "jsdl-posix.xsd-6.xsd"
IMPORT_1 = '<wsdl:import namespace="http://www.gridsite.org/namespaces/delegation-1"'
PURGE = '<wsdl:operation name="jobPurge">\n      <soap:operation soapAction=""/>'
PURGE_BODY = PURGE + '\n      <wsdl:input>\n        <soap:body use="literal" namespace="http://glite.org/wms/wmproxy"/>'
PURGE_FAULT = '<wsdl:fault name="AuthenticationFault">\n        <soap:fault name="AuthenticationFault" use="literal"/>'
LIST = '<xsd:complexType name="StringList">'
ITEM = '<xsd:element name="Item" type="xsd:string" minOccurs="0" maxOccurs="unbounded"/>'
ARRAY = (
    '<xsd:complexType name="Array" xmlns:e="http://schemas.xmlsoap.org/soap/encoding/"><xsd:complexContent>'
    '<xsd:restriction base="e:Array"/></xsd:complexContent></xsd:complexType>'
)
LB_VERSION = '<soap:operation soapAction="" style="document"/>\n      <input>\n        <soap:body use="literal"/>'
SECOND_PORT = (
    '<port name="Second" binding="lb:LoggingAndBookkeeping"><soap:address location="https://localhost:9003/"/></port>'
)
LB_MESSAGE = '<message name="GetVersionRequest">'
HEADER = PURGE_BODY + '<soap:header message="glitens:GenericFault" part="{part}" use="literal"{more}/>'


@dataclass(frozen=True)
class Change:
    """A text of a document, and what stands there instead."""

    old: str
    new: str
    document: str = RPC
    main: str = RPC

    def broken(self) -> Description:
        def read(name: str) -> bytes:
            data = library.read(name)
            if name == self.document:
                assert self.old.encode() in data, self.old
                return data.replace(self.old.encode(), self.new.encode(), 1)
            return data

        return Description.load(self.main, read)


BROKEN = {
    "R1034": Change("<wsdl:types>", '<wsdl:types xmlns:xml="http://www.w3.org/XML/1998/namespace">'),
    "R2001": Change(f'location="{D1}"', f'location="{POSIX}"'),
    "R2002": Change('location="WMProxy-gridsite-delegation-1.0.0.wsdl"', f'location="{POSIX}"'),
    "R2003": Change("<wsdl:types>", '<wsdl:types><xsd:import namespace="urn:x"/>'),
    "R2004": Change(f'<xsd:include schemaLocation="{POSIX}"/>', f'<xsd:include schemaLocation="{D1}"/>'),
    "R2005": Change(IMPORT_1, IMPORT_1.replace("delegation-1", "delegation-9")),
    "R2007": Change(f' location="{D1}"', ""),
    "R2010": Change('encoding="UTF-8"', 'encoding="ISO-8859-1"', POSIX),
    "R2011": Change('version="1.0"', 'version="1.1"', POSIX),
    "R2022": Change(f'{IMPORT_1} location="{D1}"/>', f'<wsdl:message name="m"/>{IMPORT_1} location="{D1}"/>'),
    "R2023": Change("<wsdl:types>", '<wsdl:message name="m"/><wsdl:types>'),
    "R2026": Change(PURGE, PURGE + '<x:y xmlns:x="urn:x" wsdl:required="true"/>'),
    "R2028": Change('<wsdl:message name="jobSubmitRequest">', "<wsdl:message>"),
    "R2029": Change('<soap:fault name="AuthenticationFault" use="literal"/>', '<soap:fault use="literal" kind="x"/>'),
    "R2101": Change("glitens:jobSubmitRequest", "xsd:jobSubmitRequest"),
    "R2102": Change('name="jobIdStruct" type="glitens', 'name="jobIdStruct" type="soap'),
    "R2105": Change('<xsd:schema targetNamespace="http://glite.org/wms/wmproxy"', "<xsd:schema"),
    "R2110": Change(LIST, ARRAY + LIST),
    "R2111": Change(ITEM, ITEM.replace("/>", ' wsdl:arrayType="xsd:string[]"/>')),
    "R2112": Change(ITEM, ITEM.replace("Item", "ArrayOfItem")),
    "R2201": Change(LB_VERSION, LB_VERSION.replace('use="', 'parts="a b" use="'), DOCUMENT, DOCUMENT),
    "R2203": Change('name="jdl" type="xsd:string"', 'name="jdl" element="glitens:GenericFault"'),
    "R2204": Change('element="lbe:GetVersion"', 'type="xsd:string"', DOCUMENT, DOCUMENT),
    "R2205": Change('element="glitenstypes:GenericFault"', 'type="xsd:string"'),
    "R2206": Change('element="glitenstypes:GenericFault"', 'element="glitenstypes:GenericFaultType"'),
    "R2209": Change(PURGE_BODY, PURGE_BODY.replace("<soap:body", '<soap:body parts=""')),
    "R2210": Change(LB_MESSAGE, LB_MESSAGE + '<part name="two" element="lbe:JobStatus"/>', DOCUMENT, DOCUMENT),
    "R2303": Change(
        '<wsdl:input message="glitens:jobSubmitRequest"/>\n      <wsdl:output message="glitens:jobSubmitResponse"/>',
        '<wsdl:output message="glitens:jobSubmitResponse"/>\n      <wsdl:input message="glitens:jobSubmitRequest"/>',
    ),
    "R2304": Change('<wsdl:operation name="jobPurge"', '<wsdl:operation name="jobCancel"'),
    "R2305": Change('<wsdl:operation name="getTotalQuota">', '<wsdl:operation name="getTotalQuota" parameterOrder="">'),
    "R2306": Change('name="jdl" type="xsd:string"', 'name="jdl" type="xsd:string" element="glitens:GenericFault"'),
    "R2401": Change(PURGE, PURGE.partition("\n")[0]),
    "R2701": Change(' transport="http://schemas.xmlsoap.org/soap/http"', ""),
    "R2702": Change("http://schemas.xmlsoap.org/soap/http", "http://schemas.xmlsoap.org/soap/smtp"),
    "R2705": Change(PURGE, PURGE.replace('soapAction=""', 'soapAction="" style="document"')),
    "R2706": Change(PURGE_BODY, PURGE_BODY.replace("literal", "encoded")),
    "R2710": Change('element="lbe:GetVersion"', 'element="lbe:GetInterfaceVersion"', DOCUMENT, DOCUMENT),
    "R2711": Change("</port>", f"</port>{SECOND_PORT}", DOCUMENT, DOCUMENT),
    "R2716": Change(LB_VERSION, LB_VERSION.replace('use="', 'namespace="urn:x" use="'), DOCUMENT, DOCUMENT),
    "R2717": Change(PURGE_BODY, PURGE_BODY.replace(' namespace="http://glite.org/wms/wmproxy"', "")),
    "R2718": Change(PURGE, PURGE.replace("jobPurge", "jobForget")),
    "R2720": Change(PURGE_BODY, HEADER.format(part="fault cause", more="")),
    "R2721": Change(PURGE_FAULT, PURGE_FAULT.replace('soap:fault name="AuthenticationFault"', "soap:fault")),
    "R2723": Change(PURGE_FAULT, PURGE_FAULT.replace("literal", "encoded")),
    "R2726": Change(PURGE_FAULT, PURGE_FAULT.replace("use=", 'namespace="urn:x" use=')),
    "R2740": Change(PURGE_FAULT, PURGE_FAULT.partition("\n")[0]),
    "R2749": Change(PURGE_BODY, HEADER.format(part="fault", more=' parts="fault"')),
    "R2754": Change(PURGE_FAULT, PURGE_FAULT.replace('soap:fault name="A', 'soap:fault name="Another')),
    "R2801": Change('<xsd:restriction base="xsd:string">', '<xsd:restriction base="xsd:strong">'),
    "R2803": Change(IMPORT_1, IMPORT_1.replace("http://www.gridsite.org/namespaces/", "")),
    "R4003": Change('encoding="UTF-8"', 'encoding="ISO-8859-1"'),
    "R4004": Change('version="1.0"', 'version="1.1"'),
}


def test_there_is_one_for_every_requirement() -> None:
    assert set(BROKEN) == set(DESCRIPTION.by_number)


@pytest.mark.parametrize("number", sorted(BROKEN))
def test_the_counterexample_is_caught(number: str) -> None:
    change = BROKEN[number]
    check = DESCRIPTION.by_number[number].check
    assert not check(Description.load(change.main, library.read)), "without the change it is met"
    assert check(change.broken())


@pytest.mark.parametrize(
    ("old", "new", "number"),
    [
        ('<wsdl:part name="jdl"', '<wsdl:part name="j dl"', "R2028"),
        ('<wsdl:part name="jdl"', '<wsdl:part colour="x" name="jdl"', "R2028"),
        ('<wsdl:message name="jobSubmitRequest">', '<wsdl:message name="jobSubmitRequest">text', "R2028"),
        ('<wsdl:message name="jobSubmitRequest">', '<wsdl:message name="m"><wsdl:port name="p" binding="x"/>', "R2028"),
        ('<wsdl:input message="glitens:jobSubmitRequest"/>', "<wsdl:inputs/>", "R2028"),
        ("</wsdl:service>", "<wsdl:documentation/></wsdl:service>", "R2028"),
        ('<soap:address location="https', '<soap:address place="https', "R2029"),
        ('<soap:operation soapAction=""/>', '<soap:operation soapAction=""><x xmlns=""/></soap:operation>', "R2029"),
        ('<soap:operation soapAction=""/>', '<soap:operation soapAction="" style="any"/>', "R2029"),
        ('<soap:operation soapAction=""/>', '<soap:act soapAction=""/>', "R2029"),
    ],
)
def test_the_schemas_of_wsdl_and_its_soap_binding_are_kept_to(old: str, new: str, number: str) -> None:
    assert DESCRIPTION.by_number[number].check(Change(old, new).broken())


def test_the_two_repairs_of_the_original_are_what_the_profile_demands() -> None:
    """The original's schema imported its own namespace, and four operations lacked their soapbind:operation."""
    own = '<xsd:schema targetNamespace="http://glite.org/wms/wmproxy" elementFormDefault="unqualified" ' \
          'attributeFormDefault="unqualified">'
    imported = Change(own, own + '<xsd:import namespace="http://glite.org/wms/wmproxy"/>').broken()
    assert DESCRIPTION.by_number["R2801"].check(imported)
    assert DESCRIPTION.by_number["R2401"].check(BROKEN["R2401"].broken())
