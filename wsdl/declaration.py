"""A contract declared to Spyne: its types as Spyne models, its ports as Spyne services.

Spyne's registry then knows every operation with its real types; the wire itself is :mod:`wsdl.protocol`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from wsdl.contract import Operation, Port
from wsdl.names import local, namespace
from wsdl.protocol import Wire
from wsdl.schema import ComplexType, Member, Schemas, SimpleType
from wsdl.spyne_compat import ComplexModelMeta, spyne

Function = Callable[..., object]

_PRIMITIVES: Final[Mapping[str, Any]] = {
    "boolean": spyne.Boolean,
    "dateTime": spyne.DateTime,
    "double": spyne.Double,
    "float": spyne.Float,
    "decimal": spyne.Decimal,
    "long": spyne.Long,
    "int": spyne.Integer32,
    "short": spyne.Integer16,
    "integer": spyne.Integer,
    "nonNegativeInteger": spyne.UnsignedInteger,
    "unsignedLong": spyne.UnsignedLong,
    "unsignedInt": spyne.UnsignedInteger32,
    "base64Binary": spyne.ByteArray,
}


class Models:
    """Spyne's models of a contract's types, made when first asked for."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._models: dict[str, Any] = {}
        self._open: list[str] = []

    def part(self, member: Member) -> Any:
        """The model of a part or member, with its occurrence and form."""
        return self._of(member.type).customize(
            min_occurs=member.min_occurs,
            max_occurs="unbounded" if member.max_occurs is None else member.max_occurs,
            nillable=member.nillable,
            sub_name=member.name,
            sub_ns=member.namespace or "",
        )

    def _of(self, name: str) -> Any:
        if name in self._open:  # a type inside itself
            return spyne.SelfReference if name == self._open[-1] else spyne.AnyXml
        if name not in self._models:
            self._open.append(name)
            self._models[name] = self._make(self._schemas.type(name))
            self._open.pop()
        return self._models[name]

    def _make(self, kind: SimpleType | ComplexType) -> Any:
        if isinstance(kind, SimpleType):
            model = _PRIMITIVES.get(kind.base, spyne.Unicode)
            return model.customize(values=kind.enumeration) if kind.enumeration else model
        members = [(member.name, self.part(member)) for member in kind.members]
        if kind.text is not None:
            members.append(("value", self._of(kind.text)))
        return ComplexModelMeta(
            local(kind.name),
            (spyne.ComplexModel,),
            {"__namespace__": namespace(kind.name), "__type_name__": local(kind.name), "_type_info": members},
        )


def service(
    port: Port, models: Models, wire: Callable[[Operation], Wire], function: Callable[[Operation], Function]
) -> Any:
    """A Spyne service class for a port.

    :param wire: gives the reader and writer of an operation.
    :param function: gives what is called: the WSGI environment and the part values in, the values of the answer's
        parts out.
    """
    methods = {
        name: _method(operation, models, wire(operation), function(operation))
        for name, operation in port.operations.items()
    }
    return type(spyne.Service)(port.name, (spyne.Service,), {**methods, "__module__": __name__})


def _method(operation: Operation, models: Models, wire: Wire, function: Function) -> Any:
    request, response = operation.request.parts, operation.response.parts
    options: dict[str, Any] = {}
    if len(response) == 1:
        options = {"_returns": models.part(response[0]), "_out_variable_name": response[0].name}
    elif response:
        options = {
            "_returns": tuple(models.part(part) for part in response),
            "_out_variable_names": tuple(part.name for part in response),
        }
    # Spyne keys methods by local name only, so the port's name keeps equal operations of two ports apart.  Neither
    # message name is seen on the wire.
    return spyne.rpc(
        *(models.part(part) for part in request),
        _args=[part.name for part in request],
        _in_message_name=f"{{{operation.namespace}}}{operation.port}.{operation.name}",
        _out_message_name=f"{{{operation.namespace}}}{operation.port}.{operation.name}Response",
        _udd={"wire": wire},
        **options,
    )(function)
