from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import functions as F

from conf.settings.schema import Policy, RestrictedGoods
from scoring.offers.policy import RESTRICTED, mark_coupons
from scoring.offers.restricted import (
    WORDS,
    restricted_kind,
    restricted_products,
    restricted_types,
    with_restricted_scope,
)

CASES = {
    "DRUG GM / CIGARETTES / CIGARETTES": "tobacco",
    "GROCERY / BEERS/ALES / BEERALEMALT LIQUORS": "alcohol",
    "GROCERY / DOMESTIC WINE / POPULAR 750ML WINES": "alcohol",
    "SOFT DRINKS / ROOT BEER": None,
    "CONDIMENTS/SAUCES / VINEGAR WINE/RICE": None,
    "CONDIMENTS/SAUCES / VINEGAR ALL-EXCEPT WINE/RIC": None,
    "PRODUCE / GRAPES": None,
    "Obst / Weintrauben": None,
    "Getränke / Wein": "alcohol",
    "Напитки / Пиво светлое": "alcohol",
    "Фрукты / Виноград": None,
    "Напитки / Пиво безалкогольное": "alcohol",  # stands among beer all the same
    "Табачные изделия / Сигареты": "tobacco",
    "Аптека / Витамины": "medicines",
    "DRUG GM / ANALGESICS / ADULT ANALGESICS": "medicines",
    "COLD CEREAL / ADULT CEREAL": None,
    "Services / Lottery tickets": "gambling",
    "Sport / Ammunition": "weapons",
    "Toys / Water guns": None,
    "DRUG GM / FAMILY PLANNING / CONDOMS": "adult",
    "BABY / INFANT FORMULA": "infant formula",
    "MEAT / SMOKED HAM": None,
    "DRESSING / GINGER": None,
}


@pytest.fixture(scope="module")
def kinds(spark):
    frame = spark.createDataFrame([(text,) for text in CASES], "text string")
    asked = {
        "default": RestrictedGoods(),
        "allowed": RestrictedGoods(allow=["alcohol"], words=["ham"], exceptions=["water"]),
    }
    result = frame.select("text", *(restricted_kind(F.col("text"), rule).alias(name) for name, rule in asked.items()))
    return {row["text"]: row for row in result.collect()}


@pytest.mark.parametrize("text", CASES)
def test_restricted_goods_are_known_by_the_words_of_their_place(kinds, text):
    assert kinds[text]["default"] == CASES[text]


def test_kinds_may_be_allowed_and_words_added(kinds):
    assert kinds["Напитки / Пиво светлое"]["allowed"] is None
    assert kinds["MEAT / SMOKED HAM"]["allowed"] == "configured"
    assert kinds["DRUG GM / CIGARETTES / CIGARETTES"]["allowed"] == "tobacco"


def test_every_word_finds_itself(spark):
    words = [(kind, word.replace("*", "")) for kind, listed in WORDS.items() for word in listed]
    frame = spark.createDataFrame(words, "kind string, word string")
    assert not frame.where(restricted_kind(F.col("word"), RestrictedGoods()).isNull()).collect()


def test_a_coupon_with_restricted_goods_is_removed(frame, rows):
    products = frame(
        "products",
        {"product_id": "1", "category": "CIGARS", "product_type": "CIGARS / CIGARS"},
        {"product_id": "2", "category": "MEAT", "product_type": "MEAT / LEAN"},
    )
    restricted = restricted_products(products, RestrictedGoods())
    assert [tuple(row) for row in restricted_types(restricted).collect()] == [("CIGARS / CIGARS", "tobacco")]
    pairs = (("mixed", "1"), ("mixed", "2"), ("meat", "2"))
    scope = frame("offer_products", *({"offer_id": offer, "product_id": product} for offer, product in pairs))
    coupons = rows(
        "customer_id string, offer_id string, already_redeemed boolean", ("a", "mixed", False), ("a", "meat", False)
    )
    marked = with_restricted_scope(coupons, scope, restricted, 0.0)
    assert {row["offer_id"]: row["restricted_scope"] for row in marked.collect()} == {"mixed": True, "meat": False}
    half = with_restricted_scope(coupons, scope, restricted, 0.5)
    assert not any(row["restricted_scope"] for row in half.collect())
    offers, targets = frame("offers"), frame("campaign_targets")
    result = mark_coupons(marked, offers, targets, None, Policy(control_salt="salt-and-pepper"), date(2017, 12, 3))
    assert {row["offer_id"]: row["removed_by"] == RESTRICTED for row in result.collect()} == {
        "mixed": True,
        "meat": False,
    }
