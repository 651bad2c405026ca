"""Job ids, sequence codes, FQANs, DNs, dates and codes as the grid spells them."""

import datetime
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid import clock, codes, dn
from grid.errors import GridError, InvalidArgument, JdlError, JobUnknown
from grid.fqan import Fqan, FqanError
from grid.jobid import JobId, JobIdError
from grid.seqcode import SequenceCode, SequenceCodeError
from grid.states import CreamState, JobState, Source

UNIQUE = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=40)


def test_a_job_id_is_printed_with_its_port():
    assert str(JobId.parse("https://LB.example.org/9kA2bC")) == "https://lb.example.org:9000/9kA2bC"
    assert JobId.parse("https://lb.example.org:9000/9kA2bC?events").unique == "9kA2bC"
    assert JobId.parse("https://[::1]:9000/x").host == "[::1]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://lb:9000/x",
        "https://lb:0/x",
        "https://lb:65536/x",
        "https://user@lb:9000/x",
        "https://lb:9000/x/../y",
        "https://lb:9000/",
        "https://lb:9000/a b",
        "https://lb:9000/" + "a" * 4096,
        "https://lb:22x/a",
        "https://lb\n:9000/a",
    ],
)
def test_what_is_no_job_id_is_refused_with_the_form_it_should_have(text):
    with pytest.raises(JobIdError, match="https://<host>:<port>/<unique>"):
        JobId.parse(text)


@given(UNIQUE)
def test_the_file_name_form_is_safe_and_inverts(unique):
    job = JobId("lb.example.org", 9000, unique)
    assert not set(job.file_name) - set(string.ascii_letters + string.digits + ".-_ ")
    assert JobId.from_file_name(job.file_name) == job


def test_the_file_name_form_is_the_historical_one():
    assert JobId("host", 9000, "a_b").file_name == "https_3a_2f_2fhost_3a9000_2fa_5fb"


def test_new_ids_have_22_url_safe_characters_and_never_begin_with_a_dash():
    for _ in range(200):
        unique = JobId.new("h").unique
        assert len(unique) == 22
        assert not unique.startswith("-")


def test_the_ids_of_nodes_can_be_computed_by_anyone():
    parent = JobId("h", 9000, "parent")
    assert parent.child("WMPROXY", 0) == parent.child("WMPROXY", 0)
    assert parent.child("WMPROXY", 0) != parent.child("WMPROXY", 1)


def test_events_go_to_the_port_above():
    assert JobId("h", 9000, "x").store_port == 9001


CODES = st.builds(SequenceCode, *[st.integers(0, 10**6 - 1)] * 9)


@given(CODES, CODES)
def test_the_order_of_codes_is_the_order_of_their_texts(one, other):
    assert (one < other) == (str(one) < str(other))
    assert SequenceCode.parse(str(one)) == one


@given(CODES, st.sampled_from([Source.NetworkServer, Source.LRMS, Source.WorkloadManager]))
def test_a_bumped_code_is_later(code, source):
    assert code.bump(source) > code or code.bump(source) == code


def test_a_code_without_lbs_is_completed():
    text = "UI=000000:NS=0000000006:WM=000000:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000"
    assert str(SequenceCode.parse(text)) == text + ":LBS=000000"
    with pytest.raises(SequenceCodeError):
        SequenceCode.parse("TIMESTAMP=1")
    with pytest.raises(SequenceCodeError):
        SequenceCode().bump(Source.PBSMom)


def test_null_role_and_capability_are_none():
    assert str(Fqan.parse("/vo/Role=NULL/Capability=NULL")) == "/vo"
    assert Fqan.parse("/vo/g/Role=production").vo == "vo"
    assert Fqan.parse("/vo").full == "/vo/Role=NULL/Capability=NULL"


