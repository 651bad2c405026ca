"""What attributes are, published and learnt."""

from __future__ import annotations

from infosys.schema import INTEGER, glue1, learn


def test_glue_is_whole() -> None:
    schema = glue1()
    assert schema.lineage("gluece") == ("GlueCE", "GlueCETop", "GlueTop", "top")
    for each in schema.classes.values():
        for name in (*each.must, *each.may):
            assert schema.attribute(name) is not None, name
    assert len({each.oid for each in schema.attributes.values()}) == len(schema.attributes)


def test_what_is_published_is_learnt_again() -> None:
    schema = glue1()
    assert learn(each.definition() for each in schema.attributes.values()).attributes == schema.attributes


def test_definitions_of_other_servers_are_read() -> None:
    learnt = learn(
        [
            "( 1.3.6.1.4.1.8005.100.2.2.1.1 NAME 'GlueCEUniqueID' DESC 'not a SINGLE-VALUE integerMatch' EQUALITY"
            " caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} SINGLE-VALUE )",
            "( 2.5.4.11 NAME ( 'ou' 'organizationalUnitName' ) SUP name )",
            "( 1.2.3 NAME 'count' EQUALITY integerMatch )",
            "nonsense",
            "( 1.2.4 NAME 'text' DESC 'SINGLE-VALUE EQUALITY integerMatch' )",
        ]
    )
    unique = learnt.attribute("glueceuniqueid")
    assert unique is not None
    assert unique.single
    assert not unique.integer
    count = learnt.attribute("count")
    assert count is not None
    assert count.syntax == INTEGER
    assert learnt.attribute("OU") is not None
    assert learnt.attribute("organizationalUnitName") is not None
    text = learnt.attribute("text")
    assert text is not None
    assert not text.single
    assert not text.integer
