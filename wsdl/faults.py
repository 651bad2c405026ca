"""Errors on the wire: the one place where a :class:`grid.errors.GridError` becomes a SOAP fault.

The forms are those the contracts declare; which members a fault element has tells which they are:

======================  =====================================================================================
contract                detail element
======================  =====================================================================================
WMProxy                 ``<glitens:JobUnknownFault xsi:type="glitens:JobUnknownFaultType">`` with methodName,
                        Timestamp, ErrorCode, Description and one FaultCause or more, innermost first
delegation              ``<DelegationException>`` with ``message`` (version 1) or ``msg`` (version 2)
L&B                     ``<genericFault>`` with code, text, description
CREAM                   like WMProxy's, with a capital ``MethodName``
======================  =====================================================================================

Old clients shaped four rules: all members are always sent (the Python and Java clients break on a missing one),
``xsi:type`` is always there (gSOAP's C++ clients choose by it), and only faults that the operation declares are
used; for any other error the general one carries the unchanged ErrorCode; callers that are made by gSOAP get the
historical form of a WMProxy fault as a second child of the detail (docs/decisions/0024).
"""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from lxml import etree

from grid import clock, codes
from grid.errors import GridError
from wsdl.codec import Codec
from wsdl.contract import Contract, FaultDeclaration, Operation
from wsdl.names import WMPROXY, XSI, XSI_TYPE, local, namespace
from wsdl.schema import ComplexType, SchemaError

FaultCode = Literal["Client", "Server", "VersionMismatch", "MustUnderstand"]

_GENERAL: Final = ("genericfault", "delegationexception")
_OURS: Final = frozenset({"Generic", "ServerOverloaded", "GetQuotaManagement"})

_MEMBERS: Final = frozenset(
    {
        "methodName",
        "MethodName",
        "Timestamp",
        "ErrorCode",
        "Description",
        "FaultCause",
        "message",
        "msg",
        "code",
        "text",
        "description",
    }
)

_ERRNO: Final[Mapping[int, int]] = {
    1202: errno.EIO,
    1203: errno.EIO,
    1206: errno.EPERM,
    1207: errno.EPERM,
    1218: errno.ENOENT,
    1225: errno.EINVAL,
    1226: errno.EPERM,
    1228: errno.EAGAIN,
    1229: errno.ETIMEDOUT,
}


@dataclass(frozen=True, slots=True)
class WireFault:
    """A SOAP 1.1 fault, ready to be sent.

    :ivar code: local part of the faultcode, which is in the SOAP envelope's namespace.
    :ivar detail: child of ``<detail>``; None when the body was not processed (SOAP 1.1 §4.4).
    """

    code: FaultCode
    text: str
    detail: etree._Element | None = None


def historical_form(detail: etree._Element) -> etree._Element | None:
    """A WMProxy fault as gLite's server sent it: ``<fault xsi:type="glitens:JobUnknownFaultType">``; None for others.

    The users' commands of gLite, made by gSOAP 2.7, look for this child of the detail and trust ``xsi:type``: without
    it they show no more than the faultstring, or read through a null pointer.
    """
    if namespace(str(detail.tag)) != WMPROXY or detail.get(XSI_TYPE) is None:
        return None
    again = copy.deepcopy(detail)
    again.tag = "fault"
    return again


