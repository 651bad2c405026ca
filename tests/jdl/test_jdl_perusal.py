"""The attributes of perusal: what is checked at registration and what the server writes at the start."""

import pytest

from jdl.errors import AttributeFault
from jdl.parser import parse
from jdl.perusal import check_perusal, complete_perusal, wants_perusal

HERE = "https://wms:7443/SandboxDir/ab/https_3a_2f_2flb"


def test_a_job_that_wants_no_perusal_gets_no_attributes():
    for text in ('Executable = "x"', "PerusalFileEnable = false"):
        assert complete_perusal(parse(text), HERE, 10) == parse(text)
        assert not wants_perusal(parse(text))


@pytest.mark.parametrize(
    ("asked", "seconds"), [("", 10), ("PerusalTimeInterval = 3;", 10), ("PerusalTimeInterval = 60;", 60)]
)
def test_list_destination_and_interval_are_written(asked, seconds):
    ad = complete_perusal(parse(f"PerusalFileEnable = true; {asked}"), HERE, 10)
    assert ad.string("PerusalListFileURI") == f"{HERE}/peek/files2peek"
    assert ad.string("PerusalFilesDestURI") == f"{HERE}/peek"
    assert ad.integer("PerusalTimeInterval") == seconds


def test_the_users_destination_stays_and_his_list_does_not():
    text = 'PerusalFileEnable = true; PerusalFilesDestURI = "https://mine/x"; PerusalListFileURI = "https://evil/list"'
    ad = complete_perusal(parse(text), HERE, 10)
    assert ad.string("PerusalFilesDestURI") == "https://mine/x"
    assert ad.string("PerusalListFileURI") == f"{HERE}/peek/files2peek"


def test_the_interval_is_never_shorter_than_a_second():
    assert complete_perusal(parse("PerusalFileEnable = true"), HERE, 0).integer("PerusalTimeInterval") == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('PerusalFilesDestURI = "/tmp/x"', 1503),
        ('PerusalFilesDestURI = "https://"', 1503),
        ('PerusalFilesDestURI = "gsiftp://host/x"', 1220),
        ("PerusalTimeInterval = 86401", 1506),
    ],
)
def test_what_the_job_could_not_do_is_refused_by_name(text, code):
    with pytest.raises(AttributeFault) as caught:
        check_perusal(parse(f"\n  {text};"))
    assert caught.value.code == code
    assert "Perusal" in caught.value.description
    assert "line 2" in caught.value.description
