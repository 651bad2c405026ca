"""Jobs with data on a real node: the catalogue, the match, .BrokerInfo and glite-brokerinfo on the worker node."""

from __future__ import annotations

import json
import re
import time

import pytest

from infosys.entry import Entry
from infosys.server import LdapServer
from node.configuration import Configuration

SE = "se.example.org"
FAR = "far.example.org"
FILE = "lfn:/grid/testvo/raw.dat"


def se(name: str, suffix: str, *protocols: tuple[str, int]) -> list[Entry]:
    """A storage element of GLUE 1.3."""
    dn = f"GlueSEUniqueID={name},{suffix}"
    entries = [
        Entry(dn, {"objectClass": ("GlueSE",), "GlueSEUniqueID": (name,), "GlueSEName": (name,)}),
        Entry(
            f"GlueSALocalID=testvo,{dn}",
            {
                "objectClass": ("GlueSA",),
                "GlueSALocalID": ("testvo",),
                "GlueSAStateAvailableSpace": ("12345",),
                "GlueSAPath": ("/data/testvo",),
            },
        ),
    ]
    for kind, port in protocols:
        access = {"objectClass": ("GlueSEAccessProtocol",), "GlueSEAccessProtocolLocalID": (kind,),
                  "GlueSEAccessProtocolType": (kind,), "GlueSEAccessProtocolPort": (str(port),)}  # fmt: skip
        entries.append(Entry(f"GlueSEAccessProtocolLocalID={kind},{dn}", access))
    return entries


@pytest.fixture(scope="module")
def grid(make_node):
    """A node with two queues, the second close to a storage element that another information source publishes."""
    made = make_node()
    path = made.root / "wms.toml"
    suffix = "mds-vo-name=resource,o=grid"
    conf = Configuration.read(path)
    host, port = conf.ce_address
    near = f"{host}:{port}/cream-fork-near"
    group = f"GlueCESEBindGroupCEUniqueID={near},{suffix}"
    bind = {"objectClass": ("GlueCESEBind",), "GlueCESEBindCEUniqueID": (near,), "GlueCESEBindSEUniqueID": (SE,),
            "GlueCESEBindCEAccesspoint": ("/mnt/se",), "GlueCESEBindWeight": ("0",)}  # fmt: skip
    entries = [
        *se(SE, suffix, ("gsiftp", 2811), ("rfio", 5001)),
        *se(FAR, suffix, ("gsiftp", 2811)),
        Entry(group, {"objectClass": ("GlueCESEBindGroup",), "GlueCESEBindGroupCEUniqueID": (near,),
                      "GlueCESEBindGroupSEUniqueID": (SE,)}),
        Entry(f"GlueCESEBindSEUniqueID={SE},{group}", bind),
    ]  # fmt: skip
    with LdapServer("127.0.0.1:0") as server:
        server.publish(entries)
        sources = f'["ldap://127.0.0.1:{conf.ce.ldap_port}", "ldap://127.0.0.1:{server.port}/{suffix}"]'
        text = path.read_text().replace("[bdii]\n", f"[bdii]\nsources = {sources}\nrefresh = 1.0\n")
        text = text.replace("[broker]\n", "[broker]\nmatch_retry_period = 2.0\n")
        path.write_text(text + '\n[[ce.queue]]\nname = "near"\nslots = 2\n')
        made.wms("up", "--detach")
        made.proxy("alice")
        made.near = near
        yield made
        made.wms("down")


def jdl(data: str, more: str = "", arguments: str = "-c 'glite-brokerinfo getCE'") -> str:
    return f"""[
      Executable = "/bin/sh"; Arguments = "{arguments}"; StdOutput = "out"; StdError = "err";
      OutputSandbox = {{ "out", "err" }}; Requirements = other.GlueCEStateStatus == "Production"; Rank = 0;
      DataAccessProtocol = {{ "gsiftp", "file" }}; {data} {more}
    ]"""


def output(node, job: str) -> str:
    place = node.work / f"out-{re.sub('[^A-Za-z0-9]', '', job)[-12:]}"
    node.command("glite-wms-job-output", "--noint", "--dir", str(place), job)
    found = [path for path in place.rglob("out") if path.is_file()]
    assert found, list(place.rglob("*"))
    return found[0].read_text() + next(place.rglob("err")).read_text()


