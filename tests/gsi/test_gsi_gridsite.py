"""Proxies as GridSite's clients make them: a number below a proxy of RFC 3820, no ProxyCertInfo, signed with SHA-1.

They are accepted where the site says so, and then nothing else is accepted that was refused before.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import crl
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gsi import dn, proxy, voms
from gsi.ca import TestCA
from gsi.credential import Credential
from gsi.dn import slash
from gsi.errors import BadProxy, ChainError, Expired, Untrusted, WeakKey
from gsi.proxyinfo import INHERIT_ALL, ProxyInfo, encode
from gsi.sha1client import Sha1ClientContext
from gsi.tls import client_context
from gsi.trust import TrustPolicy, TrustStore

HOUR = datetime.timedelta(hours=1)
ALICE = "/O=Grid/OU=test/CN=alice"
RFC = (encode(ProxyInfo("rfc", INHERIT_ALL)), True)
NO_PROXY = "is refused: invalid CA certificate|is a CA's|no path in the trust directory"
"""Taken for an end-entity certificate, it has no path to a CA."""
OID = x509.ObjectIdentifier("1.2.3.4")
USAGE = (
    x509.KeyUsage(True, False, True, False, True, False, False, False, False),
    True,
)
"""What htproxyput writes."""


@pytest.fixture(scope="module")
def site(grid) -> TrustStore:
    """A site that accepts them."""
    return TrustStore(grid.cert_dir, grid.voms_dir, TrustPolicy(gridsite_proxies=True))


@pytest.fixture(scope="module")
def key(spare_keys: list[rsa.RSAPrivateKey]) -> rsa.RSAPrivateKey:
    return spare_keys[0]


@pytest.fixture(scope="module")
def above(grid) -> Credential:
    """The proxy of RFC 3820 that alice has, with her attributes."""
    ac = voms.issue(grid.voms, grid.alice.certificate, "tvo", ["/tvo"], uri="voms.example.org:15000", lifetime=HOUR)
    return proxy.create(grid.alice, lifetime=12 * HOUR, extensions=[voms.proxy_extension([ac])])


Delegate = Callable[..., Credential]


@pytest.fixture(scope="module")
def delegated(mint, key, with_sha1) -> Delegate:
    """Sign as htproxyput does, or otherwise."""

    def make(
        signer: Credential,
        *extensions: object,
        tail: str = "/CN=1262919012",
        weak: bool = True,
        subject: str | None = None,
        with_key: object = None,
        **times: datetime.timedelta,
    ) -> Credential:
        own, issuer = with_key or key, signer.certificate.subject
        made = mint(
            subject or slash(issuer) + tail, issuer, own, signer.key, *(extensions or (USAGE,)), **times
        )
        return Credential(own, (with_sha1(made, signer.key) if weak else made, *signer.chain))

    return make


def refused(trust: TrustStore, chain: object, error: type[ChainError], reason: str) -> None:
    with pytest.raises(error, match=reason) as caught:
        trust.verify(chain)
    assert type(caught.value) is error


# -- what is accepted ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weak", [True, False])
def test_a_site_may_accept_what_htproxyput_makes(site, delegated: Delegate, above, weak: bool) -> None:
    identity = site.verify(delegated(above, weak=weak).chain)
    assert identity.dn == ALICE
    assert identity.kinds == ("gridsite", "rfc")
    assert identity.full_proxy and not identity.legacy
    assert [fqan.full for fqan in identity.fqans] == ["/tvo/Role=NULL/Capability=NULL"]


@pytest.mark.parametrize(("weak", "error", "reason"), [(True, WeakKey, "SHA1"), (False, Untrusted, NO_PROXY)])
def test_by_default_it_is_refused_and_the_log_names_the_setting(
    trust, delegated: Delegate, above, caplog, weak: bool, error: type[ChainError], reason: str
) -> None:
    chain = delegated(above, weak=weak).chain
    with caplog.at_level(logging.WARNING, "wms.gsi"):
        refused(trust, chain, error, reason)
    assert "gridsite_proxies = true in the section [trust]" in caplog.text
    assert slash(chain[0].subject) in caplog.text
    with pytest.raises(error) as caught:
        trust.verify(chain)
    assert "gridsite_proxies" not in caught.value.description


def test_other_refusals_do_not_name_the_setting(trust, site, mint, grid, key, delegated, above, caplog) -> None:
    with caplog.at_level(logging.WARNING, "wms.gsi"):
        refused(trust, [mint(ALICE, ALICE, key, key)], Untrusted, "no path")
        refused(site, delegated(above, tail="/CN=1x").chain, WeakKey, "SHA1")
    assert "gridsite_proxies" not in caplog.text


def test_services_delegate_it_further(site, delegated: Delegate, above) -> None:
    below = proxy.create(delegated(above), lifetime=HOUR)
    identity = site.verify(below.chain)
    assert (identity.dn, identity.kinds) == (ALICE, ("rfc", "gridsite", "rfc"))
    limited = site.verify(proxy.create(below, lifetime=HOUR, limited=True).chain)
    assert limited.limited and len(limited.kinds) == 4


def test_a_limited_proxy_above_limits_it(site, delegated: Delegate, grid) -> None:
    limited = proxy.create(grid.alice, lifetime=HOUR, limited=True)
    assert site.verify(delegated(limited).chain).limited


def test_a_credential_of_that_kind_knows_whose_it_is(delegated: Delegate, above) -> None:
    for credential in (delegated(above), proxy.create(delegated(above), lifetime=HOUR)):
        assert credential.identity == ALICE and credential.is_proxy and not credential.is_limited
        assert [found.holder for found in voms.read_attributes(credential.chain)] == [ALICE]


def test_the_rest_of_the_chain_may_come_in_any_order(site, delegated: Delegate, above, grid) -> None:
    leaf, *rest = delegated(above).chain
    assert site.verify([leaf, *reversed(rest), grid.ca.certificate]).dn == ALICE


# -- forged and misshapen ------------------------------------------------------------------------------------


def test_a_number_signed_by_a_users_own_certificate_is_no_proxy(site, trust, delegated: Delegate, grid) -> None:
    for store in (site, trust):
        refused(store, delegated(grid.alice).chain, WeakKey, "SHA1")
        refused(store, delegated(grid.alice, weak=False).chain, Untrusted, NO_PROXY)


@pytest.mark.parametrize("tail", ["/CN=1/CN=2", "", "/CN=x1", "/CN=-1", "/CN=1.0", "/CN=123456789012345678901"])
def test_a_name_that_is_not_the_issuers_and_a_number(site, trust, delegated: Delegate, above, tail: str) -> None:
    for store in (site, trust):
        refused(store, delegated(above, tail=tail).chain, WeakKey, "SHA1")
        refused(store, delegated(above, tail=tail, weak=False).chain, Untrusted, NO_PROXY)


@pytest.mark.parametrize("digits", ["١٢٣", "１２３", "1 "])
def test_digits_are_those_of_ascii(site, delegated: Delegate, above, mint, key, digits: str) -> None:
    name = x509.Name(
        [
            *above.certificate.subject.rdns,
            x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, digits)]),
        ]
    )
    made = mint(name, above.certificate.subject, key, above.key, USAGE)
    refused(site, [made, *above.chain], Untrusted, NO_PROXY)


def test_another_users_name_and_a_number(site, trust, delegated: Delegate, grid) -> None:
    bob = proxy.create(grid.bob, lifetime=HOUR)
    for store in (site, trust):
        refused(store, delegated(bob, subject=f"{ALICE}/CN=1").chain, WeakKey, "SHA1")
        refused(store, delegated(bob, subject=f"{ALICE}/CN=1", weak=False).chain, Untrusted, NO_PROXY)


def test_a_key_that_is_not_the_issuers(site, trust, mint, key, spare_keys, above, with_sha1) -> None:
    name = slash(above.certificate.subject)
    forged = mint(f"{name}/CN=1", above.certificate.subject, key, spare_keys[1], USAGE)
    refused(site, [forged, *above.chain], BadProxy, "not signed by the key")
    refused(site, [with_sha1(forged, spare_keys[1]), *above.chain], BadProxy, "not signed by the key")
    refused(trust, [forged, *above.chain], Untrusted, NO_PROXY)


def test_signed_by_a_namesake_of_the_proxy(site, mint, key, spare_keys, above, grid) -> None:
    """What has the proxy's name but is none (a CA of another place could give it) does not lend the mark."""
    namesake = mint(above.certificate.subject, grid.alice.certificate.subject, spare_keys[1], grid.alice.key, USAGE)
    forged = mint(
        f"{slash(above.certificate.subject)}/CN=1", above.certificate.subject, key, spare_keys[1], USAGE
    )
    refused(site, [forged, namesake, *above.chain], BadProxy, "no proxy of RFC 3820")


