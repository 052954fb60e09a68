from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from pyspark.sql import functions as F

from bench.peers.repurchase import due
from features.items.repurchase import cluster_repurchase, renewed, repurchase
from features.items.repurchase_fit import EDGES, RepurchasePrior, bins_of, fit, learnt_prior, learnt_under, under

AS_OF = date(2017, 12, 3)


def counts(days: list[int]) -> np.ndarray:
    return np.bincount(bins_of(np.array(days, dtype=int)), minlength=len(EDGES) - 1).astype(float)


def simulated(repeat: float, median: float, sigma: float, customers: int, seed: int, horizon: int = 700):
    rng, gaps, still = np.random.default_rng(seed), [], []
    for start in rng.integers(0, horizon, customers):
        day = int(start)
        while True:
            gap = max(1, round(rng.lognormal(np.log(median), sigma))) if rng.random() < repeat else 10**9
            if day + gap > horizon:
                still.append(max(horizon - day, 1))
                break
            gaps.append(gap)
            day += gap
    return counts(gaps), counts(still)


@pytest.mark.parametrize(("repeat", "median", "sigma"), [(0.9, 14, 0.7), (0.6, 60, 0.9), (0.3, 30, 0.4)])
def test_known_parameters_are_found_again(repeat, median, sigma):
    gaps, still = simulated(repeat, median, sigma, 3000, 1)
    result = fit(gaps[None], still[None], RepurchasePrior())
    assert result.repeat[0] == pytest.approx(repeat, abs=0.03)
    assert np.exp(result.mu[0]) == pytest.approx(median, rel=0.07)
    assert result.sigma[0] == pytest.approx(sigma, rel=0.08)
    middle, low, high = (one[0] for one in result.interval())
    assert low < middle < high
    assert high / low < 1.2


def test_who_has_not_come_back_yet_is_no_proof_that_nobody_does():
    """Half of the purchases are younger than the interval: to count them as lost would mislead."""
    gaps, still = simulated(0.8, 150, 0.5, 4000, 2, horizon=365)
    naive = gaps.sum() / (gaps.sum() + still.sum())
    assert naive < 0.5
    assert fit(gaps[None], still[None], RepurchasePrior()).repeat[0] == pytest.approx(0.8, abs=0.08)


def test_items_with_few_purchases_lean_on_the_others():
    many = [simulated(0.85, 20 + n, 0.6, 150, n) for n in range(12)]
    few = simulated(0.85, 20, 0.6, 2, 99)
    gaps, still = (np.array([one[side] for one in [*many, few]]) for side in (0, 1))
    result = fit(gaps, still)
    assert result.prior == learnt_prior(gaps, still)
    assert result.repeat[-1] == pytest.approx(0.85, abs=0.05)
    width = [high / low for _, low, high in zip(*result.interval(), strict=True)]
    assert width[-1] > max(width[:-1])
    none = fit(np.zeros((1, len(EDGES) - 1)), np.zeros((1, len(EDGES) - 1)), result.prior)
    assert (none.repeat[0], none.mu[0]) == (pytest.approx(result.prior.repeat), pytest.approx(result.prior.mu))


def test_due_rises_towards_the_interval_and_is_the_share_that_returns_in_the_end():
    repeat, mu, sigma = np.full(4, 0.5), np.full(4, np.log(30.0)), np.full(4, 0.3)
    result = due(repeat, mu, sigma, np.array([0.0, 14, 25, 300]), 7)
    assert result[0] < result[1] < result[2]
    assert result[3] < 1e-3
    assert due(repeat[:1], mu[:1], sigma[:1], np.zeros(1), 1e6)[0] == pytest.approx(0.5)


def habits(who: str, product: str, every: int, times: int, age: int) -> list[str]:
    days = [AS_OF - timedelta(days=age + every * n) for n in range(times)]
    return [f"{who} {who}{day} {day} {product} 1.00" for day in days]


@pytest.fixture(scope="module")
def shop(crm):
    """Eighty households: milk every fortnight; a television once, and only one of them ever bought a second."""
    lines = [line for n in range(80) for line in habits(f"h{n}", "milk", 14, 10, n % 14)]
    lines += [line for n in range(80) for line in habits(f"h{n}", "tv", 200, 2 if n == 0 else 1, 100 + 2 * n)]
    lines += habits("h0", "oven", 1, 1, 30)
    return crm.lines(*lines, "h0 twice 2017-12-03 milk 1.00", "h1 x 2017-12-05 tv 1.00"), crm.products(
        "milk MILK D", "tv TV D", "oven OVEN D", "fuel G F offerable=no"
    )


def test_a_television_is_durable_and_milk_is_not(shop, rows):
    result = rows(repurchase(*shop, AS_OF), "product_type")
    milk, tv, oven = result["MILK"], result["TV"], result["OVEN"]
    # two baskets on one day are one purchase; what comes after the day is not seen
    assert (milk["buyers"], milk["purchases"], milk["repeats"]) == (80, 800, 720)
    assert (tv["buyers"], tv["purchases"], tv["repeats"]) == (80, 81, 1)
    assert milk["interval_days"] == pytest.approx(14, rel=0.05)
    assert milk["interval_low"] < 14 < milk["interval_high"]
    assert milk["renewable"]
    assert not tv["renewable"]
    assert tv["repeat_year_high"] < 0.1 < milk["repeat_year_low"]
    assert oven["renewable"], "one buyer is no evidence"


