from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st

from scoring.segments.file_changes import changes

KEYS = st.lists(st.text(alphabet="abcdef", min_size=1, max_size=2), unique=True)


def test_joined_left_and_stayed_by_hand():
    rows = changes(["a", "b"], ["c", "b"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [("c", "joined"), ("b", "stayed"), ("a", "left")]


@given(st.lists(KEYS, min_size=2, max_size=7))
def test_the_night_before_and_the_changes_are_today(nights):
    members: set[str] = set(nights[0])
    for before, today in pairwise(nights):
        table = changes(before, today).to_pylist()
        assert len(table) == len({row["customer_id"] for row in table})
        members -= {row["customer_id"] for row in table if row["change"] == "left"}
        members |= {row["customer_id"] for row in table if row["change"] == "joined"}
        assert members == set(today)
