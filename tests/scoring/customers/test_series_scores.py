"""Scores of churn and value from one pass over the purchase series."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from conf.settings.load import load
from conf.tables.features import PURCHASE_SERIES
from scoring.customers.customer_scores import customer_scores
from scoring.customers.series_scores import scored_batch, series_scores
from scoring.predictions import Packed
from training.churn import fit as churn_fit, inputs as churn_inputs
from training.models.attributions import strongest
from training.value import fit as value_fit

INPUTS = PURCHASE_SERIES.names[1:]


@pytest.fixture(scope="module")
def actual() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.gamma(2, 5, (400, len(INPUTS))), columns=INPUTS)
    frame["tenure_days"], frame["visits_total"] = 200.0, 1 + rng.poisson(9, 400)
    frame["recency_days"] = np.floor(rng.random(400) * 120)
    frame["returned"] = rng.random(400) > frame["recency_days"] / 120
    frame["spend_after"] = np.where(frame["returned"], frame["spend_84"] * 2, 0.0)
    return frame.assign(customer_id=[f"c{number:03d}" for number in range(400)])


@pytest.fixture(scope="module")
def models(actual):
    config = churn_fit.ChurnConfig(trees=churn_fit.TreesConfig(rounds=5, leaves=3, min_rows=20))
    rows = churn_inputs.rows(actual, 84)
    return {"churn": churn_fit.fit(rows, rows, config=config).model, "value": value_fit.fit_steps(actual, 12).model}


def test_a_batch_is_scored_as_the_models_say(actual, models):
    batch = pa.RecordBatch.from_pandas(actual[list(PURCHASE_SERIES.names)], preserve_index=False)
    result = scored_batch(batch, models, 84).to_pandas()
    active = actual["recency_days"].to_numpy() < 84
    assert result["churn_probability"].notna().tolist() == active.tolist()
    np.testing.assert_allclose(result["churn_probability"][active], models["churn"].predict(actual[active]))
    np.testing.assert_allclose(result["expected_spend"], models["value"].predict(actual))
    assert (result["spend_low"] <= result["spend_high"]).all()
    assert result["churn_reasons"].notna().tolist() == active.tolist()
    one = int(np.flatnonzero(active)[-1])
    alone = scored_batch(batch.slice(one, 1), models, 84).to_pandas().loc[0]
    assert result.loc[one, "churn_reasons"] == alone["churn_reasons"]
    nothing = scored_batch(batch, {}, 84).to_pandas()
    assert nothing[["churn_probability", "expected_spend", "churn_reasons"]].isna().all().all()


def test_drivers_speak_for_the_side_the_customer_is_on(actual, models):
    model = models["value"]
    names, added = strongest(model, actual, both_ways=True), model.contributions(actual)
    for row in (int(added.sum(axis=1).argmin()), int(added.sum(axis=1).argmax())):
        side = np.sign(added[row].sum())
        assert names[row][0] == model.meta.inputs[int((added[row] * side).argmax())]
    only_up = strongest(model, actual)
    where = {name: number for number, name in enumerate(model.meta.inputs)}
    assert all(added[row, where[name]] > 0 for row in range(50) for name in only_up[row] if name)


@pytest.mark.spark
def test_customers_get_classes_ceilings_and_words(spark, frame, actual, models):
    settings = load()
    purchase_series = spark.createDataFrame(actual[list(PURCHASE_SERIES.names)])
    scores = series_scores(purchase_series, {name: Packed(model.to_bytes()) for name, model in models.items()}, 84)
    profile = frame("profile", *({"customer_id": name, "spend_90": 1.0} for name in (*actual["customer_id"], "new")))
    profile = profile.join(frame("interests", {"customer_id": "c000"}), "customer_id", "left").withColumns(
        {name: F.lit(None).cast("string") for name in ("likely", "discount_band", "next_action")}
        | {"discount_dependence": F.lit(None).cast("double")}
    )
    rights = spark.createDataFrame(
        [(name, "treated", True, None, 0) for name in (*actual["customer_id"], "new")],
        "customer_id string, treatment string, contactable boolean, blocked_by string, recent_contacts int",
    )
    segments = frame("segments", {"customer_id": "c000"})
    result = customer_scores(profile, segments, rights, scores, settings.offers, "2017-12-03").toPandas()
    result = result.set_index("customer_id").sort_index()
    new, rest = result.loc["new"], result.drop("new")
    assert pd.isna(new["expected_spend"])
    assert not new["is_valuable"]
    assert rest["value_class"].value_counts().to_dict() == {"A": 100, "B": 100, "C": 100, "D": 100}
    least = rest.groupby("value_class")["expected_spend"].min()
    assert least.is_monotonic_decreasing
    np.testing.assert_allclose(rest["offer_ceiling"], rest["expected_spend"] * 0.25 * 0.2, atol=1e-6)
    assert rest["value_reasons"].str.len().gt(0).mean() > 0.9
    assert rest.loc[actual["recency_days"].to_numpy() >= 84, "churn_reasons"].isna().all()
    without = customer_scores(
        profile, segments, rights, series_scores(purchase_series, {}, 84), settings.offers, "2017-12-03"
    )
    assert {(row["expected_spend"], row["offer_ceiling"]) for row in without.collect()} == {(1.0, None)}
    assert date.fromisoformat(str(result["ds"].iloc[0])) == date(2017, 12, 3)


def test_a_batch_without_active_customers_is_scored(actual, models):
    gone = actual[actual["recency_days"] >= 84].head(3)
    batch = pa.RecordBatch.from_pandas(gone[list(PURCHASE_SERIES.names)], preserve_index=False)
    result = scored_batch(batch, models, 84).to_pandas()
    assert result["churn_probability"].isna().all()
    assert result["churn_reasons"].isna().all()
    assert result["expected_spend"].notna().all()
