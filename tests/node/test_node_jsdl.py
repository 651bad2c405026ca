"""A JSDL document on a running node: its program, files, limits and words, to the output."""

from __future__ import annotations

import json

from lxml import etree

from gsi.credential import Credential
from gsi.tls import client_context
from web.client import FileClient
from wsdl.client import SoapClient
from wsdl.delegation import delegate
from wsdl.names import WMPROXY
from wsdl.transport import HttpTransport

PROGRAM = """#!/usr/bin/python3
import json, os, resource, sys
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
print(json.dumps([sys.argv[1:], sys.stdin.read(), os.environ["GREETING"], limit]))
open("left.txt", "w").write("left\\n")
"""
DOCUMENT = """
<jsdl xmlns:j="http://schemas.ggf.org/jsdl/2005/11/jsdl" xmlns:p="http://schemas.ggf.org/jsdl/2005/11/jsdl-posix">
  <j:JobDescription>
    <j:JobIdentification><j:JobName>all of it</j:JobName></j:JobIdentification>
    <j:Application><p:POSIXApplication>
      <p:Executable>run.py</p:Executable>
      <p:Argument>two words</p:Argument><p:Argument/><p:Argument>it's $HOME "and" \\</p:Argument>
      <p:Input>in.txt</p:Input><p:Output>out.txt</p:Output><p:Error>err.txt</p:Error>
      <p:Environment name="GREETING">good day</p:Environment>
      <p:OpenDescriptorsLimit>77</p:OpenDescriptorsLimit><p:CoreDumpLimit>0</p:CoreDumpLimit>
    </p:POSIXApplication></j:Application>
    <j:Resources>
      <j:OperatingSystem><j:OperatingSystemType><j:OperatingSystemName>LINUX</j:OperatingSystemName>
      </j:OperatingSystemType></j:OperatingSystem>
      <j:IndividualPhysicalMemory><j:LowerBoundedRange>1048576</j:LowerBoundedRange></j:IndividualPhysicalMemory>
    </j:Resources>
    <j:DataStaging><j:FileName>run.py</j:FileName><j:CreationFlag>overwrite</j:CreationFlag><j:Source/></j:DataStaging>
    <j:DataStaging><j:FileName>in.txt</j:FileName><j:CreationFlag>overwrite</j:CreationFlag><j:Source/></j:DataStaging>
    <j:DataStaging><j:FileName>left.txt</j:FileName><j:CreationFlag>overwrite</j:CreationFlag><j:Target/></j:DataStaging>
  </j:JobDescription>
</jsdl>"""


def test_a_document_runs_as_it_says(node, tmp_path):
    proxy = node.root / "credentials" / "users" / "alice" / "proxy.pem"
    context = client_context(node.root / "trust" / "certificates", proxy)
    address = node.configuration().wmproxy_endpoint
    soap, files = SoapClient("WMProxy.wsdl", "WMProxy_PortType", address, context), FileClient(context)
    transport = HttpTransport(context, 60)
    try:
        delegate(soap, "jsdl", Credential.load(proxy))
        answer = transport.post(
            address,
            etree.fromstring(
                '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
                f'<w:jobRegisterJSDL xmlns:w="{WMPROXY}">{DOCUMENT}<delegationId>jsdl</delegationId>'
                "</w:jobRegisterJSDL></e:Body></e:Envelope>"
            ),
        )
        job = etree.fromstring(answer).findtext(".//id")
        (uri,) = soap.call("getSandboxDestURI", jobId=job, protocol="https")
        for name, text in (("run.py", PROGRAM), ("in.txt", "what comes in\n")):
            (tmp_path / name).write_text(text)
            files.put(f"{uri}/{name}", tmp_path / name)
        soap.call("jobStart", jobId=job)
        assert node.wait(job) == "Done (Success)"
        output = {}
        for file in soap.call("getOutputFileList", jobId=job, protocol="https"):
            name = file["name"].rpartition("/")[2]
            files.get(file["name"], tmp_path / f"got-{name}")
            output[name] = (tmp_path / f"got-{name}").read_text()
    finally:
        for one in (soap, files, transport):
            one.close()
    assert output.keys() == {"out.txt", "err.txt", "left.txt"}
    assert (output["err.txt"], output["left.txt"]) == ("", "left\n")
    words = ["two words", "", "it's $HOME \"and\" \\"]
    assert json.loads(output["out.txt"]) == [words, "what comes in\n", "good day", 77]
