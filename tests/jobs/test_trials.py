"""The trials of both rankers on made-up windows: who is beaten, by what, and what the table of methods is made of."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conf.schema import Models
from jobs.model_comparison import comparison
from jobs.trials import TASKS, NotEnoughData
from scoring.candidates import RANKER_INPUTS
from training.promotion import decide, faults
from training.windows import Windows

GATE = date(2017, 11, 5)
WINDOWS = Windows(GATE, GATE - timedelta(28), tuple(GATE - timedelta(28 * back) for back in (2, 3)))
TYPES = [f"t{number:02d}" for number in range(20)]


class Sets:
    """Windows of customers who buy again what they bought often, and try what the linear model says."""

    windows = WINDOWS

    def __init__(self, customers: int = 150) -> None:
        self.customers = customers

    def read(self, name: str, days: Any) -> pd.DataFrame:
        return pd.concat([self._window(name, day) for day in (days if isinstance(days, tuple) else (days,))])

    def _window(self, name: str, day: date) -> pd.DataFrame:
        generator = np.random.default_rng(day.toordinal())
        n = self.customers * len(TYPES)
        known = generator.random(n) < 0.5
        baskets = np.where(known, generator.integers(1, 12, n), np.nan)
        pairs = pd.DataFrame({column: generator.random(n) for column in RANKER_INPUTS})
        pairs["pair_baskets_total"], pairs["pair_baskets_84"] = baskets, np.floor(baskets / 2)
        chance = np.where(known, baskets / 15, 0.5 * pairs["ease_new_score"] ** 3)
        who = np.repeat([f"c{number:03d}" for number in range(self.customers)], len(TYPES))
        pairs = pairs.assign(customer_id=who, product_type=TYPES * self.customers, bought=generator.random(n) < chance)
        if name == "pairs":
            return pairs
        rows = pairs.groupby("customer_id")
        bought = rows.apply(lambda each: each.loc[each["bought"], "product_type"].tolist())
        had = rows.apply(lambda each: each.loc[each["pair_baskets_total"].notna(), "product_type"].tolist())
        return pd.DataFrame({"bought": bought, "types": had}).reset_index()


@pytest.mark.parametrize(
    ("name", "others", "slices"),
    [
        ("offer_ranker", ["popularity", "EASE", "ALS"], ["all", "repeats", "discoveries"]),
        ("discovery_ranker", ["popularity", "ALS"], ["discoveries"]),
    ],
)
def test_a_ranker_meets_all_its_baselines_on_the_gate_window(name, others, slices):
    task = TASKS[name]
    trial = task.trial(Sets(), Models())
    judged, baseline = trial.judge(trial.challenger.model), trial.judge(trial.baseline.model)
    assert list(trial.others) == others
    assert list(judged.slices) == slices
    assert not faults(judged.probability, judged.truth, trial.challenger.model.meta.inputs, task.declared)
    assert decide(baseline.each, {other: each.each for other, each in trial.others.items()}).promote
    assert judged.each.mean() > trial.others["popularity"].each.mean()
    methods = {"trees (challenger)": judged, trial.baseline.model.meta.family: baseline, **trial.others}
    told = comparison(methods, task.metric, 50, 1)
    assert set(told["method"]) == set(methods)
    assert set(told["slice"]) == set(slices)
    assert {"hit_rate", "ndcg", "recall", "precision", "map"} == set(told["metric"])


@pytest.mark.parametrize("name", ["offer_ranker", "discovery_ranker"])
def test_a_handful_of_customers_is_too_little(name):
    with pytest.raises(NotEnoughData, match="too few rows of either class"):
        TASKS[name].trial(Sets(1), Models())
