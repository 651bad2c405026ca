"""Files of job ids and computing elements."""

from __future__ import annotations

import io

import pytest

from clients.errors import Bye, ClientError, OptionError
from clients.inputfile import job_ids, read_items, resource_ids
from clients.messages import Messages
from clients.questions import Questions

A = "https://lb.example.org:9000/aaaaaaaaaaaaaaaaaaaaaa"
B = "https://lb.example.org:9000/bbbbbbbbbbbbbbbbbbbbbb"
SILENT = Questions(interactive=False)


def screen() -> Messages:
    return Messages(stdout=io.StringIO(), stderr=io.StringIO())


def test_comments_blanks_and_duplicates_are_dropped_and_remarks_kept(tmp_path):
    path = tmp_path / "ids"
    path.write_text(f"###Submitted Job Ids###\n  {A}  \n// x\n#*try --start\n{B}\n\n{A}\n")
    items = read_items(str(path))
    assert [item.text for item in items] == [A, B]
    assert items[1].remarks == ("try --start",)


@pytest.mark.parametrize("text", [None, "", "# only\n"])
def test_a_missing_or_empty_file_is_named(tmp_path, text):
    path = tmp_path / "ids"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ClientError, match=f"invalid input file : {path}") as caught:
        read_items(str(path))
    assert caught.value.title == "File i/o Error"


def test_ids_come_from_operands_or_from_the_file_not_from_both(tmp_path):
    path = tmp_path / "ids"
    path.write_text(f"{A}\n{B}\n")
    assert [str(job) for job in job_ids([B, B], None, screen(), SILENT)] == [B]
    assert [str(job) for job in job_ids([], str(path), screen(), SILENT)] == [A, B]
    with pytest.raises(OptionError):
        job_ids([A], str(path), screen(), SILENT)


def test_the_menu_picks_from_the_file(tmp_path):
    path = tmp_path / "ids"
    path.write_text(f"{A}\n#*remark\n{B}\n")
    out = io.StringIO()
    questions = Questions(interactive=True, stdin=io.StringIO("2\n"), stdout=out)
    assert [str(job) for job in job_ids([], str(path), screen(), questions)] == [B]
    assert f"   remark\n2 : {B}" in out.getvalue()


def test_wrong_ids_are_told_and_all_wrong_ends_the_command():
    messages = screen()
    assert [str(job) for job in job_ids([A, "nonsense"], None, messages, SILENT)] == [A]
    assert "Warning - Wrong JobId(s)" in messages.stderr.getvalue()
    with pytest.raises(ClientError, match="all parsed jobids in bad format"):
        job_ids(["nonsense"], None, screen(), SILENT)
    refusing = Questions(interactive=True, stdin=io.StringIO("n\n"), stdout=io.StringIO())
    with pytest.raises(Bye):
        job_ids([A, "nonsense"], None, screen(), refusing)


def test_a_computing_element_has_a_slash(tmp_path):
    path = tmp_path / "ces"
    path.write_text("ce:8443/cream-fork-q\n")
    assert resource_ids(str(path)) == ["ce:8443/cream-fork-q"]
    path.write_text("ce\n")
    with pytest.raises(ClientError, match="not a computing element id"):
        resource_ids(str(path))
