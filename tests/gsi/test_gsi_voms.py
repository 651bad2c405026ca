"""VOMS attribute certificates: which count, which grant nothing, which make the chain unacceptable."""

from __future__ import annotations

import contextlib
import datetime
import socket
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.fqan import Fqan, FqanError
from gsi import ca as gsi_ca
from gsi import proxy, voms
from gsi.attribute_certificate import MalformedAttributes, decode_sequence, sequence
from gsi.ca import TestCA
from gsi.credential import Credential
from gsi.errors import VomsError
from gsi.identity import Identity
from gsi.trust import TrustPolicy, TrustStore

HOUR = datetime.timedelta(hours=1)
URI = "voms.example.org:15000"


def issued(grid, *fqans: str, **settings) -> bytes:
    settings = {"uri": URI, "lifetime": 12 * HOUR} | settings
    holder = settings.pop("holder", grid.alice.certificate)
    return voms.issue(
        settings.pop("server", grid.voms), holder, settings.pop("vo", "tvo"), fqans or ("/tvo",), **settings
    )


@pytest.fixture
def carrying(grid, spare_keys):
    """A proxy chain of alice that carries the given attribute certificates (without making new keys)."""

    def make(
        *acs: bytes, value: bytes | None = None, signer: Credential | None = None
    ) -> tuple[x509.Certificate, ...]:
        extension = voms.proxy_extension(acs)
        if value is not None:
            extension = x509.UnrecognizedExtension(extension.oid, value)
        made = proxy.create(signer or grid.alice, lifetime=HOUR, extensions=[extension])
        return made.chain

    return make


def refused(identity: Identity, reason: str) -> None:
    assert identity.dn == "/O=Grid/OU=test/CN=alice"
    assert identity.fqans == () and identity.vo is None and identity.vo_attributes == ()
    assert len(identity.attributes_refused) == 1
    assert reason in identity.attributes_refused[0]


def test_attributes_come_in_the_servers_order_the_primary_first(trust: TrustStore, grid, carrying) -> None:
    identity = trust.verify(carrying(issued(grid, "/tvo/prod/Role=manager", "/tvo", "/tvo/prod")))
    assert [str(fqan) for fqan in identity.fqans] == ["/tvo/prod/Role=manager", "/tvo", "/tvo/prod"]
    assert identity.vo == "tvo" and identity.attributes_refused == ()
    (attributes,) = identity.vo_attributes
    assert attributes.uri == "tvo://voms.example.org:15000"
    assert attributes.holder == "/O=Grid/OU=test/CN=alice" and attributes.holder_issuer == grid.ca.name
    assert (
        attributes.server == "/O=Grid/OU=test/CN=voms.example.org"
        and attributes.server_issuer == grid.ca.name
    )
    assert attributes.not_after - attributes.not_before == 12 * HOUR


def test_attributes_of_an_upper_proxy_hold_for_the_lower_ones(
    trust: TrustStore, grid, carrying, spare_keys
) -> None:
    extension = voms.proxy_extension([issued(grid)])
    upper = proxy.create(grid.alice, lifetime=HOUR, extensions=[extension])
    lower = proxy.create(upper, lifetime=HOUR, limited=True)
    assert trust.verify(lower.chain).vo == "tvo"


def test_the_proxy_next_to_the_leaf_decides(trust: TrustStore, grid, carrying) -> None:
    upper = proxy.create(
        grid.alice, lifetime=HOUR, extensions=[voms.proxy_extension([issued(grid, "/tvo/a")])]
    )
    chain = carrying(issued(grid, "/tvo/b"), signer=upper)
    assert [str(f) for f in trust.verify(chain).fqans] == ["/tvo/b"]


@pytest.mark.parametrize("kind", ["gt2", "gt3"])
def test_legacy_proxies_carry_attributes_too(trust: TrustStore, grid, kind: str) -> None:
    extension = voms.proxy_extension([issued(grid)])
    made = proxy.create(grid.alice, lifetime=HOUR, legacy=kind, extensions=[extension])
    assert trust.verify(made.chain).vo == "tvo"


def test_one_level_of_nesting_is_read_as_well(trust: TrustStore, grid, carrying) -> None:
    assert trust.verify(carrying(value=sequence([issued(grid)]))).vo == "tvo"


