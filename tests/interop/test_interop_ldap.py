"""``ldapsearch`` against the node's information system: GLUE 1.3 entries as every grid client reads them."""

import base64

import pytest

ELEMENT_CLASSES = {"GlueCETop", "GlueCE", "GlueCEAccessControlBase", "GlueCEInfo", "GlueCEPolicy", "GlueCEState"}


@pytest.fixture(scope="module")
def search(alice, tool):
    program = tool("ldapsearch", "ldap-utils")

    def run(filter_text, *attributes, base="mds-vo-name=local,o=grid", scope="sub", port=None, check=True):
        url = f"ldap://127.0.0.1:{port or alice.node.configuration().bdii.port}"
        result = alice.run(
            program, "-x", "-LLL", "-o", "ldif-wrap=no", "-H", url, "-b", base, "-s", scope, filter_text, *attributes
        )
        if check:
            assert result.returncode == 0, result.stderr
            return entries(result.stdout)
        return result

    return run


def entries(ldif):
    found = []
    for block in ldif.strip().split("\n\n"):
        entry = {}
        for line in block.splitlines():
            name, _, value = line.partition(":")
            text = base64.b64decode(value[1:]).decode() if value.startswith(":") else value.strip()
            entry.setdefault(name, []).append(text)
        if entry:
            found.append(entry)
    return found


def test_a_computing_element_is_a_glue_1_3_entry(alice, search):
    conf = alice.node.configuration()
    name = f"localhost:{conf.ce.port}/cream-fork-default"
    (element,) = search("(objectClass=GlueCE)")
    assert element["dn"] == [f"GlueCEUniqueID={name},mds-vo-name=WMS-TEST,mds-vo-name=local,o=grid"]
    assert set(element["objectClass"]) >= ELEMENT_CLASSES
    assert element["GlueCEUniqueID"] == [name]
    assert element["GlueCEAccessControlBaseRule"] == ["VO:testvo"]
    assert element["GlueCEStateStatus"] == ["Production"]
    assert element["GlueCEInfoContactString"] == [f"https://localhost:{conf.ce.port}/ce-cream/services"]
    assert element["GlueCEImplementationName"] == ["CREAM"]
    assert [int(element[key][0]) >= 0 for key in ("GlueCEStateFreeJobSlots", "GlueCEStateWaitingJobs")] == [True] * 2
    assert element["GlueSchemaVersionMajor"] == ["1"]
    assert element["GlueSchemaVersionMinor"] == ["3"]


def test_cluster_and_sub_cluster_are_joined_by_foreign_keys(search):
    (element,) = search("(objectClass=GlueCE)", "GlueForeignKey")
    (cluster,) = search("(objectClass=GlueCluster)")
    (sub,) = search("(objectClass=GlueSubCluster)")
    assert element["GlueForeignKey"] == [f"GlueClusterUniqueID={cluster['GlueClusterUniqueID'][0]}"]
    assert sub["GlueChunkKey"] == [f"GlueClusterUniqueID={cluster['GlueClusterUniqueID'][0]}"]
    assert sub["GlueHostMainMemoryRAMSize"] == ["2048"]


@pytest.mark.parametrize(
    ("filter_text", "count"),
    [
        ("(objectClass=glueCE)", 1),
        ("(&(objectClass=GlueCE)(GlueCEAccessControlBaseRule=VO:testvo))", 1),
        ("(&(objectClass=GlueCE)(GlueCEAccessControlBaseRule=VO:other))", 0),
        ("(|(objectClass=GlueCluster)(objectClass=GlueSubCluster))", 2),
        ("(&(objectClass=GlueCE)(!(GlueCEStateStatus=Closed)))", 1),
        ("(GlueCEUniqueID=localhost:*-fork-*)", 1),
        ("(GlueCEUniqueID=*nothing*)", 0),
        ("(&(objectClass=GlueCE)(GlueCEPolicyMaxRunningJobs>=1))", 1),
        ("(&(objectClass=GlueCE)(GlueCEPolicyMaxRunningJobs<=0))", 0),
        ("(GlueHostMainMemoryRAMSize=2048)", 1),
        ("(GlueNoSuchAttribute=*)", 0),
        ("(&)", 4),
    ],
)
def test_filters(search, filter_text, count):
    found = search(filter_text, "1.1")
    assert len(found) == count if filter_text != "(&)" else len(found) >= count


def test_only_the_attributes_that_are_asked_for(search):
    (element,) = search("(objectClass=GlueCE)", "glueceuniqueid", "GlueCEStateStatus")
    assert {key.lower() for key in element} == {"dn", "glueceuniqueid", "gluecestatestatus"}
    (bare,) = search("(objectClass=GlueCE)", "1.1")
    assert set(bare) == {"dn"}


def test_bases_and_scopes(search):
    (element,) = search("(objectClass=GlueCE)", "1.1", base="o=grid")
    site = "mds-vo-name=WMS-TEST,mds-vo-name=local,o=grid"
    assert search("(objectClass=GlueCE)", "1.1", base=site) == [element]
    assert search("(objectClass=GlueCE)", "1.1", base=site, scope="one") == [element]
    assert search("(objectClass=*)", "1.1", base=element["dn"][0], scope="base") == [element]
    assert search("(objectClass=GlueCE)", "1.1", base="o=grid", scope="base") == []
    missing = search("(objectClass=*)", base="mds-vo-name=nowhere,o=grid", check=False)
    assert (missing.returncode, "No such object" in missing.stderr) == (32, True)


def test_the_resource_level_publishes_the_same_element(alice, search):
    (element,) = search("(objectClass=GlueCE)", "GlueCEUniqueID")
    (resource,) = search(
        "(objectClass=GlueCE)", "GlueCEUniqueID", base="mds-vo-name=resource,o=grid",
        port=alice.node.configuration().ce.ldap_port,
    )  # fmt: skip
    assert resource["GlueCEUniqueID"] == element["GlueCEUniqueID"]


def test_a_filter_that_is_none_and_a_write_are_refused(alice, search, tool):
    wrong = search("(objectClass=", check=False)
    assert wrong.returncode != 0
    url = f"ldap://127.0.0.1:{alice.node.configuration().bdii.port}"
    (alice.node.work / "x.ldif").write_text("dn: o=grid\nchangetype: delete\n")
    refused = alice.run(tool("ldapmodify", "ldap-utils"), "-x", "-H", url, "-f", "x.ldif")
    assert refused.returncode != 0
    assert search("(objectClass=GlueCE)", "1.1")
