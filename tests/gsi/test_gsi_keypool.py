"""Keys made ahead."""

from __future__ import annotations

import threading
import time

import pytest

from gsi.keypool import KeyPool


def test_every_key_is_given_out_once_and_is_strong() -> None:
    with KeyPool(size=2) as pool:
        taken = [pool.take() for _ in range(4)]
    assert len({key.private_numbers().p for key in taken}) == 4
    assert all(key.key_size == 2048 for key in taken)


def test_a_closed_pool_leaves_no_thread_and_still_gives_keys() -> None:
    before = threading.active_count()
    pool = KeyPool(size=1)
    time.sleep(0.05)
    pool.close()
    assert threading.active_count() == before
    assert pool.take().key_size == 2048


@pytest.mark.parametrize(("size", "bits"), [(0, 2048), (1, 1024)])
def test_a_pool_of_nothing_or_of_weak_keys_is_refused(size: int, bits: int) -> None:
    with pytest.raises(ValueError):
        KeyPool(size=size, bits=bits)
