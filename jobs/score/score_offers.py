"""Score: every customer's offers, scores and characteristics, from the night's features and pinned models."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import reduce
from typing import Any

import pandas as pd
import pyarrow.dataset as pads
from pyspark.sql import DataFrame, SparkSession, functions as F, types as T

from conf.errors import DataError
from conf.settings.schema import Settings
from conf.tables.customers import NEXT_ACTIONS
from conf.tables.features import FEATURES
from conf.tables.offers import CHARACTERISTIC_RECOMMENDATIONS, ORGANIZATION_CHARACTERISTICS
from features.customers.repeat_counts import counted_days, repeat_counts
from features.schemas import conform, struct
from jobs.inputs.repeats import bought_last, with_owned
from jobs.inputs.suitability import mark_unfit
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest, TableVersion
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.score.score_decisions import write_decisions
from jobs.score.score_inputs import deliveries, load_models, scoring_pins
from jobs.score.score_needs import write_need_tables
from jobs.score.score_segments import write_segment_tables
from jobs.spark import session
from jobs.stages import Stage
from jobs.tables.catalogue import SHARED_CLUSTERS
from jobs.tables.clean import CLEAN
from jobs.tables.features import FEATURES as FEATURE_TABLES
from jobs.tables.scores import SCORES
from scoring.customers.customer_scores import customer_scores, discount_bands
from scoring.customers.next_actions import next_actions
from scoring.customers.propensities import likely_labels, propensities, propensity_inputs
from scoring.customers.series_scores import series_scores
from scoring.offers.candidates import candidates, offerable
from scoring.offers.coupons import coupon_rows
from scoring.offers.next_best_offers import (
    BASELINE,
    HASH,
    LEARNT_RATES,
    next_best_offers,
    product_type_ranking,
    scored_coupons,
)
from scoring.offers.policy import contact_rights, keep_within_ceiling, with_touches, without_gone
from scoring.offers.repeats import with_repeats
from scoring.offers.restricted import restricted_products, restricted_types, with_restricted_scope
from scoring.offers.titles import scope_titles, type_titles
from scoring.offers.untrained import with_learnt_propensity
from scoring.predictions import label_ranking
from scoring.sanity import faults, summary
from training.characteristics.examples import examples, organization_fields
from training.characteristics.funnel import advice, of_organizations, stage
from training.rankers.repeat_rates import INPUTS as RATE_INPUTS, RepeatRates, fit as fit_rates

log = logging.getLogger(__name__)
#: columns of the lake's ``scores/product_type_ranking``, from which past nights are measured
RANKING = (
    "customer_id",
    "product_type",
    "rank",
    "rank_in_slice",
    "offer_rank",
    "is_discovery",
    "propensity",
    "expected_value",
    "source",
)


def run(settings: Settings, day: date, force: bool = False) -> Manifest:
    """Publish the scores of ``day``; the night before stays readable until these have passed their checks.

    Raises:
        DataError: features or models are missing or not the ones that were registered, or the scores make no sense.
    """
    settings = settings_of(Stage.SCORE, settings)
    lake = Lake(settings.lake)
    features, clean, training = (lake.need(s, day) for s in (Stage.FEATURES, Stage.VALIDATE, Stage.TRAIN))
    pins = scoring_pins(training.facts.get("pins", {}), settings.propensities)
    sent = deliveries(settings, day)
    inputs = {"features": features.content, "clean": clean.content}
    inputs |= {"clusters": lake.version(SHARED_CLUSTERS, day).content} if lake.has(SHARED_CLUSTERS, day) else {}
    inputs |= {"contacts": hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()}
    inputs |= {f"model {name}": f"{pin['sha256']} {pin['standing']}" for name, pin in sorted(pins.items())}

    def build(draft: Draft) -> None:
        _Night(settings, lake, day, pins, sent, draft).score()

    return publish(settings, Stage.SCORE, day, inputs, build, force)


class _Night:
    """The frames of one night; each method writes what its name says."""

    def __init__(
        self,
        settings: Settings,
        lake: Lake,
        day: date,
        pins: dict[str, dict[str, Any]],
        sent: list[dict[str, str | None]],
        draft: Draft,
    ) -> None:
        self.settings, self.lake, self.day, self.pins, self.draft = settings, lake, day, pins, draft
        self.models = load_models(pins, day)
        self.tables: dict[str, TableVersion] = {}
        self.spark: SparkSession = session(settings, "score")
        log.info("score: models and session are ready")
        self.contacts = self.all_contacts(sent)
        self.profile = self.feature("profile").persist()

    def score(self) -> None:
        """Write all tables of the night, and refuse to publish scores that make no sense.

        What does not wait for each other runs side by side: the jobs are short and wait for Spark, not for a core.
        """
        self.profile.count()  # fills the cache before anything runs side by side
        with ThreadPoolExecutor(3) as pool:
            ranking, coupons = pool.submit(self.ranking), pool.submit(self.coupons)
            asked, pending = pool.submit(self.propensities), [pool.submit(self.characteristics)]
            pending.append(pool.submit(lambda: self.customers(asked.result())))
            for other in pending:
                other.result()
        kept = self.within_ceilings(coupons.result())
        self.offers(ranking.result(), kept)
        customers = self.written(SCORES["customer_scores"])
        write_decisions(self.settings, self.day, self.draft, ranking.result(), kept, customers)
        self.check()
        scored = (self.written(SCORES[name]) for name in ("customer_scores", "next_best_offer"))
        population = write_segment_tables(self.settings, self.lake, self.day, self.draft, *scored)
        network = self.models.get("characteristics")
        actions = network.meta.outputs if network else ()
        write_need_tables(self.lake, self.day, self.draft, (self.named("characteristics"), actions), population)
        self.models.check_all_applied()
        self.facts(kept)
        self.spark.catalog.clearCache()

    def customers(self, asked: TableVersion) -> None:
        """Write ``scores/customer_scores``, which names the labels that ``asked`` (propensities) finds likely."""
        settings = self.settings
        consents = self.clean("consents")
        rights = contact_rights(
            self.profile, consents, self.contacts, settings.source.consent, settings.policy, self.day,
            settings.source.timezone,
        )  # fmt: skip
        table, clean = settings.source.tables.get("customers"), self.clean("customers")
        if table is not None and table.names_who_is_gone and clean is not None:
            rights = without_gone(rights, clean)
        from_series = series_scores(self.feature("purchase_series"), self.models, settings.models.churn_active_days)
        frame = self.lake.spark_files(self.spark, asked.files)
        described = (self.feature("interests"), discount_bands(self.feature("discounts")))
        more = (*described, self.next_actions(), likely_labels(frame))
        profile = reduce(lambda left, right: left.join(right, "customer_id", "left"), more, self.profile)
        scores = customer_scores(profile, self.feature("segments"), rights, from_series, settings.offers, str(self.day))
        self.scores = self.write(SCORES["customer_scores"], scores)

    def next_actions(self) -> DataFrame:
        """Write ``scores/next_actions`` and return each customer's first: ``customer_id``, ``next_action``."""
        model = self.models.get("next_action")
        if model is None:
            likely = self.spark.createDataFrame([], struct(NEXT_ACTIONS))
        else:
            likely = next_actions(self.feature("actions"), model, self.day, self.named("next_action"))
        files = self.write(SCORES["next_actions"], likely).files
        first = self.lake.spark_files(self.spark, files).where("rank = 1")
        return first.select("customer_id", F.col("action").alias("next_action"))

    def ranking(self) -> DataFrame:
        """Write ``scores/product_type_ranking`` and return it with all that the offers need."""
        settings = self.settings
        types = offerable(self.feature("product_types"), settings.offers.product_types)
        self.types = types.join(F.broadcast(self.restricted()), "product_type", "left_anti").persist()
        pairs = candidates(
            self.profile,
            self.types,
            self.feature("affinity"),
            self.feature("bought_together"),
            self.feature("als_users"),
            self.feature("als_items"),
            segments=self.feature("segments") if self.lake.has(FEATURE_TABLES["segments"], self.day) else None,
        )
        last = bought_last(self.lake, self.spark, self.day)
        pairs = with_repeats(pairs, self.feature("repurchase"), settings.horizon_days, last)
        pairs = mark_unfit(self.lake, self.spark, self.day, settings.policy, pairs, "product_type")
        repeats, discoveries = self.models.get("offer_ranker"), self.models.get("discovery_ranker")
        chosen = {False: repeats, True: discoveries or repeats}
        rankers = {flag: model for flag, model in chosen.items() if model is not None}
        pairs = with_learnt_propensity(pairs, None if len(rankers) == 2 else self.rates(), settings.horizon_days)
        ranking = product_type_ranking(pairs, rankers, self.contacts, settings.offers, settings.policy, self.day)
        ranking = ranking.persist()
        self.write(SCORES["product_type_ranking"], ranking.select(*RANKING))
        return ranking

    def rates(self) -> RepeatRates:
        """Learn how probable repeat purchases are from the history itself, for nights without a ranker."""
        horizon = self.settings.horizon_days
        lines = self.clean("order_lines")
        first = None if lines is None else lines.agg(F.min("ordered_on")).collect()[0][0]
        if lines is None or first is None:
            return fit_rates(pd.DataFrame(columns=[*RATE_INPUTS, "pairs", "repeated"]), horizon)
        days = counted_days(first, self.day, horizon)
        rates = fit_rates(repeat_counts(lines, self.products(), self.day, days).toArrow().to_pandas(), days)
        log.info(
            "score: no ranker serves; repeats are as probable as in %s pairs of the last %d days", rates.pairs, days
        )
        return rates

    def coupons(self) -> DataFrame | None:
        """Return the customers' coupons with their probabilities; None where the source has no coupons."""
        response, scope = self.models.get("coupon_response"), self.models.get("coupon_scope")
        if not self.lake.has(FEATURE_TABLES["coupon_affinity"], self.day):
            return None
        offers, targets = self.clean("offers"), self.clean("campaign_targets")
        if offers is None or targets is None:
            return None
        rows = coupon_rows(self.feature("coupon_affinity"), self.profile)
        settings = self.settings
        rows = mark_unfit(self.lake, self.spark, self.day, settings.policy, rows, "offer_id")
        rows = with_owned(self.lake, self.spark, self.day, rows)
        covered = self.clean("offer_products")
        if covered is not None:
            products, rule = self.products(), settings.policy.restricted
            rows = with_restricted_scope(rows, covered, restricted_products(products, rule), rule.coupon_share)
            titles = scope_titles(covered, products, settings.offers.title_words)
            rows = rows.join(F.broadcast(titles), "offer_id", "left")
        return scored_coupons(
            rows, response, scope, offers, targets, self.contacts, settings.offers, settings.policy, self.day
        ).persist()

    def products(self) -> DataFrame:
        """Return ``clean/products``, which every source has."""
        return self.lake.spark(self.spark, CLEAN["products"], self.day)

    def restricted(self) -> DataFrame:
        """Return the product types that are restricted goods: ``product_type`` and ``kind``."""
        return restricted_types(restricted_products(self.products(), self.settings.policy.restricted))

    def restricted_names(self) -> dict[str, list[str]]:
        """Return the names of restricted product types that would be offered otherwise, by kind."""
        types = offerable(self.feature("product_types"), self.settings.offers.product_types)
        rows = types.join(F.broadcast(self.restricted()), "product_type").select("kind", "product_type").collect()
        names: dict[str, list[str]] = {}
        for row in sorted(rows):
            names.setdefault(row["kind"], []).append(row["product_type"])
        return names

    def within_ceilings(self, coupons: DataFrame | None) -> DataFrame | None:
        """Return the coupons, those that cost more than the customer's ceiling marked as removed."""
        if coupons is None:
            return None
        scores = self.lake.spark_files(self.spark, self.scores.files)
        return keep_within_ceiling(coupons, scores, self.settings.offers.coupons.discount)

    def offers(self, ranking: DataFrame, coupons: DataFrame | None) -> None:
        """Write ``scores/next_best_offer``."""
        of_customer = ("customer_id", "segment_name", "treatment", "contactable", "blocked_by")
        chosen = next_best_offers(
            ranking,
            coupons,
            self.feature("affinity").join(F.broadcast(self.restricted()), "product_type", "left_anti"),
            self.feature("bought_together"),
            self.lake.spark_files(self.spark, self.scores.files).select(*of_customer),
            type_titles(self.products(), self.settings.offers.title_words),
            {
                "product_type": self.named("offer_ranker", "discovery_ranker") or LEARNT_RATES,
                "coupon": self.named("coupon_response", "coupon_scope") or BASELINE,
            },
            self.settings.offers,
            self.settings.policy,
            self.day,
        )
        self.write(SCORES["next_best_offer"], chosen)

    def characteristics(self) -> None:
        """Write ``scores/characteristic_recommendations``, and the ranking that past nights are measured by."""
        model = self.models.get("characteristics")
        if model is None:
            for table in (CHARACTERISTIC_RECOMMENDATIONS, ORGANIZATION_CHARACTERISTICS):
                self.write(SCORES[table.name], self.spark.createDataFrame([], struct(table)))
            return
        customers, organizations = self.clean("customers"), self.clean("organizations")
        fields = organization_fields(customers, organizations) if customers and organizations else None
        rows = label_ranking(examples(self.profile, self.feature("affinity"), fields), model)
        ranking = self.lake.spark_files(self.spark, self.write(SCORES["characteristic_ranking"], rows).files)
        stages = self.profile.select("customer_id", stage().alias("stage"))
        published = (
            ranking.where("rank <= 10")
            .join(stages, "customer_id")
            .withColumns(
                {
                    "ds": F.lit(self.day),
                    "kind": F.lit("product_type"),
                    "advice": advice(F.col("characteristic"), F.col("is_discovery"), F.col("stage")),
                    "standing": F.lit(self.pins["characteristics"]["standing"]),
                    "model": F.lit(self.named("characteristics")),
                }
            )
        )
        self.write(SCORES["characteristic_recommendations"], conform(published, CHARACTERISTIC_RECOMMENDATIONS))
        together = self.spark.createDataFrame([], struct(ORGANIZATION_CHARACTERISTICS))
        if customers is not None and organizations is not None:
            together = of_organizations(published, customers).withColumn("ds", F.lit(self.day))
        self.write(SCORES["organization_characteristics"], conform(together, ORGANIZATION_CHARACTERISTICS))
        self.draft.facts["characteristics"] = sorted(model.meta.outputs)

    def propensities(self) -> TableVersion:
        """Write ``scores/customer_propensities``."""
        asked = [label for label in self.settings.propensities.labels if label.model in self.models]
        rows = propensity_inputs(
            self.profile, self.feature("purchase_series"), self.feature("label_history"), self.clean("customers"), asked
        )
        models = {label.label: (self.models[label.model], self.named(label.model)) for label in asked}
        standing = {label.label: self.pins[label.model]["standing"] for label in asked}
        return self.write(SCORES["customer_propensities"], propensities(rows, models, standing, asked, self.day))

    def check(self) -> None:
        """Stop the night whose scores make no sense; nothing of it is published."""
        problems = faults(
            self.written(SCORES["product_type_ranking"]),
            self.written(SCORES["next_best_offer"]),
            self.written(SCORES["customer_scores"]),
            self.settings.offers.per_customer,
        )
        if problems:
            listed = "\n".join(f"  {fault}" for fault in problems)
            raise DataError(
                f"the scores of {self.day} make no sense and are not published:\n{listed}\n"
                "look at the models of `nbo train` and at the features of the night; the scores before stay"
            )

    def facts(self, coupons: DataFrame | None) -> None:
        """Count what the report shows: customers, control group, offers by kind and source, what was removed."""
        counted = summary(
            self.written(SCORES["next_best_offer"]),
            self.written(SCORES["customer_scores"]),
            self.settings.offers.per_customer,
        )
        if counted["short_lists"]:
            log.warning("score: the rules leave %s customer(s) a shorter list", f"{counted['short_lists']:,}")
        self.draft.facts |= counted | {
            "removed": {} if coupons is None else _removed(coupons),
            "restricted": self.restricted_names(),
            "models": {name: pin["sha256"] for name, pin in sorted(self.pins.items())},
            "offers": self.settings.offers.model_dump(mode="json"),  # what expected values rest on
        }

    def write(self, table: str, frame: DataFrame) -> TableVersion:
        """Write a table of the draft and remember its files."""
        started = time.monotonic()
        self.tables[table] = self.draft.spark(table, frame)
        log.info("%s: %s rows in %.1f s", table, f"{self.tables[table].rows:,}", time.monotonic() - started)
        return self.tables[table]

    def written(self, table: str) -> pads.Dataset:
        """Return a table of the draft as an Arrow dataset."""
        return self.lake.arrow_files(self.tables[table].files)

    def all_contacts(self, sent: list[dict[str, str | None]]) -> DataFrame:
        """Return what the CRM recorded and what was delivered: ``customer_id``, ``offer_id``, ``touched_on``."""
        schema = T.StructType([T.StructField(name, T.StringType()) for name in ("customer_id", "offer_id", "day")])
        rows = [(row["customer_id"], row["offer_id"], row["contacted_on"]) for row in sent]
        delivered = self.spark.createDataFrame(rows, schema)
        delivered = delivered.select("customer_id", "offer_id", F.to_date("day").alias("touched_on"))
        return with_touches(delivered, self.clean("touches"))

    def feature(self, name: str) -> DataFrame:
        """Return a table of the features layer; an empty one where the night has none.

        Raises:
            DataError: it was made by a version that did not know all of its columns.
        """
        if not self.lake.has(FEATURE_TABLES[name], self.day):
            return self.spark.createDataFrame([], struct(FEATURES[name]))
        frame = self.lake.spark(self.spark, FEATURE_TABLES[name], self.day)
        missing = [column.name for column in FEATURES[name].columns if column.name not in frame.columns]
        if missing:
            raise DataError(
                f"features/{name} of {self.day} lacks {', '.join(missing)}: an earlier version made it; "
                f"run `nbo features --ds {self.day}` first"
            )
        return frame

    def clean(self, name: str) -> DataFrame | None:
        """Return a table of the clean layer, or None where the source has none."""
        if not self.lake.has(CLEAN[name], self.day):
            return None
        return self.lake.spark(self.spark, CLEAN[name], self.day)

    def named(self, *models: str) -> str:
        """Return ``name:hash`` of the models that are there, joined by ``;``."""
        return ";".join(f"{name}:{self.pins[name]['sha256'][:HASH]}" for name in models if name in self.pins)


def _removed(coupons: DataFrame) -> dict[str, int]:
    """Count the customers' coupons that a rule removed, by rule (at most a handful of rows)."""
    rows = coupons.where("removed_by is not null").groupBy("removed_by").count().orderBy("removed_by").collect()
    return {row["removed_by"]: row["count"] for row in rows}
