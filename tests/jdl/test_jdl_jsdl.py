"""JSDL documents, as literal XML, to job descriptions."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from ce.publisher import Occupation, records
from ce.settings import CeSettings, Queue
from infosys.ce_ads import assemble
from infosys.glue1 import entries_of
from jdl.check import check
from jdl.classad import ClassAd
from jdl.errors import NotExpressible
from jdl.evaluate import evaluate_attribute
from jdl.jsdl import to_jdl
from jdl.nodes import Expr, Reference
from jdl.parser import parse
from wsdl.codec import Codec, ValueRefused
from wsdl.contract import Contract

JSDL = "http://schemas.ggf.org/jsdl/2005/11/jsdl"
POSIX = "http://schemas.ggf.org/jsdl/2005/11/jsdl-posix"
CODEC = Codec(Contract.load("WMProxy.wsdl").schemas)
READ = CODEC.reader(f"{{{JSDL}}}JobDefinition_Type")
TRUE = "<p:Executable>/bin/true</p:Executable>"


def decoded(body: str) -> Any:
    """The content of a JobDescription as the service reads it."""
    text = f'<d xmlns:j="{JSDL}" xmlns:p="{POSIX}"><j:JobDescription>{body}</j:JobDescription></d>'
    return READ(etree.fromstring(text))


def posix(content: str, more: str = "", application: str = "") -> str:
    return f"<j:Application>{application}<p:POSIXApplication>{content}</p:POSIXApplication></j:Application>{more}"


def translated(body: str) -> ClassAd:
    text = to_jdl(decoded(body))
    assert "\n" not in text
    ad = parse(text)
    check(ad, vo="testvo")
    return ad


def resources(content: str) -> ClassAd:
    return translated(posix(TRUE, f"<j:Resources>{content}</j:Resources>"))


def refused(body: str) -> NotExpressible:
    with pytest.raises(NotExpressible) as caught:
        to_jdl(decoded(body))
    assert caught.value.code == 1225
    assert caught.value.description == f"JSDL {caught.value.element}: {caught.value.reason}"
    return caught.value


def requirements(ad: ClassAd) -> str:
    expr = ad.get("requirements")
    assert expr is not None
    text = expr.text()
    assert text.startswith('other.GlueCEStateStatus == "Production"')
    return text.removeprefix('other.GlueCEStateStatus == "Production"').removeprefix(" && ")


# -- the application

FULL = """
<j:JobIdentification><j:JobName>my job</j:JobName><j:Description>what it does</j:Description>
  <j:JobAnnotation>one</j:JobAnnotation><j:JobAnnotation>two</j:JobAnnotation><j:JobProject>p</j:JobProject>
</j:JobIdentification>
<j:Application>
  <j:ApplicationName>gnuplot</j:ApplicationName><j:ApplicationVersion>4.0</j:ApplicationVersion>
  <j:Description>plots</j:Description>
  <p:POSIXApplication name="plot">
    <p:Executable>run.sh</p:Executable>
    <p:Argument>control.txt</p:Argument><p:Argument>two words</p:Argument><p:Argument/>
    <p:Argument>it's "so"</p:Argument>
    <p:Input>input.dat</p:Input><p:Output>out.png</p:Output><p:Error>err.txt</p:Error>
    <p:WorkingDirectory>.</p:WorkingDirectory>
    <p:Environment name="A">1</p:Environment><p:Environment name="B"> x = y </p:Environment>
  </p:POSIXApplication>
</j:Application>
<j:DataStaging><j:FileName>run.sh</j:FileName><j:CreationFlag>overwrite</j:CreationFlag>
  <j:Source/></j:DataStaging>
<j:DataStaging name="in"><j:FileName>input.dat</j:FileName><j:CreationFlag>overwrite</j:CreationFlag>
  <j:DeleteOnTermination>true</j:DeleteOnTermination>
  <j:Source><j:URI>gsiftp://se.example.org/data/42</j:URI></j:Source></j:DataStaging>
<j:DataStaging><j:FileName>out.png</j:FileName><j:CreationFlag>overwrite</j:CreationFlag>
  <j:Target><j:URI>https://se.example.org/plots/a.png</j:URI></j:Target></j:DataStaging>
