"""Access lists on a running node: items, their texts, and what each permission opens and leaves closed."""

import re
import stat

import pytest

BOB = "/DC=org/DC=wms-test/CN=Bob"
REMOVAL = "Removal of the item representing user that has registered the job is not allowed"
READERS = {
    "getJDL": "<type>ORIGINAL</type>",
    "getJobStatus": "",
    "getOutputFileList": "<protocol>https</protocol>",
    "getACLItems": "",
    "getJobProxyInfo": "",
}
WRITERS = {
    "getSandboxDestURI": "<protocol>https</protocol>",
    "getSandboxBulkDestURI": "<protocol>https</protocol>",
    "jobCancel": "",
    "jobPurge": "",
}
OWNERS = {"jobStart": "", "addACLItems": "<items><Item>/O=x/CN=y</Item></items>", "removeACLItem": "<item>/x</item>"}


def call(door, operation, job, rest=""):
    return door.call(f"<w:{operation}><jobId>{job}</jobId>{rest}</w:{operation}>")


def add(door, job, *items):
    return call(door, "addACLItems", job, f"<items>{''.join(f'<Item>{item}</Item>' for item in items)}</items>")


def remove(door, job, item):
    return call(door, "removeACLItem", job, f"<item>{item}</item>")


def items(door, job):
    return re.findall("<Item>(.*?)</Item>", call(door, "getACLItems", job).text)


@pytest.fixture(scope="module")
def names(node):
    """The users' DNs as the node made them."""
    from gsi.credential import Credential

    users = node.root / "credentials" / "users"
    return [Credential.load(users / user / "usercredential.pem").identity for user in ("alice", "bob")]


@pytest.fixture
def job(alice):
    return alice.register()


@pytest.fixture
def directory(node, job, sandbox_path):
    return node.root / "sandbox" / sandbox_path(job)[1:]


def test_a_new_job_has_the_list_of_its_owner(alice, job, directory, names):
    call(alice, "getACLItems", job).says(
        f"<glitens:getACLItemsResponse><items><Item>{names[0]}</Item></items></glitens:getACLItemsResponse>"
    )
    assert stat.S_IMODE((directory / ".gacl").stat().st_mode) == 0o600
    assert (directory / ".gacl").read_text() == (
        "<?xml version='1.0' encoding='utf-8'?>\n"
        f'<gacl version="0.0.1">\n  <entry>\n    <person>\n      <dn>{names[0]}</dn>\n    </person>\n'
        "    <allow>\n      <read/>\n      <list/>\n      <write/>\n    </allow>\n  </entry>\n</gacl>\n"
    )


def test_items_are_added_decoded_and_removed(alice, job, names):
    add(alice, job, "/O=A%20B/CN=C", "/testvo/group/Role=x", "/testvo/Role=NULL/Capability=NULL").says(
        "<glitens:addACLItemsResponse/>"
    )
    assert items(alice, job) == [names[0], "/O=A B/CN=C", "/testvo/group/Role=x", "/testvo"]
    remove(alice, job, "/O=A B/CN=C").says("<glitens:removeACLItemResponse/>")
    remove(alice, job, "/testvo").says("<glitens:removeACLItemResponse/>")
    assert items(alice, job) == [names[0], "/testvo/group/Role=x"]


def test_all_items_are_added_or_none(alice, job, names, sandbox_path):
    fault = add(alice, job, "/O=x/CN=new", names[0], "/O=x/CN=newer").fault()
    assert (fault.kind, fault.method, fault.code) == ("AuthorizationFault", "addACLItems", "1209")
    assert fault.description == (
        f"unable to add the new credential entry to the gacl ({sandbox_path(job)[1:]}/.gacl)\n"
        f"reason: the entry already exists\ncredential type : person\nInput dn: {names[0]}\n"
    )
    assert items(alice, job) == [names[0]]
    assert add(alice, job, "/O=x/CN=new", "/O=x/CN=new").fault().code == "1209"
    assert items(alice, job) == [names[0]]


