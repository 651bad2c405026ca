"""JSDL documents, as literal XML, to job descriptions: what is run, and its files."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jdl.classad import ClassAd
from jdl.parser import parse

TRUE = "<p:Executable>/bin/true</p:Executable>"


def posix(content: str, more: str = "", application: str = "") -> str:
    return f"<j:Application>{application}<p:POSIXApplication>{content}</p:POSIXApplication></j:Application>{more}"



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
def test_a_whole_document_becomes_a_job_that_is_accepted(documents: Any, form: str) -> None:
    ad = documents.translated(FULL, qualified=form == "qualified")
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


def test_streams_come_back_to_the_user_when_nothing_else_is_said(documents: Any) -> None:
    ad = documents.translated(posix(TRUE + "<p:Output>o</p:Output><p:Error>/dev/null</p:Error>"))
    assert ad.strings("OutputSandbox") == ("o",)
    assert "OutputSandboxDestURI" not in ad


XML = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))


@settings(max_examples=80)
@given(st.lists(XML, max_size=4), XML, XML.filter(lambda name: name and not set(name) & set("*[]{}?$")))
def test_any_text_survives(documents: Any, arguments: list[str], variable: str, name: str) -> None:
    words = "".join(f"<p:Argument>{escape(word)}</p:Argument>" for word in arguments)
    ad = documents.translated(
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


def test_directories_of_file_systems_stand_before_what_refers_to_them(documents: Any) -> None:
    ad = documents.translated(
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


def test_limits_are_asked_of_the_computing_element_and_set_by_the_shell(documents: Any) -> None:
    ad = documents.translated(
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


def test_limits_that_only_a_queue_enforces_need_no_shell(documents: Any) -> None:
    ad = documents.translated(posix(TRUE + "<p:WallTimeLimit>60</p:WallTimeLimit><p:MemoryLimit>1</p:MemoryLimit>"))
    assert ad.string("Executable") == "/bin/true"


SHELLS = [argv for argv in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(argv[0])]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda argv: argv[0])
def test_the_shell_really_sets_the_limits_and_becomes_the_program(
    documents: Any, shell: list[str], tmp_path: Path
) -> None:
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
    ad = documents.translated(posix(program_text, f"<j:DataStaging>{staged}</j:DataStaging>"))
    command = [*shell, *shlex.split(ad.string("Arguments") or "")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    seen_words, seen = json.loads(done.stdout)
    assert seen_words == words
    assert {name: seen[name] for name, _ in limits.values()} == dict(limits.values())


def test_a_limit_that_cannot_be_set_ends_the_job_before_it_begins(documents: Any, tmp_path: Path) -> None:
    limit = "<p:OpenDescriptorsLimit>99999999999</p:OpenDescriptorsLimit>"
    ad = documents.translated(posix(f"<p:Executable>/bin/echo</p:Executable>{limit}"))
    command = ["/bin/sh", *shlex.split(ad.string("Arguments") or "")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "limit" in done.stderr