<j:DataStaging><j:FileName>sub/log</j:FileName><j:CreationFlag>overwrite</j:CreationFlag><j:Target/></j:DataStaging>
"""


@pytest.mark.parametrize("form", ["qualified", "unqualified"])
def test_a_whole_document_becomes_a_job_that_is_accepted(form: str) -> None:
    body = FULL if form == "qualified" else re.sub(r"(</?)[jp]:", r"\1", FULL)
    if form == "unqualified":
        text = f"<d><JobDescription>{body}</JobDescription></d>"
        ad = parse(to_jdl(READ(etree.fromstring(text))))  # type: ignore[arg-type]
        check(ad, vo="testvo")
    else:
        ad = translated(body)
    assert ad == parse(
        """
        Type = "job"; JobType = "normal"; Executable = "run.sh";
        Arguments = "control.txt 'two words' '' 'it'\\"'\\"'s \\"so\\"'";
        StdInput = "input.dat"; StdOutput = "out.png"; StdError = "err.txt";
        Environment = { "A=1", "B= x = y " };
        InputSandbox = { "run.sh", "gsiftp://se.example.org/data/42" };
        InputSandboxDestFileName = { "run.sh", "input.dat" };
        OutputSandbox = { "out.png", "sub/log", "err.txt" };
        OutputSandboxDestURI = { "https://se.example.org/plots/a.png", "log", "err.txt" };
        UserTags = [ JobName = "my job"; JobDescription = "what it does"; JobAnnotation = "one"; JobAnnotation2 = "two";
          JobProject = "p"; ApplicationName = "gnuplot"; ApplicationVersion = "4.0"; ApplicationDescription = "plots";
          POSIXApplicationName = "plot" ];
        requirements = other.GlueCEStateStatus == "Production"; rank = -other.GlueCEStateEstimatedResponseTime;
        """
    )


def test_streams_come_back_to_the_user_when_nothing_else_is_said() -> None:
    ad = translated(posix(TRUE + "<p:Output>o</p:Output><p:Error>/dev/null</p:Error>"))
    assert ad.strings("OutputSandbox") == ("o",)
    assert "OutputSandboxDestURI" not in ad


XML = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))


@settings(max_examples=80)
@given(st.lists(XML, max_size=4), XML, XML.filter(lambda name: name and not set(name) & set("*[]{}?$")))
def test_any_text_survives(arguments: list[str], variable: str, name: str) -> None:
    words = "".join(f"<p:Argument>{escape(word)}</p:Argument>" for word in arguments)
    ad = translated(
        posix(
            f"<p:Executable>/bin/{escape(name)}</p:Executable>{words}"
            f"<p:Environment name='V'>{escape(variable)}</p:Environment>",
            application=f"<j:ApplicationName>{escape(name)}</j:ApplicationName>",
        )
    )
    assert tuple(shlex.split(ad.string("Arguments") or "")) == tuple(arguments)
    assert ad.strings("Environment") == (f"V={variable}",)
    assert ad.string("Executable") == f"/bin/{name}"
    tags = ad.record("UserTags")
    assert tags is not None
    assert tags.string("ApplicationName") == name


def test_directories_of_file_systems_stand_before_what_refers_to_them() -> None:
    ad = translated(
        posix(
            '<p:Executable filesystemName="ROOT">opt/x</p:Executable><p:Argument filesystemName="data">a b</p:Argument>'
            '<p:Input filesystemName="data">in</p:Input>'
            '<p:Environment name="D" filesystemName="data">sub</p:Environment>',
            '<j:Resources><j:FileSystem name="data"><j:FileSystemType>normal</j:FileSystemType>'
            "<j:MountPoint>/mnt/data/</j:MountPoint></j:FileSystem></j:Resources>",
        )
    )
    assert ad.string("Executable") == "/opt/x"
    assert ad.string("Arguments") == "'/mnt/data/a b'"
    assert ad.string("StdInput") == "/mnt/data/in"
    assert ad.strings("Environment") == ("D=/mnt/data/sub",)


# -- limits


def test_limits_are_asked_of_the_computing_element_and_set_by_the_shell() -> None:
    ad = translated(
        posix(
            TRUE + "<p:Argument>x</p:Argument>"
            "<p:WallTimeLimit>61</p:WallTimeLimit><p:CPUTimeLimit>3600</p:CPUTimeLimit>"
            "<p:MemoryLimit>1048577</p:MemoryLimit><p:VirtualMemoryLimit>2147483648</p:VirtualMemoryLimit>"
        )
    )
    assert requirements(ad) == (
        "other.GlueCEPolicyMaxWallClockTime >= 2 && other.GlueCEPolicyMaxCPUTime >= 60 && "
        "other.GlueHostMainMemoryRAMSize >= 2 && other.GlueHostMainMemoryVirtualSize >= 2048"
    )
    assert ad.string("Executable") == "/bin/sh"
    option, script, program, argument = shlex.split(ad.string("Arguments") or "")
    assert (option, program, argument) == ("-c", "/bin/true", "x")
    assert script.startswith("ulimit -S -t 3600 && ulimit -S -v 2097152 && ")
    assert script.endswith(' && exec "$0" "$@"')


def test_limits_that_only_a_queue_enforces_need_no_shell() -> None:
    ad = translated(posix(TRUE + "<p:WallTimeLimit>60</p:WallTimeLimit><p:MemoryLimit>1</p:MemoryLimit>"))
    assert ad.string("Executable") == "/bin/true"


SHELLS = [argv for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(argv[0])]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: argv[0])
def test_the_shell_really_sets_the_limits_and_becomes_the_program(shell: list[str], tmp_path: Path) -> None:
    program = tmp_path / "run.sh"
    program.write_text(
        f"#!{sys.executable}\nimport json, resource, sys\n"
        "print(json.dumps([sys.argv[1:], {name: resource.getrlimit(getattr(resource, name))[0]"
        " for name in dir(resource) if name.startswith('RLIMIT_')}]))\n"
    )
    program.chmod(0o600)
    limits = {
        "FileSizeLimit": ("RLIMIT_FSIZE", 51200), "CoreDumpLimit": ("RLIMIT_CORE", 0),
        "DataSegmentLimit": ("RLIMIT_DATA", 1 << 30), "LockedMemoryLimit": ("RLIMIT_MEMLOCK", 4096),
        "OpenDescriptorsLimit": ("RLIMIT_NOFILE", 77), "StackSizeLimit": ("RLIMIT_STACK", 1 << 22),
        "CPUTimeLimit": ("RLIMIT_CPU", 100), "VirtualMemoryLimit": ("RLIMIT_AS", 1 << 32),
        "ProcessCountLimit": ("RLIMIT_NPROC", 3000), "ThreadCountLimit": ("RLIMIT_NPROC", 2000),
    }  # fmt: skip
    text = "".join(f"<p:{name}>{value}</p:{name}>" for name, (_, value) in limits.items())
    staged = "<j:FileName>run.sh</j:FileName><j:CreationFlag>overwrite</j:CreationFlag><j:Source/>"
    words = ["two words", "", "it's", "$HOME `x` \\"]
    arguments = "".join(f"<p:Argument>{escape(word)}</p:Argument>" for word in words)
    program_text = f"<p:Executable>run.sh</p:Executable>{arguments}{text}"
    ad = translated(posix(program_text, f"<j:DataStaging>{staged}</j:DataStaging>"))
    command = [*shell, *shlex.split(ad.string("Arguments") or "")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    seen_words, seen = json.loads(done.stdout)
    assert seen_words == words
    assert {name: seen[name] for name, _ in limits.values()} == dict(limits.values())


def test_a_limit_that_cannot_be_set_ends_the_job_before_it_begins(tmp_path: Path) -> None:
    limit = "<p:OpenDescriptorsLimit>99999999999</p:OpenDescriptorsLimit>"
    ad = translated(posix(f"<p:Executable>/bin/echo</p:Executable>{limit}"))
    command = ["/bin/sh", *shlex.split(ad.string("Arguments") or "")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "limit" in done.stderr


# -- resources


def ranged(name: str, content: str) -> str:
    return requirements(resources(f"<j:{name}>{content}</j:{name}>"))


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
def test_each_form_of_a_range(content: str, wanted: str) -> None:
    assert ranged("IndividualPhysicalMemory", content) == wanted.format("other.GlueHostMainMemoryRAMSize")


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
def test_each_resource_becomes_a_requirement(content: str, wanted: str) -> None:
    assert requirements(resources(content)) == wanted


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
def test_processors_and_hosts(each: str, total: str, hosts: str, wanted: dict[str, int]) -> None:
    names = {"IndividualCPUCount": each, "TotalCPUCount": total, "TotalResourceCount": hosts}
    ad = resources("".join(count(name, content) for name, content in names.items() if content))
    found = {name: ad.integer(name) for name in ("CpuNumber", "SMPGranularity", "HostNumber") if name in ad}
    assert found == wanted


def test_exclusive_execution_is_whole_nodes() -> None:
    assert resources("<j:ExclusiveExecution>true</j:ExclusiveExecution>").boolean("WholeNodes") is True
    assert "WholeNodes" not in resources("<j:ExclusiveExecution>false</j:ExclusiveExecution>")


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
    assembly = assemble(entries_of(records(settings, settings.queues[0], idle)))
    assert assembly.problems == ()
    return assembly.records[0].ad


def test_a_computing_element_of_this_system_meets_a_modest_document() -> None:
    other = computing_element()
    assert evaluate_attribute(resources(EVERYTHING), "requirements", other) is True
    wrong = EVERYTHING.replace("LINUX", "MACOS")
    assert evaluate_attribute(resources(wrong), "requirements", other) is False


def references(expr: Expr) -> set[str]:
    found = {expr.name} if isinstance(expr, Reference) and expr.scope == "other" else set()
    return found.union(*(references(child) for child in expr.children()))


def test_only_what_computing_elements_publish_is_asked_for() -> None:
    more = (
        "<j:OperatingSystem><j:OperatingSystemVersion>1</j:OperatingSystemVersion></j:OperatingSystem>"
        "<j:CPUArchitecture><j:CPUArchitectureName>arm</j:CPUArchitectureName></j:CPUArchitecture>"
        "<j:IndividualCPUSpeed><j:Exact>1</j:Exact></j:IndividualCPUSpeed>"
    )
    other = computing_element()
    for content in (EVERYTHING, more):
        expr = resources(content).get("requirements")
        assert expr is not None
        assert {name for name in references(expr) if name not in other} == set()


# -- what is refused


def staging(content: str, flag: str = "overwrite") -> str:
    return posix(
        TRUE,
        f"<j:DataStaging><j:FileName>f</j:FileName><j:CreationFlag>{flag}</j:CreationFlag>{content}</j:DataStaging>",
    )


@pytest.mark.parametrize(
    ("body", "element"),
    [
        ("", "JobDescription/Application"),
        ("<j:Application/>", "JobDescription/Application/POSIXApplication/Executable"),
        (posix(""), "JobDescription/Application/POSIXApplication/Executable"),
        (posix("<p:Executable/>"), "JobDescription/Application/POSIXApplication/Executable"),
        (posix("<p:Executable>run.sh</p:Executable>"), "JobDescription/Application/POSIXApplication/Executable"),
        (
            posix('<p:Executable filesystemName="HOME">x</p:Executable>'),
            "JobDescription/Application/POSIXApplication/Executable/filesystemName",
        ),
        (
            posix(TRUE, application=f"<p:POSIXApplication>{TRUE}</p:POSIXApplication>"),
            "JobDescription/Application/POSIXApplication",
        ),
        (
            posix(TRUE, application='<h:HPCProfileApplication xmlns:h="urn:hpc"/>'),
            "JobDescription/Application/HPCProfileApplication",
        ),
        ("<o:Other xmlns:o='urn:o'/>" + posix(TRUE), "JobDescription/Other"),
        ("<j:Resource/>" + posix(TRUE), "JobDescription/Resource"),
        (
            "<j:JobIdentification><o:Other xmlns:o='urn:o'/></j:JobIdentification>" + posix(TRUE),
            "JobDescription/JobIdentification/Other",
        ),
        *(
            (posix(f"{TRUE}<p:{name}>1</p:{name}>"), f"JobDescription/Application/POSIXApplication/{name}")
            for name in ("WorkingDirectory", "PipeSizeLimit", "UserName", "GroupName")
        ),
        *(
            (
                posix(TRUE, f"<j:Resources>{count(name, '<j:Exact>1</j:Exact>')}</j:Resources>"),
                f"JobDescription/Resources/{name}",
            )
            for name in ("IndividualNetworkBandwidth", "IndividualDiskSpace", "TotalDiskSpace")
        ),
        *(
            (
                posix(TRUE, f"<j:Resources>{count('TotalPhysicalMemory', content)}</j:Resources>"),
                f"JobDescription/Resources/TotalPhysicalMemory{tail}",
            )
            for content, tail in (
                ("", ""),
                ("<j:Exact>NaN</j:Exact>", "/Exact"),
                ("<j:UpperBoundedRange>INF</j:UpperBoundedRange>", "/UpperBoundedRange"),
                ('<j:Exact epsilon="-1">1</j:Exact>', "/Exact"),
                ("<j:Range><j:LowerBound>2</j:LowerBound><j:UpperBound>1</j:UpperBound></j:Range>", "/Range"),
            )
        ),
        (
            posix(TRUE, f"<j:Resources>{count('TotalCPUCount', '<j:Exact>1.5</j:Exact>')}</j:Resources>"),
            "JobDescription/Resources/TotalCPUCount",
        ),
        (
            posix(
                TRUE,
                "<j:Resources>"
                + "".join(
                    count(name, f"<j:Exact>{number}</j:Exact>")
                    for name, number in (("IndividualCPUCount", 2), ("TotalCPUCount", 5), ("TotalResourceCount", 2))
                )
                + "</j:Resources>",
            ),
            "JobDescription/Resources/TotalCPUCount",
        ),
        (
            posix(TRUE, '<j:Resources><j:FileSystem name="x"/></j:Resources>'),
            "JobDescription/Resources/FileSystem/MountPoint",
        ),
        (
            posix(
                TRUE,
                '<j:Resources><j:FileSystem name="ROOT"/><j:FileSystem name="x"><j:MountPoint>/x</j:MountPoint>'
                "<j:DiskSpace><j:Exact>1</j:Exact></j:DiskSpace></j:FileSystem></j:Resources>",
            ),
            "JobDescription/Resources/FileSystem[2]/DiskSpace",
        ),
        (posix(TRUE, "<j:Resources><j:CandidateHosts/></j:Resources>"), "JobDescription/Resources/CandidateHosts"),
        (
            staging("<j:DeleteOnTermination>false</j:DeleteOnTermination>"),
            "JobDescription/DataStaging/DeleteOnTermination",
        ),
        (staging("<j:FilesystemName>ROOT</j:FilesystemName>"), "JobDescription/DataStaging/FilesystemName"),
        (staging("<j:Target/>", "append"), "JobDescription/DataStaging/CreationFlag"),
        (staging("<j:Target><j:URI>plots/a</j:URI></j:Target>"), "JobDescription/DataStaging/Target/URI"),
        (staging("<j:Source><o:Key xmlns:o='urn:o'/></j:Source>"), "JobDescription/DataStaging/Source/Key"),
        (staging("<j:Source/>").replace(">f<", ">a/f<"), "JobDescription/DataStaging/FileName"),
        (staging("<j:Target/>").replace(">f<", ">../f<"), "JobDescription/DataStaging/FileName"),
        (staging("").replace(">f<", "><"), "JobDescription/DataStaging/FileName"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(body: str, element: str) -> None:
    error = refused(body)
    assert error.element == element
    assert len(error.reason) > 10


@pytest.mark.parametrize("flag", ["overwrite", "append", "dontOverwrite"])
def test_a_file_that_is_staged_in_finds_an_empty_directory(flag: str) -> None:
    ad = translated(staging("<j:Source/>", flag))
    assert ad.strings("InputSandbox") == ("f",)


@pytest.mark.parametrize(
    "body",
    [
        posix(TRUE + "<p:Arguments>lost</p:Arguments>"),
        posix(TRUE, "<j:Resources><j:TotalCPUCount><j:Exakt>2</j:Exakt></j:TotalCPUCount></j:Resources>"),
        posix(TRUE, "<j:Resources><j:CandidateHosts><j:Host>a</j:Host></j:CandidateHosts></j:Resources>"),
    ],
)
def test_an_element_that_jsdl_does_not_know_is_never_passed_over(body: str) -> None:
    with pytest.raises((ValueRefused, ValueError)):
        decoded(body)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans(), st.booleans()), min_size=1, max_size=3),
    st.integers(-1, 32),
)
def test_a_range_holds_exactly_what_it_says(intervals: list[tuple[int, int, bool, bool]], value: int) -> None:
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
    ad = resources(count("IndividualPhysicalMemory", text))
    other = ClassAd()
    other.set("GlueCEStateStatus", "Production")
    other.set("GlueHostMainMemoryRAMSize", value)
    assert evaluate_attribute(ad, "requirements", other) is wanted
