"""Sandbox files over HTTPS on a running node: whose, when, which names, how much."""

import contextlib
import hashlib
import os
import socket
import ssl

import pytest

from gsi.tls import client_context

HALF = b"x" * (1 << 20)
OPEN = 'Executable = "/bin/true"; InputSandbox = { "data" }; Requirements = true; Rank = 1;'


@pytest.fixture(scope="module")
def job(alice):
    """A registered job, whose input sandbox is open."""
    return alice.register(f"[ {OPEN} ]")


@pytest.fixture(scope="module")
def place(job, sandbox_path):
    return f"{sandbox_path(job)}/input"


def test_what_was_put_can_be_got_whole_and_in_part(alice, place):
    data = os.urandom(300_000)
    stored = alice.http("PUT", f"{place}/data", data)
    assert (stored.status, stored.body) == (201, b"")
    assert alice.http("PUT", f"{place}/data", data).status == 204
    got = alice.http("GET", f"{place}/data")
    assert (got.status, got.headers["Content-Length"], got.headers["Accept-Ranges"]) == (200, "300000", "bytes")
    assert got.body == data
    head = alice.http("HEAD", f"{place}/data")
    assert (head.status, head.headers["Content-Length"], head.headers["ETag"]) == (200, "300000", got.headers["ETag"])
    for asked, start, end in (("0-9", 0, 10), ("299990-", 299_990, 300_000), ("-7", 299_993, 300_000), ("5-5", 5, 6)):
        part = alice.http("GET", f"{place}/data", headers={"Range": f"bytes={asked}"})
        assert (part.status, part.headers["Content-Range"]) == (206, f"bytes {start}-{end - 1}/300000")
        assert part.body == data[start:end]
    beyond = alice.http("GET", f"{place}/data", headers={"Range": "bytes=300000-"})
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, "bytes */300000")
    changed = alice.http("GET", f"{place}/data", headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (changed.status, hashlib.sha256(changed.body).digest()) == (200, hashlib.sha256(data).digest())


def test_the_file_of_somebody_else_and_no_file_are_the_same_404(alice, bob, place):
    alice.http("PUT", f"{place}/data", b"secret")
    directory, _, name = place.rpartition("/")[0].rpartition("/")
    paths = [
        f"{place}/data",
        f"{place}/nothing",
        f"{directory}/{name[:-6]}AAAAAA/input/data",
        f"{directory}/{name[:-6]}AAAAAA/input/nothing",
    ]
    answers = {(answer.status, answer.body) for answer in (bob.http("GET", path) for path in paths)}
    assert len(answers) == 1
    assert next(iter(answers))[0] == 404
    assert alice.http("GET", f"{place}/nothing").status == 404
    assert {bob.http("HEAD", path).status for path in paths} == {404}


def test_nobody_writes_into_the_sandbox_of_another(bob, alice, place):
    alice.http("PUT", f"{place}/data", b"mine")
    assert bob.http("PUT", f"{place}/data", b"theirs").status == 404
    assert bob.http("PUT", f"{place}/other", b"theirs").status == 404
    assert alice.http("GET", f"{place}/data").body == b"mine"


def test_without_certificate_there_is_no_file(make_door, place):
    answer = make_door(None).http("GET", f"{place}/data")
    assert answer.status == 403
    assert answer.text == (
        "No client certificate was sent; this service needs a certificate or a proxy certificate\n"
    )


@pytest.mark.parametrize(
    "tail",
    [
        "/../user.proxy", "/%2e%2e/user.proxy", "/..%2fuser.proxy", "/%2e%2e%2fuser.proxy", "/.%2e/user.proxy",
        "/..%5cuser.proxy", "/..;/user.proxy", "//user.proxy", "/./data", "/data/", "/data/..", "/data%00", "/data%0a",
        "/%ff", "/%c0%ae%c0%ae/user.proxy", "/%252e%252e/user.proxy", "/../JDLOriginal", "/../../../../../etc/passwd",
        "/%2fetc%2fpasswd", "", "/", "/.upload-0123456789abcdef", "/a/b", "/%zz", "/" + "a" * 256,
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_sandbox(alice, place, tail):
    for method in ("GET", "HEAD", "PUT"):
        answer = alice.http(method, place + tail, b"x" if method == "PUT" else None)
        assert answer.status in (400, 403, 404), (method, tail, answer.body)
        for secret in (b"PRIVATE KEY", b"CERTIFICATE", b"root:", b"Executable"):
            assert secret not in answer.body


@pytest.mark.parametrize("name", ["user.proxy", ".user.proxy.bak", "JDLOriginal", "JDLToStart", "input", "other/x"])
def test_only_input_output_and_peek_can_be_reached(alice, place, name):
    answer = alice.http("GET", f"{place.removesuffix('/input')}/{name}")
    assert answer.status == 404
    assert alice.http("PUT", f"{place.removesuffix('/input')}/{name}", b"x").status == 404


def test_a_link_in_a_sandbox_is_not_followed(node, alice, place):
    directory = node.root / "sandbox" / place[1:]
    (directory / "linked").symlink_to("../user.proxy")
    refused = alice.http("GET", f"{place}/linked")
    assert refused.status == 403
    assert b"PRIVATE KEY" not in refused.body
    assert alice.http("PUT", f"{place}/linked", b"x").status in (201, 204)
    assert b"PRIVATE KEY" in (directory.parent / "user.proxy").read_bytes()
    assert not (directory / "linked").is_symlink()


@pytest.mark.parametrize("name", ["ä b", "a+b", "a;b", "a%25b", "...", "-rf", "x" * 255])
def test_unusual_names_are_taken_as_they_are(node, alice, place, name):
    from urllib.parse import quote

    escaped = name if "%" in name else quote(name, safe="+;")
    assert alice.http("PUT", f"{place}/{escaped}", name.encode()).status == 201
    assert alice.http("GET", f"{place}/{escaped}").body == name.encode()


def test_an_oversize_file_is_refused_before_its_bytes_are_read(alice, place):
    limit = 100_000_000
    answer = alice.http("PUT", f"{place}/big", headers={"Content-Length": str(limit + 1), "Expect": "100-continue"})
    assert answer.status == 413
    assert str(limit) in answer.text
    alice.close()
    assert alice.http("GET", f"{place}/big").status == 404


def test_an_oversize_file_without_length_is_refused_while_it_arrives(node, alice, place):
    blocks = (b"x" * (1 << 20) for _ in range(100))
    answer = alice.http("PUT", f"{place}/endless", blocks)
    assert answer.status == 413
    alice.close()
    assert alice.http("GET", f"{place}/endless").status == 404
    assert not list((node.root / "sandbox" / place[1:]).glob(".upload-*"))


@pytest.mark.parametrize("method", ["DELETE", "POST", "OPTIONS", "PROPFIND", "COPY", "MKCOL"])
def test_files_have_no_other_methods(alice, place, method):
    answer = alice.http(method, f"{place}/data")
    assert answer.status in (405, 501)
    assert answer.headers["Allow"] == "GET, HEAD, PUT"


def test_after_jobStart_the_input_is_closed_and_can_still_be_read(node, alice, sandbox_path):
    job = alice.register('[ Executable = "/bin/true"; InputSandbox = { "data" }; Requirements = true; Rank = 1; ]')
    place = f"{sandbox_path(job)}/input"
    assert alice.http("PUT", f"{place}/data", b"before").status == 201
    alice.call(f"<w:jobStart><jobId>{job}</jobId></w:jobStart>")
    late = alice.http("PUT", f"{place}/data", b"after")
    assert late.status == 409
    assert "its input sandbox is closed" in late.text
    assert alice.http("PUT", f"{place}/new", b"after").status == 409
    assert alice.http("GET", f"{place}/data").body == b"before"
    assert node.wait(job) == "Done (Success)"
    output = alice.http("PUT", f"{sandbox_path(job)}/output/late", b"x")
    assert output.status == 409


def test_before_jobStart_there_is_no_output_to_write(alice, job, sandbox_path):
    assert alice.http("PUT", f"{sandbox_path(job)}/output/early", b"x").status == 409


def test_what_was_purged_is_gone(alice, bob, sandbox_path):
    job = alice.register(f"[ {OPEN} ]")
    path = f"{sandbox_path(job)}/input/data"
    alice.http("PUT", path, b"x")
    alice.call(f"<w:jobCancel><jobId>{job}</jobId></w:jobCancel>")
    assert alice.http("PUT", path, b"y").status == 409
    alice.call(f"<w:jobPurge><jobId>{job}</jobId></w:jobPurge>")
    gone = alice.http("GET", path)
    assert (gone.status, gone.body) == (404, bob.http("GET", path).body)


@pytest.fixture
def half(node, alice):
    """Begins uploads, sends half of the bytes, and gives the connection.

    So many that the server begins to take them before all have come.
    """

    @contextlib.contextmanager
    def begun(path):
        context = client_context(node.root / "trust" / "certificates", alice.credential)
        with socket.create_connection(("localhost", alice.port), timeout=10) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as tls:
                head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2 * len(HALF)}\r\n\r\n"
                tls.sendall(head.encode() + HALF)
                tls.settimeout(0.5)
                with pytest.raises((TimeoutError, ssl.SSLError)):
                    tls.recv(1)
                tls.settimeout(10)
                yield tls

    return begun


def test_output_that_is_not_there_when_its_job_ends_comes_too_late(node, alice, half, sandbox_path):
    job = node.submit('[ Executable = "/bin/sleep"; Arguments = "60"; ]')
    with half(f"{sandbox_path(job)}/output/late") as tls:
        alice.call(f"<w:jobCancel><jobId>{job}</jobId></w:jobCancel>")
        assert node.wait(job) == "Cancelled"
        tls.sendall(HALF)
        assert tls.recv(100).startswith(b"HTTP/1.1 409 ")
    assert alice.http("GET", f"{sandbox_path(job)}/output/late").status == 404


def test_an_interrupted_upload_leaves_nothing(alice, half, place):
    with half(f"{place}/half"):
        pass
    assert alice.http("GET", f"{place}/half").status == 404
