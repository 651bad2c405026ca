"""Judgements of certificate chains a second, beside the bare signatures that such a judgement must check."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import Certificate

from benchmarks.figure import Figure, Limit, middle
from grid import clock
from gsi.credential import Credential
from gsi.trust import TrustStore


def measure_chains(proxy: Path, certificates: Path, voms: Path, quick: bool) -> list[Figure]:
    """Judge the chain of a proxy with VOMS attributes over and over."""
    chain = Credential.load(proxy).chain
    trust = TrustStore(certificates, voms)
    identity = trust.verify(chain)
    # One signature for each certificate below the CA, and two for each VOMS attribute certificate: its own and
    # that of the server's certificate in it.
    signatures = len(identity.chain) + 2 * len(identity.vo_attributes)
    rates, limits = [], []
    seconds = 0.3 if quick else 1.0
    for _ in range(1 if quick else 3):
        limits.append(_rate(lambda: _check(chain[0], chain[1]), seconds) / signatures)
        # for a named moment nothing is remembered
        rates.append(_rate(lambda: trust.verify(chain, now=clock.now()), seconds))
    limit = Limit(f"its {signatures} signatures alone", middle(limits))
    again = _rate(lambda: trust.verify(chain), seconds)
    return [
        Figure("chains with a VOMS proxy judged, one thread", middle(rates), "/s", (limit,)),
        Figure("  the same chain again within half a minute", float(f"{again:.4g}"), "/s", (limit,)),
    ]


def _check(certificate: Certificate, issuer: Certificate) -> None:
    key, algorithm = issuer.public_key(), certificate.signature_hash_algorithm
    if not isinstance(key, rsa.RSAPublicKey) or algorithm is None:
        raise RuntimeError("the proxy is not signed with an RSA key")
    key.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), algorithm)


def _rate(call: Callable[[], object], seconds: float) -> float:
    count, begin = 0, time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds:
        call()
        count += 1
    return count / passed
