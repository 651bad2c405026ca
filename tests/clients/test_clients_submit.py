"""glite-wms-job-submit against real TLS and SOAP."""

from __future__ import annotations

import json
import re
import tarfile
import tempfile

import pytest

from clients import submit, zippedsandbox
from clients.sandbox import LocalFile
from grid.errors import AuthorizationDenied, InternalFailure, InvalidArgument
from gsi.credential import load_chain

ID = re.compile(r"https://localhost:\d+/job\d{19}")


def only_id(grid) -> str:
    return next(iter(grid.jobs))


def test_a_job_without_files_is_submitted_at_once(fake_grid, jdl, capsys):
    assert submit.main(["-a", jdl()]) == 0
    out, err = capsys.readouterr()
    job = only_id(fake_grid)
    assert err == ""
    assert out == (
        f"\nConnecting to the service {fake_grid.url}\n\n"
        "\n====================== glite-wms-job-submit Success ======================\n\n"
        "The job has been successfully submitted to the WMProxy\n"
        f"Your job identifier is:\n\n{job}\n\n"
        "==========================================================================\n\n"
    )
    assert fake_grid.operations == ["getVersion", "getProxyReq", "putProxy", "getTransferProtocols", "jobSubmit"]
    sent = fake_grid.parts("jobSubmit")
    assert sent["delegationId"] == fake_grid.parts("putProxy")["delegationID"]
    assert not sent["delegationId"].startswith("-")
    assert 'VirtualOrganisation = "test"' in sent["jdl"]
    assert "\n" not in sent["jdl"]


def test_the_delegated_chain_is_signed_by_the_proxy(fake_grid, jdl, proxy_file):
    submit.main(["-a", jdl()])
    assert fake_grid.parts("getProxyReq")["port"] == "WMProxyDelegation2_PortType"
    chain = load_chain(fake_grid.parts("putProxy")["proxy"].encode())
    mine = load_chain(proxy_file.read_bytes())
    assert chain[1:] == mine[: len(chain) - 1]
    assert chain[0].issuer == mine[0].subject


def test_an_old_server_is_asked_on_delegation_1(fake_grid, jdl):
    fake_grid.version = "2.2.9"
    submit.main(["-a", jdl()])
    assert fake_grid.parts("getProxyReq")["port"] == "WMProxyDelegation_PortType"


def test_a_known_delegation_makes_no_delegation_call(fake_grid, jdl):
    assert submit.main(["-d", "mine", jdl()]) == 0
    assert "getProxyReq" not in fake_grid.operations
    assert fake_grid.parts("jobSubmit")["delegationId"] == "mine"


def test_nomsg_prints_the_id_and_nothing_else(fake_grid, jdl, capsys):
    assert submit.main(["-a", "--nomsg", jdl()]) == 0
    assert capsys.readouterr() == (only_id(fake_grid) + "\n", "")


def test_json_is_one_line_that_scripts_split_at_blanks(fake_grid, jdl, capsys):
    assert submit.main(["-a", "--json", jdl()]) == 0
    out, err = capsys.readouterr()
    job = only_id(fake_grid)
    assert json.loads(out) == {"result": "success", "jobid": job, "endpoint": fake_grid.url}
    assert out.split()[3] == f'"{job}",'
    assert err == ""


def test_pretty_print_is_the_originals_form(fake_grid, jdl, capsys):
    assert submit.main(["-a", "--json", "--pretty-print", jdl()]) == 0
    job = only_id(fake_grid)
    assert capsys.readouterr().out == (
        f"{{\n  result: success\n  jobid: {job}\n  endpoint: {fake_grid.url}\n}}\n"
    )


