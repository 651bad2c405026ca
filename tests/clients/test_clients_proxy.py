"""The proxy is checked before anything goes over the wire, and TLS failures are told in one sentence."""

from __future__ import annotations

import datetime

import pytest

from clients import delegate_proxy, status, submit
from clients.proxy import ProxyMissing, ProxyOver, load
from grid.clock import now


def test_a_missing_proxy_names_the_file_and_how_to_make_one(fake_grid, jdl, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "none"))
    assert submit.main(["-a", jdl()]) == 1
    err = capsys.readouterr().err
    assert err.startswith("\nError - Proxy Error\nNo path to valid proxy file has been found\n")
    assert f"{tmp_path / 'none'} (named by X509_USER_PROXY): there is no such file" in err
    assert "voms-proxy-init" in err
    assert fake_grid.calls == []


def test_without_the_variable_the_default_place_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getuid", lambda: 4294967)
    with pytest.raises(ProxyMissing, match=r"/tmp/x509up_u4294967 .the default place"):
        load({}, now())


def test_an_ended_proxy_names_file_dn_and_since_when(pki, proxy_file):
    later = now() + datetime.timedelta(days=20)
    with pytest.raises(ProxyOver) as caught:
        load({"X509_USER_PROXY": str(proxy_file)}, later)
    text = caught.value.description
    assert text.startswith("Your proxy credential has expired\n")
    assert f"{proxy_file} of /O=Grid/CN=Ada Lovelace ended on " in text


def test_ended_voms_attributes_are_an_ended_proxy(pki, tmp_path):
    path = pki.proxy(tmp_path / "p", hours=20, ac_hours=1)
    with pytest.raises(ProxyOver, match="VOMS attributes"):
        load({"X509_USER_PROXY": str(path)}, now() + datetime.timedelta(hours=2))


def test_a_file_that_is_no_proxy_says_so(tmp_path):
    path = tmp_path / "p"
    path.write_text("nothing")
    path.chmod(0o600)
    with pytest.raises(ProxyMissing, match="No path to valid proxy file has been found"):
        load({"X509_USER_PROXY": str(path)}, now())


def test_the_configured_minimum_is_checked(fake_grid, jdl, capsys, tmp_path):
    (tmp_path / "work" / "ui.conf").write_text("[ DefaultProxyValidity = 100000 ]")
    assert submit.main(["-a", "-c", "ui.conf", jdl()]) == 1
    assert "Your proxy credential will expire in less than100000minutes" in capsys.readouterr().err
    assert fake_grid.calls == []


def test_a_proxy_without_attributes_needs_a_vo(fake_grid, jdl, pki, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("X509_USER_PROXY", str(pki.proxy(tmp_path / "plain", vo=None)))
    assert submit.main(["-a", jdl()]) == 1
    assert "Unable to find any VirtualOrganisation" in capsys.readouterr().err
    assert submit.main(["-a", "--vo", "mine", jdl()]) == 0
    assert 'VirtualOrganisation = "mine"' in fake_grid.parts("jobSubmit")["jdl"]
    fake_grid.calls.clear()
    assert submit.main(["-a", jdl('VirtualOrganisation = "written";')]) == 0
    assert 'VirtualOrganisation = "written"' in fake_grid.parts("jobSubmit")["jdl"]


def test_no_endpoint_says_where_one_can_be_named(user, jdl, capsys):
    assert submit.main(["-a", jdl()]) == 1
    err = capsys.readouterr().err
    assert "Unable to find any endpoint where to perform service request" in err
    assert "GLITE_WMS_WMPROXY_ENDPOINT or WmProxyEndPoints" in err


def test_a_server_that_is_not_there_is_one_sentence(user, jdl, capsys):
    assert submit.main(["-e", "https://localhost:1/glite_wms_wmproxy_server", "-a", jdl()]) == 1
    err = capsys.readouterr().err
    assert "Unable to find any endpoint where to perform service request\n" in err
    assert "localhost:1" in err
    assert "Traceback" not in err


def test_a_server_of_an_unknown_authority_is_named_as_such(fake_grid, tmp_path, monkeypatch, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("X509_CERT_DIR", str(empty))
    assert delegate_proxy.main(["-d", "x"]) == 1
    err = capsys.readouterr().err
    assert "certificate" in err
    assert "localhost" in err
    assert "Traceback" not in err
    assert fake_grid.calls == []


def test_a_missing_trust_directory_is_told(fake_grid, monkeypatch, capsys):
    monkeypatch.setenv("X509_CERT_DIR", "/nowhere")
    assert status.main(["--noint", fake_grid.job()]) == 1
    assert "X509_CERT_DIR" in capsys.readouterr().err


def test_an_authenticate_server_switch_is_refused_aloud(fake_grid, tmp_path, capsys):
    (tmp_path / "work" / "ui.conf").write_text("[ AuthenticateServer = false ]")
    assert delegate_proxy.main(["-d", "x", "-c", "ui.conf"]) == 0
    assert "Warning - AuthenticateServer = false\nthis client verifies every server" in capsys.readouterr().err


def test_a_wrong_endpoint_is_told(user, capsys):
    assert delegate_proxy.main(["-d", "x", "-e", "wms.example.org"]) == 1
    assert "--endpoint: 'wms.example.org' is not the URL of a WMProxy server" in capsys.readouterr().err
