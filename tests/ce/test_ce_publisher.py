"""What a queue publishes of itself."""

from ce.glue1_records import LONGEST_RESPONSE, state
from ce.occupation import Occupation
from ce.settings import Queue


def test_a_queue_without_a_wall_limit_publishes_a_worst_time_that_fits_32_bits():
    busy = Occupation(running=1, waiting=3, busy=1, mean_seconds=60.0)
    shown = state(Queue("long", slots=1, max_wall_minutes=None), busy)
    assert shown.worst_response_time == LONGEST_RESPONSE < 2**31
    assert shown.estimated_response_time == 240


def test_a_queue_with_a_free_slot_answers_at_once():
    shown = state(Queue("short", slots=2), Occupation(running=1, waiting=0, busy=1, mean_seconds=60.0))
    assert (shown.estimated_response_time, shown.worst_response_time, shown.free_job_slots) == (0, 0, 1)
