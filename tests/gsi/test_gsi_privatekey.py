"""A damaged key is refused although its primes are not tested."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import ProxyError
from gsi.privatekey import read_private_key

KEY = rsa.generate_private_key(65537, 2048)
NUMBERS = KEY.private_numbers()


def pem(key, encryption=None):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        encryption or serialization.NoEncryption(),
    )


def forged(**changed):
    """The PEM text of a key with other numbers."""
    names = ("p", "q", "d", "dmp1", "dmq1", "iqmp")
    public = rsa.RSAPublicNumbers(changed.get("e", 65537), changed.get("n", NUMBERS.public_numbers.n))
    numbers = rsa.RSAPrivateNumbers(
        **{name: changed.get(name, getattr(NUMBERS, name)) for name in names}, public_numbers=public
    )
    return pem(numbers.private_key(unsafe_skip_rsa_key_validation=True))


def test_a_whole_key_is_read():
    assert read_private_key(pem(KEY), source="the file").private_numbers() == NUMBERS


def test_an_elliptic_curve_key_is_read():
    key = ec.generate_private_key(ec.SECP256R1())
    assert read_private_key(pem(key), source="the file").private_numbers() == key.private_numbers()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["p", "q", "d", "dmp1", "dmq1", "iqmp", "n"]), st.integers(1, 1020))
def test_a_key_with_one_wrong_number_is_refused(name, bit):
    value = getattr(NUMBERS, name) if name != "n" else NUMBERS.public_numbers.n
    try:
        text = forged(**{name: value ^ (1 << bit)})
    except ValueError:
        return  # the library refuses to make it
    with pytest.raises(ProxyError, match="the file cannot be read"):
        read_private_key(text, source="the file")


def test_an_encrypted_key_needs_its_pass_phrase():
    text = pem(KEY, serialization.BestAvailableEncryption(b"secret"))
    with pytest.raises(ProxyError, match="encrypted"):
        read_private_key(text, source="the file")
    assert read_private_key(text, source="the file", password=b"secret").private_numbers() == NUMBERS


def test_a_key_of_another_kind_is_refused():
    key = ed25519.Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ProxyError, match="neither RSA nor elliptic curve"):
        read_private_key(text, source="the file")
