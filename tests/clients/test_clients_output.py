"""glite-wms-job-output: every file safe before the purge, and what is refused."""

from __future__ import annotations

import json
import os

import pytest

from clients import output, retrieval
from clients.errors import ClientError
from grid.errors import OperationNotAllowed


@pytest.fixture
def done(fake_grid):
    fake_grid.output("std.out", b"hello\n")
    fake_grid.output("a b.bin", bytes(range(256)) * 2000)
    return fake_grid.job("DONE", doneCode="OK")


def unique(job: str) -> str:
    return job.rpartition("/")[2]


def test_the_files_are_fetched_and_then_the_job_is_purged(fake_grid, done, capsys, tmp_path):
    assert output.main(["--noint", "--dir", str(tmp_path / "out"), done]) == 0
    directory = tmp_path / "out" / f"ada_{unique(done)}"
    assert sorted(os.listdir(directory)) == ["a b.bin", "std.out"]
    assert (directory / "std.out").read_bytes() == b"hello\n"
    assert (directory / "a b.bin").read_bytes() == bytes(range(256)) * 2000
    assert fake_grid.operations[-2:] == ["getOutputFileList", "jobPurge"]
    assert capsys.readouterr().out == (
        f"\nConnecting to the service {fake_grid.url}\n\n"
        f"\n{'=' * 80}\n\n\t\t\tJOB GET OUTPUT OUTCOME\n\nOutput sandbox files for the job:\n{done}\n"
        f"have been successfully retrieved and stored in the directory:\n{directory}\n\n{'=' * 80}\n\n"
    )


def test_json(done, fake_grid, capsys, tmp_path):
    assert output.main(["--json", "--dir", str(tmp_path / "out"), done]) == 0
    entry = json.loads(capsys.readouterr().out)["jobs"][done]
    assert entry["endpoint"] == fake_grid.url
    assert entry["output_available"] == 1
    assert entry["location"] == str(tmp_path / "out" / f"ada_{unique(done)}")


def test_list_only_fetches_and_purges_nothing(fake_grid, done, capsys):
    assert output.main(["--noint", "--list-only", done]) == 0
    out = capsys.readouterr().out
    assert f"JobId: {done}\n - file: {fake_grid.outputs[0].name}\n   size (bytes): 6\n" in out
    assert "jobPurge" not in fake_grid.operations


def test_nopurge_leaves_the_job(fake_grid, done, tmp_path):
    assert output.main(["-n", "--noint", "--dir", str(tmp_path / "out"), done]) == 0
    assert "jobPurge" not in fake_grid.operations


def test_nosubdir_uses_the_directory_itself(done, tmp_path, capsys):
    assert output.main(["--noint", "--dir", str(tmp_path / "out"), "--nosubdir", done]) == 0
    assert (tmp_path / "out" / "std.out").exists()


def test_the_directory_comes_from_the_configuration_with_variables(done, tmp_path, capsys):
    (tmp_path / "work" / "ui.conf").write_text('[ OutputStorage = "$HOME/stored" ]')
    assert output.main(["--noint", "-c", "ui.conf", done]) == 0
    assert (tmp_path / "stored" / f"ada_{unique(done)}" / "std.out").exists()


def test_a_purge_that_fails_is_the_warning_that_scripts_know(fake_grid, done, capsys, tmp_path):
    fake_grid.faults["jobPurge"] = OperationNotAllowed("not now")
    assert output.main(["--noint", "--dir", str(tmp_path / "out"), done]) == 0
    out, err = capsys.readouterr()
    assert "have been successfully retrieved" in out
    assert err.startswith("\nWarning - JobPurging not allowed\nnot now\n")


def test_a_file_of_another_size_keeps_the_job(fake_grid, done, capsys, tmp_path):
    (fake_grid.directory / "output" / "std.out").write_bytes(b"hello world\n")
    assert output.main(["--noint", "--dir", str(tmp_path / "out"), done]) == 1
    assert "has 12 bytes, the server announced 6" in capsys.readouterr().err
    assert "jobPurge" not in fake_grid.operations


def test_a_missing_file_keeps_the_job(fake_grid, done, capsys, tmp_path):
    (fake_grid.directory / "output" / "a b.bin").unlink()
    assert output.main(["--noint", "--dir", str(tmp_path / "out"), done]) == 1
    assert "a%20b.bin" in capsys.readouterr().err
    assert "jobPurge" not in fake_grid.operations


