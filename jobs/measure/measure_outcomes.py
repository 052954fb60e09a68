"""Measure: what the offers of earlier nights brought, once their horizon is over.

A night is measured by the first run whose data covers its horizon, and again when its scores have changed. Rows of the
nights that closed within the last horizon are carried along, so that a report shows them together; older ones stand
under the day that measured them.

Product types and characteristics are judged on the lake's ``scores/product_type_ranking`` and
``scores/characteristic_ranking`` (the ten best of every customer, and the five best repeats and discoveries), since a
published list of five may hold coupons; coupons on the published list. That list also shows how true the night's
expectations were: sums of probabilities and of expected value beside what came (``expected_and_realised``).

What every customer adds to each figure stays in the lake (``outcomes/customer_outcomes``), under the day that measured
it: `nbo evaluate` resamples customers over many nights.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession, functions as F

from conf.settings.schema import Offers, Settings
from conf.tables.canonical import COUPON_ENTITIES
from conf.tables.offers import OFFER_OUTCOMES
from features.customers.affinity import affinity
from features.customers.labels import redemptions, scope_purchases, type_purchases
from features.items.coupons import coupon_affinity
from features.items.product_types import product_types
from features.lines import after, basket_types, until
from jobs.database.contacts import is_live, local_day
from jobs.database.schema import arrow_schema
from jobs.lake.lake import CUSTOMER_OUTCOMES, OUTCOMES, Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.night import publish
from jobs.spark import session
from jobs.stages import Stage
from scoring.offers.candidates import offerable
from scoring.outcomes.expected_and_realised import FIGURES, foreseen, names
from scoring.outcomes.outcomes import (
    ALL,
    NBO,
    coupon_metrics,
    frequency_lists,
    list_metrics,
    night_lists,
    popularity_lists,
    spend_after,
)
from training.evaluation.metrics import Interval, bootstrap, bootstrap_ratio

log = logging.getLogger(__name__)
K = 5
_TEXTS = ("offer_kind", "slice", "metric", "method", "customer_id")
#: one night's offers, one figure, one method and one customer: what he adds to the sum above and to the sum below
CUSTOMER_SCHEMA = pa.schema(
    [
        pa.field("offers_of", pa.date32()),
        *(pa.field(name, pa.string()) for name in _TEXTS),
        pa.field("above", pa.float64()),
        pa.field("below", pa.float64()),
    ]  # type: ignore[arg-type]
)


def run(settings: Settings, day: date, force: bool = False) -> Manifest:
    """Publish what is known on ``day`` of the offers of earlier nights; an empty table where nothing is.

    Raises:
        DataError: the night has no clean layer.
    """
    lake = Lake(settings.lake)
    clean = lake.need(Stage.VALIDATE, day)
    closed = {
        night: lake.need(Stage.SCORE, night)
        for night in lake.days(Stage.SCORE)
        if night + timedelta(days=settings.horizon_days) <= day
    }
    inputs = {"clean": clean.content} | {f"scores {night}": scores.content for night, scores in closed.items()}

    def build(draft: Draft) -> None:
        known = _measured(lake, day, closed)
        fresh = [night for night in closed if night not in known]
        parts = [_carried(lake, day, night, by) for night, by in known.items() if _recent(settings, day, night)]
        rows: list[dict[str, Any]] = []
        customers = [CUSTOMER_SCHEMA.empty_table()]
        if fresh:
            spark = session(settings, "measure")
            for night in fresh:
                measured = _Night(settings, lake, spark, day, night, closed[night])
                rows += measured.rows()
                customers += measured.customers
            spark.catalog.clearCache()
        parts.append(pa.Table.from_pylist(rows, schema=arrow_schema(OFFER_OUTCOMES)))
        draft.arrow(OUTCOMES, pa.concat_tables(parts).sort_by([(name, "ascending") for name in OFFER_OUTCOMES.key]))
        draft.arrow(CUSTOMER_OUTCOMES, pa.concat_tables(customers))
        draft.facts = {"measured": {str(night): scores.content for night, scores in sorted(closed.items())}}

    return publish(settings, Stage.MEASURE, day, inputs, build, force)


def is_replay(settings: Settings, scores: Manifest) -> bool:
    """Tell whether a night's offers went to nobody: no contacts are on record, and it was scored too late for any."""
    scored_on = local_day(settings, datetime.fromisoformat(scores.written_at))
    return not is_live(settings, date.fromisoformat(scores.ds), scored_on)


def _measured(lake: Lake, day: date, closed: dict[date, Manifest]) -> dict[date, date]:
    """Return which nights an earlier run has measured with the scores they still have, and the newest such run."""
    found: dict[date, date] = {}
    for by in reversed(lake.days(Stage.MEASURE)):
        if by >= day:
            continue
        if len(found) == len(closed):
            break
        measured = lake.need(Stage.MEASURE, by).facts.get("measured", {})
        held = set(pc.unique(lake.arrow(OUTCOMES, by, ["offers_of"])["offers_of"]).to_pylist())
        for night, scores in closed.items():
            if night in held and measured.get(str(night)) == scores.content:
                found.setdefault(night, by)
    return found


