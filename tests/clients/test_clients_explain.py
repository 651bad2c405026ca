"""``glite-wms-job-list-match --explain`` against real TLS: what is sent, what is shown, what happens without it."""

from __future__ import annotations

import json

import pytest

from clients import list_match
from clients.explanationtable import WIDTH, story, table
from wsdl.explanation import (
    VERSION,
    Access,
    Alternative,
    Aside,
    Change,
    Choice,
    Condition,
    Edit,
    Explanation,
    JobStory,
    Match,
    Mistake,
    NearMiss,
    NodeCount,
    Opening,
    Picture,
    Refusal,
    Stage,
)
from wsdl.records import RecordMalformed, as_json, from_json

CE = "ce1.example.org:8443/cream-pbs-long"
WANTED = "other.GlueHostMainMemoryRAMSize >= 64000"
FOUND = Explanation(
    VERSION,
    "no computing element matches: none of 20 that admit this user and take jobs meets the Requirements",
    Picture("2026-11-28T03:00:00+00:00", 12.0, 7, ("The information source ldap://b:2170 does not answer",), 3),
    0,
    (Stage("known", 30), Stage("admit", 22), Stage("open", 20), Stage("wms", 20), Stage("requirements", 0)),
    conditions=(
        Condition(
            WANTED, "job", 20, 20, 12, ("Memory",), erroneous=2,
            found=f"best: 32768 on {CE}", near=(NearMiss(CE, "32768"),),
        ),
        Condition(
            'Member("a, b",other.Tags) || other.A', "job", 20, 3, 0, undefined=1,
            alternatives=(Alternative("other.A", 17),),
        ),
        Condition("other.B", "wms", 20, 1, 0),
    ),
    changes=(Change((Edit("Requirements", WANTED, WANTED.replace("64000", "32768")),), 1, 12, "…", (Match(CE, 2),)),),
    mistakes=(Mistake("other.Memry", "other.Memory", "no computing element publishes other.Memry"),),
    access=Access(
        "vo", "/vo", 8, 1, 3, (Opening("VO:cms", 7, 3), Opening("VO:x", 1, 0)), (Refusal(CE, "admits VO:cms"),)
    ),
    closed=(Refusal(CE, "Draining"),),
    closed_count=2,
    aside=(Aside(CE, "3 of 4 jobs failed"),),
    nearest=1,
)  # fmt: skip

TABLE = """\
no computing element matches: none of 20 that admit this user and take jobs
meets the Requirements.

     30  computing elements are known
     22  admit this user
     20  take jobs at present
     20  meet the conditions of this WMS
      0  meet the Requirements  <- here all are lost

Smallest changes that give a match
  1. 1 matches then; 12 if you leave it out
     instead of   other.GlueHostMainMemoryRAMSize >= 64000
     write        other.GlueHostMainMemoryRAMSize >= 32768
     best         ce1.example.org:8443/cream-pbs-long

Probably mistakes
  - no computing element publishes other.Memry

Conditions, on the 20 elements that admit this user and take jobs
   fail  alone  condition
     20     12  other.GlueHostMainMemoryRAMSize >= 64000  (in Memory)
                  best: 32768 on ce1.example.org:8443/cream-pbs-long
                  an error on 2
                  near misses (they fail nothing else):
                    ce1.example.org:8443/cream-pbs-long  32768
      3      -  Member("a, b", other.Tags) || other.A
                  undefined on 1
                  | 17 true: other.A
      1      -  (this WMS) other.B

Access: 8 refuse this user (/vo), 3 of them meet everything else
  1 has a DENY rule for the user
   have  match  the rule
      7      3  VO:cms
  - ce1.example.org:8443/cream-pbs-long (admits VO:cms)

Set aside for a while, though they fit
  - ce1.example.org:8443/cream-pbs-long: 3 of 4 jobs failed

Take no jobs at present
  - ce1.example.org:8443/cream-pbs-long is Draining
  - and 1 more

Problems of the information system
  - The information source ldap://b:2170 does not answer
  - and 2 more

As the broker knew the grid at 2026-11-28T03:00:00+00:00, 12 s ago."""


def served(fake_grid, value: object, status: str = "200 OK") -> None:
    fake_grid.explanation = (status, json.dumps(value).encode())


def test_the_whole_explanation_is_laid_out_for_a_terminal() -> None:
    lines = table(FOUND)
    assert "\n".join(lines) == TABLE
    assert max(map(len, lines)) <= WIDTH


def test_the_conditions_say_on_which_elements_they_were_tried() -> None:
    condition = Condition(WANTED, "job", 1, 1, 1)
    stages = (Stage("known", 3), Stage("admit", 2), Stage("open", 2), Stage("data", 1), Stage("requirements", 0))
    near = Explanation(VERSION, "none", Picture(), 0, stages, conditions=(condition,))
    assert "Conditions, on the 1 element near the job's data that admits this user and takes" in table(near)


def test_leaving_out_is_told_only_where_it_gives_more() -> None:
    change = Change((Edit("CpuNumber", "9", "4"),), 3, 3, "", (Match(CE, 2),))
    lines = table(Explanation(VERSION, "none", Picture(), 0, FOUND.stages, changes=(change,)))
    at = lines.index("  1. 3 match then")
    assert lines[at + 1 : at + 3] == ["     instead of   CpuNumber = 9", "     write        CpuNumber = 4"]


