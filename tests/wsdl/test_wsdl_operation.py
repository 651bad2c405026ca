"""The terms of operations: declared on the handlers, demanded at the start, held against every call."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from grid.errors import ConfigurationError, OperationNotAllowed
from web.guard import Rule, asked
from wsdl.contract import Contract
from wsdl.documents import Documents
from wsdl.operation import COMMON, operation, terms_of
from wsdl.service import Call, soap_application

PORT = "WMProxy_PortType"


class Handler:
    def __init__(self, rule: Rule = Rule.KNOWN, error: Exception | None = None) -> None:
        self.rule, self.error = rule, error

    @operation("The version.", Rule.KNOWN, codes=(1218,), key="version")
    def getVersion(self, call: Call) -> str:
        asked(call.operation, "granted", self.rule)
        if self.error is not None:
            raise self.error
        return "1"


class Undeclared:
    def getVersion(self, call: Call) -> str:
        raise AssertionError("never served")


def answer(handler: Any, **options: Any) -> tuple[str, str]:
    documents = Documents(["WMProxy.wsdl"], {PORT: "https://h/"})
    application = soap_application(Contract.load("WMProxy.wsdl"), {PORT: handler}, documents, **options)
    body = (
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        b'<w:getVersion xmlns:w="http://glite.org/wms/wmproxy"/></s:Body></s:Envelope>'
    )

    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "text/xml",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    seen: list[str] = []
    text = b"".join(application(environ, lambda status, headers: seen.append(status)))
    return seen[0], text.decode()


def test_the_terms_name_the_common_codes_and_those_of_the_rules() -> None:
    terms = terms_of(Handler().getVersion)
    assert terms is not None
    assert terms.codes == COMMON | {1218}
    assert (terms.key, terms.rules) == ("version", {Rule.KNOWN})


@pytest.mark.parametrize(
    ("sentence", "rules", "codes"),
    [("No rule.", (), ()), ("no full stop", (Rule.KNOWN,), ()), ("Unknown code.", (Rule.KNOWN,), (1299,))],
)
def test_half_a_declaration_is_refused(sentence: str, rules: tuple[Rule, ...], codes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="an operation needs"):
        operation(sentence, *rules, codes=codes)


def test_a_service_does_not_start_with_an_operation_that_declares_nothing() -> None:
    with pytest.raises(ConfigurationError, match=r"getVersion does not declare"):
        answer(Undeclared(), declared=True)


def test_an_operation_that_asked_for_its_rule_answers() -> None:
    status, text = answer(Handler(), declared=True)
    assert status == "200 OK"
    assert "<version>1</version>" in text


def test_an_operation_that_asked_for_another_rule_answers_a_fault() -> None:
    status, text = answer(Handler(Rule.OWNER), declared=True)
    assert status.startswith("500")
    assert "<ErrorCode>1202</ErrorCode>" in text
    assert "<version>" not in text


def test_an_undeclared_error_code_is_answered_and_logged_as_a_defect(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "wms.wsdl"):
        _, text = answer(Handler(error=OperationNotAllowed("not now")))
    assert "<ErrorCode>1226</ErrorCode>" in text
    assert "answered with the undeclared error code 1226" in caplog.text
