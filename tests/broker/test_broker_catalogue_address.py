"""Where the broker goes for a catalogue that only a job names: to public addresses, to the ones it has judged."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from dli import ADA, catalogue, missing, wanted

from broker.catalogue_address import Doorkeeper
from broker.catalogue_host import check_hosts
from broker.catalogues import Catalogues
from broker.errors import CatalogueRefused
from grid.errors import ConfigurationError
from web import dial
from web.dial import Address
from wsdl.transport import ServiceUnreachable

PUBLIC = "93.184.216.34"


class Names:
    """A resolver of the test's own; each question takes the next of the answers, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.append((host, port))
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            (socket.AF_INET6, (each, port, 0, 0)) if ":" in each else (socket.AF_INET, (each, port)) for each in found
        ]


def numeric(host: str, port: int) -> list[Address]:
    """The system's resolver for what needs no name server."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [(info[0], info[4]) for info in found]


# -- judging ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8085/", "https://[::1]:8085/", "http://[::ffff:127.0.0.1]:8085/", "http://0.0.0.0:8085/",
        "http://169.254.169.254/latest/meta-data/", "http://10.1.2.3/", "http://[fe80::1]/", "http://224.0.0.1:8085/",
        "http://[::ffff:a9fe:a9fe]/", "http://168.63.129.16/", "http://[fd00:ec2::254]/",
    ],
)  # fmt: skip
def test_internal_addresses_are_refused(url: str) -> None:
    with pytest.raises(CatalogueRefused) as refused:
        Doorkeeper(find=numeric).admit(url)
    assert str(refused.value).startswith(f"{url} is not asked: its host has a")
    assert "[broker] catalogue_hosts" in str(refused.value)


@pytest.mark.parametrize(
    "host", ["2130706433", "0177.0.0.1", "0x7f000001", "0x7f.0.0.1", "127.1", "127.0.0.1.", "10.0.0.08", "1.2.3.4.5"]
)
def test_numbers_in_odd_spellings_are_refused_before_anybody_reads_them(host: str) -> None:
    names = Names([PUBLIC])
    with pytest.raises(CatalogueRefused, match="no IP address in the usual spelling"):
        Doorkeeper(find=names).admit(f"http://{host}:8085/")
    assert names.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://c.example.org/", "http://user@c.example.org/", "http://c.example.org?x", "http:///", "http://[fe80::1%25lo]/",
        "http://c.example.org\\@localhost/", "http://\uff11\uff12\uff17.0.0.1/", "http://c.example.org/ x", "http://c_d/",
        "http://c.example.org:/", "http://127.0.0.1#.example.org/", "http://c.example.org:8085:8086/",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(CatalogueRefused, match="no address of the form"):
        Doorkeeper(find=Names([PUBLIC])).admit(url)


@pytest.mark.parametrize(
    ("port", "good"), [(80, True), (443, True), (8085, True), (25, False), (0, False), (70000, False)]
)
def test_privileged_ports_other_than_the_web_s_are_refused(port: int, good: bool) -> None:
    names = Names([PUBLIC])
    if good:
        assert Doorkeeper(find=names).admit(f"http://c.example.org:{port}/") == ((socket.AF_INET, (PUBLIC, port)),)
        return
    with pytest.raises(CatalogueRefused, match="port is 80, 443 or one from 1024"):
        Doorkeeper(("c.example.org",), names).admit(f"http://c.example.org:{port}/")


def test_a_name_with_one_internal_address_among_public_ones_is_refused() -> None:
    with pytest.raises(CatalogueRefused, match="a private address"):
        Doorkeeper(find=Names([PUBLIC, "2606:4700::1", "10.0.0.1"])).admit("https://c.example.org/")


def test_hosts_that_the_operator_names_may_be_internal() -> None:
    keeper = Doorkeeper(("Catalogue.Example.org", "10.0.0.1", "[fd00::1]"), Names(["10.0.0.1"]))
    for host in ("catalogue.example.org", "CATALOGUE.example.org.", "10.0.0.1", "[fd00:0::1]"):
        assert keeper.admit(f"http://{host}:8085/") == ((socket.AF_INET, ("10.0.0.1", 8085)),)
    with pytest.raises(CatalogueRefused):
        keeper.admit("http://other.example.org:8085/")


def test_a_name_that_nobody_knows_is_told_as_such() -> None:
    def unknown(host: str, port: int) -> list[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with pytest.raises(ServiceUnreachable, match=r"c\.example\.org cannot be resolved"):
        Doorkeeper(find=unknown).admit("http://c.example.org/")
    with pytest.raises(ServiceUnreachable):
        Doorkeeper().admit(f"http://{'a' * 70}.example/")


@pytest.mark.parametrize("host", ["http://c/", "c:8085", "c d", "", "*", "2130706433", "[fe80::1%lo]", "1::2::3"])
def test_the_setting_takes_hosts_alone(host: str) -> None:
    check_hosts(["catalogue.example.org", "10.0.0.1", "[fd00::1]", "fd00::1"])
    with pytest.raises(ConfigurationError, match="is no host"):
        check_hosts([host])


# -- asking ----------------------------------------------------------------------------------------------------


def made(names: Names, *configured: str, hosts: Sequence[str] = (), **more: object) -> Catalogues:
    return Catalogues(Path("/nowhere"), configured, doorkeeper=Doorkeeper(hosts, names), **more)  # type: ignore[arg-type]


def test_the_owner_is_told_and_nothing_is_sent_to_an_internal_catalogue() -> None:
    with catalogue(lambda name: ["se"]) as (url, names):
        (found,) = made(Names(["127.0.0.1"])).replicas(wanted("lfn:a", at=url), ADA)
    assert found.urls == () and names == []
    assert found.problem == (
        f"{url} is not asked: its host has a loopback address, and a job may name public ones alone, or hosts that the "
        "operator allows ([broker] catalogue_hosts)"
    )


def test_a_catalogue_of_the_node_may_be_named_wherever_it_is() -> None:
    with catalogue(lambda name: ["se"]) as (url, _):
        for configured, discover in (((url,), lambda vo: ()), ((), lambda vo: (url,))):
            names = Names([PUBLIC])
            (found,) = made(names, *configured, discover=discover).replicas(wanted("lfn:a", at=url.rstrip("/")), ADA)
            assert found.urls == ("se",) and names.asked == []


def test_answers_of_a_catalogue_that_one_vo_knows_are_not_given_to_the_jobs_of_another() -> None:
    with catalogue(lambda name: ["se"]) as (url, _):
        asking = made(Names(["127.0.0.1"]), discover=lambda vo: (url,) if vo == "vo" else ())
        assert asking.replicas(wanted("lfn:a"), ADA)[0].urls == ("se",)
        (found,) = asking.replicas(wanted("lfn:a", at=url, vo="other"), ADA)
    assert found.urls == () and "is not asked" in found.problem


def test_the_connection_goes_to_the_address_that_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that stands for a public address when it is judged, and for an internal one a moment later."""
    names, went = Names([PUBLIC], ["127.0.0.1"]), []
    begin = dial._begin

    def relay(family: int, address: tuple[object, ...]) -> socket.socket:
        went.append(address)
        return begin(family, ("127.0.0.1", address[1]))

    def again(*arguments: object, **more: object) -> list[object]:
        raise AssertionError("the name was resolved a second time")

    with catalogue(missing) as (url, asked):
        port = int(url.rpartition(":")[2].strip("/"))
        address = f"http://rebinding.example.org:{port}/"
        with monkeypatch.context() as patch:
            patch.setattr(dial, "_begin", relay)
            patch.setattr(socket, "getaddrinfo", again)
            found = made(names).replicas(wanted(*(f"lfn:{n}" for n in range(3)), at=address), ADA)
    assert {each.problem for each in found} == {f"{address} says: No such file: {n}" for n in range(3)}
    assert sorted(asked) == ["lfn:0", "lfn:1", "lfn:2"]
    assert went and set(went) == {(PUBLIC, port)}


def test_a_redirect_is_not_followed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as server:
        to = f"http://127.0.0.1:{other.getsockname()[1]}/"
        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
                connection.sendall(head.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://c.example.org:{server.getsockname()[1]}/"
        names = Names(["127.0.0.1"])
        (found,) = made(names, hosts=("c.example.org",)).replicas(wanted("lfn:a", at=url), ADA)
        thread.join(10)
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert "HTTP 307" in found.problem and found.urls == ()