@pytest.mark.parametrize(
    "extension",
    [
        (x509.BasicConstraints(False, None), True),
        (x509.SubjectAlternativeName([x509.DNSName("x.org")]), False),
        (x509.UnrecognizedExtension(OID, b"\x05\x00"), False),
    ],
)
def test_with_an_extension_that_htproxyput_does_not_write_it_is_none(
    site, trust, delegated: Delegate, above, extension
) -> None:
    for store in (site, trust):
        refused(store, delegated(above, USAGE, extension).chain, WeakKey, "SHA1")
        refused(store, delegated(above, USAGE, extension, weak=False).chain, Untrusted, NO_PROXY)


def test_one_that_claims_to_be_a_ca(site, trust, delegated: Delegate, above) -> None:
    for store in (site, trust):
        for weak in (True, False):
            chain = delegated(above, USAGE, (x509.BasicConstraints(True, None), True), weak=weak).chain
            refused(store, chain, Untrusted, "is a CA's")


def test_a_key_usage_that_a_proxy_must_not_have(site, delegated: Delegate, above) -> None:
    signs_certificates = (x509.KeyUsage(True, False, True, False, True, True, False, False, False), True)
    refused(site, delegated(above, signs_certificates).chain, BadProxy, "key usage")


def test_one_of_them_below_another(site, delegated: Delegate, above, spare_keys) -> None:
    first = delegated(above)
    refused(site, delegated(first, with_key=spare_keys[1]).chain, WeakKey, "SHA1")
    rfc = proxy.create(first, lifetime=HOUR)
    refused(site, delegated(rfc, with_key=spare_keys[1]).chain, BadProxy, "more than one")