@pytest.mark.parametrize("text", ["", "vo", "/", "/vo/../x", "/vo/Role=", "/vo /x", "/vo/Role=a/Role=b", "/vo\n"])
def test_what_is_no_fqan_is_refused(text):
    with pytest.raises(FqanError):
        Fqan.parse(text)


def test_names_are_compared_in_one_spelling():
    assert dn.normalise("/O=x/CN=a/Email=a@b/CN=proxy/CN=limited proxy") == "/O=x/CN=a/emailAddress=a@b"
    assert dn.normalise("/O=x/CN=12345") == "/O=x/CN=12345"


@given(st.datetimes(timezones=st.just(datetime.UTC), min_value=datetime.datetime(1980, 1, 1)))
def test_dates_of_event_lines_invert(moment):
    assert clock.from_ulm_date(clock.ulm_date(moment)) == moment


def test_a_date_that_is_none_is_refused():
    for text in ("", "20081301000000", "2008-01-01"):
        with pytest.raises(InvalidArgument):
            clock.from_ulm_date(text)


def test_every_code_knows_its_fault():
    assert codes.fault_of(1218) == "JobUnknown"
    assert codes.fault_of(1507) == "InvalidArgument"
    assert codes.fault_of(4711) == "Generic"
    assert {row.fault for row in codes.TABLE.values()} == {
        "Generic", "Authentication", "Authorization", "InvalidArgument", "GetQuotaManagement",
        "NoSuitableResources", "JobUnknown", "OperationNotAllowed", "ServerOverloaded",
    }  # fmt: skip


def test_the_table_has_every_code_of_the_service_and_of_the_jdl_library_with_its_name():
    service = (
        "FATAL IS_FAILURE FILE_SYSTEM_ERROR ENVIRONMENT_ERROR CONFIGURATION_ERROR AUTHENTICATION_ERROR "
        "AUTHORIZATION_ERROR USERMAP_ERROR GACL_ERROR GACL_FILE GACL_ITEM_NOT_FOUND PROXY_ERROR PROXY_EXPIRED "
        "NOT_A_VOMS_PROXY DELEGATION_ERROR PROXY_RENEWAL_FAILURE JOB_NOT_DONE JOB_NOT_FOUND JDL_PARSING "
        "INVALID_JDL_ATTRIBUTE MATCHMAKING NO_SUITABLE_RESOURCE NOT_ENOUGH_SPACE NOT_ENOUGH_QUOTA INVALID_ARGUMENT "
        "OPERATION_NOT_ALLOWED LOGGING_ERROR SERVER_OVERLOADED OPERATION_TIMEDOUT NO_ERROR"
    )
    library = (
        "JDLFULL JDLEMPTY JDLMISMATCH JDL_MEMBER JDLMANDATORY JDLSYN JDLPARSE JDLGROUP JDLDUPLICATE JDLTOOMANY "
        "JOBADSCHEMA JOBADSCHEMA_GET DAG_CHECK"
    )
    names = {1200 + number: f"WMS_{name}" for number, name in enumerate(service.split(), 1)}
    names |= {1500 + number: f"WMS_{name}" for number, name in enumerate(library.split(), 1)}
    assert {row.number: row.name for row in codes.TABLE.values()} == names | {900: "WMS_COMMON"}
    assert all(codes.name_of(number) == name for number, name in names.items())


def test_each_error_class_reports_a_code_of_the_table():
    def classes(base):
        for kind in base.__subclasses__():
            yield kind
            yield from classes(kind)

    for kind in classes(GridError):
        assert kind.default_code in codes.TABLE, kind
    assert JdlError("x", code=1503).code == 1503
    assert JobUnknown("x", causes=["a"]).causes == ("a",)


def test_states_have_the_numbers_of_the_historical_enumeration():
    assert [state.code for state in (JobState.Submitted, JobState.Done, JobState.Purged)] == [1, 6, 11]
    assert CreamState("REALLY-RUNNING").final is False
    assert CreamState.DONE_OK.final
