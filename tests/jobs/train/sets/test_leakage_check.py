"""Features know nothing of later days, and a model that learnt from what does is refused, end to end.

A made-up clean layer goes through the training sets, the models and the gate of the night.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from conf.settings.propensities import Propensities
from conf.settings.schema import Settings
from conf.tables.canonical import CANONICAL
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage
from jobs.train import train_models
from jobs.train.sets import series_sets
from jobs.train.sets.coupon_sets import COUPON_TABLES
from jobs.train.sets.leakage_check import leaking_inputs, recorded_by
from jobs.train.sets.set_source import SetSource
from jobs.train.sets.stored_sets import StoredSets
from jobs.train.sets.training_sets import NEEDS, write_window
from training import registry
from training.churn.spec import CHURN
from training.evaluation.windows import windows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NIGHT, START = date(2017, 12, 3), date(2017, 1, 1)
GATE = date(2017, 11, 5)
CUSTOMERS = 300
pytestmark = pytest.mark.spark


def clean_layer(lake: Lake) -> None:
    """Customers who buy at a rate of their own until they leave, of twelve types; half of them get coupons."""
    rng, rows = np.random.default_rng(8), {name: [] for name in CANONICAL}  # type: ignore[var-annotated]
    for number in range(12):
        kind = {"product_type": f"T{number}", "category": f"C{number % 6}", "department": f"D{number % 3}"}
        rows["products"].append({"product_id": f"p{number}", **kind, "counted": True, "offerable": True})
        rows["offer_products"].append({"offer_id": f"o{number}", "product_id": f"p{number}"})
    for number in range(6):  # one that runs on each day
        begins = START + timedelta(days=56 * number)
        span = {"starts_on": begins, "ends_on": begins + timedelta(days=70)}
        rows["campaigns"].append({"campaign_id": f"k{number}", "kind": "mail", **span})
        rows["offers"] += [
            {"offer_id": f"o{2 * number + part}", "campaign_id": f"k{number}", "kind": "coupon",
             "valid_from": begins, "valid_to": span["ends_on"]} for part in range(2)
        ]  # fmt: skip
    for who in range(CUSTOMERS):
        name, rate, leaves = f"c{who:03d}", rng.choice([0.03, 0.08, 0.3]), rng.exponential(400)
        rows["customers"].append({"customer_id": name, "registered_on": START, "is_business": False})
        liked = rng.dirichlet(np.full(12, 0.4))
        for day in np.flatnonzero((rng.random(337) < rate) & (np.arange(337) < leaves)):
            on = START + timedelta(days=int(day))
            for product in rng.choice(12, 2, p=liked, replace=liked.max() > 0.99):
                rows["order_lines"].append(
                    {"order_id": f"{name}-{day}", "line_id": f"{name}-{day}-{len(rows['order_lines'])}",
                     "customer_id": name, "product_id": f"p{product}", "store_id": "s", "ordered_on": on,
                     "ordered_at": datetime(on.year, on.month, on.day, 17, tzinfo=UTC), "quantity": Decimal(1),
                     "amount": Decimal(int(rng.integers(2, 20))), "discount": Decimal(0), "is_return": False}
                )  # fmt: skip
        for number in range(6) if who % 2 else ():
            sent = START + timedelta(days=56 * number)
            rows["campaign_targets"].append({"campaign_id": f"k{number}", "customer_id": name, "targeted_on": sent})
            if rng.random() < 0.3:
                rows["responses"].append(
                    {"response_id": f"{name}-{number}", "customer_id": name, "offer_id": f"o{2 * number}",
                     "kind": "redeemed", "responded_on": sent + timedelta(days=int(rng.integers(0, 56)))}
                )  # fmt: skip
    with lake.draft(Stage.VALIDATE, NIGHT) as draft:
        for name, result in rows.items():
            if result:
                draft.arrow(f"clean/{name}", table(name, result))
        draft.commit(Manifest("validate", str(NIGHT), ""))


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    from conf.tables.types import arrow_schema

    schema = arrow_schema(CANONICAL[name])
    return pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)


@pytest.fixture
def night(installed: Settings, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A clean layer, and models that are quick to fit."""
    from jobs import spark as sessions

    clean_layer(Lake(installed.lake))
    monkeypatch.setattr(sessions, "session", lambda settings, name: spark)
    monkeypatch.setattr(registry, "specs", lambda: (CHURN,))
    models = installed.models.model_copy(update={"train_windows": 1, "churn_windows": 8})
    return installed.model_copy(update={"models": models})


