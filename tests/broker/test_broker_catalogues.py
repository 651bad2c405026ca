"""Asking catalogues: order, deadlines, bounds and what is remembered, over real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from dli import ADA, catalogue, missing, wanted

from broker import catalogues as module
from broker.catalogue_address import Doorkeeper
from broker.catalogues import Catalogues
from wsdl.transport import ServiceUnreachable


def made(*addresses: str, **more: object) -> Catalogues:
    keeper = Doorkeeper(("127.0.0.1",))  # where these tests have their catalogues
    options = {"timeout": 5.0, "patience": 10.0, "doorkeeper": keeper, **more}
    return Catalogues(Path("/nowhere"), addresses, **options)  # type: ignore[arg-type]


def test_the_first_catalogue_that_knows_a_replica_wins() -> None:
    with catalogue(missing) as (one, _), catalogue(lambda name: []) as (two, _):
        with catalogue(lambda name: [f"srm://se/{name}"]) as (three, names), catalogue(missing) as (four, last):
            found = made(two, three, four, one, discover=lambda vo: (one,)).replicas(wanted("lfn:a", "guid:b"), ADA)
    assert [each.urls for each in found] == [("srm://se/a",), ("srm://se/b",)]
    assert sorted(names) == ["guid:b", "lfn:a"] and last == []


def test_the_catalogue_that_the_job_names_is_the_only_one_asked() -> None:
    with catalogue(missing) as (named, _), catalogue(lambda name: ["se"]) as (known, names):
        (found,) = made(known).replicas(wanted("lfn:a", at=named), ADA)
    assert found.urls == () and names == []
    assert found.problem == f"{named} says: No such file: a"


def test_an_operator_may_allow_known_catalogues_alone() -> None:
    with catalogue(lambda name: ["one"]) as (known, _), catalogue(lambda name: ["other"]) as (foreign, names):
        asking = made(known, of_jobs=False)
        (refused,) = asking.replicas(wanted("lfn:a", at=foreign), ADA)
        (found,) = asking.replicas(wanted("lfn:a", at=known), ADA)
    assert (refused.urls, names, found.urls) == ((), [], ("one",))
    assert refused.problem == f"{foreign} is not asked: this WMS asks catalogues it knows alone"


def test_what_goes_wrong_everywhere_is_told_by_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"http://127.0.0.1:{server.getsockname()[1]}/"
    with catalogue(lambda name: []) as (empty, _):
        (found,) = made("ftp://h/", closed, empty).replicas(wanted("lfn:a"), ADA)
    assert "no address of the form" in found.problem
    assert f"{closed} says: nothing of use" in found.problem and f"{empty} knows none" in found.problem
    (nobody,) = made().replicas(wanted("lfn:a"), ADA)
    assert nobody.problem == "no catalogue is known for the VO"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nsecret", "it answered HTTP 200"),
        (b"HTTP/1.1 404 secret\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n", "it answered HTTP 404"),
        (b"SSH-2.0-secret\r\n\r\n", "its answer is not a catalogue's"),
        (b"HTTP/1.1 200 OK\nContent-Type: text/xml\nContent-Length: 9\n\n<secret/>", "its answer is not a catalogue's"),
    ],
)  # fmt: skip
def test_what_else_answers_at_an_address_is_not_told_to_the_user(answer: bytes, told: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        (found,) = made().replicas(wanted("lfn:a", at=address), ADA)
        thread.join(10)
    assert found.problem == f"{address} says: nothing of use ({told})"


def test_the_hosts_credential_is_shown_to_catalogues_of_the_operator_alone(monkeypatch) -> None:
    """Where there is no proxy to ask with: an explanation before the job is submitted."""
    shown: list[Path | None] = []

    def context(certificates: Path, credential: Path | None) -> ssl.SSLContext:
        shown.append(credential)
        return ssl.create_default_context()

    monkeypatch.setattr(module, "client_context", context)
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"https://127.0.0.1:{server.getsockname()[1]}/"
    host = Path("/host.pem")
    made(closed, host_credential=host).replicas(wanted("lfn:a"), ADA)
    made(closed, host_credential=host).replicas(wanted("lfn:a", at=f"{closed}other"), ADA)
    made(host_credential=host, discover=lambda vo: (closed,)).replicas(wanted("lfn:a"), ADA)
    made(closed, host_credential=host).replicas(wanted("lfn:a"), ADA, Path("/proxy"))
    assert shown == [host, None, None, Path("/proxy")]


def test_replicas_are_remembered_for_a_while_and_silence_for_less() -> None:
    now = [0.0]
    with catalogue(lambda name: ["se"]) as (url, names):
        asking = made(url, monotonic=lambda: now[0])
        for _ in range(3):
            assert asking.replicas(wanted("lfn:a"), ADA)[0].urls == ("se",)
        assert asking.replicas(wanted("lfn:a"), "/CN=bob")[0].urls == ("se",)  # http is the same for everybody
        assert len(names) == 1
        now[0] = module.KEPT_FOR + 1
        asking.replicas(wanted("lfn:a"), ADA)
        assert len(names) == 2


def test_a_silent_address_is_waited_for_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        began = time.monotonic()
        found = made(url, timeout=0.3).replicas(wanted(*(f"lfn:{n}" for n in range(40))), ADA)
        assert time.monotonic() - began < 3
    assert all(each.problem == f"{url} says: nothing in time" for each in found)


def test_a_job_waits_no_longer_than_its_patience_and_keeps_what_came_in_time() -> None:
    free = threading.Event()

    def answer(name: str) -> list[str]:
        if name == "slow":
            free.wait(10)
        return ["se"]

    with catalogue(answer) as (url, _):
        began = time.monotonic()
        asking = made(url, patience=0.7)
        quick = asking.replicas(wanted("lfn:quick"), ADA)
        slow = asking.replicas(wanted("lfn:slow"), ADA)
        assert time.monotonic() - began < 5
        free.set()
    assert quick[0].urls == ("se",)
    assert slow[0].urls == () and "did not answer in time" in slow[0].problem


def test_one_user_s_questions_leave_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OF_OWNER", 2)
    with catalogue(lambda name: ["se"]) as (url, _), socket.create_server(("127.0.0.1", 0)) as silent:
        own = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        asking = made(url, timeout=4.0, patience=0.3)
        asking.replicas(wanted("lfn:a", "lfn:b", at=own), ADA)  # both of the user's questions hang on
        refused = asking.replicas(wanted("lfn:c"), ADA)
        assert "too many slow questions" in refused[0].problem
        assert asking.replicas(wanted("lfn:c"), "/CN=bob")[0].urls == ("se",)


def test_threads_that_cannot_be_started_take_no_room_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with catalogue(lambda name: ["se"]) as (address, _):
        asking = made(address)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            for _ in range(2 * module.MAX_OF_OWNER):
                (found,) = asking.replicas(wanted("lfn:a"), ADA)
                assert found.problem
        (found,) = asking.replicas(wanted("lfn:a"), ADA)
    assert found.urls == ("se",)


def test_jobs_that_wait_long_do_not_take_all_of_the_broker_s_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW", 0.2)
    with catalogue(lambda name: ["se"]) as (url, _), socket.create_server(("127.0.0.1", 0)) as silent:
        own = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        asking = made(url, timeout=3.0, patience=2.0)
        waits = [threading.Thread(target=asking.replicas, args=(wanted(f"lfn:{n}", at=own), ADA)) for n in range(2)]
        for each in waits:
            each.start()
        time.sleep(0.6)
        began = time.monotonic()
        refused = asking.replicas(wanted("lfn:c", at=own), ADA)
        assert "too many slow questions" in refused[0].problem and time.monotonic() - began < 1
        assert asking.replicas(wanted("lfn:c"), "/CN=bob")[0].urls == ("se",)
        for each in waits:
            each.join(10)
        assert asking.replicas(wanted("lfn:c"), ADA)[0].urls == ("se",)


def test_a_long_list_is_cut_and_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REPLICAS", 3)
    monkeypatch.setattr(module, "MAX_KEPT_LENGTH", 10)
    with catalogue(lambda name: ["x" * 3000, *(f"srm://se/{n}" for n in range(9))]) as (url, names):
        asking = made(url)
        for _ in range(2):
            (found,) = asking.replicas(wanted("lfn:a"), ADA)
            assert found.urls == ("srm://se/0", "srm://se/1", "srm://se/2")
        assert len(names) == 2


def test_an_https_address_without_a_usable_proxy_is_told(tmp_path: Path) -> None:
    (found,) = Catalogues(tmp_path, ("https://h:8085/",)).replicas(wanted("lfn:a"), ADA, tmp_path / "no-proxy")
    assert "https://h:8085/ says:" in found.problem and found.urls == ()


def test_what_is_said_to_an_explanation_without_a_proxy_is_not_taken_for_the_answer_to_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Catalogue:
        """Gives its replicas to whoever shows a proxy."""

        def __init__(self, address: str, shown: Path | None, timeout: float, addresses: object) -> None:
            self._shown = shown

        def list_replicas(self, kind: str, name: str) -> list[str]:
            if self._shown is None:
                raise ServiceUnreachable("https://c/", "it wants a certificate")
            return ["se"]

        def close(self) -> None: ...

    monkeypatch.setattr(module, "DataLocation", Catalogue)
    monkeypatch.setattr(module, "client_context", lambda trust, credential: credential)
    asking = made("https://c/")
    found = [asking.replicas(wanted("lfn:a"), ADA, proxy)[0].urls for proxy in (None, Path("proxy"), None)]
    assert found == [(), ("se",), ()]
