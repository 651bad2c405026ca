"""The LDAP server, asked by ldapsearch, by ldap3 and by hand."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time

import ldap3
import pytest

from infosys import ber, messages
from infosys.connection import ServerLimits
from infosys.entry import Entry, from_ldif
from infosys.errors import BindFailure
from infosys.server import LdapServer

LDAPSEARCH = shutil.which("ldapsearch")
needs_ldapsearch = pytest.mark.skipif(LDAPSEARCH is None, reason="ldapsearch (Debian: ldap-utils) is not installed")
RESOURCE = "mds-vo-name=resource,o=grid"


def ldapsearch(server: LdapServer, *arguments: str, code: int = 0) -> list[Entry]:
    command = [str(LDAPSEARCH), "-x", "-LLL", "-o", "ldif-wrap=no", "-H", server.url, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code, done.stderr
    return from_ldif("\n".join(line for line in done.stdout.splitlines() if not line.startswith("# ")))


@needs_ldapsearch
def test_ldapsearch_finds_what_is_published(server: LdapServer, grid: list[Entry]) -> None:
    found = ldapsearch(server, "-b", "o=grid")
    assert {entry.dn for entry in found} == {entry.dn for entry in grid} | {"o=grid", RESOURCE}
    by_name = {entry.dn: entry for entry in found}
    assert all(by_name[entry.dn] == entry for entry in grid)


@needs_ldapsearch
@pytest.mark.parametrize(
    ("scope", "base", "count"),
    [
        ("base", RESOURCE, 1),
        ("one", RESOURCE, 4),
        ("sub", RESOURCE, 7),
        ("children", "o=grid", 7),
        *(("sub", "cn=Subschema", 1), ("one", "cn=Subschema", 0), ("children", "cn=Subschema", 0)),
        ("one", "GlueClusterUniqueID=CE.example.org, Mds-Vo-Name=RESOURCE,o=grid", 1),
        ("sub", "GlueClusterUniqueID=ce.example.org,mds-vo-name=resource,o=grid", 2),
    ],
)
def test_the_scopes(server: LdapServer, scope: str, base: str, count: int) -> None:
    assert len(ldapsearch(server, "-b", base, "-s", scope)) == count


@needs_ldapsearch
@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("(objectClass=GlueCE)", 2),
        ("(&(objectclass=gluece)(GlueCEStateFreeJobSlots>=2))", 1),
        ("(|(objectClass=GlueSite)(objectClass=GlueCluster))", 2),
        ("(&(objectClass=GlueCE)(!(GlueCEUniqueID=*slurm*)))", 1),
        ("(GlueForeignKey=gluesiteuniqueid=test-site)", 1),
        ("(GlueHostApplicationSoftwareRunTimeEnvironment=vo-vo-*)", 1),
        ("(GlueCEAccessControlBaseRule=VOMS:/vo/Role=production)", 2),
        ("(GlueCEStateFreeJobSlots=*)", 3),
        ("(GlueCEUniqueID=\\2a)", 0),
    ],
)
def test_the_filters(server: LdapServer, text: str, count: int) -> None:
    assert len(ldapsearch(server, "-b", "o=grid", text, "1.1")) == count


@needs_ldapsearch
def test_attributes_are_selected(server: LdapServer) -> None:
    query = ("-b", "o=grid", "(GlueCEUniqueID=*short)")
    wanted = ("gluecestatefreejobslots", "noSuchAttribute", "GlueCEInfoHostName", "GlueCEName;x")
    (entry,) = ldapsearch(server, *query, *wanted)
    assert set(entry.attributes) == {"GlueCEStateFreeJobSlots", "GlueCEInfoHostName"}
    (entry,) = ldapsearch(server, *query, "1.1")
    assert not entry.attributes
    (entry,) = ldapsearch(server, *query, "+")
    assert entry.first("structuralObjectClass") == "GlueCE"
    assert not entry.values("GlueCEUniqueID")
    (entry,) = ldapsearch(server, *query, "*", "entryDN")
    assert entry.first("entryDN") == entry.dn
    assert entry.values("GlueCEUniqueID")
    (entry,) = ldapsearch(server, "-A", *query, "GlueCEUniqueID")
    assert entry.values("GlueCEUniqueID") == ("",)


@needs_ldapsearch
def test_pages_bring_everything_once(server: LdapServer) -> None:
    everything = ldapsearch(server, "-b", "o=grid", "1.1")
    paged = ldapsearch(server, "-b", "o=grid", "-E", "pr=2/noprompt", "1.1")
    assert [entry.dn for entry in paged] == [entry.dn for entry in everything]


@needs_ldapsearch
def test_the_size_limit_is_kept_with_and_without_pages(server: LdapServer) -> None:
    assert len(ldapsearch(server, "-b", "o=grid", "-z", "3", code=4)) == 3
    assert len(ldapsearch(server, "-b", "o=grid", "-z", "3", "-E", "pr=2/noprompt", code=4)) == 3


@needs_ldapsearch
def test_errors_have_their_codes(server: LdapServer) -> None:
    ldapsearch(server, "-b", "o=nowhere", code=32)
    ldapsearch(server, "-b", "no name", code=34)
    ldapsearch(server, "-D", "cn=x", "-w", "secret", "-b", "o=grid", code=7)
    ldapsearch(server, "-P", "2", "-b", "o=grid", code=2)
    ldapsearch(server, "-b", "o=grid", "-E", "!sync=ro", code=12)


@needs_ldapsearch
def test_the_root_and_the_schema_are_told(server: LdapServer) -> None:
    (root,) = ldapsearch(server, "-b", "", "-s", "base", "+", "*")
    assert root.values("namingContexts") == ("o=grid",)
    assert root.values("supportedLDAPVersion") == ("3",)
    assert root.values("subschemaSubentry") == ("cn=Subschema",)
    (schema,) = ldapsearch(server, "-b", "cn=Subschema", "-s", "base", "(objectClass=subschema)", "attributeTypes")
    definitions = {text.split("'")[1]: text for text in schema.values("attributeTypes")}
    assert definitions["GlueCEUniqueID"].endswith("SINGLE-VALUE )")
    assert "integerMatch" in definitions["GlueCEStateFreeJobSlots"]
    assert "SINGLE-VALUE" not in definitions["GlueForeignKey"]
    (schema,) = ldapsearch(server, "-b", "cn=Subschema", "-s", "base", "matchingRules", "matchingRuleUse")
    assert "( 2.5.13.5 NAME 'caseExactMatch' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )" in schema.values("matchingRules")
    (used,) = [text for text in schema.values("matchingRuleUse") if "'booleanMatch'" in text]
    assert used.startswith("( 2.5.13.13 NAME 'booleanMatch' APPLIES ( GlueHost")


def test_ldap3_reads_the_schema_and_all_entries(server: LdapServer, grid: list[Entry]) -> None:
    known = ldap3.Server("127.0.0.1", port=server.port, get_info=ldap3.ALL)
    with ldap3.Connection(known) as connection:
        found = connection.extend.standard.paged_search("o=grid", "(objectClass=*)", paged_size=3, generator=False)
        assert len(found) == len(grid) + 2
    assert "GlueCE" in known.schema.object_classes
    assert known.info.naming_contexts == ["o=grid"]
    assert [extension[0] for extension in known.info.supported_extensions] == [messages.CANCEL]
    assert "integerMatch" in known.schema.matching_rules
    assert "GlueCEStateFreeJobSlots" in known.schema.matching_rule_uses["integerMatch"].apply_to
    assert known.schema.attribute_types["GlueCEUniqueID"].equality == ["caseIgnoreIA5Match"]
    for each in known.schema.attribute_types.values():  # what an attribute names is published
        named = [*(each.equality or ()), *(each.ordering or ()), *(each.substring or ())]
        assert all(rule in known.schema.matching_rules for rule in named), each.name


def test_whoever_wants_to_write_is_told_no(server: LdapServer) -> None:
    with ldap3.Connection(ldap3.Server("127.0.0.1", port=server.port, get_info=ldap3.NONE)) as connection:
        assert not connection.add("cn=x,o=grid", "top")
        assert connection.result["description"] == "unwillingToPerform"
        assert not connection.delete("o=grid")
        assert not connection.modify("o=grid", {"o": [(ldap3.MODIFY_REPLACE, ["x"])]})
        assert connection.search("o=grid", "(objectClass=*)")


def test_a_new_tree_takes_the_old_ones_place_at_once(server: LdapServer, grid: list[Entry]) -> None:
    stop = threading.Event()
    sizes: set[int] = set()

    def read() -> None:
        with ldap3.Connection(ldap3.Server("127.0.0.1", port=server.port, get_info=ldap3.NONE)) as connection:
            while not stop.is_set():
                connection.search("o=grid", "(objectClass=GlueTop)")
                sizes.add(len(connection.response))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for turn in range(40):
        server.publish(grid if turn % 2 else grid[:4])
        server.publish_beside([Entry.of("o=infosys", {"objectClass": "organization", "o": "infosys"})])
        time.sleep(0.01)
    stop.set()
    for reader in readers:
        reader.join(10)
    assert sizes == {4, len(grid)}


def test_entries_with_impossible_names_are_left_out() -> None:
    with LdapServer("127.0.0.1:0") as server:
        made = server.publish(
            [Entry.of("no name", {"o": "x"}), Entry.of("o=grid", {"o": "grid"}), Entry.of("", {"o": "x"})]
        )
        assert len(made) == 1
        assert len(made.problems) == 2


@pytest.fixture
def hasty() -> LdapServer:
    """A server without patience."""
    return LdapServer(
        "127.0.0.1:0",
        limits=ServerLimits(
            max_message=4096, max_connections=3, idle_seconds=0.5, message_seconds=0.5, write_seconds=0.5
        ),
    )


def answer(client: socket.socket) -> bytes:
    client.settimeout(5)
    received = b""
    while data := client.recv(65_536):
        received += data
    return received


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x30\x84\x7f\xff\xff\xff",
        b"\x30\x80",
        b"\x30\x05\x02\x01\x01\x61\x00",
        b"\x30\x05\x02\x01\x00\x42\x00",
        b"\x00" * 100,
        b"\xff" * 100,
    ],
)
def test_what_is_no_ldap_is_answered_with_a_notice_and_the_end(hasty: LdapServer, data: bytes) -> None:
    with hasty, socket.create_connection(("127.0.0.1", hasty.port)) as client:
        client.sendall(data)
        received = answer(client)
        assert messages.NOTICE_OF_DISCONNECTION.encode() in received
        with socket.create_connection(("127.0.0.1", hasty.port)) as other:
            other.sendall(ber.sequence(ber.integer(1), ber.tlv(0x42, b"")))
            assert answer(other) == b""


def test_who_sends_nothing_or_half_a_message_is_let_go(hasty: LdapServer) -> None:
    with hasty, socket.create_connection(("127.0.0.1", hasty.port)) as idle:
        with socket.create_connection(("127.0.0.1", hasty.port)) as half:
            half.sendall(b"\x30\x20\x02\x01")
            begun = time.monotonic()
            assert answer(half) == b""
            assert answer(idle) == b""
            assert time.monotonic() - begun < 4


def test_one_client_more_than_there_may_be_is_told_so(hasty: LdapServer) -> None:
    with hasty:
        clients = [socket.create_connection(("127.0.0.1", hasty.port)) for _ in range(4)]
        try:
            assert b"3 clients are connected already" in answer(clients[3])
        finally:
            for client in clients:
                client.close()


def test_who_does_not_read_is_let_go(hasty: LdapServer) -> None:
    with hasty:
        hasty.publish([Entry.of(f"cn={each},o=grid", {"cn": [f"{each}", "x" * 100_000]}) for each in range(400)])
        search = ber.sequence(
            ber.integer(2),
            ber.sequence(
                ber.octets("o=grid"),
                ber.integer(2, ber.ENUMERATED),
                ber.integer(0, ber.ENUMERATED),
                ber.integer(0),
                ber.integer(0),
                ber.boolean(False),
                ber.octets("cn", 0x87),
                ber.sequence(),
                tag=0x63,
            ),
        )
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", hasty.port))
            client.sendall(search)
            time.sleep(1.5)
            received = answer_until_end(client)
            assert received < 400 * 100_000


def answer_until_end(client: socket.socket) -> int:
    client.settimeout(5)
    total = 0
    try:
        while data := client.recv(1 << 20):
            total += len(data)
    except ConnectionResetError:
        pass
    return total


def test_a_taken_port_is_named_with_the_way_out(server: LdapServer) -> None:
    with pytest.raises(BindFailure, match=r"127\.0\.0\.1:\d+.*configure another address"):
        LdapServer(f"127.0.0.1:{server.port}").start()


@pytest.mark.parametrize("bind", ["localhost", "localhost:", ":2170", "localhost:99999", "localhost:ldap"])
def test_an_address_that_is_none_is_refused(bind: str) -> None:
    with pytest.raises(BindFailure):
        LdapServer(bind).start()


def test_nothing_is_left_of_a_closed_server(hasty: LdapServer) -> None:
    before = threading.active_count()
    with hasty, socket.create_connection(("127.0.0.1", hasty.port)):
        port = hasty.port
    assert threading.active_count() == before
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_localhost_is_answered_by_its_number_too() -> None:
    with LdapServer("localhost:0") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5):
            pass


def search_request(message_id: int, text: str) -> bytes:
    """A subtree search for entries that have the attribute ``text``, without their attributes."""
    body = ber.sequence(
        ber.octets("o=grid"),
        *(ber.integer(2, ber.ENUMERATED), ber.integer(0, ber.ENUMERATED), ber.integer(0), ber.integer(0)),
        *(ber.boolean(False), ber.octets(text, 0x87), ber.sequence(ber.octets("1.1"))),
        tag=0x63,
    )
    return ber.sequence(ber.integer(message_id), body)


def messages_of(data: bytes) -> list[tuple[int, int]]:
    """Message id and tag of each whole message."""
    found, place = [], 0
    while (header := ber.header(data, place)) is not None and header[1] + header[2] <= len(data):
        message = ber.Reader(data[header[1] : header[1] + header[2]])
        place = header[1] + header[2]
        found.append((message.integer(), message.peek()))
    return found


def received_until(client: socket.socket, end: tuple[int, int]) -> bytes:
    """What comes until the message with that id and tag."""
    client.settimeout(20)
    received = b""
    while end not in messages_of(received):
        data = client.recv(65_536)
        assert data, f"the server ended the connection before {end}"
        received += data
    return received


def test_requests_that_come_at_once_are_answered_in_their_order(server: LdapServer, grid: list[Entry]) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"".join(search_request(number, "GlueSiteUniqueID") for number in range(1, 51)))
        found = messages_of(received_until(client, (50, messages.SEARCH_DONE)))
    expected = [(number, tag) for number in range(1, 51) for tag in (messages.SEARCH_ENTRY, messages.SEARCH_DONE)]
    assert found == expected


@pytest.mark.parametrize("oid", ["1.3.6.1.4.1.1466.20037", "1.3.6.1.4.1.4203.1.11.3", "1.2.3"])
def test_extended_operations_are_told_that_nobody_knows_them(server: LdapServer, oid: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(ber.sequence(ber.integer(1), ber.sequence(ber.octets(oid, 0x80), tag=0x77)))
        client.sendall(search_request(2, "GlueSiteUniqueID"))
        received = received_until(client, (2, messages.SEARCH_DONE))
    first = ber.Reader(received).enter()
    assert first.integer() == 1
    assert first.enter(messages.EXTENDED_RESPONSE).integer(ber.ENUMERATED) == messages.PROTOCOL_ERROR
    assert messages_of(received)[-1] == (2, messages.SEARCH_DONE)


def test_two_hundred_clients_are_answered_at_the_same_time(server: LdapServer) -> None:
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(200)]
    try:
        for client in clients:
            client.sendall(search_request(1, "GlueSiteUniqueID"))
        wanted = [(1, messages.SEARCH_ENTRY), (1, messages.SEARCH_DONE)]
        assert all(messages_of(received_until(client, wanted[-1])) == wanted for client in clients)
    finally:
        for client in clients:
            client.close()
