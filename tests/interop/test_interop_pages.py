"""A job identifier opened as a page: by curl with the user's certificates, by a browser without."""

import re

import pytest


@pytest.fixture(scope="module")
def get(alice, tool):
    """``(status, headers, body)`` of a page."""
    curl = tool("curl", "curl")

    def fetch(url, *options, user=alice):
        text = user.ok(curl, "-sS", "-i", "--http1.1", "--capath", user.certificates, *options, url)
        head, _, body = text.partition("\n\n")
        return int(head.split()[1]), head.lower(), body

    return fetch


def certificates(user):
    """The ways in which a user's programs may show who it is."""
    password = user.files.joinpath("user.p12.password").read_text().strip()
    return {
        "proxy": ("--cert", user.proxy),
        "certificate and key": ("--cert", str(user.files / "usercredential.pem")),
        "PKCS#12": ("--cert-type", "P12", "--cert", f"{user.files / 'user.p12'}:{password}"),
    }


@pytest.mark.parametrize("kind", ["proxy", "certificate and key", "PKCS#12"])
def test_the_owner_sees_the_job(get, alice, finished, kind):
    status, head, body = get(finished, *certificates(alice)[kind])
    assert status == 200
    assert "content-type: text/html; charset=utf-8" in head
    assert f"<title>{finished}</title>" in body
    assert re.search(r'<span class="state good">Done \(Success\)</span>', body)
    assert "/DC=org/DC=wms-test/CN=Alice" in body
    for event in ("RegJob", "Accepted", "EnQueued", "DeQueued", "Match", "Transfer", "Running", "Done"):
        assert f"<td>{event}</td>" in body, event


def test_what_users_wrote_is_text_and_never_markup(get, alice, finished):
    _, head, body = get(finished, *certificates(alice)["proxy"])
    assert "&lt;b&gt;&amp;amp;" in body
    assert "<b>" not in body
    assert re.search(r"content-security-policy: [^\n]*default-src 'none'", head)
    assert "<script" not in body


def test_the_same_as_text_for_programs(get, alice, finished):
    status, head, body = get(f"{finished}?text", *certificates(alice)["proxy"])
    assert (status, "content-type: text/plain; charset=utf-8" in head) == (200, True)
    values = dict(line.partition("=")[::2] for line in body.splitlines())
    assert values["jobId"] == finished
    assert values["state"].upper() == "DONE"
    assert values["owner"] == "/DC=org/DC=wms-test/CN=Alice"


def test_the_list_of_jobs_has_the_owners_jobs_only(get, alice, bob, finished):
    root = finished.rpartition("/")[0] + "/"
    unique = finished.rpartition("/")[2]
    assert f'href="/{unique}"' in get(root, *certificates(alice)["PKCS#12"])[2]
    assert unique not in get(root, *certificates(bob)["PKCS#12"], user=bob)[2]


def test_without_a_certificate_a_page_says_so_and_shows_nothing(get, alice, finished):
    status, head, body = get(finished)
    assert status == 401
    assert "<h1>A certificate is needed</h1>" in body
    for secret in (finished.rpartition("/")[2], "Alice", "Done", "echo", "testvo"):
        assert secret not in body + head
    unknown = get(finished[:-6] + "AAAAAA")
    assert unknown[2] == body


def test_somebody_elses_job_and_no_job_are_the_same_page(get, bob, finished):
    others = get(finished, *certificates(bob)["proxy"], user=bob)
    unknown = get(finished[:-6] + "AAAAAA", *certificates(bob)["proxy"], user=bob)
    assert others[0] == unknown[0] == 404
    assert others[2] == unknown[2]
    assert "Done" not in others[2]


def test_a_browser_renders_the_page_that_asks_for_a_certificate(alice, tool, finished, tmp_path):
    chromium = tool("chromium", "chromium")
    browser = (
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--no-first-run",
        "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1000,700",
    )  # fmt: skip
    dumped = alice.ok(*browser, "--dump-dom", finished)
    assert "<h1>A certificate is needed</h1>" in dumped


def test_a_browser_draws_the_job_page(alice, tool, get, finished, tmp_path):
    chromium = tool("chromium", "chromium")
    (tmp_path / "job.html").write_text(get(finished, *certificates(alice)["proxy"])[2])
    browser = (
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,1600",
        f"--screenshot={tmp_path / 'job.png'}", f"file://{tmp_path / 'job.html'}",
    )  # fmt: skip
    alice.ok(*browser)
    picture = (tmp_path / "job.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000  # a blank page is smaller
