"""The table of operations as a document, from the contract and from what the handlers declare.

``python -m wmproxy.operations`` prints it; ``make docs`` puts it into docs/operations.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from delegation.port import DelegationPort
from grid import codes
from web.guard import Rule
from wmproxy.port import WMProxyPort
from wsdl.contract import Contract, Operation, Port
from wsdl.faults import FaultWriter
from wsdl.names import XSD, local, namespace
from wsdl.operation import COMMON, Terms, terms_of
from wsdl.schema import Member

PORT: Final = "WMProxy_PortType"
DELEGATION_1: Final = "WMProxyDelegation_PortType"
DELEGATION_2: Final = "WMProxyDelegation2_PortType"

HANDLERS: Final[Mapping[str, type]] = {
    PORT: WMProxyPort,
    DELEGATION_1: DelegationPort,
    DELEGATION_2: DelegationPort,
}
"""The class that handles the operations of each port."""

_HEAD: Final = """\
# Operations

<!-- Made by `make docs` from the WSDL and from the declarations on the handlers (wsdl/operation.py). Do not edit. -->

All operations of WMProxy and of the delegation ports beside it, at one address. *Parts* and *answer* are as in
`wsdl/files/WMProxy.wsdl`; a type without a name space is WMProxy's own. *May* is what the authorization point is
asked, and an operation that asks for something else fails. *Faults* names each fault that the WSDL declares for the
operation, with the error codes that it carries there; a fault without codes is declared and not raised. *Limit* is the
key by which the load limits know the operation, and *drain* that a drained server refuses it
([operation](operation.md#load-limits-and-drain)). The [error codes](#error-codes) have names below.

"""

_COLUMNS: Final = "| operation | parts | answer | may | faults and error codes | limit |\n|---|---|---|---|---|---|\n"


def document() -> str:
    """docs/operations.md, whole."""
    contract = Contract.load("WMProxy.wsdl").answering_gridsite()
    faults = FaultWriter(contract)
    text = _HEAD
    for name, handler in HANDLERS.items():
        text += f"## {name}\n\nNamespace `{contract.ports[name].namespace}`.\n\n{_COLUMNS}"
        text += "".join(_row(operation, terms, faults) for operation, terms in served(contract.ports[name], handler))
        text += "\n"
    return f"{text}{_rules()}\n{_codes()}"


def keys() -> frozenset[str]:
    """The keys of all operations that load limits may apply to, also of those that are not served."""
    contract = Contract.load("WMProxy.wsdl").answering_gridsite()
    found = set()
    for name, handler in HANDLERS.items():
        for operation, terms in served(contract.ports[name], handler):
            if terms is None or terms.limited:
                found.add(terms.key or operation.name if terms else operation.name)
    return frozenset(found)


def served(port: Port, handler: type) -> Iterator[tuple[Operation, Terms | None]]:
    """Each operation of a port, in the contract's order, with its handler's terms; None when it is not served."""
    for operation in port.operations.values():
        yield operation, terms_of(getattr(handler, operation.name, None))


def carried(operation: Operation, raised: Iterable[int], faults: FaultWriter) -> dict[str, list[int]]:
    """The faults that an operation declares, by element name, each with the codes that it carries."""
    table: dict[str, list[int]] = {local(fault.element): [] for fault in operation.faults}
    for code in sorted(raised):
        declared = faults.declared(operation, code)
        if declared is not None:
            table[local(declared.element)].append(code)
    return table


def _row(operation: Operation, terms: Terms | None, faults: FaultWriter) -> str:
    if terms is None:
        may, raised, description, limit = "", {1202}, "*Not served yet.*", ""
    else:
        strong = terms.rules - {Rule.KNOWN} or terms.rules
        may = " and ".join(rule.value for rule in Rule if rule in strong)
        raised, description = set(terms.codes), terms.description
        limit = f"`{terms.key or operation.name}`" if terms.limited else "none"
        limit += ", drain" if terms.new_work else ""
    by_fault = carried(operation, raised, faults)
    lines = [f"{name}: {_ranges(found)}" if found else name for name, found in by_fault.items()]
    cells = (
        f"`{operation.name}`<br>{description}",
        _members(operation.request.parts),
        _members(operation.response.parts),
        may,
        "<br>".join(lines),
        limit,
    )
    return f"| {' | '.join(cells)} |\n"


def _members(parts: tuple[Member, ...]) -> str:
    return "<br>".join(f"{part.name}: {_type(part.type)}" for part in parts) or "none"


def _type(name: str) -> str:
    space = namespace(name)
    if space == XSD:
        return f"xsd:{local(name)}"
    return f"jsdl:{local(name)}" if space and "jsdl" in space else local(name)


def _ranges(numbers: list[int]) -> str:
    """``1501–1505, 1507``: runs of three or more are joined."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(
        f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run))  # an en dash: a range
        for run in runs
    )


def _rules() -> str:
    common = _ranges(sorted(COMMON))
    return (
        f"Any operation may answer {common}. An error whose own fault is not declared for an operation is answered by\n"
        "its GenericFault (DelegationException on the delegation ports), the error code unchanged.\n"
    )


def _codes() -> str:
    rows = "".join(f"| {row.number} | `{row.name}` | {row.fault}Fault |\n" for row in codes.TABLE.values())
    return f"## Error codes\n\n| code | name | fault |\n|---|---|---|\n{rows}"


if __name__ == "__main__":
    print(document(), end="")
