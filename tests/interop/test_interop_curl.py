"""curl with a proxy and hand-written XML: whatever toolkit writes a request, it is understood."""

import re
from xml.sax.saxutils import escape

import pytest

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WMP = "http://glite.org/wms/wmproxy"
JDL = '[ Executable = "/bin/true"; Requirements = 1 < 2 && true; Rank = 1; ]'
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'


@pytest.fixture(scope="module")
def post(alice, tool, tmp_path_factory):
    curl = tool("curl", "curl")
    place = tmp_path_factory.mktemp("curl")

    def send(body, *options, user=alice):
        (place / "body").write_bytes(body)
        return user.ok(
            curl, "--silent", "--show-error", "--capath", user.certificates, "--cert", user.proxy,
            "--data-binary", f"@{place / 'body'}", *options, user.endpoint,
        )  # fmt: skip

    return send


TYPE = ("-H", "Content-Type: text/xml; charset=utf-8")
SPELLINGS = {
    "unqualified children": '<j:jobRegister xmlns:j="{WMP}"><jdl>{JDL}</jdl><delegationId>{ID}</delegationId>'
    "</j:jobRegister>",
    "qualified children": '<jobRegister xmlns="{WMP}"><jdl>{JDL}</jdl><delegationId>{ID}</delegationId></jobRegister>',
    "typed children": '<ns7:jobRegister xmlns:ns7="{WMP}" {XSI}><jdl xsi:type="xsd:string">{JDL}</jdl>'
    '<delegationId xsi:type="xsd:string">{ID}</delegationId></ns7:jobRegister>',
    "parts in another order": '<j:jobRegister xmlns:j="{WMP}"><delegationId>{ID}</delegationId><jdl>{JDL}</jdl>'
    "</j:jobRegister>",
    "CDATA and comments": '<!-- a --><j:jobRegister xmlns:j="{WMP}"><!-- b --><jdl><![CDATA[{RAW}]]></jdl><!-- c -->'
    "<delegationId>{HALF}<!-- d -->{REST}</delegationId></j:jobRegister><!-- e -->",
    "white space and processing instructions": '\n  <j:jobRegister\n xmlns:j="{WMP}" >\n <?x y?><jdl\n>{JDL}</jdl >\n'
    "\t<delegationId>{ID}</delegationId>\n</j:jobRegister>\n",
    "an encoding style": '<j:jobRegister SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:SOAP-ENV="{SOAP}" xmlns:j="{WMP}"><jdl>{JDL}</jdl><delegationId>{ID}</delegationId></j:jobRegister>',
    "SOAPpy's positional arguments": '<ns1:jobRegister xmlns:ns1="{WMP}" {XSI}><v1 xsi:type="xsd:string">{JDL}</v1>'
    '<v2 xsi:type="xsd:string">{ID}</v2></ns1:jobRegister>',
}


def enveloped(inner, encoding="utf-8"):
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>'
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{SOAP}"><SOAP-ENV:Body>{inner}</SOAP-ENV:Body></SOAP-ENV:Envelope>'
    ).encode(encoding)


def written(spelling, delegation):
    values = {
        "WMP": WMP, "SOAP": SOAP, "XSI": XSI, "JDL": escape(JDL), "RAW": JDL, "ID": delegation,
        "HALF": delegation[:3], "REST": delegation[3:],
    }  # fmt: skip
    return re.sub(r"\{(WMP|SOAP|XSI|JDL|RAW|ID|HALF|REST)\}", lambda m: values[m[1]], spelling)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_job_is_registered_from(post, delegation, spelling):
    answer = post(enveloped(written(SPELLINGS[spelling], delegation)), *TYPE, "-H", 'SOAPAction: ""')
    assert re.search(r"<jobIdStruct><id>https://localhost:\d+/[A-Za-z0-9_-]{22}</id>", answer), answer


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
@pytest.mark.parametrize("options", [("-H", "Content-Type: text/xml"), ("-H", "Content-Type: application/xml")])
def test_any_encoding_and_no_SOAPAction(post, delegation, encoding, options):
    answer = post(enveloped(written(SPELLINGS["unqualified children"], delegation), encoding), *options)
    assert "<jobIdStruct><id>" in answer


@pytest.mark.parametrize("protocol", ["--http1.0", "--http1.1", "--http2"])
@pytest.mark.parametrize("version", ["--tlsv1.2", "--tlsv1.3"])
def test_any_http_and_tls(post, protocol, version):
    options = (*TYPE, protocol, version, *(["--tls-max", "1.2"] if version == "--tlsv1.2" else []))
    assert "<version>3.9.0</version>" in post(enveloped(f'<getVersion xmlns="{WMP}"/>'), *options)


def test_a_large_request_with_100_continue(post):
    padding = f"<!-- {'x' * 2_000_000} -->"
    answer = post(enveloped(padding + f'<getVersion xmlns="{WMP}"/>'), *TYPE, "-H", "Expect: 100-continue")
    assert "<version>3.9.0</version>" in answer


def test_a_compressed_answer_is_not_forced_on_anybody(post):
    assert "<version>3.9.0</version>" in post(enveloped(f'<getVersion xmlns="{WMP}"/>'), *TYPE, "--compressed")


def test_without_a_certificate_the_reason_comes_back(alice, tool, tmp_path):
    (tmp_path / "body").write_bytes(enveloped(f'<getVersion xmlns="{WMP}"/>'))
    answer = alice.ok(
        tool("curl", "curl"), "-s", "--capath", alice.certificates, *TYPE, "--data-binary", f"@{tmp_path / 'body'}",
        "-w", " %{http_code}", alice.endpoint,
    )  # fmt: skip
    assert "<ErrorCode>1206</ErrorCode>" in answer
    assert answer.endswith(" 500")


def test_curl_puts_and_gets_sandbox_files(alice, post, delegation, tool, tmp_path):
    answer = post(enveloped(written(SPELLINGS["unqualified children"], delegation)), *TYPE)
    job = re.search(r"<id>([^<]+)</id>", answer)[1]
    parts = f"<jobId>{job}</jobId><protocol>https</protocol>"
    request = enveloped(f'<j:getSandboxDestURI xmlns:j="{WMP}">{parts}</j:getSandboxDestURI>')
    place = re.search(r"<Item>([^<]+)</Item>", post(request, *TYPE))[1]
    data = bytes(range(256)) * 10_000
    (tmp_path / "data").write_bytes(data)
    curl = (tool("curl", "curl"), "-sS", "--fail", "--capath", alice.certificates, "--cert", alice.proxy)
    assert alice.ok(*curl, "-T", str(tmp_path / "data"), "-w", "%{http_code}", f"{place}/data") == "201"
    (tmp_path / "back").write_bytes(data[:1000])
    alice.ok(*curl, "-C", "-", "-o", str(tmp_path / "back"), f"{place}/data")  # resumes after the first 1000 bytes
    assert (tmp_path / "back").read_bytes() == data
    chunked = (*curl, "-T", "-", "-H", "Transfer-Encoding: chunked", "-w", "%{http_code}", f"{place}/piped")
    assert alice.ok(*chunked) == "201"
