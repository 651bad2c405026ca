"""Quota and limits on a node that has them: on the wire, on files in both directions, and after kill -9."""

import os
import re
import signal
import socket
import time

import pytest

from gsi.tls import client_context

KIB, MIB = 1 << 10, 1 << 20
SOFT, HARD, INPUT, OUTPUT = 3 * MIB, 4 * MIB, 2 * MIB, MIB
LIMITS = f"""[wmproxy]
quota_soft = {SOFT}
quota_hard = {HARD}
max_input_sandbox = {INPUT}
max_output_sandbox = {OUTPUT}
max_waiting_jobs = 6
"""
OPEN = '[ Executable = "/bin/true"; InputSandbox = { "data" }; Requirements = true; Rank = 1; ]'


@pytest.fixture(scope="module")
def small(make_node):
    """A node with small limits."""
    made = make_node()
    configuration = made.root / "wms.toml"
    text, found = re.subn(r"(?m)^\[wmproxy\]\n", LIMITS, configuration.read_text())
    assert found == 1
    configuration.write_text(text)
    made.wms("up", "--detach")
    made.proxy("alice")
    made.proxy("bob")
    return made


@pytest.fixture(scope="module")
def user(small, alice):
    """Alice there."""
    door = type(alice)(small, small.root / "credentials" / "users" / "alice" / "proxy.pem")
    assert door.delegate("wire").status == 200
    yield door
    door.close()


@pytest.fixture
def jobs(user):
    """Registers jobs; all that a test registered are gone after it."""
    made = []

    def register() -> str:
        made.append(user.register(OPEN))
        return made[-1]

    yield register
    for job in made:
        user.call(f"<w:jobCancel><jobId>{job}</jobId></w:jobCancel>")
        user.call(f"<w:jobPurge><jobId>{job}</jobId></w:jobPurge>")
    assert free(user) == (SOFT, HARD)


def quota(door, operation="getFreeQuota"):
    return door.call(f"<w:{operation}/>")


def free(door):
    answer = quota(door)
    return int(answer.value("softLimit")), int(answer.value("hardLimit"))


def test_quota_is_told_literally(user):
    limits = f"<softLimit>{SOFT}</softLimit><hardLimit>{HARD}</hardLimit>"
    quota(user, "getTotalQuota").says(f"<glitens:getTotalQuotaResponse>{limits}</glitens:getTotalQuotaResponse>")
    quota(user).says(f"<glitens:getFreeQuotaResponse>{limits}</glitens:getFreeQuotaResponse>")


def test_without_limits_both_are_minus_one(alice):
    limits = "<softLimit>-1</softLimit><hardLimit>-1</hardLimit>"
    for operation in ("getTotalQuota", "getFreeQuota"):
        response = f"glitens:{operation}Response"
        quota(alice, operation).says(f"<{response}>{limits}</{response}>")


def test_the_whole_input_sandbox_of_a_job_counts(user, jobs, sandbox_path):
    place = f"{sandbox_path(jobs())}/input"
    assert user.http("PUT", f"{place}/one", bytes(MIB + 512 * KIB)).status == 201
    assert free(user) == (SOFT - MIB - 512 * KIB, HARD - MIB - 512 * KIB)
    refused = user.http("PUT", f"{place}/two", bytes(MIB))
    assert refused.status == 413
    assert refused.text == (
        f"the input sandbox of the job may have {INPUT} bytes; without 'two' it has {MIB + 512 * KIB}, "
        f"and {MIB} more do not fit\n"
    )
    user.close()
    assert user.http("PUT", f"{place}/two", bytes(512 * KIB)).status == 201
    assert user.http("PUT", f"{place}/one", bytes(MIB)).status == 204
    assert free(user)[1] == HARD - MIB - 512 * KIB


def test_beyond_the_hard_limit_nothing_is_taken_and_beyond_the_soft_one_nothing_registered(
    user, jobs, sandbox_path, make_door, small
):
    first, second, third = (sandbox_path(jobs()) for _ in range(3))
    for place, size in ((first, 2 * MIB), (second, MIB + 512 * KIB)):
        assert user.http("PUT", f"{place}/input/data", bytes(size)).status == 201
    assert free(user) == (0, 512 * KIB)
    request = f"<jdl>{OPEN}</jdl><delegationId>wire</delegationId>"
    for operation in ("jobRegister", "jobSubmit"):
        fault = user.call(f"<w:{operation}>{request}</w:{operation}>").fault("Server")
        assert (fault.kind, fault.method, fault.code) == ("GenericFault", operation, "1224")
        assert f"your sandboxes hold {3 * MIB + 512 * KIB} of the {SOFT} bytes" in fault.description
    blocks = (bytes(64 * KIB) for _ in range(16))
    refused = user.http("PUT", f"{third}/input/data", blocks)  # of unknown length
    assert refused.status == 507
    assert f"of the {HARD} bytes that they may have" in refused.text
    user.close()
    assert user.http("PUT", f"{third}/input/data", bytes(512 * KIB)).status == 201
    fault = quota(user).fault("Server")
    assert (fault.kind, fault.method, fault.code) == ("GetQuotaManagementFault", "getFreeQuota", "1224")
    assert fault.description.startswith(f"not enough quota: your sandboxes hold {HARD} of the {HARD} bytes")
    assert quota(user, "getTotalQuota").status == 200
    bob = type(user)(small, small.root / "credentials" / "users" / "bob" / "proxy.pem")
    assert free(bob) == (SOFT, HARD)
    bob.close()


