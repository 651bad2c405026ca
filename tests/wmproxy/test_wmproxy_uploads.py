"""How many files, and under which names, a sandbox takes."""

import pytest

from wmproxy.settings import WmproxySettings

MOST = WmproxySettings.__dataclass_fields__["max_input_sandbox_files"].default


@pytest.fixture
def place(node, alice):
    """The URL path of the input directory of a new job."""
    job = alice.register()
    (url,) = [
        part.split("</Item>")[0]
        for part in alice.call(
            f"<w:getSandboxDestURI><jobId>{job}</jobId><protocol>https</protocol></w:getSandboxDestURI>"
        ).text.split("<Item>")[1:]
    ]
    return "/" + url.split("/", 3)[3]


def test_a_sandbox_takes_as_many_files_as_a_job_may_name_and_no_more(alice, place):
    for number in range(MOST):
        assert alice.http("PUT", f"{place}/file{number}", b"x").status == 201
    refused = alice.http("PUT", f"{place}/one-more", b"x")
    assert (refused.status, refused.text) == (
        507, f"the sandbox holds {MOST} files and takes no more; pack them into an archive\n",
    )  # fmt: skip
    assert alice.http("PUT", f"{place}/file0", b"again").status == 204


def test_a_hidden_file_can_be_input(alice, place):
    assert alice.http("PUT", f"{place}/.rootrc", b"x").status == 201
    assert alice.http("GET", f"{place}/.rootrc").body == b"x"
    assert alice.http("PUT", f"{place}/.upload-0123456789abcdef", b"x").status == 403
