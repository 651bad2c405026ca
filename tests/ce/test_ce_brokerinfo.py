"""glite-brokerinfo: functions, options, exit codes, and a reader that no file can hurt."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ce import brokerinfo
from ce.brokerinfo import BrokerInfoError, Reader

TEXT = """[
  ComputingElement = [ name = "ce:8443/cream-pbs-q";
    CloseStorageElements = { [ name="se"; mount="/x"; freespace=12 ], [ name = "bare" ] } ];
  InputFNs = { [ name="lfn:a"; SFNs={ "srm://se/a", "sfn://se2/a \\"quoted\\"" } ], [ name = "guid:1"; SFNs = {} ] };
  StorageElements = { [ name="se"; protocols={ [ name="gsiftp"; port=2811 ], [ name="rfio"; port=5001; ] } ] };
  DataAccessProtocol = { "gsiftp", "rfio" };  VirtualOrganisation = "vo"; real = -1.5e3; odd = undefined;
]"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".BrokerInfo").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    for variable in brokerinfo.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("getCE", ["ce:8443/cream-pbs-q"]),
        ("getDataAccessProtocol", ["gsiftp", "rfio"]),
        ("getInputData", ["lfn:a", "guid:1"]),
        ("getSEs", ["se"]),
        ("getCloseSEs", ["se", "bare"]),
        ("getSEMountPoint se", ["/x"]),
        ("getSEFreeSpace SE", ["12"]),
        ("getLFN2SFN lfn:a", ["srm://se/a", 'sfn://se2/a "quoted"']),
        ("getLFN2SFN a", ["srm://se/a", 'sfn://se2/a "quoted"']),
        ("getLFN2SFN guid:1", []),
        ("getSEProtocols se", ["gsiftp", "rfio"]),
        ("getSEPort se rfio", ["5001"]),
        ("getVirtualOrganization", ["vo"]),
    ],
)
def test_each_function_prints_one_value_a_line(place: Path, capsys, words: str, lines: list[str]) -> None:
    assert brokerinfo.run(words.split()) == 0
    assert capsys.readouterr().out.splitlines() == lines
    assert brokerinfo.run(["--json", *words.split()]) == 0
    value = json.loads(capsys.readouterr().out)
    assert [str(each) for each in (value if isinstance(value, list) else [value])] == lines


@pytest.mark.parametrize(
    "words",
    ["getSEMountPoint none", "getSEMountPoint bare", "getSEFreeSpace bare", "getLFN2SFN none", "getSEPort se x"],
)
def test_what_is_not_there_is_an_error(place: Path, capsys, words: str) -> None:
    assert brokerinfo.run(words.split()) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("Error: it does not have ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("getCE x", " ... error parsing arguments!\nUse:  getCE\n"),
        ("getSEPort se", " ... error parsing arguments!\nUse:  getSEPort <SE> <Protocol>\n"),
        ("getNothing", "getNothing is not a valid command!\n"),
        ("", "a function is missing!\n"),
        ("--what getCE", "--what is not a valid option, or its value is missing!\n"),
        ("-f", "-f is not a valid option, or its value is missing!\n"),
    ],
)
def test_wrong_usage_is_told_and_ends_with_255(place: Path, capsys, words: str, said: str) -> None:
    assert brokerinfo.run(words.split()) == 255
    assert capsys.readouterr().err == said


def test_verbose_tells_the_steps(place: Path, capsys) -> None:
    assert brokerinfo.run(["-v", "getCloseSEs"]) == 0
    name = place / ".BrokerInfo"
    assert capsys.readouterr().out == (
        f"BrokerInfo::getBIFileName(): {name}\nBrokerInfo::getCloseSEs(): \n -> se\n -> bare\n -> BI_SUCCESS\n"
    )
    assert brokerinfo.run(["-v", "getSEPort", "se", "x"]) == 1
    assert capsys.readouterr().out.endswith("BrokerInfo::getSEPort(se, x): \n ... not found!\n -> BI_ERROR\n")


def test_the_file_is_the_option_s_then_the_environment_s_then_the_directory_s(place: Path, capsys, monkeypatch) -> None:
    for number, name in enumerate(("old", "new", "given")):
        (place / name).write_text(f'[ VirtualOrganisation = "{number}" ]')
    asked = ["getVirtualOrganization"]
    found = []
    for variable, name in ((None, ""), ("EDG_WL_RB_BROKERINFO", "old"), ("GLITE_WMS_RB_BROKERINFO", "new")):
        if variable:
            monkeypatch.setenv(variable, str(place / name))
        assert brokerinfo.run(asked) == 0
        found.append(capsys.readouterr().out.strip())
    assert brokerinfo.run(["-f", str(place / "given"), *asked]) == 0
    assert [*found, capsys.readouterr().out.strip()] == ["vo", "0", "1", "2"]


def test_without_a_file_the_places_are_named(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in brokerinfo.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert brokerinfo.run(["getCE"]) == 1
    said = capsys.readouterr().err
    assert all(name in said for name in (*brokerinfo.VARIABLES, ".BrokerInfo"))
    assert brokerinfo.run(["-f", "none", "getCE"]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[", "[ a = ]", "[ a = { 1, ", "[ a = 1 ] x", '[ a = "b ]', "{ 1 }", "[ a 1 ]"])
def test_a_file_that_is_no_ad_is_refused_by_name(place: Path, capsys, text: str) -> None:
    (place / ".BrokerInfo").write_text(text)
    assert brokerinfo.run(["getCE"]) == 1
    assert str(place / ".BrokerInfo") in capsys.readouterr().err


def test_depth_and_size_are_bounded(place: Path, capsys, monkeypatch) -> None:
    (place / ".BrokerInfo").write_text("[ a = " + "{" * 5000)
    assert brokerinfo.run(["getCE"]) == 1
    monkeypatch.setattr(brokerinfo, "MAX_BYTES", 10)
    assert brokerinfo.run(["getCE"]) == 1
    assert "more than 10 bytes" in capsys.readouterr().err


@given(st.text(alphabet='[]{}=;,"\\ab1 .-\n', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BrokerInfoError):
        assert isinstance(Reader(text).ad(), dict)


def test_it_runs_alone_with_any_python(place: Path) -> None:
    command = [sys.executable, "-I", "-S", brokerinfo.__file__]
    told = subprocess.run([*command, "getCE"], cwd=place, capture_output=True, text=True, timeout=30, env={})
    assert (told.returncode, told.stdout) == (0, "ce:8443/cream-pbs-q\n")
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=30, env={}).stdout
    assert all(name in shown for name in brokerinfo.FUNCTIONS)
