"""The five templates on the wire, and that each can be submitted once it is filled in."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest

PLACE = "<put executable path>"
MATCH = "<requirements>true</requirements><rank>1</rank>"
GRAPH = (
    '<dependencies><name xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'
    "<childrenJob><name>a</name><childrenJob><name>b</name></childrenJob></childrenJob></dependencies>"
)
NODE = (
    f'[ requirements = true; rank = 1; Executable = "{PLACE}"; node_type = "edg-jdl"; '
    f'description = [ requirements = true; rank = 1; Executable = "{PLACE}" ] ]'
)
TEMPLATES = [
    (
        "getJobTemplate",
        "<jobType><jobType>NORMAL</jobType></jobType><executable>/bin/echo</executable><arguments>a b</arguments>",
        '[ Executable = "/bin/echo"; Arguments = "a b"; requirements = true; rank = 1 ]',
    ),
    (
        "getDAGTemplate",
        GRAPH,
        f'[ type = "dag"; nodes = [ a = {NODE}; b = {NODE} ]; dependencies = {{ {{ a,b }} }} ]',
    ),
    (
        "getCollectionTemplate",
        "<jobNumber>2</jobNumber>",
        '[ Type = "collection"; nodes = { '
        + ",".join(
            f'[ NodeName = "Node_{n}"; requirements = true; rank = 1; Executable = "{PLACE}" ]' for n in range(2)
        )
        + " } ]",
    ),
    (
        "getIntParametricJobTemplate",
        "<attributes><Item>Arguments</Item></attributes><param>5</param><parameterStart>1</parameterStart>"
        "<parameterStep>2</parameterStep>",
        '[ Arguments = "_PARAM_"; requirements = true; rank = 1; JobType = "parametric"; Parameters = 5; '
        "ParameterStart = 1; ParameterStep = 2 ]",
    ),
    (
        "getStringParametricJobTemplate",
        "<attributes><Item>Arguments</Item></attributes><param><Item>x</Item><Item>y</Item></param>",
        '[ Arguments = "_PARAM_"; requirements = true; rank = 1; JobType = "parametric"; Parameters = { "x","y" } ]',
    ),
]


@pytest.mark.parametrize(("operation", "parts", "jdl"), TEMPLATES)
def test_the_template_is_answered_and_can_be_submitted_filled_in(alice, operation, parts, jdl):
    answer = alice.call(f"<w:{operation}>{parts}{MATCH}</w:{operation}>")
    answer.says(f"<glitens:{operation}Response><jdl>{escape(jdl)}</jdl></glitens:{operation}Response>")
    filled = answer.value("jdl").replace(PLACE, "/bin/true")
    if "Executable" not in filled:
        filled = filled.replace("[ ", '[ Executable = "/bin/echo"; ', 1)
    request = f"<jdl>{escape(filled)}</jdl><delegationId>wire</delegationId>"
    made = alice.call(f"<w:jobRegister>{request}</w:jobRegister>")
    assert made.text.count("<childrenJob>") == (0 if operation == "getJobTemplate" else 2)


@pytest.mark.parametrize(
    ("operation", "parts", "code", "said"),
    [
        ("getIntParametricJobTemplate", TEMPLATES[3][1].replace("Step>2", "Step>0"), "1507", "different from zero"),
        ("getDAGTemplate", "<dependencies><name>a</name></dependencies>", "1506", "Empty NodeStruct given"),
        ("getCollectionTemplate", "<jobNumber>0</jobNumber>", "1225", "jobNumber"),
        ("getStringParametricJobTemplate", TEMPLATES[4][1].replace("<Item>x</Item><Item>y</Item>", ""), "1225",
         "param"),
        ("getStringParametricJobTemplate", "", "1225", "is missing"),
    ],
)  # fmt: skip
def test_what_makes_no_template_is_named_under_the_operation_that_was_called(alice, operation, parts, code, said):
    fault = alice.call(f"<w:{operation}>{parts}{MATCH}</w:{operation}>").fault()
    assert (fault.method, fault.code) == (operation, code)
    assert said in fault.description


def test_requirements_that_are_no_expression_are_a_jdl_error(alice):
    parts = TEMPLATES[0][1] + "<requirements>1 +</requirements><rank>1</rank>"
    fault = alice.call(f"<w:getJobTemplate>{parts}</w:getJobTemplate>").fault()
    assert (fault.method, fault.code) == ("getJobTemplate", "1507")
