"""Figures of one night's offers once their horizon is over: what ``measure_outcomes`` publishes of a night."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, functions as F

from conf.settings.schema import Offers, Settings
from conf.tables.canonical import COUPON_ENTITIES
from features.customers.affinity import affinity
from features.customers.labels import redemptions, scope_purchases, type_purchases
from features.items.coupons import coupon_affinity
from features.items.product_types import product_types
from features.lines import after, basket_types, until
from jobs.lake.facts import ScoreFacts
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from scoring.offers.candidates import offerable
from scoring.outcomes.expected_and_realised import FIGURES, expected_and_realised, names
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
#: a row per night of the offers, figure, method and customer: the customer's part of the numerator and denominator
CUSTOMER_SCHEMA = pa.schema(
    [
        pa.field("offers_of", pa.date32()),
        *(pa.field(name, pa.string()) for name in _TEXTS),
        pa.field("above", pa.float64()),
        pa.field("below", pa.float64()),
    ]  # type: ignore[arg-type]
)


class NightOutcomes:
    """The figures of one night's offers; every method adds those that its name says."""

    def __init__(
        self, settings: Settings, lake: Lake, spark: SparkSession, day: date, scores: Manifest, is_replay: bool
    ) -> None:
        """Open the measured night's scores and the clean layer of ``day``, the day of measuring."""
        self.settings, self.lake, self.spark, self.scores = settings, lake, spark, scores
        self.day, self.night, self.horizon = day, date.fromisoformat(scores.ds), settings.horizon_days
        self.order_lines, self.products = self.clean("order_lines"), self.clean("products")
        self.is_replay = is_replay
        self.figures: list[dict[str, Any]] = []
        self.customers: list[pa.Table] = []

    def rows(self) -> list[dict[str, Any]]:
        """Return all figures of the night as rows of ``OFFER_OUTCOMES``."""
        basket_types(self.order_lines, self.products).persist()  # the cache is used wherever the same plan appears
        self.affinity = affinity(self.order_lines, self.products, self.night).persist()
        self.bought = type_purchases(self.order_lines, self.products, self.night, self.horizon).persist()
        ever = self.order_lines.where(until(self.night) & ~F.col("is_return"))
        self.cohort = ever.select("customer_id").distinct().persist()
        self.types = product_types(self.order_lines, self.products, self.night).persist()
        self.product_types()
        self.characteristics()
        self.coupons()
        self.expectations()
        self.treatment()
        log.info("measure: %s figures of the offers of %s", len(self.figures), self.night)
        return self.figures

    def product_types(self) -> None:
        """Compare the product types with popularity and personal frequency."""
        if "scores/product_type_ranking" in self.scores.tables:
            items = offerable(self.types, self.settings.offers.product_types)
            self.lists("product_type", self.score("product_type_ranking"), "product_type", items)

    def characteristics(self) -> None:
        """Compare the characteristics in the same way, over the network's own dictionary."""
        if "scores/characteristic_ranking" in self.scores.tables:
            listed = ScoreFacts.of(self.scores).characteristics
            items = self.types.where(F.col("product_type").isin(listed))
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
                parts = rows[["customer_id"]].assign(above=rows[metric], below=1.0)
                self.keep(kind, part, method, f"{metric}@{K}", parts)
            if part == ALL:
                share = rows["hit_rate"].sum() / cohort
                self.add(kind, part, method, f"coverage@{K}", Interval(share, float("nan"), float("nan")), cohort)

    def truth(self, listed: DataFrame) -> DataFrame:
        """Return what the cohort bought of the listed items, with whether an item was new to the customer."""
        bought_before = self.affinity.select(
            "customer_id", F.col("product_type").alias("item"), F.lit(False).alias("_new")
        )
        bought = self.bought.select("customer_id", F.col("product_type").alias("item"))
        return (
            bought.join(F.broadcast(listed.select("item")), "item")
            .join(self.cohort, "customer_id", "left_semi")
            .join(bought_before, ["customer_id", "item"], "left")
            .select("customer_id", "item", F.coalesce("_new", F.lit(True)).alias("is_discovery"))
        )

    def coupons(self) -> None:
        """Compare redemptions of the coupons with those of popular coupons and of the customer's favourite scopes."""
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
                    self.add(
                        "coupon", ALL, str(method), metric, self.ratio(asked["redeemed"], asked[below]), len(asked)
                    )
                    parts = asked[["customer_id"]].assign(above=asked["redeemed"], below=asked[below])
                    self.keep("coupon", ALL, str(method), metric, parts)

    def expectations(self) -> None:
        """Add what the published offers were expected to bring, and what they brought."""
        offers = self.score("next_best_offer")
        rules = ScoreFacts.of(self.scores).offers  # margins and costs of that night; an older one did not keep them
        assumed = Offers.model_validate(rules) if rules else self.settings.offers
        sums = expected_and_realised(offers, self.bought, *self.taken(offers), assumed).toPandas()
        for key, rows in sums.sort_values("customer_id").groupby(["offer_kind", "slice"]):
            kind, part = (str(name) for name in key)
            for figure in FIGURES[kind]:
                *sides, ratio = names(figure)
                expected, realised = (rows[side] for side in sides)
                for side, values in zip(sides, (expected, realised), strict=True):
                    self.add(kind, part, NBO, side, Interval(values.sum(), float("nan"), float("nan")), len(rows))
                if expected.sum() > 0:
                    self.add(kind, part, NBO, ratio, self.ratio(realised, expected), len(rows))
                    parts = rows[["customer_id"]].assign(above=realised, below=expected)
                    self.keep(kind, part, NBO, ratio, parts)

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
        """Add spend of treated and control customers; on a replay both were treated alike."""
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
        self.figures.append({**night, **row, "value": round(figure.value, 6), "low": low, "high": high})

    def keep(self, kind: str, part: str, method: str, metric: str, parts: pd.DataFrame) -> None:
        """Keep every customer's part of a figure: ``customer_id``, ``above`` (numerator), ``below`` (denominator)."""
        names: dict[str, Any] = {"offers_of": self.night, "offer_kind": kind, "slice": part}
        names |= {"metric": metric, "method": method}
        parts = parts.round({"above": 6, "below": 6})  # beyond that, sums of doubles depend on the order of rows
        self.customers.append(pa.Table.from_pandas(parts.assign(**names), CUSTOMER_SCHEMA, preserve_index=False))

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
