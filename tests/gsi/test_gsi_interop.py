"""With other people's programs: VOMS clients, OpenSSL, curl."""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gsi import proxy, voms
from gsi.credential import Credential
from gsi.trust import TrustStore

HOUR = datetime.timedelta(hours=1)


def program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"{names[0]} is not installed")


def run(grid, *command: object, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        "X509_CERT_DIR": str(grid.cert_dir),
        "X509_VOMS_DIR": str(grid.voms_dir),
    }
    arguments = [str(word) for word in command]
    return subprocess.run(
        arguments, env=environment, cwd=home, capture_output=True, text=True, timeout=60, check=False
    )


def faked(grid, home: Path, *options: str) -> Credential:
    """A proxy made by voms-proxy-fake, which plays the VOMS server too."""
    command = [
        program("voms-proxy-fake"),
        "-cert",
        grid.home / "usercert.pem",
        "-key",
        grid.home / "userkey.pem",
    ]
    command += ["-certdir", grid.cert_dir, "-hostcert", grid.home / "vomscert.pem"]
    command += [
        "-hostkey",
        grid.home / "vomskey.pem",
        "-uri",
        "voms.example.org:15000",
        "-out",
        home / "fake",
    ]
    done = run(grid, *command, "-bits", "2048", *options, home=home)
    assert (home / "fake").exists(), done.stderr
    return Credential.load(home / "fake")


@pytest.mark.parametrize("kind", ["rfc", "gt2"])
@pytest.mark.parametrize("form", [(), ("-newformat",)])
def test_attributes_of_voms_proxy_fake_are_verified(
    trust: TrustStore, grid, tmp_path: Path, kind, form
) -> None:
    fqans = ("-fqan", "/tvo/Role=NULL/Capability=NULL", "-fqan", "/tvo/prod/Role=manager/Capability=NULL")
    version = ("-rfc",) if kind == "rfc" else ("-proxyver", "2")
    made = faked(grid, tmp_path, "-voms", "tvo", *fqans, *form, *version)
    identity = trust.verify(made.chain)
    assert identity.dn == "/O=Grid/OU=test/CN=alice" and identity.kinds == (kind,)
    assert [str(fqan) for fqan in identity.fqans] == ["/tvo", "/tvo/prod/Role=manager"]
    assert identity.attributes_refused == ()


def test_a_proxy_of_voms_proxy_fake_for_another_vo_grants_nothing(
    trust: TrustStore, grid, tmp_path: Path
) -> None:
    made = faked(grid, tmp_path, "-voms", "other", "-fqan", "/other", "-rfc")
    identity = trust.verify(made.chain)
    assert identity.vo is None and "other is not known here" in identity.attributes_refused[0]


def test_a_limited_proxy_of_voms_proxy_fake_is_seen_as_limited(
    trust: TrustStore, grid, tmp_path: Path
) -> None:
    made = faked(grid, tmp_path, "-voms", "tvo", "-fqan", "/tvo", "-rfc", "-limited")
    assert trust.verify(made.chain).limited


