"""What comes in through the XML door, and what does not."""

import threading
import time
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

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


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<a>" + b"<b/>" * 402_000 + b"</a>", "more than 200000 elements"),
        (b"<a " + b" ".join(b"n%d=''" % n for n in range(450_000)) + b"/>", "400000 attributes"),
        (b"<a " + b" ".join(b"xmlns:n%d='u'" % n for n in range(30_000)) + b"/>", "20000 namespace declarations"),
    ],
)
def test_what_would_take_long_to_count_is_refused_at_once(document, reason):
    begin = time.process_time()
    with pytest.raises(XmlRefused, match=reason):
        xmldoor.parse(document)
    assert time.process_time() - begin < 0.1


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


PIECES = st.sampled_from(
    [
        *("<a>", "</a>", "<b x='1'>", "</b>", "<c/>", "<d:e xmlns:d='u'/>", "<!-- < -->", "<?p i?>", "<![CDATA[<y>]]>"),
        *("&lt;", "&x;", "&#65;", "t", " ", "é", "\x00", "]]>", "<!DOCTYPE a>"),
    ]
)
HEADS = st.sampled_from(
    [
        *("", " ", "\ufeff", "<?xml version='1.1'?>", '<?xml version="1.0" encoding="UTF-8"?>\n'),
        *(f"<?xml version='1.0'{encoding}?>" for encoding in ("", " encoding='latin-1'", " encoding='us-ascii'")),
    ]
)


def outcome(data, **limits):
    try:
        root = xmldoor.parse(data, **limits)
    except XmlRefused as refused:
        return refused.reason, refused.line
    return etree.tostring(root, encoding="unicode"), [element.tag for element in root.iter()]


@settings(deadline=None)
@given(HEADS, st.lists(PIECES, max_size=12), st.sampled_from(["utf-8", "utf-16", "latin-1"]))
def test_small_documents_that_need_no_counting_are_read_as_those_that_do(head, pieces, encoding):
    data = f"{head}<a>{''.join(pieces)}</a>".encode(encoding, "xmlcharrefreplace")
    usual = outcome(data)
    with mock.patch.object(xmldoor, "_plain", lambda data, most: False):
        assert outcome(data) == usual


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12))
def test_depth_is_bounded_to_the_element_whichever_way_is_taken(depth, bound):
    data = b"<a>" * depth + b"</a>" * depth
    assert ("deeper" in str(outcome(data, max_depth=bound)[0])) == (depth > bound)
    hollow = b"<a>" * (depth - 1) + b"<a/>" + b"</a>" * (depth - 1)
    assert ("deeper" in str(outcome(hollow, max_depth=bound)[0])) == (depth > bound)


def test_a_thread_that_has_parsed_much_is_worn_and_another_is_not(monkeypatch):
    monkeypatch.setattr(xmldoor, "WORN_BYTES", 1000)
    found = []

    def parse_much():
        found.append(xmldoor.worn())
        for _ in range(2):
            xmldoor.parse(b"<a>%s</a>" % (b"b" * 600))
        found.append(xmldoor.worn())

    for _ in range(2):
        thread = threading.Thread(target=parse_much)
        thread.start()
        thread.join()
    assert found == [False, True] * 2


def test_a_mistake_is_told_with_its_line_and_column_once():
    with pytest.raises(XmlRefused) as refused:
        xmldoor.parse(b"<a>\n<b></c>\n</a>")
    assert (refused.value.line, refused.value.column) == (2, 8)
    assert str(refused.value).endswith("(line 2, column 8)") and str(refused.value).count("column") == 1