@pytest.mark.parametrize("kind", ["gt2", "gt3"])
def test_below_a_legacy_proxy_it_is_none(site, delegated: Delegate, grid, kind: str) -> None:
    old = proxy.create(grid.alice, lifetime=HOUR, legacy=kind)
    refused(site, delegated(old).chain, WeakKey, "SHA1")


def test_a_legacy_proxy_below_it(site, delegated: Delegate, above, mint, spare_keys) -> None:
    first = delegated(above)
    old = mint(f"{first.subject}/CN=proxy", first.certificate.subject, spare_keys[1], first.key)
    refused(site, [old, *first.chain], BadProxy, "mixed kinds")


def test_the_name_of_a_legacy_proxy_below_an_rfc_proxy(site, delegated: Delegate, above) -> None:
    refused(site, delegated(above, tail="/CN=proxy").chain, BadProxy, "mixed kinds")
    refused(site, delegated(above, tail="/CN=limited proxy").chain, BadProxy, "mixed kinds")


def test_it_counts_for_the_path_length_of_the_proxy_above(site, delegated: Delegate, grid) -> None:
    none = proxy.create(grid.alice, lifetime=HOUR, path_length=0)
    refused(site, delegated(none).chain, BadProxy, "allows 0 proxies below")
    one = delegated(proxy.create(grid.alice, lifetime=HOUR, path_length=1))
    assert site.verify(one.chain).dn == ALICE
    with pytest.raises(Exception, match="path length is used up"):
        proxy.create(one, lifetime=HOUR)


def test_it_ends(site, delegated: Delegate, above) -> None:
    refused(site, delegated(above, end=-HOUR / 2).chain, Expired, "has expired")


def test_a_short_key(site, delegated: Delegate, above) -> None:
    refused(site, delegated(above, with_key=rsa.generate_private_key(65537, 1024)).chain, WeakKey, "1024 bits")


# -- SHA-1 elsewhere -------------------------------------------------------------------------------------------


def test_sha1_on_any_other_link_is_refused(
    site, delegated: Delegate, mint, key, spare_keys, grid, above, with_sha1
) -> None:
    rfc = mint(f"{ALICE}/CN=1", ALICE, key, grid.alice.key, RFC)
    weak = Credential(key, (with_sha1(rfc, grid.alice.key), *grid.alice.chain))
    refused(site, weak.chain, WeakKey, "SHA1")
    refused(site, delegated(weak, with_key=spare_keys[1]).chain, WeakKey, "SHA1")
    below = proxy.create(delegated(above), lifetime=HOUR)
    weaker = Credential(below.key, (with_sha1(below.certificate, key), *below.chain[1:]))
    refused(site, weaker.chain, WeakKey, "SHA1")


def test_sha1_on_the_users_certificate_is_refused(site, delegated: Delegate, mint, spare_keys, grid, with_sha1) -> None:
    name = "/O=Grid/OU=test/CN=eve"
    eec = with_sha1(mint(name, grid.ca.name, spare_keys[1], grid.ca.credential.key), grid.ca.credential.key)
    eve = proxy.create(Credential(spare_keys[1], (eec,)), lifetime=HOUR)
    refused(site, delegated(eve).chain, WeakKey, "SHA1")


def test_a_certificate_of_the_ca_whose_name_ends_with_a_number_stays_a_persons(site, mint, key, grid) -> None:
    made = mint("/O=Grid/OU=test/CN=alice/CN=4711", grid.ca.name, key, grid.ca.credential.key, USAGE)
    for chain in ([made], [made, *grid.alice.chain]):
        assert site.verify(chain).dn == "/O=Grid/OU=test/CN=alice/CN=4711"


# -- as the client's credential --------------------------------------------------------------------------------


