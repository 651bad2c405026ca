"""Basic Profile 1.1 §3.4: SOAP over HTTP."""

from __future__ import annotations

import re

from wsi_assertion import EXCHANGE
from wsi_description import Description
from wsi_exchange import XML_TYPES, Exchange


def _version(start: str) -> str:
    return start.split(" ")[0] if start.startswith("HTTP/") else start.rpartition(" ")[2]


def _quoted(action: str) -> bool:
    return len(action) >= 2 and action[0] == action[-1] == '"'


def _method(x: Exchange) -> str:
    return x.request.start.split(" ")[0]


def _misshapen(x: Exchange) -> str | None:
    """What is wrong with the request as an HTTP message, so that no SOAP processing began."""
    if not re.fullmatch(r"\S+ \S+ HTTP/\d[.]\d", x.request.start):
        return "its first line"
    if x.request.header("Host") is None and _version(x.request.start) == "HTTP/1.1":
        return "its lack of a Host"
    if not (x.request.header("Content-Length") or "0").isdigit():
        return "its Content-Length"
    if _method(x) != "POST":
        return None if _method(x) in ("GET", "HEAD") and "?" in x.request.start else "its method"
    if x.request.kind not in XML_TYPES:
        return "its Content-Type"
    if (x.request.header("Content-Encoding") or "identity") != "identity":
        return "its Content-Encoding"
    return None


@EXCHANGE("R1140", "SHOULD")
def messages_are_http_1_1(x: Exchange, _: Description) -> list[str] | None:
    """A message is sent with HTTP/1.1."""
    if _version(x.request.start) == "HTTP/1.0":
        return None  # the client's choice, which an answer may take up
    return [f"the {side} is {_version(m.start)}" for side, m in x.messages() if _version(m.start) != "HTTP/1.1"]


@EXCHANGE("R1141")
def messages_are_http_1_1_or_1_0(x: Exchange, _: Description) -> list[str] | None:
    """A message is sent with HTTP/1.1 or HTTP/1.0."""
    known = ("HTTP/1.0", "HTTP/1.1")
    return [f"the {side} is {_version(m.start)}" for side, m in x.messages() if _version(m.start) not in known]


@EXCHANGE("R1132")
def requests_are_posted(x: Exchange, _: Description) -> list[str] | None:
    """A request that carries an envelope uses the method POST."""
    if "request" not in x.judged or x.request.envelope is None:
        return None
    return [] if _method(x) == "POST" else [f"it is {_method(x)}"]


@EXCHANGE("R1108")
def no_http_extensions(x: Exchange, _: Description) -> list[str] | None:
    """A message does not use the HTTP Extension Framework (M-POST, the fields Man and Opt)."""
    found = [f"the {side} has {name}" for side, m in x.messages() for name in ("Man", "Opt", "C-Man") if m.header(name)]
    return found + (["its method is M-POST"] if "request" in x.judged and _method(x).startswith("M-") else [])


@EXCHANGE("R1109")
def the_action_is_quoted(x: Exchange, _: Description) -> list[str] | None:
    """The value of a request's SOAPAction field is a quoted string."""
    action = x.request.header("SOAPAction")
    if "request" not in x.judged or action is None:
        return None
    return [] if _quoted(action) else [f"it is {action}"]


@EXCHANGE("R1127")
def the_action_is_not_relied_on(x: Exchange, _: Description) -> list[str] | None:
    """A receiver does not need the value of SOAPAction to process a message: what SOAPAction says, or its absence,
    makes no fault.  (R1119 would allow one for a value without quotes; there is none for that either.)"""
    said = "" if x.response.fault is None else x.response.fault.findtext("faultstring", "")
    return ["the fault speaks of SOAPAction"] if "soapaction" in said.lower() else []


@EXCHANGE("R2744")
def the_action_is_the_described_one(x: Exchange, d: Description) -> list[str] | None:
    """A request's SOAPAction is the quoted value of the soapAction of the operation, when the description has one."""
    entry = x.request.entry
    operation = None if entry is None else d.called(entry.tag)
    if "request" not in x.judged or operation is None or not operation.action:
        return None
    action = x.request.header("SOAPAction")
    return [] if action == f'"{operation.action}"' else [f"it is {action}, not {operation.action}"]


@EXCHANGE("R2745")
def the_action_is_empty_when_none_is_described(x: Exchange, d: Description) -> list[str] | None:
    """A request has a SOAPAction whose value is the quoted empty string, when the description has none or an empty
    one."""
    entry = x.request.entry
    operation = None if entry is None else d.called(entry.tag)
    if "request" not in x.judged or operation is None or operation.action:
        return None
    action = x.request.header("SOAPAction")
    return [] if action == '""' else [f"it is {action}"]


@EXCHANGE("R1124")
def success_is_2xx(x: Exchange, _: Description) -> list[str] | None:
    """A response that tells of success has a status of 2xx."""
    if x.response.envelope is None or x.response.fault is not None:
        return None
    return [] if x.response.status in range(200, 300) else [f"it is {x.response.status}"]


@EXCHANGE("R1111", "SHOULD")
def answers_are_200(x: Exchange, _: Description) -> list[str] | None:
    """A response with an envelope that is no fault has the status 200 OK."""
    if x.response.envelope is None or x.response.fault is not None:
        return None
    return [] if x.response.start.split(" ", 1)[1] == "200 OK" else [f"it is {x.response.start}"]


@EXCHANGE("R1126")
def faults_are_500(x: Exchange, _: Description) -> list[str] | None:
    """A response whose envelope is a fault has the status 500 Internal Server Error."""
    if x.response.fault is None:
        return None
    return [] if x.response.start.split(" ", 1)[1] == "500 Internal Server Error" else [f"it is {x.response.start}"]


@EXCHANGE("R1125")
def misshapen_requests_are_4xx(x: Exchange, _: Description) -> list[str] | None:
    """A response that tells of a problem with the format of the HTTP request has a status of 4xx."""
    problem = _misshapen(x)
    if problem is None:
        return None
    return [] if x.response.status in range(400, 500) else [f"{problem} was answered with {x.response.status}"]


@EXCHANGE("R1114", "SHOULD")
def other_methods_are_405(x: Exchange, _: Description) -> list[str] | None:
    """A request that is no POST gets 405 Method Not Allowed.  (GET and HEAD of ``?wsdl`` are no SOAP.)"""
    if _misshapen(x) != "its method":
        return None
    return [] if x.response.status == 405 else [f"{_method(x)} was answered with {x.response.status}"]


@EXCHANGE("R1115", "SHOULD")
def other_types_are_415(x: Exchange, _: Description) -> list[str] | None:
    """A request whose Content-Type is not that of the binding gets 415 Unsupported Media Type."""
    if _misshapen(x) != "its Content-Type":
        return None
    return [] if x.response.status == 415 else [f"{x.request.kind!r} was answered with {x.response.status}"]


@EXCHANGE("R1130")
def redirections_are_307(x: Exchange, _: Description) -> list[str] | None:
    """Who sends a request to another address does so by 307 Temporary Redirect."""
    return [f"it is {x.response.status}"] if x.response.status in range(300, 400) and x.response.status != 307 else []
