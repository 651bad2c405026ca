"""Owners take turns at the threads; threads that wait for slow clients are beside the count."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st

from web.ready import ReadyQueue
from web.threads import PARKED_OF_ONE, Threads, share


def test_owners_take_turns() -> None:
    ready: ReadyQueue[int] = ReadyQueue(9)
    for number in range(3):
        ready.put("greedy", number)
    ready.put("modest", 10)
    assert [ready.get() for _ in range(4)] == [("greedy", 0), ("modest", 10), ("greedy", 1), ("greedy", 2)]
    assert ready.empty()


def test_an_owner_with_his_share_of_threads_waits() -> None:
    ready: ReadyQueue[int] = ReadyQueue(2)
    for number in range(3):
        ready.put("greedy", number)
    ready.put("modest", 10)
    assert [ready.get() for _ in range(3)] == [("greedy", 0), ("modest", 10), ("greedy", 1)]
    taken: list[object] = []
    thread = threading.Thread(target=lambda: taken.append(ready.get()))
    thread.start()
    thread.join(0.1)
    assert taken == []
    ready.done("greedy")
    thread.join(5)
    assert taken == [("greedy", 2)]


def test_a_thread_goes_over_to_another_owner_who_has_room() -> None:
    ready: ReadyQueue[int] = ReadyQueue(1)
    ready.put("address", 1)
    ready.put("address", 2)
    assert ready.get() == ("address", 1)
    assert ready.move("address", "user")
    assert ready.get() == ("address", 2)
    assert not ready.move("address", "user")
    ready.done("user")
    assert ready.move("address", "user")


def test_stop_lets_every_thread_go() -> None:
    ready: ReadyQueue[int] = ReadyQueue(1)
    threads = [threading.Thread(target=ready.get) for _ in range(5)]
    for thread in threads:
        thread.start()
    ready.stop()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 4), st.randoms(use_true_random=False))
def test_everything_is_taken_once_and_nobody_holds_more_than_his_share(owners, most, random) -> None:
    ready: ReadyQueue[int] = ReadyQueue(most)
    for number, owner in enumerate(owners):
        ready.put(owner, number)
    held: list[Hashable] = []
    seen = []
    while len(seen) < len(owners):
        takeable = any(
            held.count(owner) < most
            for owner in "abc"
            if sum(o == owner for o in owners) > sum(owners[n] == owner for n in seen)
        )
        if takeable and (not held or random.random() < 0.6):
            owner, number = ready.get()  # type: ignore[misc]
            assert owners[number] == owner
            held.append(owner)
            seen.append(number)
            assert held.count(owner) <= most
        else:
            ready.done(held.pop(random.randrange(len(held))))
    assert sorted(seen) == list(range(len(owners)))


def test_one_owner_gets_all_threads_only_where_there_are_few() -> None:
    assert [share(count) for count in (1, 2, 3, 4, 16)] == [1, 2, 3, 3, 12]


class Pool:
    """Threads whose items are events: each waits for its own, parked when its owner says so."""

    def __init__(self, count: int) -> None:
        self.ready: ReadyQueue[tuple[bool, threading.Event]] = ReadyQueue(share(count))
        self.begun = threading.Semaphore(0)
        self.threads = Threads(count, self.ready, self.work)
        self.threads.start()

    def work(self, owner: Hashable, item: tuple[bool, threading.Event]) -> Hashable:
        slow, event = item
        self.begun.release()
        if slow:
            with self.threads.parked(owner):
                event.wait(20)
        else:
            event.wait(20)
        return owner

    def put(self, owner: str, slow: bool) -> threading.Event:
        event = threading.Event()
        self.ready.put(owner, (slow, event))
        return event

    def served(self, owner: str) -> bool:
        """Whether a request of the owner's is begun within a second."""
        while self.begun.acquire(blocking=False):
            pass
        event = self.put(owner, False)
        event.set()
        return self.begun.acquire(timeout=1.0)


def alive() -> int:
    return sum(thread.name.startswith("request-") for thread in threading.enumerate())


def test_slow_clients_of_one_owner_hold_up_neither_others_nor_him() -> None:
    pool = Pool(4)
    events = [pool.put("slow", True) for _ in range(PARKED_OF_ONE)]
    time.sleep(0.3)
    assert pool.served("other") and pool.served("slow")
    assert alive() == 4 + PARKED_OF_ONE
    for event in events:
        event.set()
    deadline = time.monotonic() + 5
    while alive() > 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive() == 4
    pool.ready.stop()


def test_beyond_the_bound_slow_clients_hold_up_their_owner_and_nobody_else() -> None:
    pool = Pool(4)
    events = [pool.put("slow", True) for _ in range(PARKED_OF_ONE + 10)]
    time.sleep(0.3)
    assert pool.served("other")
    assert alive() == 4 + PARKED_OF_ONE
    for event in events:
        event.set()
    time.sleep(0.2)
    assert pool.served("slow")
    pool.ready.stop()


def test_a_thread_that_is_worn_gives_its_place_to_another() -> None:
    ready: ReadyQueue[int] = ReadyQueue(9)
    mine = threading.local()
    seen: list[tuple[int, str]] = []

    def work(owner: Hashable, item: int) -> Hashable:
        mine.done = getattr(mine, "done", 0) + 1
        seen.append((mine.done, threading.current_thread().name))
        return owner

    threads = Threads(2, ready, work, lambda: mine.done >= 3)
    before = set(threading.enumerate())

    def those() -> int:
        return len(set(threading.enumerate()) - before)

    threads.start()
    for number in range(300):
        ready.put("owner", number)
    end = time.monotonic() + 10
    while len(seen) < 300 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(seen) == 300
    assert max(done for done, _ in seen) == 3
    while those() != 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert those() == 2
    ready.stop()
    while those() and time.monotonic() < end:
        time.sleep(0.01)
    assert those() == 0