def _recent(settings: Settings, day: date, night: date) -> bool:
    return night + timedelta(days=2 * settings.horizon_days) > day


def _carried(lake: Lake, day: date, night: date, by: date) -> pa.Table:
    """Return a night's rows as an earlier run measured them."""
    rows = lake.dataset(OUTCOMES, by).to_table(filter=pc.field("offers_of") == pa.scalar(night))
    place = rows.schema.get_field_index("ds")
    return rows.set_column(place, rows.schema.field(place), pa.repeat(pa.scalar(day), len(rows))).cast(
        arrow_schema(OFFER_OUTCOMES)
    )


class _Night:
    """The measuring of one night."""

    def __init__(
        self, settings: Settings, lake: Lake, spark: SparkSession, day: date, night: date, scores: Manifest
    ) -> None:
        self.settings, self.lake, self.spark, self.day, self.night = settings, lake, spark, day, night
        self.scores, self.horizon = scores, settings.horizon_days
        self.order_lines, self.products = self.clean("order_lines"), self.clean("products")
        self.is_replay = is_replay(settings, scores)
        self.found: list[dict[str, Any]] = []
        self.customers: list[pa.Table] = []

    def rows(self) -> list[dict[str, Any]]:
        """Return all figures of the night as rows of ``OFFER_OUTCOMES``."""
        basket_types(self.order_lines, self.products).persist()  # found again by its plan
        self.affinity = affinity(self.order_lines, self.products, self.night).persist()
        self.bought = type_purchases(self.order_lines, self.products, self.night, self.horizon).persist()
        ever = self.order_lines.where(until(self.night) & ~F.col("is_return"))
        self.cohort = ever.select("customer_id").distinct().persist()
        self.types = product_types(self.order_lines, self.products, self.night).persist()
        self.product_types()
        self.characteristics()
        self.coupons()
        self.foreseen()
        self.treatment()
        log.info("measure: %s figures of the offers of %s", len(self.found), self.night)
        return self.found

    def product_types(self) -> None:
        """Judge the product types against popularity and personal frequency."""
        if "scores/product_type_ranking" in self.scores.tables:
            items = offerable(self.types, self.settings.offers.product_types)
            self.lists("product_type", self.score("product_type_ranking"), "product_type", items)

    def characteristics(self) -> None:
        """Judge the characteristics in the same way, over the network's own dictionary."""
        if "scores/characteristic_ranking" in self.scores.tables:
            known = self.scores.facts["characteristics"]
            items = self.types.where(F.col("product_type").isin(known))
            self.lists("characteristic", self.score("characteristic_ranking"), "characteristic", items)

    def lists(self, kind: str, ranking: DataFrame, item: str, items: DataFrame) -> None:
        """Add hit rate, NDCG and coverage of one kind of offers."""
        listed = items.select(F.col("product_type").alias("item"), F.col("popularity_28").alias("score")).persist()
        lists = night_lists(ranking, item)
        lists = lists.unionByName(popularity_lists(self.cohort, self.affinity, listed, K))
        lists = lists.unionByName(frequency_lists(self.affinity, listed, K))
        judged = list_metrics(lists, self.truth(listed), K).toPandas()
        cohort = self.cohort.count()
        for key, rows in judged.sort_values("customer_id").groupby(["method", "slice"]):
            method, part = (str(name) for name in key)
            for metric in ("hit_rate", "ndcg"):
                self.add(kind, part, method, f"{metric}@{K}", self.mean(rows[metric]), len(rows))
                each = rows[["customer_id"]].assign(above=rows[metric], below=1.0)
                self.keep(kind, part, method, f"{metric}@{K}", each)
            if part == ALL:
                share = rows["hit_rate"].sum() / cohort
                self.add(kind, part, method, f"coverage@{K}", Interval(share, float("nan"), float("nan")), cohort)

    def truth(self, listed: DataFrame) -> DataFrame:
        """Return what the cohort bought of the listed items, with whether each was new to the customer."""
        known = self.affinity.select("customer_id", F.col("product_type").alias("item"), F.lit(False).alias("_new"))
        bought = self.bought.select("customer_id", F.col("product_type").alias("item"))
        return (
            bought.join(F.broadcast(listed.select("item")), "item")
            .join(self.cohort, "customer_id", "left_semi")
            .join(known, ["customer_id", "item"], "left")
            .select("customer_id", "item", F.coalesce("_new", F.lit(True)).alias("is_discovery"))
        )

    def coupons(self) -> None:
        """Judge the coupons by redemptions, beside the most redeemed ones and the customer's favourite scopes."""
        if not all(self.lake.has(f"clean/{name}", self.day) for name in COUPON_ENTITIES):
            return
        given = {name: self.clean(name) for name in COUPON_ENTITIES}
        slots = self.settings.offers.coupons.max_per_customer
        pool = coupon_affinity(self.order_lines, self.products, **given, as_of=self.night)
        offered = self.score("next_best_offer").where("offer_kind = 'coupon'").select("customer_id", "offer_id")
        redeemed = redemptions(given["responses"], self.night, self.horizon)
        counted = coupon_metrics(offered, pool, redeemed, slots).toPandas()
        for method, rows in counted.sort_values("customer_id").groupby("method"):
            for metric, below in ((f"redemptions@{slots}", "wanted"), ("redemption_rate", "offered")):
                asked = rows[rows[below] > 0]
                if len(asked):
                    self.add("coupon", ALL, str(method), metric, self.ratio(asked["found"], asked[below]), len(asked))
                    each = asked[["customer_id"]].assign(above=asked["found"], below=asked[below])
                    self.keep("coupon", ALL, str(method), metric, each)

    def foreseen(self) -> None:
        """Hold what the published offers were expected to bring against what they brought."""
        offers = self.score("next_best_offer")
        rules = self.scores.facts.get("offers")  # margins and costs of that night; an older one did not keep them
        assumed = Offers.model_validate(rules) if rules else self.settings.offers
        told = foreseen(offers, self.bought, *self.taken(offers), assumed).toPandas()
        for key, rows in told.sort_values("customer_id").groupby(["offer_kind", "slice"]):
            kind, part = (str(name) for name in key)
            for figure in FIGURES[kind]:
                *sides, ratio = names(figure)
                expected, realised = (rows[side] for side in sides)
                for side, sums in zip(sides, (expected, realised), strict=True):
                    self.add(kind, part, NBO, side, Interval(sums.sum(), float("nan"), float("nan")), len(rows))
                if expected.sum() > 0:
                    self.add(kind, part, NBO, ratio, self.ratio(realised, expected), len(rows))
                    each = rows[["customer_id"]].assign(above=realised, below=expected)
                    self.keep(kind, part, NBO, ratio, each)

    def taken(self, offers: DataFrame) -> tuple[DataFrame, DataFrame]:
        """Return in which scopes of the offered coupons customers bought, and what was redeemed for which discount."""
        if not all(self.lake.has(f"clean/{name}", self.day) for name in COUPON_ENTITIES):
            nothing = self.spark.createDataFrame(
                [], "customer_id string, offer_id string, spend double, discount double"
            )
            return nothing, nothing
        offered = offers.where("offer_kind = 'coupon'").select("offer_id").distinct()
        scopes = self.clean("offer_products").join(F.broadcast(offered), "offer_id", "left_semi")
        bought = scope_purchases(self.order_lines, scopes, self.night, self.horizon)
        redeemed = redemptions(self.clean("responses"), self.night, self.horizon)
        return bought, redeemed.join(self.clean("offers").select("offer_id", "discount"), "offer_id", "left")

    def treatment(self) -> None:
        """Set treated customers beside the control group; on a replay the two were treated alike."""
        customers = self.score("customer_scores").select("customer_id", "treatment")
        window = after(self.night, self.horizon, "ordered_on")
        spent = spend_after(customers, self.order_lines, window).toPandas().sort_values("customer_id")
        for treatment, rows in spent.groupby("treatment"):
            for metric in ("purchase_rate", "spend"):
                self.add("any", str(treatment), "nbo", metric, self.mean(rows[metric]), len(rows))

    def add(self, kind: str, part: str, method: str, metric: str, figure: Interval, customers: int) -> None:
        """Add one row."""
        low, high = (None if np.isnan(end) else round(end, 6) for end in (figure.low, figure.high))
        row = {"offer_kind": kind, "slice": part, "method": method, "metric": metric, "customers": customers}
        night = {"ds": self.day, "offers_of": self.night, "is_replay": self.is_replay}
        self.found.append({**night, **row, "value": round(figure.value, 6), "low": low, "high": high})

    def keep(self, kind: str, part: str, method: str, metric: str, each: pd.DataFrame) -> None:
        """Keep what each customer adds to a figure: ``customer_id``, ``above``, ``below``."""
        names: dict[str, Any] = {"offers_of": self.night, "offer_kind": kind, "slice": part}
        names |= {"metric": metric, "method": method}
        each = each.round({"above": 6, "below": 6})  # sums of doubles differ behind that with the order of rows
        self.customers.append(pa.Table.from_pandas(each.assign(**names), CUSTOMER_SCHEMA, preserve_index=False))

    def mean(self, values: pd.Series) -> Interval:
        """Return a mean over customers with its bootstrap interval."""
        return bootstrap(values, self.settings.models.bootstrap_rounds, self.settings.models.seed)

    def ratio(self, above: pd.Series, below: pd.Series) -> Interval:
        """Return the ratio of two sums over customers with its bootstrap interval."""
        return bootstrap_ratio(above, below, self.settings.models.bootstrap_rounds, self.settings.models.seed)

    def clean(self, name: str) -> DataFrame:
        """Return a table of the clean layer as it is on the day of measuring."""
        return self.lake.spark(self.spark, f"clean/{name}", self.day)

    def score(self, name: str) -> DataFrame:
        """Return a table of the measured night's scores."""
        return self.lake.spark_files(self.spark, self.scores.tables[f"scores/{name}"].files)