def test_input_files_are_sent_between_register_and_start(fake_grid, jdl, user_files, capsys):
    path = jdl('InputSandbox = { "a b.txt", "$HOME/work/d*.dat" };')
    assert submit.main(["-a", "--debug", "--logfile", "log", path]) == 0
    out = capsys.readouterr().out
    assert [op for op in fake_grid.operations if op.startswith(("job", "getSandbox", "getMax"))] == [
        "getMaxInputSandboxSize",
        "jobRegister",
        "getSandboxDestURI",
        "jobStart",
    ]
    assert fake_grid.parts("getSandboxDestURI")["protocol"] == "https"
    received = {file.name: file.read_bytes() for file in (fake_grid.directory / "input").iterdir()}
    assert received == {"a b.txt": b"aaa", "d1.dat": b"1" * 300, "d2.dat": b""}
    assert f"Source: {user_files}/a b.txt" in out
    assert f"The JobId is:  {only_id(fake_grid)}" in out
    assert f'"file://{user_files}/a b.txt"' in fake_grid.parts("jobRegister")["jdl"]


@pytest.fixture
def user_files(tmp_path):
    work = tmp_path / "work"
    (work / "a b.txt").write_bytes(b"aaa")
    (work / "d1.dat").write_bytes(b"1" * 300)
    (work / "d2.dat").write_bytes(b"")
    return work


def test_a_missing_input_file_is_told_before_anything_is_asked(fake_grid, jdl, capsys):
    assert submit.main(["-a", jdl('InputSandbox = "nowhere";')]) == 1
    assert "Specified path" in capsys.readouterr().err
    assert fake_grid.calls == []