def test_so_many_jobs_wait_for_their_start_and_no_more(user, jobs):
    for _ in range(6):
        jobs()
    answer = user.call(f"<w:jobRegister><jdl>{OPEN}</jdl><delegationId>wire</delegationId></w:jobRegister>")
    fault = answer.fault("Server")
    assert (fault.kind, fault.code) == ("GenericFault", "1224")
    assert "6 of your jobs are registered and have not been started" in fault.description
    started = user.call(
        '<w:jobSubmit><jdl>[ Executable = "/bin/true"; Requirements = true; Rank = 1; ]</jdl>'
        "<delegationId>wire</delegationId></w:jobSubmit>"
    )
    assert started.status == 200


def test_the_output_of_a_job_is_counted_and_one_that_does_not_fit_fails_with_the_numbers(small, user):
    payload = "#!/bin/sh\nhead -c $1 /dev/zero > data\n"
    jdl = (
        '[ Executable = "payload.sh"; Arguments = "{}"; InputSandbox = {{ "payload.sh" }};'
        ' OutputSandbox = {{ "data" }}; RetryCount = 0; ]'
    )
    fits = small.submit(jdl.format(MIB), files={"payload.sh": payload})
    assert small.wait(fits) == "Done (Success)"
    assert free(user) == (SOFT - MIB - len(payload), HARD - MIB - len(payload))
    user.call(f"<w:jobPurge><jobId>{fits}</jobId></w:jobPurge>").says("<glitens:jobPurgeResponse/>")
    assert free(user) == (SOFT, HARD)
    large = small.submit(jdl.format(MIB + 1), files={"payload.sh": payload})
    small.wait(large, timeout=90)
    text = small.command("glite-wms-job-logging-info", "-v", "2", "--noint", large).stdout
    assert f"the output sandbox of the job may have {OUTPUT} bytes" in text
    assert f"{MIB + 1} more do not fit" in text
    user.call(f"<w:jobPurge><jobId>{large}</jobId></w:jobPurge>")


def test_a_worker_that_is_killed_with_uploads_under_way_loses_no_quota(small, user, jobs, sandbox_path):
    place = f"{sandbox_path(jobs())}/input"
    assert user.http("PUT", f"{place}/one", bytes(KIB)).status == 201
    context = client_context(small.root / "trust" / "certificates", user.credential)
    with socket.create_connection(("localhost", user.port), timeout=10) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as tls:
            head = f"PUT {place}/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MIB}\r\n\r\n"
            tls.sendall(head.encode() + bytes(KIB))
            wait(lambda: free(user)[1] == HARD - KIB - MIB)
            for worker in workers(small):
                os.kill(worker, signal.SIGKILL)
    user.close()
    directory = small.root / "sandbox" / place[1:]
    (cut,) = directory.glob(".upload-*")  # it counts until it is swept away, an hour later or at the next start
    wait(lambda: free_or_none(user) == (SOFT - KIB - MIB, HARD - KIB - MIB))
    os.utime(cut, (0, 0))
    for worker in workers(small):
        os.kill(worker, signal.SIGKILL)
    user.close()
    wait(lambda: free_or_none(user) == (SOFT - KIB, HARD - KIB))
    small.wms("down")
    (small.root / "sandbox" / ".accounts").joinpath("garbage").write_bytes(b"x" * 16)
    small.wms("up", "--detach")
    user.close()
    assert free(user) == (SOFT - KIB, HARD - KIB)


def workers(node) -> list[int]:
    """The worker processes of WMProxy."""
    master = node.status()["services"]["wmproxy"]["pid"]
    with open(f"/proc/{master}/task/{master}/children") as children:
        return [int(pid) for pid in children.read().split()]


def free_or_none(door):
    try:
        return free(door)
    except (OSError, AssertionError):
        door.close()
        return None


def wait(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
