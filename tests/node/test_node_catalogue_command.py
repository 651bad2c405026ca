"""``wms catalogue`` on a node that is down."""

from __future__ import annotations

import json

import pytest

from node.command import main

HERE, THERE = "srm://se.example.org/a", "sfn://se2.example.org/b"


@pytest.fixture(scope="module")
def root(make_node):
    return str(make_node().root)


def told(capsys, root: str, *words: str, code: int = 0) -> str:
    assert main(["catalogue", root, *words]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def test_files_are_added_shown_changed_and_removed(capsys, root):
    shown = told(capsys, root, "add", "lfn:/grid/vo/a", HERE, "--guid", "0d8f1c1e-1111-4222-8333-444455556666")
    assert shown == f"lfn:/grid/vo/a\n    guid:0d8f1c1e-1111-4222-8333-444455556666\n    {HERE}\n"
    told(capsys, root, "replica", "lfn:/grid/vo/a", THERE)
    assert told(capsys, root, "alias", "lfn:/grid/vo/a", "lfn:a").startswith("lfn:/grid/vo/a, lfn:a\n")
    for name in ("lfn:/grid", "guid:0d8f1c1e-1111-4222-8333-444455556666", THERE):
        (entry,) = json.loads(told(capsys, root, "list", "--json", name))
        assert entry["lfns"] == ["/grid/vo/a", "a"] and entry["replicas"] == [HERE, THERE]
    assert HERE not in told(capsys, root, "remove", "lfn:a", HERE)
    assert told(capsys, root, "remove", "lfn:a") == "removed lfn:a\n"
    told(capsys, root, "remove", "lfn:/grid/vo/a")
    assert told(capsys, root, "list") == ""


def test_what_is_wrong_is_told_in_one_sentence(capsys, root):
    assert "No such file: lfn:none" in told(capsys, root, "replica", "lfn:none", HERE, code=1)
    assert "begins with lfn:none" in told(capsys, root, "list", "lfn:none", code=1)
    assert "a replica is srm://host/path" in told(capsys, root, "add", "lfn:x", "not a host", code=1)
    for odd in ("lfn:\udcff", "lfn:\x9b31m", "lfn:a\nb"):  # the first is how a byte arrives that is not UTF-8
        assert "control characters or bytes" in told(capsys, root, "add", odd, code=1)
    assert told(capsys, root, "list") == ""
    with pytest.raises(SystemExit) as wrong:
        main(["catalogue", root, "what"])
    assert wrong.value.code == 2


def test_several_replicas_are_changed_together_or_not_at_all(capsys, root):
    told(capsys, root, "add", "lfn:several", HERE)
    assert "a replica is srm://host/path" in told(capsys, root, "replica", "lfn:several", THERE, "not a host", code=1)
    assert "it has no replica" in told(capsys, root, "remove", "lfn:several", HERE, THERE, code=1)
    (entry,) = json.loads(told(capsys, root, "list", "--json", "lfn:several"))
    assert entry["replicas"] == [HERE]
    assert THERE in told(capsys, root, "replica", "lfn:several", THERE, "se3.example.org")
    assert told(capsys, root, "remove", "lfn:several", HERE, THERE).splitlines()[2:] == ["    se3.example.org"]
    told(capsys, root, "remove", "lfn:several")


def test_a_file_is_not_removed_by_the_name_of_a_replica(capsys, root):
    told(capsys, root, "add", "lfn:kept", HERE)
    assert "lfn:… or guid:…" in told(capsys, root, "remove", HERE, code=1)
    assert told(capsys, root, "list", "lfn:kept").startswith("lfn:kept\n")
    told(capsys, root, "remove", "lfn:kept")
