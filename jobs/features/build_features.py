"""Builds the night's features: customers, product types, pairs, factors, segments and coupons.

One Spark session. The order lines are read and shuffled once, into two cached frames that every feature starts from;
independent features are built side by side, since most of their jobs are short and wait for Spark, not for a core.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from conf.settings.schema import Settings
from conf.tables.canonical import CANONICAL, COUPON_ENTITIES
from features.customers.affinity import affinity
from features.customers.discounts import discounts
from features.customers.label_history import label_history, scope_series
from features.customers.orders import orders
from features.customers.profile import profile
from features.customers.purchase_series import basket_series, purchase_series
from features.customers.visits import actions
from features.items.als import AlsConfig, factorize
from features.items.bought_together import bought_together
from features.items.coupons import coupon_affinity
from features.items.product_types import product_types
from features.lines import basket_types, lines, until
from features.schemas import struct
from features.segments.fit import FitConfig, SegmentFit
from features.segments.hierarchical_kmeans import TreeConfig
from features.segments.segments import SegmentConfig, segments
from jobs.features.build_interests import build_interests
from jobs.features.feature_night import FeatureNight
from jobs.features.item_features import build_lists, build_products, inputs_of_products
from jobs.lake.facts import FeatureFacts
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.spark import session
from jobs.stages import Stage
from jobs.tables.features import FEATURES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def run(settings: Settings, day: date, force: bool = False) -> Manifest:
    """Publish the night's feature tables.

    Raises:
        DataError: the night has no clean layer, or it lacks order lines or products.
    """
    settings = settings_of(Stage.FEATURES, settings)
    lake = Lake(settings.lake)
    inputs = {"validate": lake.need(Stage.VALIDATE, day).content}
    if earlier := lake.newest(Stage.FEATURES, day):
        fitted = FeatureFacts.of(lake.need(Stage.FEATURES, earlier)).segments
        inputs["segments"] = hashlib.sha256(json.dumps(fitted, sort_keys=True).encode()).hexdigest()
        if lake.has(FEATURES["segments"], earlier):
            inputs["members"] = lake.version(FEATURES["segments"], earlier).content
    inputs |= inputs_of_products(lake, day)
    return publish(settings, Stage.FEATURES, day, inputs, partial(_build, settings, lake, day), force)


def _build(settings: Settings, lake: Lake, day: date, draft: Draft) -> None:
    spark = session(settings, "build_features")
    night = FeatureNight(lake, spark, day, draft, settings)
    order_lines, products = night.clean("order_lines"), night.clean("products")
    draft.facts["skipped"] = {}
    lines(order_lines, products).persist()
    basket_types(order_lines, products).persist().count()  # fills both before anything runs side by side
    with ThreadPoolExecutor(3) as pool:
        branches: list[Callable[[FeatureNight, DataFrame, DataFrame], None]] = [
            _build_customers, build_products, _build_factors, _build_types, _build_labels, _build_coupons,
        ]  # fmt: skip
        for result in [pool.submit(branch, night, order_lines, products) for branch in branches]:
            result.result()
    build_lists(night, order_lines, products)
    spark.catalog.clearCache()


def _build_customers(night: FeatureNight, order_lines: DataFrame, products: DataFrame) -> None:
    """Profiles, and the segments made of them."""
    customers = night.optional("customers")
    if customers is None:  # the order lines then say who is a customer
        customers = night.spark.createDataFrame([], struct(CANONICAL["customers"]))
    targets, responses = night.optional("campaign_targets"), night.optional("responses")
    profiles = profile(customers, order_lines, products, targets, responses, night.day, night.timezone).persist()
    night.write("profile", profiles)
    series = basket_series(orders(lines(order_lines, products).where(until(night.day)), night.timezone))
    night.write("actions", actions(lines(order_lines, products), night.day))
    night.write("purchase_series", purchase_series(series, [night.day]).drop("as_of"))
    build_interests(night, order_lines, products, customers, profiles)
    _build_segments(night, profiles)


def _build_segments(night: FeatureNight, profiles: DataFrame) -> None:
    """Segments as the night before had them, or fitted anew when they are old."""
    config = SegmentConfig(FitConfig(tree=TreeConfig(seed=night.settings.models.seed)))
    earlier = night.lake.newest(Stage.FEATURES, night.day)
    before, members = None, None
    if earlier is not None and night.lake.has(FEATURES["segments"], earlier):
        fitted = FeatureFacts.of(night.lake.need(Stage.FEATURES, earlier)).segments
        if "centres" in fitted:
            before = SegmentFit.from_dict(fitted)
            members = night.lake.spark(night.spark, FEATURES["segments"], earlier)
    result = segments(profiles, night.day, config, before, members)
    night.write("segments", result.members)
    night.write("segment_profiles", result.profiles)
    night.draft.facts["segments"] = result.fitted.to_dict()


def _build_factors(night: FeatureNight, order_lines: DataFrame, products: DataFrame) -> None:
    """What customers like, and factors of it."""
    liked = affinity(order_lines, products, night.day).persist()
    if not night.write("affinity", liked).rows:
        for name in ("als_users", "als_items"):
            night.skip(name, "no customer bought an offerable product type")
        return
    config = AlsConfig(seed=night.settings.models.seed)
    users, items = factorize(liked, config)
    night.write("als_users", users)
    night.write("als_items", items)
    night.draft.facts["als"] = asdict(config)


def _build_types(night: FeatureNight, order_lines: DataFrame, products: DataFrame) -> None:
    """Product types, what is bought with them, and who buys them at a discount."""
    night.write("bought_together", bought_together(order_lines, products, night.day))
    night.write("product_types", product_types(order_lines, products, night.day))
    night.write("discounts", discounts(order_lines, products, night.day))


def _build_labels(night: FeatureNight, order_lines: DataFrame, products: DataFrame) -> None:
    """What customers bought in the scopes of the propensities."""
    scopes = night.settings.propensities.scopes
    if not scopes:
        night.skip("label_history", "no propensity has a scope")
        return
    series = scope_series(order_lines.where(until(night.day)), products, scopes)
    night.write("label_history", label_history(series, [night.day], 0).drop("as_of", "bought"))


def _build_coupons(night: FeatureNight, order_lines: DataFrame, products: DataFrame) -> None:
    """Coupons, where the source has them."""
    given = {name: night.optional(name) for name in COUPON_ENTITIES}
    missing = sorted(name for name, frame in given.items() if frame is None)
    if missing:
        night.skip("coupon_affinity", f"the source has no {', '.join(missing)}")
        return
    frames = {name: frame for name, frame in given.items() if frame is not None}
    night.write("coupon_affinity", coupon_affinity(order_lines, products, **frames, as_of=night.day))
