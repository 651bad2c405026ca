"""A fuzzer of the SOAP door and of the JDL parser, in one process.

``python tests/fuzz/soapdoor.py --seconds 60`` (``make fuzz``) mutates valid envelopes of every operation at the level
of bytes, of the tree and of values, and job descriptions; what it holds against the answers is in :func:`check`.
Inputs that gave a new kind of answer are kept and mutated further.  It prints its seed; ``--seed`` repeats a run.
"""

from __future__ import annotations

import argparse
import copy
import io
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lxml import etree

from grid import codes
from grid.errors import GridError
from jdl.parser import SUBMITTED, parse
from web.guard import Rule, asked
from wmproxy.operations import HANDLERS
from wsdl.contract import Contract, Operation
from wsdl.documents import Documents
from wsdl.operation import terms_of
from wsdl.schema import ComplexType, Member
from wsdl.service import Call, soap_application

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
BODY = f"{{{SOAP}}}Body"
CONTRACT = Contract.load("WMProxy.wsdl").answering_gridsite()
VALUES = [
    "", "0", "-1", "2147483648", "9" * 40, "NaN", "1e999", "true", "\t\n", "x" * 5000, "'\"<>&", "]]>", "${IFS}",
    "../../etc/passwd", "https://localhost:9000/aaaaaaaaaaaaaaaaaaaaaa", "%s%n", "\u202e", "\U0001f600", "\ufffd",
]  # fmt: skip
PIECES = [
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&#0;", b"&#x1F600;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?a?>",
    b"\x00", b"\xff\xfe", b"\xc0\x80", b"</", b"/>", b"<a>", b" xmlns=''", b" xmlns:s='urn:x'", b" href='#a'",
    b" xsi:nil='1'", b" xsi:type='x:y'", b"\xef\xbb\xbf", b"<?xml version='1.1'?>", b"encoding='UTF-7'",
]  # fmt: skip
DESCRIPTIONS = [
    '[ Executable = "/bin/ls"; StdOutput = "o"; OutputSandbox = { "o" }; Requirements = true; Rank = 1; ]',
    '[ Type = "Collection"; Nodes = { [ Executable = "a"; ], [ File = "b.jdl"; ] }; a = b.c[1] + f(2.5e3, "x\\n"); ]',
    "[ a = other.GlueCEStateFreeCPUs >= 2 && !RegExp(\"^x\", other.b) ? 1 : undefined; b = { 1, 0x10, 017, 1.5 }; ]",
]


class Failure(Exception):
    """The door did what it must not."""


class Handler:
    """Answers every operation with what its contract says, or with an error that its terms declare."""

    def __init__(self, kind: type, port: str, dice: random.Random) -> None:
        self._kind, self._port, self._dice = kind, port, dice

    def __getattr__(self, name: str) -> Callable[..., object]:
        operation = CONTRACT.ports[self._port].operations.get(name)
        method = getattr(self._kind, name, None)
        terms = terms_of(method)
        if operation is None or terms is None:
            raise AttributeError(name)

        def answer(call: Call, **parts: object) -> object:
            for rule in {*terms.rules, Rule.KNOWN}:
                asked(name, "granted", rule)
            if self._dice.random() < 0.3:
                raise GridError(f"refused: {parts}"[:3000], code=self._dice.choice(sorted(terms.codes)))
            values = tuple(plain(part) for part in operation.response.parts)
            return values if len(values) > 1 else values[0] if values else None

        answer.__wms_terms__ = terms  # type: ignore[attr-defined]
        return answer


def plain(member: Member) -> object:
    """A value of a member's type."""
    kind = CONTRACT.schemas.type(member.type)
    if isinstance(kind, ComplexType):
        if len(kind.members) == 1 and kind.members[0].repeated:
            return [plain(kind.members[0])]
        return {inner.name: [] if inner.repeated else plain(inner) for inner in kind.members}
    name = member.type.rpartition("}")[2]
    if name in ("int", "long", "integer"):
        return 7
    if name == "dateTime":
        from grid import clock

        return clock.now()
    return "text" if not getattr(kind, "values", ()) else next(iter(kind.values))


def valid(operation: Operation, dice: random.Random) -> bytes:
    """A valid envelope of an operation."""
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"s": SOAP, "w": operation.namespace})
    wrapper = etree.SubElement(etree.SubElement(envelope, BODY), operation.request.wrapper)
    for part in operation.request.parts:
        _fill(etree.SubElement(wrapper, part.name), part, dice, 4)
    return etree.tostring(envelope, encoding="UTF-8", xml_declaration=dice.random() < 0.5)


def _fill(element: Any, member: Member, dice: random.Random, depth: int) -> None:
    kind = CONTRACT.schemas.type(member.type)
    if not isinstance(kind, ComplexType):
        element.text = dice.choice(["1", "text", "https://localhost:9000/aaaaaaaaaaaaaaaaaaaaaa", *DESCRIPTIONS])
    elif depth:
        for inner in kind.members:
            for _ in range(dice.choice((1, 2)) if inner.repeated else 1):
                _fill(etree.SubElement(element, inner.element_name if hasattr(inner, "element_name") else inner.name),
                      inner, dice, depth - 1)  # fmt: skip