def decided(settings: Settings) -> str:
    """Train what has no champion, and return what was decided on the challenger of churn."""
    train_models.run(settings, NIGHT)
    result = Lake(settings.lake).arrow("models/model_versions", NIGHT).to_pylist()
    (row,) = [row for row in result if row["kind"] != "recency alone"]
    return str(row["decision"])


def replaced(monkeypatch: pytest.MonkeyPatch, columns: Callable[[DataFrame], DataFrame]) -> None:
    """Change what the set ``purchase_series`` holds."""
    honest = series_sets.purchase_series
    monkeypatch.setattr(series_sets, "purchase_series", lambda *given: columns(honest(*given)))


def test_no_input_changes_when_nothing_later_is_known(night: Settings, spark: SparkSession) -> None:
    """Candidates, whose factors take long, are held to it by the night of a slice."""
    scope = {"label": "likes_d0", "title": "buys D0", "kind": "buys", "scope": {"departments": ["D0"]}}
    asked = night.model_copy(update={"propensities": Propensities(labels=[scope])})
    lake, laid, names = Lake(night.lake), windows(NIGHT, 28, 1, START, 84), set(NEEDS) - {"pairs"}
    assert laid is not None
    clean = {name: lake.spark(spark, f"clean/{name}", NIGHT) for name in ("customers", *COUPON_TABLES)}
    source = SetSource(asked, clean, CUSTOMERS, NIGHT, laid, f"{lake.uri}/full")
    blind = replace(source, clean=recorded_by(clean, GATE), target=f"{lake.uri}/blind")
    for one in (source, blind):
        write_window(one, GATE, names)
    full, cut = (StoredSets(lake, part, laid, NIGHT, Path()) for part in ("full", "blind"))
    assert leaking_inputs(full, cut, names) == {}
    rows = {name: len(cut.read(name, GATE)) for name in ("customers", "coupons")}
    assert min(*rows.values(), len(cut.purchase_series(GATE)), len(cut.labels(GATE)), len(cut.visits())) > 100
    assert full.read("customers", GATE)["returned"].mean() > 0.3  # the labels are of later days
    assert not cut.read("customers", GATE)["returned"].any()
    assert full.read("coupons", GATE)["redeemed"].any()
    assert full.labels(GATE)["bought"].any()


def test_a_model_without_a_leak_is_promoted(night: Settings) -> None:
    assert decided(night).startswith("promoted: beats recency alone")


def test_the_same_model_with_a_planted_leak_is_refused(night: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weak enough to be believed: an input that is declared marks one leaver in three."""
    from pyspark.sql import functions as F

    def planted(rows: DataFrame) -> DataFrame:
        actual = F.pmod(F.xxhash64("customer_id", "as_of"), F.lit(3)) == 0
        return rows.withColumn("gap_max", F.when(actual & ~F.col("returned"), 300.0).otherwise(F.col("gap_max")))

    replaced(monkeypatch, planted)
    reason = f"inputs of set purchase_series change when nothing after {GATE} is known: gap_max"
    assert decided(night) == f"refused: {reason}"


def test_a_model_that_learnt_from_shuffled_labels_is_refused(night: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql import functions as F

    def shuffled(rows: DataFrame) -> DataFrame:
        chance = F.pmod(F.xxhash64("customer_id", "as_of"), F.lit(2)) == 0
        return rows.withColumn("returned", F.when(F.col("as_of") < F.lit(GATE), chance).otherwise(F.col("returned")))

    replaced(monkeypatch, shuffled)
    assert decided(night).startswith("refused: does not beat recency alone")
