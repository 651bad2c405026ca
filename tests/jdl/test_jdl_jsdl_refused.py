"""What a JSDL document says and a job description cannot is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid.errors import InvalidArgument
from wsdl.codec import ValueRefused

TRUE = "<p:Executable>/bin/true</p:Executable>"


def posix(content: str, more: str = "", application: str = "") -> str:
    return f"<j:Application>{application}<p:POSIXApplication>{content}</p:POSIXApplication></j:Application>{more}"



def count(name: str, content: str) -> str:
    return f"<j:{name}>{content}</j:{name}>"


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
        *(
            (
                posix(TRUE, f"<j:Resources>{count(name, '<j:Exact>1e300</j:Exact>')}</j:Resources>"),
                f"JobDescription/Resources/{name}",
            )
            for name in ("TotalCPUTime", "TotalCPUCount")
        ),
        (
            posix(f"{TRUE}<p:WallTimeLimit>9223372036854775808</p:WallTimeLimit>"),
            "JobDescription/Application/POSIXApplication/WallTimeLimit",
        ),
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
def test_what_cannot_be_said_is_refused_by_name(documents: Any, body: str, element: str) -> None:
    error = documents.refused(body)
    assert error.element == element
    assert len(error.reason) > 10


@pytest.mark.parametrize("flag", ["overwrite", "append", "dontOverwrite"])
def test_a_file_that_is_staged_in_finds_an_empty_directory(documents: Any, flag: str) -> None:
    ad = documents.translated(staging("<j:Source/>", flag))
    assert ad.strings("InputSandbox") == ("f",)


@pytest.mark.parametrize(
    "body",
    [
        posix(TRUE + "<p:Arguments>lost</p:Arguments>"),
        posix(TRUE, "<j:Resources><j:TotalCPUCount><j:Exakt>2</j:Exakt></j:TotalCPUCount></j:Resources>"),
        posix(TRUE, "<j:Resources><j:CandidateHosts><j:Host>a</j:Host></j:CandidateHosts></j:Resources>"),
    ],
)
def test_an_element_that_jsdl_does_not_know_is_never_passed_over(documents: Any, body: str) -> None:
    with pytest.raises((ValueRefused, ValueError)):
        documents.decoded(body)


FRAGMENTS = (
    "<j:JobName>x</j:JobName>", "<j:Exact>1</j:Exact>", "<j:Exact>-1e300</j:Exact>", "<p:Executable>/x</p:Executable>",
    "<p:Argument>a b</p:Argument>", "<p:WallTimeLimit>99999999999999999999999</p:WallTimeLimit>",
    "<j:UpperBoundedRange>0</j:UpperBoundedRange>", "<j:LowerBoundedRange>1e308</j:LowerBoundedRange>",
    "<j:FileName>f</j:FileName>", "<j:CreationFlag>overwrite</j:CreationFlag>", "<j:URI>https://h/f</j:URI>",
    "<j:CPUArchitectureName>arm</j:CPUArchitectureName>", "<j:OperatingSystemName>LINUX</j:OperatingSystemName>",
    "<j:HostName/>", "<j:ExclusiveExecution>1</j:ExclusiveExecution>", "<p:UserName/>",
    "<j:MountPoint>/x</j:MountPoint>",
    "<j:LowerBound>1</j:LowerBound>", "<j:UpperBound exclusiveBound='1'>1</j:UpperBound>", "text", "<!-- c -->",
)  # fmt: skip
HOLDERS = (
    "j:JobIdentification", "j:Application", "p:POSIXApplication", "j:Resources", "j:DataStaging", "j:Source",
    "j:Target", "j:TotalCPUCount", "j:IndividualCPUCount", "j:TotalResourceCount", "j:TotalCPUTime",
    "j:IndividualPhysicalMemory",
    "j:TotalVirtualMemory", "j:Range", "j:CandidateHosts", "j:CPUArchitecture", "j:OperatingSystem",
    "j:OperatingSystemType", "j:FileSystem name='d'", "p:Environment name='V'", "j:Other",
    "p:Argument filesystemName='d'",
)  # fmt: skip
BODIES = st.recursive(
    st.sampled_from(FRAGMENTS),
    lambda inner: st.builds(
        lambda name, parts: f"<{name}>{''.join(parts)}</{name.split()[0]}>",
        st.sampled_from(HOLDERS),
        st.lists(inner, max_size=4),
    ),
    max_leaves=8,
)
SENSIBLE = (
    "<j:Application><p:POSIXApplication><p:Executable>/x</p:Executable>{}</p:POSIXApplication></j:Application>",
    posix(TRUE, "<j:Resources>{}</j:Resources>"),
    posix(TRUE, "<j:DataStaging>{}</j:DataStaging>"),
    posix(TRUE, "<j:Resources><j:TotalCPUCount>{}</j:TotalCPUCount></j:Resources>"),
    posix(TRUE, "<j:Resources><j:TotalPhysicalMemory>{}</j:TotalPhysicalMemory></j:Resources>"),
    "{}",
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SENSIBLE), st.lists(BODIES, max_size=4))
def test_any_document_is_translated_or_refused(documents: Any, frame: str, parts: list[str]) -> None:
    try:
        ad = documents.translated(frame.format("".join(parts)))
    except ValueError:  # the codec's word for a text where it does not belong
        return
    except InvalidArgument as error:
        assert error.code == 1225 or (1501 <= error.code <= 1513 and error.code != 1507)
        return
    assert ad.string("Executable")
