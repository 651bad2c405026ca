"""The benchmarks can be imported and asked for help; what they measure is no matter of tests."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in ("__init__", "__main__"))
COMMANDS = ("benchmarks", "benchmarks.load", "benchmarks.https_constant", "benchmarks.in_process")


@pytest.fixture(autouse=True)
def checkout_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_module_can_be_imported(name):
    assert importlib.import_module(f"benchmarks.{name}").__doc__


@pytest.mark.parametrize("command", COMMANDS)
def test_a_benchmark_command_explains_itself(command):
    done = subprocess.run(
        [sys.executable, "-m", command, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert f"python -m {command}" in done.stdout


def test_every_benchmark_is_named_in_the_help_and_can_be_chosen():
    main = importlib.import_module("benchmarks.__main__")
    text = main.parser().format_help()
    for name in main.BENCHMARKS:
        assert name in text
        assert main.parser().parse_args(["--quick", "--json", "--only", name]).only == [name]


def test_a_benchmark_that_does_not_exist_is_a_wrong_usage(capsys):
    main = importlib.import_module("benchmarks.__main__")
    with pytest.raises(SystemExit) as ended:
        main.main(["--only", "nothing"])
    assert ended.value.code == 2
    assert "getversion" in capsys.readouterr().err


def test_the_table_shows_a_figure_as_a_part_of_its_limits():
    figure = importlib.import_module("benchmarks.figure")
    found = figure.Figure("requests", 50.0, "/s", (figure.Limit("disk", 200.0), figure.Limit("nothing", 0.0)))
    lines = figure.table([found])
    assert any("50 /s" in line and "0.25" in line and "disk: 200 /s" in line for line in lines)
    assert found.as_json()["limits"][1]["ratio"] is None


def test_a_limit_that_was_not_measured_says_why_and_gives_no_ratio():
    figure = importlib.import_module("benchmarks.figure")
    found = figure.Figure("requests", 50.0, "/s", (figure.Limit("gSOAP", 0.0, "wsdl2h is not installed"),))
    assert any("gSOAP: skipped, wsdl2h is not installed" in line for line in figure.table([found]))
    assert found.as_json()["limits"] == [{"name": "gSOAP", "skipped": "wsdl2h is not installed"}]
