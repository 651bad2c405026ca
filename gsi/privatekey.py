"""Reading private keys without the 30 ms that the library takes to test the primes of an RSA key.

OpenSSL's full check of a 2048-bit key asks whether its two factors are prime, which costs more than a whole request
of this house.  A key that comes from a file which only its owner can write is not worth that; what a damaged file
could do (a signature made with wrong numbers betrays the key) is found by the arithmetic that ties them together
(RFC 8017 §3.2), in microseconds.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from grid.errors import ProxyError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def read_private_key(pem: bytes, *, source: str, password: bytes | None = None) -> PrivateKey:
    """The RSA or elliptic curve key of a PEM text.

    :param source: what to call it in an error.
    :raises ProxyError: unreadable, encrypted without its ``password``, of another kind, or with numbers that do not
        belong together.
    """
    try:
        key = serialization.load_pem_private_key(pem, password, unsafe_skip_rsa_key_validation=True)
    except TypeError as error:
        raise ProxyError(f"The private key of {source} is encrypted and no pass phrase was given") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ProxyError(f"The private key of {source} cannot be read: {error}") from error
    if isinstance(key, rsa.RSAPrivateKey):
        if not _consistent(key.private_numbers()):
            raise ProxyError(f"The private key of {source} cannot be read: its numbers do not belong together")
        return key
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ProxyError(f"The private key of {source} is neither RSA nor elliptic curve")
    return key


def _consistent(numbers: rsa.RSAPrivateNumbers) -> bool:
    p, q, d = numbers.p, numbers.q, numbers.d
    n, e = numbers.public_numbers.n, numbers.public_numbers.e
    return (
        p > 1
        and q > 1
        and p * q == n
        and p != q
        and e % 2 == 1
        and e > 1
        and e * d % (p - 1) == 1
        and e * d % (q - 1) == 1
        and numbers.dmp1 == d % (p - 1)
        and numbers.dmq1 == d % (q - 1)
        and numbers.iqmp * q % p == 1
    )
