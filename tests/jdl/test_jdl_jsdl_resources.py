"""Resources of JSDL documents as requirements on computing elements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ce.glue1_records import queue_entries
from ce.occupation import Occupation
from ce.settings import CeSettings, Queue
from infosys.ce_ads import assemble
from jdl.classad import ClassAd
from jdl.evaluate import evaluate_attribute
from jdl.nodes import Expr, Reference


def resources(documents: Any, content: str) -> ClassAd:
    run = "<p:POSIXApplication><p:Executable>/bin/true</p:Executable></p:POSIXApplication>"
    found: ClassAd = documents.translated(f"<j:Application>{run}</j:Application><j:Resources>{content}</j:Resources>")
    return found


def requirements(ad: ClassAd) -> str:
    expr = ad.get("requirements")
    assert expr is not None
    text = expr.text()
    assert text.startswith('other.GlueCEStateStatus == "Production"')
    return text.removeprefix('other.GlueCEStateStatus == "Production"').removeprefix(" && ")



def ranged(documents: Any, name: str, content: str) -> str:
    return requirements(resources(documents, f"<j:{name}>{content}</j:{name}>"))


MB = 1 << 20


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (f"<j:Exact>{512 * MB}</j:Exact>", "{} == 512"),
        (f'<j:Exact epsilon="{MB}">{512 * MB}</j:Exact>', "{0} >= 511 && {0} <= 513"),
        (f"<j:LowerBoundedRange>{512 * MB}</j:LowerBoundedRange>", "{} >= 512"),
        (f'<j:LowerBoundedRange exclusiveBound="true">{512 * MB}</j:LowerBoundedRange>', "{} > 512"),
        (f"<j:UpperBoundedRange>{512 * MB}</j:UpperBoundedRange>", "{} <= 512"),
        (f'<j:UpperBoundedRange exclusiveBound="1">{512 * MB}</j:UpperBoundedRange>', "{} < 512"),
        (
            f"<j:Range><j:LowerBound>{MB}</j:LowerBound>"
            f'<j:UpperBound exclusiveBound="true">{9 * MB}</j:UpperBound></j:Range>',
            "{0} >= 1 && {0} < 9",
        ),
        (
            f"<j:UpperBoundedRange>{9 * MB}</j:UpperBoundedRange><j:LowerBoundedRange>{MB}</j:LowerBoundedRange>",
            "{0} >= 1 && {0} <= 9",
        ),
        (
            f"<j:UpperBoundedRange>{MB}</j:UpperBoundedRange><j:LowerBoundedRange>{9 * MB}</j:LowerBoundedRange>",
            "({0} <= 1 || {0} >= 9)",
        ),
        (f"<j:Exact>{MB}</j:Exact><j:Exact>{2 * MB}</j:Exact>", "({0} == 1 || {0} == 2)"),
        (f"<j:LowerBoundedRange>{MB + MB // 2}</j:LowerBoundedRange>", "{} >= 1.5"),
        ("<j:LowerBoundedRange>5.36870912E8</j:LowerBoundedRange>", "{} >= 512"),
    ],
)
def test_each_form_of_a_range(documents: Any, content: str, wanted: str) -> None:
    assert ranged(documents, "IndividualPhysicalMemory", content) == wanted.format("other.GlueHostMainMemoryRAMSize")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (
            "<j:CandidateHosts><j:HostName>a.org</j:HostName></j:CandidateHosts>",
            '(other.GlueCEInfoHostName == "a.org" || other.GlueCEUniqueID == "a.org")',
        ),
        (
            "<j:CandidateHosts><j:HostName>a</j:HostName><j:HostName>b</j:HostName></j:CandidateHosts>",
            '(member(other.GlueCEInfoHostName,{ "a","b" }) || member(other.GlueCEUniqueID,{ "a","b" }))',
        ),
        (
            "<j:CPUArchitecture><j:CPUArchitectureName>x86_64</j:CPUArchitectureName></j:CPUArchitecture>",
            'RegExp("^(x86_64|amd64|em64t)$",other.GlueHostArchitecturePlatformType,"i")',
        ),
        ("<j:CPUArchitecture><j:CPUArchitectureName>other</j:CPUArchitectureName></j:CPUArchitecture>", ""),
        (
            "<j:OperatingSystem><j:OperatingSystemType><j:OperatingSystemName>FreeBSD</j:OperatingSystemName>"
            "</j:OperatingSystemType><j:OperatingSystemVersion>9.1</j:OperatingSystemVersion></j:OperatingSystem>",
            'RegExp("^FreeBSD$",other.GlueHostOperatingSystemName,"i") && '
            '(other.GlueHostOperatingSystemRelease == "9.1" || other.GlueHostOperatingSystemVersion == "9.1")',
        ),
        (
            "<j:IndividualCPUSpeed><j:LowerBoundedRange>2.0E9</j:LowerBoundedRange></j:IndividualCPUSpeed>",
            "other.GlueHostProcessorClockSpeed >= 2000",
        ),
        (
            f"<j:IndividualVirtualMemory><j:Exact>{MB}</j:Exact></j:IndividualVirtualMemory>",
            "other.GlueHostMainMemoryVirtualSize == 1",
        ),
        ("<j:IndividualCPUTime><j:Exact>3600</j:Exact></j:IndividualCPUTime>", "other.GlueCEPolicyMaxCPUTime >= 60"),
        (
            "<j:TotalCPUTime><j:Range><j:LowerBound>60</j:LowerBound><j:UpperBound>121</j:UpperBound></j:Range>"
            "</j:TotalCPUTime>",
            "other.GlueCEPolicyMaxCPUTime >= 3",
        ),
        (
            f"<j:TotalPhysicalMemory><j:LowerBoundedRange>{8 * MB}</j:LowerBoundedRange></j:TotalPhysicalMemory>"
            "<j:TotalResourceCount><j:Exact>4</j:Exact></j:TotalResourceCount>",
            "other.GlueHostMainMemoryRAMSize >= 2",
        ),
        ("<j:ExclusiveExecution>true</j:ExclusiveExecution>", ""),
    ],
)
def test_each_resource_becomes_a_requirement(documents: Any, content: str, wanted: str) -> None:
    assert requirements(resources(documents, content)) == wanted


def count(name: str, content: str) -> str:
    return f"<j:{name}>{content}</j:{name}>"


@pytest.mark.parametrize(
    ("each", "total", "hosts", "wanted"),
    [
        ("", "<j:Exact>4</j:Exact>", "", {"CpuNumber": 4}),
        ("", "<j:LowerBoundedRange exclusiveBound='true'>4</j:LowerBoundedRange>", "", {"CpuNumber": 5}),
        ("", "<j:UpperBoundedRange>4</j:UpperBoundedRange>", "", {"CpuNumber": 1}),
        ("", "<j:Exact>8</j:Exact><j:Exact>4</j:Exact>", "", {"CpuNumber": 4}),
        ("<j:Exact>2</j:Exact>", "", "", {"CpuNumber": 2, "SMPGranularity": 2}),
        ("", "", "<j:Exact>3</j:Exact>", {"CpuNumber": 3, "HostNumber": 3}),
        ("<j:Exact>2</j:Exact>", "", "<j:Exact>3</j:Exact>", {"CpuNumber": 6, "SMPGranularity": 2}),
        ("<j:Exact>2</j:Exact>", "<j:Exact>8</j:Exact>", "", {"CpuNumber": 8, "SMPGranularity": 2}),
        ("", "<j:Exact>8</j:Exact>", "<j:Exact>2</j:Exact>", {"CpuNumber": 8, "HostNumber": 2}),
        ("<j:Exact>2</j:Exact>", "<j:Exact>6</j:Exact>", "<j:Exact>3</j:Exact>", {"CpuNumber": 6, "SMPGranularity": 2}),
    ],
)
def test_processors_and_hosts(documents: Any, each: str, total: str, hosts: str, wanted: dict[str, int]) -> None:
    names = {"IndividualCPUCount": each, "TotalCPUCount": total, "TotalResourceCount": hosts}
    ad = resources(documents, "".join(count(name, content) for name, content in names.items() if content))
    found = {name: ad.integer(name) for name in ("CpuNumber", "SMPGranularity", "HostNumber") if name in ad}
    assert found == wanted


def test_exclusive_execution_is_whole_nodes(documents: Any) -> None:
    assert resources(documents, "<j:ExclusiveExecution>true</j:ExclusiveExecution>").boolean("WholeNodes") is True
    assert "WholeNodes" not in resources(documents, "<j:ExclusiveExecution>false</j:ExclusiveExecution>")


EVERYTHING = (
    "<j:CandidateHosts><j:HostName>ce.example.org</j:HostName></j:CandidateHosts>"
    "<j:OperatingSystem><j:OperatingSystemType><j:OperatingSystemName>LINUX</j:OperatingSystemName>"
    "</j:OperatingSystemType></j:OperatingSystem>"
    "<j:IndividualPhysicalMemory><j:LowerBoundedRange>1048576</j:LowerBoundedRange></j:IndividualPhysicalMemory>"
    "<j:IndividualVirtualMemory><j:LowerBoundedRange>1048576</j:LowerBoundedRange></j:IndividualVirtualMemory>"
    "<j:IndividualCPUTime><j:UpperBoundedRange>60</j:UpperBoundedRange></j:IndividualCPUTime>"
    "<j:TotalPhysicalMemory><j:LowerBoundedRange>1048576</j:LowerBoundedRange></j:TotalPhysicalMemory>"
)


def computing_element() -> ClassAd:
    """What the broker sees of a computing element of this system."""
    nowhere = Path("/nonexistent")
    settings = CeSettings(
        host="ce.example.org",
        work_directory=nowhere,
        database_url="sqlite://",
        host_certificate=nowhere,
        host_key=nowhere,
        trust_directory=nowhere,
        spool_directory=nowhere,
        queues=(Queue(name="long", access_rules=("VO:testvo",)),),
    )
    idle = Occupation(running=0, waiting=0, busy=0, mean_seconds=60.0)
    assembly = assemble(queue_entries(settings, settings.queues[0], idle, {}, ()))
    assert assembly.problems == ()
    return assembly.records[0].ad


def test_a_computing_element_of_this_system_meets_a_modest_document(documents: Any) -> None:
    other = computing_element()
    assert evaluate_attribute(resources(documents, EVERYTHING), "requirements", other) is True
    wrong = EVERYTHING.replace("LINUX", "MACOS")
    assert evaluate_attribute(resources(documents, wrong), "requirements", other) is False


def references(expr: Expr) -> set[str]:
    found = {expr.name} if isinstance(expr, Reference) and expr.scope == "other" else set()
    return found.union(*(references(child) for child in expr.children()))


def test_only_what_computing_elements_publish_is_asked_for(documents: Any) -> None:
    more = (
        "<j:OperatingSystem><j:OperatingSystemVersion>1</j:OperatingSystemVersion></j:OperatingSystem>"
        "<j:CPUArchitecture><j:CPUArchitectureName>arm</j:CPUArchitectureName></j:CPUArchitecture>"
        "<j:IndividualCPUSpeed><j:Exact>1</j:Exact></j:IndividualCPUSpeed>"
    )
    other = computing_element()
    for content in (EVERYTHING, more):
        expr = resources(documents, content).get("requirements")
        assert expr is not None
        assert {name for name in references(expr) if name not in other} == set()


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans(), st.booleans()), min_size=1, max_size=3),
    st.integers(-1, 32),
)
def test_a_range_holds_exactly_what_it_says(
    documents: Any, intervals: list[tuple[int, int, bool, bool]], value: int
) -> None:
    real = [
        (low, high, one, two) for low, high, one, two in intervals if low < high or (low == high and not (one or two))
    ]
    if not real:
        return
    text = "".join(
        f'<j:Range><j:LowerBound exclusiveBound="{str(one).lower()}">{low * MB}</j:LowerBound>'
        f'<j:UpperBound exclusiveBound="{str(two).lower()}">{high * MB}</j:UpperBound></j:Range>'
        for low, high, one, two in real
    )
    wanted = any(
        (low < value or (low == value and not one)) and (value < high or (value == high and not two))
        for low, high, one, two in real
    )
    ad = resources(documents, count("IndividualPhysicalMemory", text))
    other = ClassAd()
    other.set("GlueCEStateStatus", "Production")
    other.set("GlueHostMainMemoryRAMSize", value)
    assert evaluate_attribute(ad, "requirements", other) is wanted
