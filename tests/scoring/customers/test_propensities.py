from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conf.settings.propensities import Amount, Attribute, Purchase, Scope
from conf.tables.customers import CUSTOMER_PROPENSITIES
from conf.tables.features import LABEL_HISTORY, PROFILE, PURCHASE_SERIES
from features.schemas import struct
from scoring.customers.phrases import phrases
from scoring.customers.propensities import likely_labels, propensities, propensity_inputs, score_batch
from scoring.predictions import Packed
from training.classifiers.linear import LogisticConfig, logistic
from training.classifiers.trees import TreesConfig, trees
from training.models.artifacts import Model, with_extra
from training.propensity.amounts import linear
from training.propensity.inputs import HISTORY_INPUTS, PROFILE_INPUTS, SERIES_INPUTS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAY = date(2017, 12, 3)
FISH = Purchase(kind="buys", label="fish", title="buys fish", scope=Scope(departments=["SEA"]))
WINE = Purchase(kind="adopts", label="wine", title="tries wine", scope=Scope(departments=["BAR"]))
PARENT = Attribute(kind="attribute", label="parent", title="has children", attribute="kids", values=["1"])
NOTHING: dict[str, Any] = {name: 0.0 for name in HISTORY_INPUTS}


def model(column: str, label: str, kind: str = "line") -> Model:
    """A model that goes up with one input and knows two more."""
    rng = np.random.default_rng(1)
    columns = [column, "spend_84", "likes:DELI"]
    frame = pd.DataFrame(rng.gamma(1, 3, (600, 3)), columns=columns)
    frame["y"] = frame[column] + rng.normal(0, 1, 600) > 3
    fitted = (
        logistic(f"propensity_{label}", frame, columns, "y", LogisticConfig())
        if kind == "line"
        else trees(
            f"propensity_{label}",
            frame,
            None,
            columns,
            "y",
            TreesConfig(rounds=100, learning_rate=0.2, min_rows=10, threads=1),
        )
    )
    return with_extra(fitted, bands=[0.3, 0.8])


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    """Customers with the given inputs, the rest 1."""
    base = {**dict.fromkeys((*SERIES_INPUTS, *PROFILE_INPUTS), 1.0), "likes": [], "lift": [], "history": None}
    table = [{**base, "recorded:parent": None, "customer_id": f"c{n}", **row} for n, row in enumerate(rows)]
    history = pa.struct([("label", pa.string()), *((name, pa.float64()) for name in HISTORY_INPUTS)])
    types = {"customer_id": pa.string(), "likes": pa.list_(pa.string()), "lift": pa.list_(pa.float64()),
             "history": pa.list_(history), "recorded:parent": pa.bool_()}  # fmt: skip
    fields = [pa.field(name, types.get(name, pa.float64())) for name in table[0]]
    return pa.Table.from_pylist(table, schema=pa.schema(fields)).to_batches()[0]


CUSTOMERS = (
    {
        "history": [
            {**NOTHING, "label": "fish", "visits_total": 12.0},
            {**NOTHING, "label": "wine", "visits_total": 1.0},
        ]
    },
    {"history": [{**NOTHING, "label": "fish", "visits_total": 1.0}], "recorded:parent": True},
    {"likes": ["DELI"], "lift": [2.5], "visits_total": None},
)
MODELS = {"fish": "fish:visits_total", "wine": "fish:visits_decay_112", "parent": "recency_days"}


def test_an_amount_is_expected_of_each_customer():
    rng, column = np.random.default_rng(1), "fish:visits_total"
    frame = pd.DataFrame({column: rng.gamma(1, 6, 600)})
    spent = np.where(rng.random(600) < 0.7, 2.0 * frame[column], 0.0)
    fitted = linear("propensity_fish", frame.assign(happens=spent), [column], 0.001, "linear")
    spend = Amount(kind="amount", label="fish", title="spend on fish", scope=Scope(departments=["SEA"]))
    models: dict[str, Any] = {"fish": (with_extra(fitted, bands=[5.0, 12.0]), "fish:1")}
    result = score_batch(batch(*CUSTOMERS[:2]), models, {"fish": "champion"}, [spend], DAY).to_pandas()
    assert result["expected"].tolist() == pytest.approx(fitted.predict(pd.DataFrame({column: [12.0, 1.0]})), abs=1e-6)
    assert result["band"].tolist() == ["high", "low"]
    assert 0 < result["probability"][1] < result["probability"][0] < 1
    assert result["reasons"].tolist() == ["12 visits with such a purchase", ""]


