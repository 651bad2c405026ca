"""Data matchmaking: what a job wants, where it is, who is near the most of it, and what the job is told."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker import brokerinfo, inputdata
from broker.adapter import adapt
from broker.data import DataPlan, Place, Replicas
from broker.errors import BrokerInfoFailed
from broker.explanation import explain, lines, reason
from broker.inputdata import data_request
from broker.job import Job
from broker.matchmaker import match
from broker.supermarket import Snapshot
from ce import brokerinfo as tool
from infosys.access import User
from infosys.ce_ads import CeRecord
from infosys.se_ads import SeRecord, by_id
from jdl.parser import parse
from jdl.tree import ClassAd

ADA = User("/CN=ada")


def element(name: str, *close: tuple[str, str], rank: int = 0, memory: int = 0) -> CeRecord:
    """A computing element close to these storage elements, with its access points there."""
    ad = ClassAd()
    ce_id = f"{name}:8443/cream-fork-q"
    ad.set("GlueCEUniqueID", ce_id)
    ad.set("power", rank)
    ad.set("memory", memory)
    ad.set("CloseStorageElements", [{"name": se, "mount": mount} for se, mount in close])
    return CeRecord(ce_id, ce_id, ad, ("/CN=ada",), name, f"https://{name}/ce")


def storage(name: str, *protocols: str, space: int | None = None) -> SeRecord:
    ad = ClassAd()
    ad.set("GlueSEUniqueID", name)
    ad.set("GlueSEName", f"the {name}")
    ad.set("GlueSEAccessProtocol", [
        {"GlueSEAccessProtocolType": each, "GlueSEAccessProtocolPort": 2811 + place}
        for place, each in enumerate(protocols)
    ])  # fmt: skip
    if space is not None:
        ad.set("GlueSA", [{"GlueSALocalID": "vo", "GlueSAStateAvailableSpace": space, "GlueSAPath": "/vo"}])
    return SeRecord(name, ad, frozenset(protocols))


def grid(elements: list[CeRecord], *elements_of_storage: SeRecord) -> Snapshot:
    return Snapshot(tuple(elements), storage=by_id(elements_of_storage))


def job(data: str, protocols: str = '"gsiftp"', more: str = "") -> Job:
    text = f"[ VirtualOrganisation = \"vo\"; Rank = other.power; DataAccessProtocol = {protocols}; {data} {more} ]"
    return Job(parse(text))


def plan(snapshot: Snapshot, asked: Job, **urls: tuple[str, ...]) -> DataPlan:
    request = data_request(asked)
    assert request is not None
    found = [Replicas(each, urls.get(each.asked.partition(":")[2], ()), "nobody knows it") for each in request.files]
    return DataPlan(request, found, snapshot)


def matches(snapshot: Snapshot, asked: Job, data: DataPlan) -> list[str]:
    return [each.host for each in match(asked, snapshot, ADA, wms_requirements=None, data=data).candidates]


# -- what a job wants ------------------------------------------------------------------------------------------


def wanted(data: str, more: str = "") -> list[tuple[str, str, str, str]]:
    request = data_request(job(data, more=more))
    assert request is not None
    return [(each.name, each.kind, each.asked, each.catalogue) for each in request.files]


def test_names_are_what_they_begin_with_and_each_counts_once() -> None:
    assert wanted('InputData = { "lfn:/a", "guid:1", "lds:set", "query:q", "lfn:/a" };') == [
        ("lfn:/a", "lfn", "lfn:/a", ""),
        ("guid:1", "guid", "guid:1", ""),
        ("lds:set", "lds", "lds:set", ""),
        ("query:q", "query", "query:q", ""),
    ]
    assert wanted('InputData = "lfn:a";', 'DataCatalog = "http://h:8085/";') == [
        ("lfn:a", "lfn", "lfn:a", "http://h:8085/")
    ]


def test_requirements_name_a_catalogue_each() -> None:
    asked = """DataRequirements = {
        [ InputData = { "lfn:a", "lfn:b" }; DataCatalogType = "DLI"; DataCatalog = "https://one:8085/" ],
        [ InputData = "lfn:c"; DataCatalogType = "dli" ],
        [ InputData = "lfn:d"; DataCatalogType = "SI"; DataCatalog = "https://fireman/" ],
        [ InputData = "lfn:e"; DataCatalogType = "RLS" ] };"""
    assert [(name, catalogue) for name, _, _, catalogue in wanted(asked)] == [
        ("lfn:a", "https://one:8085/"),
        ("lfn:b", "https://one:8085/"),
        ("lfn:c", ""),
        ("lfn:d", ""),
    ]
    request = data_request(job(asked))
    assert request is not None
    assert [each[:18] for each in request.warnings] == ["DataCatalogType SI", "DataCatalogType 'R"]


def test_files_of_a_storage_index_are_looked_up_elsewhere_with_a_warning() -> None:
    assert wanted('InputData = "si-lfn:a";') == [("si-lfn:a", "lfn", "lfn:a", "")]
    request = data_request(job('InputData = { "si-guid:1", "other:x" };'))
    assert request is not None
    assert [each.asked for each in request.files] == ["guid:1", "other:x"]
    assert request.files[1].kind == ""
    assert "StorageIndex cannot be asked" in request.warnings[0] and "other:x begins with none" in request.warnings[1]


def test_the_number_of_files_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputdata, "MAX_FILES", 2)
    request = data_request(job('InputData = { "lfn:a", "lfn:b", "lfn:c" };'))
    assert request is not None
    assert len(request.files) == 2 and "more than 2 files" in request.warnings[0]


def test_a_job_without_data_or_with_its_own_element_has_no_request() -> None:
    assert data_request(Job(parse("[ Executable = \"a\" ]"))) is None
    assert data_request(job('InputData = "lfn:a";', more='SubmitTo = "h:8443/cream-fork-q";')) is None


# -- who is near -------------------------------------------------------------------------------------------------


def test_only_elements_near_the_most_files_stay_and_the_rank_decides_among_them() -> None:
    snapshot = grid(
        [element("one", ("a", ""), rank=9), element("both", ("a", ""), ("b", ""), rank=1), element("none", rank=99),
         element("also", ("b", ""), ("a", ""), rank=5)],
        storage("a", "gsiftp"), storage("b", "gsiftp"),
    )  # fmt: skip
    asked = job('InputData = { "lfn:x", "lfn:y" };')
    found = plan(snapshot, asked, x=("srm://a/x",), y=("sfn://b:1/y", "c"))
    assert matches(snapshot, asked, found) == ["also", "both"]
    full = job('InputData = { "lfn:x", "lfn:y" };', more="FullListMatchResult = true;")
    assert matches(snapshot, full, plan(snapshot, full, x=("srm://a/x",), y=("b",))) == ["one", "also", "both"]


def test_the_most_files_are_counted_among_those_that_meet_the_requirements() -> None:
    snapshot = grid(
        [element("both", ("a", ""), ("b", ""), memory=1), element("one", ("a", ""), memory=9)],
        storage("a", "gsiftp"), storage("b", "gsiftp"),
    )  # fmt: skip
    asked = job('InputData = { "lfn:x", "lfn:y" };', more="Requirements = other.memory > 5;")
    assert matches(snapshot, asked, plan(snapshot, asked, x=("a",), y=("b",))) == ["one"]


def test_a_file_counts_once_however_many_replicas_are_near() -> None:
    snapshot = grid(
        [element("two", ("a", ""), ("b", "")), element("one", ("a", ""))],
        storage("a", "gsiftp"),
        storage("b", "gsiftp"),
    )
    asked = job('InputData = "lfn:x";')
    assert sorted(matches(snapshot, asked, plan(snapshot, asked, x=("a", "b")))) == ["one", "two"]


def test_the_protocol_file_needs_a_mount_point_at_the_computing_element() -> None:
    snapshot = grid([element("with", ("a", "/mnt")), element("without", ("a", ""))], storage("a", "file", "rfio"))
    asked = job('InputData = "lfn:x";', '{ "file" }')
    assert matches(snapshot, asked, plan(snapshot, asked, x=("a",))) == ["with"]
    both = job('InputData = "lfn:x";', '{ "FILE", "RFIO" }')
    assert sorted(matches(snapshot, both, plan(snapshot, both, x=("a",)))) == ["with", "without"]


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        ((), "lfn:x has no replica: nobody knows it"),
        (("srm://unheard/x",), "unheard is not published in the information system"),
        (("srm://other/x",), "other speaks rfio, and the job gsiftp"),
        (("srm://far/x",), "far is close to no computing element"),
        (("srm:///nothing",), "the replicas of lfn:x name no storage element (srm:///nothing)"),
    ],
)
def test_what_is_out_of_reach_is_told(urls: tuple[str, ...], said: str) -> None:
    elements = [element("ce", ("a", ""))]
    snapshot = grid(elements, storage("a", "gsiftp"), storage("far", "gsiftp"), storage("other", "rfio"))
    asked = job('InputData = { "lfn:x", "lfn:y" };')
    found = plan(snapshot, asked, x=urls, y=("a",))
    assert said in "\n".join(found.explain())
    assert found.explain()[-1] == "1 computing element is near 1 of 2 input files, and none is near more"
    structured = found.structured()
    assert [each["near"] for each in structured["files"]] == [False, True]
    assert structured["most_files_near_one_element"] == 1


def test_nothing_near_is_told_in_the_explanation_and_in_the_reason_of_the_wait() -> None:
    snapshot = grid([element("ce", ("a", ""))], storage("a", "rfio"))
    asked = job('InputData = "lfn:x";')
    found = plan(snapshot, asked, x=("a",))
    result = match(asked, snapshot, ADA, wms_requirements=None, data=found)
    assert not result.candidates and result.headline == "BrokerHelper: no compatible resources"
    why = explain(asked, snapshot, ADA, wms_requirements=None, data=found)
    assert (why.matches, [stage.passed for stage in why.stages if stage.name == "data"]) == (0, [0])
    told = "no replica of lfn:x can be used: a speaks rfio, and the job gsiftp"
    assert told in lines(why) and told in reason(why, result.headline)
    assert "near the job's data" in why.verdict


def test_the_explanation_counts_what_the_match_finds() -> None:
    snapshot = grid(
        [element("one", ("a", "")), element("both", ("a", ""), ("b", "")), element("none")],
        storage("a", "gsiftp"), storage("b", "gsiftp"),
    )  # fmt: skip
    asked = job('InputData = { "lfn:x", "lfn:y" };')
    found = plan(snapshot, asked, x=("a",), y=("b",))
    why = explain(asked, snapshot, ADA, wms_requirements=None, data=found)
    assert (why.matches, [each.ce_id for each in why.best]) == (1, ["both:8443/cream-fork-q"])


SES = ("a", "b", "c")


@given(
    closes=st.lists(st.lists(st.tuples(st.sampled_from(SES), st.sampled_from(("", "/m"))), max_size=3), max_size=6),
    spoken=st.tuples(*[st.frozensets(st.sampled_from(("file", "gsiftp", "rfio")), max_size=2)] * 3),
    known=st.frozensets(st.sampled_from(SES)),
    files=st.lists(st.lists(st.sampled_from((*SES, "d")), max_size=3), min_size=1, max_size=4),
    protocols=st.frozensets(st.sampled_from(("file", "gsiftp")), min_size=1),
    full=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_candidates_are_those_of_the_rule(closes, spoken, known, files, protocols, full) -> None:  # type: ignore[no-untyped-def]
    """The rule, written down naively."""
    closes = [list({se: (se, mount) for se, mount in reversed(each)}.values()) for each in closes]
    speaks = dict(zip(SES, spoken, strict=True))
    snapshot = grid(
        [element(f"ce{n}", *each) for n, each in enumerate(closes)], *(storage(se, *speaks[se]) for se in sorted(known))
    )
    names = [f"f{n}" for n in range(len(files))]
    listed = ", ".join(f'"lfn:{name}"' for name in names)
    asked = job(
        f"InputData = {{ {listed} }};",
        "{ " + ", ".join(f'"{each}"' for each in sorted(protocols)) + " }",
        f"FullListMatchResult = {str(full).lower()};",
    )
    found = plan(snapshot, asked, **{name: tuple(hosts) for name, hosts in zip(names, files, strict=True)})

    def usable(close: list[tuple[str, str]], se: str) -> bool:
        mount = dict(close).get(se)
        both = speaks.get(se, frozenset()) & protocols
        return se in known and mount is not None and bool((both - {"file"}) or (both and mount))

    counts = [sum(any(usable(close, se) for se in hosts) for hosts in files) for close in closes]
    least = 1 if full else max(1, max(counts, default=0))
    assert sorted(matches(snapshot, asked, found)) == sorted(f"ce{n}" for n, c in enumerate(counts) if c >= least)


# -- what the job is told ------------------------------------------------------------------------------------------


def informed(tmp_path, **more: str):  # type: ignore[no-untyped-def]
    snapshot = grid(
        [element("ce", ("a", "/mnt"), ("unknown", "/x"))],
        storage("a", "gsiftp", "rfio", space=77),
        storage("b", "rfio"),
    )
    text = f'InputSandboxPath = "{tmp_path}/job/input"; WMPInputSandboxBaseURI = "https://h/SandboxDir/job";'
    asked = job('InputData = { "lfn:x", "lfn:y" };', more=text)
    return snapshot, asked, plan(snapshot, asked, x=("srm://a/x", "b"))


def test_the_file_says_where_the_job_and_its_data_are(tmp_path) -> None:  # type: ignore[no-untyped-def]
    snapshot, asked, found = informed(tmp_path)
    brokerinfo.write(asked, snapshot.records[0], snapshot, found)
    path = tmp_path / "job/input/.BrokerInfo"
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(each.name for each in path.parent.parent.iterdir()) == ["input", "output", "peek"]
    assert [each.name for each in path.parent.iterdir()] == [".BrokerInfo"]
    told = tool.read(str(path))
    assert told.getCE() == "ce:8443/cream-fork-q"
    assert told.getCloseSEs() == ["a", "unknown"] and told.getSEs() == ["a", "b"]
    assert told.getSEMountPoint("a") == "/mnt" and told.getSEFreeSpace("a") == 77
    assert told.getInputData() == ["lfn:x", "lfn:y"]
    assert told.getLFN2SFN("lfn:x") == ["srm://a/x", "b"] and told.getLFN2SFN("lfn:y") == []
    assert told.getSEProtocols("a") == ["gsiftp", "rfio"] and told.getSEPort("a", "rfio") == 2812
    assert told.getDataAccessProtocol() == ["gsiftp"] and told.getVirtualOrganization() == "vo"
    close = parse(path.read_text()).value("ComputingElement").ad.value("CloseStorageElements")[0].ad
    assert close.value("GlueSEName") == "the a" and close.value("GlueSAPath") == "/vo"
    assert "GlueSEAccessProtocol" not in close


def test_the_file_is_replaced_at_the_next_match_and_written_without_data_too(tmp_path) -> None:  # type: ignore[no-untyped-def]
    snapshot, asked, found = informed(tmp_path)
    brokerinfo.write(asked, snapshot.records[0], snapshot, found)
    brokerinfo.write(asked, element("other"), snapshot, None)
    told = tool.read(str(tmp_path / "job/input/.BrokerInfo"))
    assert told.getCE() == "other:8443/cream-fork-q" and told.getSEs() == [] and told.getInputData() == []


def test_a_file_that_cannot_be_written_is_told_in_the_words_that_users_know(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    snapshot, asked, found = informed(tmp_path)
    (tmp_path / "job").write_text("in the way")
    with pytest.raises(BrokerInfoFailed, match="cannot create the brokerinfo file at"):
        brokerinfo.write(asked, snapshot.records[0], snapshot, found)
    (tmp_path / "job").unlink()
    monkeypatch.setattr(brokerinfo, "MAX_BROKER_INFO", 10)
    with pytest.raises(BrokerInfoFailed, match="more than 10"):
        brokerinfo.write(asked, snapshot.records[0], snapshot, found)
    assert not (tmp_path / "job").exists()


def test_the_file_joins_the_input_sandbox_in_the_place_of_one_of_its_name() -> None:
    where = 'InputSandboxPath = "/s/input"; WMPInputSandboxBaseURI = "https://h/s";'
    ad = parse(
        f"[ {where} InputSandbox = {{ \"https://h/s/input/a\", \"https://x/.BrokerInfo\" }};"
        ' InputSandboxDestFileName = { "b", ".BrokerInfo" }; ]'
    )
    made = adapt(ad, "h:1/cream-fork-q", "code", "", brokerinfo.uri(Job(ad)))
    assert made.strings("InputSandbox") == ("https://h/s/input/a", "https://h/s/input/.BrokerInfo")
    assert made.strings("InputSandboxDestFileName") == ("b", ".BrokerInfo")
    plain = parse(f"[ {where} ]")
    made = adapt(plain, "h:1/cream-fork-q", "code", "", brokerinfo.uri(Job(plain)))
    assert made.strings("InputSandbox") == ("https://h/s/input/.BrokerInfo",)
    assert "InputSandboxDestFileName" not in made


def test_a_job_whose_element_the_user_has_chosen_gets_no_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    snapshot, asked, _ = informed(tmp_path)
    asked.ad.set("SubmitTo", "ce:8443/cream-fork-q")
    brokerinfo.write(asked, snapshot.records[0], snapshot, None)
    assert brokerinfo.uri(asked) is None and not (tmp_path / "job").exists()


def test_a_place_without_a_problem_says_how_many_are_near() -> None:
    snapshot = grid([element("ce", ("a", "")), element("ce2", ("a", ""))], storage("a", "gsiftp"))
    found = plan(snapshot, job('InputData = "lfn:x";'), x=("a",))
    assert found._place("a") == Place("a", "", 2)
