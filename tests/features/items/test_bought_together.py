from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import pytest

from features.items.bought_together import TYPES, bought_together

AS_OF = date(2017, 12, 3)
PRODUCTS = ("a A D", "a2 A D", "b B D", "c C D", "d D D", "fuel G F offerable=no")


def dunning(k: int, a: int, b: int, n: int) -> float:
    """The other way to write the ratio: entropies of rows, columns and cells of the table."""

    def entropy(*counts: int) -> float:
        return -sum(c * math.log(c / sum(counts)) for c in counts if c)

    cells = (k, a - k, b - k, n - a - b + k)
    return 2 * (entropy(a, n - a) + entropy(b, n - b) - entropy(*cells))


def baskets(*texts: str, day: str = "2017-06-01") -> list[str]:
    """Each text is a basket of one-letter products."""
    return [
        f"c{number % 2} {day}-{number} {day} {item} 1.00" for number, text in enumerate(texts) for item in text.split()
    ]


def test_example(crm, rows):
    texts = ["a b", "a a2 b", "a b c", "c d", "c d", "d", "b", "c fuel"]
    result = rows(bought_together(crm.lines(*baskets(*texts)), crm.products(*PRODUCTS), AS_OF), "product_type", "other")
    assert set(result) == {("A", "B"), ("B", "A"), ("C", "D"), ("D", "C")}  # a pair of one basket is chance
    row = result["B", "A"]
    assert (row["baskets"], row["confidence"], row["lift"]) == (3, 0.75, 0.75 / (3 / 8))
    assert row["llr"] == pytest.approx(dunning(3, 4, 3, 8), abs=1e-6)
    assert row["rank"] == 1


def test_windows_returns_and_order_of_rows(crm):
    products = crm.products(*PRODUCTS)
    lines = baskets("a b", "a b", "a c", "a c")
    plain = bought_together(crm.lines(*lines), products, AS_OF).collect()
    unseen = [*baskets("b c", "b c", day="2017-12-04"), *baskets("b c", "b c", day="2016-12-03")]
    returned = [f"{line} return=yes" for line in baskets("b c", "b c", day="2017-07-01")]
    again = bought_together(crm.lines(*reversed(lines), *unseen, *returned), products, AS_OF).collect()
    assert sorted(again) == sorted(plain)
    ranks = {row["other"]: row["rank"] for row in plain if row["product_type"] == "A"}
    assert ranks == {"B": 1, "C": 2}  # equal ratios: by name


def test_large_baskets_are_left_out_and_only_the_strongest_stay(crm):
    texts = ["a b", "a b", "a b", "a c", "a c", "a b c d", "a b c d", "d", "d", "d"]
    lean = replace(TYPES, top=1, most_items=3)
    result = bought_together(crm.lines(*baskets(*texts)), crm.products(*PRODUCTS), AS_OF, lean).collect()
    assert {(row["product_type"], row["other"]): row["baskets"] for row in result} == {
        ("A", "B"): 3,
        ("B", "A"): 3,
        ("C", "A"): 2,
    }