@pytest.mark.parametrize("name", ["..", "%2e%2e", "a%2Fb", "", "x" * 300])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(ClientError, match="cannot be stored"):
        _ = retrieval.RemoteFile(f"https://h/x/{name}", 1).name


def test_an_existing_directory_is_asked_about(done, tmp_path, capsys, monkeypatch):
    import io

    (tmp_path / "out" / f"ada_{unique(done)}").mkdir(parents=True)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert output.main(["--dir", str(tmp_path / "out"), done]) == 103
    out, err = capsys.readouterr()
    assert out.endswith("Do you wish to overwrite it ? [y/n]n : bye\n")
    assert "Warning - Directory already exists" in err


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"state": "RUNNING"}, "Output not yet ready\nCurrent Job Status is: Running"),
        ({"state": "DONE", "doneCode": "FAILED"}, "Current Job Status is: Done (Failed)"),
        ({"state": "CLEARED"}, "Output files already retrieved"),
        ({"state": "CANCELLED"}, "The Job has been cancelled"),
    ],
)
def test_jobs_without_output_are_refused(fake_grid, fields, told, capsys):
    assert output.main(["--noint", fake_grid.job(**fields)]) == 1
    assert told in capsys.readouterr().err
    assert fake_grid.operations == ["JobStatus"]


def test_a_job_without_files_says_so_and_is_purged(fake_grid, capsys, tmp_path):
    job = fake_grid.job("DONE", doneCode="OK", exitCode=3)
    assert output.main(["--noint", "--dir", str(tmp_path / "out"), job]) == 0
    assert f"No output files to be retrieved for the job:\n{job}\n" in capsys.readouterr().out
    assert fake_grid.operations[-1] == "jobPurge"


def test_the_output_of_an_aborted_job_comes_with_a_warning(fake_grid, done, capsys, tmp_path):
    fake_grid.jobs[done] |= {"state": "ABORTED", "reason": "request expired"}
    assert output.main(["--noint", "--dir", str(tmp_path / "out"), done]) == 0
    assert "Warning - The job was aborted\nrequest expired" in capsys.readouterr().err


def test_a_warning_of_an_aborted_node_names_the_node(fake_grid, capsys, tmp_path):
    child = fake_grid.job("ABORTED", reason="parents have aborted")
    job = fake_grid.job("ABORTED", reason="DAG completed with failed jobs", childrenNum=1, children=[child],
                        childrenStates=[fake_grid.jobs[child]])  # fmt: skip
    assert output.main(["--noint", "--dir", str(tmp_path / "out"), job]) == 0
    err = capsys.readouterr().err
    assert "Warning - The job was aborted\nDAG completed with failed jobs" in err
    assert "Warning - The node Node_0 was aborted\nparents have aborted" in err


def test_a_job_of_another_vo_or_owner_is_not_purged(fake_grid, done, capsys, tmp_path):
    fake_grid.jobs[done]["jdl"] = '[ VirtualOrganisation = "other"; CertificateSubject = "/O=Grid/CN=Bob" ]'
    assert output.main(["--noint", "--dir", str(tmp_path / "out"), done]) == 0
    err = capsys.readouterr().err
    assert "the job belongs to the VO other, the proxy to test" in err
    assert "the job belongs to /O=Grid/CN=Bob, the proxy to /O=Grid/CN=Ada Lovelace" in err
    assert "jobPurge" not in fake_grid.operations


def test_the_answer_no_to_another_owner_ends_with_0(fake_grid, done, capsys, monkeypatch):
    import io

    fake_grid.jobs[done]["jdl"] = '[ VirtualOrganisation = "other" ]'
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert output.main([done]) == 0
    assert fake_grid.operations == ["JobStatus"]


def test_ids_come_from_a_file_and_one_failure_is_a_warning(fake_grid, done, capsys, tmp_path):
    running = fake_grid.job("RUNNING")
    (tmp_path / "work" / "ids").write_text(f"###Submitted Job Ids###\n{running}\n{done}\n")
    assert output.main(["--noint", "-i", "ids", "--dir", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert f"Warning - Unable to retrieve the output of the job: {running}" in err
    assert f"\n{done}\nhave been successfully retrieved" in out
