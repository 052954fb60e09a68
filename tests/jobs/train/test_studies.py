"""Propensities, rules and verdicts from training sets made of literals: no Spark."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conf.settings.propensities import Amount, Attribute, FirstPurchase, Propensities, Purchase, Return, Scope
from conf.settings.schema import Settings
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage
from jobs.train.studies import studies
from jobs.train.study_tables import carried
from training.contenders import NotEnoughData
from training.evaluation.gate import faults
from training.evaluation.windows import Windows, windows
from training.networks.convolution_fit import ConvolutionConfig
from training.propensity import multitask
from training.propensity.frames import WideFrames
from training.propensity.inputs import HISTORY_INPUTS, PROFILE_INPUTS, SERIES_INPUTS
from training.propensity.spec import configured

NIGHT = date(2017, 12, 3)
FISH = Purchase(kind="buys", label="fish", title="buys fish", scope=Scope(departments=["SEA"]))
BACK = Return(kind="returns", label="back", title="comes back", lapse_days=28)
FIRST = FirstPurchase(kind="first_purchase", label="first", title="buys for the first time")
SPEND = Amount(kind="amount", label="spend", title="spends on fish", scope=FISH.scope)
PARENT = Attribute(kind="attribute", label="parent", title="has children", attribute="kids", values=["1"])
ASKED = Propensities(labels=[FISH, BACK, FIRST, PARENT, SPEND])
SIZE = 600
BUILT = {"customers", "purchase_series", "labels", "coupons"}


@dataclass
class Sets:
    """Customers who leave after long absences, and buy fish if they did; the same rules in every window."""

    lake: Lake
    windows: Windows

    def _rng(self, day: date) -> np.random.Generator:
        return np.random.default_rng(day.toordinal())

    def read(self, name: str, day: date) -> pd.DataFrame:
        rng = self._rng(day)
        recency, visits = rng.integers(0, 60, SIZE), rng.poisson(1.0, SIZE)
        keys = [f"{n:04d}" for n in range(SIZE)]
        if name == "coupons":
            return pd.DataFrame({"customer_id": keys, "redeemed": recency + rng.normal(0, 5, SIZE) < 10})
        frame = pd.DataFrame(rng.random((SIZE, len(PROFILE_INPUTS))), columns=list(PROFILE_INPUTS))
        frame["returned"] = rng.random(SIZE) > np.where(recency > 40, 0.7, 0.1)
        lists = [["DELI"] if n % 2 else None for n in range(SIZE)]
        lift = [[2.0] if n % 2 else None for n in range(SIZE)]
        recorded = pd.array([None if n % 8 == 0 else n % 3 == 0 for n in range(SIZE)], dtype="object")
        self.kept = recency, visits
        return frame.assign(customer_id=keys, likes=lists, lift=lift, **{"recorded:parent": recorded})

    def purchase_series(self, day: date) -> pd.DataFrame:
        self.read("customers", day)
        rng = np.random.default_rng(1)
        frame = pd.DataFrame(rng.random((SIZE, len(SERIES_INPUTS))), columns=list(SERIES_INPUTS))
        frame["recency_days"] = self.kept[0]
        return frame.assign(customer_id=[f"{n:04d}" for n in range(SIZE)], as_of=day, visits_total=5.0)[::2]

    def labels(self, day: date) -> pd.DataFrame:
        self.read("customers", day)
        visits, rng = self.kept[1], self._rng(day)
        frame = pd.DataFrame({name: visits.astype(float) for name in HISTORY_INPUTS})
        frame["bought"] = rng.random(SIZE) < np.minimum(0.05 + 0.3 * visits, 0.95)
        frame["spent"] = np.where(frame["bought"], (1 + visits) * rng.gamma(4, 0.5, SIZE), 0.0)
        frame = frame.assign(customer_id=[f"{n:04d}" for n in range(SIZE)], label="fish")
        return pd.concat([frame, frame.assign(label="spend")], ignore_index=True)


@pytest.fixture
def sets(settings: Settings) -> Sets:
    laid = windows(NIGHT, 28, 4, date(2017, 1, 1), 84)
    assert laid is not None
    return Sets(Lake(settings.lake), laid)


def put_touches(lake: Lake, randomised: bool) -> None:
    """Touch every third customer in the gate window, or hold the others back at random."""
    size = SIZE * 2 // 3
    columns: dict[str, Any] = {
        "customer_id": [f"{n:04d}" for n in range(size)],
        "campaign_id": ["k"] * size,
        "touched_on": pa.array([NIGHT - timedelta(days=20)] * size, pa.date32()),
        "is_control": pa.array([n % 2 == 0 if randomised else None for n in range(size)], pa.bool_()),
    }
    with lake.draft(Stage.VALIDATE, NIGHT) as draft:
        draft.arrow("clean/touches", pa.table(columns))
        draft.arrow("clean/campaigns", pa.table({"campaign_id": ["k"], "kind": ["Letter"]}))
        draft.commit(Manifest("validate", str(NIGHT), ""))


def by_name(frames: WideFrames | None = None) -> dict[str, Any]:
    return {spec.name: spec for spec in configured(ASKED, frames)}


def result(settings: Settings, sets: Sets) -> dict[str, list[dict[str, Any]]]:
    asked = settings.model_copy(update={"propensities": ASKED})
    tables = studies(asked, sets, WideFrames(ASKED), BUILT, NIGHT)  # type: ignore[arg-type]
    return {name: table.to_pylist() for name, table in tables.items()}


def test_a_label_is_trained_with_its_baseline(settings: Settings, sets: Sets) -> None:
    specs = by_name()
    trained = [name for name, spec in specs.items() if not spec.weekly]
    assert trained == [
        "propensity_fish",
        "propensity_back",
        "propensity_first",
        "propensity_parent",
        "propensity_spend",
    ]
    fitted = specs["propensity_fish"].contenders(sets, settings.models)  # type: ignore[arg-type]
    ours, base = fitted.evaluate(fitted.challenger.model), fitted.evaluate(fitted.baseline.model)
    assert ours.metrics["roc_auc"] > 0.7
    assert ours.metrics["coverage_at_precision_0.5"] > 0.1
    assert len(ours.by_customer) == SIZE // 2  # those with a basket
    assert base.by_customer.index.equals(ours.by_customer.index)
    declared = (*specs["propensity_fish"].inputs, *fitted.declared)
    assert faults(ours.probability, ours.truth, fitted.challenger.model.meta.inputs, declared) == []
    assert fitted.declared == ("likes:DELI",)
    assert len(fitted.challenger.model.meta.extra["bands"]) == 2


def test_an_amount_is_trained_with_its_baseline(settings: Settings, sets: Sets) -> None:
    spec = by_name()["propensity_spend"]
    assert spec.metric == "deviance"
    fitted = spec.contenders(sets, settings.models)  # type: ignore[arg-type]
    ours, base = fitted.evaluate(fitted.challenger.model), fitted.evaluate(fitted.baseline.model)
    assert ours.metrics["rmse"] > 0
    assert ours.metrics["total"] == pytest.approx(1, abs=0.2)
    assert base.by_customer.index.equals(ours.by_customer.index)
    declared = (*spec.inputs, *fitted.declared)
    assert faults(ours.probability, ours.truth, fitted.challenger.model.meta.inputs, declared) == []


def test_an_attribute_is_judged_on_other_customers(settings: Settings, sets: Sets) -> None:
    fitted = by_name()["propensity_parent"].contenders(sets, settings.models)  # type: ignore[arg-type]
    judged = fitted.evaluate(fitted.baseline.model)
    assert 10 < len(judged.by_customer) < 60  # a fifth of the known among those with a basket
    assert np.ptp(judged.probability) < 1e-3


def test_a_network_of_all_labels_challenges_each_every_week(
    settings: Settings, sets: Sets, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = WideFrames(ASKED)
    specs = by_name(frames)
    weekly = {name: spec.model for name, spec in specs.items() if spec.weekly}
    assert weekly == {"propensity_fish_network": "propensity_fish", "propensity_back_network": "propensity_back"}
    monkeypatch.setattr(multitask, "SIZES", ConvolutionConfig(hidden=(8,), epochs=2))
    sets.checkpoints = Path(settings.home)  # type: ignore[attr-defined]
    for name, label in (("propensity_fish_network", "fish"), ("propensity_back_network", "back")):
        fitted = specs[name].contenders(sets, settings.models)  # type: ignore[arg-type]
        model = fitted.challenger.model
        assert (model.meta.name, model.meta.family) == (f"propensity_{label}", "multi-task network")
        judged = fitted.evaluate(model)
        assert (
            faults(judged.probability, judged.truth, model.meta.inputs, (*specs[name].inputs, *fitted.declared)) == []
        )
        assert len(model.meta.extra["bands"]) == 2
    assert set(frames.heads(sets, settings.models.network)) == {"fish", "back"}  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", [Propensities(), Propensities(labels=[BACK, PARENT])])
def test_without_scopes_there_are_still_rules(settings: Settings, sets: Sets, asked: Propensities) -> None:
    given = settings.model_copy(update={"propensities": asked})
    tables = studies(given, sets, WideFrames(asked), {"customers", "purchase_series"}, NIGHT)  # type: ignore[arg-type]
    assert {"churn"} <= {row["kpi"] for row in tables["kpi_rules"].to_pylist()}


def test_too_few_to_learn_from_is_told(settings: Settings, sets: Sets) -> None:
    nobody, original = by_name()["propensity_first"], sets.read
    sets.read = lambda name, day: original(name, day).assign(returned=False)  # type: ignore[method-assign]
    with pytest.raises(NotEnoughData, match="'happens' holds for training 0 of 1200"):
        nobody.contenders(sets, settings.models)  # type: ignore[arg-type]


def test_rules_are_found_on_earlier_windows_and_checked_on_the_next(settings: Settings, sets: Sets) -> None:
    rules = result(settings, sets)["kpi_rules"]
    churn = [row for row in rules if row["kpi"] == "churn"]
    assert churn[0]["first_question"] == "last basket"
    assert churn[0]["stability"] > 0.8
    assert churn[0]["held"]
    assert "last basket more than 40 days ago" in churn[0]["rule"]
    assert churn[0]["check_low"] > churn[0]["check_base_rate"]
    assert churn[0]["checked_from"] == sets.windows.gate
    assert sum(row["customers"] for row in churn) == SIZE // 2
    assert {row["kpi"] for row in rules} == {"churn", "coupon_response", "fish", "back", "first"}
    assert any("such a purchase" in row["rule"] for row in rules if row["kpi"] == "fish")


def test_treatments_that_are_not_random_get_a_caveat_and_no_figure(settings: Settings, sets: Sets) -> None:
    put_touches(sets.lake, randomised=False)
    (row,) = result(settings, sets)["uplift_verdicts"]
    assert (row["treatment"], row["design"], row["method"]) == ("Letter", "observational", "none")
    assert row["effect"] is row["uplift_30"] is row["qini"] is None
    assert "not given at random" in row["caveat"]
    assert 0.4 < row["overlap_roc_auc"] < 0.7
    assert row["treated"] == SIZE * 2 // 3
    assert row["customers"] == SIZE


def test_a_randomised_treatment_is_judged_by_every_learner(settings: Settings, sets: Sets) -> None:
    put_touches(sets.lake, randomised=True)
    rows = result(settings, sets)["uplift_verdicts"]
    assert [row["method"] for row in rows] == ["T-learner", "X-learner", "R-learner", "class transformation"]
    assert {row["design"] for row in rows} == {"randomised"}
    assert all(row["effect_low"] < row["effect"] < row["effect_high"] for row in rows)
    assert all(row["verdict"].startswith("nothing to target here") for row in rows)  # the letters change nothing


def test_without_contacts_there_is_nothing_to_target(settings: Settings, sets: Sets) -> None:
    (row,) = result(settings, sets)["uplift_verdicts"]
    assert (row["treatment"], row["verdict"]) == ("any", "nothing to target here: the source records no contacts")


def test_findings_are_told_again_until_the_next_training(settings: Settings, sets: Sets) -> None:
    lake = sets.lake
    assert {name: table.num_rows for name, table in carried(lake, NIGHT).items()} == {
        "kpi_rules": 0, "uplift_verdicts": 0,
    }  # fmt: skip
    asked = settings.model_copy(update={"propensities": ASKED})
    first = studies(asked, sets, WideFrames(ASKED), BUILT, NIGHT)  # type: ignore[arg-type]
    with lake.draft(Stage.TRAIN, NIGHT) as draft:
        for name, table in first.items():
            draft.arrow(f"models/{name}", table)
        draft.commit(Manifest("train", str(NIGHT), ""))
    later = carried(lake, NIGHT + timedelta(days=3))
    for name, table in first.items():
        assert later[name].drop(["ds"]).equals(table.drop(["ds"]))
        assert set(later[name]["ds"].to_pylist()) == {NIGHT + timedelta(days=3)}
    assert studies(asked, sets, WideFrames(ASKED), {"coupons"}, NIGHT) == {}  # type: ignore[arg-type]
