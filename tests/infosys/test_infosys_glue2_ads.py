"""From GLUE 2.0 entries to the ads that jobs are matched with."""

from __future__ import annotations

import dataclasses

import pytest

from infosys.ce_ads import assemble
from infosys.entry import Entry
from infosys.glue2 import AccessPolicy, Entity, MappingPolicy
from infosys.glue2_ads import assemble2, merge
from infosys.glue2_computing import (
    ApplicationEnvironment,
    Benchmark,
    ComputingEndpoint,
    ComputingManager,
    ComputingService,
    ComputingShare,
    ExecutionEnvironment,
    ToStorageService,
)
from infosys.glue2_storage import (
    StorageAccessProtocol,
    StorageEndpoint,
    StorageService,
    StorageShare,
    StorageShareCapacity,
)
from infosys.names import join
from jdl.evaluate import evaluate
from jdl.parser import parse, parse_expression
from jdl.values import UNDEFINED

CE = "ce.example.org:8443/cream-slurm-long"
S, E, M, R = "ce.example.org_ComputingElement", "ce.example.org_org.glite.ce.CREAM", "m", "r"


def placed(records: list[tuple[Entity, ...]], site: str = "SITE") -> list[Entry]:
    """Each record below those that stand after it in its tuple."""
    base = f"GLUE2GroupID=resource,GLUE2DomainID={site},GLUE2GroupID=grid,o=glue"
    return [chain[0].entry(join(*(above.rdn for above in chain[1:]), base)) for chain in records]


def share(name: str, rule: str, ce_id: str = CE, **more: object) -> list[tuple[Entity, ...]]:
    service = ComputingService(id=S, type="org.glite.ce.CREAM", domain_ids=("SITE",))
    values: dict[str, object] = {
        "free_slots": 7,
        "waiting_jobs": 444_444,
        "max_wall_time": 7200,
        "max_cpu_time": 999_999_999,
        "estimated_average_waiting_time": 60,
        "other_info": (f"CREAMCEId={ce_id}", "no pair", "InfoProviderHost=h"),
    }
    made = ComputingShare(id=name, service_id=S, endpoint_ids=(E,), resource_ids=(R,), **(values | more))  # type: ignore[arg-type]
    policy = MappingPolicy(id=f"{name}_policy", rules=(rule,), share_ids=(name,))
    return [(made, service), (policy, made, service)]


@pytest.fixture(params=["below the manager", "below the service"])
def tree(request: pytest.FixtureRequest) -> list[Entry]:
    """A CREAM service with two shares, in both renderings of resources."""
    service = ComputingService(id=S, type="org.glite.ce.CREAM", domain_ids=("SITE",))
    endpoint = ComputingEndpoint(
        id=E, service_id=S, url="https://ce.example.org:8443/ce-cream/services", interface_name="org.glite.ce.CREAM"
    )
    manager = ComputingManager(id=M, service_id=S, product_name="slurm", product_version="23", total_logical_cpus=64)
    environment = ExecutionEnvironment(
        id=R, manager_id=M, platform="x86_64", main_memory=4096, os_name="Debian", logical_cpus=8, total_instances=8
    )
    benchmark = Benchmark(id="b", type="specint2000", value=2500.4, environment_id=R)
    software = ApplicationEnvironment(id="a", app_name="VO-vo-tool", manager_id=M)
    close = ToStorageService(
        id="t", local_path="/mnt", remote_path="/", computing_service_id=S, storage_service_id="se.example.org"
    )
    idle = dataclasses.replace(endpoint, id="idle")
    above: tuple[Entity, ...] = (manager, service) if request.param == "below the manager" else (service,)
    return placed(
        [
            (service,),
            (endpoint, service),
            (idle, service),
            (manager, service),
            (environment, *above),
            (benchmark, environment, *above),
            (software, *above),
            (close, service),
            *share("long_vo", "VO:vo"),
            *share("long_prod", "VOMS:/vo/Role=production", free_slots=1),
        ]
    )


def test_one_ad_for_each_share_of_an_endpoint(tree: list[Entry]) -> None:
    found = assemble2(tree)
    assert found.problems == ()
    assert [record.key for record in found.records] == [f"{CE}/vo", f"{CE}/vo/Role=production"]
    record = found.records[0]
    assert (record.ce_id, record.host, record.site) == (CE, "ce.example.org", "SITE")
    assert record.endpoint == "https://ce.example.org:8443/ce-cream/services"
    assert record.access_rules == ("VO:vo",)