def mutate_bytes(data: bytes, dice: random.Random) -> bytes:
    """Change, drop, repeat or insert bytes."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randint(0, len(out))
        what = dice.randint(0, 4)
        if what == 0 and out:
            out[min(at, len(out) - 1)] = dice.randrange(256)
        elif what == 1:
            del out[at : at + dice.randint(1, 40)]
        elif what == 2:
            out[at:at] = out[at : at + dice.randint(1, 200)] * dice.randint(1, 5)
        elif what == 3:
            out[at:at] = dice.choice(PIECES)
        else:
            out[at:at] = dice.choice(VALUES).encode()
    return bytes(out)


def mutate_tree(data: bytes, dice: random.Random) -> bytes:
    """Move, repeat, rename, drop elements; change attributes and texts."""
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True))
    except etree.XMLSyntaxError:
        return mutate_bytes(data, dice)
    for _ in range(dice.randint(1, 4)):
        nodes = [node for node in root.iter() if isinstance(node.tag, str)]
        node, other = dice.choice(nodes), dice.choice(nodes)
        what = dice.randint(0, 5)
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
        else:
            node.set(dice.choice(["href", "id", f"{{{SOAP}}}mustUnderstand", "a"]), dice.choice(["1", "#a", "true"]))
        if len(nodes) > 2000:
            break
    return etree.tostring(root, encoding=dice.choice(["UTF-8", "UTF-16", "ISO-8859-15", "US-ASCII"]))


class Door:
    """The SOAP application with handlers that keep their contract."""

    def __init__(self, dice: random.Random) -> None:
        handlers = {port: Handler(kind, port, dice) for port, kind in HANDLERS.items()}
        documents = Documents(["WMProxy.wsdl"], dict.fromkeys(HANDLERS, "https://localhost/"))
        self._application = soap_application(Contract.load("WMProxy.wsdl"), handlers, documents, declared=True)

    def post(self, data: bytes) -> tuple[str, bytes]:
        """Status and body of the answer."""
        environ = {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": "text/xml",
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data),
        }
        seen: list[str] = []
        body = b"".join(self._application(environ, lambda status, headers: seen.append(status)))
        return seen[0], body


def check(status: str, body: bytes) -> str:
    """The kind of an answer.

    :raises Failure: for an answer that no request may get.
    """
    try:
        entry = etree.fromstring(body).find(BODY)[0]
    except (etree.XMLSyntaxError, TypeError, IndexError) as error:
        raise Failure(f"the answer is no envelope: {error}: {body[:300]!r}") from error
    if entry.tag != f"{{{SOAP}}}Fault":
        if status != "200 OK":
            raise Failure(f"an answer with the status {status}")
        return str(entry.tag)
    if status[:1] not in "45" or (status[:3] != "500" and entry.find("detail") is not None):
        raise Failure(f"a fault with the status {status}")
    text = entry.findtext("faultstring") or ""
    if "its log tells why" in text:
        raise Failure(f"an unforeseen error: {text}")
    detail = entry.find("detail")
    if detail is None:
        return f"{entry.findtext('faultcode')} {text.partition(':')[0][:40]}"
    return _declared(detail[0])


def _declared(fault: Any) -> str:
    method, code = fault.findtext("methodName"), fault.findtext("ErrorCode")
    if method is None:
        return str(fault.tag)
    if int(code) not in codes.TABLE:
        raise Failure(f"{method} answered the unknown code {code}")
    faults = {f.element for port in CONTRACT.ports.values() for f in port.operations.get(method, _NONE).faults}
    if fault.tag not in faults:
        raise Failure(f"{method} answered {fault.tag}, which it does not declare")
    return f"{method} {fault.tag} {code}"


class _None:
    faults = ()


_NONE: Any = _None()


def fuzz_jdl(dice: random.Random) -> None:
    """One mutated job description: it is read, or refused with a GridError; what was read prints and reads again."""
    text = mutate_bytes(dice.choice(DESCRIPTIONS).encode(), dice).decode("utf-8", "replace")
    try:
        ad = parse(text, limits=SUBMITTED)
    except GridError:
        return
    if parse(ad.text()).text() != ad.text():
        raise Failure(f"what was printed reads differently: {text!r}")


def run(seconds: float, seed: int, scratch: Path) -> tuple[int, int]:
    """Fuzz for some seconds; returns how many inputs there were and how many kinds of answers.

    :raises Failure: with the input, which is also in ``scratch``.
    """
    dice = random.Random(seed)
    door = Door(dice)
    corpus = [valid(op, dice) for port in HANDLERS for op in CONTRACT.ports[port].operations.values()]
    kinds: set[str] = set()
    count, end = 0, time.monotonic() + seconds
    for data in corpus:
        kinds.add(check(*door.post(data)))
    while time.monotonic() < end:
        count += 1
        data = b""
        try:
            if count % 5 == 0:
                fuzz_jdl(dice)
                continue
            data = (mutate_tree if dice.random() < 0.6 else mutate_bytes)(dice.choice(corpus), dice)[: 1 << 18]
            began = time.monotonic()
            kind = check(*door.post(data))
            if time.monotonic() - began > 2.0:
                raise Failure("an answer took more than two seconds")
        except Exception as error:
            path = scratch / f"failed-{seed}-{count}"
            path.write_bytes(data)
            raise Failure(f"seed {seed}, input {count} ({path}): {type(error).__name__}: {error}") from error
        if kind not in kinds:
            kinds.add(kind)
            if len(corpus) < 2000:
                corpus.append(data)
                (scratch / f"{len(kinds):04d}").write_bytes(data)
    return count, len(kinds)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Fuzz the SOAP door and the JDL parser.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--corpus", type=Path, default=None, help="where inputs are kept (a scratch directory)")
    options = parser.parse_args()
    scratch = options.corpus or Path(tempfile.mkdtemp(prefix="wms-fuzz-"))
    scratch.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}, corpus in {scratch}", flush=True)
    try:
        count, kinds = run(options.seconds, options.seed, scratch)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"{count} inputs, {kinds} kinds of answers, nothing amiss")
    return 0


if __name__ == "__main__":
    sys.exit(main())