def test_two_certificates_of_two_vos_both_count(grid, tmp_path: Path, carrying) -> None:
    for vo in ("tvo", "other"):
        gsi_ca.write_lsc(tmp_path, vo, "voms.example.org", grid.voms.certificate, grid.ca.certificate)
    trust = TrustStore(grid.cert_dir, tmp_path)
    identity = trust.verify(carrying(issued(grid), issued(grid, "/other/x", vo="other")))
    assert identity.vo == "tvo" and identity.fqans == (Fqan("/tvo"), Fqan("/other/x"))
    assert [a.vo for a in identity.vo_attributes] == ["tvo", "other"]


def test_a_certificate_of_another_holder_refuses_the_chain(trust: TrustStore, grid, carrying) -> None:
    with pytest.raises(VomsError, match="not issued to /O=Grid/OU=test/CN=alice"):
        trust.verify(carrying(issued(grid, holder=grid.bob.certificate)))


def test_a_holder_of_the_same_name_and_another_serial_refuses(
    trust: TrustStore, grid, carrying, mint, spare_keys
) -> None:
    twin = mint("/O=Grid/OU=test/CN=alice", grid.ca.name, spare_keys[0], grid.ca.credential.key, serial=4711)
    with pytest.raises(VomsError, match="not issued to"):
        trust.verify(carrying(issued(grid, holder=twin)))


def test_a_changed_attribute_refuses(trust: TrustStore, grid, carrying) -> None:
    ac = issued(grid, "/tvo/aaaa")
    with pytest.raises(VomsError, match="not signed by"):
        trust.verify(carrying(ac.replace(b"/tvo/aaaa", b"/tvo/root")))


def test_a_certificate_signed_by_another_key_than_embedded_refuses(trust: TrustStore, grid, carrying) -> None:
    mixed = Credential(grid.bob.key, grid.voms.chain)
    with pytest.raises(VomsError, match="not signed by"):
        trust.verify(carrying(issued(grid, server=mixed)))


def test_a_user_who_signs_attributes_for_themselves_gets_none(trust: TrustStore, grid, carrying) -> None:
    refused(trust.verify(carrying(issued(grid, server=grid.bob))), "CN=bob is not listed for the VO tvo")


def test_a_server_of_an_unknown_ca_grants_nothing(trust, grid, carrying, mint, spare_keys) -> None:
    name = "/O=Grid/OU=test/CN=voms.example.org"
    fake = Credential(spare_keys[0], (mint(name, grid.ca.name, spare_keys[0], spare_keys[1]),))
    refused(trust.verify(carrying(issued(grid, server=fake))), "its VOMS server is not trusted")


def test_a_server_listed_for_another_host_grants_nothing(trust: TrustStore, grid, carrying) -> None:
    refused(trust.verify(carrying(issued(grid, uri="other.example.org:15000"))), "host other.example.org")


def test_a_server_listed_under_another_ca_grants_nothing(grid, carrying, tmp_path: Path) -> None:
    gsi_ca.write_lsc(tmp_path, "tvo", "voms.example.org", grid.voms.certificate, grid.bob.certificate)
    refused(TrustStore(grid.cert_dir, tmp_path).verify(carrying(issued(grid))), "is not listed")


def test_a_revoked_server_grants_nothing(grid, carrying, tmp_path: Path) -> None:
    ca = TestCA.create(tmp_path / "ca", "/O=Grid/OU=test/CN=Second CA")
    server = ca.issue_host(["voms.example.org"])
    ca.revoke(server.certificate)
    ca.write_crl()
    directory = tmp_path / "certificates"
    grid.ca.install(directory)
    ca.install(directory)
    gsi_ca.write_lsc(tmp_path / "v", "tvo", "voms.example.org", server.certificate, ca.certificate)
    trust = TrustStore(directory, tmp_path / "v")
    refused(trust.verify(carrying(issued(grid, server=server))), "has been revoked")


@pytest.mark.parametrize("voms_dir", [True, False])
def test_an_unknown_vo_grants_nothing(grid, carrying, tmp_path: Path, voms_dir: bool) -> None:
    trust = TrustStore(grid.cert_dir, tmp_path if voms_dir else None)
    refused(trust.verify(carrying(issued(grid))), "the VO tvo is not known here")


