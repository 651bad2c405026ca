"""What a job may have forged is read as a stranger's text."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ce.reports import Forged, read_result, read_steps
from grid.states import CreamState

GOOD = {"class": "ok", "reason": "", "exit_code": 0, "signal": None, "usage": None, "node": "wn1", "notes": []}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def control(tmp_path: Path) -> Path:
    (tmp_path / "control").mkdir()
    return tmp_path / "control"


def write(control: Path, record: object, name: str = "result.json") -> None:
    (control / name).write_text(json.dumps(record))


def test_no_result_is_none_and_a_good_one_is_read(control):
    assert read_result(control, os.geteuid()) is None
    write(control, {**GOOD, "reason": "a\x1b[31m\nb" + "x" * 5000, "usage": {"real": 1, "user": 0.5, "sys": 0}})
    result = read_result(control, os.geteuid())
    assert result.reason.startswith("a [31m b")
    assert len(result.reason) <= 1000
    assert result.usage.real == 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"class": "excellent"},
        {"exit_code": 256},
        {"exit_code": True},
        {"exit_code": "0"},
        {"signal": -9},
        {"usage": {"real": 1}},
        {"usage": {"real": -1, "user": 0, "sys": 0}},
        {"usage": {"real": 1e300, "user": 0, "sys": 0}},
        {"node": "a b"},
        {"node": "../../etc"},
        {"reason": None},
    ],
)
def test_what_no_wrapper_writes_is_refused(control, change):
    write(control, {**GOOD, **change})
    with pytest.raises(Forged):
        read_result(control, os.geteuid())


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1" * 10_000, '{"class": NaN}', "\x00", "{}" * 10, '"x"', "x" * (2 << 20)]
)
def test_texts_that_break_parsers_are_refused(control, text):
    (control / "result.json").write_text(text)
    with pytest.raises(Forged):
        read_result(control, os.geteuid())


def test_links_fifos_and_files_of_others_are_not_opened(control, tmp_path):
    target = tmp_path / "secret"
    write(tmp_path, GOOD, "secret")
    path = control / "result.json"
    path.symlink_to(target)
    with pytest.raises(Forged):
        read_result(control, os.geteuid())
    path.unlink()
    os.link(target, path)
    with pytest.raises(Forged):
        read_result(control, os.geteuid())
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Forged):
        read_result(control, os.geteuid())
    path.unlink()
    write(control, GOOD)
    with pytest.raises(Forged):
        read_result(control, os.geteuid() + 1)


def test_a_control_directory_that_became_a_link_is_not_followed(control, tmp_path):
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", GOOD)
    control.rmdir()
    control.symlink_to(tmp_path / "other")
    with pytest.raises(Forged):
        read_result(control, os.geteuid())


def test_steps_are_read_once_each_and_half_a_line_waits(control):
    line = json.dumps({"status": "RUNNING", "time": 5.0, "node": "wn1"})
    (control / "status").write_text(
        f"{line}\nrubbish\n{line}\n" + '{"status": "DONE-OK", "time": 1, "node": "x"}\n' + line[:9]
    )
    steps = read_steps(control, os.geteuid())
    assert [(step.state, step.at) for step in steps] == [(CreamState.RUNNING, 5.0)]


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(list(GOOD)), values, max_size=7))
def test_any_record_is_either_read_or_refused(change):
    with tempfile.TemporaryDirectory() as directory:
        control = Path(directory) / "control"
        control.mkdir()
        write(control, {**GOOD, **change})
        try:
            result = read_result(control, os.geteuid())
        except Forged:
            return
        assert result.verdict in ("ok", "abort", "resubmit")


def test_a_job_whose_directory_was_tidied_away_has_left_nothing(tmp_path):
    assert read_result(tmp_path / "gone" / "control", os.geteuid()) is None
    assert read_steps(tmp_path / "gone" / "control", os.geteuid()) == ()