def test_a_syntax_error_is_told_with_its_place_before_anything_is_asked(fake_grid, jdl, capsys):
    assert submit.main(["-a", jdl("Rank = ;")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("\nError - JDL Error\n")
    assert "line 2" in err
    assert fake_grid.calls == []


def test_a_sandbox_that_is_too_large_is_refused_before_registration(fake_grid, jdl, tmp_path, capsys):
    (tmp_path / "work" / "large").write_bytes(b"x" * 1001)
    assert submit.main(["-a", jdl('InputSandbox = "large";')]) == 1
    assert "(1001 bytes) are larger than the server allows (1000 bytes)" in capsys.readouterr().err
    assert "jobRegister" not in fake_grid.operations


def test_a_transfer_that_fails_says_how_to_go_on_and_saves_the_id(fake_grid, jdl, user_files, capsys):
    (fake_grid.directory / "input" / "refuse").touch()
    code = submit.main(["-a", "-o", "ids", jdl('InputSandbox = "d1.dat";')])
    assert code == 1
    job = only_id(fake_grid)
    err = capsys.readouterr().err
    assert f"Error - The job has been successfully registered (the JobId is: {job}), but an error occurred" in err
    assert "the disk of the server is full" in err
    assert f"\n --start {job}\n" in err
    assert "jobStart" not in fake_grid.operations
    assert (user_files / "ids").read_text() == (
        "###Submitted Job Ids###\n"
        f"#*Following Job Registered but Submission failed (try use --start option)\n{job}\n"
    )


ZIPPED = 'InputSandbox = { "d1.dat", "a b.txt" }; AllowZippedISB = true;'


def members(archive) -> dict[str, bytes]:
    with tarfile.open(archive, "r:gz") as tar:
        assert all(info.isreg() and (info.uname, info.uid) == ("", 0) for info in tar)
        return {info.name: tar.extractfile(info).read() for info in tar}


def test_a_zipped_sandbox_is_one_archive_that_stands_where_the_server_unpacks(
    fake_grid, jdl, user_files, capsys, monkeypatch, tmp_path
):
    fake_grid.largest = 100_000
    (tmp_path / "staging").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "staging"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert submit.main(["-a", jdl(ZIPPED)]) == 0
    sent = fake_grid.parts("jobRegister")["jdl"]
    (name,) = re.findall(r'ZippedISB = \{ ?"(ISBfiles_[A-Za-z0-9]+_0\.tar\.gz)" ?\}', sent)
    assert "AllowZippedISB = true" in sent
    assert [path.name for path in (fake_grid.directory / "input").iterdir()] == [name]
    assert members(fake_grid.directory / "input" / name) == {
        "files/input/d1.dat": (user_files / "d1.dat").read_bytes(),
        "files/input/a b.txt": (user_files / "a b.txt").read_bytes(),
    }
    assert fake_grid.operations[-1] == "jobStart"
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_zipped_sandbox_beyond_the_servers_limit_is_not_sent(fake_grid, jdl, user_files, capsys):
    (user_files / "d1.dat").write_bytes(b"")
    (user_files / "a b.txt").write_bytes(b"1")  # small, and tar adds more than the 1000 bytes that the server takes
    assert submit.main(["-a", jdl(ZIPPED)]) == 1
    assert "The tar archive size is greater than the maximum allowed by WMS (1000 bytes)" in capsys.readouterr().err
    assert "jobStart" not in fake_grid.operations


def test_who_transfers_the_files_himself_has_no_archive(fake_grid, jdl, user_files, capsys):
    assert submit.main(["-a", "--register-only", jdl(ZIPPED)]) == 0
    assert "ZippedISB =" not in fake_grid.parts("jobRegister")["jdl"].replace("AllowZippedISB =", "")
    assert f"InputSandbox file : {user_files}/d1.dat" in capsys.readouterr().out


def test_large_sandboxes_are_divided_among_archives(tmp_path):
    files = [LocalFile(tmp_path / f"f{number}", size) for number, size in enumerate([600, 600, 100, 5000, 1])]
    archives = zippedsandbox.plan(files, 2000)
    names = [[file.path.name for file in archive.files] for archive in archives]
    assert names == [["f0"], ["f1", "f2"], ["f3"], ["f4"]]
    unique = {archive.name.rpartition("_")[0] for archive in archives}
    assert len(unique) == 1
    assert [archive.name.removeprefix(unique.pop()) for archive in archives[:1]] == ["_0.tar.gz"]


def test_register_only_tells_what_is_left_to_do(fake_grid, jdl, user_files, capsys):
    assert submit.main(["-a", "--register-only", jdl('InputSandbox = "d1.dat";')]) == 0
    out = capsys.readouterr().out
    job = only_id(fake_grid)
    assert "The job has been successfully registered to the WMProxy" in out
    assert f"/files/input/d1.dat" in out  # noqa: F541
    assert f"\n --start {job}\n" in out
    assert "jobStart" not in fake_grid.operations
    assert list((fake_grid.directory / "input").iterdir()) == []


def test_register_only_may_transfer_the_files(fake_grid, jdl, user_files, capsys):
    argv = ["-a", "--register-only", "--transfer-files", jdl('InputSandbox = "d1.dat";')]
    assert submit.main(argv) == 0
    assert [file.name for file in (fake_grid.directory / "input").iterdir()] == ["d1.dat"]
    assert "jobStart" not in fake_grid.operations


def test_register_only_without_files_begins_with_the_other_sentence(fake_grid, jdl, capsys):
    assert submit.main(["-a", "--register-only", jdl()]) == 0
    assert "To complete the operation start the job by issuing a submission" in capsys.readouterr().out
    assert fake_grid.operations[-1] == "jobRegister"


def test_start_asks_the_server_that_holds_the_job(fake_grid, capsys, monkeypatch):
    monkeypatch.setenv("GLITE_WMS_WMPROXY_ENDPOINT", "https://localhost:1/x")
    job = fake_grid.job("SUBMITTED")
    assert submit.main(["--start", job]) == 0
    assert fake_grid.operations == ["JobStatus", "getVersion", "jobStart"]
    assert "The job has been successfully started to the WMProxy" in capsys.readouterr().out


def test_ids_are_collected_in_the_file(fake_grid, jdl, user_files, capsys):
    assert submit.main(["-a", "-o", "ids", jdl()]) == 0
    assert submit.main(["-a", "-o", "ids", jdl()]) == 0
    assert (user_files / "ids").read_text() == "###Submitted Job Ids###\n" + "".join(f"{j}\n" for j in fake_grid.jobs)
    assert f"The job identifier has been saved in the following file:\n{user_files}/ids\n" in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(fake_grid, jdl, capsys):
    assert submit.main(["-a", "-o", "/nowhere/ids", jdl()]) == 1
    assert "unable to write /nowhere/ids" in capsys.readouterr().err
    assert fake_grid.calls == []


def test_options_become_attributes(fake_grid, jdl):
    argv = ["-a", "--to", "12:31:23:59:2090", "-r", "ce:8443/cream-fork-q", "--lrms", "pbs", jdl()]
    assert submit.main(argv) == 0
    sent = fake_grid.parts("jobSubmit")["jdl"]
    assert re.search(r"ExpiryTime = 38\d{8}\b", sent)
    assert 'SubmitTo = "ce:8443/cream-fork-q"' in sent
    assert 'lrms_type = "pbs"' in sent


def test_the_first_computing_element_of_the_file_is_taken_unasked(fake_grid, jdl, user_files):
    (user_files / "ces").write_text("ce1:8443/cream-fork-q\nce2:8443/cream-fork-q\n")
    assert submit.main(["-a", "--noint", "-i", "ces", jdl()]) == 0
    assert 'SubmitTo = "ce1:8443/cream-fork-q"' in fake_grid.parts("jobSubmit")["jdl"]


def test_defaults_come_from_the_configuration_then_from_the_file(fake_grid, jdl, user_files, monkeypatch):
    defaults = "RetryCount = 3; requirements = other.A; rank = other.B"
    (user_files / "ui.conf").write_text(f"[ JdlDefaultAttributes = [ {defaults} ] ]")
    (user_files / "default.jdl").write_text("Attribute = 'Test default jdl'; RetryCount = 5;")
    monkeypatch.setenv("GLITE_WMSUI_COMMANDS_CONFIG", "ui.conf")
    assert submit.main(["-a", "--default-jdl", "default.jdl", jdl()]) == 0
    sent = fake_grid.parts("jobSubmit")["jdl"]
    assert "RetryCount = 3" in sent
    assert "Attribute = 'Test default jdl'" in sent
    assert "requirements = other.A" in sent


def test_the_delegation_id_may_be_configured_or_must_be_given(fake_grid, jdl, user_files, capsys):
    assert submit.main([jdl()]) == 1
    assert "No delegationId found, please use one of the following methods:" in capsys.readouterr().err
    (user_files / "ui.conf").write_text('[ DelegationId = "configured" ]')
    assert submit.main(["-c", "ui.conf", jdl()]) == 0
    assert fake_grid.parts("jobSubmit")["delegationId"] == "configured"


def test_the_next_server_is_tried_and_the_failure_is_a_warning(fake_grid, jdl, user_files, monkeypatch, capsys):
    dead = "https://localhost:1/glite_wms_wmproxy_server"
    (user_files / "ui.conf").write_text(f'[ WmProxyEndPoints = {{ "{dead}", "{fake_grid.url}" }} ]')
    monkeypatch.delenv("GLITE_WMS_WMPROXY_ENDPOINT")
    monkeypatch.setattr("random.shuffle", lambda items: None)
    assert submit.main(["-c", "ui.conf", "-a", jdl()]) == 0
    out, err = capsys.readouterr()
    assert f"Connecting to the service {dead}" in out
    assert f"Connecting to the service {fake_grid.url}" in out
    assert "Switching to next WMProxy Server..." in out
    assert f"Warning - Unable to perform the operation on the service: {dead}" in err


def test_when_no_server_is_left_the_last_reason_is_told(fake_grid, jdl, capsys):
    fake_grid.faults["jobSubmit"] = AuthorizationDenied("the server is drained", causes=["ask later"])
    assert submit.main(["-a", jdl()]) == 1
    err = capsys.readouterr().err
    assert err.startswith(
        "\nError - Operation failed\nUnable to find any endpoint where to perform service request\n"
        f"{fake_grid.url}: the server is drained\nask later\n\nMethod: jobSubmit\nError code: 1207\n"
    )


def test_a_fault_that_every_server_would_answer_is_told_as_it_is(fake_grid, jdl, capsys):
    fake_grid.faults["jobSubmit"] = InvalidArgument("Rank: bad", code=1506, causes=["because"])
    assert submit.main(["-a", jdl()]) == 1
    assert capsys.readouterr().err == (
        "\nError - WMProxy Server Error\nRank: bad\nbecause\n\nMethod: jobSubmit\nError code: 1506\n\n"
    )


def test_a_registered_job_never_moves_to_another_server(fake_grid, jdl, user_files, capsys):
    fake_grid.faults["jobStart"] = InternalFailure("broken", causes=["x"])
    assert submit.main(["-a", jdl('InputSandbox = "d1.dat";')]) == 1
    assert fake_grid.operations.count("jobRegister") == 1
    assert f" --start {only_id(fake_grid)}" in capsys.readouterr().err


def test_protocols_are_checked(fake_grid, jdl, capsys):
    assert submit.main(["-a", "--proto", "rfio", jdl()]) == 1
    told = "--proto rfio: the specified FileTransferProtocol is not supported by the server."
    assert told in capsys.readouterr().err
    assert submit.main(["-a", "--proto", "gsiftp", jdl()]) == 1
    assert "--proto gsiftp: this client moves files by https only" in capsys.readouterr().err
    assert submit.main(["-a", "--proto", "https", jdl()]) == 0


def test_a_log_file_is_written(fake_grid, jdl, user_files, capsys):
    assert submit.main(["-a", "--logfile", "my.log", jdl()]) == 0
    assert "*** Log file created ***" in capsys.readouterr().out
    assert "Connecting to the service" in (user_files / "my.log").read_text()


def test_a_vo_option_besides_a_proxy_with_another_vo_is_ignored_aloud(fake_grid, jdl, capsys):
    assert submit.main(["-a", "--vo", "other", jdl()]) == 0
    assert "Warning - --vo option ignored" in capsys.readouterr().err


def test_an_interrupted_upload_does_not_lose_the_id(fake_grid, jdl, user_files, capsys, monkeypatch):
    def interrupt(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("web.client.FileClient.put", interrupt)
    assert submit.main(["-a", "-o", "ids", jdl('InputSandbox = "d1.dat";')]) == 1
    job = only_id(fake_grid)
    err = capsys.readouterr().err
    assert "interrupted" in err
    assert f"\n --start {job}\n" in err
    assert job in (user_files / "ids").read_text()


def test_a_submission_without_an_answer_is_not_repeated_elsewhere(fake_grid, jdl, user_files, monkeypatch, capsys):
    import time

    (user_files / "ui.conf").write_text(
        f'[ WmProxyEndPoints = {{ "{fake_grid.url}", "{fake_grid.url}?2" }}; SoapTimeouts = [ jobSubmitTimeout = 1 ] ]'
    )
    monkeypatch.delenv("GLITE_WMS_WMPROXY_ENDPOINT")
    answer = fake_grid.note
    monkeypatch.setattr(
        fake_grid, "note", lambda op, **parts: (answer(op, **parts), time.sleep(2 if op == "jobSubmit" else 0))
    )
    assert submit.main(["-c", "ui.conf", "-a", jdl()]) == 1
    assert fake_grid.operations.count("jobSubmit") == 1
    assert "the job may have been taken all the same" in capsys.readouterr().err


def test_a_proxy_that_ends_soon_is_a_warning(fake_grid, jdl, pki, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("X509_USER_PROXY", str(pki.proxy(tmp_path / "short", hours=0.2)))
    assert submit.main(["-a", jdl()]) == 0
    assert "Warning - Your proxy credential ends in 1" in capsys.readouterr().err
