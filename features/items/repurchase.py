"""Renewable or durable: how many days after a purchase a product type is bought again, if it ever is.

The purchases of a customer and type are days; two baskets on one day are one purchase. Days between two are a gap; the
days since the last one are open. Types or clusters of products (anything that names items) are treated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, functions as F

from conf.tables.items import CLUSTER_REPURCHASE, REPURCHASE
from features.items.item_item import numbered
from features.items.repurchase_fit import (
    EDGES,
    ENOUGH,
    YEAR,
    Repurchase,
    RepurchasePrior,
    bins_of,
    fit,
    learnt_prior,
    learnt_under,
    under,
)
from features.lines import basket_types, lines, until
from features.schemas import conform

#: bought again within a year by fewer than this share of its buyers, the upper end of the interval: durable
DURABLE_BELOW = 0.10
#: customers an item must have before it is called durable: fewer say nothing
LEAST_BUYERS = 5
#: items fitted at once
BLOCK = 20_000
#: best-observed items that the priors are learnt from
_TELLING = 5_000
_BINS = len(EDGES) - 1
#: what an item takes from what it belongs to, and the purchases that counts as until the data tell
_PARENT, _LEANING = ("repeat_ever", "interval_days", "interval_spread"), 4.0
_COUNTS = "item int, bin int, is_open boolean, purchases long"


def repurchase(order_lines: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    """Fit the repurchase interval of every offerable product type.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        as_of: last day that counts.

    Returns:
        ``REPURCHASE``; one row per product type bought by ``as_of``.
    """
    types = numbered(products.where("offerable"), "product_type")
    bought = basket_types(order_lines, products).where("bought").where(until(as_of))
    age = F.datediff(F.lit(as_of), "ordered_on").alias("age")
    purchases = bought.join(F.broadcast(types), "product_type").select(
        F.xxhash64("customer_id").alias("who"), "item", age
    )
    return conform(fitted(purchases).join(F.broadcast(types), "item"), REPURCHASE)


def cluster_repurchase(
    order_lines: DataFrame, products: DataFrame, clusters: DataFrame, types: DataFrame, as_of: date
) -> DataFrame:
    """Fit the repurchase interval of every cluster of several products; it leans on that of its product type.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        clusters: ``product_id`` and ``cluster_id`` of the products that share a cluster.
        types: ``REPURCHASE`` of the same day.
        as_of: last day that counts.

    Returns:
        ``CLUSTER_REPURCHASE``; one row per cluster bought by ``as_of``.
    """
    typed = products.where("offerable").select("product_id", "product_type")
    members = clusters.select("product_id", "cluster_id").join(typed, "product_id")
    sizes = members.groupBy("cluster_id", "product_type").agg(F.count("*").alias("_n"))
    main = sizes.groupBy("cluster_id").agg(
        F.min_by("product_type", F.struct(-F.col("_n"), "product_type")).alias("product_type"),
        F.sum("_n").alias("_products"),
    )
    named = numbered(main.where("_products > 1"), "cluster_id")
    parents = named.join(main, "cluster_id").join(types.select("product_type", *_PARENT), "product_type")
    items = members.join(named, "cluster_id").select("product_id", "item")
    sold = lines(order_lines, products).where(F.col("is_sale") & F.col("offerable")).where(until(as_of))
    age = F.datediff(F.lit(as_of), "ordered_on").alias("age")
    purchases = sold.join(F.broadcast(items), "product_id").select(F.xxhash64("customer_id").alias("who"), "item", age)
    intervals = fitted(purchases, parents.select("item", *_PARENT))
    return conform(intervals.join(F.broadcast(parents.drop(*_PARENT)), "item"), CLUSTER_REPURCHASE)


def fitted(purchases: DataFrame, parents: DataFrame | None = None) -> DataFrame:
    """Fit items; O(purchases log purchases) shared by the partitions, then one task over items x day bins.

    Args:
        purchases: ``who`` long, ``item`` int, ``age`` int days ago; a customer's rows lie in one partition.
        parents: ``item`` and the fitted ``repeat_ever``, ``interval_days`` and ``interval_spread`` of what the item
            belongs to, on which it leans; items without are left out. None: items lean on all other items.

    Returns:
        One row per item: ``item`` and the columns of ``REPURCHASE`` but the name.
    """
    counts = purchases.select("who", "item", "age").mapInArrow(_count, _COUNTS)
    if parents is not None:
        counts = counts.join(F.broadcast(parents), "item")
    return counts.repartitionById(1, F.lit(0)).mapInArrow(_fit_all(), _FITTED)


def renewed(age: Column, horizon: int) -> Column:
    """Return P(bought within ``horizon`` days | not in the ``age`` days since) by the columns of ``REPURCHASE``.

    The logistic curve stands in for the normal one: it differs by less than 0.01 and Spark has it.
    """

    def returned(days: Column) -> Column:
        z = (F.log(days + 0.5) - F.log("interval_days")) / F.col("interval_spread")
        return 1 / (1 + F.exp(-1.5976 * z - 0.07056 * F.pow(z, 3)))

    before, later = returned(age), returned(age + horizon)
    return F.col("repeat_ever") * (later - before) / F.greatest(1 - F.col("repeat_ever") * before, F.lit(1e-12))


_COLUMNS = {
    "buyers": "long", "purchases": "long", "repeats": "long", "interval_days": "double", "interval_low": "double",
    "interval_high": "double", "interval_spread": "double", "repeat_ever": "double", "repeat_year": "double",
    "repeat_year_low": "double", "repeat_year_high": "double", "renewable": "boolean",
}  # fmt: skip
_FITTED = "item int, " + ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())


def _count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Count the gaps and the open ends of a partition's customers by item and day bin."""
    held = [tuple(batch[name].to_numpy() for name in ("who", "item", "age")) for batch in batches]
    if not held:
        return
    who, item, age = (np.concatenate(parts) for parts in zip(*held, strict=True))
    order = np.lexsort((age, item, who))
    who, item, age = who[order], item[order], age[order]
    same = np.concatenate([[False], (who[1:] == who[:-1]) & (item[1:] == item[:-1])])
    gap = np.diff(age, prepend=0)
    again = same & (gap > 0)
    last = ~same
    days = np.concatenate([gap[again], np.maximum(age[last], 1)])
    owner = np.concatenate([item[again], item[last]]).astype(np.int64)
    is_open = np.repeat([False, True], [again.sum(), last.sum()])
    key, purchases = np.unique((owner * _BINS + bins_of(days)) * 2 + is_open, return_counts=True)
    columns = {
        "item": (key // 2 // _BINS).astype(np.int32),
        "bin": (key // 2 % _BINS).astype(np.int32),
        "is_open": key % 2 == 1,
        "purchases": purchases.astype(np.int64),
    }
    yield pa.RecordBatch.from_pydict(columns)


def _fit_all() -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        held = list(batches)
        if not held:
            return
        counts = pa.Table.from_batches(held).to_pandas()
        names, row = np.unique(counts["item"].to_numpy(), return_inverse=True)
        cells = (row, *(counts[name].to_numpy() for name in ("bin", "is_open", "purchases")))
        seen = np.bincount(row, np.where(cells[2], 0, cells[3]))
        telling = np.sort(np.argsort(-seen, kind="stable")[:_TELLING])
        telling = telling[seen[telling] >= min(ENOUGH, seen.max())]
        if _PARENT[0] in counts.columns:
            parents = counts.groupby("item")[list(_PARENT)].first().to_numpy().T
            prior = RepurchasePrior(
                parents[0], mu=np.log(parents[1]), sigma=parents[2], weight=_LEANING, repeat_weight=_LEANING
            )
            prior = under(prior, learnt_under(prior.of(telling), *_matrices(cells, telling)))
        else:
            prior = learnt_prior(*_matrices(cells, telling))
        for start in range(0, len(names), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(names)))
            gaps, open_ = _matrices(cells, rows)
            yield _described(names[rows], fit(gaps, open_, prior.of(rows)), open_.sum(axis=1))

    return run


def _matrices(cells: tuple[np.ndarray, ...], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gaps and the open ends of some rows (ascending) by day bin."""
    row, day_bin, is_open, purchases = cells
    place = np.searchsorted(rows, row)
    kept = (place < len(rows)) & (rows[np.minimum(place, len(rows) - 1)] == row)
    counts = np.zeros((2, len(rows), _BINS))
    np.add.at(counts, (is_open[kept].astype(int), place[kept], day_bin[kept]), purchases[kept])
    return counts[0], counts[1]


def _described(names: np.ndarray, fits: Repurchase, buyers: np.ndarray) -> pa.RecordBatch:
    median, low, high = fits.interval()
    year, year_low, year_high = fits.within(YEAR)
    columns: dict[str, Any] = {
        "item": names.astype(np.int32),
        "buyers": buyers.astype(np.int64),
        "purchases": fits.purchases.astype(np.int64),
        "repeats": fits.gaps.astype(np.int64),
        **{
            name: np.round(values, 6)
            for name, values in zip(
                list(_COLUMNS)[3:-1],
                (median, low, high, fits.sigma, fits.repeat, year, year_low, year_high),
                strict=True,
            )
        },
        "renewable": ~((year_high < DURABLE_BELOW) & (buyers >= LEAST_BUYERS)),
    }
    return pa.RecordBatch.from_pydict(columns)
