"""The evaluator: an expression becomes a closure, and the closure is the semantics.

Three-valued logic from the left: ``&&`` is false at the first false and ERROR at the first operand that is no boolean;
an undefined operand makes it UNDEFINED unless something later decides (``undefined && false`` is false,
``error || true`` is ERROR, ``true || error`` is true).

Names: ``other.X`` and ``target.X`` are the other ad's, ``self.X`` this ad's, ``my.X`` and ``root.X`` the outermost own
ad's, ``parent.X`` those of the ad around; a bare ``X`` is looked up in this ad and in the ads around it, never in the
other ad.  These six words cannot be redefined by an attribute of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from jdl.classad import ClassAd
from jdl.functions import FUNCTIONS
from jdl.nodes import (
    SCOPES,
    Call,
    Conditional,
    Expr,
    ListExpr,
    Literal,
    Operation,
    Reference,
    Select,
    Subscript,
)
from jdl.operators import BINARY, UNARY, subscript
from jdl.scope import MAX_STEPS, Abandoned, Clock, Random, Scope, Success, scope_of
from jdl.special import SPECIAL
from jdl.values import ERROR, UNDEFINED, Record, Value, is_true

__all__ = ["Code", "compile", "evaluate", "evaluate_attribute", "is_true", "scope_of"]

Code: TypeAlias = Callable[[Scope], Value]


def compile(expr: Expr) -> Code:
    """The expression as a function of a scope (:func:`jdl.scope.scope_of`; one scope for one evaluation).

    What costs more than it may (cycles, explosions of references, depth) evaluates to ERROR.
    """
    code = code_of(expr)

    def run(scope: Scope) -> Value:
        try:
            return code(scope)
        except Abandoned:
            return ERROR

    return run


def evaluate(
    expr: Expr,
    my: ClassAd | None = None,
    other: ClassAd | Mapping[str, object] | None = None,
    *,
    clock: Clock | None = None,
    rng: Random | None = None,
    success: Success | None = None,
) -> Value:
    """The value of the expression for these two ads; time() and random() are ERROR when not given a source."""
    return compile(expr)(scope_of(my, other, clock=clock, rng=rng, success=success))


def evaluate_attribute(
    ad: ClassAd,
    name: str,
    other: ClassAd | Mapping[str, object] | None = None,
    *,
    clock: Clock | None = None,
    rng: Random | None = None,
    steps: int = MAX_STEPS,
) -> Value:
    """The value of an attribute of the ad, UNDEFINED when it has none of that name.

    :param steps: what the evaluation may cost before it is ERROR.
    """
    scope = scope_of(ad, other, clock=clock, rng=rng)
    scope.run.steps = steps
    return compile(Reference(name, "self"))(scope)


def code_of(expr: Expr) -> Code:
    """The closure of a node, made at first need."""
    code: Code | None = expr._code
    if code is None:
        code = _MAKERS[type(expr)](expr)
        expr._code = code
    return code


def resolve(found: Expr, where: Scope) -> Value:
    """The value of an attribute's expression in the ad that holds it."""
    run = where.run
    if isinstance(found, Literal):
        if found.weight > 1:
            run.charge(found.weight)
        return found.value
    mark = (id(found), id(where))
    if mark in run.active:
        return ERROR  # the attribute refers to itself
    before = run.enter(found)
    run.active.add(mark)
    try:
        return code_of(found)(where)
    finally:
        run.active.discard(mark)
        run.depth = before


def attribute_of(value: Value, key: str) -> Value:
    """``value.key``; of a list, the list of its items' attributes."""
    if type(value) is Record:
        found = value.scope.values.get(key)
        return UNDEFINED if found is None else resolve(found, value.scope)
    if type(value) is tuple:
        return tuple([attribute_of(item, key) for item in value])
    return UNDEFINED if value is UNDEFINED else ERROR


def _literal(expr: Literal) -> Code:
    value = expr.value
    return lambda scope: value


def _reference(expr: Reference) -> Code:
    key = expr.key
    if expr.scope is not None:
        return _scoped(expr.scope.lower(), key)
    if key in SCOPES:
        ad_named = _SCOPE_OF[key]

        def whole(scope: Scope) -> Value:
            where = ad_named(scope)
            return UNDEFINED if where is None else Record(where.ad, where)

        return whole

    def bare(scope: Scope) -> Value:
        where: Scope | None = scope
        while where is not None:
            found = where.values.get(key)
            if found is not None:
                return resolve(found, where)
            where = where.parent
        return UNDEFINED

    return bare


