"""Menus and questions."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.errors import Bye, ClientError
from clients.questions import Menu, Questions, chosen


def asked(answers: str) -> tuple[Questions, io.StringIO]:
    out = io.StringIO()
    return Questions(interactive=True, stdin=io.StringIO(answers), stdout=out), out


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=8), st.integers(30, 40))
@settings(max_examples=80)
def test_lists_of_numbers_and_ranges_choose_what_they_name(pairs, count):
    text = ",".join(f"{a}-{b}" if a < b else f"{a}" for a, b in pairs)
    wanted = sorted({n - 1 for a, b in pairs for n in (range(a, b + 1) if a < b else [a])})
    assert chosen(text, count) == tuple(wanted)


@given(st.text(alphabet="0123456789-, aq", max_size=12), st.integers(1, 20))
@settings(max_examples=100)
def test_whatever_is_chosen_is_in_the_menu(text, count):
    picked = chosen(text, count)
    assert picked is None or all(0 <= number < count for number in picked)


@pytest.mark.parametrize("text", ["0", "6", "3-2", "1-6", "1,,2", "x", "-", "1-", "1 2"])
def test_numbers_outside_of_the_menu_choose_nothing(text):
    assert chosen(text, 5) is None


@pytest.mark.parametrize("text", ["", "a", "all", " A "])
def test_an_empty_answer_chooses_all(text):
    assert chosen(text, 3) == (0, 1, 2)


def test_a_menu_shows_items_remarks_all_and_quit():
    questions, out = asked("9\n2\n")
    assert questions.choose(Menu("jobId"), ["one", "two"], [["failed before"], []]) == ["two"]
    text = out.getvalue()
    assert text.startswith("-" * 66 + "\n   failed before\n1 : one\n2 : two\na : all\nq : quit\n" + "-" * 66)
    assert "Choose one or more jobId(s) in the list - [1-2]all (use , as separator or - for a range): " in text


def test_a_single_choice_has_no_all():
    questions, out = asked("a\n1-2\n2\n")
    assert questions.choose(Menu("resource", single=True), ["x", "y"]) == ["y"]
    assert "a : all" not in out.getvalue()
    assert "Choose one resource in the list :" in out.getvalue()


def test_q_ends_the_command():
    with pytest.raises(Bye):
        asked("q\n")[0].choose(Menu("jobId"), ["a", "b"])


def test_one_item_needs_no_menu():
    questions, out = asked("")
    assert questions.choose(Menu("jobId"), ["a"]) == ["a"]
    assert out.getvalue() == ""


def test_without_questions_a_menu_gives_all_and_a_single_choice_the_first():
    silent = Questions(interactive=False)
    assert silent.choose(Menu("jobId"), ["a", "b"]) == ["a", "b"]
    assert silent.choose(Menu("resource", single=True), ["a", "b"]) == ["a"]


@pytest.mark.parametrize(
    ("answer", "default", "result"),
    [("\n", True, True), ("\n", False, False), ("y\n", False, True), ("N\n", True, False)],
)
def test_an_empty_line_takes_the_default(answer, default, result):
    questions, out = asked(answer)
    assert questions.yes("Sure ?", default=default, unasked=False) is result
    assert out.getvalue() == f"Sure ? [y/n]{'y' if default else 'n'} : "


def test_the_end_of_standard_input_is_no_answer():
    with pytest.raises(ClientError, match="use --noint"):
        asked("")[0].yes("Sure ?", default=True, unasked=True)


def test_append_overwrite_or_leave():
    assert asked("x\na\n")[0].append_or_overwrite("f") == "a"
    assert Questions(interactive=False).append_or_overwrite("f") == "o"
    with pytest.raises(Bye):
        asked("q\n")[0].append_or_overwrite("f")