def test_a_job_runs_near_its_data_and_can_ask_where_it_is(grid):
    grid.wms("catalogue", "add", FILE, f"srm://{FAR}/raw.dat", f"srm://{SE}:8446/srm/managerv2?SFN=/raw.dat")
    grid.wms("catalogue", "alias", FILE, "lfn:second")
    script = "".join(
        f"echo == {line}; glite-brokerinfo {line}; "
        for line in ("getCE", "getDataAccessProtocol", "getInputData", "getSEs", "getCloseSEs",
                     f"getSEMountPoint {SE}", f"getSEFreeSpace {SE}", f"getLFN2SFN {FILE}", f"getSEProtocols {SE}",
                     f"getSEPort {SE} rfio", "getVirtualOrganization", "--json getSEs")
    )  # fmt: skip
    files = {"ask.sh": f'#!/bin/sh\n{script} echo "$EDG_WL_RB_BROKERINFO"; cat .BrokerInfo\n'}
    job = grid.submit(
        jdl(f'InputData = {{ "{FILE}", "lfn:second" }};', 'InputSandbox = "ask.sh";', "ask.sh"), files=files
    )
    assert grid.wait(job).startswith("Done")
    assert grid.job_status(job)["Destination"] == grid.near
    said = output(grid, job)
    answers = dict(part.split("\n", 1) for part in said.partition("[ ComputingElement")[0].split("== ")[1:])
    assert answers["getCE"] == f"{grid.near}\n"
    assert answers["getDataAccessProtocol"] == "gsiftp\nfile\n"
    assert answers["getInputData"] == f"{FILE}\nlfn:second\n"
    assert answers["getSEs"] == f"{FAR}\n{SE}\n"
    assert answers["getCloseSEs"] == f"{SE}\n"
    assert answers[f"getSEMountPoint {SE}"] == "/mnt/se\n"
    assert answers[f"getSEFreeSpace {SE}"] == "12345\n"
    assert answers[f"getLFN2SFN {FILE}"] == f"srm://{FAR}/raw.dat\nsrm://{SE}:8446/srm/managerv2?SFN=/raw.dat\n"
    assert answers[f"getSEProtocols {SE}"] == "gsiftp\nrfio\n"
    assert answers[f"getSEPort {SE} rfio"] == "5001\n"
    assert answers["getVirtualOrganization"] == "testvo\n"
    json_line, variable = answers["--json getSEs"].splitlines()[:2]
    assert json.loads(json_line) == [FAR, SE]
    assert variable.endswith("/.BrokerInfo")


def test_list_match_asks_the_catalogue_and_says_what_is_missing(grid):
    grid.wms("catalogue", "add", "lfn:far", f"sfn://{FAR}/x")
    for name, data in (("near", FILE), ("far", "lfn:far"), ("none", "lfn:none")):
        (grid.work / f"{name}.jdl").write_text(jdl(f'InputData = "{data}";'))
    found = grid.command("glite-wms-job-list-match", "-a", "--noint", "near.jdl").stdout
    assert grid.near in found and "cream-fork-default" not in found
    far = grid.command("glite-wms-job-list-match", "-a", "--noint", "far.jdl")
    far = far.stdout + far.stderr
    assert f"{FAR} is close to no computing element" in far
    none = grid.command("glite-wms-job-list-match", "-a", "--noint", "none.jdl")
    none = none.stdout + none.stderr
    assert "lfn:none has no replica" in none and "No such file: lfn:none" in none


def test_nodes_of_a_collection_get_the_file_too(grid):
    node = '[ NodeName = "a"; Executable = "/bin/sh"; Arguments = "-c \'glite-brokerinfo getCE\'"; StdOutput = "out";'
    text = f"""[ Type = "collection"; Nodes = {{
        {node} StdError = "err"; OutputSandbox = {{ "out", "err" }}; Requirements = true; Rank = 0;
        InputData = "{FILE}"; DataAccessProtocol = "gsiftp"; ] }}; ]"""
    job = grid.submit(text)
    assert grid.wait(job).startswith("Done")
    assert output(grid, job) == f"{grid.near}\n"


def test_a_job_waits_until_its_file_is_registered(grid):
    job = grid.submit(jdl('InputData = "lfn:later";'))
    deadline = time.monotonic() + 20
    reason = ""
    while "lfn:later" not in reason and time.monotonic() < deadline:
        reason = grid.job_status(job).get("Status Reason") or ""
        time.sleep(0.3)
    assert "BrokerHelper: no compatible resources" in reason and "lfn:later has no replica" in reason
    assert "Waiting" in grid.job_status(job)["Current Status"]
    grid.wms("catalogue", "add", "lfn:later", SE)
    assert grid.wait(job).startswith("Done")
    assert output(grid, job) == f"{grid.near}\n"


def test_the_file_is_nobody_else_s(grid):
    job = grid.submit(jdl("", arguments="-c 'test -s .BrokerInfo && stat -c %a .BrokerInfo'"))
    assert grid.wait(job).startswith("Done")
    places = list((grid.root / "sandbox").glob("SandboxDir/*/*/input/.BrokerInfo"))
    assert places and all(path.stat().st_mode & 0o777 == 0o600 for path in places)