def test_a_refusal_cannot_steer_the_terminal(fake_grid, jdl, capsys) -> None:
    told = {"code": 1507, "description": "it\x1b[2Jfails", "causes": ["so\x07said"]}
    served(fake_grid, {"error": told}, "400 Bad Request")
    assert list_match.main(["-a", "--explain", jdl("Requirements = other.X > 1;")]) == 1
    output = "".join(capsys.readouterr())
    assert "it?[2Jfails" in output
    assert not {"\x1b", "\x07"} & set(output)


def test_explain_sends_the_description_and_shows_the_table(fake_grid, jdl, capsys) -> None:
    served(fake_grid, as_json(FOUND))
    assert list_match.main(["-a", "--explain", jdl("Requirements = other.X > 1;")]) == 0
    assert TABLE in capsys.readouterr().out
    sent = fake_grid.parts("explain")
    assert sent["kind"] == "application/x-jdl; charset=utf-8"
    assert "other.X > 1" in sent["jdl"]
    assert "jobListMatch" not in fake_grid.operations
    assert "putProxy" not in fake_grid.operations, "nothing is delegated for a question"


def test_explain_as_json_is_the_servers_document_in_one_line(fake_grid, jdl, capsys) -> None:
    served(fake_grid, {**as_json(FOUND), "a field of later releases": 1})
    assert list_match.main(["-a", "--explain", "--json", jdl()]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"result": "success", "explanation": as_json(FOUND)}


def test_a_server_without_explanations_is_asked_for_matches_and_the_user_is_told(fake_grid, jdl, capsys) -> None:
    assert list_match.main(["-a", "--explain", jdl()]) == 0
    shown = capsys.readouterr()
    assert "this server does not serve explanations" in shown.err
    assert "ce1:8443/q: requirements\nce2:8443/q: access" in shown.err
    assert fake_grid.operations[-2:] == ["putProxy", "jobListMatch"]


def test_what_the_server_refuses_is_told_in_its_words(fake_grid, jdl, capsys) -> None:
    told = {"code": 1207, "description": "a full proxy is needed\x1b[31m", "causes": ["of a member"]}
    served(fake_grid, {"error": told}, "403 Forbidden")
    assert list_match.main(["-a", "--explain", jdl()]) == 1
    assert "a full proxy is needed?[31m\nof a member" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({**as_json(FOUND), "version": 2}, "answers in version 2, and this command reads version 1"),
        ({**as_json(FOUND), "matches": "many"}, "matches is no int"),
        ({"version": 1}, "verdict is missing"),
        ([], "JSON that is no explanation"),
        ("x", "JSON that is no explanation"),
    ],
)
def test_an_answer_that_is_no_explanation_is_named(fake_grid, jdl, capsys, answer, words) -> None:
    served(fake_grid, answer)
    assert list_match.main(["-a", "--explain", jdl()]) == 1
    assert words in capsys.readouterr().err


def test_an_answer_nested_without_end_is_refused(fake_grid, jdl, capsys) -> None:
    fake_grid.explanation = ("200 OK", b"[" * 200_000)
    assert list_match.main(["-a", "--explain", jdl()]) == 1
    assert "JSON that is no explanation" in capsys.readouterr().err


def test_what_could_steer_a_terminal_is_taken_out() -> None:
    assert from_json(Match, {"ce_id": "a\x1b[2J", "rank": 1}).ce_id == "a?[2J"


@pytest.mark.parametrize("value", [1, None, {"ce_id": 1, "rank": 1}, {"ce_id": "x", "rank": True}, {"rank": 1}])
def test_a_record_of_other_types_is_refused(value) -> None:
    with pytest.raises(RecordMalformed):
        from_json(Match, value)


def test_the_story_of_a_job_says_where_it_went_and_what_else_there_was() -> None:
    choice = Choice(CE, "2026-11-28T03:00:00+00:00", -12.5, 7, (Match("ce2:8443/cream-pbs-q", -13),))
    told = JobStory(VERSION, "https://h:9000/x", "running", "the computing element has it", 2, choice=choice,
                    parent="https://h:9000/p", node="n1")  # fmt: skip
    assert story(told) == [
        "https://h:9000/x",
        "  phase     running: the computing element has it",
        "  node      n1",
        "  of        https://h:9000/p",
        "  attempt   2",
        "",
        "Matched with",
        f"  {CE}",
        "  rank -12.5, 2026-11-28T03:00:00+00:00, of 7 that matched",
        "  the next best were",
        "      -13  ce2:8443/cream-pbs-q",
    ]


def test_the_story_of_a_compound_job_counts_its_nodes_and_names_those_that_wait() -> None:
    nodes = (NodeCount("done", 1), NodeCount("waiting", 2))
    told = JobStory(
        VERSION, "https://h:9000/x", "running", "a dag", nodes=nodes, waiting=("https://h:9000/n: why",)
    )
    assert story(told)[2:] == [
        "", "Nodes", "      1  done", "      2  waiting",
        "", "Nodes that wait for a computing element", "  - https://h:9000/n: why",
    ]  # fmt: skip
