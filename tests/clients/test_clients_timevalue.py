"""Times on the command line."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.errors import OptionError
from clients.timevalue import expiry, moment, valid_until

NOW = datetime.datetime(2026, 11, 20, 10, 30, 45, 123, tzinfo=datetime.UTC)


@given(st.integers(0, 999), st.integers(0, 59))
@settings(max_examples=60)
def test_valid_is_that_much_from_now_with_seconds_dropped(hours, minutes):
    if hours == minutes == 0:
        with pytest.raises(OptionError):
            valid_until("0:0", NOW)
        return
    end = valid_until(f"{hours}:{minutes:02d}", NOW)
    assert end == NOW.replace(second=0, microsecond=0) + datetime.timedelta(hours=hours, minutes=minutes)


@given(st.datetimes(datetime.datetime(2001, 1, 1), datetime.datetime(2090, 1, 1)))
@settings(max_examples=60)
def test_a_full_moment_is_that_local_moment(naive):
    text = f"{naive.month}:{naive.day}:{naive.hour}:{naive.minute}:{naive.year}"
    assert moment(text, NOW) == naive.replace(second=0, microsecond=0).astimezone()
    short = f"{naive.month}:{naive.day}:{naive.hour}:{naive.minute}:{naive.year % 100:02d}"
    assert moment(short, NOW) == naive.replace(second=0, microsecond=0).astimezone()


def test_two_fields_are_today_and_four_this_year():
    local = NOW.astimezone()
    assert moment("23:59", NOW) == local.replace(hour=23, minute=59, second=0, microsecond=0)
    assert (moment("12:31:08:00", NOW).month, moment("12:31:08:00", NOW).year) == (12, local.year)


@given(st.text(alphabet="0123456789:. -x", max_size=14))
@settings(max_examples=100)
def test_any_text_is_a_moment_or_a_refusal(text):
    try:
        result = moment(text, NOW)
    except OptionError as error:
        assert text in error.description
    else:
        assert result.tzinfo is not None


@pytest.mark.parametrize("text", ["", "10", "1:2:3", "25:00", "02:30:10:00", "1:1:1:1:1:1", "-1:00", "10:61"])
def test_other_forms_are_refused(text):
    with pytest.raises(OptionError, match="wrong time value"):
        moment(text, NOW)


def test_an_expiry_in_the_past_is_out_of_limit():
    with pytest.raises(OptionError, match="the time value is out of limit"):
        expiry("01:01:00:00:2020", NOW)
    with pytest.raises(OptionError, match="wrong time value"):
        valid_until("01:02:03", NOW)
