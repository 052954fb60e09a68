from __future__ import annotations

from datetime import date

from features.items.product_types import product_types

AS_OF = date(2017, 12, 3)
PRODUCTS = (
    "milk DAIRY COOL", "cream DAIRY COOL", "cocoa DAIRY DRINKS", "bun BREAD BAKERY", "fuel GAS FUEL offerable=no",
    "ice FROZEN COOL", "jam SWEET -", "unsold DAIRY COOL",
)  # fmt: skip
LINES = (
    "c1 o1 2017-12-01 milk 2.00",
    "c1 o2 2017-11-20 cream 4.00",
    "c2 o3 2017-12-02 cocoa 3.00",
    "c3 o4 2017-10-01 milk 9.00",  # bought in 84 days, not in 28
    "c3 o5 2017-10-01 fuel 50.00",
    "c1 o6 2017-09-20 bun 6.00",
    "c2 o7 2017-09-20 bun 3.00",
    "c4 o8 2017-01-01 jam 5.00",  # neither active nor bought lately
    "c4 o9 2017-01-02 jam 3.00",
    "c2 o10 2017-12-03 milk 1.00 return=yes",
)


def test_example(crm, rows):
    result = rows(product_types(crm.lines(*LINES), crm.products(*PRODUCTS), AS_OF), "product_type")
    assert set(result) == {"DAIRY", "BREAD", "SWEET"}  # ice was never sold, fuel may not be offered
    dairy = result["DAIRY"]
    assert (dairy["department"], dairy["products"], dairy["buyers"]) == ("COOL", 3, 3)
    assert (dairy["buyers_28"], dairy["buyers_84"], dairy["baskets_84"]) == (2, 3, 4)
    assert dairy["popularity_28"] == 2 / 3  # c1, c2 and c3 were active
    assert dairy["spend_per_buyer_28"] == (6.0 + 2.0) / 2  # c2 brought a bottle back
    # both bought it for the first time then; all buyers' mean as one more
    assert dairy["spend_per_new_buyer_28"] == (6.0 + 2.0 + 4.0) / 3
    assert dairy["repeat_share_84"] == 1 / 3
    assert result["BREAD"]["spend_per_buyer_28"] == (6.0 + 3.0) / 2 / 3  # of 84 days
    assert result["SWEET"]["spend_per_buyer_28"] == 8.0 / 2  # of a basket
    assert result["SWEET"]["spend_per_new_buyer_28"] == 4.0  # there is none
    assert (result["SWEET"]["department"], result["SWEET"]["popularity_28"], result["SWEET"]["repeat_share_84"]) == (
        None,
        0.0,
        0.0,
    )


def test_who_bought_it_before_is_no_new_buyer(crm, rows):
    order_lines = crm.lines("c1 o1 2017-11-01 bun 2.00", "c1 o2 2017-12-01 bun 9.00", "c2 o3 2017-12-01 bun 1.00")
    result = rows(product_types(order_lines, crm.products(*PRODUCTS), AS_OF), "product_type")["BREAD"]
    assert (result["spend_per_buyer_28"], result["spend_per_new_buyer_28"]) == (5.0, (1.0 + 5.0) / 2)


def test_rare_types_are_left_out_and_ties_of_departments_go_by_name(crm, rows):
    products = crm.products("a T ZOO", "b T ARK", "c RARE ARK")
    order_lines = crm.lines(
        "c1 o1 2017-12-01 a 2", "c2 o2 2017-12-01 b 2", "c1 o1 2017-12-01 c 2", "c1 o3 2018-01-01 a 9"
    )
    result = rows(product_types(order_lines, products, AS_OF, min_buyers=2), "product_type")
    assert {name: row["department"] for name, row in result.items()} == {"T": "ARK"}
