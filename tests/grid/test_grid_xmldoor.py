"""What comes in through the XML door, and what does not."""

import pytest

from grid import xmldoor
from grid.xmldoor import XmlRefused

LAUGHS = b'<!DOCTYPE a [<!ENTITY l0 "lol">' + b"".join(
    b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10)
) + b"]><a>&l9;</a>"


@pytest.mark.parametrize(
    "document",
    [
        LAUGHS,
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/">%x;]><a/>',
        b"<!DOCTYPE a><a/>",
    ],
)
def test_a_doctype_is_refused_whatever_it_holds(document):
    with pytest.raises(XmlRefused, match=r"DOCTYPE|entit|Entity"):
        xmldoor.parse(document)


def test_a_refused_document_says_where():
    with pytest.raises(XmlRefused) as refused:
        xmldoor.parse(b"<a>\n<b>\n</a>")
    assert refused.value.line == 3


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "empty"),
        (b"<a>" * 101 + b"</a>" * 101, "deeper than 100"),
        (b"<a>" + b"<b/>" * 200_000 + b"</a>", "more than 200000 elements"),
        (b"<a " + b" ".join(b'b%d=""' % n for n in range(1001)) + b"/>", "attributes"),
        (b"<a>" + b"x" * (9 << 20) + b"</a>", "bytes"),
        (b'<?xml version="1.0" encoding="x-none"?><a/>', "ncoding"),
        (b"<a>\x00</a>", "refused"),
        (b"not xml", "refused"),
    ],
)
def test_limits_and_broken_documents_are_named(document, reason):
    with pytest.raises(XmlRefused, match=reason):
        xmldoor.parse(document)


def test_every_encoding_that_xml_declares_is_read():
    for encoding in ("utf-8", "utf-16", "iso-8859-1"):
        document = f'<?xml version="1.0" encoding="{encoding}"?><a>é</a>'.encode(encoding)
        assert xmldoor.parse(document).text == "é"


def test_comments_and_instructions_vanish_and_cdata_is_text():
    root = xmldoor.parse(b"<a><!-- c --><?p i?>x<![CDATA[<y>]]>z</a>")
    assert root.text == "x<y>z"
    assert len(root) == 0


def test_a_default_parser_that_somebody_else_set_changes_nothing():
    from lxml import etree

    etree.set_default_parser(etree.XMLParser(resolve_entities=True, load_dtd=True, huge_tree=True))
    try:
        with pytest.raises(XmlRefused):
            xmldoor.parse(LAUGHS)
    finally:
        etree.set_default_parser(None)
