from __future__ import annotations

import pytest
from pydantic import ValidationError

from conf.settings.schema import Fit
from scoring.offers.fitness import with_unfit

SEX = Fit(attribute="sex", customer="gender", unknown="allow")
SIZE = Fit(attribute="size", customer="shoe_size")
TYRES = Fit(attribute="fits", owned_type="CAR", owned="model")
PRODUCTS = {
    "boots": ("SHOES", {"sex": "Male", "size": "44"}),
    "pumps": ("SHOES", {"sex": "female", "size": "38 | 39"}),
    "laces": ("LACES", None),
    "winter": ("TYRES", {"fits": "corolla | camry"}),
    "summer": ("TYRES", {"fits": "focus"}),
    "car": ("CAR", {"model": "Camry"}),
    "old car": ("CAR", {"model": "focus"}),
}


@pytest.fixture(scope="module")
def crm(frame):
    products = frame("products", *(
        {"product_id": name, "product_type": kind, "attributes": attributes, "counted": True, "offerable": True}
        for name, (kind, attributes) in PRODUCTS.items()
    ))  # fmt: skip
    customers = frame("customers",
        {"customer_id": "ann", "gender": "FEMALE", "attributes": {"shoe_size": "39"}},
        {"customer_id": "bob", "gender": "male", "attributes": {"shoe_size": "44"}},
        {"customer_id": "kim"})  # fmt: skip
    lines = frame("order_lines",
        {"order_id": "1", "line_id": "1", "customer_id": "ann", "product_id": "car", "is_return": False},
        {"order_id": "2", "line_id": "1", "customer_id": "bob", "product_id": "old car", "is_return": False},
        {"order_id": "3", "line_id": "1", "customer_id": "kim", "product_id": "car", "is_return": True})  # fmt: skip
    return customers, lines, products


def unfit(rows, crm, rules, key="product_id", names=tuple(PRODUCTS)):
    pairs = rows(f"customer_id string, {key} string", *((who, what) for who in ("ann", "bob", "kim") for what in names))
    return {(row["customer_id"], row[key]) for row in with_unfit(pairs, key, rules, *crm).where("unfit").collect()}


def test_tyres_for_the_car_that_was_bought(rows, crm):
    # kim gave the car back: nothing is known of kim's car, and the rule refuses what it cannot know
    assert unfit(rows, crm, [TYRES]) == {("ann", "summer"), ("bob", "winter"), ("kim", "summer"), ("kim", "winter")}


def test_sex_and_size_without_regard_to_case(rows, crm):
    assert unfit(rows, crm, [SEX]) == {("ann", "boots"), ("bob", "pumps")}
    assert unfit(rows, crm, [SEX, SIZE]) == {("ann", "boots"), ("bob", "pumps"), ("kim", "boots"), ("kim", "pumps")}


def test_a_product_type_suits_whom_one_of_its_products_suits(rows, crm):
    names = ("SHOES", "LACES", "TYRES", "CAR")
    assert unfit(rows, crm, [SIZE], "product_type", names) == {("kim", "SHOES")}
    assert unfit(rows, crm, [TYRES], "product_type", names) == {("kim", "TYRES")}


def test_a_coupon_suits_whom_a_product_of_its_scope_suits(rows, crm):
    customers, lines, products = crm
    scope = rows("offer_id string, product_id string", ("shoes", "boots"), ("shoes", "pumps"), ("men", "boots"),
                 ("wheels", "summer"), ("any", "boots"), ("any", "laces"))  # fmt: skip
    crm = customers, lines, products.join(scope, "product_id", "left")
    names = ("shoes", "men", "wheels", "any", "unknown")
    assert unfit(rows, crm, [SEX], "offer_id", names) == {("ann", "men")}
    # ann's car is known, though no coupon is for cars
    assert unfit(rows, crm, [TYRES], "offer_id", names) == {("ann", "wheels"), ("kim", "wheels")}


def test_without_rules_everything_suits(rows, crm):
    assert unfit(rows, crm, []) == set()


@pytest.mark.parametrize("given", [
    {}, {"customer": "gender", "owned_type": "CAR", "owned": "model"}, {"owned": "model"},
    {"customer": "gender", "owned": "x"},
])  # fmt: skip
def test_a_rule_compares_with_exactly_one_thing(given):
    with pytest.raises(ValidationError, match="exactly one of them"):
        Fit(attribute="sex", **given)
