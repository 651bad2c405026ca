"""What a client does to a description before it sends it."""

from __future__ import annotations

import pytest

from jdl.client import LocalFile, fill_defaults, local_files, read, rewrite_input_sandbox
from jdl.errors import FileConflict, JdlSyntaxError, MandatoryMissing
from jdl.parser import parse

FILES = {"/home/u/run.sh", "/home/u/a.txt", "/home/u/b.txt", "/etc/hosts", "/data/x"}


def expand(pattern: str) -> list[str]:
    return ["/home/u/a.txt", "/home/u/b.txt"] if pattern == "/home/u/*.txt" else []


def rewritten(text: str) -> tuple[tuple[str, ...], tuple[LocalFile, ...]]:
    ad, files = rewrite_input_sandbox(parse(text), "/home/u", {"DATA": "/data"}, expand, FILES.__contains__)
    return ad.strings("InputSandbox"), files


def test_a_file_is_read_without_comment_lines_and_tabs() -> None:
    ad = read('# first\n  // second\n\tExecutable\t= "/bin/ec\tho";\r\n\nArguments = "a\nb"; // third\n#last')
    assert ad.string("Executable") == "/bin/echo"
    assert ad.string("Arguments") == "a b"


def test_an_error_is_at_its_line_of_the_file() -> None:
    with pytest.raises(JdlSyntaxError) as caught:
        read("# comment\nExecutable = “/bin/ls”;\n")
    assert (caught.value.line, caught.value.column) == (2, 14)


def test_defaults_fill_what_is_missing() -> None:
    ad, warnings = fill_defaults(
        parse("RetryCount = 1; rank = other.mine"),
        "testvo",
        parse(
            'RetryCount = 3; Rank = other.r; Requirements = other.ok; MyProxyServer = "px"; VirtualOrganisation = "z"'
        ),
        parse("Attribute = 'Test default jdl'; MyProxyServer = \"other\""),
    )
    assert ad.integer("RetryCount") == 1
    assert ad.get("rank") == parse("a = other.mine").get("a")
    assert ad.get("requirements") == parse("a = other.ok").get("a")
    assert ad.string("MyProxyServer") == "px"
    assert ad.string("VirtualOrganisation") == "testvo"
    assert "Attribute = 'Test default jdl';" in ad.pretty()
    assert ad.boolean("AllowZippedISB") is False
    assert warnings == ()


def test_requirements_of_both_sides_hold_together() -> None:
    ad, _ = fill_defaults(parse("requirements = other.a || other.b"), "", parse("requirements = other.c"))
    assert ad.get("requirements") == parse("a = (other.a || other.b) && other.c").get("a")
    same, _ = fill_defaults(parse("requirements = other.c"), "", parse("Requirements = other.c"))
    assert same.get("requirements") == parse("a = other.c").get("a")


def test_the_chosen_vo_replaces_another_one_with_a_warning() -> None:
    ad, warnings = fill_defaults(parse('virtualorganisation = "atlas"'), "testvo")
    assert ad.string("VirtualOrganisation") == "testvo"
    assert len(warnings) == 1 and "atlas" in warnings[0]


def test_switches_are_taken_over_only_when_they_are_on() -> None:
    off, _ = fill_defaults(parse("a = 1"), "", parse("PerusalFileEnable = false; AllowZippedISB = false"))
    assert "PerusalFileEnable" not in off
    on, _ = fill_defaults(parse("a = 1"), "", parse("PerusalFileEnable = true; AllowZippedISB = true"))
    assert on.boolean("PerusalFileEnable") is True
    assert on.boolean("AllowZippedISB") is True


def test_retry_counts_of_compound_jobs_are_defaults_of_their_nodes() -> None:
    ad, _ = fill_defaults(parse('Type = "Collection"'), "", parse("RetryCount = 3; ShallowRetryCount = 2"))
    assert ad.integer("DefaultNodeRetryCount") == 3
    assert ad.integer("DefaultNodeShallowRetryCount") == 2
    assert "RetryCount" not in ad


def test_local_entries_become_absolute_file_uris() -> None:
    entries, files = rewritten('InputSandbox = {"run.sh","*.txt","/etc/../etc/hosts","$DATA/x","gsiftp://h/y"}')
    assert entries == (
        "file:///home/u/run.sh",
        "file:///home/u/a.txt",
        "file:///home/u/b.txt",
        "file:///etc/hosts",
        "file:///data/x",
        "gsiftp://h/y",
    )
    assert files[0] == LocalFile("file:///home/u/run.sh", "/home/u/run.sh", "run.sh")
    assert len(files) == 5


def test_one_string_and_a_file_uri_are_entries_too() -> None:
    assert rewritten('InputSandbox = "file:///home/u/run.sh"')[0] == ("file:///home/u/run.sh",)
    assert rewritten("a = 1") == ((), ())


def test_the_base_uri_takes_relative_entries_only() -> None:
    entries, files = rewritten('InputSandboxBaseURI = "gsiftp://h/d"; InputSandbox = {"far.txt","/etc/hosts"}')
    assert entries == ("far.txt", "file:///etc/hosts")
    assert [file.path for file in files] == ["/etc/hosts"]


@pytest.mark.parametrize("entry", ["nothing", "*.nothing", "$UNKNOWN/x", "/home/u"])
def test_a_missing_file_is_named(entry: str) -> None:
    with pytest.raises(MandatoryMissing, match=r"Specified path '/.*' is missing"):
        rewritten(f'InputSandbox = "{entry}"')


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(FileConflict, match=r"repeated more than once: 'run\.sh'"):
        rewritten('InputSandbox = {"run.sh","https://h/run.sh"}')


def test_the_files_of_a_rewritten_ad_are_known() -> None:
    ad = parse('InputSandbox = {"file:///home/u/run.sh","gsiftp://h/y"}')
    assert local_files(ad) == (LocalFile("file:///home/u/run.sh", "/home/u/run.sh", "run.sh"),)