def test_a_cluster_has_an_interval_of_its_own_that_leans_on_its_types(crm, rows):
    """Long-life milk comes every twelve weeks under two names; of goat's milk two cartons were bought."""
    lines = [line for n in range(80) for line in habits(f"h{n}", "milk", 14, 20, n % 14)]
    lines += [line for n in range(80) for name, age in (("long", 0), ("long2", 84)) for line in
              habits(f"h{n}", name, 168, 2, n % 84 + age)]  # fmt: skip
    lines += [*habits("h0", "goat", 1, 1, 30), *habits("h1", "goat2", 1, 1, 40)]
    lines += [line for n in range(80) for line in habits(f"h{n}", "tv", 200, 1, 100 + 2 * n)]
    goods = ("milk MILK D", "long MILK D", "long2 MILK D", "goat MILK D", "goat2 MILK D", "tv TV D", "tv2 TV D")
    shop = crm.lines(*lines), crm.products(*goods)
    pairs = [("long", "l"), ("long2", "l"), ("goat", "g"), ("goat2", "g"), ("tv", "t"), ("tv2", "t"), ("milk", "alone")]
    clusters = crm.spark.createDataFrame(pairs, "product_id string, cluster_id string")
    types = repurchase(*shop, AS_OF).persist()
    result = rows(cluster_repurchase(*shop, clusters, types, AS_OF), "cluster_id")
    of_type = rows(types, "product_type")
    assert set(result) == {"l", "g", "t"}, "a product that is a cluster of its own has the interval of its type"
    long, goat = result["l"], result["g"]
    assert (long["product_type"], long["buyers"], long["purchases"], long["repeats"]) == ("MILK", 80, 320, 240)
    assert long["interval_days"] == pytest.approx(84, rel=0.1)
    assert of_type["MILK"]["interval_days"] < 20
    assert (goat["buyers"], goat["repeats"]) == (2, 0)
    # near its type's, and later, since neither carton was followed by another in a month
    assert of_type["MILK"]["interval_days"] < goat["interval_days"] < 30
    assert goat["interval_high"] / goat["interval_low"] > 1.3 > 1.1 > long["interval_high"] / long["interval_low"]
    assert goat["renewable"]
    assert not result["t"]["renewable"]


def test_items_lean_on_their_parents_the_more_the_closer_these_are():
    """Twelve items around one parent: where all are like it, few purchases count for little against it."""
    parent = RepurchasePrior(np.full(13, 0.85), mu=np.full(13, np.log(30.0)), sigma=np.full(13, 0.6))
    weights = []
    for spread in (0.0, 0.8):
        medians = 30 * np.exp(spread * np.linspace(-1, 1, 12))
        cells = [simulated(0.85, median, 0.6, 150, n) for n, median in enumerate(medians)]
        gaps, still = (np.array([one[side] for one in [*cells, counts([300])[None].repeat(2, 0)]]) for side in (0, 1))
        gaps[-1] = 0
        weights.append(learnt_under(parent, gaps, still)[3])
    assert weights[0] > 10 * weights[1]
    few = learnt_under(parent.of(np.arange(3)), gaps[:3], still[:3])
    assert few == (0, 0, parent.repeat_weight, parent.weight), "three items say nothing"


def test_what_items_add_to_their_parents_is_learnt():
    """Each name of a product is bought half as often as the product, and every other buyer leaves it for good."""
    cells = [simulated(0.5, 60, 0.5, 200, n, horizon=2000) for n in range(8)]
    gaps, still = (np.array([cell[side] for cell in cells]) for side in (0, 1))
    parents = RepurchasePrior(np.full(8, 0.8), mu=np.full(8, np.log(30.0)), sigma=np.full(8, 0.5))
    odds, days, *_ = learnt_under(parents, gaps, still)
    assert days == pytest.approx(np.log(2), abs=0.1)
    assert odds == pytest.approx(-np.log(4), abs=0.2)
    expected = under(parents, (odds, days, 5.0, 5.0))
    assert np.allclose(expected.repeat, 0.5, atol=0.05)
    assert np.allclose(np.exp(expected.mu), 60, rtol=0.1)


def test_rows_in_any_order_give_the_same(shop, rows):
    lines, products = shop
    again = rows(repurchase(lines.orderBy(F.rand(1)), products, AS_OF), "product_type")
    assert again == rows(repurchase(lines, products, AS_OF), "product_type")


def test_no_purchase_no_row(crm):
    assert repurchase(crm.lines(), crm.products("tv TV D"), AS_OF).collect() == []


def test_probability_in_spark_is_the_one_of_the_model(spark):
    cells = [(0.7, 30.0, 0.6, age) for age in (0, 5, 20, 60, 200)]
    frame = spark.createDataFrame(cells, "repeat_ever double, interval_days double, interval_spread double, age int")
    result = [row[0] for row in frame.select(renewed(F.col("age"), 28)).collect()]
    wanted = due(np.full(5, 0.7), np.full(5, np.log(30.0)), np.full(5, 0.6), np.array([0, 5, 20, 60, 200.0]), 28)
    assert result == pytest.approx(list(wanted), abs=0.01)
