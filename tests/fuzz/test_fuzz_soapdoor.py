"""The fuzzer for five seconds, as `make fuzz` runs it for a minute; and that it would see what is amiss."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).with_name("soapdoor.py")


def test_five_seconds_of_fuzzing_find_nothing(tmp_path):
    seed = random.SystemRandom().randrange(10**9)
    arguments = ["--seconds", "5", "--seed", str(seed), "--corpus", str(tmp_path / "corpus")]
    report = subprocess.run(
        [sys.executable, str(FUZZER), *arguments], capture_output=True, text=True, timeout=120, cwd=FUZZER.parents[2]
    )
    assert report.returncode == 0, report.stdout + report.stderr
    assert "nothing amiss" in report.stdout
    assert list((tmp_path / "corpus").iterdir()), "new kinds of answers were kept"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("200 OK", b"not XML"),
        ("500 Internal Server Error", b"<html>error</html>"),
        ("200 OK", b"<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><s:Fault/></s:Body></s:Envelope>"),
        ("500 X", b"<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><a/></s:Body></s:Envelope>"),
    ],
)  # fmt: skip
def test_an_answer_that_no_request_may_get_is_seen(status, body):
    import importlib.util

    spec = importlib.util.spec_from_file_location("fuzz_soapdoor", FUZZER)
    fuzzer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzzer)
    with pytest.raises(fuzzer.Failure):
        fuzzer.check(status, body)
