"""The interlogger: every journalled event reaches its server, whatever dies in between, and files go away."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from grid.doorbell import ring
from grid.errors import ConfigurationError
from grid.jobid import JobId
from grid.states import Source
from lb import ulm
from lb.admission import Sender
from lb.delivery import Patience
from lb.interlogger import InterloggerSettings, run
from lb.journal import Journal
from lb.producer import JobLog

QUICK = Patience(first_pause=0.1, longest_pause=0.3, idle=0.3, exchange=10.0)


def wait_for(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def settings(grid, tmp_path):
    return InterloggerSettings(tmp_path / "spool", tmp_path / "il", grid.channel(), 0.3, QUICK)


@contextlib.contextmanager
def running(settings):
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        ring(settings.doorbell)
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def job(job_log):
    return job_log()


def lines(log, count, begin=0):
    events = [log.event("UserTag", name=f"tag{n}", value=str(n)) for n in range(begin, begin + count)]
    return [ulm.encode(event) for event in events]


def registration(log):
    return ulm.encode(log.event("RegJob", ns="https://localhost:7443/", jobtype="SIMPLE"))


def stored(server, log):
    return len(server.database.events(log.jobid, Sender(log.user, False)))


def segments(settings):
    return sorted(path.name for path in settings.spool.iterdir() if path.name.endswith((".log", ".ctl")))


def test_events_are_delivered_and_the_file_goes_when_its_writer_has_gone(server, settings, job):
    server.database.store(ulm.decode(registration(job)), Sender(job.user, True))
    with Journal(settings.spool / "s.0.log") as journal, running(settings):
        journal.append(lines(job, 300))
        ring(settings.doorbell)
        wait_for(lambda: stored(server, job) == 301)
        assert "s.0.00000001.log" in segments(settings)
        journal.append(lines(job, 5, 300))
        ring(settings.doorbell)
        wait_for(lambda: stored(server, job) == 306)
        journal.close()
        wait_for(lambda: not segments(settings))
        journal.append(lines(job, 1, 400))
        ring(settings.doorbell)
        wait_for(lambda: stored(server, job) == 307)


def test_what_is_delivered_is_not_sent_again_after_a_restart(server, settings, job, monkeypatch):
    server.database.store(ulm.decode(registration(job)), Sender(job.user, True))
    seen = []
    real = server.database.submit_all
    monkeypatch.setattr(
        server.database, "submit_all", lambda events, sender: (seen.extend(events), real(events, sender))[1]
    )
    with Journal(settings.spool / "s.0.log") as journal:
        journal.append(lines(job, 10))
        with running(settings):
            wait_for(lambda: stored(server, job) == 11)
            wait_for(lambda: "s.0.00000001.log.ctl" in segments(settings))
        journal.append(lines(job, 1, 50))
        with running(settings):
            wait_for(lambda: stored(server, job) == 12)
    assert len(seen) == 11


def test_events_wait_for_a_server_that_is_down(make_server, grid, settings):
    server = make_server()
    log = JobLog(JobId.new("localhost", server.store_port - 1), grid.alice, Source.NetworkServer)
    server.database.store(ulm.decode(registration(log)), Sender(log.user, True))
    server.close()
    with Journal(settings.spool / "s.0.log") as journal, running(settings):
        journal.append(lines(log, 3))
        time.sleep(0.5)
        second = make_server()
        wait_for(lambda: stored(second, log) == 4)


def test_a_refused_event_does_not_block_those_behind_it(server, settings, job, job_log, caplog):
    server.database.store(ulm.decode(registration(job)), Sender(job.user, True))
    stranger = job_log()
    with Journal(settings.spool / "s.0.log") as journal, running(settings):
        journal.append(lines(stranger, 2) + lines(job, 2))
        wait_for(lambda: stored(server, job) == 3)
    assert str(stranger.jobid) in caplog.text


def test_one_servers_silence_does_not_stop_the_others(server, settings, job):
    server.database.store(ulm.decode(registration(job)), Sender(job.user, True))
    dead = JobLog(JobId.new("localhost", 1), job.user, Source.NetworkServer)
    with Journal(settings.spool / "s.0.log") as journal, running(settings):
        journal.append(lines(dead, 1) + lines(job, 2))
        wait_for(lambda: stored(server, job) == 3)
    assert segments(settings) == ["s.0.00000001.log"]


def test_a_damaged_line_is_set_aside_and_the_rest_delivered(server, settings, job):
    server.database.store(ulm.decode(registration(job)), Sender(job.user, True))
    settings.spool.mkdir()
    good = lines(job, 2)
    data = good[0].encode() + b"\n\xff\x00 garbage\n" + good[1].encode() + b"\nDATE=2026 unfinished"
    (settings.spool / "s.0.00000001.log").write_bytes(data)
    with running(settings):
        wait_for(lambda: stored(server, job) == 3)
    aside = settings.spool / "s.0.00000001.log.quarantine"
    assert aside.read_bytes() == b"\xff\x00 garbage\n"
    assert aside.stat().st_mode & 0o777 == 0o600


def test_a_control_file_that_does_not_fit_means_delivery_from_the_start(server, settings, job):
    server.database.store(ulm.decode(registration(job)), Sender(job.user, True))
    with Journal(settings.spool / "s.0.log") as journal:
        journal.append(lines(job, 3))
        (settings.spool / "s.0.00000001.log.ctl").write_text("00000000000000000400 00000000000000000001\n")
        with running(settings):
            wait_for(lambda: stored(server, job) == 4)


def test_a_second_interlogger_on_a_spool_is_refused(settings):
    with running(settings):
        wait_for(settings.doorbell.exists)
        with pytest.raises(ConfigurationError, match="another interlogger"):
            run(settings, threading.Event())


def test_a_route_leads_to_the_real_address_of_a_server(make_server, grid, settings, tmp_path):
    server = make_server()
    named = JobId.new("localhost", 4)
    log = JobLog(named, grid.alice, Source.NetworkServer)
    routes = {"localhost:5": f"127.0.0.1:{server.store_port}"}
    rerouted = InterloggerSettings(
        settings.spool, settings.doorbell, grid.channel(routes=routes), settings.scan_seconds, settings.patience
    )
    # This server refuses jobs of another address, which shows that the event came.
    with Journal(settings.spool / "s.0.log") as journal, running(rerouted):
        journal.append([registration(log)])
        journal.close()
        wait_for(lambda: not segments(settings))


SERVICE = """
import sys, threading
from pathlib import Path
from lb.channel import ChannelSettings
from lb.delivery import Patience
from lb.interlogger import InterloggerSettings, run
root, spool, bell = map(Path, sys.argv[1:4])
channel = ChannelSettings(root / "hostcert.pem", root / "trust", root / "hostkey.pem")
run(InterloggerSettings(spool, bell, channel, 0.2, Patience(0.1, 0.3, 1.0, 10.0)), threading.Event())
"""


@pytest.mark.parametrize("where", ["lb.interlogger.confirmed", "lb.interlogger.control_removed"])
def test_no_event_is_lost_when_the_interlogger_is_killed_anywhere(server, settings, job, grid, tmp_path, where):
    server.database.store(ulm.decode(registration(job)), Sender(job.user, True))
    with Journal(settings.spool / "s.0.log") as journal:
        journal.append(lines(job, 70))
    marker = tmp_path / "marker"
    environment = os.environ | {"WMS_FAULT_POINT": where, "WMS_FAULT_MARKER": str(marker)}
    command = [sys.executable, "-c", SERVICE, str(grid.root), str(settings.spool), str(settings.doorbell)]
    here = Path(__file__).parents[2]
    died = subprocess.run(command, env=environment, cwd=here, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    assert marker.exists()
    with running(settings):
        wait_for(lambda: not segments(settings))
    assert stored(server, job) == 71
