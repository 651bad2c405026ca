"""Events that arrive together are stored as one piece, and it makes no difference but to the cost."""

from __future__ import annotations

import errno

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid.states import Source
from lb import tables, ulm
from lb.admission import MAX_EVENTS_FOR_LATE, Sender
from lb.children import NodeClass, class_of, collection_state
from lb.errors import EventRefused
from lb.intake import Intake, together
from lb.status import from_json

SERVICE = Sender("/O=Grid/CN=host/localhost", True)


def books():
    engine = sa.create_engine("sqlite://")
    tables.metadata.create_all(engine)
    return engine


def kept(connection):
    """Every job with its status, and every event but the moment at which it arrived."""
    jobs = connection.execute(sa.select(tables.jobs).order_by(tables.jobs.c.number)).mappings().all()
    columns = [column for column in tables.events.c if column.name not in ("arrived", "number")]
    return jobs, connection.execute(sa.select(*columns).order_by(tables.events.c.number)).all()


def one_by_one(intake, connection, events):
    outcomes = []
    for event in events:
        try:
            outcomes.append(intake.store(connection, event, SERVICE))
        except EventRefused as refused:
            outcomes.append(refused.minor)
    return outcomes


def in_pieces(intake, connection, events):
    pieces: list[list] = []
    for event in events:
        if pieces and together(pieces[-1][-1], event, SERVICE):
            pieces[-1].append(event)
        else:
            pieces.append([event])
    outcomes = []
    for piece in pieces:
        try:
            found = intake.store_all(connection, piece, SERVICE)
        except EventRefused as refused:
            found = [refused]
        outcomes += [one.minor if isinstance(one, EventRefused) else one for one in found]
    return outcomes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_events_in_pieces_are_kept_as_events_one_by_one(new_trace, data):
    trace, other = new_trace(), new_trace()
    trace.successful()
    other.register()
    other.until_matched()
    stranger = new_trace()
    stranger.until_matched()
    events = data.draw(st.permutations(trace.events + other.events[:4] + stranger.events[:2]))
    events = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=4))]
    if data.draw(st.booleans()):
        events.sort(key=lambda event: (str(event.jobid), event.seqcode))
    found = []
    for way in (one_by_one, in_pieces):
        with books().begin() as connection:
            found.append((way(Intake("localhost"), connection, events), kept(connection)))
    assert found[0] == found[1]


def test_a_refused_event_takes_nothing_of_its_piece_with_it(new_trace):
    trace = new_trace()
    trace.register()
    trace.until_matched()
    first, *rest = trace.events
    wrong = trace.log("UserTag", Source.NetworkServer, rest[-1].seqcode, name="", value="v")
    with books().begin() as connection:
        intake = Intake("localhost")
        intake.store(connection, first, SERVICE)
        outcomes = intake.store_all(connection, [rest[0], wrong, rest[1]], SERVICE)
        assert [isinstance(one, EventRefused) for one in outcomes] == [False, True, False]
        assert [ulm.decode(line).type for line in connection.execute(sa.select(tables.events.c.line)).scalars()] == [
            first.type,
            rest[0].type,
            rest[1].type,
        ]


def test_a_piece_reads_and_writes_its_job_once(new_trace):
    trace = new_trace()
    trace.register()
    trace.until_matched()
    first, *rest = trace.events
    engine = books()
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    with engine.begin() as connection:
        intake = Intake("localhost")
        intake.store(connection, first, SERVICE)
        statements.clear()
        assert intake.store_all(connection, rest, SERVICE) == [True] * len(rest)
    assert len(rest) > 3
    assert len(statements) == 4, statements  # the job, what is known of the events, the events, the job


def _collection(data, new_trace):
    """The events of a collection's nodes, in some order, some twice."""
    parent = new_trace()
    registration = parent.register(jobtype="COLLECTION", nsubjobs="3", seed="WMPROXY")
    events = []
    for position in range(3):
        node = new_trace(parent.jobid.child("WMPROXY", position))
        node.successful()
        events += node.events[: data.draw(st.integers(1, len(node.events)))]
    events = data.draw(st.permutations(events))
    events += data.draw(st.lists(st.sampled_from(events), max_size=6))
    if data.draw(st.booleans()):
        events.sort(key=lambda event: (str(event.jobid), event.seqcode))
    return registration, events


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_collection_follows_its_nodes_alike_whether_events_come_in_pieces_or_one_by_one(new_trace, data):
    registration, events = _collection(data, new_trace)
    found = []
    for way in (one_by_one, in_pieces):
        with books().begin() as connection:
            intake = Intake("localhost")
            intake.store(connection, registration, SERVICE)
            outcomes = way(intake, connection, events)
            rows = connection.execute(sa.select(tables.jobs).order_by(tables.jobs.c.number)).mappings().all()
            own, *nodes = rows
            counted = connection.execute(sa.select(tables.histograms)).mappings().one()
            classes = [class_of(from_json(node["status"])) for node in nodes]
            assert {slot: counted[slot] for slot in NodeClass} == {slot: classes.count(slot) for slot in NodeClass}
            assert [node["class"] for node in nodes] == classes
            found.append((outcomes, nodes, own["state"]))
            if own["state"] != "Cleared":  # what is cleared is gone, whatever comes late
                assert collection_state({slot: classes.count(slot) for slot in NodeClass}) == own["state"] or all(
                    one is NodeClass.REST for one in classes
                )
    assert found[0] == found[1]


def test_a_registration_whose_nodes_identifiers_are_taken_is_refused_for_good(new_trace):
    parent = new_trace()
    registration = parent.register(jobtype="COLLECTION", nsubjobs="3", seed="WMPROXY")
    taken = new_trace(parent.jobid.child("WMPROXY", 1)).register()
    with books().connect() as connection:
        intake = Intake("localhost")
        intake.store(connection, taken, SERVICE)
        with connection.begin_nested() as piece:
            with pytest.raises(EventRefused, match="an identifier of its nodes is taken") as refused:
                intake.store(connection, registration, SERVICE)
            piece.rollback()
        assert refused.value.minor == errno.EPERM
        assert connection.execute(sa.select(tables.jobs.c.jobid)).scalars().all() == [str(taken.jobid)]


def test_users_late_events_do_not_cost_more_and_more(new_trace):
    trace, user = new_trace(), Sender(new_trace.OWNER, False)
    trace.register()

    def cancel(ui):
        return trace.log("Cancel", Source.UserInterface, trace.code(ui=ui), status_code="REQ")

    with books().begin() as connection:
        intake = Intake("localhost")
        intake.store(connection, trace.events[0], SERVICE)
        late = [cancel(5000 - number) for number in range(MAX_EVENTS_FOR_LATE)]
        for event in late[:-1]:
            assert intake.store(connection, event, user)
        with pytest.raises(EventRefused, match="belongs before or beside the last") as refused:
            intake.store(connection, late[-1], user)
        assert refused.value.minor == errno.ENOSPC
        assert not intake.store(connection, late[0], user), "what is stored is confirmed as long as it is sent"
        assert intake.store(connection, cancel(6000), user), "news are taken"
        assert intake.store(connection, late[-1], SERVICE), "services say what they have to say"
