"""Values to XML and back: what goes in comes out."""

from __future__ import annotations

import datetime
import string
import sys
import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from wsdl import schema, texts
from wsdl.codec import Codec, ValueRefused, ValueUnfit
from wsdl.contract import Contract
from wsdl.names import WMPROXY
from wsdl.schema import SchemaError, SimpleType

CODEC = Codec(Contract.load("WMProxy.wsdl").schemas)
XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
MOMENTS = st.datetimes(datetime.datetime(1970, 1, 1), timezones=st.just(datetime.UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
JOBS = st.recursive(
    st.builds(dict, id=XML_TEXT, name=st.none() | XML_TEXT, path=st.none() | XML_TEXT, childrenJob=st.just([])),
    lambda children: st.builds(
        dict, id=XML_TEXT, name=st.none() | XML_TEXT, path=st.none(), childrenJob=st.lists(children, max_size=3)
    ),
    max_leaves=12,
)


def there_and_back(type_name: str, value: Any) -> Any:
    element = etree.Element("value")
    CODEC.writer(f"{{{WMPROXY}}}{type_name}")(element, value)
    return CODEC.reader(f"{{{WMPROXY}}}{type_name}")(etree.fromstring(etree.tostring(element)))


@settings(max_examples=100)
@given(JOBS)
def test_job_trees_survive(tree: dict[str, Any]) -> None:
    assert there_and_back("JobIdStructType", tree) == tree


@settings(max_examples=100)
@given(st.lists(XML_TEXT))
def test_lists_of_texts_survive(items: list[str]) -> None:
    assert there_and_back("StringList", items) == items


@settings(max_examples=100)
@given(st.lists(st.builds(dict, name=XML_TEXT, size=st.integers(-(2**63), 2**63 - 1))))
def test_files_and_sizes_survive(items: list[dict[str, Any]]) -> None:
    assert there_and_back("StringAndLongList", items) == items


@settings(max_examples=100)
@given(MOMENTS)
def test_moments_survive(moment: datetime.datetime) -> None:
    kind = SimpleType("", "dateTime")
    text = texts.to_text(kind)(moment)
    assert len(text) == 20 and text.endswith("Z")
    assert texts.from_text(kind)(text) == moment


@settings(max_examples=100)
@given(st.text(string.printable, max_size=30), st.sampled_from(["int", "boolean", "dateTime", "double", "decimal"]))
def test_any_text_is_a_value_or_refused_with_a_reason(text: str, base: str) -> None:
    try:
        texts.from_text(SimpleType("", base))(text)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("base", "text", "value"),
    [
        ("dateTime", "2026-11-21T08:00:00.5+02:00", datetime.datetime(2026, 11, 21, 6, 0, 0, 500000, datetime.UTC)),
        ("dateTime", "2026-11-21T06:00:00", datetime.datetime(2026, 11, 21, 6, tzinfo=datetime.UTC)),
        ("double", "-1.5E3", -1500.0),
        ("double", "INF", float("inf")),
        ("decimal", "1.10", Decimal("1.10")),
        ("base64Binary", "YQ ==", b"a"),
        ("anyURI", " https://a ", "https://a"),
        ("normalizedString", "a\tb", "a b"),
        ("unsignedByte", "255", 255),
    ],
)
def test_texts_are_read_as_their_types_say(base: str, text: str, value: object) -> None:
    assert texts.from_text(SimpleType("", base))(text) == value


@pytest.mark.parametrize(
    ("base", "text"),
    [
        ("int", "1_000"),
        ("int", "１"),
        ("int", ""),
        ("long", "9" * 1000),
        ("unsignedInt", "-1"),
        ("boolean", "TRUE"),
        ("double", "1e"),
        ("double", "nan"),
        ("double", "infinity"),
        ("decimal", "NaN"),
        ("dateTime", "2026-02-30T00:00:00Z"),
        ("dateTime", "2026-11-21"),
        ("dateTime", "9999-12-31T23:59:59-14:00"),
        ("base64Binary", "§"),
    ],
)
def test_texts_that_only_python_would_take_are_refused(base: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        texts.from_text(SimpleType("", base))(text)


@pytest.mark.parametrize(
    ("base", "value"),
    [
        ("string", 1),
        ("int", True),
        ("int", "1"),
        ("int", 2**31),
        ("boolean", 1),
        ("dateTime", datetime.datetime(2026, 1, 1)),
        ("double", "1"),
        ("base64Binary", "a"),
    ],
)
def test_values_of_the_wrong_type_are_never_sent(base: str, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        texts.to_text(SimpleType("", base))(value)


def test_errors_name_the_way_to_the_value() -> None:
    element = etree.fromstring("<v><file><name>a</name><size>big</size></file></v>")
    with pytest.raises(ValueRefused) as refused:
        CODEC.reader(f"{{{WMPROXY}}}StringAndLongList")(element)
    assert refused.value.path == "file/size"
    with pytest.raises(ValueUnfit) as unfit:
        CODEC.writer(f"{{{WMPROXY}}}JobIdStructType")(
            etree.Element("v"), {"id": "a", "childrenJob": [{"id": "b", "name": 7}]}
        )
    assert unfit.value.path == "childrenJob/name"


@pytest.mark.parametrize(
    "text",
    [
        '<xsd:element name="a"/>',
        '<xsd:complexType name="a"><xsd:sequence><xsd:group ref="b"/></xsd:sequence></xsd:complexType>',
        '<xsd:complexType name="a"><xsd:sequence><xsd:element ref="nowhere"/></xsd:sequence></xsd:complexType>',
        '<xsd:complexType name="a"><xsd:all><xsd:element name="b" type="nowhere"/></xsd:all></xsd:complexType>',
        '<xsd:simpleType name="a"><xsd:union memberTypes="xsd:int"/></xsd:simpleType>',
        '<xsd:complexType name="a"><xsd:complexContent><xsd:restriction/></xsd:complexContent></xsd:complexType>',
        '<xsd:complexType name="a"><xsd:complexContent><xsd:extension base="a"/></xsd:complexContent>'
        "</xsd:complexType>",
        '<xsd:attributeGroup name="a"/>',
    ],
)
def test_a_schema_that_is_not_understood_is_refused_when_it_is_loaded(text: str) -> None:
    root = etree.fromstring(f'<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema">{text}</xsd:schema>')
    with pytest.raises(SchemaError):
        schema.read([root])


def test_form_and_groups_decide_qualification_and_occurrence() -> None:
    root = etree.fromstring(
        '<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:a" xmlns:a="urn:a">'
        '<xsd:complexType name="T"><xsd:sequence>'
        '<xsd:element name="plain" type="xsd:string"/>'
        '<xsd:element name="formed" type="xsd:string" form="qualified"/>'
        '<xsd:element ref="a:global"/>'
        '<xsd:choice maxOccurs="unbounded"><xsd:element name="x" type="xsd:int"/></xsd:choice>'
        '</xsd:sequence></xsd:complexType><xsd:element name="global" type="xsd:string" nillable="true"/></xsd:schema>'
    )
    kind = schema.read([root]).types["{urn:a}T"]
    assert isinstance(kind, schema.ComplexType)
    plain, formed, reference, chosen = kind.members
    assert (plain.tag, formed.tag, reference.tag) == ("plain", "{urn:a}formed", "{urn:a}global")
    assert reference.nillable and chosen.repeated and chosen.min_occurs == 0


@pytest.mark.parametrize("half", ["reader", "writer"])
def test_threads_that_use_a_type_for_the_first_time_at_once_do_not_meet_it_half_made(half: str) -> None:
    name = f"{{{WMPROXY}}}JobIdStructType"
    value = {"id": "a", "name": None, "path": None, "childrenJob": [{"id": "b", "childrenJob": []}]}
    element = etree.Element("value")
    CODEC.writer(name)(element, value)
    wrong: list[BaseException] = []

    def use(codec: Codec, gate: threading.Barrier) -> None:
        gate.wait(5)
        try:
            if half == "reader":
                codec.reader(name)(etree.fromstring(etree.tostring(element)))
            else:
                codec.writer(name)(etree.Element("value"), value)
        except BaseException as error:  # noqa: BLE001 - shown below
            wrong.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(40):
            gate = threading.Barrier(4)
            threads = [threading.Thread(target=use, args=(codec, gate)) for codec in [fresh()] for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert [type(error) for error in wrong] == []


def fresh() -> Codec:
    return Codec(Contract.load("WMProxy.wsdl").schemas)