@pytest.mark.parametrize("item", ["", "Alice", "O=x/CN=y", "/vo/../x", "/vo/*", "/O=x/CN=%0Ay", "/O=" + "x" * 2000])
def test_what_is_neither_a_DN_nor_an_FQAN_is_refused(alice, job, names, item):
    fault = add(alice, job, item).fault()
    assert (fault.kind, fault.code) == ("InvalidArgumentFault", "1225")
    assert "cannot be an item of an access list" in fault.description
    assert items(alice, job) == [names[0]]


def test_a_list_takes_200_items_and_no_more(alice, job):
    add(alice, job, *(f"/O=x/CN={number}" for number in range(199)))
    assert len(items(alice, job)) == 200
    fault = add(alice, job, "/O=x/CN=more").fault()
    assert (fault.kind, fault.code) == ("InvalidArgumentFault", "1225")
    assert "has 200 items, 1 more were given and 200 are taken" in fault.description


def test_the_owner_cannot_be_removed(alice, job, names):
    fault = remove(alice, job, names[0]).fault()
    assert (fault.kind, fault.code) == ("OperationNotAllowedFault", "1226")
    assert fault.description == f"The Operation is not allowed: {REMOVAL}"
    assert items(alice, job) == [names[0]]


def test_what_is_not_there_cannot_be_removed(alice, job, sandbox_path):
    fault = remove(alice, job, "/O=x/CN=nobody").fault()
    assert (fault.kind, fault.code) == ("AuthorizationFault", "1207")
    assert fault.description == (
        "Removal of the gacl item failed:\nunable to remove the credential entry from the gacl "
        f"({sandbox_path(job)[1:]}/.gacl)\nreason : the entry doesn't exist\ncredential type : person\n"
        "input dn: /O=x/CN=nobody\n"
    )


def test_the_owner_may_do_everything_whatever_the_list_says(alice, bob, job, directory, names):
    denial = f"<entry><person><dn>{names[0]}</dn></person><deny><read/><list/><write/><admin/></deny></entry>"
    (directory / ".gacl").write_text(f"<gacl>{denial}</gacl>")
    assert call(alice, "getJDL", job, READERS["getJDL"]).status == 200
    assert add(alice, job, names[1]).status == 200
    assert call(bob, "getJDL", job, READERS["getJDL"]).status == 200
    assert call(alice, "jobCancel", job).status == 200


@pytest.mark.parametrize("content", [b"nonsense", b"<gacl><entry>", b"<gacl><entry><any-user/><allow><all/></allow>"])
def test_a_damaged_list_gives_nothing_and_says_so_to_the_owner(alice, bob, job, directory, content):
    (directory / ".gacl").write_bytes(content)
    assert call(bob, "getJDL", job, READERS["getJDL"]).fault().code == "1218"
    fault = call(alice, "getACLItems", job).fault()
    assert (fault.kind, fault.code) == ("AuthorizationFault", "1209")
    assert add(alice, job, "/O=x/CN=y").fault().code == "1209"


def test_an_empty_or_missing_list_is_the_owners(alice, bob, job, directory, names):
    for spoil in ((directory / ".gacl").unlink, (directory / ".gacl").touch):
        spoil()
        assert items(alice, job) == [names[0]]
        assert call(bob, "getJDL", job, READERS["getJDL"]).fault().code == "1218"


@pytest.fixture(scope="module")
def done(node, alice):
    """A job of alice's that has ended."""
    jdl = '[ Executable = "/bin/echo"; Arguments = "read me"; StdOutput = "out"; OutputSandbox = { "out" }; ]'
    ended = node.submit(jdl)
    assert node.wait(ended) == "Done (Success)"
    return ended