class FaultWriter:
    """Writes the faults of one contract.

    :param aliases: fault kinds (``"Authentication"``) that the contract carries in the fault of another kind
        (``"Authorization"``); CREAM has no fault of its own for some.
    :param hidden: directories of the service; what lies in them is told by its name relative to them.
    :raises SchemaError: when a declared fault has a required member that no rule here fills.
    """

    def __init__(
        self,
        contract: Contract,
        *,
        aliases: Mapping[str, str] | None = None,
        hidden: Iterable[Path] = (),
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._schemas = contract.schemas
        self._codec = Codec(contract.schemas)
        self._aliases = dict(aliases or {})
        self._hidden = sorted({str(path) for path in hidden}, key=len, reverse=True)
        self._now = now
        for port in contract.ports.values():
            for operation in port.operations.values():
                for fault in operation.faults:
                    self._check(fault)

    def write(self, operation: Operation | None, error: GridError) -> WireFault:
        """The fault for ``error`` in the answer of ``operation``; without detail when it is not known which."""
        code: FaultCode = "Server" if codes.fault_of(error.code) in _OURS else "Client"
        declared = None if operation is None else self.declared(operation, error.code)
        error = self.shown(error)
        if operation is None or declared is None:
            return WireFault(code, error.description)
        return WireFault(code, error.description, self._detail(operation, declared, error))

    def shown(self, error: GridError) -> GridError:
        """The error as the caller may see it: with all its causes, without the places where the service keeps its
        files."""
        texts = (error.description, *_causes(error))
        description, *causes = (_relative(text, self._hidden) for text in texts)
        return GridError(description, code=error.code, causes=causes)

    def declared(self, operation: Operation, code: int) -> FaultDeclaration | None:
        """The fault of ``operation`` that carries ``code``: its own kind, or else the general one."""
        kind = codes.fault_of(code)
        by_name = {local(fault.element).lower(): fault for fault in operation.faults}
        for name in (f"{kind}fault".lower(), f"{self._aliases.get(kind, kind)}fault".lower(), *_GENERAL):
            if name in by_name:
                return by_name[name]
        return operation.faults[0] if operation.faults else None

    def _detail(self, operation: Operation, fault: FaultDeclaration, error: GridError) -> etree._Element:
        kind = self._complex(fault)
        space = namespace(fault.element)
        prefix = "glitens" if space == WMPROXY else "fault"
        names = {prefix: space, "xsi": XSI}
        if namespace(kind.name) not in (space, None):
            names["type"] = namespace(kind.name)
        element = etree.Element(fault.element, nsmap={k: v for k, v in names.items() if v})
        if kind.base is not None:  # the families of WMProxy and CREAM; a DelegationException has no subtypes
            element.set(XSI_TYPE, f"{'type' if 'type' in names else prefix}:{local(kind.name)}")
        values = _values(operation, error, self._now())
        filled: dict[str, object] = {}
        for member in kind.members:
            value = values.get(member.name)
            if isinstance(value, tuple) and not member.repeated:
                value = "\n".join(value)
            filled[member.name] = value
        self._codec.writer(fault.type)(element, filled)
        return element

    def _complex(self, fault: FaultDeclaration) -> ComplexType:
        kind = self._schemas.type(fault.type)
        if not isinstance(kind, ComplexType):
            raise SchemaError(f"the fault {fault.element} is not a structure")
        return kind

    def _check(self, fault: FaultDeclaration) -> None:
        for member in self._complex(fault).members:
            if member.min_occurs and not member.nillable and member.name not in _MEMBERS:
                raise SchemaError(f"nothing fills {member.name} of the fault {fault.element}")


def _relative(text: str, directories: Iterable[str]) -> str:
    for directory in directories:
        text = text.replace(f"{directory}/", "").replace(directory, directory.rpartition("/")[2])
    return text


def _causes(error: GridError) -> tuple[str, ...]:
    """What led to an error, innermost first, each sentence once; the error's own when nothing did.

    Errors of other kinds in the chain are passed over: they were written for the service's log, not for callers.
    """
    chain: list[GridError] = []
    current: BaseException | None = error
    while current is not None:
        if isinstance(current, GridError):
            chain.append(current)
        current = current.__cause__
    told: dict[str, None] = {}
    for link in reversed(chain):
        told.update(dict.fromkeys(link.causes if link is error else (*link.causes, link.description)))
    return tuple(told) or (error.description,)


def _values(operation: Operation, error: GridError, now: datetime) -> Mapping[str, object]:
    """The value of every member that a fault of these contracts may have (:data:`_MEMBERS`)."""
    number = _ERRNO.get(error.code, error.code)
    return {
        "methodName": operation.name,
        "MethodName": operation.name,
        "Timestamp": now,
        "ErrorCode": str(error.code),
        "Description": error.description,
        "FaultCause": error.causes,
        "message": error.description,
        "msg": error.description,
        "code": number,
        "text": os.strerror(number) if error.code in _ERRNO else codes.name_of(error.code),
        "description": error.description,
    }
