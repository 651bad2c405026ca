"""The builtin functions that see their arguments' expressions, not only their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from jdl.classad import ClassAd
from jdl.nodes import Call, Conditional, Expr, Operation, Reference, Select
from jdl.patterns import pattern
from jdl.scope import Scope
from jdl.values import ERROR, UNDEFINED, Record, Value

__all__ = ["SPECIAL"]

Code: TypeAlias = Callable[[Scope], Value]
Maker: TypeAlias = Callable[[Call, Callable[[Expr], Code]], Code]


def _error(scope: Scope) -> Value:
    return ERROR


def _if_then_else(call: Call, code_of: Callable[[Expr], Code]) -> Code:
    """ifThenElse(condition, then, otherwise): only what is chosen is evaluated."""
    if len(call.arguments) != 3:
        return _error
    condition, then, otherwise = [code_of(argument) for argument in call.arguments]

    def choose(scope: Scope) -> Value:
        value = condition(scope)
        if value is True:
            return then(scope)
        if value is False:
            return otherwise(scope)
        return UNDEFINED if value is UNDEFINED else ERROR

    return choose


def _match(decide: Callable[[list[bool], list[Value]], Value]) -> Maker:
    """anyMatch, allMatch, whichMatch(list of ads, expression).

    The expression must be an operation or a call; it is evaluated in the ad that calls, once for each ad of the list
    with that one as ``other`` and ``target``.  An item that is no ad, and a verdict that is no boolean, make ERROR.
    """

    def make(call: Call, code_of: Callable[[Expr], Code]) -> Code:
        if len(call.arguments) != 2 or not isinstance(call.arguments[1], (Operation, Call, Conditional)):
            return _error
        items, condition = code_of(call.arguments[0]), call.arguments[1]
        verdict_of = code_of(condition)

        def match(scope: Scope) -> Value:
            ads = items(scope)
            if type(ads) is not tuple:
                return UNDEFINED if ads is UNDEFINED else ERROR
            verdicts: list[bool] = []
            for ad in ads:
                if type(ad) is not Record:
                    return ERROR
                before = scope.run.enter(condition)
                verdict = verdict_of(scope.against(ad.scope.against(scope)))
                scope.run.depth = before
                if type(verdict) is not bool:
                    return ERROR
                verdicts.append(verdict)
            return decide(verdicts, list(ads))

        return match

    return make


def _which(verdicts: list[bool], ads: list[Value]) -> Value:
    chosen = tuple([ad for ad, verdict in zip(ads, verdicts, strict=True) if verdict])
    return chosen or UNDEFINED


def _list_attributes(call: Call, code_of: Callable[[Expr], Code]) -> Code:
    """listAttrRegEx(pattern, attribute): names that the attribute's expression refers to and the pattern finds.

    References to attributes of the same ad are followed.  UNDEFINED when there is none.
    """
    if len(call.arguments) != 2 or not isinstance(call.arguments[1], Reference):
        return _error
    wanted, attribute = code_of(call.arguments[0]), call.arguments[1]

    def names(scope: Scope) -> Value:
        expression = wanted(scope)
        if type(expression) is not str:
            return UNDEFINED if expression is UNDEFINED else ERROR
        compiled = pattern(expression, "")
        if compiled is None:
            return ERROR
        found = [name for name in _referenced(attribute, scope) if compiled.search(name.encode()) is not None]
        return tuple(found) or UNDEFINED

    return names


def _close_storage(call: Call, code_of: Callable[[Expr], Code]) -> Code:
    """retrieveCloseSEsInfo(vo): the storage elements close to the computing element, as that VO sees them.

    The element is the ad that calls or, from a job's expression, the one on the other side; UNDEFINED when it tells
    nothing of its storage.
    """
    if len(call.arguments) != 1:
        return _error
    wanted, listed = code_of(call.arguments[0]), code_of(Reference("CloseSEs", "self"))

    def close(scope: Scope) -> Value:
        vo = wanted(scope)
        if type(vo) is not str:
            return UNDEFINED if vo is UNDEFINED else ERROR
        where = scope if "storage" in scope.values else scope.other
        storage = None if where is None else where.values.get("storage")
        if where is None or not isinstance(storage, ClassAd):
            return UNDEFINED
        asked = storage.copy()
        asked.set("VO", vo)
        before = scope.run.enter(storage)
        value = listed(Scope(asked, where, where.other, scope.run))
        scope.run.depth = before
        return value

    return close


def _referenced(attribute: Reference, scope: Scope) -> list[str]:
    """Names of the attributes below an attribute, each once, in order of appearance."""
    first = scope.values.get(attribute.key)
    waiting: list[Expr] = [] if first is None else [first]
    followed = {attribute.key}
    names: dict[str, str] = {}
    while waiting:
        root = waiting.pop()
        scope.run.charge(root.weight)
        for node in _walk(root):
            if not isinstance(node, (Reference, Select)):
                continue
            names.setdefault(node.key, node.name)
            own = isinstance(node, Reference) and (node.scope or "self").lower() in ("self", "my")
            inner = scope.values.get(node.key) if own and node.key not in followed else None
            if inner is not None:
                followed.add(node.key)
                waiting.append(inner)
    return list(names.values())


def _walk(expr: Expr) -> Iterator[Expr]:
    stack = [expr]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(list(node.children())))


SPECIAL: Final[dict[str, Maker]] = {
    "ifthenelse": _if_then_else,
    "anymatch": _match(lambda verdicts, ads: any(verdicts)),
    "allmatch": _match(lambda verdicts, ads: all(verdicts)),
    "whichmatch": _match(_which),
    "listattrregex": _list_attributes,
    "retrieveclosesesinfo": _close_storage,
}
"""The functions by their names in lower case."""
