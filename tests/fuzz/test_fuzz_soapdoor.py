"""The fuzzer for five seconds, as `make fuzz` runs it for a minute; and that it would see what is amiss."""

import os
import random
import subprocess
import sys
from pathlib import Path

import fuzz_descriptions
import fuzz_door
import pytest
import soapdoor
from fuzz_edges import Edges
from fuzz_engine import Corpus, Engine, Failure, timed
from fuzz_port import CONTRACT, OWN, handlers

from grid.errors import GridError
from jdl.classad import ClassAd
from jdl.compound import resolve
from wmproxy.operations import HANDLERS, PORT
from wmproxy.port import WMProxyPort

FUZZER = Path(soapdoor.__file__)
ROOT = FUZZER.parents[2]


def command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(FUZZER), *arguments],
        capture_output=True, text=True, timeout=120, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_five_seconds_of_fuzzing_find_nothing(tmp_path):
    seed = random.SystemRandom().randrange(10**9)
    report = command("--seconds", "5", "--seed", str(seed), "--corpus", str(tmp_path))
    assert report.returncode == 0, report.stdout + report.stderr
    first, *_, last = report.stdout.splitlines()
    assert first.startswith(f"seed {seed}, ")
    assert last.endswith("nothing amiss")
    seeds = sum(2 * len(CONTRACT.ports[port].operations) for port in HANDLERS) + 4
    assert len(list(tmp_path.glob("*.port"))) > seeds, "inputs that reached new code were kept"


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    return fuzz_door.Door("port", 1, handlers(tmp_path_factory.mktemp("port")))


class Raising(WMProxyPort):
    """Fails for one value of one part."""

    def __init__(self, port: WMProxyPort) -> None:
        self.__dict__.update(port.__dict__)

    def _read(self, call, job_id):
        if job_id == f"{OWN}7":
            raise ZeroDivisionError("a defect")
        return super()._read(call, job_id)


