"""A small certification authority for tests, demonstrations and nodes that stand alone.

::

    <directory>/ca.key      0600    <directory>/ca.pem      0644
    <directory>/crl.pem     0644    <directory>/state.json  0644   revoked serials, number of the last CRL
    <directory>/lock        0600

Every file is replaced atomically, so that a process killed at any moment leaves a CA that opens again.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import ipaddress
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12 as pkcs12_format
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

from grid.clock import now
from grid.errors import ConfigurationError, TimedOut
from grid.files import make_directory, write_private
from gsi import dn
from gsi.credential import Credential
from gsi.signature import name_hash

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_BACKDATED: Final = datetime.timedelta(hours=1)
_LOCK_DEADLINE: Final = 10.0


@dataclass(frozen=True, slots=True)
class TestCA:
    """A self-signed CA in a directory.

    :ivar crl_lifetime: from thisUpdate to nextUpdate.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    directory: Path
    credential: Credential = field(repr=False)
    crl_lifetime: datetime.timedelta = datetime.timedelta(days=30)

    @classmethod
    def create(
        cls,
        directory: Path,
        name: str,
        *,
        lifetime: datetime.timedelta = datetime.timedelta(days=3650),
        crl_lifetime: datetime.timedelta = datetime.timedelta(days=30),
    ) -> TestCA:
        """Make a CA, or open the one that stands there already under the same name.

        :param name: slash DN, ``/O=Grid/CN=Test CA``.
        :raises ConfigurationError: when the directory holds a CA of another name.
        :raises ValueError: when ``name`` is no slash DN.
        """
        wanted = dn.parse(name)
        if dn.ambiguity(wanted) or set(name) & {"'", '"', "*"}:
            raise ValueError(f"{name!r} cannot be the name of a CA: policy files could not carry it")
        make_directory(directory, 0o755)
        if (directory / "ca.pem").exists():
            found = cls.open(directory, crl_lifetime=crl_lifetime)
            if found.certificate.subject != wanted:
                raise ConfigurationError(f"{directory} holds the CA {found.name} already, not {name}")
            return found
        key = rsa.generate_private_key(65537, 2048)
        moment = now().replace(microsecond=0)
        usage = _key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
        certificate = (
            x509.CertificateBuilder()
            .issuer_name(wanted)
            .subject_name(wanted)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment - _BACKDATED)
            .not_valid_after(moment + lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        made = Credential(key, (certificate,))
        made.save_pair(
            directory / "ca.pem", directory / "ca.key"
        )  # the key first: a CA exists with its ca.pem
        ca = cls(directory, made, crl_lifetime)
        ca.write_crl()
        return ca

    @classmethod
    def open(
        cls, directory: Path, *, crl_lifetime: datetime.timedelta = datetime.timedelta(days=30)
    ) -> TestCA:
        """Open the CA of a directory.

        :raises ProxyError: when there is none or its files do not fit.
        """
        return cls(directory, Credential.load_pair(directory / "ca.pem", directory / "ca.key"), crl_lifetime)

    @property
    def certificate(self) -> x509.Certificate:
        """The CA's certificate."""
        return self.credential.certificate

    @property
    def name(self) -> str:
        """Slash DN of the CA."""
        return self.credential.subject

    @property
    def namespace(self) -> str:
        """What all names given by this CA begin with: the CA's name without its last component."""
        return dn.slash(x509.Name(self.certificate.subject.rdns[:-1]))

    def issue_host(
        self, names: Sequence[str], *, lifetime: datetime.timedelta = datetime.timedelta(days=365)
    ) -> Credential:
        """A host's credential for the names and addresses given, and for localhost; CN is the first name.

        :raises ValueError: for no names.
        """
        if not names:
            raise ValueError("a host needs at least one name")
        every = list(dict.fromkeys((*names, *LOOPBACK)))
        alternative = x509.SubjectAlternativeName([_general_name(name) for name in every])
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return self._issue(names[0], lifetime, x509.ExtendedKeyUsage(usages), alternative)

    def issue_user(
        self, name: str, *, lifetime: datetime.timedelta = datetime.timedelta(days=365)
    ) -> Credential:
        """A person's credential; ``name`` becomes the CN.

        :raises ValueError: for a name that could be taken for another one in slash form.
        """
        return self._issue(name, lifetime, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))

    def revoke(self, certificate: x509.Certificate) -> None:
        """Put a certificate on the list of the revoked; it takes effect with :meth:`write_crl`.

        :raises ValueError: for a certificate of another CA.
        """
        if certificate.issuer != self.certificate.subject:
            raise ValueError(f"{dn.slash(certificate.subject)} was not issued by {self.name}")
        with self._locked():
            state = self._state()
            serial = str(certificate.serial_number)
            if serial not in state.revoked:
                revoked = {**state.revoked, serial: now().replace(microsecond=0).isoformat()}
                self._save(_State(state.crl_number, revoked))

    def write_crl(self) -> Path:
        """Sign the present list of revoked certificates; each CRL has a higher number than the one before."""
        with self._locked():
            state = self._state()
            self._save(_State(state.crl_number + 1, state.revoked))
            path = self.directory / "crl.pem"
            write_private(path, self._signed_list(state.crl_number + 1, state.revoked), 0o644)
            return path

    def install(self, trust_dir: Path) -> None:
        """Put certificate, list and policies into a trust directory under both hash names, world-readable.

        Each file is replaced atomically; the certificate comes last, so that nobody sees a CA without its list.
        """
        make_directory(trust_dir, 0o755)
        self.install_crl(trust_dir)
        subjects = f"{self.namespace}/*"
        policy = f"access_id_CA X509 '{self.name}'\npos_rights globus CA:sign\ncond_subjects globus '\"{subjects}\"'\n"
        pattern = re.escape(f"{self.namespace}/").replace("\\ ", " ") + ".*"
        namespaces = f'TO Issuer "{self.name}" \\\n  PERMIT Subject "{pattern}"\n'
        for stem in self._stems():
            write_private(trust_dir / f"{stem}.signing_policy", policy.encode("utf-8"), 0o644)
            write_private(trust_dir / f"{stem}.namespaces", namespaces.encode("utf-8"), 0o644)
            write_private(trust_dir / f"{stem}.0", Credential.certificate_pem([self.certificate]), 0o644)

    def install_crl(self, trust_dir: Path) -> None:
        """Put the present CRL into a trust directory where the CA is installed (after :meth:`write_crl`).

        :raises ConfigurationError: when no CRL has been written yet.
        """
        try:
            data = (self.directory / "crl.pem").read_bytes()
        except FileNotFoundError as error:
            raise ConfigurationError(f"The CA {self.name} has not written a revocation list yet") from error
        for stem in self._stems():
            write_private(trust_dir / f"{stem}.r0", data, 0o644)

    def _issue(
        self,
        common_name: str,
        lifetime: datetime.timedelta,
        usage: x509.ExtendedKeyUsage,
        *more: x509.ExtensionType,
    ) -> Credential:
        moment = now().replace(microsecond=0)
        common = x509.NameAttribute(NameOID.COMMON_NAME, common_name)
        subject = x509.Name([*self.certificate.subject.rdns[:-1], x509.RelativeDistinguishedName([common])])
        if unclear := dn.ambiguity(subject):
            raise ValueError(f"{common_name!r} cannot be certified: {unclear}")
        key = rsa.generate_private_key(65537, 2048)
        builder = (
            x509.CertificateBuilder()
            .issuer_name(self.certificate.subject)
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(moment - _BACKDATED, self.certificate.not_valid_before_utc))
            .not_valid_after(min(moment + lifetime, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True, key_encipherment=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(self._authority_key(), critical=False)
            .add_extension(usage, critical=False)
        )
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        return Credential(key, (builder.sign(self.credential.key, hashes.SHA256()),))

    def _signed_list(self, number: int, revoked: dict[str, str]) -> bytes:
        moment = now().replace(microsecond=0)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(moment)
            .next_update(moment + self.crl_lifetime)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(self._authority_key(), critical=False)
        )
        for serial, date in revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(int(serial))
            builder = builder.add_revoked_certificate(
                entry.revocation_date(datetime.datetime.fromisoformat(date)).build()
            )
        return builder.sign(self.credential.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _authority_key(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.credential.key.public_key())

    def _stems(self) -> tuple[str, str]:
        newer = crypto.X509.from_cryptography(self.certificate).subject_name_hash()
        return f"{newer:08x}", name_hash(self.certificate.subject)

    def _state(self) -> _State:
        try:
            stored = json.loads((self.directory / "state.json").read_text("utf-8"))
            return _State(int(stored["crl_number"]), dict(stored["revoked"]))
        except FileNotFoundError:
            return _State(0, {})
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{self.directory / 'state.json'} is damaged: {error}") from error

    def _save(self, state: _State) -> None:
        text = json.dumps({"crl_number": state.crl_number, "revoked": state.revoked}, indent=1)
        write_private(self.directory / "state.json", text.encode("utf-8"), 0o644)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, over processes too."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + _LOCK_DEADLINE
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise TimedOut(f"The CA in {self.directory} is locked by another process") from error
                    time.sleep(0.02)
            yield
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _State:
    crl_number: int
    revoked: dict[str, str]


def write_lsc(voms_dir: Path, vo: str, host: str, server: x509.Certificate, issuer: x509.Certificate) -> Path:
    """Tell a VOMS directory that ``host`` speaks for ``vo`` with this certificate of this CA (``.lsc`` file)."""
    directory = make_directory(voms_dir / vo, 0o755)
    path = directory / f"{host}.lsc"
    write_private(path, f"{dn.slash(server.subject)}\n{dn.slash(issuer.subject)}\n".encode(), 0o644)
    return path


def pkcs12(credential: Credential, password: bytes, *, name: str | None = None) -> bytes:
    """Certificate, key and chain in the form that browsers import."""
    friendly = (name or credential.subject).encode("utf-8")
    return pkcs12_format.serialize_key_and_certificates(
        friendly,
        credential.key,
        credential.certificate,
        credential.chain[1:] or None,
        serialization.BestAvailableEncryption(password),
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(**asserted: bool) -> x509.KeyUsage:
    every = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(**(every | asserted))