@pytest.mark.parametrize("item", [BOB, "/testvo"], ids=["person", "group"])
def test_a_reader_reads_and_does_nothing_else(node, alice, bob, done, names, sandbox_path, item):
    place = sandbox_path(done)
    assert call(bob, "getJobStatus", done).status == 500
    assert bob.http("GET", f"{place}/output/out").status == 404
    assert add(alice, done, names[1] if item == BOB else item).status == 200
    try:
        for operation, rest in READERS.items():
            assert call(bob, operation, done, rest).status == 200, operation
        assert call(bob, "getJobStatus", done).value("status") == "Done"
        assert bob.http("GET", f"{place}/output/out").body == b"read me\n"
        assert bob.http("HEAD", f"{place}/output/out").status == 200
        for operation, rest in {**WRITERS, **OWNERS}.items():
            fault = call(bob, operation, done, rest).fault()
            assert (fault.kind, fault.code) == ("AuthorizationFault", "1207"), operation
            assert f"{operation} is for the job's owner" in fault.description
        for method, path in (("PUT", "output/out"), ("PUT", "input/x"), ("GET", "input/x"), ("HEAD", "input/x")):
            assert bob.http(method, f"{place}/{path}", b"x" if method == "PUT" else None).status == 403
        for name in ("user.proxy", ".gacl", "JDLStarted"):
            assert bob.http("GET", f"{place}/{name}").status == 404
    finally:
        assert remove(alice, done, names[1] if item == BOB else item).status == 200
    assert call(bob, "getJDL", done, READERS["getJDL"]).fault().code == "1218"
    assert bob.http("GET", f"{place}/output/out").status == 404


def test_a_writer_cancels_and_purges_and_does_not_change_the_list(alice, bob, job, directory, names, sandbox_path):
    entry = f"<entry><person><dn>{names[1]}</dn></person><allow><write/></allow></entry>"
    (directory / ".gacl").write_text(f"<gacl>{entry}</gacl>")
    assert call(bob, "getJDL", job, READERS["getJDL"]).fault().code == "1207"
    assert add(bob, job, "/O=x/CN=y").fault().code == "1207"
    assert call(bob, "jobStart", job).fault().code == "1207"
    assert bob.http("PUT", f"{sandbox_path(job)}/input/data", b"x").status == 201
    assert call(bob, "jobCancel", job).status == 200
    assert call(bob, "jobPurge", job).status == 200
    assert call(alice, "getJDL", job, READERS["getJDL"]).fault().code == "1218"


@pytest.mark.parametrize("operation", [*READERS, *WRITERS, *OWNERS])
def test_who_is_on_no_list_gets_the_answer_of_a_job_that_does_not_exist(alice, bob, job, operation):
    add(alice, job, "/O=x/CN=somebody else")
    rest = {**READERS, **WRITERS, **OWNERS}[operation]
    texts = []
    for wanted in (job, job[:-6] + "AAAAAA"):
        answer = call(bob, operation, wanted, rest)
        assert answer.value("ErrorCode") == "1218"
        texts.append(re.sub(r"<Timestamp>[^<]+", "", answer.text).replace(wanted, "JOB"))
    assert texts[0] == texts[1]


def test_the_nodes_of_a_compound_job_follow_its_list(node, alice, bob, names, sandbox_path):
    nodes = ",".join(
        '[ Executable = "/bin/echo"; Arguments = "node"; StdOutput = "out"; OutputSandbox = { "out" }; ]'
        for _ in range(2)
    )
    text = f'[ Type = "collection"; Requirements = true; Rank = 1; Nodes = {{ {nodes} }}; ]'
    answer = alice.call(f"<w:jobSubmit><jdl>{text}</jdl><delegationId>wire</delegationId></w:jobSubmit>")
    parent, first, second = re.findall("<id>(.*?)</id>", answer.text)
    assert node.wait(parent).startswith("Done")
    for one in (parent, first, second):
        assert call(bob, "getJobStatus", one).value("ErrorCode") == "1218"
    assert add(alice, first, names[1]).status == 200  # by a node, for all of them
    for one in (parent, first, second):
        assert items(alice, one) == [*names]
        assert call(bob, "getJobStatus", one).value("status") == "Done"
        assert call(bob, "getJobProxyInfo", one).status == 200
        assert call(bob, "jobPurge", one).fault().code == "1207"
    assert bob.http("GET", f"{sandbox_path(second)}/output/out").body == b"node\n"
    assert remove(alice, second, names[1]).status == 200
    assert bob.http("GET", f"{sandbox_path(first)}/output/out").status == 404
