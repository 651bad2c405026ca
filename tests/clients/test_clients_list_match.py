"""The list of computing elements as text."""

from clients.list_match import Match, listing


def test_a_published_name_neither_writes_to_the_terminal_nor_looks_like_two():
    odd = Match("ce:1/cream-pbs-\x1b[31m\n - ce:2/cream-pbs-q", 3)
    text = listing([odd, Match("ce:3/cream-pbs-q", 2)], ranks=False)
    assert [line for line in text.splitlines() if line.startswith(" - ")] == [
        " - ce:1/cream-pbs-?[31m? - ce:2/cream-pbs-q",
        " - ce:3/cream-pbs-q",
    ]
    assert "\x1b" not in text
