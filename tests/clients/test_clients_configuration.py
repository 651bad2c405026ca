"""The client configuration: which file counts, how files merge, what is refused."""

from __future__ import annotations

import pytest

from clients.configuration import Configuration, address, expand, load
from clients.errors import ClientError

URL = "https://wms.example.org:7443/glite_wms_wmproxy_server"


@pytest.fixture
def write(tmp_path):
    def function(name: str, text: str):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return function


@pytest.fixture
def environ(tmp_path):
    return {"HOME": str(tmp_path / "home"), "EMI_UI_CONF": str(tmp_path / "site")}


def endpoint(name: str) -> str:
    return f'[ WmProxyEndPoints = {{ "https://{name}:7443/x" }} ]'


def test_without_files_the_defaults_of_the_original_hold(environ):
    assert load(None, environ, "test") == Configuration()


def test_all_attributes_are_read_whatever_their_case(write, environ):
    path = write(
        "ui.conf",
        f"""
        # a comment
        [ // another
          WMProxyEndPoints = {{ "{URL}" }};
          jdlDefaultAttributes = [ RetryCount = 3; rank = -other.X ];
          virtualorganisation = "test"; ErrorStorage = "$HOME/err"; OutputStorage = "${{HOME}}/out";
          DefaultProxyValidity = 5; DefaultStatusLevel = 2; DefaultLogInfoLevel = 9;
          LBAddresses = {{ "lb.example.org", "https://lb2.example.org:9123/" }};
          SoapTimeouts = [ jobListMatchTimeout = 7; globalTimeout = 33 ]; SystemCallTimeout = 4;
          DelegationId = "mine"; AuthenticateServer = false; SomethingElse = 1
        ]
        """,
    )
    found = load(str(path), environ, "test")
    assert found.endpoints == (URL,)
    assert found.jdl_defaults is not None and found.jdl_defaults.integer("retrycount") == 3
    assert found.virtual_organisation == "test"
    assert found.error_storage == environ["HOME"] + "/err"
    assert found.output_storage == environ["HOME"] + "/out"
    assert (found.proxy_validity, found.status_level, found.logging_level) == (5, 2, 3)
    assert found.lb_addresses == ("lb.example.org:9000", "lb2.example.org:9123")
    assert found.soap_timeouts == {"joblistmatchtimeout": 7, "globaltimeout": 33}
    assert (found.transfer_timeout, found.delegation_id, found.authenticate_server) == (4, "mine", False)
    assert found.sources == (path,)


def test_brackets_may_be_missing_and_a_section_may_be_around(write, environ):
    bare = write("bare", f'WmProxyEndPoints = "{URL}";')
    section = write("section", f'[ WmsClient = [ WmProxyEndPoints = {{ "{URL}" }} ] ]')
    assert load(str(bare), environ, None).endpoints == (URL,)
    assert load(str(section), environ, None).endpoints == (URL,)


NAMES = ("GLITE_WMS_CLIENT_CONFIG", "GLITE_WMSUI_COMMANDS_CONFIG", "GLITE_WMS_COMMANDS_CONFIG")


@pytest.mark.parametrize(
    ("script", "order"),
    [(False, NAMES), (True, (NAMES[0], NAMES[2], NAMES[1]))],
    ids=["submit and others", "status and logging-info"],
)
def test_the_option_wins_over_the_variables_in_their_order_and_these_over_the_home_file(
    script, order, write, environ
):
    write("home/.glite/test/glite_wmsui.conf", endpoint("home"))
    files = {name: str(write(name, endpoint(name.lower().replace("_", "-")))) for name in order}
    option = write("option", endpoint("option"))
    assert load(str(option), environ | files, "test", script=script).endpoints == ("https://option:7443/x",)
    for name in order:
        found = load(None, environ | files, "TEST", script=script)
        assert found.endpoints == (f"https://{name.lower().replace('_', '-')}:7443/x",)
        del files[name]
    assert load(None, environ, "TEST", script=script).endpoints == ("https://home:7443/x",)


def test_what_the_user_does_not_say_comes_from_the_site(write, environ):
    write("site/etc/glite-wms/test/glite_wmsui.conf", '[ DelegationId = "site"; OutputStorage = "/site" ]')
    write("site/etc/glite_wmsui_cmd_var.conf", '[ OutputStorage = "/var"; DefaultStatusLevel = 3 ]')
    user = write("user", '[ DelegationId = "user" ]')
    found = load(str(user), environ, "test")
    assert (found.delegation_id, found.output_storage, found.status_level) == ("user", "/site", 3)
    assert len(found.sources) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[ WmProxyEndPoints = ", "line 1"),
        ('[ WmProxyEndPoints = "wms.example.org" ]', "not the URL of a WMProxy server"),
        ('[ WmProxyEndPoints = "http://wms.example.org/x" ]', "not the URL of a WMProxy server"),
        ("[ DefaultProxyValidity = true ]", "DefaultProxyValidity"),
    ],
)
def test_a_broken_file_is_named(text, told, write, environ):
    path = write("broken.conf", text)
    with pytest.raises(ClientError) as caught:
        load(str(path), environ, None)
    assert told in caught.value.description
    assert str(path) in caught.value.description or "WmProxyEndPoints" in caught.value.description


def test_a_missing_file_names_who_wanted_it(tmp_path, environ):
    missing = str(tmp_path / "none")
    with pytest.raises(ClientError, match=r"Unable to find file: .*\nnamed by --config"):
        load(missing, environ, None)
    with pytest.raises(ClientError, match="GLITE_WMSUI_COMMANDS_CONFIG"):
        load(None, environ | {"GLITE_WMSUI_COMMANDS_CONFIG": missing}, None)


def test_an_enormous_file_is_refused(write, environ):
    path = write("large", "#" * (2 << 20))
    with pytest.raises(ClientError, match="larger than"):
        load(str(path), environ, None)


def test_addresses_and_variables():
    assert address("https://lb.example.org:9000/") == "lb.example.org:9000"
    assert address("[::1]") == "[::1]:9000"
    assert expand("$NOWHERE/x", {}) == "$NOWHERE/x"