def test_expressions_of_glue_1_work_on_an_ad_that_glue_2_alone_knows(tree: list[Entry]) -> None:
    ad = assemble2(tree).records[0].ad
    expected = {
        "GlueCEUniqueID": CE,
        "GlueCEInfoHostName": "ce.example.org",
        "GlueCEAccessControlBaseRule": ("VO:vo",),
        "GlueCEStateStatus": "Production",
        "GlueCEStateFreeJobSlots": 7,
        "GlueCEStateWaitingJobs": 444_444,
        "GlueCEStateEstimatedResponseTime": 60,
        "GlueCEPolicyMaxWallClockTime": 120,
        "GlueCEPolicyMaxCPUTime": 999_999_999,
        "GlueCEInfoLRMSType": "slurm",
        "GlueCEInfoTotalCPUs": 64,
        "GlueHostArchitecturePlatformType": "x86_64",
        "GlueHostMainMemoryRAMSize": 4096,
        "GlueHostNetworkAdapterOutboundIP": True,
        "GlueHostOperatingSystemName": "Debian",
        "GlueSubClusterLogicalCPUs": 64,
        "GlueHostBenchmarkSI00": 2500,
        "GlueHostApplicationSoftwareRunTimeEnvironment": ("VO-vo-tool",),
        "GlueCESEBindGroupSEUniqueID": ("se.example.org",),
        "GlobusResourceContactString": "ce.example.org:8443/cream-slurm",
        "LRMSType": "slurm",
        "QueueName": "long",
        "CEid": CE,
        "GlueSiteUniqueID": "SITE",
        "PurchasedBy": "II_G2_purchaser",
        "GlueHostProcessorVendor": UNDEFINED,
    }
    assert {name: ad.value(name) for name in expected} == expected


@pytest.mark.parametrize(
    "expression, value",
    [
        ("other.GLUE2.Computing.Share.FreeSlots", 7),
        ("other.GLUE2.Computing.Share.ID", "long_vo"),
        ("other.GLUE2.Computing.Share.OtherInfo.CREAMCEId", CE),
        ("other.GLUE2.Computing.Share.Policy[0].Rule", ("VO:vo",)),
        ("other.GLUE2.Computing.Endpoint.InterfaceName", "org.glite.ce.CREAM"),
        ("other.GLUE2.Computing.Service.Type", "org.glite.ce.CREAM"),
        ("other.GLUE2.Computing.Manager.ProductName", "slurm"),
        ("other.GLUE2.ExecutionEnvironment.MainMemorySize", 4096),
        ("other.GLUE2.Benchmark[0].Type", "specint2000"),
        ('member("VO-vo-tool", other.GLUE2.ApplicationEnvironment.AppName)', True),
    ],
)
def test_the_glue_2_part_has_the_attributes_without_their_class(
    tree: list[Entry], expression: str, value: object
) -> None:
    assert evaluate(parse_expression(expression), parse("[ ]"), assemble2(tree).records[0].ad) == value


def test_an_endpoint_without_shares_gives_no_ad(tree: list[Entry]) -> None:
    without = [entry for entry in tree if "GLUE2ShareID" not in entry.dn]
    assert assemble2(without).records == ()


def test_a_share_without_policy_admits_whom_its_endpoint_admits_and_nobody_without(tree: list[Entry]) -> None:
    bare = [entry for entry in tree if "GLUE2PolicyID" not in entry.dn]
    assert [record.access_rules for record in assemble2(bare).records] == [(), ()]
    service = ComputingService(id=S, type="t", domain_ids=("SITE",))
    policy = AccessPolicy(id="p", rules=("VO:vo", "DENY:/vo/bad"), endpoint_ids=(E,))
    own = AccessPolicy(id="q", rules=("VO:other",), scheme="gacl", endpoint_ids=(E,))
    with_access = [*bare, *placed([(policy, service), (own, service)])]
    assert assemble2(with_access).records[0].access_rules == ("VO:vo", "DENY:/vo/bad")
    both = [*tree, *placed([(policy, service)])]
    assert assemble2(both).records[1].access_rules == ("VOMS:/vo/Role=production", "DENY:/vo/bad")


