"""glite-wms-job-perusal against real TLS, SOAP and files."""

from __future__ import annotations

import json

import pytest

from clients import perusal

BAR = "=" * 74
HEAD = "====================== glite-wms-job-perusal Success ======================"


@pytest.fixture
def job(fake_grid):
    return fake_grid.job("RUNNING")


def chunk(grid, name, data):
    """A merged file on the server."""
    (grid.directory / "output" / name).write_bytes(data)
    grid.chunks.setdefault(name.partition("-")[0], []).append(f"https://{grid.address}/files/output/{name}")


def test_set_names_the_files_of_options_and_file_once_each(fake_grid, job, tmp_path, capsys):
    (tmp_path / "work" / "names").write_text("# those\nb\nc\n")
    assert perusal.main(["--set", "-f", "a", "--filename", "b", "--input-file", "names", job]) == 0
    assert fake_grid.parts("enableFilePerusal") == {"jobId": job, "fileList": ["a", "b", "c"]}
    assert capsys.readouterr().out.endswith(
        f"\n{HEAD}\n\nFile(s) perusal has been successfully enabled for the job:\n{job}\n\n{BAR}\n\n"
    )


def test_unset_sends_an_empty_list(fake_grid, job, capsys):
    assert perusal.main(["--unset", job]) == 0
    assert fake_grid.parts("enableFilePerusal")["fileList"] == []
    assert "perusal has been successfully disabled for the job:" in capsys.readouterr().out


def test_get_stores_and_shows_what_is_new(fake_grid, job, tmp_path, capsys):
    chunk(fake_grid, "out-1-2", b"one\ntwo\n")
    chunk(fake_grid, "out-3-3", b"three\n")
    assert perusal.main(["--get", "-f", "out", "--dir", "seen", job]) == 0
    assert fake_grid.parts("getPerusalFiles") == {
        "jobId": job, "file": "out", "allChunks": False, "protocol": "https",
    }  # fmt: skip
    seen = tmp_path / "work" / "seen"
    assert b"".join(path.read_bytes() for path in sorted(seen.glob("out-*"))) == b"one\ntwo\nthree\n"
    out = capsys.readouterr().out
    assert f"The retrieved files have been successfully stored in:\n{seen}\n" in out
    assert out.endswith(f"{BAR}\n\none\ntwo\nthree\n")


def test_the_files_go_below_the_output_storage_by_default_and_may_stay_unshown(
    fake_grid, job, tmp_path, monkeypatch, capsys
):
    chunk(fake_grid, "out-1-2", b"hidden")
    (tmp_path / "c.conf").write_text(f'[ VirtualOrganisation = "test"; OutputStorage = "{tmp_path}/work"; ]')
    arguments = ["--get", "-f", "out", "--all", "--nodisplay", "-c", str(tmp_path / "c.conf"), job]
    assert perusal.main(arguments) == 0
    assert perusal.main(arguments) == 0  # a second time into the same directory, without a question
    assert fake_grid.parts("getPerusalFiles")["allChunks"] is True
    assert (tmp_path / "work" / f"ada_{job.rpartition('/')[2]}" / "out-1-2").read_bytes() == b"hidden"
    assert "hidden" not in capsys.readouterr().out


def test_nothing_new_is_told_and_is_a_success(fake_grid, job, tmp_path, capsys):
    assert perusal.main(["--get", "-f", "out", "--dir", "seen", job]) == 0
    assert f"No files to be retrieved for the job:\n{job}\n" in capsys.readouterr().out
    assert not (tmp_path / "work" / "seen").exists()


