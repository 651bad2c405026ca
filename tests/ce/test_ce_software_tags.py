"""The VOs' lists of software tags."""

from ce.software_tags import MAX_BYTES, MAX_TAGS, read_tags


def test_tags_come_from_lists_beside_and_below_each_once(tmp_path):
    (tmp_path / "cms.list").write_text("VO-cms-a\nVO-cms-b\n\n# no tag\n")
    (tmp_path / "atlas").mkdir()
    (tmp_path / "atlas" / "atlas.list").write_text("VO-atlas-x\nVO-cms-a\r\n")
    (tmp_path / "atlas" / "notes.txt").write_text("VO-no")
    assert read_tags(tmp_path) == ("VO-atlas-x", "VO-cms-a", "VO-cms-b")


def test_lines_that_are_no_tags_and_files_that_cannot_be_read_are_left_out_and_told(tmp_path, caplog):
    (tmp_path / "a.list").write_bytes(b"good\ntwo words\n\xff\xfe\n" + b"x" * 300 + b"\n")
    (tmp_path / "b.list").mkdir()
    (tmp_path / "c.list").write_bytes(b"x\n" * MAX_BYTES)
    assert read_tags(tmp_path) == ("good",)
    assert "a.list, line 2 and 2 more are no software tags" in caplog.text
    assert "b.list are left out:" in caplog.text
    assert "c.list are left out:" in caplog.text


def test_there_is_a_bound(tmp_path, caplog):
    (tmp_path / "a.list").write_text("".join(f"t{n}\n" for n in range(MAX_TAGS + 10)))
    assert len(read_tags(tmp_path)) == MAX_TAGS
    assert "the rest is left out" in caplog.text


def test_no_directory_has_no_tags(tmp_path):
    assert read_tags(tmp_path / "nowhere") == ()