def test_it_is_sent_by_a_client_that_still_judges_servers_strictly(
    grid, site, delegated: Delegate, above, tls_server, tmp_path: Path
) -> None:
    seen = []
    server = tls_server(lambda tls, _: seen.append(site.verify(tls.chain)) or b"hello\n")
    delegated(above).save(tmp_path / "proxy.pem")
    context = client_context(grid.cert_dir, tmp_path / "proxy.pem")
    assert isinstance(context, Sha1ClientContext)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="node.example.org") as tls:
            tls.sendall(b"x\n")
            assert tls.recv(10) == b"hello\n"
            assert tls.version() == "TLSv1.3"
    assert seen[0].kinds == ("gridsite", "rfc")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname="other.example.org")


def test_a_server_with_a_sha1_certificate_is_not_believed(
    grid, delegated: Delegate, above, mint, spare_keys, tmp_path: Path, with_sha1) -> None:
    """At the level that the credential needs, OpenSSL alone would believe it."""
    name = (x509.SubjectAlternativeName([x509.DNSName("node.example.org")]), False)
    made = mint(dn.parse("/O=Grid/OU=test/CN=node"), grid.ca.name, spare_keys[1], grid.ca.credential.key, name)
    weak = Credential(spare_keys[1], (with_sha1(made, grid.ca.credential.key),))
    weak.save(tmp_path / "server.pem")
    delegated(above).save(tmp_path / "proxy.pem")
    context = client_context(grid.cert_dir, tmp_path / "proxy.pem")
    assert isinstance(context, Sha1ClientContext)
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.set_ciphers("DEFAULT:@SECLEVEL=0")
    listening.load_cert_chain(tmp_path / "server.pem")
    assert _handshake(ssl.SSLContext.wrap_socket, context, listening) is None
    assert isinstance(_handshake(Sha1ClientContext.wrap_socket, context, listening), ssl.SSLCertVerificationError)


def test_a_server_that_changes_its_certificate_in_between_is_not_believed(
    grid, delegated: Delegate, above, tmp_path: Path
) -> None:
    delegated(above).save(tmp_path / "proxy.pem")
    context = client_context(grid.cert_dir, tmp_path / "proxy.pem")
    listening = []
    for index in (1, 2):
        grid.ca.issue_host(["node.example.org"]).save(tmp_path / f"{index}.pem")
        listening.append(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        listening[-1].load_cert_chain(tmp_path / f"{index}.pem")
    assert "two different certificates" in str(_handshake(Sha1ClientContext.wrap_socket, context, *listening))


def _handshake(wrap: Callable, context: Sha1ClientContext, *listening: ssl.SSLContext) -> Exception | None:
    """What the client says to a server that has a context for each connection (the last for all that follow)."""
    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=talk, args=(sock, listening[min(len(threads), len(listening) - 1)])))
            threads[-1].start()

    def talk(sock: socket.socket, tls_context: ssl.SSLContext) -> None:
        with contextlib.suppress(OSError):
            with sock, tls_context.wrap_socket(sock, server_side=True) as tls:
                tls.recv(1)

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=5) as plain:
                with wrap(context, plain, server_hostname="node.example.org"):
                    return None
        except OSError as error:
            return error
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=10)
            for each in threads:
                each.join(timeout=10)


def test_a_client_with_any_other_credential_connects_once_and_as_ever(grid, above, tmp_path: Path) -> None:
    above.save(tmp_path / "proxy.pem")
    assert type(client_context(grid.cert_dir, tmp_path / "proxy.pem")) is ssl.SSLContext


def test_sha1_of_the_ca_and_its_list_stays_refused(grid, tmp_path: Path) -> None:
    """The switch does not touch revocation lists: one that is signed with SHA-1 is no list."""
    other = TestCA.create(tmp_path / "ca", "/O=Grid/OU=test/CN=Other CA")
    directory = tmp_path / "certificates"
    other.install(directory)
    for path in directory.glob("*.r0"):
        path.write_bytes(_sha1_list(path.read_bytes(), other.credential.key))
    store = TrustStore(directory, None, TrustPolicy(gridsite_proxies=True))
    with pytest.raises(ChainError, match="no usable revocation list"):
        store.verify(other.issue_user("alice").chain)


def _sha1_list(pem: bytes, signer: rsa.RSAPrivateKey) -> bytes:
    der = x509.load_pem_x509_crl(pem).public_bytes(serialization.Encoding.DER)
    made = crl.CertificateList.load(der)
    made["tbs_cert_list"]["signature"] = made["signature_algorithm"] = {"algorithm": "sha1_rsa"}
    signed = made["tbs_cert_list"].dump(force=True)
    made["signature"] = signer.sign(signed, padding.PKCS1v15(), hashes.SHA1())
    return x509.load_der_x509_crl(made.dump(force=True)).public_bytes(serialization.Encoding.PEM)
