"""Interests and the wide table: hand-computed answers, drift that was put in, and rules of life stages."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from conf.errors import ConfigError
from conf.settings.source import LifeStage
from conf.tables.interests import INTERESTS, WIDE
from features.customers.customer_features import customer_features, interest_table
from features.customers.interests import ORDERS, drift, group_units, interests, leakage, lifts, named
from features.customers.purchases import Base, Kinds, PurchaseBlock, base, grouped, kinds, purchase_lists
from features.customers.wide import sparse_rows, wide_columns, wide_matrix
from features.lines import lines

NIGHT, ZONE = date(2017, 12, 3), "America/New_York"
#: one department with two categories: kinds 0 and 1
KINDS = Kinds(
    np.array([10, 20]), np.array([[0, 0], [1, 2]]), ("FOOD", "BREAD", "MILK"), ("department", *["category"] * 2)
)


def purchases(*texts: str) -> PurchaseBlock:
    """``owner age kind amount``; a basket a day, at 9 h in store 7."""
    rows = sorted((int(w), int(a), int(k), float(m)) for w, a, k, m in (text.split() for text in texts))
    owner, age, kind, amount = (np.array(column) for column in zip(*rows, strict=True))
    keys, basket = np.unique(np.stack([owner, age]), axis=1, return_inverse=True)
    units = np.rint(amount * 10_000).astype("int64")
    size, zero = keys.shape[1], np.zeros(len(owner), dtype="int64")
    return PurchaseBlock(
        int(owner.max()) + 1, (NIGHT - date(1970, 1, 1)).days, basket.ravel(), kind, units, zero, zero + 1000,
        keys[0], keys[1], np.arange(size, dtype="int64"), np.full(size, 9), np.full(size, 7),
    )  # fmt: skip


def market(units: list[list[float]], prices: tuple[float, float] = (0.0, np.log(2))) -> Base:
    """Units of FOOD, BREAD and MILK by year, short and long decay."""
    result = np.array(units, dtype=float)
    return Base(KINDS, result, np.repeat(result[:, :1], 3, axis=1), np.array(prices))


EVEN = market([[100, 50, 50]] * 3)


def test_an_affinity_index_is_shrunk_by_hand():
    assert lifts(np.array([[10.0]]), np.array([[20.0]]), np.array([0.1]))[0, 0] == pytest.approx((10 + 5) / (2 + 5))


def test_interests_of_two_speeds_differ():
    old_milk = [f"0 {age} 1 1" for age in range(100, 300, 10)]
    new_bread = [f"0 {age} 0 1" for age in range(0, 30, 3)]
    units = group_units(grouped(purchases(*old_milk, *new_bread), EVEN))
    assert units["short"][0, 1] == pytest.approx(sum(0.5 ** (age / 28) for age in range(0, 30, 3)))
    assert units["year"][0].tolist() == [30, 10, 20]
    one_sided = market([[100, 20, 80], [100, 20, 80], [100, 20, 80]])
    assert named(units["short"], units["short_total"], units["year"], one_sided, 1)[0] == "BREAD"
    assert named(units["long"], units["long_total"], units["year"], one_sided, 2)[0] == "BREAD"
    milky = market([[100, 80, 20]] * 3)
    assert named(units["long"], units["long_total"], units["year"], milky, 2)[0] == "MILK"
    assert named(units["short"], units["short_total"], units["year"], milky, 1)[0] is None


def test_drift_that_was_put_in_is_found_and_chance_is_not():
    rng = np.random.default_rng(1)
    steady = [f"{who} {age} {rng.integers(2)} 1" for who in range(200) for age in range(0, 360, 6)]
    turned = [f"{200 + who} {age} {int(age > 60)} 1" for who in range(20) for age in range(0, 360, 6)]
    distance, chance = drift(grouped(purchases(*steady, *turned), EVEN))
    alarm = chance <= 1 / (ORDERS + 1)
    assert alarm[200:].all()
    assert distance[200:].min() > 0.5
    assert 0 < alarm[:200].mean() < 0.12  # 5 % by construction


def test_a_season_of_everybody_is_nobodys_drift():
    texts = [f"{who} {age} {int(age > 60)} 1" for who in range(5) for age in range(0, 360, 6)]
    bought = purchases(*texts)
    units = group_units(grouped(bought, EVEN))
    seasonal = market([list(units[name].sum(axis=0)) for name in ("year", "short", "long")])
    assert drift(grouped(bought, seasonal))[0].max() < 0.05
    assert drift(grouped(bought, EVEN))[0].min() > 0.5


def test_prices_places_and_times_by_hand():
    bought = purchases("0 10 0 2", "0 3 1 2", "0 100 1 2", "1 5 0 1")
    seen = grouped(bought, EVEN)
    result = interests(seen, group_units(seen))
    # bread at 2 for 1, milk at 2 for 2 twice: a third of log 2
    assert result["price_index"] == pytest.approx([2 ** (1 / 3), 1.0])
    assert result["store_loyalty"].tolist() == [1.0, 1.0]
    assert result["store_switched"].tolist() == [False, None]
    assert result["day_part"].tolist() == [None, None]  # fewer than five baskets tell no habit
    weekly = purchases(*[f"0 {7 * n} 0 1" for n in range(5)])
    actual = interests(grouped(weekly, EVEN), group_units(grouped(weekly, EVEN)))
    assert (actual["day_part"][0], actual["weekday"][0], actual["weekday_share"][0]) == ("morning", "Sunday", 1.0)


def test_leakage_counts_what_no_longer_comes():
    bread = [f"0 {age} 0 1" for age in range(0, 168, 7)]
    milk = [f"0 {age} 1 1" for age in range(84, 168, 7)]
    assert leakage(grouped(purchases(*bread, *milk, "0 167 0 0"), EVEN))[0] == pytest.approx(0.5)
    assert np.isnan(leakage(grouped(purchases("0 10 0 1"), EVEN))[0])


def test_the_wide_matrix_agrees_with_its_dictionary():
    bought = purchases("0 2 0 3", "0 2 1 4", "0 50 0 5", "1 200 1 6")
    seen = grouped(bought, EVEN)
    columns = wide_columns(EVEN)
    matrix = wide_matrix(seen, group_units(seen))
    assert matrix.shape == (2, len(columns))
    at = {column.name: place for place, column in enumerate(columns)}
    one = {name: float(matrix[0, place]) for name, place in at.items()}
    assert (one["spend_7"], one["spend_84"], one["baskets_364"], one["categories_84"]) == (7, 12, 2, 2)
    assert (one["spend_28|category BREAD"], one["spend_84|category BREAD"], one["spend_84|department FOOD"]) == (
        3,
        8,
        12,
    )
    assert (one["baskets_84|category MILK"], one["share_84_morning"]) == (1, 1)
    assert one["fresh|category MILK"] == pytest.approx(0.5 ** (2 / 28))
    assert np.isnan(matrix[1, at["discount_share|category BREAD"]])
    assert np.isnan(matrix[1, at["share_84_night"]])
    assert matrix[1, at["affinity|category BREAD"]] == 0
    offsets, places, cells = sparse_rows(matrix, columns)
    dense = np.zeros_like(matrix)
    dense[np.repeat([0, 1], np.diff(offsets)), places] = cells
    np.testing.assert_array_equal(dense, np.nan_to_num(matrix))
    assert at["share_84_night"] in places[: offsets[1]]  # a share of zero is known, and said


@pytest.fixture(scope="module")
def shop(crm):
    products = crm.products("p1 BREAD FOOD", "p2 MILK FOOD", "p3 NAPPIES CARE", "fuel GAS FUEL counted=no")
    texts = [
        f"{who} {who}-{n} {NIGHT - timedelta(days=5 * n)} {product} {amount}"
        for who, product, amount in (("a", "p1", 2), ("a", "p2", 1), ("b", "p3", 9), ("c", "p1", 3))
        for n in range(12)
    ]
    future = f"c c-99 {NIGHT + timedelta(days=1)} p3 50"
    bought = crm.lines(*texts, f"a a-f {NIGHT} fuel 40", future)
    return purchase_lists(lines(bought, products), NIGHT), kinds(products)


def test_frames_are_the_same_whatever_the_partitions_and_blocks(spark, shop, rows):
    lists, recorded = shop
    everybody = base(lists, recorded, NIGHT, ZONE)
    first = customer_features(lists, everybody, NIGHT, ZONE)
    again = lists.repartition(3)
    second = customer_features(again, base(again, recorded, NIGHT, ZONE), NIGHT, ZONE)
    actual = rows(first, "customer_id")
    assert actual == rows(second, "customer_id")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1")  # a block a customer, whatever is null in it
    try:
        assert actual == rows(customer_features(lists.coalesce(1), everybody, NIGHT, ZONE), "customer_id")
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    assert actual["a"]["day_part"] == "midday"  # 17 h UTC is noon there, 13 h in summer


def test_a_catalogue_without_categories_has_product_types(shop):
    lists, recorded = shop
    assert recorded.names == ("CARE", "FOOD", "BREAD", "MILK", "NAPPIES")
    everybody = base(lists, recorded, NIGHT, ZONE)
    assert everybody.units[0, everybody.kinds.names.index("MILK")] == 12  # the day after the night is not seen
    assert everybody.shares[0].sum() == pytest.approx(2)


def test_life_stages_come_from_rules_and_bear_what_is_missing(spark, crm, shop, rows):
    lists, recorded = shop
    result = customer_features(lists, base(lists, recorded, NIGHT, ZONE), NIGHT, ZONE)
    rules = [
        LifeStage(title="Family", where="attributes['kids'] = '1'"),
        LifeStage(title="Infant", where="lifts['NAPPIES'] >= 1.5", basis="baskets"),
        LifeStage(title="Young", where="age_band = '19-24'"),
    ]
    customers = crm.table("customers", [
        {"customer_id": "a", "attributes": {"kids": "1"}}, {"customer_id": "c", "age_band": "19-24"},
        {"customer_id": "d"},
    ])  # fmt: skip
    profile = spark.createDataFrame([(name,) for name in "abcd"], "customer_id string")
    actual = rows(interest_table(result, customers, profile, rules), "customer_id")
    assert {key: (row["life_stage"], row["life_stage_basis"]) for key, row in actual.items()} == {
        "a": ("Family", "recorded"), "b": ("Infant", "baskets"), "c": ("Young", "recorded"), "d": (None, None),
    }  # fmt: skip
    assert {row["price_tier"] for key, row in actual.items() if key != "d"} <= {"low", "middle", "high"}
    assert actual["d"]["price_tier"] is None
    assert set(interest_table(result, customers, profile, rules).columns) == {*INTERESTS.names}
    assert {*WIDE.names} <= {*result.columns}
    with pytest.raises(ConfigError, match="kdis"):
        interest_table(result, customers, profile, [LifeStage(title="x", where="kdis = 1")])


def test_a_shop_that_sold_nothing(spark, crm, rows):
    lists = purchase_lists(lines(crm.lines(), crm.products()), NIGHT)
    everybody = base(lists, kinds(crm.products()), NIGHT, ZONE)
    result = customer_features(lists, everybody, NIGHT, ZONE)
    profile = spark.createDataFrame([("a",)], "customer_id string")
    (only,) = interest_table(result, crm.table("customers", []), profile, []).collect()
    assert only["long_interests"] is None
    assert only["interest_drift"] is None