def test_an_lsc_file_may_hold_alternatives(grid, carrying, tmp_path: Path) -> None:
    (tmp_path / "tvo").mkdir()
    text = f"/O=Old/CN=voms\n/O=Old/CN=CA\n------NEXT CHAIN------\n{grid.voms.subject}\n{grid.ca.name}\n"
    (tmp_path / "tvo" / "voms.example.org.lsc").write_text(text)
    assert TrustStore(grid.cert_dir, tmp_path).verify(carrying(issued(grid))).vo == "tvo"


def test_a_server_certificate_in_the_directory_serves_in_place_of_an_lsc_file(
    grid, carrying, tmp_path: Path
) -> None:
    (tmp_path / "tvo").mkdir()
    (tmp_path / "tvo" / "voms.pem").write_bytes(Credential.certificate_pem(grid.voms.chain))
    assert TrustStore(grid.cert_dir, tmp_path).verify(carrying(issued(grid))).vo == "tvo"


@pytest.mark.parametrize(
    ("begin", "lifetime", "reason"),
    [(-2 * HOUR, HOUR, "it has expired"), (HOUR, HOUR, "not valid before")],
)
def test_a_certificate_at_the_wrong_time_grants_nothing(
    trust, grid, carrying, begin, lifetime, reason: str
) -> None:
    moment = datetime.datetime.now(datetime.UTC) + begin
    refused(trust.verify(carrying(issued(grid, not_before=moment, lifetime=lifetime))), reason)


@pytest.mark.parametrize(("begin", "lifetime"), [(-HOUR, HOUR - HOUR / 120), (HOUR / 120, HOUR)])
def test_clocks_may_differ_by_a_minute(trust: TrustStore, grid, carrying, begin, lifetime) -> None:
    moment = datetime.datetime.now(datetime.UTC) + begin
    assert trust.verify(carrying(issued(grid, not_before=moment, lifetime=lifetime))).vo == "tvo"


def test_a_certificate_for_another_host_grants_nothing(trust: TrustStore, grid, carrying) -> None:
    refused(
        trust.verify(carrying(issued(grid, targets=["elsewhere.example.org"]))), "elsewhere.example.org only"
    )


def test_a_certificate_for_this_host_counts(trust: TrustStore, grid, carrying) -> None:
    assert trust.verify(carrying(issued(grid, targets=["a.org", socket.gethostname()]))).vo == "tvo"
    named = TrustStore(grid.cert_dir, grid.voms_dir, TrustPolicy(hosts=frozenset({"Node.example.org"})))
    assert named.verify(carrying(issued(grid, targets=["node.example.org"]))).vo == "tvo"


def test_an_fqan_of_another_vo_refuses(trust: TrustStore, grid, carrying) -> None:
    with pytest.raises(VomsError, match="belongs to another VO"):
        trust.verify(carrying(issued(grid, "/tvo", "/other/Role=admin")))


def test_fqans_that_are_none_are_not_issued(grid) -> None:
    for text in ("tvo", "/tvo/../x", "/tvo/*", "/tvo/Role=a/Role=b", ""):
        with pytest.raises(FqanError):
            issued(grid, text)


