from __future__ import annotations

import numpy as np
import pytest

from conf.features import PROFILE
from features.schemas import struct
from features.segments import COLD, SegmentConfig, segments

CONFIG = SegmentConfig(fewest=3, most=4, iterations=4)
#: name -> recency, baskets, spend, basket value, discount share, share of own brands, trend
KINDS = {
    "Frequent big spenders": (1, 40, 1500.0, 37.5, 0.10, 0.30, 0.1),
    "Discount hunters": (9, 10, 250.0, 25.0, 0.45, 0.30, 0.0),
    "Slipping away": (40, 6, 150.0, 25.0, 0.10, 0.30, -1.9),
}
COLUMNS = (
    "recency_days", "baskets_84", "spend_84", "basket_value_84", "discount_share_84", "private_brand_share_84",
    "trend_28",
)  # fmt: skip


def customers(per_kind: int = 14) -> list[tuple]:
    """Customers of three clear kinds with some noise, and two cold ones."""
    rng = np.random.default_rng(5)
    rows = []
    for number, values in enumerate(KINDS.values()):
        for member in range(per_kind):
            noisy = [type(value)(value * (1 + 0.1 * rng.standard_normal())) for value in values]
            rows.append(
                {"customer_id": f"{number}{member:02d}", "is_cold": False, **dict(zip(COLUMNS, noisy, strict=True))}
            )
    rows += [{"customer_id": f"cold{n}", "is_cold": True, "baskets_84": n, "spend_84": 5.0 * n} for n in range(2)]
    return [tuple(row.get(name) for name in PROFILE.names) for row in rows]


@pytest.fixture(scope="module")
def found(spark):
    members, profiles = segments(spark.createDataFrame(customers(), struct(PROFILE)), CONFIG)
    return {row["customer_id"]: row for row in members.collect()}, profiles.collect()


def test_kinds_are_found_and_named(found):
    members, profiles = found
    for number, name in enumerate(KINDS):
        assert {row["segment_name"] for key, row in members.items() if key.startswith(str(number))} == {name}
    assert [row["segment_id"] for row in profiles] == ["segment_1", "segment_2", "segment_3", COLD]
    assert len({row["segment_name"] for row in profiles}) == 4
    spends = [row["spend_84"] for row in profiles[:3]]
    assert spends == sorted(spends, reverse=True)


def test_profiles_agree_with_their_members(found):
    members, profiles = found
    for row in profiles:
        own = [member for member in members.values() if member["segment_id"] == row["segment_id"]]
        assert len(own) == row["customers"]
        if row["segment_id"] != COLD:
            assert row["silhouette"] == pytest.approx(np.mean([member["silhouette"] for member in own]), abs=1e-6)
            assert row["silhouette"] > 0.5
    cold = profiles[-1]
    assert (cold["customers"], cold["silhouette"], cold["baskets_84"], cold["recency_days"]) == (2, None, 0.5, None)
    assert f"{profiles[0]['baskets_84']:.1f} baskets in 84 days" in profiles[0]["portrait"]


def test_shuffled_rows_give_equal_segments(spark, found):
    rows = customers()
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    members, profiles = segments(spark.createDataFrame(shuffled, struct(PROFILE)).repartition(3), CONFIG)
    assert {row["customer_id"]: row for row in members.collect()} == found[0]
    assert profiles.collect() == found[1]


def test_a_handful_of_customers_or_only_cold_ones(spark):
    few = spark.createDataFrame(customers(per_kind=2), struct(PROFILE))
    members, profiles = segments(few, CONFIG)
    assert [(row["segment_id"], row["customers"]) for row in profiles.collect()] == [("segment_1", 6), (COLD, 2)]
    assert {row["silhouette"] for row in members.collect()} == {None}
    members, profiles = segments(few.where("is_cold"), CONFIG)
    assert [row["segment_id"] for row in profiles.collect()] == [COLD]
    assert members.count() == 2