@pytest.mark.parametrize("kind", ["line", "trees"])
def test_each_customer_is_asked_what_he_can_be_asked(kind: str):
    models = {label: (model(column, label, kind), f"{label}:1") for label, column in MODELS.items()}
    result = score_batch(batch(*CUSTOMERS), models, dict.fromkeys(MODELS, "champion"), [FISH, WINE, PARENT], DAY)
    assert result.schema.names == list(CUSTOMER_PROPENSITIES.names)
    rows = {(row["label"], row["customer_id"]): row for row in result.to_pylist()}
    # c2 never bought anything; c0 has had wine; what is recorded of c1 is not guessed
    assert set(rows) == {("fish", "c0"), ("fish", "c1"), ("wine", "c1"), ("parent", "c0")}
    often, once = rows["fish", "c0"], rows["fish", "c1"]
    assert often["probability"] > 0.9 > once["probability"]
    assert (often["band"], often["model"], often["ds"]) == ("high", "fish:1", DAY)
    assert often["reasons"].startswith("12 visits with such a purchase")


def test_reasons_are_what_raises_the_probability():
    models = {"fish": (model("fish:visits_total", "fish"), "fish:1")}
    customers = batch({"history": CUSTOMERS[0]["history"]}, {"likes": ["DELI"], "lift": [9.0], "spend_84": 1.0})
    result = score_batch(customers, models, {"fish": "champion"}, [FISH], DAY).to_pylist()
    assert result[0]["reasons"].startswith("12 visits with such a purchase")
    assert "such a purchase" not in result[1]["reasons"]  # never bought fish: that lowers it
    assert result[1]["probability"] < result[0]["probability"]


def test_a_model_that_tells_nobody_apart_names_nobody():
    flat = trees("propensity_fish", pd.DataFrame({"spend_84": np.ones(60), "y": np.arange(60) % 3 == 0}), None,
                 ["spend_84"], "y", TreesConfig(rounds=1, threads=1))  # fmt: skip
    rate = round(float(flat.predict(pd.DataFrame({"spend_84": [1.0]}))[0]), 6)
    models = {"fish": (with_extra(flat, bands=[rate, rate]), "fish:1")}
    result = score_batch(batch({}, {}), models, {"fish": "champion"}, [FISH], DAY).to_pylist()
    assert [row["band"] for row in result] == ["low", "low"]


def test_nobody_and_no_model_give_no_row():
    assert score_batch(batch(CUSTOMERS[2]), {}, {}, [], DAY).num_rows == 0
    models = {"fish": (model("fish:visits_total", "fish"), "fish:1")}
    assert score_batch(batch(CUSTOMERS[2]), models, {"fish": "champion"}, [FISH], DAY).num_rows == 0


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("baskets_84", 1.0, "1 basket in the last 84 days"),
        ("discount_share_84", 0.254, "25 % of list value in discounts over 84 days"),
        ("spend_84", 7.056, "spent 7.06 in the last 84 days"),
        ("trend_28", -0.5, "baskets of the last 28 days against the 84 before now: -0.50 (0: as ever, below: fewer)"),
        ("fish:recency_days", 3.0, "last such purchase 3 days ago"),
        ("wine:visits_decay_112", 2.04, "tries wine: 2.0 times of late"),
        ("fish:overdue_ratio", np.nan, "overdue ratio unknown"),
        ("likes:DELI", 0.0, "buys nothing of DELI"),
        ("likes:DRUG GM", 0.04, "leans to DRUG GM 0.0 times as much as others"),
    ],
)
def test_inputs_read_as_words(name: str, value: float, expected: str):
    assert phrases(name, np.array([value]), "fish", {"wine": "tries wine"}).tolist() == [expected]


@pytest.mark.spark
def test_the_night_scores_what_the_tables_hold(spark: SparkSession):
    def one(table: Any, **values: Any) -> Any:
        return spark.createDataFrame([tuple(values.get(name) for name in table.names)], struct(table))

    profile = one(PROFILE, customer_id="c", department_affinity={"DELI": "2.00"}, types_84=3)
    purchase_series = one(PURCHASE_SERIES, customer_id="c", **dict.fromkeys(SERIES_INPUTS, 2.0))
    history = one(LABEL_HISTORY, customer_id="c", label="fish", **{**NOTHING, "visits_total": 12.0})
    inputs = propensity_inputs(profile, purchase_series, history, None, [FISH, PARENT])
    models = {"fish": (Packed(model("fish:visits_total", "fish").to_bytes()), "fish:1")}
    (result,) = propensities(inputs, models, {"fish": "champion"}, [FISH, PARENT], DAY).collect()
    assert (result["customer_id"], result["label"], result["band"]) == ("c", "fish", "high")
    rows = spark.createDataFrame(
        [("a", "wine", "high"), ("a", "fish", "high"), ("b", "fish", "low")],
        "customer_id string, label string, band string",
    )
    assert [tuple(row) for row in likely_labels(rows).collect()] == [("a", "fish;wine")]
    assert propensities(inputs, {}, {}, [FISH], DAY).collect() == []
