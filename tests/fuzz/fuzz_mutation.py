"""Mutations: of bytes, of a tree of XML, and of values in it."""

from __future__ import annotations

import copy
import random
import re
from typing import Any

from lxml import etree

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
VALUES = [
    "", "0", "-1", "2147483648", "9" * 40, "NaN", "1e999", "true", "\t\n", "x" * 5000, "'\"<>&", "]]>", "${IFS}",
    "../../etc/passwd", "https://localhost:9000/aaaaaaaaaaaaaaaaaaaaaa", "%s%n", "\u202e", "\U0001f600", "\ufffd",
]  # fmt: skip
PIECES = [
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&#0;", b"&#x1F600;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?a?>",
    b"\x00", b"\xff\xfe", b"\xc0\x80", b"</", b"/>", b"<a>", b" xmlns=''", b" xmlns:s='urn:x'", b" href='#a'",
    b" xsi:nil='1'", b" xsi:type='x:y'", b"\xef\xbb\xbf", b"<?xml version='1.1'?>", b"encoding='UTF-7'",
]  # fmt: skip
_WORD = re.compile(rb"[A-Za-z_]+|[0-9.]+|\"[^\"]*\"|[^\sA-Za-z0-9_]")
_NUMBERS = [b"0", b"-1", b"1", b"7", b"10001", b"2147483648", b"9223372036854775808", b"1e400", b"0.5", b"0x7f"]


def mutate_bytes(data: bytes, other: bytes, dice: random.Random, pieces: list[bytes] = PIECES) -> bytes:
    """Change, drop, repeat or insert bytes, or take some of another input."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4))):
        at = dice.randint(0, len(out))
        what = dice.randint(0, 5)
        if what == 0 and out:
            out[min(at, len(out) - 1)] = dice.randrange(256)
        elif what == 1:
            del out[at : at + dice.choice((1, 4, 40))]
        elif what == 2:
            out[at:at] = out[at : at + dice.randint(1, 200)] * dice.randint(1, 5)
        elif what == 3:
            out[at:at] = dice.choice(pieces)
        elif what == 4:
            out[at:at] = dice.choice(VALUES).encode()
        else:
            begin = dice.randint(0, len(other))
            out[at : at + dice.choice((0, 20))] = other[begin : begin + dice.randint(1, 200)]
    return bytes(out)


def mutate_words(data: bytes, other: bytes, dice: random.Random, pieces: list[bytes]) -> bytes:
    """Change, drop, repeat, exchange or insert the words of a text."""
    words = _WORD.findall(data)
    more = _WORD.findall(other) or [b"a"]
    for _ in range(dice.choice((1, 1, 2, 4))):
        at = dice.randint(0, len(words))
        what = dice.randint(0, 5)
        if what == 0:
            words[at : at + 1] = [dice.choice(more)]
        elif what == 1:
            del words[at : at + dice.choice((1, 2, 8))]
        elif what == 2:
            words[at:at] = words[at : at + dice.randint(1, 20)] * dice.randint(1, 3)
        elif what == 3:
            words[at : at + dice.randint(0, 1)] = [dice.choice(pieces)]
        elif what == 4:
            words[at : at + 1] = [dice.choice(_NUMBERS)]
        else:
            begin = dice.randint(0, len(more))
            words[at : at + dice.choice((0, 4))] = more[begin : begin + dice.randint(1, 30)]
    return b" ".join(words)


def parsed(data: bytes) -> Any:
    """The root of a document, None when it is none."""
    try:
        return etree.fromstring(data, etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True))
    except (etree.XMLSyntaxError, ValueError):
        return None


def mutate_tree(data: bytes, other: bytes, dice: random.Random, texts: list[str]) -> bytes:
    """Move, repeat, rename, drop elements; take some of another document; change attributes and texts.

    :param texts: values that mean something.
    """
    root, foreign = parsed(data), parsed(other)
    if root is None:
        return mutate_bytes(data, other, dice)
    for _ in range(dice.choice((1, 1, 2, 4))):
        nodes = [node for node in root.iter() if isinstance(node.tag, str)]
        if len(nodes) > 2000:
            break
        node = dice.choice(nodes)
        source = nodes if foreign is None or dice.random() < 0.6 else list(foreign.iter("*"))
        _mutate_node(root, node, dice.choice(source), dice, texts)
    return etree.tostring(root, encoding=dice.choice(["UTF-8", "UTF-8", "UTF-16", "ISO-8859-15", "US-ASCII"]))


def _mutate_node(root: Any, node: Any, other: Any, dice: random.Random, texts: list[str]) -> None:
    what = dice.randint(0, 7)
    if what == 0:
        node.text = "".join(c for c in dice.choice(VALUES) if c.isprintable() or c in "\t\n")
    elif what == 1 and node is not root:
        node.addnext(copy.deepcopy(node))
    elif what == 2 and node is not root:
        node.getparent().remove(node)
    elif what == 3:
        node.append(copy.deepcopy(other))
    elif what == 4:
        node.tag = dice.choice(["a", "{urn:x}a", other.tag, "jdl", "__class__"])
    elif what == 5:
        name = dice.choice(["href", "id", f"{{{SOAP}}}mustUnderstand", "a", f"{{{XSI}}}nil", f"{{{XSI}}}type"])
        node.set(name, dice.choice(["1", "#a", "true", "0", "xsd:string"]))
    else:
        _mutate_text(node, dice, texts)


def _mutate_text(node: Any, dice: random.Random, texts: list[str]) -> None:
    leaves = [leaf for leaf in node.iter("*") if not len(leaf)]
    leaf = dice.choice(leaves or [node])  # a comment in it makes an element no leaf
    if dice.random() < 0.4:
        leaf.text = dice.choice(texts)
        return
    changed = mutate_bytes((leaf.text or "").encode(), dice.choice(texts).encode(), dice, [b"{", b"}", b";", b"="])
    text = changed.decode("utf-8", "replace")
    leaf.text = "".join(c for c in text if c.isprintable() or c in "\t\n")
