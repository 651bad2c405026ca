"""What the batch system is told of a job's requirements."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.forwarding import Forwarding, read_propagations
from broker.job import Job
from grid.errors import ConfigurationError
from jdl.evaluate import evaluate, is_true
from jdl.parser import parse, parse_expression

FORWARDED = frozenset({"ram", "cpu"})


def told(requirements: str, element: str, more: str = "", propagate: tuple[str, ...] = ()) -> str:
    forwarding = Forwarding(FORWARDED, read_propagations(propagate))
    job = Job(parse(f"[ Requirements = {requirements}; {more} ]"))
    return forwarding.ce_requirements(job, parse(element), clock=lambda: 5.0, rng=lambda: 0.5)


@pytest.mark.parametrize(
    ("requirements", "left"),
    [
        ("true", ""),
        ("other.os == \"EL9\"", ""),
        ("other.ram >= 100", "other.ram >= 100"),
        ("other.os == \"EL9\" && other.RAM >= Wanted * 2", "other.RAM >= 200"),
        ("other.os == \"EL9\" && Mine", "other.ram > 100 && other.cpu > 1"),
        ("(other.os == \"EL8\" && other.ram > 1) || other.ram > 2", "other.ram > 2"),
        ("other.os == \"EL9\" || other.ram > 1", ""),
        ("other.ram > 1 || other.os == \"EL8\"", "other.ram > 1"),
        ("other.os == \"EL9\" ? other.ram > 3 : other.cpu > 9", "other.ram > 3"),
        ("other.ram >= other.least", "other.ram >= 7"),
        ("member(other.ram, other.sizes)", "member(other.ram,{100,4096})"),
        ("anyMatch(other.storage, target.ram > 1)", ""),  # the storage element's, not the computing element's
        ("time() == 5 && other.ram > time()", "other.ram > 5"),
        ("allMatch({[a = other.ram]}, true || false)", ""),  # has no form for a batch system
    ],
)
def test_what_is_left_speaks_of_forwarded_attributes_only(requirements: str, left: str) -> None:
    element = '[ os = "EL9"; ram = 4096; cpu = 8; least = 7; sizes = {100, 4096}; storage = {[ram = 5]} ]'
    text = told(requirements, element, "Wanted = 100; Mine = other.ram > Wanted && other.cpu > 1;")
    assert text.replace(" ", "") == left.replace(" ", "")


def test_what_the_operator_wants_known_is_joined() -> None:
    rules = (
        '[ name = "walltime"; value = jdl.Minutes * 60; requires = ce.lrms == "pbs" ]',
        '[ name = "queue"; value = ce.queue ]',
        '[ name = "never"; value = 1; requires = jdl.Nothing ]',
        '[ name = "nothing"; value = jdl.Nothing ]',
    )
    text = told("other.ram > 1", '[ lrms = "PBS"; queue = "a\\"b"; ram = 5 ]', "Minutes = 3;", rules)
    assert text == 'other.ram > 1 && walltime==180 && queue=="a\\"b"'
    assert parse_expression(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ name = ", "entry 2 cannot be read.*line 1"),
        ("[ value = 1 ]", "entry 2 must have the form"),
        ('[ name = "x" ]', "entry 2 must have the form"),
        ('[ name = "x; rm"; value = 1 ]', "entry 2 must have the form"),
    ],
)
def test_a_wrong_entry_is_told(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)" + message):
        read_propagations(('[ name = "a"; value = 1 ]', text))


def test_requirements_that_explode_are_not_forwarded() -> None:
    doubling = "".join(f"a{n} = a{n + 1} && a{n + 1};" for n in range(40))
    assert told("a0", "[ ram = 5 ]", doubling + "a40 = other.ram > 1;") in ("", "other.ram > 1")
    assert told("loop && other.ram > 1", "[ ram = 5 ]", "loop = loop || other.ram > 2;") is not None


ATOMS = st.sampled_from(
    ["other.ram", "other.cpu", "other.fixed", "other.text", "other.none", "own", "mixed", "1", "0", "true", "false",
     "undefined", '"a"']
)  # fmt: skip


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["&&", "||", "==", "<", ">=", "+", "=?="])
    return st.one_of(
        st.tuples(inner, binary, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"(!{t})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} ?: {t[1]})"),
        inner.map(lambda t: f"isUndefined({t})"),
    )


@settings(max_examples=300, deadline=None)
@given(st.recursive(ATOMS, _grown, max_leaves=12), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
def test_on_any_machine_behind_the_queue_the_rest_says_what_the_whole_would(text, published, ram, cpu) -> None:
    """Published is one number; the machine has others.  Whoever matches is led to the machines that fit."""
    own = "own = 1; mixed = other.ram > 0 && other.fixed == 1;"
    rest = 'fixed = 1; text = "b";'
    requirements = parse_expression(text)
    job = parse(f"[ Requirements = {text}; {own} ]")
    element, machine = parse(f"[ ram = {published}; {rest} ]"), parse(f"[ ram = {ram}; cpu = {cpu}; {rest} ]")
    if not is_true(evaluate(requirements, job, element)):
        return  # no match
    left = Forwarding(FORWARDED).ce_requirements(Job(job), element)
    whole = is_true(evaluate(requirements, job, machine))
    if left:
        assert is_true(evaluate(parse_expression(left), None, machine)) is whole
    else:
        assert whole
