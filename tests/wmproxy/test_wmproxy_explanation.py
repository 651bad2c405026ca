"""``POST …/explain`` over the wire: who is answered, with what, and what is refused."""

from __future__ import annotations

import json
import time

import pytest

from grid.limits import MAX_JDL_BYTES
from wsdl.explanation import Explanation
from wsdl.records import from_json

JDL = '[ Executable = "/bin/true"; Requirements = other.GlueCEInfoTotalCPUs > 100000; Rank = 1; ]'
COLLECTION = '[ Type = "collection"; Requirements = true; Rank = 1; Nodes = { [ Executable = "/bin/true"; ] }; ]'
JDL_TYPE = {"Content-Type": "application/x-jdl; charset=utf-8"}


def ask(door, jdl: str | bytes = JDL, headers: dict[str, str] | None = None, method: str = "POST"):
    body = jdl.encode() if isinstance(jdl, str) else jdl
    return door.http(method, f"{door.path}/explain", body, JDL_TYPE if headers is None else headers)


def error(answer) -> tuple[int, int, str]:
    """Status, code and description of a refusal, after its form was checked."""
    assert answer.headers["Content-Type"] == "application/json"
    told = json.loads(answer.body)
    assert list(told) == ["error"]
    assert list(told["error"]) == ["code", "description", "causes"]
    return answer.status, told["error"]["code"], told["error"]["description"]


def test_it_explains_what_does_not_match(node, alice) -> None:
    answer = ask(alice)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    found = from_json(Explanation, json.loads(answer.body))
    assert (found.version, found.matches) == (1, 0)
    assert found.changes[0].edits[0].instead.startswith("other.GlueCEInfoTotalCPUs >= ")
    assert found.access.fqan == "/testvo"


def test_processors_are_asked_for_as_they_are_of_a_registered_job(node, alice) -> None:
    jdl = '[ Executable = "/bin/true"; Requirements = true; Rank = 1; CpuNumber = 100000; ]'
    found = from_json(Explanation, json.loads(ask(alice, jdl).body))
    assert found.matches == 0
    assert found.changes[0].edits[0].attribute == "CpuNumber"


def test_it_explains_what_matches_too(node, alice) -> None:
    found = from_json(Explanation, json.loads(ask(alice, JDL.replace("100000", "0")).body))
    assert found.matches == 1
    assert found.best[0].rank == 1


def test_the_change_that_it_tells_gives_a_match_when_it_is_made(node, alice) -> None:
    change = from_json(Explanation, json.loads(ask(alice).body)).changes[0]
    changed = f'[ Executable = "/bin/true"; Requirements = {change.requirements}; Rank = 1; ]'
    assert from_json(Explanation, json.loads(ask(alice, changed).body)).matches == change.matches


@pytest.mark.parametrize(
    ("jdl", "status", "code", "words"),
    [
        ("[ Requirements = other.X > ; ]", 400, 1507, "a value is missing before ';' at line 1, column 28"),
        ("[ Requirements = true; Rank = 1; ]", 400, 1505, "Executable"),
        ('[ Executable = "/bin/true"; Requirements = true; Rank = 1; SubmitTo = 1; ]', 400, 1503, "SubmitTo"),
        (COLLECTION, 409, 1226, "only for normal job"),
        (b'[ Executable = "\xff"; ]', 400, 1225, "the job description is not UTF-8: byte 16 is wrong"),
        ("", 400, None, ""),
        ("[" * 100_000, 400, None, ""),
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_read_is_refused_with_its_code(node, alice, jdl, status, code, words) -> None:
    found = error(ask(alice, jdl))
    assert found[0] == status
    assert code is None or found[1] == code
    assert words in found[2]


def test_only_a_jdl_type_is_taken_so_no_form_of_another_site_can_ask(node, alice) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "text/xml", "multipart/form-data", ""):
        status, code, words = error(ask(alice, headers={"Content-Type": kind}))
        assert (status, code) == (415, 1225)
        assert words == "a job description has the Content-Type application/x-jdl"


def test_other_methods_and_too_much_are_refused(node, alice) -> None:
    answer = ask(alice, method="GET")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert error(ask(alice, "x" * (MAX_JDL_BYTES + 1)))[0] == 413
    assert error(ask(alice, headers={**JDL_TYPE, "Content-Encoding": "gzip"}))[0] == 415


def test_a_stranger_is_refused(node, make_door) -> None:
    assert error(ask(make_door(None)))[:2] == (401, 1206)


def test_identity_comes_from_the_chain_and_from_nothing_else(node, make_door) -> None:
    forged = {**JDL_TYPE, "X-SSL-Client-DN": "/CN=root", "SSL_CLIENT_S_DN": "/CN=root", "X-Forwarded-For": "::1"}
    assert error(ask(make_door(None), headers=forged))[:2] == (401, 1206)


def test_a_proxy_without_an_admitted_vo_or_a_limited_one_is_refused(node, make_door, tmp_path) -> None:

    made = node.proxy("alice", "--limited", "--out", str(tmp_path / "limited.pem"))
    assert error(ask(make_door(made)))[:2] == (403, 1207)
    plain = node.proxy("alice", "--no-voms", "--out", str(tmp_path / "plain.pem"))
    status, code, words = error(ask(make_door(plain)))
    assert (status, code) == (403, 1207)
    assert "testvo" in words



def test_many_conditions_are_answered_in_time_and_bounded(node, alice) -> None:
    one = '(other.A{0} == {0} || other.GlueCEUniqueID == "x{0}")'
    terms = " && ".join(one.format(number) for number in range(3000))
    begin = time.monotonic()
    answer = ask(alice, f'[ Executable = "/bin/true"; Requirements = {terms}; Rank = 1; ]')
    assert time.monotonic() - begin < 20
    assert answer.status == 200
    assert len(answer.body) < 200_000
