"""Who is next in a queue: accounts take turns, wide jobs are not overtaken, nobody is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ce.line import Line
from ce.lrms import BatchJob, LocalAccount


def job(name: str, uid: int = 1, slots: int = 1) -> BatchJob:
    return BatchJob(name, "q", Path("/nowhere"), LocalAccount(uid, uid, True), slots)


def names(line: Line, busy: dict[int, int]) -> list[str]:
    taken = []
    while (next_one := line.take(busy)) is not None:
        taken.append(next_one.id)
        busy[next_one.account.uid] = busy.get(next_one.account.uid, 0) + next_one.slots
    return taken


def test_a_job_behind_a_thousand_of_another_account_is_next_but_one():
    line = Line(2)
    for number in range(1000):
        line.add(job(f"bulk{number}"))
    line.add(job("single", uid=2))
    assert names(line, {}) == ["bulk0", "single"]


def test_the_account_with_the_fewest_slots_in_use_is_next():
    line = Line(4)
    line.add(job("one", uid=1))
    line.add(job("two", uid=2))
    assert names(line, {1: 2, 2: 1}) == ["two"]


def test_a_wide_job_waits_at_the_head_and_is_not_overtaken():
    line = Line(4)
    line.add(job("wide", slots=3))
    line.add(job("narrow"))
    assert names(line, {9: 2}) == []
    assert names(line, {9: 1}) == ["wide"]
    assert names(line, {9: 1, 1: 0}) == ["narrow"]


def test_what_was_put_back_is_next_again_and_what_was_removed_is_gone():
    line = Line(1)
    line.add(job("first"))
    line.add(job("second"))
    taken = line.take({})
    line.put_back(taken)
    assert line.remove("second")
    assert not line.remove("second")
    assert (len(line), names(line, {})) == (1, ["first"])


@given(
    jobs=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), max_size=30),
    ends=st.randoms(use_true_random=False),
)
def test_every_job_gets_its_slots_and_no_more_are_in_use_than_there_are(jobs, ends):
    line = Line(4)
    for number, (uid, slots) in enumerate(jobs):
        line.add(job(str(number), uid, slots))
    running: list[BatchJob] = []
    order: list[str] = []
    while len(line) or running:
        busy: Counter[int] = Counter()
        for one in running:
            busy[one.account.uid] += one.slots
        while (one := line.take(busy)) is not None:
            running.append(one)
            order.append(one.id)
            busy[one.account.uid] += one.slots
        assert sum(busy.values()) <= 4
        running.pop(ends.randrange(len(running)))
    assert sorted(order, key=int) == [str(number) for number in range(len(jobs))]
    for uid in (1, 2, 3):
        mine = [int(name) for name in order if jobs[int(name)][0] == uid]
        assert mine == sorted(mine), "within an account the oldest is next"
