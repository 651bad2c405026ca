"""The operator's command: making, starting, looking at, stopping a node, and what it says when something is wrong."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from node.configuration import Configuration, ConfigurationFileError
from node.ports import choose, is_free

WMS = Path(sys.executable).parent / "wms"


def wms(*arguments, timeout=60):
    return subprocess.run([str(WMS), *map(str, arguments)], capture_output=True, text=True, timeout=timeout)


def test_init_twice_harms_nothing(make_node):
    node = make_node()
    before = {path: path.read_bytes() for path in node.root.rglob("*") if path.is_file() and "db" not in path.parts}
    report = node.wms("init")
    assert report.stdout.startswith("kept the node")
    after = {path: path.read_bytes() for path in node.root.rglob("*") if path.is_file() and "db" not in path.parts}
    changed = {path.name for path in before if after.get(path) != before[path]}
    assert not {name for name in changed if not name.endswith((".r0", ".0", ".signing_policy", ".namespaces"))}


def test_nothing_secret_in_a_new_node_can_be_read_by_others(make_node):
    node = make_node()
    for path in node.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and (b"PRIVATE KEY" in path.read_bytes() or path.suffix == ".p12"):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    for name in ("credentials", "db", "sandbox", "spool", "log", "run"):
        assert stat.S_IMODE((node.root / name).stat().st_mode) == 0o700


def test_a_further_user_can_be_made(make_node):
    node = make_node()
    node.wms("init", "--user", "carol")
    assert node.proxy("carol").exists()
    refused = node.wms("proxy", "--user", "dave", check=False)
    assert refused.returncode == 1
    assert "no test user 'dave'; there are alice, bob, carol" in refused.stderr


def test_a_running_node_says_so_and_goes_down_within_ten_seconds(make_node):
    node = make_node()
    assert node.wms("status", check=False).returncode == 3
    node.wms("up", "--detach")
    status = node.status()
    assert status["ready"]
    assert set(status["services"]) == {"lb", "interlogger", "ce", "bdii", "catalogue", "broker", "wmproxy"}
    second = node.wms("up", check=False)
    assert second.returncode == 1
    assert "is up already" in second.stderr
    began = time.monotonic()
    node.wms("down")
    assert time.monotonic() - began < 10
    for service in status["services"].values():
        assert not Path(f"/proc/{service['pid']}").exists()
    assert "is down already" in node.wms("down").stdout


def test_a_service_that_dies_is_restarted_and_said_so(make_node):
    node = make_node()
    node.wms("up", "--detach")
    try:
        pid = node.status()["services"]["bdii"]["pid"]
        os.kill(pid, 9)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            service = node.status()["services"]["bdii"]
            if service["restarts"] == 1 and service["ready"]:
                break
            time.sleep(0.2)
        assert (service["restarts"], service["ready"]) == (1, True)
        assert service["last_exit"] == "signal SIGKILL"
        assert "bdii died (signal SIGKILL); starting it again" in (node.root / "log" / "supervisor.log").read_text()
    finally:
        node.wms("down")


def test_a_port_in_use_is_named_with_the_way_out(make_node):
    node = make_node()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = node.configuration().ce.port
        taken.bind(("127.0.0.1", port))
        taken.listen()
        result = node.wms("up", "--detach", check=False)
    assert result.returncode == 1
    assert f"port {port} of ce is in use" in result.stderr
    assert "--ports auto" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("missing", ["wms.toml", "credentials/hostkey.pem", "trust/certificates"])
def test_a_half_made_node_is_told_in_one_sentence_how_to_mend_it(make_node, missing):
    node = make_node()
    (node.root / missing).rename(node.root / "gone")
    for verb in ("up", "status", "env", "proxy"):
        result = node.wms(verb, check=False)
        assert result.returncode == 1
        assert f"{missing} is missing; run `wms init {node.root}`" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    (node.root / "gone").rename(node.root / missing)


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    result = wms("init", tmp_path)
    assert result.returncode == 1
    assert "choose an empty or new directory" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_env_can_be_evaluated_by_a_shell(make_node):
    node = make_node()
    script = 'eval "$(%s env %s)"; echo "$X509_USER_PROXY|$GLITE_WMS_WMPROXY_ENDPOINT"; command -v glite-wms-job-submit'
    arguments = ["/bin/sh", "-c", script % (WMS, node.root)]
    out = subprocess.run(
        arguments, capture_output=True, text=True, timeout=30, env={"PATH": "/usr/bin:/bin"}
    ).stdout.splitlines()
    assert out[0] == f"{node.root}/credentials/users/alice/proxy.pem|{node.configuration().wmproxy_endpoint}"
    assert out[1].endswith("glite-wms-job-submit")


def test_help_tells_each_command_and_wrong_usage_ends_with_2(tmp_path):
    report = wms("--help")
    assert report.returncode == 0
    for verb in ("init", "up", "down", "status", "env", "proxy", "revoke", "run", "record", "demo"):
        assert f"    {verb} " in report.stdout
        assert wms(verb, "--help").returncode == 0
    assert wms("dance").returncode == 2
    unknown = wms("run", tmp_path, "dance")
    assert unknown.returncode == 1
    assert "the services are lb, interlogger" in unknown.stderr


def test_automatic_ports_are_free_different_and_not_ephemeral():
    ports = choose(6)
    low, high = (int(n) for n in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert len(set(ports)) == 6
    assert all(is_free("127.0.0.1", port) and not low <= port <= high for port in ports)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[node\n", "cannot be read"),
        ("[nodes]\n", "section [nodes] is unknown; there are node, site, trust"),
        ("[lb]\nprot = 1\n", "[lb] prot is unknown; there are port"),
        ("[lb]\nport = 'x'\n", "[lb] port must be of type int"),
        ("[lb]\nport = 70000\n", "[lb] port must be a port, 1 to 65535"),
        ("[lb]\nport = true\n", "[lb] port must be of type int"),
        ("[lb]\nendpoint = 'lb.example.org'\n", "[lb] endpoint must have the form host:port"),
        ("[ce]\nendpoint = 'https://h/x'\n", "[ce] endpoint must have the form https://host:port/ce-cream/services"),
        ("[wmproxy]\nendpoint = 'https://h:70000/x'\n", "[wmproxy] endpoint must have the form https://host:port/"),
        ("[trust]\ngridsite_proxies = 1\n", "[trust] gridsite_proxies must be of type bool"),
        ("[ce]\nqueue = []\n", "one or more [[ce.queue]] tables"),
        ("[wmproxy]\nworkers = 0\n", "[wmproxy] workers must be 1 or more, not 0"),
        ("[[ce.queue]]\nslots = -1\n", "[ce.queue] slots must be 1 or more, not -1"),
        ("[[ce.queue]]\nstatus = 'Foo'\n", "[ce.queue] status must be one of Production, Queueing, Draining, Closed"),
        ("[broker]\nwms_requirements = 'a &&& b'\n", "[broker] wms_requirements: the expression cannot be read"),
        ("[broker]\nwms_requirements = 'a &&& b'\n", "line 1, column 5"),
        ("[broker]\nblacklist = ['(']\n", "[broker] blacklist: the blacklist expression '(' cannot be read"),
        ("[broker]\nvo_shares = ['cms']\n", "[broker] vo_shares: 'cms' must have the form"),
        ("[broker]\nsuccess_window = 0\n", "[broker] success_window must be more than 0"),
        ("[broker]\npropagate_to_lrms = ['[]']\n", "[broker] propagate_to_lrms: entry 1 must have the form"),
        ("[[ce.queue]]\naccess = 'VO:x'\n", "[ce.queue] access must be a list of strings"),
    ],
)
def test_a_wrong_configuration_names_section_key_and_expectation(tmp_path, text, what):
    path = tmp_path / "wms.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationFileError) as refused:
        Configuration.read(path)
    assert what in refused.value.description
    assert str(path) in refused.value.description


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[wmproxy.limit]]\noperation = "jobSbumit"\nload1 = 1', "load limits for jobSbumit, and no operation has"),
        ("[[wmproxy.limit]]\nload1 = 1\n[[wmproxy.limit]]\nload5 = 1", "tables for AllOperations; make them one"),
    ],
)
def test_limits_that_no_service_can_start_with_are_refused_before_anything_is_started(make_node, text, told):
    node = make_node()
    file = node.root / "wms.toml"
    file.write_text(f"{file.read_text()}\n{text}\n")
    result = node.wms("up", "--detach", check=False)
    assert result.returncode == 1
    assert told in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (node.root / "log/wmproxy.log").exists()


def test_a_proxy_can_be_asked_for_as_json(node):
    report = json.loads(node.wms("proxy", "--user", "bob", "--hours", "1", "--json").stdout)
    assert report["subject"].startswith("/DC=org/DC=wms-test/CN=Bob/CN=")
    assert stat.S_IMODE(Path(report["path"]).stat().st_mode) == 0o600
    assert node.wms("proxy", "--hours", "0", check=False).returncode == 1
    assert node.wms("proxy", "--fqan", "/a", "--fqan", "/b", check=False).returncode == 1


def test_a_lost_host_key_is_mended_by_init(make_node):
    node = make_node()
    (node.root / "credentials" / "hostkey.pem").unlink()
    node.wms("init")
    node.wms("up", "--detach")
    assert node.status()["ready"]
    node.wms("down")


def test_a_node_that_runs_keeps_its_crl_fresh(make_node):
    from node.credentials import CRL_AGE, Credentials
    from node.layout import Layout

    node = make_node()
    crl = node.root / "credentials" / "ca" / "crl.pem"
    (installed,) = {path.read_bytes() for path in (node.root / "trust" / "certificates").glob("*.r0")}
    assert installed == crl.read_bytes()
    Credentials(Layout(node.root)).refresh()
    assert crl.read_bytes() == installed
    old = time.time() - CRL_AGE - 60
    os.utime(crl, (old, old))
    node.wms("up", "--detach")
    node.wms("down")
    (renewed,) = {path.read_bytes() for path in (node.root / "trust" / "certificates").glob("*.r0")}
    assert renewed != installed


def test_a_reader_who_has_seen_enough_is_no_error(make_node):
    """As ``wms info … | head -1``."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        told = subprocess.run(
            [str(WMS), "env", str(make_node().root)], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60
        )
    finally:
        os.close(writing)
    assert told.stderr == ""


@pytest.mark.parametrize("words", [("ism",), ("explain", "https://localhost:9000/aaaaaaaaaaaaaaaaaaaaaa")])
def test_what_asks_the_broker_of_a_node_that_is_down_says_how_to_start_it(make_node, words):
    told = wms(words[0], make_node().root, *words[1:])
    assert told.returncode == 1 and told.stdout == ""
    assert "`wms up` starts it" in told.stderr and "matchmaking" not in told.stderr
