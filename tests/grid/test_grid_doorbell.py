"""A doorbell wakes, drains and survives a dead listener."""

import time

from grid.doorbell import Doorbell, ring


def test_a_ring_wakes_the_listener_and_is_taken_once(tmp_path):
    with Doorbell.listen(tmp_path / "bell") as bell:
        assert ring(tmp_path / "bell")
        assert ring(tmp_path / "bell")
        assert bell.wait(1)
        assert not bell.wait(0)


def test_nobody_listening_is_told_and_does_not_block(tmp_path):
    assert not ring(tmp_path / "bell")


def test_a_socket_that_a_dead_listener_left_is_replaced(tmp_path):
    Doorbell.listen(tmp_path / "bell")._socket.close()
    with Doorbell.listen(tmp_path / "bell") as bell:
        ring(tmp_path / "bell")
        assert bell.wait(1)


def test_a_full_queue_does_not_block_the_one_who_rings(tmp_path):
    with Doorbell.listen(tmp_path / "bell") as bell:
        start = time.monotonic()
        for _ in range(2000):
            assert ring(tmp_path / "bell")
        assert time.monotonic() - start < 5
        assert bell.wait(0)


def test_a_path_longer_than_a_socket_address_works(tmp_path):
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    with Doorbell.listen(deep / "bell") as bell:
        assert ring(deep / "bell")
        assert bell.wait(1)
