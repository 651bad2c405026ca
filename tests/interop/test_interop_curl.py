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
    "a default namespace, undeclared again": '<jobRegister xmlns="{WMP}"><jdl xmlns="">{JDL}</jdl>'
    '<delegationId xmlns="">{ID}</delegationId></jobRegister>',
    "half of the children qualified": '<w:jobRegister xmlns:w="{WMP}"><w:jdl>{JDL}</w:jdl>'
    "<delegationId>{ID}</delegationId></w:jobRegister>",
    "odd prefixes": '<_.-x:jobRegister xmlns:_.-x="{WMP}"><jdl>{JDL}</jdl>'
    "<delegationId>{ID}</delegationId></_.-x:jobRegister>",
    "the envelope's own prefix": '<SOAP-ENV:jobRegister xmlns:SOAP-ENV="{WMP}"><jdl>{JDL}</jdl>'
    "<delegationId>{ID}</delegationId></SOAP-ENV:jobRegister>",
    "nil that is false": '<w:jobRegister xmlns:w="{WMP}" {XSI}><jdl xsi:nil="false">{JDL}</jdl>'
    '<delegationId xsi:nil="0">{ID}</delegationId></w:jobRegister>',
    "types of other namespaces": '<w:jobRegister xmlns:w="{WMP}" {XSI} xmlns:q="urn:q">'
    '<jdl xsi:type="q:thing">{JDL}</jdl><delegationId xsi:type="undeclared:string">{ID}</delegationId></w:jobRegister>',
    "attributes of other namespaces": '<w:jobRegister xmlns:w="{WMP}" xmlns:a="urn:a" a:id="1" id="2">'
    '<jdl a:lang="x" xml:lang="en" xml:space="preserve">{JDL}</jdl><delegationId b="">{ID}</delegationId>'
    "</w:jobRegister>",
    "numeric entities": '<w:jobRegister xmlns:w="{WMP}"><jdl>{DIGITS}</jdl>'
    "<delegationId>{ID}</delegationId></w:jobRegister>",
    "processing instructions inside values": '<w:jobRegister xmlns:w="{WMP}"><jdl><?a b?>{JDL}<?c d?></jdl>'
    "<delegationId>{HALF}<?e f?>{REST}<?g?></delegationId></w:jobRegister>",
    "pieces of CDATA": '<w:jobRegister xmlns:w="{WMP}"><jdl><![CDATA[{RAW}]]></jdl>'
    "<delegationId><![CDATA[{HALF}]]>{REST}<![CDATA[]]></delegationId></w:jobRegister>",
    "an extra part": '<w:jobRegister xmlns:w="{WMP}"><jdl>{JDL}</jdl><delegationId>{ID}</delegationId><more><a/></more>'
    "</w:jobRegister>",
    "an id without a reference": '<w:jobRegister xmlns:w="{WMP}" id="_0"><jdl id="_1">{JDL}</jdl>'
    "<delegationId>{ID}</delegationId></w:jobRegister>",
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
        "HALF": delegation[:3], "REST": delegation[3:], "DIGITS": "".join(f"&#{ord(c)};" for c in JDL),
    }  # fmt: skip
    return re.sub(r"\{(WMP|SOAP|XSI|JDL|RAW|ID|HALF|REST|DIGITS)\}", lambda m: values[m[1]], spelling)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_job_is_registered_from(post, delegation, spelling):
    answer = post(enveloped(written(SPELLINGS[spelling], delegation)), *TYPE, "-H", 'SOAPAction: ""')
    assert re.search(r"<jobIdStruct><id>https://localhost:\d+/[A-Za-z0-9_-]{22}</id>", answer), answer


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
@pytest.mark.parametrize("options", [("-H", "Content-Type: text/xml"), ("-H", "Content-Type: application/xml")])
def test_any_encoding_and_no_SOAPAction(post, delegation, encoding, options):
    answer = post(enveloped(written(SPELLINGS["unqualified children"], delegation), encoding), *options)
    assert "<jobIdStruct><id>" in answer


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("charset", ["utf-16", '"UTF-16"', "utf-8", ""])
def test_utf_16_of_either_order(post, delegation, encoding, declared, charset):
    entry = written(SPELLINGS["unqualified children"], delegation)
    declaration = '<?xml version="1.0" encoding="UTF-16"?>' if declared else ""
    text = (
        f'\ufeff{declaration}<SOAP-ENV:Envelope xmlns:SOAP-ENV="{SOAP}"><SOAP-ENV:Body>{entry}</SOAP-ENV:Body>'
        "</SOAP-ENV:Envelope>"
    )
    kind = f"Content-Type: text/xml; charset={charset}" if charset else "Content-Type: text/xml"
    assert "<jobIdStruct><id>" in post(text.encode(encoding), "-H", kind)


@pytest.mark.parametrize(
    "action", ["SOAPAction;", 'SOAPAction: ""', 'SOAPAction: "urn:any"', "SOAPAction: getVersion", "SOAPAction: \"'\""]
)
def test_any_SOAPAction(post, action):
    assert "<version>3.9.0</version>" in post(enveloped(f'<getVersion xmlns="{WMP}"/>'), *TYPE, "-H", action)


@pytest.mark.parametrize(
    "kind", ["text/xml", "TEXT/XML;charset=utf-8", 'text/xml; charset="utf-8"', "text/xml; action=x; charset=us-ascii",
             "application/xml", "application/soap+xml; charset=utf-8; action=x"]
)  # fmt: skip
def test_any_way_of_saying_xml(post, kind):
    assert "<version>3.9.0</version>" in post(enveloped(f'<getVersion xmlns="{WMP}"/>'), "-H", f"Content-Type: {kind}")


def test_headers_that_need_not_be_understood(post):
    header = '<h:Security xmlns:h="urn:h" SOAP-ENV:mustUnderstand="0"><h:a/></h:Security><h:b xmlns:h="urn:h"/>'
    body = enveloped(f'<getVersion xmlns="{WMP}"/>').replace(
        b"<SOAP-ENV:Body>", f"<SOAP-ENV:Header>{header}</SOAP-ENV:Header><SOAP-ENV:Body>".encode()
    )
    assert "<version>3.9.0</version>" in post(body, *TYPE)


def test_chunks(post):
    body = enveloped(f'<getVersion xmlns="{WMP}"/>')
    assert "<version>3.9.0</version>" in post(body, *TYPE, "-H", "Transfer-Encoding: chunked")


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
