"""What a client does to the nodes of a compound request: files in their place, absolute paths, shared files."""

from __future__ import annotations

import pytest

from jdl.client import rewrite_input_sandbox
from jdl.clientnodes import Upload, each_node, hoist, uploads, with_files
from jdl.compound import expand
from jdl.errors import MandatoryMissing, TooManyAttributes
from jdl.parser import parse

HEAD = "requirements = true; rank = 1;"


def absolute(ad, there=None):
    def change(one):
        based = "InputSandboxBaseURI" in ad
        return rewrite_input_sandbox(one, "/w", {}, lambda pattern: [], there or (lambda path: True), based=based)[0]

    return each_node(change(ad), change)


def test_entries_of_the_request_and_of_its_nodes_become_absolute_and_references_stay():
    ad = absolute(
        parse(
            f"""Type = "dag"; {HEAD} InputSandbox = {{ "s" }};
            nodes = [ a = [ description = [ Executable = "/x"; InputSandbox = {{ "f", root.InputSandbox[0] }}; ]; ];
                      b = [ description = [ Executable = "/x"; InputSandbox = root.InputSandbox; ]; ];
                      c = [ description = [ Executable = "/x"; InputSandbox = {{ "https://h/r", "../g" }}; ]; ]; ];
            dependencies = {{ }};"""
        )
    )
    compound = expand(ad, vo=None)
    assert uploads(ad, compound) == (Upload(None, "/w/s"), Upload("a", "/w/f"), Upload("c", "/g"))
    assert "https://h/r" in compound.nodes[2].ad.text()


def test_relative_entries_below_an_inherited_base_stay():
    ad = parse(
        f'Type = "collection"; {HEAD} InputSandboxBaseURI = "https://h/d"; '
        'nodes = { [ Executable = "/x"; InputSandbox = { "r", "/abs" } ] };'
    )
    ready = absolute(ad)
    assert uploads(ready, expand(ready, vo=None)) == (Upload("Node_0", "/abs"),)


def test_a_file_of_a_node_that_is_not_there_is_told():
    ad = parse('Type = "collection"; nodes = { [ InputSandbox = "f" ] };')
    with pytest.raises(MandatoryMissing, match="/w/f"):
        absolute(ad, lambda path: False)


def test_files_of_a_parametric_job_are_those_of_all_its_values():
    ad = absolute(
        parse(f'JobType = "Parametric"; {HEAD} Executable = "/x"; Parameters = {{ a, "b" }}; '
              'InputSandbox = { "one", "in-_PARAM_", "_PARAM_/same" };')
    )  # fmt: skip
    found = set(uploads(ad, expand(ad, vo=None)))
    assert found == {
        Upload(None, "/w/one"), Upload(None, "/w/in-a"), Upload(None, "/w/in-b"),
        Upload("Node_a", "/w/a/same"), Upload("Node_b", "/w/b/same"),
    }  # fmt: skip


def test_a_simple_job_uploads_its_own_files():
    ad = absolute(parse(f'{HEAD} Executable = "/x"; InputSandbox = {{ "f", "gsiftp://h/r" }};'))
    assert uploads(ad, None) == (Upload(None, "/w/f"),)


def test_what_several_nodes_of_a_collection_share_is_uploaded_once_and_each_gets_what_it_named():
    ad = absolute(
        parse(f"""Type = "collection"; {HEAD} nodes = {{
          [ Executable = "/x"; InputSandbox = {{ "c", "a" }} ], [ Executable = "/x"; InputSandbox = "c" ],
          [ Executable = "/x" ], [ Executable = "/x"; InputSandbox = {{ "d/c" }} ] }};""")
    )
    ready = hoist(ad)
    compound = expand(ready, vo=None)
    assert uploads(ready, compound) == (Upload(None, "/w/c"), Upload("Node_0", "/w/a"), Upload("Node_3", "/w/d/c"))
    texts = [node.ad.get("InputSandbox").text().replace(" ", "") for node in compound.nodes]
    assert texts == [
        '{root.InputSandbox[0],"file:///w/a"}', "{root.InputSandbox[0]}", "{}", '{"file:///w/d/c"}',
    ]  # fmt: skip
    assert hoist(ready) is ready  # it has its own input sandbox now


def test_two_shared_files_of_one_name_cannot_lie_in_one_directory():
    ad = absolute(
        parse(f"""Type = "collection"; {HEAD} nodes = {{
          [ Executable = "/x"; InputSandbox = {{ "c" }} ], [ Executable = "/x"; InputSandbox = "c" ],
          [ Executable = "/x"; InputSandbox = "d/c" ], [ Executable = "/x"; InputSandbox = {{ "d/c" }} ] }};""")
    )
    ready = hoist(ad)
    assert [upload.node for upload in uploads(ready, expand(ready, vo=None))] == [None, "Node_2", "Node_3"]


def test_node_files_are_read_and_put_in_their_place():
    read = {"one.jdl": parse('Executable = "/one"'), "two.jdl": parse('Executable = "/two"; NodeName = "own"')}.get
    dag = with_files(parse('Type = "dag"; nodes = [ a = [ file = "one.jdl" ]; ]; dependencies = { };'), read)
    assert dag.record("nodes").record("a").record("description").string("Executable") == "/one"
    text = 'Type = "Collection"; nodes = { [ file = "one.jdl"; NodeName = "n" ], [ file = "two.jdl" ] };'
    nodes = with_files(parse(text), read).get("nodes").items
    assert [(node.string("Executable"), node.string("NodeName")) for node in nodes] == [("/one", "n"), ("/two", "own")]
    with pytest.raises(TooManyAttributes):
        with_files(parse('Type = "collection"; nodes = { [ file = "one.jdl"; Executable = "/x" ] };'), read)
