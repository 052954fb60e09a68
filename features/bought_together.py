"""Product types found in the same basket more often than chance puts them there.

Reference: Dunning (1993), "Accurate Methods for the Statistics of Surprise and Coincidence", Computational
Linguistics 19(1).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window, functions as F
from scipy import sparse

from conf.features import BOUGHT_TOGETHER
from features.lines import basket_types, within
from features.schemas import conform

DAYS = 365
MAX_TYPES = 60
#: pairs in fewer baskets are chance
MIN_BASKETS = 2
#: rows of baskets whose pairs are counted at once: bounds the memory of a task
BLOCK = 1_000_000
#: number in place of a product type: all baskets; real ones start at 1
ALL = -1


def bought_together(
    order_lines: DataFrame, products: DataFrame, as_of: date, top: int = 30, max_types: int = MAX_TYPES
) -> DataFrame:
    """Find the product types that belong together.

    Pairs are counted on whole numbers, unordered, within the partition of their customer, as a sparse matrix product.
    O(sum over baskets of types^2), which ``MAX_TYPES`` bounds by 60 times the basket lines; what is shuffled are
    counted pairs only. The counts are cached: whoever starts the session clears its cache.

    Args:
        order_lines: ``ORDER_LINES``; lines after ``as_of`` are ignored.
        products: ``PRODUCTS``.
        as_of: last day the counts may see.
        top: pairs kept of each product type.
        max_types: baskets with more product types are left out: they would give most of the pairs and say least.

    Returns:
        ``BOUGHT_TOGETHER``; at most ``top`` rows per product type. Ties go to more baskets, then to the name.
    """
    numbered = _numbered(products)
    recent = basket_types(order_lines, products).where("bought").where(within(as_of, DAYS))
    counted = _counted(recent.join(F.broadcast(numbered), "product_type"), max_types).persist()
    single = counted.where("a = b").select("a", F.col("baskets").alias("alone"))
    named = numbered.join(single, F.col("number") == F.col("a")).drop("a")
    all_baskets = counted.where(F.col("a") == ALL).select(F.col("baskets").alias("all_baskets"))
    pairs = counted.where(f"a < b and baskets >= {MIN_BASKETS} and a <> {ALL}")
    scored = _directed(pairs, named).crossJoin(F.broadcast(all_baskets))
    rank = F.row_number().over(
        Window.partitionBy("product_type").orderBy(F.desc("llr"), F.desc("baskets"), F.asc("other"))
    )
    ranked = scored.select(
        "product_type",
        "other",
        "baskets",
        (F.col("baskets") / F.col("baskets_a")).alias("confidence"),
        (F.col("baskets") * F.col("all_baskets") / (F.col("baskets_a") * F.col("baskets_b"))).alias("lift"),
        F.round(signed_llr("baskets", "baskets_a", "baskets_b", "all_baskets"), 6).alias("llr"),
    ).withColumn("rank", rank)
    return conform(ranked.where(F.col("rank") <= top), BOUGHT_TOGETHER)


def signed_llr(both: str, first: str, second: str, total: str) -> Column:
    """Return the log-likelihood ratio of a 2 x 2 table, negative when ``both`` is rarer than independence has it.

    Args:
        both: column with the number of baskets with both things.
        first: baskets with the first thing.
        second: baskets with the second thing.
        total: all baskets.
    """
    k, a, b, n = (F.col(name).cast("double") for name in (both, first, second, total))
    cells = [(k, a * b), (a - k, a * (n - b)), (b - k, (n - a) * b), (n - a - b + k, (n - a) * (n - b))]
    terms = [F.when(cell > 0, cell * F.log(cell * n / margins)).otherwise(0.0) for cell, margins in cells]
    ratio = 2 * (terms[0] + terms[1] + terms[2] + terms[3])
    return F.when(k * n < a * b, -ratio).otherwise(ratio)


def _numbered(products: DataFrame) -> DataFrame:
    """Number the offerable product types by name."""
    types = products.where("offerable and product_type is not null").select("product_type").distinct()
    return types.withColumn("number", F.row_number().over(Window.orderBy("product_type")))


def _counted(baskets: DataFrame, max_types: int) -> DataFrame:
    """Count the baskets of each pair ``a <= b`` of types; a type with itself counts its own, ``ALL`` all baskets.

    Spark puts the rows of a basket next to each other, since those of a customer are in one partition; baskets are
    told apart by 64 bits of a hash of their key.
    """
    key = F.xxhash64("customer_id", "order_id", "ordered_on").alias("basket")
    rows = baskets.select(key, F.col("number").cast("int")).sortWithinPartitions("basket")
    counts = rows.mapInArrow(partial(_count_blocks, max_types), "a int, b int, baskets long")
    return counts.groupBy("a", "b").agg(F.sum("baskets").alias("baskets"))


def _count_blocks(max_types: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Count the pairs of whole baskets, some ``BLOCK`` rows at a time."""
    held: list[tuple[np.ndarray, np.ndarray]] = []
    for batch in batches:
        held.append((batch["basket"].to_numpy(), batch["number"].to_numpy()))
        if sum(len(basket) for basket, _ in held) >= BLOCK:
            basket, number = (np.concatenate(parts) for parts in zip(*held, strict=True))
            cut = int(np.searchsorted(basket, basket[-1]))  # the last basket may go on in the next batch
            yield _count_pairs(basket[:cut], number[:cut], max_types)
            held = [(basket[cut:], number[cut:])]
    if held:
        basket, number = (np.concatenate(parts) for parts in zip(*held, strict=True))
        yield _count_pairs(basket, number, max_types)


def _count_pairs(basket: np.ndarray, number: np.ndarray, max_types: int) -> pa.RecordBatch:
    """Count pairs by the product of the sparse baskets x types matrix with itself."""
    _, sizes = np.unique(basket, return_counts=True)
    small = sizes <= max_types
    types, column = np.unique(number[np.repeat(small, sizes)], return_inverse=True)
    ends = np.concatenate([[0], np.cumsum(sizes[small])])
    held = sparse.csr_array((np.ones(len(column), np.int64), column, ends), shape=(len(ends) - 1, len(types)))
    pairs = sparse.triu(held.T @ held).tocoo()
    columns = (
        pa.array(np.append(types[pairs.row], ALL).astype(np.int32)),
        pa.array(np.append(types[pairs.col], ALL).astype(np.int32)),
        pa.array(np.append(pairs.data, len(ends) - 1).astype(np.int64)),
    )
    return pa.RecordBatch.from_arrays(list(columns), ["a", "b", "baskets"])


def _directed(pairs: DataFrame, named: DataFrame) -> DataFrame:
    """Give every pair in both directions, with names and the baskets of each type."""
    pair = F.struct("a", "b"), F.struct(F.col("b").alias("a"), F.col("a").alias("b"))
    sides = {
        side: F.broadcast(
            named.select(
                F.col("number").alias(side),
                F.col("product_type").alias(name),
                F.col("alone").alias(f"baskets_{side}"),
            )
        )
        for side, name in (("a", "product_type"), ("b", "other"))
    }
    both = pairs.select("baskets", F.explode(F.array(*pair)).alias("d")).select("baskets", "d.a", "d.b")
    return both.join(sides["a"], "a").join(sides["b"], "b")
