from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.items import als
from features.items.als import AlsConfig, factorize

CONFIG = AlsConfig(rank=2, iterations=6, regularization=0.02)
COLUMNS = "customer_id string, product_type string, baskets_total long"
#: two kinds of customers, each with a shelf of its own; one pair of each is held back
PAIRS = [
    (f"{kind}{customer}", f"{kind}-type{item}", 1 + (customer + item) % 5)
    for kind in "xy"
    for customer in range(8)
    for item in range(6)
    if (customer, item) != (0, 5)
]


@pytest.fixture(scope="module")
def factors(spark):
    users, items = factorize(spark.createDataFrame(PAIRS, COLUMNS), CONFIG)
    return (
        {row["customer_id"]: np.array(row["factors"]) for row in users.collect()},
        {row["product_type"]: np.array(row["factors"]) for row in items.collect()},
    )


def test_what_was_held_back_ranks_above_the_other_shelf(factors):
    users, items = factors
    assert len(users) == 16
    assert len(items) == 12
    for kind in "xy":
        score = {name: float(users[f"{kind}0"] @ vector) for name, vector in items.items()}
        assert score[f"{kind}-type5"] > max(value for name, value in score.items() if name[0] != kind) + 0.3


def test_customers_solve_the_least_squares_of_the_paper(factors):
    """The last half step: (Y'Y + sum alpha r y y' + lambda n) x = sum (1 + alpha r) y, lambda scaled by n ratings."""
    users, items = factors
    everything = np.stack(list(items.values()))
    for customer in ("x0", "y3"):
        own = [(items[item], np.log1p(count)) for name, item, count in PAIRS if name == customer]
        left = everything.T @ everything + CONFIG.regularization * len(own) * np.eye(CONFIG.rank)
        left += sum(CONFIG.alpha * r * np.outer(y, y) for y, r in own)
        right = sum((1 + CONFIG.alpha * r) * y for y, r in own)
        np.testing.assert_allclose(users[customer], np.linalg.solve(left, right), rtol=1e-3, atol=1e-4)


def test_product_types_solve_theirs(factors):
    """The half step before: the same with the customers' factors of that time, which move little by now."""
    users, items = factors
    everything = np.stack(list(users.values()))
    own = [(users[customer], np.log1p(count)) for customer, item, count in PAIRS if item == "x-type2"]
    left = everything.T @ everything + CONFIG.regularization * len(own) * np.eye(CONFIG.rank)
    left += sum(CONFIG.alpha * r * np.outer(x, x) for x, r in own)
    right = sum((1 + CONFIG.alpha * r) * x for x, r in own)
    np.testing.assert_allclose(items["x-type2"], np.linalg.solve(left, right), rtol=0.05, atol=0.01)


def test_blocks_that_meet_every_iteration_come_to_what_one_comes_to(spark, factors, monkeypatch):
    """Blocks draw their first factors apart, so that scores, not factors, are compared: after some iterations."""
    config = replace(CONFIG, iterations=12)
    one, two = [], []
    for scores, size in ((one, 1_000), (two, 50)):
        monkeypatch.setattr(als, "_BLOCK_PAIRS", size)
        users, items = (
            {key: np.array(values) for key, values in side.collect()}
            for side in factorize(spark.createDataFrame(PAIRS, COLUMNS), config)
        )
        scores.extend(users[name] @ items[kind] for name in sorted(users) for kind in sorted(items))
    np.testing.assert_allclose(one, two, atol=0.05)


def test_without_purchases_there_are_no_factors(spark):
    users, items = factorize(spark.createDataFrame([], COLUMNS), CONFIG)
    assert users.columns == ["customer_id", "factors"]
    assert items.columns == ["product_type", "factors"]
    assert users.count() == items.count() == 0


def test_the_order_of_rows_does_not_matter(spark, factors):
    shuffled = [PAIRS[i] for i in np.random.default_rng(3).permutation(len(PAIRS))]
    users, items = factorize(spark.createDataFrame(shuffled, COLUMNS).repartition(5), CONFIG)
    for name, values in users.collect():
        np.testing.assert_array_equal(values, factors[0][name])
    for name, values in items.collect():
        np.testing.assert_array_equal(values, factors[1][name])