def _scoped(name: str, key: str) -> Code:
    if name in ("other", "target"):

        def of_other(scope: Scope) -> Value:
            where = scope.other
            if where is None:
                return UNDEFINED
            found = where.values.get(key)
            return UNDEFINED if found is None else resolve(found, where)

        return of_other
    ad_named = _SCOPE_OF[name]

    def of_ad(scope: Scope) -> Value:
        where = ad_named(scope)
        found = None if where is None else where.values.get(key)
        return UNDEFINED if found is None or where is None else resolve(found, where)

    return of_ad


def _operation(expr: Operation) -> Code:
    codes = [code_of(operand) for operand in expr.operands]
    if expr.unary:
        apply_unary, operand = UNARY[expr.operator], codes[0]
        return lambda scope: apply_unary(operand(scope))
    if expr.operator == "&&":
        return _logic(codes, False)
    if expr.operator == "||":
        return _logic(codes, True)
    if len(codes) == 2:
        apply, (left, right) = BINARY[expr.operator], codes
        return lambda scope: apply(left(scope), right(scope))
    steps = [(BINARY[name], code) for name, code in zip(expr.operators, codes[1:], strict=True)]
    first = codes[0]

    def chain(scope: Scope) -> Value:
        value = first(scope)
        for step, code in steps:
            value = step(value, code(scope))
        return value

    return chain


def _logic(codes: list[Code], decisive: bool) -> Code:
    """``&&`` (decided by false) and ``||`` (decided by true)."""
    indecisive = not decisive

    def chain(scope: Scope) -> Value:
        result: Value = indecisive
        for code in codes:
            value = code(scope)
            if value is decisive:
                return decisive
            if value is not indecisive:
                if value is not UNDEFINED:
                    return ERROR
                result = UNDEFINED
        return result

    return chain


def _conditional(expr: Conditional) -> Code:
    condition, otherwise = code_of(expr.condition), code_of(expr.otherwise)
    if expr.then is None:

        def default(scope: Scope) -> Value:
            value = condition(scope)
            return otherwise(scope) if value is UNDEFINED else value

        return default
    then = code_of(expr.then)

    def choose(scope: Scope) -> Value:
        value = condition(scope)
        if value is True:
            return then(scope)
        if value is False:
            return otherwise(scope)
        return UNDEFINED if value is UNDEFINED else ERROR

    return choose


def _call(expr: Call) -> Code:
    special = SPECIAL.get(expr.key)
    if special is not None:
        return special(expr, code_of)
    function = FUNCTIONS.get(expr.key)
    if function is None or not function.least <= len(expr.arguments) <= function.most:
        return lambda scope: ERROR
    codes = [code_of(argument) for argument in expr.arguments]
    body, strict = function.body, function.strict
    weighs = function.weighs

    def call(scope: Scope) -> Value:
        values = [code(scope) for code in codes]
        if strict:
            missing = False
            for value in values:
                if value is ERROR:
                    return ERROR
                if value is UNDEFINED:
                    missing = True
            if missing:
                return UNDEFINED
        if weighs:
            scope.run.charge(sum([len(value) >> 4 for value in values if isinstance(value, (str, tuple))]))
        return body(scope.run, *values)

    return call


def _list(expr: ListExpr) -> Code:
    if expr.constant:
        constant = tuple([item.value for item in expr.items if isinstance(item, Literal)])
        return lambda scope: constant
    codes = [code_of(item) for item in expr.items]
    return lambda scope: tuple([code(scope) for code in codes])


def _record(expr: ClassAd) -> Code:
    return lambda scope: Record(expr, Scope(expr, scope, scope.other, scope.run))


def _select(expr: Select) -> Code:
    base, key = code_of(expr.base), expr.key
    return lambda scope: attribute_of(base(scope), key)


def _subscript(expr: Subscript) -> Code:
    base, index = code_of(expr.base), code_of(expr.index)

    def item(scope: Scope) -> Any:
        whole, place = base(scope), index(scope)
        if type(whole) is Record and type(place) is str:
            return attribute_of(whole, place.lower())
        return subscript(whole, place)

    return item


_SCOPE_OF: dict[str, Callable[[Scope], Scope | None]] = {
    "other": lambda scope: scope.other,
    "target": lambda scope: scope.other,
    "self": lambda scope: scope,
    "my": lambda scope: scope.root,
    "root": lambda scope: scope.root,
    ".": lambda scope: scope.root,
    "parent": lambda scope: scope.parent,
}

_MAKERS: dict[type, Callable[..., Code]] = {
    Literal: _literal,
    Reference: _reference,
    Operation: _operation,
    Conditional: _conditional,
    Call: _call,
    ListExpr: _list,
    ClassAd: _record,
    Select: _select,
    Subscript: _subscript,
}
