"""The table of operations: every handler declares itself, and docs/operations.md is what the declarations say."""

from __future__ import annotations

from pathlib import Path

import pytest

from grid import codes
from wmproxy.operations import HANDLERS, carried, document, served
from wsdl.contract import Contract
from wsdl.faults import FaultWriter
from wsdl.names import local

CONTRACT = Contract.load("WMProxy.wsdl").answering_gridsite()
FAULTS = FaultWriter(CONTRACT)
ROWS = [
    pytest.param(operation, terms, id=str(operation))
    for name, handler in HANDLERS.items()
    for operation, terms in served(CONTRACT.ports[name], handler)
    if terms is not None
]


def test_the_document_is_what_the_code_declares() -> None:
    path = Path(__file__).parents[2] / "docs" / "operations.md"
    assert path.read_text("utf-8") == document(), "docs/operations.md is stale: run `make docs`"


@pytest.mark.parametrize("name", HANDLERS)
def test_every_handler_method_declares_its_terms(name: str) -> None:
    handler = HANDLERS[name]
    bare = [
        op.name for op, terms in served(CONTRACT.ports[name], handler) if terms is None and hasattr(handler, op.name)
    ]
    assert bare == []


@pytest.mark.parametrize(("operation", "terms"), ROWS)
def test_every_declared_code_has_a_fault_that_the_contract_declares(operation, terms) -> None:
    by_fault = carried(operation, terms.codes, FAULTS)
    assert sorted(code for found in by_fault.values() for code in found) == sorted(terms.codes)


@pytest.mark.parametrize(("operation", "terms"), ROWS)
def test_a_code_goes_into_its_own_fault_where_that_is_declared(operation, terms) -> None:
    declared = {local(fault.element) for fault in operation.faults}
    for name, found in carried(operation, terms.codes, FAULTS).items():
        for code in found:
            own = f"{codes.fault_of(code)}Fault"
            assert name == own or own not in declared, f"{code} goes into {name}"
