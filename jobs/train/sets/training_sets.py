"""Builds what models are trained on: a Parquet folder per set and window, in a scratch folder of the lake.

``customers``: a row per customer with profile, own history per product type, and what was bought after. ``types``: the
product types that are characteristics. ``pairs``: candidates, where each source ranks them, whether they were bought.
``items``: the product types sold up to the gate, their buyers and whether they are offered. ``coupons``: customers and
their coupons and what came of them; redemptions in further windows too. ``purchase_series``: customers and their
baskets in order, on days a week apart. ``labels``: customers and the propensities in whose scopes they bought.
``visits``: customers and all their visits, from which any window can be cut.
Rows have their ``as_of``; their labels are the days of the horizon after it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.fs as pafs
from pyspark.sql import SparkSession, functions as F

from conf.settings.schema import Settings
from features.customers.affinity import affinity
from features.customers.labels import type_purchases
from features.customers.profile import profile
from features.items.product_types import product_types
from features.lines import basket_types, lines
from jobs.lake.lake import Lake
from jobs.lake.tables import LAYERS
from jobs.train.sets.coupon_sets import COUPON_TABLES, write_coupons, write_redemptions
from jobs.train.sets.customer_sets import write_customers, write_pairs
from jobs.train.sets.leakage_check import leaking_inputs, recorded_by
from jobs.train.sets.series_sets import WRITERS
from jobs.train.sets.set_source import SetSource, moved_onto_night
from jobs.train.sets.stored_sets import StoredSets
from training.evaluation.windows import Windows, windows as by_history

log = logging.getLogger(__name__)
#: tables of the clean layer that a set needs
NEEDS: dict[str, tuple[str, ...]] = {
    "customers": ("customers", "order_lines", "products"),
    "pairs": ("customers", "order_lines", "products"),
    "purchase_series": ("order_lines", "products"),
    "labels": ("order_lines", "products"),
    "visits": ("order_lines", "products"),
    "coupons": ("customers", *COUPON_TABLES),
}
_WITHOUT_FUTURE = "without_future"


def laid_out(settings: Settings, lake: Lake, day: date, count: int | None = None) -> Windows | None:
    """Lay out the windows of a night's training by the orders that its clean layer has; None: they do not reach far.

    Args:
        settings: the installation.
        lake: its lake, with the clean layer of ``day``.
        day: the night.
        count: most training windows; None: as configured.
    """
    first = pc.min(lake.arrow("clean/order_lines", day, ["ordered_on"])["ordered_on"]).as_py()
    most, history = count or settings.models.train_windows, settings.models.min_history_days
    return None if first is None else by_history(day, settings.horizon_days, most, first, history)


@contextmanager
def training_sets(
    settings: Settings, lake: Lake, spark: SparkSession, day: date, windows: Windows, sets: set[str]
) -> Iterator[StoredSets]:
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
    try:
        clean = {name: lake.spark(spark, name, day) for name in lake.need(LAYERS["clean"], day).tables}
        clean = {name.removeprefix("clean/"): table for name, table in clean.items() if name.startswith("clean/")}
        customers = lake.version("clean/customers", day).rows
        source = SetSource(settings, clean, customers, day, windows, f"{lake.uri}/{folder}")
        _write_sets(source, sets)
        stored = StoredSets(lake, folder, windows, day, Path(settings.home, "training", str(day)))
        compared = sets if settings.propensities.scopes else sets - {"labels"}
        without_future = _without_future(source, stored, sets)
        yield replace(stored, leaking=leaking_inputs(stored, without_future, compared))
    finally:
        _remove(lake, folder)


def _write_sets(source: SetSource, sets: set[str]) -> None:
    """Write the sets that are asked for in every window."""
    models, windows = source.settings.models, source.windows
    ranked, windowed = windows.all[: 2 + models.ranker_windows], sets - WRITERS.keys()
    for name in sorted(sets & WRITERS.keys()):
        WRITERS[name](source)
    for as_of in windows.all if windowed else ():
        _write_window(source, as_of, windowed if as_of in ranked else windowed - {"pairs"})
        log.info("training window %s is built", as_of)
    further = windows.back(models.coupon_windows)[len(windows.training) :]
    for as_of in further if "coupons" in sets else ():
        write_redemptions(source, as_of, *moved_onto_night(source, as_of))


def _without_future(source: SetSource, stored: StoredSets, sets: set[str]) -> StoredSets:
    """Write the gate window once more, from what was recorded up to its day alone."""
    gate, target = stored.windows.gate, f"{source.target}/{_WITHOUT_FUTURE}"
    write_window(replace(source, clean=recorded_by(source.clean, gate), target=target), gate, sets)
    return replace(stored, folder=f"{stored.folder}/{_WITHOUT_FUTURE}")


def write_window(source: SetSource, as_of: date, sets: set[str]) -> None:
    """Write some sets in one window alone."""
    for name in sorted(sets & WRITERS.keys()):
        WRITERS[name](replace(source, only=as_of))
    if windowed := sets - WRITERS.keys():
        _write_window(source, as_of, windowed)


def _write_window(source: SetSource, as_of: date, sets: set[str]) -> None:
    """Write the sets of one window; within, the night stands for ``as_of``."""
    settings, models = source.settings, source.settings.models
    night, clean = moved_onto_night(source, as_of)
    end = F.lit(night + timedelta(days=settings.horizon_days))
    orders, products = clean["order_lines"].where(F.col("ordered_on") <= end), clean["products"]
    kept = [lines(orders, products).persist(), basket_types(orders, products).persist()]
    kept[1].count()  # fills both before anything runs side by side
    who = profile(
        clean["customers"],
        orders,
        products,
        clean.get("campaign_targets"),
        clean.get("responses"),
        night,
        settings.source.timezone,
    ).persist()
    liking = affinity(orders, products, night).persist()
    bought = type_purchases(orders, products, night, settings.horizon_days)
    clean = {**clean, "order_lines": orders}
    parts = {
        "customers": lambda: write_customers(source, as_of, night, clean, who, liking, bought),
        "pairs": lambda: write_pairs(source, as_of, night, clean, who, liking, bought),
        "coupons": lambda: write_coupons(source, as_of, night, clean, who),
    }
    with ThreadPoolExecutor(len(parts)) as pool:
        for done in [pool.submit(parts[name]) for name in sorted(sets)]:
            done.result()
    if as_of == source.windows.training[0]:  # what is a characteristic is settled before validation begins
        types = product_types(orders, products, night, models.characteristic_min_buyers)
        source.write(types.select("product_type", "popularity_28"), "types", as_of)
    for frame in (who, liking, *kept):
        frame.unpersist()


def _remove(lake: Lake, folder: str) -> None:
    path = f"{lake.base}/{folder}"
    if lake.fs.get_file_info(path).type == pafs.FileType.Directory:
        lake.fs.delete_dir(path)
