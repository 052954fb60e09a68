"""Builds what models are trained on: a Parquet folder per set and window, in a scratch folder of the lake.

``customers``: a row per customer with profile, own history per product type, and what was bought after. ``types``: the
product types that are characteristics. ``pairs``: candidates and whether they were bought. ``coupons``: customers and
their coupons and what came of them. Rows carry their ``as_of``; their labels are the days of the horizon after it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import pandas as pd
import pyarrow.dataset as pads
import pyarrow.fs as pafs
from pyspark.sql import DataFrame, SparkSession, functions as F

from conf.schema import Settings
from features.affinity import affinity
from features.als import AlsConfig, factorize
from features.bought_together import bought_together
from features.coupons import coupon_affinity
from features.labels import active_after, redemptions, scope_purchases, type_purchases
from features.lines import basket_types, lines
from features.product_types import product_types
from features.profile import profile
from jobs.lake import Lake
from scoring.candidates import RANKER_INPUTS, candidates, offerable
from scoring.coupons import COUPON_INPUTS, coupon_rows
from training.characteristics import examples, organization_fields
from training.windows import Windows

log = logging.getLogger(__name__)
#: tables of the clean layer that each set needs
NEEDS: dict[str, tuple[str, ...]] = {
    "customers": ("customers", "order_lines", "products"),
    "pairs": ("customers", "order_lines", "products"),
    "coupons": (
        "customers", "order_lines", "products",
        "offers", "offer_products", "campaigns", "campaign_targets", "responses",
    ),
}  # fmt: skip
#: windows that are built side by side: their jobs are short, and Spark waits for itself most of the time
_AT_ONCE = 3
_BUCKETS = 1_000_000


@dataclass(frozen=True)
class TrainingSets:
    """The sets of one night, read back as pandas frames in a stable order."""

    lake: Lake
    folder: str
    windows: Windows

    def read(self, name: str, days: tuple[date, ...] | date) -> pd.DataFrame:
        """Return the rows of set ``name`` in some windows, sorted by their keys within each."""
        parts = [self._read(name, day) for day in (days if isinstance(days, tuple) else (days,))]
        return pd.concat(parts, ignore_index=True)

    def _read(self, name: str, day: date) -> pd.DataFrame:
        path = f"{self.lake.base}/{self.folder}/{name}/{day}"
        rows = pads.dataset(path, filesystem=self.lake.fs, format="parquet").to_table().to_pandas()
        keys = [key for key in ("customer_id", "product_type", "offer_id") if key in rows.columns]
        return rows.sort_values(keys, kind="stable", ignore_index=True)


@contextmanager
def training_sets(
    settings: Settings, lake: Lake, spark: SparkSession, day: date, windows: Windows, sets: set[str]
) -> Iterator[TrainingSets]:
    """Build the sets that are asked for, in every window, and remove them afterwards.

    Args:
        settings: the installation.
        lake: its lake, with the clean layer of ``day``.
        spark: a session.
        day: the night; no row and no label is of a later day.
        windows: days of the training.
        sets: names in :data:`NEEDS`.
    """
    folder = f"_scratch/train-{day}"
    _remove(lake, folder)
    source = _Source(settings, lake, spark, day, f"{lake.uri}/{folder}")
    ranked = windows.all[: 2 + settings.models.ranker_windows]
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            work = [
                pool.submit(_write_window, source, as_of, sets if as_of in ranked else sets - {"pairs"}, windows)
                for as_of in windows.all
            ]
            for done in work:
                done.result()
        source.release()
        yield TrainingSets(lake, folder, windows)
    finally:
        _remove(lake, folder)


@dataclass
class _Source:
    """The clean layer; the lines that every window starts from are kept in memory."""

    settings: Settings
    lake: Lake
    spark: SparkSession
    day: date
    target: str
    kept: list[DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        orders, products = self.table("order_lines"), self.table("products")
        for frame in (lines(orders, products), basket_types(orders, products)):
            self.kept.append(frame.persist())
            frame.count()
        self.customers = self.lake.version("clean/customers", self.day).rows

    def table(self, name: str) -> DataFrame:
        return self.lake.spark(self.spark, f"clean/{name}", self.day)

    def optional(self, name: str) -> DataFrame | None:
        return self.table(name) if self.lake.has(f"clean/{name}", self.day) else None

    def sample(self, frame: DataFrame, most: int) -> DataFrame:
        """Keep about ``most`` customers, the same in every window, by a hash."""
        if self.customers <= most:
            return frame
        return frame.where(F.pmod(F.xxhash64("customer_id"), F.lit(_BUCKETS)) < int(_BUCKETS * most / self.customers))

    def write(self, frame: DataFrame, name: str, as_of: date) -> None:
        frame.withColumn("as_of", F.lit(as_of)).write.parquet(f"{self.target}/{name}/{as_of}")

    def release(self) -> None:
        for frame in self.kept:
            frame.unpersist()


def _write_window(source: _Source, as_of: date, sets: set[str], windows: Windows) -> None:
    orders, products, models = source.table("order_lines"), source.table("products"), source.settings.models
    who = profile(
        source.table("customers"),
        orders,
        products,
        source.optional("campaign_targets"),
        source.optional("responses"),
        as_of,
        source.settings.source.timezone,
    ).persist()
    liking = affinity(orders, products, as_of).persist()
    bought = type_purchases(orders, products, as_of, source.settings.horizon_days)
    if "customers" in sets:
        _write_customers(source, as_of, source.sample(who, models.max_customers), liking, bought)
        if as_of == windows.training[0]:  # what is a characteristic is settled before validation begins
            known = product_types(orders, products, as_of, models.characteristic_min_buyers)
            source.write(known.select("product_type", "popularity_28"), "types", as_of)
    if "pairs" in sets:
        types = offerable(product_types(orders, products, as_of), source.settings.offers.product_types)
        users, items = factorize(liking, AlsConfig())
        sampled = source.sample(who, models.max_ranker_customers)
        pairs = candidates(sampled, types, liking, bought_together(orders, products, as_of), users, items)
        labelled = pairs.join(
            bought.select("customer_id", "product_type", F.lit(True).alias("bought")),
            ["customer_id", "product_type"],
            "left",
        ).fillna(False, ["bought"])
        columns = ["customer_id", "product_type", *RANKER_INPUTS, "bought"]
        source.write(labelled.select(*columns), "pairs", as_of)
    if "coupons" in sets:
        _write_coupons(source, as_of, who)
    who.unpersist()
    liking.unpersist()
    log.info("training window %s is built: %s", as_of, ", ".join(sorted(sets)))


def _write_customers(source: _Source, as_of: date, who: DataFrame, liking: DataFrame, bought: DataFrame) -> None:
    after = active_after(source.table("order_lines"), as_of, source.settings.horizon_days)
    organizations = source.optional("organizations")
    fields = None if organizations is None else organization_fields(source.table("customers"), organizations)
    rows = (
        examples(who, liking, fields)
        .join(bought.groupBy("customer_id").agg(F.sort_array(F.collect_list("product_type")).alias("bought")),
              "customer_id", "left")
        .join(after.withColumn("returned", F.lit(True)), "customer_id", "left")
        .fillna(False, ["returned"])
    )  # fmt: skip
    source.write(rows, "customers", as_of)


def _write_coupons(source: _Source, as_of: date, who: DataFrame) -> None:
    names = ("order_lines", "products", "offers", "offer_products", "campaigns", "campaign_targets", "responses")
    orders, products, offers, scopes, campaigns, targets, responses = (source.table(name) for name in names)
    horizon, keys = source.settings.horizon_days, ["customer_id", "offer_id"]
    coupons = coupon_affinity(orders, products, offers, scopes, campaigns, targets, responses, as_of)
    rows = (
        coupon_rows(coupons, source.sample(who, source.settings.models.max_customers))
        .where("not already_redeemed")
        .join(redemptions(responses, as_of, horizon).withColumn("redeemed", F.lit(True)), keys, "left")
        .join(scope_purchases(orders, scopes, as_of, horizon).select(*keys, F.lit(True).alias("bought")), keys, "left")
        .fillna(False, ["redeemed", "bought"])
    )
    source.write(rows.select(*keys, *COUPON_INPUTS, "redeemed", "bought"), "coupons", as_of)


def _remove(lake: Lake, folder: str) -> None:
    path = f"{lake.base}/{folder}"
    if lake.fs.get_file_info(path).type == pafs.FileType.Directory:
        lake.fs.delete_dir(path)
