from __future__ import annotations

from datetime import date

import pytest

from features.customers.labels import active_after, redemptions, scope_purchases, type_purchases

AS_OF = date(2017, 12, 3)


@pytest.fixture(scope="module")
def order_lines(crm):
    return crm.lines(
        "c1 o1 2017-12-03 milk 9.00",  # as_of itself is past
        "c2 o2 2017-12-04 milk 2.00",
        "c2 o3 2017-12-31 cream 3.00",  # the last day of the horizon
        "c2 o4 2017-12-30 milk 0.50 return=yes",
        "c3 o5 2018-01-01 milk 9.00",
        "c4 o6 2017-12-05 milk 9.00 return=yes",  # brings back what was bought before
        "c5 o7 2017-12-06 fuel 9.00",
    )


def test_types(crm, order_lines):
    products = crm.products("milk DAIRY D", "cream DAIRY D", "fuel GAS F offerable=no")
    assert [tuple(row) for row in type_purchases(order_lines, products, AS_OF, 28).collect()] == [("c2", "DAIRY", 4.5)]


def test_scopes(crm, order_lines):
    scope = crm.scope("k1 milk", "k1 cream", "k1 milk", "k2 milk", "k3 bun")  # a pair given twice counts once
    result = {tuple(row) for row in scope_purchases(order_lines, scope, AS_OF, 28).collect()}
    assert result == {("c2", "k1", 4.5), ("c2", "k2", 1.5)}


def test_redemptions(crm):
    responses = crm.responses(
        "r1 c1 k1 redeemed 2017-12-03", "r2 c1 k2 redeemed 2017-12-04", "r3 c1 k2 redeemed 2017-12-05",
        "r4 c2 k1 clicked 2017-12-05", "r5 c3 k1 redeemed 2017-12-31", "r6 c4 k1 redeemed 2018-01-01",
    )  # fmt: skip
    result = redemptions(responses, AS_OF, 28).collect()
    assert sorted(tuple(row) for row in result) == [("c1", "k2"), ("c3", "k1")]


def test_active(order_lines):
    assert sorted(row[0] for row in active_after(order_lines, AS_OF, 28).collect()) == ["c2", "c5"]
