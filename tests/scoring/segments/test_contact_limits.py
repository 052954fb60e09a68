"""Who stands in several files of a night, and how many of them the limit leaves room for."""

from __future__ import annotations

import pyarrow as pa

from scoring.segments.contact_limits import OTHER_FILES, within_limit
from scoring.segments.segment_files import Selection

NONE = pa.table({"customer_id": pa.array([], pa.string()), "segment": pa.array([], pa.string())})


def files(**customers: str) -> dict[str, Selection]:
    return {slug: Selection(pa.table({"customer_id": [*who]}), {"no consent": 1}) for slug, who in customers.items()}


def recent(**contacts: int | None) -> pa.Table:
    return pa.table({"customer_id": [*contacts], "recent_contacts": pa.array([*contacts.values()], pa.int32())})


def kept(result: dict[str, Selection]) -> dict[str, str]:
    return {slug: "".join(selection.rows["customer_id"].to_pylist()) for slug, selection in result.items()}


def test_each_customer_is_in_the_first_files_up_to_the_limit() -> None:
    given = files(second="abcd", first="cab", third="ad")
    result = within_limit(given, recent(a=0, b=1, c=None), NONE, limit=2, per_night=9)
    assert kept(result) == {"second": "abcd", "first": "ca", "third": "d"}
    assert {slug: one.suppressed for slug, one in result.items()} == {
        "second": {"no consent": 1},
        "first": {"no consent": 1, OTHER_FILES: 1},
        "third": {"no consent": 1, OTHER_FILES: 1},
    }
    assert kept(within_limit(given, recent(a=0, b=0, c=0), NONE, limit=1, per_night=9)) == {
        "second": "abcd",
        "first": "",
        "third": "",
    }


def test_a_contact_that_is_made_stays_and_takes_up_room() -> None:
    made = pa.table({"customer_id": ["a", "b"], "segment": ["late", "gone"]})
    result = within_limit(files(early="abc", late="abc"), recent(a=0, b=0, c=0), made, limit=1, per_night=9)
    assert kept(result) == {"early": "c", "late": "a"}


def test_a_customer_is_in_one_file_of_the_night_unless_more_are_allowed() -> None:
    given = files(first="ab", second="abc", third="c")
    assert kept(within_limit(given, recent(a=0), NONE, limit=9, per_night=1)) == {
        "first": "ab",
        "second": "c",
        "third": "",
    }
    assert kept(within_limit(given, recent(a=0), NONE, limit=9, per_night=2)) == {
        slug: "".join(one.rows["customer_id"].to_pylist()) for slug, one in given.items()
    }
    made = pa.table({"customer_id": ["a"], "segment": ["second"]})
    assert kept(within_limit(given, recent(), made, limit=9, per_night=1)) == {
        "first": "b",
        "second": "ac",
        "third": "",
    }


def test_no_file_and_an_empty_file() -> None:
    assert within_limit({}, recent(), NONE, limit=1, per_night=9) == {}
    assert kept(within_limit(files(empty="", one="a"), recent(a=0), NONE, limit=1, per_night=9)) == {
        "one": "a",
        "empty": "",
    }
