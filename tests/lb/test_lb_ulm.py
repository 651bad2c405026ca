"""ULM lines: round trip, any order of the pairs, refusal with the right code."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.jobid import JobId
from grid.states import Source
from lb.errors import EventError, UlmError
from lb.events import EVENT_TYPES, LEVELS, Event
from lb.ulm import decode, encode, job_of

LINE = (
    'DATE=20080928052456.355641 HOST="ui.example.org" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=0 '
    'DG.SOURCE="NetworkServer" DG.EVNT="Match" DG.JOBID="https://lb.example.org:9000/abcdefghijklmnopqrstuv" '
    'DG.SEQCODE="UI=000000:NS=0000000003:WM=000001:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:'
    'LBS=000000" DG.USER="/DC=org/CN=Alice" DG.MATCH.DEST_ID="ce.example.org:2119/jobmanager-pbs-cms"'
)

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60)
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=200)
jobs = st.builds(lambda: JobId.new("lb.example.org"))


def values(field):
    kinds = {
        "int": st.integers(-(10**9), 10**9).map(str),
        "float": st.floats(allow_nan=False, allow_infinity=False).map(str),
        "job": jobs.map(str),
        "source": st.sampled_from([s.value for s in Source]),
        "time": st.just("20080928052456.355641"),
        "word": st.sampled_from(field.words or ("x",)),
    }
    return kinds.get(field.kind, texts)


@st.composite
def events(draw):
    kind = draw(st.sampled_from(list(EVENT_TYPES.values())))
    chosen = [f for f in kind.fields if not f.optional or draw(st.booleans())]
    utc = st.just(datetime.UTC)
    moments = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2200, 1, 1), timezones=utc)
    return Event(
        type=kind.name,
        jobid=draw(jobs),
        source=draw(st.sampled_from([s for s in Source if s is not Source.Undefined])),
        timestamp=draw(moments),
        seqcode=draw(names),
        user=draw(names),
        host=draw(names),
        level=draw(st.sampled_from(LEVELS)),
        priority=draw(st.integers(0, 10**8)),
        src_instance=draw(st.none() | names),
        fields={field.name: draw(values(field)) for field in chosen},
        arrived=draw(st.none() | moments),
    )


@settings(max_examples=100, deadline=None)
@given(event=events())
def test_every_event_survives_the_line(event):
    line = encode(event)
    assert "\n" not in line
    assert decode(line + "\n") == event
    assert job_of(line) == event.jobid


def test_the_historical_line_is_written_in_the_historical_order():
    event = decode(LINE)
    assert (event.type, event.source, event.get("dest_id")) == (
        "Match",
        Source.NetworkServer,
        "ce.example.org:2119/jobmanager-pbs-cms",
    )
    assert encode(event) == LINE


def test_pairs_may_stand_in_any_order_and_foreign_ones_of_the_transport_are_passed_over():
    head, _, tail = LINE.partition(" PROG=edg-wms ")
    assert decode(f"DG.LLLID=42 {tail}   PROG=edg-wms {head}") == decode(LINE)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda line: line[:-1], UlmError.BROKEN),
        (lambda line: line + " x", UlmError.BROKEN),
        (lambda line: line + " DATE=20080928052456.355641", UlmError.BROKEN),
        (lambda line: line.replace('"Match"', '"Batch"'), UlmError.UNKNOWN_EVENT),
        (lambda line: line + ' DG.MATCH.COLOUR="red"', UlmError.EXTRA_FIELD),
        (lambda line: line.replace("DG.MATCH.DEST_ID", "DG.TYPE"), UlmError.MISSING_FIELD),
        (lambda line: line.replace("DATE=2008", "DATE=2x08"), UlmError.BAD_VALUE),
        (lambda line: line.replace("https://lb.", "http://lb."), UlmError.BAD_VALUE),
        (lambda line: line.replace("SYSTEM", "LOUD"), UlmError.BAD_VALUE),
        (lambda line: line.replace("NetworkServer", "Network"), UlmError.BAD_VALUE),
        (lambda line: line.replace("/CN=Alice", "/CN=\\nAlice"), UlmError.BAD_VALUE),
    ],
)
def test_a_faulty_line_is_refused_with_its_code(change, code):
    with pytest.raises(UlmError) as caught:
        decode(change(LINE))
    assert caught.value.ulm_code == code


@pytest.mark.parametrize(
    ("event_type", "fields"),
    [
        ("Nothing", {}),
        ("Match", {}),
        ("Match", {"dest_id": 3}),
        ("Match", {"dest_id": "a\0b"}),
        ("Match", {"dest_id": "\ud800"}),
        ("Match", {"dest_id": "x", "colour": "red"}),
        ("Done", {"status_code": "OK", "exit_code": "one"}),
        ("Done", {"status_code": "ok", "exit_code": "1"}),
    ],
)
def test_an_event_that_breaks_its_definition_cannot_be_made(event_type, fields):
    good = decode(LINE)
    with pytest.raises(EventError):
        Event(event_type, good.jobid, good.source, good.timestamp, good.seqcode, good.user, good.host, fields=fields)
