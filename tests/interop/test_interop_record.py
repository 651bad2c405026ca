"""The command ``wms record``: when it refuses, when it ends, what it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from gsi.tls import client_context

WMS = str(Path(sys.executable).parent / "wms")


@pytest.fixture
def ask(alice):
    """Fetches the contract, which is an exchange."""
    context = client_context(Path(alice.certificates))

    def get() -> None:
        with urllib.request.urlopen(f"{alice.endpoint}?wsdl", context=context, timeout=30) as answer:
            assert answer.status == 200

    return get


def start(node, folder: Path, *options: str) -> subprocess.Popen:
    command = [WMS, "record", str(node.root), str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("recording wmproxy")
    return process


def test_it_ends_after_so_many_exchanges_and_leaves_private_files(node, ask, tmp_path):
    folder = tmp_path / "new" / "folder"
    process = start(node, folder, "--exchanges", "2")
    for _ in range(3):
        ask()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and out.endswith(f"2 exchanges in {folder}\n")
    assert out.count("GET /glite_wms_wmproxy_server?wsdl HTTP/1.1") == 2 and out.count("HTTP/1.1 200 OK") == 2
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert len(list(folder.glob("*.http"))) == 4
    lines = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == [1, 2]
    assert not (node.root / "run" / "wmproxy.record").exists()


def test_it_ends_in_time_and_nothing_is_recorded_afterwards(node, ask, tmp_path):
    folder = tmp_path / "folder"
    process = start(node, folder, "--seconds", "1")
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and out.endswith(f"0 exchanges in {folder}\n")
    ask()
    assert not list(folder.glob("*.http"))


def test_one_recording_at_a_time_and_only_into_an_empty_folder(node, tmp_path):
    process = start(node, tmp_path / "first", "--seconds", "4")
    second = node.wms("record", str(tmp_path / "second"), check=False)
    assert second.returncode == 1 and "wmproxy is being recorded already" in second.stderr
    assert process.wait(20) == 0
    process.stdout.close()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    full = node.wms("record", str(tmp_path / "full"), check=False)
    assert full.returncode == 1 and "is not empty" in full.stderr
    assert not (node.root / "run" / "wmproxy.record").exists()
    wrong = node.wms("record", str(tmp_path / "wrong"), "--exchanges", "0", check=False)
    assert wrong.returncode == 1 and "between 1 and" in wrong.stderr
