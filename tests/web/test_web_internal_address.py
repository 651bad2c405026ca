"""Which IP addresses are internal, in all the forms in which one can be written into an address."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from web.internal_address import kind_of_internal


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "a loopback address"),
        ("127.255.255.254", "a loopback address"),
        ("::1", "a loopback address"),
        ("0.0.0.0", "an unspecified address"),
        ("::", "an unspecified address"),
        ("10.0.0.1", "a private address"),
        ("172.31.255.255", "a private address"),
        ("192.168.1.1", "a private address"),
        ("fd12:3456::1", "a private address"),
        ("fec0::1", "a private address"),
        ("198.18.0.1", "a private address"),
        ("169.254.1.1", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("224.0.1.1", "a multicast address"),
        ("ff0e::1", "a multicast address"),
        ("100.64.0.1", "a provider's shared address"),
        ("169.254.169.254", "a cloud's metadata address"),
        ("168.63.129.16", "a cloud's metadata address"),
        ("fd00:ec2::254", "a cloud's metadata address"),
        ("::ffff:127.0.0.1", "a loopback address"),
        ("::ffff:169.254.169.254", "a cloud's metadata address"),
        ("64:ff9b::10.0.0.1", "a private address"),
        ("2002:a00:1::", "a private address"),
        ("::127.0.0.1", "a reserved address"),
    ],
)
def test_internal_addresses_are_told_with_their_kind(address: str, kind: str) -> None:
    assert kind_of_internal(ip_address(address)) == kind


@pytest.mark.parametrize("address", ["255.255.255.255", "240.0.0.1", "2001:db8::1", "64:ff9b:1::1", "2001:0:1::1"])
def test_what_nobody_can_have_is_internal_too(address: str) -> None:
    assert kind_of_internal(ip_address(address)) is not None


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]
)
def test_public_addresses_are_not_internal(address: str) -> None:
    assert kind_of_internal(ip_address(address)) is None
