"""Builds what models are trained on: a Parquet folder per set and window, in a scratch folder of the lake.

``customers``: a row per customer with profile, own history per product type, and what was bought after. ``types``: the
product types that are characteristics. ``pairs``: candidates, where each source ranks them, whether they were bought.
``items``: the product types sold up to the gate, their buyers and whether they are offered. ``coupons``: customers and
their coupons and what came of them; redemptions in further windows too. ``purchase_series``: customers and their
baskets in order, in windows a week apart. ``labels``: customers and the propensities in whose scopes they bought.
``actions``: customers and the whole series of their visits, from which any window can be cut.
Rows carry their ``as_of``; their labels are the days of the horizon after it.

Spark compiles code for every query, with its dates inside, and compiling takes longer than running. So the past is
moved onto the night by whole weeks: all windows look alike, and all but the first run code that is compiled already.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.fs as pafs
from pyspark.sql import DataFrame, SparkSession, functions as F

from conf.errors import DataError
from conf.settings.schema import Settings
from conf.tables.canonical import CANONICAL
from features.customers.affinity import affinity
from features.customers.label_history import label_history, scope_series
from features.customers.labels import active_after, recorded, type_purchases
from features.customers.orders import orders
from features.customers.profile import liked_departments, profile
from features.customers.purchase_series import basket_series, purchase_series
from features.customers.series_labels import MOST_LIMIT, SURVIVAL_WEEKS, Horizons
from features.customers.visits import actions
from features.items.als import AlsConfig, factorize
from features.items.bought_together import bought_together
from features.items.product_types import product_types
from features.lines import basket_types, lines
from jobs.lake.lake import LAYERS, Lake
from jobs.train.coupon_sets import COUPON_TABLES, write_coupons, write_redemptions
from jobs.train.leakage_check import changed, known_by
from scoring.offers.candidates import RANKER_INPUTS, SOURCE_RANKS, candidates, is_offerable, offerable
from training.characteristics.characteristics import examples, organization_fields
from training.evaluation.windows import Windows, windows as by_history

log = logging.getLogger(__name__)
#: tables of the clean layer that each set needs
NEEDS: dict[str, tuple[str, ...]] = {
    "customers": ("customers", "order_lines", "products"),
    "pairs": ("customers", "order_lines", "products"),
    "purchase_series": ("order_lines", "products"),
    "labels": ("order_lines", "products"),
    "actions": ("order_lines", "products"),
    "coupons": ("customers", *COUPON_TABLES),
}
_BUCKETS = 1_000_000
#: sets that are read together with a task's own
WITH: dict[str, tuple[str, ...]] = {"pairs": ("customers",), "labels": ("customers", "purchase_series")}
_BLIND = "blind"
#: more visits than a customer has
_ALL_VISITS = 1_000_000


@dataclass(frozen=True)
class TrainingSets:
    """The sets of one night, read back as pandas frames in a stable order.

    Attributes:
        lake: where they lie.
        folder: under its root.
        windows: days of the training.
        night: the day that all of them end by.
        checkpoints: local folder from which a training that was killed goes on.
        changed: set -> its inputs that depend on days after ``as_of`` (``leakage_check``); empty as it should be.
    """

    lake: Lake
    folder: str
    windows: Windows
    night: date
    checkpoints: Path
    changed: Mapping[str, list[str]] = field(default_factory=dict)

    def read(self, name: str, days: tuple[date, ...] | date) -> pd.DataFrame:
        """Return the rows of set ``name`` in some windows, sorted by their keys within each.

        Raises:
            DataError: rows bear another ``as_of`` than their window's.
        """
        parts = [self._read(name, day) for day in (days if isinstance(days, tuple) else (days,))]
        return pd.concat(parts, ignore_index=True)

    def purchase_series(self, days: tuple[date, ...] | date) -> pd.DataFrame:
        """Return the rows of set ``purchase_series`` in some windows, sorted by window, newest first, and customer."""
        rows = self._of_days("purchase_series", days)
        return rows.sort_values(["as_of", "customer_id"], ascending=[False, True], ignore_index=True)

    def labels(self, day: date) -> pd.DataFrame:
        """Return the rows of set ``labels`` in a window, sorted by customer and label."""
        return self._of_days("labels", day).sort_values(["customer_id", "label"], ignore_index=True)

    def _of_days(self, name: str, days: tuple[date, ...] | date) -> pd.DataFrame:
        wanted = days if isinstance(days, tuple) else (days,)
        found = pads.dataset(f"{self.lake.base}/{self.folder}/{name}", filesystem=self.lake.fs, format="parquet")
        return found.to_table(filter=pads.field("as_of").isin(list(wanted))).to_pandas()

    def actions(self) -> pd.DataFrame:
        """Return the series of visits, sorted by customer; ``days_ago`` counts to the night."""
        return self._read("actions", self.night)

    def _read(self, name: str, day: date) -> pd.DataFrame:
        path = f"{self.lake.base}/{self.folder}/{name}/{day}"
        rows = pads.dataset(path, filesystem=self.lake.fs, format="parquet").to_table().to_pandas()
        if not (rows["as_of"] == day).all():
            raise DataError(f"set {name} of {day} holds rows of other days: {sorted(map(str, rows['as_of'].unique()))}")
        keys = [key for key in ("customer_id", "product_type", "offer_id") if key in rows.columns]
        return rows.sort_values(keys, kind="stable", ignore_index=True)


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
    try:
        clean = {name: lake.spark(spark, name, day) for name in lake.need(LAYERS["clean"], day).tables}
        clean = {name.removeprefix("clean/"): table for name, table in clean.items() if name.startswith("clean/")}
        customers = lake.version("clean/customers", day).rows
        source = Source(settings, clean, customers, day, windows, f"{lake.uri}/{folder}")
        _write_sets(source, sets)
        found = TrainingSets(lake, folder, windows, day, Path(settings.home, "training", str(day)))
        compared = sets if settings.propensities.scopes else sets - {"labels"}
        yield replace(found, changed=changed(found, _blind(source, found, sets), compared))
    finally:
        _remove(lake, folder)


def _write_sets(source: Source, sets: set[str]) -> None:
    """Write the sets that are asked for in every window."""
    models, windows = source.settings.models, source.windows
    ranked, windowed = windows.all[: 2 + models.ranker_windows], sets - _ONCE.keys()
    for name in sorted(sets & _ONCE.keys()):
        _ONCE[name](source)
    for as_of in windows.all if windowed else ():
        _write_window(source, as_of, windowed if as_of in ranked else windowed - {"pairs"})
        log.info("training window %s is built", as_of)
    further = windows.back(models.coupon_windows)[len(windows.training) :]
    for as_of in further if "coupons" in sets else ():
        write_redemptions(source, as_of, *_moved_onto_night(source, as_of))


def _blind(source: Source, found: TrainingSets, sets: set[str]) -> TrainingSets:
    """Write the gate window once more, from what was known on its day alone."""
    gate = found.windows.gate
    write_window(replace(source, clean=known_by(source.clean, gate), target=f"{source.target}/{_BLIND}"), gate, sets)
    return replace(found, folder=f"{found.folder}/{_BLIND}")


def write_window(source: Source, as_of: date, sets: set[str]) -> None:
    """Write some sets in one window alone."""
    for name in sorted(sets & _ONCE.keys()):
        _ONCE[name](replace(source, only=as_of))
    if windowed := sets - _ONCE.keys():
        _write_window(source, as_of, windowed)


@dataclass(frozen=True)
class Source:
    """The clean layer, and where the sets go; with ``only``, of sets that are written at once this day alone."""

    settings: Settings
    clean: dict[str, DataFrame]
    customers: int
    day: date
    windows: Windows
    target: str
    only: date | None = None

    def sample(self, frame: DataFrame, most: int) -> DataFrame:
        """Keep about ``most`` customers, the same in every window, by a hash."""
        if self.customers <= most:
            return frame
        return frame.where(F.pmod(F.xxhash64("customer_id"), F.lit(_BUCKETS)) < int(_BUCKETS * most / self.customers))

    def write(self, frame: DataFrame, name: str, as_of: date) -> None:
        """Write a window of set ``name``."""
        frame.withColumn("as_of", F.lit(as_of)).write.parquet(f"{self.target}/{name}/{as_of}")


def moved(clean: dict[str, DataFrame], days: int) -> dict[str, DataFrame]:
    """Move every date of the clean layer ``days`` later; moments stay, only their time of day is ever read.

    Args:
        clean: canonical tables by name.
        days: a multiple of 7, so that weekdays stay what they were.
    """
    dates = {name: [c.name for c in CANONICAL[name].columns if c.type == "date" and not c.personal] for name in clean}
    return {
        name: table.withColumns({column: F.date_add(column, days) for column in dates[name]})
        for name, table in clean.items()
    }


def _write_window(source: Source, as_of: date, sets: set[str]) -> None:
    """Write the sets of one window; within, the night stands for ``as_of``."""
    settings, models = source.settings, source.settings.models
    night, clean = _moved_onto_night(source, as_of)
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
        "customers": lambda: _write_customers(source, as_of, night, clean, who, liking, bought),
        "pairs": lambda: _write_pairs(source, as_of, night, clean, who, liking, bought),
        "coupons": lambda: write_coupons(source, as_of, night, clean, who),
    }
    with ThreadPoolExecutor(len(parts)) as pool:
        for done in [pool.submit(parts[name]) for name in sorted(sets)]:
            done.result()
    if as_of == source.windows.training[0]:  # what is a characteristic is settled before validation begins
        known = product_types(orders, products, night, models.characteristic_min_buyers)
        source.write(known.select("product_type", "popularity_28"), "types", as_of)
    for frame in (who, liking, *kept):
        frame.unpersist()


def _moved_onto_night(source: Source, as_of: date) -> tuple[date, dict[str, DataFrame]]:
    """Return the day that stands for ``as_of``, and the clean layer as it is then."""
    night = as_of if source.settings.horizon_days % 7 else source.day
    return night, moved(source.clean, (night - as_of).days) if night != as_of else source.clean


def _write_purchase_series(source: Source) -> None:
    """Write the set ``purchase_series``: one pass over the orders gives all its windows."""
    settings, models, windows = source.settings, source.settings.models, source.windows
    orders_until = source.clean["order_lines"].where(F.col("ordered_on") <= F.lit(source.day))
    baskets = orders(lines(orders_until, source.clean["products"]), settings.source.timezone)
    days = {*windows.all, *windows.weekly(models.churn_windows)}
    for gate, longer in (
        windows.longer(models.value_days, models.churn_windows),
        windows.longer(MOST_LIMIT, models.churn_windows),
        windows.surviving(SURVIVAL_WEEKS, models.churn_windows // 2),
    ):
        days |= {gate, *longer}
    days = {source.only} if source.only else days
    series = source.sample(basket_series(baskets), models.max_customers)
    horizons = Horizons(settings.horizon_days, models.value_days, (source.day - date(1970, 1, 1)).days)
    purchase_series(series, sorted(days, reverse=True), horizons).write.parquet(f"{source.target}/purchase_series")


def _write_labels(source: Source) -> None:
    """Write the set ``labels``: one scan of the order lines gives all its windows."""
    settings = source.settings
    scopes = settings.propensities.scopes
    if not scopes:
        return
    until_night = source.clean["order_lines"].where(F.col("ordered_on") <= F.lit(source.day))
    series = source.sample(scope_series(until_night, source.clean["products"], scopes), settings.models.max_customers)
    days = (source.only,) if source.only else source.windows.all
    label_history(series, days, settings.horizon_days).write.parquet(f"{source.target}/labels")


def _write_actions(source: Source) -> None:
    """Write the set ``actions``: every visit up to the night."""
    told = lines(source.clean["order_lines"], source.clean["products"])
    series = actions(told, source.day, most=_ALL_VISITS)
    source.write(source.sample(series, source.settings.models.max_customers), "actions", source.day)


def _write_customers(
    source: Source,
    as_of: date,
    night: date,
    clean: dict[str, DataFrame],
    who: DataFrame,
    liking: DataFrame,
    bought: DataFrame,
) -> None:
    after = active_after(clean["order_lines"], night, source.settings.horizon_days)
    fields = organization_fields(clean["customers"], clean["organizations"]) if "organizations" in clean else None
    lists = bought.groupBy("customer_id").agg(F.sort_array(F.collect_list("product_type")).alias("bought"))
    rows = examples(source.sample(who, source.settings.models.max_customers), liking, fields)
    rows = rows.join(lists, "customer_id", "left").join(liked_departments(who), "customer_id", "left")
    if asked := source.settings.propensities.attributes:
        rows = rows.join(recorded(clean["customers"], asked), "customer_id", "left")
    rows = rows.join(after.withColumn("returned", F.lit(True)), "customer_id", "left").fillna(False, ["returned"])
    source.write(rows, "customers", as_of)


def _write_pairs(
    source: Source,
    as_of: date,
    night: date,
    clean: dict[str, DataFrame],
    who: DataFrame,
    liking: DataFrame,
    bought: DataFrame,
) -> None:
    orders, products = clean["order_lines"], clean["products"]
    rules, known = source.settings.offers.product_types, product_types(orders, products, night)
    types = offerable(known, rules)
    users, items = factorize(liking, AlsConfig())
    sampled = source.sample(who, source.settings.models.max_ranker_customers)
    pairs = candidates(sampled, types, liking, bought_together(orders, products, night), users, items)
    keys = ["customer_id", "product_type"]
    rows = pairs.join(bought.select(*keys, F.lit(True).alias("bought")), keys, "left").fillna(False, ["bought"])
    source.write(rows.select(*keys, *SOURCE_RANKS, *RANKER_INPUTS, "bought"), "pairs", as_of)
    if as_of == source.windows.gate:  # for the figures of the lists, which only the gate has
        told = known.select("product_type", "department", "buyers", is_offerable(rules).alias("offered"))
        source.write(told, "items", as_of)


#: sets of which one pass over the clean layer gives all windows
_ONCE: dict[str, Callable[[Source], None]] = {
    "purchase_series": _write_purchase_series,
    "labels": _write_labels,
    "actions": _write_actions,
}


def _remove(lake: Lake, folder: str) -> None:
    path = f"{lake.base}/{folder}"
    if lake.fs.get_file_info(path).type == pafs.FileType.Directory:
        lake.fs.delete_dir(path)