def test_the_more_restrictive_state_of_share_and_endpoint_counts(tree: list[Entry]) -> None:
    draining = [
        Entry(entry.dn, {**entry.attributes, "GLUE2EndpointServingState": ("draining",)})
        if entry.dn.startswith("GLUE2EndpointID")
        else entry
        for entry in tree
    ]
    assert assemble2(draining).records[0].ad.value("GlueCEStateStatus") == "Draining"


def test_another_site_cannot_hang_a_share_onto_a_service(tree: list[Entry]) -> None:
    foreign = placed(share("evil", "VO:evil", ce_id="x:1/cream-y-z"), site="EVIL")
    assert [record.key for record in assemble2([*foreign, *tree]).records] == [f"{CE}/vo", f"{CE}/vo/Role=production"]


def test_glue_2_completes_the_records_of_glue_1(grid: list[Entry], tree: list[Entry]) -> None:
    known = assemble(grid).records
    ce_id = known[0].ce_id
    own = placed(share("short_vo", "VO:vo", ce_id=ce_id, free_slots=42), site="TEST-SITE")
    second = assemble2([*own, *tree_of(tree)])
    merged = merge(known, second.records)
    assert [record.key for record in merged][:3] == [record.key for record in known]
    first = merged[0]
    assert first.ad.value("GlueCEStateFreeJobSlots") == 42
    assert evaluate(parse_expression("GLUE2.Computing.Share.FreeSlots"), first.ad) == 42
    assert first.ad.value("GlueHostApplicationSoftwareRunTimeEnvironment") == ("GLITE-3_2_0", "VO-vo-tool")
    assert first.ad.value("PurchasedBy") == "II_G13_purchaser"
    assert (first.access_rules, first.endpoint, first.host) == (known[0].access_rules, known[0].endpoint, known[0].host)
    assert merged[1].ad == known[1].ad
    assert len(merged) == 3


def tree_of(tree: list[Entry]) -> list[Entry]:
    """The service and endpoint of the tree, moved to the small grid's site."""
    wanted = ("GLUE2ServiceID", "GLUE2EndpointID", "GLUE2ManagerID", "GLUE2ResourceID")
    return [entry.moved(entry.dn.replace("=SITE", "=TEST-SITE")) for entry in tree if entry.dn.startswith(wanted)]


def test_another_sites_glue_2_does_not_change_a_record_of_glue_1(grid: list[Entry], tree: list[Entry]) -> None:
    known = assemble(grid).records
    lying = [
        entry.moved(entry.dn.replace("=TEST-SITE", "=EVIL"))
        for entry in [
            *placed(share("x", "VO:vo", ce_id=known[0].ce_id, free_slots=10**6), site="TEST-SITE"),
            *tree_of(tree),
        ]
    ]
    assert [record.ad for record in merge(known, assemble2(lying).records)] == [record.ad for record in known]


def test_a_storage_service_is_a_storage_element_and_close_to_the_services_that_name_it(tree: list[Entry]) -> None:
    service = StorageService(id="se.example.org", type="dpm", domain_ids=("SITE",))
    endpoint = StorageEndpoint(
        id="srm", service_id=service.id, url="https://se.example.org:8446/srm", interface_name="SRM"
    )
    protocol = StorageAccessProtocol(id="gsiftp", type="GSIFTP", version="2", service_id=service.id)
    area = StorageShare(id="vo_share", service_id=service.id, path="/vo")
    capacity = StorageShareCapacity(id="c", share_ids=(area.id,), total_size=10, free_size=4, used_size=6)
    policy = MappingPolicy(id="pol", rules=("VO:vo",), share_ids=(area.id,))
    below = ((endpoint,), (protocol,), (area,), (capacity, area), (policy, area))
    stored = placed([(service,), *((*chain, service) for chain in below)])
    (record,) = assemble2([*tree, *stored]).storage
    assert (record.se_id, record.site, record.protocols) == ("se.example.org", "SITE", {"gsiftp"})
    assert evaluate(parse_expression("GlueSA[0].GlueSAFreeOnlineSize"), record.ad) == 4
    assert evaluate(parse_expression("GlueSA[0].GlueSAStateAvailableSpace"), record.ad) == 4_000_000
    found = assemble2([*tree, *stored]).records[0]
    job = parse('[ VirtualOrganisation = "vo" ]')
    assert evaluate(parse_expression("anyMatch(other.storage.CloseSEs, target.freespace > 1)"), job, found.ad) is True
