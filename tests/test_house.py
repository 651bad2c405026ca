"""The house's own rules: floors, names of files, nothing of one machine in the repository, the two commands."""

import ast
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("grid", "jdl", "gsi", "storage", "web", "wsdl", "lb", "infosys", "delegation", "ce", "broker", "wmproxy",
         "clients", "node")  # fmt: skip
SOURCES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def test_a_room_imports_lower_floors_only():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--config", "setup.cfg", "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_room_is_installed_and_in_the_contract():
    configuration = ConfigParser()
    configuration.read(ROOT / "setup.cfg")
    packages = configuration["options"]["packages"].split()
    assert tuple(each for each in packages if "." not in each) == ROOMS
    folders = {path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")}
    assert set(packages) == {".".join(folder.parts) for folder in folders}
    assert tuple(configuration["importlinter"]["root_packages"].split()) == ROOMS


def test_spyne_is_met_in_one_room_only():
    pattern = re.compile(r"^\s*(import|from) spyne", re.M)
    users = {path.relative_to(ROOT).parts[0] for path in SOURCES if pattern.search(path.read_text())}
    assert users == {"wsdl"}


def test_no_file_is_a_drawer_for_everything():
    assert not [path for path in SOURCES if path.stem in {"utils", "util", "helpers", "common", "misc", "manager"}]


def test_no_shell_no_eval_no_swallowed_error():
    for path in SOURCES:
        text = path.read_text()
        assert not re.search(r"shell=True|os\.system\(|pickle\.loads?\(|(?<![\w.])eval\(", text), path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ExceptHandler) and all(isinstance(line, ast.Pass) for line in node.body):
                caught = ast.unparse(node.type) if node.type else "everything"
                assert caught not in {"everything", "Exception", "BaseException"}, f"{path}:{node.lineno}"


def test_what_is_pinned_covers_what_is_installed():
    pinned = {re.split(r"[=\[]", line)[0].lower().replace("_", "-") for line in
              (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")}  # fmt: skip
    configuration = ConfigParser()
    configuration.read(ROOT / "setup.cfg")
    wanted = configuration["options"]["install_requires"].split("\n")
    for extra in configuration["options.extras_require"].values():
        wanted += extra.split("\n")
    names = {re.split(r"[\[<>=; ]", line)[0].lower() for line in wanted if line.strip()}
    assert names <= pinned


def test_the_readme_shows_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert "make demo" in text
    assert "make test" in text