def test_an_exception_of_a_handler_ends_the_fuzzing_and_can_be_replayed(tmp_path, monkeypatch, capsys, door):
    served = handlers(tmp_path / "files")
    served[PORT] = Raising(served[PORT])
    broken = fuzz_door.Door("port", 1, served)
    monkeypatch.setattr(fuzz_door, "doors", lambda scratch: [broken])
    monkeypatch.setattr(fuzz_door, "TEXTS", [f"{OWN}7", "7"])
    assert soapdoor.main(["--seconds", "60", "--corpus", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError: a defect" in said
    (kept,) = tmp_path.glob("failed-*.port")
    assert said.rstrip().endswith(f"soapdoor.py --replay {kept}")
    with pytest.raises(Failure, match="a defect"):
        soapdoor.main(["--replay", str(kept)])
    monkeypatch.setattr(fuzz_door, "doors", lambda scratch: [door])
    assert soapdoor.main(["--replay", str(kept)]) == 0, "the mended port answers it"


def test_an_answer_with_an_error_code_that_is_not_declared_is_a_failure(tmp_path):
    class Undeclared(Raising):
        def _read(self, call, job_id):
            raise GridError("a surprise", code=1222)

    served = handlers(tmp_path)
    served[PORT] = Undeclared(served[PORT])
    broken = fuzz_door.Door("port", 1, served)
    status = CONTRACT.ports[PORT].operations["getJobStatus"]
    with pytest.raises(Failure, match="undeclared error code 1222"):
        broken.run(fuzz_door.valid(status, random.Random(1)))


@pytest.mark.parametrize("operation", sorted(CONTRACT.ports[PORT].operations))
def test_valid_requests_reach_the_handlers_of_the_port(door, operation):
    """Of a few valid envelopes one at least is not refused for its form."""
    answers = []
    for seed in range(30):
        data = fuzz_door.valid(CONTRACT.ports[PORT].operations[operation], random.Random(seed))
        door.run(data)
        answers.append(door._answer(fuzz_door.environment(data), 0)[2])
    assert any(b"The argument" not in body and b"the argument" not in body for body in answers), answers[0]


def test_the_jsdl_document_becomes_a_job(door):
    assert door._answer(fuzz_door.environment(fuzz_door.JSDL), 0)[0] == "200 OK"


def test_the_head_of_a_request_is_fuzzed_too(door):
    body = b"<a/>"
    door.run(fuzz_door.HEAD % 4 + body)
    door.run(b"GET /x?wsdl HTTP/1.1\r\nHost: a\r\n\r\n")
    assert door._answer(fuzz_door.environment(fuzz_door.HEAD % 9 + body), 0)[0].startswith("400")
    heads = {fuzz_door.divided(door.mutate(fuzz_door.HEAD % 4 + body, body, random.Random(s)))[0] for s in range(50)}
    assert len(heads) > 5


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
    with pytest.raises(Failure):
        fuzz_door.check(status, body)


def test_a_description_that_is_read_otherwise_than_it_was_printed_is_a_failure(monkeypatch):
    target = fuzz_descriptions.Descriptions()
    target.run(b"[ a = 1 + 2; ]")
    monkeypatch.setattr(ClassAd, "pretty", lambda ad: "[ a = 3; ]")
    with pytest.raises(Failure, match="reads differently"):
        target.run(b"[ a = 1 + 2; ]")


def test_an_expansion_that_breaks_its_promises_is_a_failure(monkeypatch):
    target = fuzz_descriptions.Descriptions()
    accepted = [text for text in fuzz_descriptions.DESCRIPTIONS if target.run(text.encode())]
    assert len(accepted) == len(fuzz_descriptions.DESCRIPTIONS) - 3, "most are whole job descriptions"
    monkeypatch.setattr(fuzz_descriptions, "resolve", lambda compound, root, nodes: resolve(compound, "h", nodes))
    with pytest.raises(Failure, match="no absolute URI"):
        target.run(fuzz_descriptions.DESCRIPTIONS[3].encode())


@pytest.mark.parametrize("data", [b"", b"a", b"<a/>", b"<a><!--b--></a>", b"<a><?b?></a>", b"GET ", b"POST \r\n\r\n"])
def test_whatever_is_kept_can_be_mutated(door, data):
    dice = random.Random(1)
    for target in (door, fuzz_descriptions.Descriptions()):
        assert len({target.mutate(data, data, dice) for _ in range(300)}) > 50


# -- the engine


class Nested:
    """A target with a condition that is met by chance in one of 2**32 inputs, step by step soon."""

    name = "nested"
    share = 1

    def seeds(self, dice):
        return [b"xxxx"]

    def mutate(self, data, other, dice):
        out = bytearray(data)
        out[dice.randrange(len(out))] = dice.randrange(256)
        return bytes(out)

    def run(self, data):
        for place, wanted in enumerate(b"fuz!"):
            if data[place] != wanted:
                break
            self.advance(place)

    def advance(self, place):
        if place == 0:
            return
        if place == 1:
            return
        if place == 2:
            return
        raise ArithmeticError("reached")


def test_coverage_leads_where_chance_does_not(tmp_path):
    blind = Engine([Nested()], None, 1, tmp_path)
    assert blind.run(60, 60_000).inputs == 60_000
    edges = Edges([Path(__file__)])
    try:
        guided = Engine([Nested()], edges, 1, tmp_path, replay="again")
        with pytest.raises(Failure, match=r"(?s)ArithmeticError: reached.*again .*failed-1-\d+\.nested"):
            guided.run(60, 60_000)
    finally:
        edges.close()
    assert guided.summary().kept["nested"] >= 4
    (failed,) = tmp_path.glob("failed-*")
    assert failed.read_bytes() == b"fuz!"


def test_an_input_that_does_not_end_is_a_failure(tmp_path, monkeypatch):
    class Endless(Nested):
        def run(self, data):
            while data != b"xxxx":
                pass

    monkeypatch.setattr("fuzz_engine.ENDLESS", 1)
    with pytest.raises(Failure, match="did not end within 1 seconds"):
        Engine([Endless()], None, 1, tmp_path).run(60)


def test_a_seed_repeats_a_run(tmp_path):
    def kept(name):
        (tmp_path / name).mkdir()
        edges = Edges(fuzz_descriptions.FILES)
        try:
            Engine([fuzz_descriptions.Descriptions()], edges, 3, tmp_path / name).run(60, 60)
        finally:
            edges.close()
        return [path.read_bytes() for path in sorted((tmp_path / name).iterdir())]

    assert kept("first") == kept("second")


def test_both_ways_of_one_condition_are_edges(tmp_path):
    def branching(value):
        if value:
            value += 1
        return value

    edges = Edges([Path(__file__)])
    try:
        for value, news in ((0, True), (0, False), (1, True), (1, False), (0, False)):
            with edges.watching() as reached:
                branching(value)
            assert bool(edges.keep(reached)) is news, value
        with edges.watching(whole=True) as every:
            branching(1)
        assert len(every) >= 3, "known edges are told too when all are asked for"
    finally:
        edges.close()


def test_files_of_which_nothing_is_loaded_cannot_be_watched(tmp_path):
    with pytest.raises(ValueError, match="import them first"):
        Edges([tmp_path / "absent.py"])


def test_rare_edges_get_most_attention(tmp_path):
    corpus, dice = Corpus(), random.Random(1)
    code = 1
    for number in range(50):
        corpus.add(b"%d" % number, {(code, -1, 1), (code, -1, 2)})
    corpus.add(b"rare", {(code, -1, 1), (code, -1, 3)})
    chosen = [corpus.choose(dice) for _ in range(300)]
    assert chosen.count(b"rare") > 100


def test_an_input_that_takes_long_is_a_failure(monkeypatch):
    class Slow(Nested):
        def run(self, data):
            sum(range(200_000))

    monkeypatch.setattr("fuzz_engine.SLOW", 0.001)
    with pytest.raises(Failure, match="it took"):
        timed(Slow(), b"")