@pytest.mark.parametrize("names", [("voms-proxy-info2", "voms-proxy-info")])
def test_voms_proxy_info_reads_our_attributes(grid, tmp_path: Path, names: tuple[str, ...]) -> None:
    ac = voms.issue(
        grid.voms,
        grid.alice.certificate,
        "tvo",
        ["/tvo", "/tvo/prod/Role=manager"],
        uri="voms.example.org:15000",
        lifetime=12 * HOUR,
    )
    made = proxy.create(grid.alice, lifetime=HOUR, extensions=[voms.proxy_extension([ac])])
    made.save(tmp_path / "x509up")
    done = run(grid, program(*names), "-file", tmp_path / "x509up", "-all", home=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = {" ".join(line.split()) for line in done.stdout.splitlines()}
    assert "type : RFC compliant proxy" in lines
    assert "VO : tvo" in lines and "subject : /O=Grid/OU=test/CN=alice" in lines
    assert "attribute : /tvo/Role=NULL/Capability=NULL" in lines
    assert "attribute : /tvo/prod/Role=manager/Capability=NULL" in lines
    assert "uri : voms.example.org:15000" in lines


def test_openssl_verifies_our_proxies(grid, tmp_path: Path) -> None:
    limited = proxy.create(
        proxy.create(grid.alice, lifetime=HOUR, path_length=3), lifetime=HOUR, limited=True
    )
    leaf, rest = tmp_path / "leaf.pem", tmp_path / "rest.pem"
    leaf.write_bytes(Credential.certificate_pem(limited.chain[:1]))
    rest.write_bytes(Credential.certificate_pem(limited.chain[1:]))
    command = [program("openssl"), "verify", "-CApath", grid.cert_dir, "-untrusted", rest, "-crl_check_all"]
    done = run(grid, *command, "-allow_proxy_certs", leaf, home=tmp_path)
    assert done.returncode == 0 and "OK" in done.stdout, done.stderr
    refused = run(grid, *command, leaf, home=tmp_path)
    assert refused.returncode != 0 and "proxy" in refused.stderr


def test_openssl_finds_the_ca_under_the_older_hash_name_too(grid, tmp_path: Path) -> None:
    program("openssl")
    command = ["openssl", "x509", "-in", grid.ca.directory / "ca.pem", "-noout"]
    for option in ("-subject_hash", "-subject_hash_old"):
        done = run(grid, *command, option, home=tmp_path)
        assert (grid.cert_dir / f"{done.stdout.strip()}.0").exists()


@pytest.mark.parametrize("kind", ["rfc", "gt2", "gt3"])
def test_curl_talks_to_our_server_with_our_proxies(
    trust, grid, tls_server, tmp_path: Path, kind: str
) -> None:
    def answer(sock, _: bytes) -> bytes:
        body = f"{trust.verify(sock.chain).dn} {sock.version()}".encode()
        return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    proxy.create(grid.alice, lifetime=HOUR, legacy=kind).save(tmp_path / "x509up")
    url = f"https://localhost:{tls_server(answer).port}/"
    credential = ("--cert", tmp_path / "x509up", "--key", tmp_path / "x509up")
    command = [program("curl"), "--silent", "--show-error", "--max-time", "20", "--capath", grid.cert_dir]
    done = run(grid, *command, *credential, "--noproxy", "*", url, home=tmp_path)
    assert done.stdout == "/O=Grid/OU=test/CN=alice TLSv1.3", done.stderr


@pytest.mark.parametrize("names", [("voms-proxy-init2", "voms-proxy-init")])
def test_a_proxy_of_voms_proxy_init_is_verified(
    trust: TrustStore, grid, tmp_path: Path, names: tuple[str, ...]
) -> None:
    pair = ("-cert", grid.home / "usercert.pem", "-key", grid.home / "userkey.pem")
    out = tmp_path / "x509up"
    command = [
        program(*names),
        *pair,
        "-certdir",
        grid.cert_dir,
        "-out",
        out,
        "-rfc",
        "-hours",
        "2",
        "-bits",
        "2048",
    ]
    done = run(grid, *command, home=tmp_path)
    assert out.exists(), done.stderr
    assert trust.verify(Credential.load(out).chain).kinds == ("rfc",)


def test_openssl_reads_our_pkcs12(grid, tmp_path: Path) -> None:
    from gsi.ca import pkcs12

    (tmp_path / "alice.p12").write_bytes(pkcs12(grid.alice, b"secret"))
    done = run(
        grid,
        program("openssl"),
        *("pkcs12", "-in", tmp_path / "alice.p12", "-passin", "pass:secret", "-nokeys"),
        home=tmp_path,
    )
    assert done.returncode == 0 and "CN = alice" in done.stdout, done.stderr