def resigned(grid, change) -> bytes:
    """An attribute certificate whose content was changed before the real server signed it."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    ac = cms.AttributeCertificateV2.load(issued(grid))
    info = ac["ac_info"].copy()
    change(info)
    signature = grid.voms.key.sign(info.dump(force=True), padding.PKCS1v15(), hashes.SHA256())
    return cms.AttributeCertificateV2(
        {"ac_info": info, "signature_algorithm": info["signature"], "signature": signature}
    ).dump()


def test_an_unknown_critical_extension_refuses(trust: TrustStore, grid, carrying) -> None:
    def change(info) -> None:
        info["extensions"].append({"extn_id": "1.2.3.4", "critical": True, "extn_value": b"\x05\x00"})

    with pytest.raises(VomsError, match=r"unknown critical extension 1\.2\.3\.4"):
        trust.verify(carrying(resigned(grid, change)))


def test_a_wildcard_in_an_fqan_refuses(trust: TrustStore, grid, carrying) -> None:
    ac = issued(grid, "/tvo/aaaa")
    with pytest.raises(VomsError, match="FQAN"):
        trust.verify(carrying(ac.replace(b"/tvo/aaaa", b"/tvo/a*aa")))


def test_a_certificate_without_an_embedded_chain_needs_the_directory(
    trust, grid, carrying, tmp_path: Path
) -> None:
    def change(info) -> None:
        info["extensions"] = [e for e in info["extensions"] if not e["extn_id"].dotted.startswith("1.3.6")]

    ac = resigned(grid, change)
    refused(trust.verify(carrying(ac)), "does not hold the server's certificate")
    (tmp_path / "tvo").mkdir()
    (tmp_path / "tvo" / "voms.pem").write_bytes(Credential.certificate_pem(grid.voms.chain))
    assert TrustStore(grid.cert_dir, tmp_path).verify(carrying(ac)).vo == "tvo"


@pytest.mark.parametrize(
    "value", [b"", b"\x05\x00", b"\x30\x00", b"\x30\x02\x30\x00", b"nonsense", b"\x30\x84\xff\xff\xff\xff"]
)
def test_an_extension_that_is_none_refuses(trust: TrustStore, carrying, value: bytes) -> None:
    with pytest.raises(VomsError):
        trust.verify(carrying(value=value))


def test_a_huge_extension_refuses() -> None:
    with pytest.raises(MalformedAttributes, match="bytes long"):
        decode_sequence(b"\x30" * (1 << 20))


def test_many_certificates_refuse(grid) -> None:
    with pytest.raises(MalformedAttributes, match="holds 9"):
        decode_sequence(sequence([sequence([issued(grid)] * 9)]))


def test_deep_nesting_refuses() -> None:
    der = b"\x05\x00"
    for _ in range(60):
        der = sequence([der])
    with pytest.raises(MalformedAttributes):
        decode_sequence(der)


@pytest.fixture(scope="module")
def genuine(grid) -> bytes:
    return voms.proxy_extension([issued(grid, "/tvo/g/Role=x")]).value


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_changed_bytes_never_do_anything_but_decode_or_refuse(genuine: bytes, data: st.DataObject) -> None:
    changed = bytearray(genuine)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedAttributes):
        decode_sequence(bytes(changed[: data.draw(st.sampled_from([len(changed), len(changed) // 2]))]))


def test_a_proxy_of_ones_own_can_be_read_without_trust(grid, carrying) -> None:
    (attributes,) = voms.read_attributes(carrying(issued(grid, "/tvo/g/Role=x", holder=grid.bob.certificate)))
    assert attributes.vo == "tvo" and str(attributes.fqans[0]) == "/tvo/g/Role=x"
    assert attributes.server.endswith("/CN=voms.example.org")
    assert voms.read_attributes(grid.alice.chain) == ()


def test_a_vo_that_is_added_is_seen_by_a_running_store(grid, carrying, tmp_path: Path) -> None:
    import time

    trust = TrustStore(grid.cert_dir, tmp_path / "vomsdir")
    chain = carrying(issued(grid))
    refused(trust.verify(chain), "not known here")
    gsi_ca.write_lsc(
        tmp_path / "vomsdir", "tvo", "voms.example.org", grid.voms.certificate, grid.ca.certificate
    )
    deadline = time.monotonic() + 6
    while trust.verify(chain).vo is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert trust.verify(chain).vo == "tvo"


@pytest.mark.parametrize(
    ("found", "put"),
    [
        (bytes.fromhex("a003020102"), bytes.fromhex("a003020109")),  # version
        (bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01017f")),  # kind of key
        (b"voms", b"\xff\xfems"),  # name
    ],
    ids=["version", "key", "name"],
)
def test_an_embedded_certificate_that_cannot_be_read_is_refused_by_name(grid, carrying, trust, found, put):
    whole = grid.voms.certificate.public_bytes(serialization.Encoding.DER)
    broken = whole.replace(found, put)
    assert broken != whole and len(broken) == len(whole)
    with pytest.raises(VomsError, match="embeds a certificate that cannot be read"):
        trust.verify(carrying(issued(grid).replace(whole, broken)))
