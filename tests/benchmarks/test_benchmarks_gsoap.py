"""What is compiled for the comparison with gSOAP: said to be missing when it is, and equal to its Python side."""

import dataclasses
import http.server
import importlib
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def checkout_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200

    def do_POST(self):
        self.server.bodies.append((self.rfile.read(int(self.headers["Content-Length"])), self.headers["SOAPAction"]))
        self.send_response(self.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    made.bodies = []
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    if shutil.which("g++") is None or not Path("/usr/include/openssl/ssl.h").exists():
        pytest.skip("g++ or OpenSSL's headers are missing (Debian: apt-get install g++ libssl-dev)")
    made = tmp_path_factory.mktemp("driver") / "driver"
    source = ROOT / "benchmarks" / "load.cpp"
    command = ["g++", "-O0", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", made, source]
    done = subprocess.run([*command, "-lssl", "-lcrypto"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return made


def load_of(server, new):
    load = importlib.import_module("benchmarks.load")
    url = f"http://127.0.0.1:{server.server_port}/x"
    return load.Load(url, Path("/none"), Path("/none"), 20, 2, new, b"body", ('SOAPAction: "a"',))


@pytest.mark.parametrize("new", [False, True])
def test_the_compiled_driver_takes_the_same_options_and_gives_the_same_figures(driver, server, new):
    load = importlib.import_module("benchmarks.load")
    figures = load.measure(load_of(server, new), driver)
    assert server.bodies == [(b"body", '"a"')] * 20
    assert figures.requests == 20
    assert figures.rate > 0
    assert all(value is not None for value in dataclasses.astuple(figures))


def test_the_compiled_driver_fails_at_an_answer_that_is_not_200(driver, server, monkeypatch):
    load = importlib.import_module("benchmarks.load")
    monkeypatch.setattr(Answer, "status", 500)
    with pytest.raises(RuntimeError, match=r"HTTP/1\.1 500"):
        load.measure(load_of(server, False), driver)


def test_without_gsoap_the_packages_are_named(monkeypatch, tmp_path):
    gsoap = importlib.import_module("benchmarks.gsoap")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(gsoap.Missing, match=r"wsdl2h is not installed \(Debian: apt-get install gsoap"):
        gsoap.build(tmp_path)


def test_operations_that_the_server_does_not_serve_are_refused():
    gsoap = importlib.import_module("benchmarks.gsoap")
    header = "".join(
        f"virtual int {name}(struct wmp__{name}Response &_param_1) SOAP_PURE_VIRTUAL;\n"
        for name in ("getVersion", "jobRegister", "jobStart")
    )
    assert gsoap._others(header) == (
        "int WMProxyService::jobStart(struct wmp__jobStartResponse &_param_1) "
        '{ return soap_receiverfault("not served", nullptr); }\n'
    )