def test_json_is_one_line(fake_grid, job, tmp_path, capsys):
    chunk(fake_grid, "out-1-2", b"x")
    assert perusal.main(["--get", "-f", "out", "--dir", "seen", "--json", job]) == 0
    seen = tmp_path / "work" / "seen"
    assert json.loads(capsys.readouterr().out) == {
        "result": "success", "jobid": job, "endpoint": fake_grid.url, "location": str(seen),
        "files": [str(seen / "out-1-2")],
    }  # fmt: skip
    assert perusal.main(["--set", "-f", "out", "--json", job]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["files"] == ["out"]
    assert err == ""


def test_the_result_is_saved_under_the_classic_headers(fake_grid, job, tmp_path, capsys):
    chunk(fake_grid, "out-1-2", b"x")
    assert perusal.main(["--get", "-f", "out", "--dir", "seen", "-o", "saved", job]) == 0
    path = tmp_path / "work" / "seen" / "out-1-2"
    saved = tmp_path / "work" / "saved"
    assert saved.read_text() == f"###Perusal: file(s) retrieved for the job {job}###\n{path}\n"
    saved.unlink()
    assert perusal.main(["--set", "-f", "out", "-o", "saved", job]) == 0
    assert saved.read_text() == f"###File perusal enabled for the job {job}###\nout\n"


def test_what_was_answered_and_not_fetched_is_not_lost(fake_grid, job, capsys):
    fake_grid.chunks["out"] = [f"https://{fake_grid.address}/files/output/out-1-2"]
    assert perusal.main(["--get", "-f", "out", "--dir", "seen", job]) == 1
    assert "--get --all fetches everything again" in capsys.readouterr().err


def test_a_directory_that_cannot_be_used_is_told_before_anything_is_served(fake_grid, job, tmp_path, capsys):
    (tmp_path / "work" / "file").touch()
    for place in ("nowhere/below", "file"):
        assert perusal.main(["--get", "-f", "out", "--dir", place, job]) == 1
    assert "getPerusalFiles" not in fake_grid.operations
    assert "Unable to store files in" in capsys.readouterr().err


@pytest.mark.parametrize("uri", ["gsiftp://localhost/out-1-2", "https://localhost/.."])
def test_a_place_that_cannot_be_fetched_or_stored_is_refused(fake_grid, job, uri):
    fake_grid.chunks["out"] = [uri]
    assert perusal.main(["--get", "-f", "out", "--dir", "seen", job]) == 1


@pytest.mark.parametrize(
    ("state", "more", "refused"),
    [
        ("SUBMITTED", {}, ()),
        ("DONE", {"doneCode": "OK"}, ()),
        ("DONE", {"doneCode": "FAILED"}, ("--set", "--unset")),
        ("ABORTED", {}, ("--set", "--unset")),
        ("CANCELLED", {}, ("--set", "--unset")),
        ("CLEARED", {}, ("--set", "--get", "--unset")),
        ("RUNNING", {"childrenNum": 2}, ("--set", "--get", "--unset")),
    ],
)
def test_states_that_allow_it(fake_grid, state, more, refused, capsys):
    job = fake_grid.job(state, **more)
    for action, names in (("--set", ["-f", "a"]), ("--get", ["-f", "a"]), ("--unset", [])):
        assert perusal.main([action, *names, job]) == (1 if action in refused else 0), capsys.readouterr()
    assert ("Perusal not allowed" in capsys.readouterr().err) == bool(refused)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["J"], 255),
        (["--set", "J"], 1),
        (["--get", "J"], 1),
        (["--get", "-f", "a", "-f", "b", "J"], 1),
        (["--set", "--get", "-f", "a", "J"], 1),
        (["--unset", "-f", "a", "J"], 1),
        (["--set", "-f", "a", "--all", "J"], 1),
        (["--set", "-f", "a"], 255),
        (["--set", "-f", "a", "J", "J"], 1),
        (["--noint", "--unset", "J"], 255),
        (["--help"], 0),
    ],
)
def test_command_lines(fake_grid, job, arguments, code):
    assert perusal.main([job if word == "J" else word for word in arguments]) == code
    assert fake_grid.operations == []


def test_a_fault_is_framed_with_method_and_code(fake_grid, job, capsys):
    from grid.errors import OperationNotAllowed

    fake_grid.faults["enableFilePerusal"] = OperationNotAllowed("Perusal not enabled for this job")
    assert perusal.main(["--set", "-f", "a", job]) == 1
    err = capsys.readouterr().err
    assert "Perusal not enabled for this job" in err
    assert "Method: enableFilePerusal\nError code: 1226" in err
