"""What a queue publishes of itself."""

from ce.publisher import LONGEST_RESPONSE, Occupation, _state
from ce.settings import Queue


def test_a_queue_without_a_wall_limit_publishes_a_worst_time_that_fits_32_bits():
    busy = Occupation(running=1, waiting=3, busy=1, mean_seconds=60.0)
    state = _state(Queue("long", slots=1, max_wall_minutes=None), busy)
    assert state.worst_response_time == LONGEST_RESPONSE < 2**31
    assert state.estimated_response_time == 240


def test_a_queue_with_a_free_slot_answers_at_once():
    state = _state(Queue("short", slots=2), Occupation(running=1, waiting=0, busy=1, mean_seconds=60.0))
    assert (state.estimated_response_time, state.worst_response_time, state.free_job_slots) == (0, 0, 1)
