"""Latent factors of customers and product types by Spark's implicit alternating least squares.

References: Hu, Koren and Volinsky (2008), "Collaborative Filtering for Implicit Feedback Datasets", ICDM; Zhou et al.
(2008), "Large-Scale Parallel Collaborative Filtering for the Netflix Prize", AAIM (the penalty that grows with a row's
purchases).
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, Window, functions as F

from conf.tables.features import ALS_ITEMS, ALS_USERS
from conf.tables.table import Table
from features.schemas import conform, struct

#: pairs of a block; customers' and types' blocks meet every iteration, so few large ones are ahead of many small ones
_BLOCK_PAIRS = 1_000_000
_BLOCKS = 64
#: iterations after which the lineage is cut, where the session has a directory for it
_CHECKPOINT = 4


@dataclass(frozen=True)
class AlsConfig:
    """Everything that changes the factors.

    Confidence is ``1 + alpha * log(1 + min(baskets, cap))``. ``alpha`` stays low: where most purchases are repeats a
    high one drowns what the zeros say. The penalty of a row is ``regularization`` times its purchases.
    """

    rank: int = 32
    iterations: int = 8
    regularization: float = 0.1
    alpha: float = 1.0
    cap: int = 50
    seed: int = 20260101


def factorize(affinity: DataFrame, config: AlsConfig) -> tuple[DataFrame, DataFrame]:
    """Factorise the matrix of customers and product types; O(iterations x (pairs x rank^2 + rows x rank^3)).

    The number of blocks follows the pairs and not the cores, and rows are numbered in the order of their keys, so that
    the same pairs give the same factors wherever they lie.

    Args:
        affinity: ``AFFINITY``.
        config: hyperparameters and seed.

    Returns:
        ``ALS_USERS`` (one row per customer of ``affinity``) and ``ALS_ITEMS`` (one row per product type of it), without
        rows where there are no purchases.
    """
    customers, types = _numbered(affinity, "customer_id"), _numbered(affinity, "product_type")
    strength = F.log1p(F.least("baskets_total", F.lit(config.cap))).cast("float").alias("strength")
    pairs = affinity.select("customer_id", "product_type", strength).join(F.broadcast(types), "product_type")
    pairs = pairs.join(customers, "customer_id").select("customer_id_number", "product_type_number", "strength")
    pairs = pairs.persist()
    size = pairs.count()
    if not size:
        spark = affinity.sparkSession
        return spark.createDataFrame([], struct(ALS_USERS)), spark.createDataFrame([], struct(ALS_ITEMS))
    blocks = min(-(-size // _BLOCK_PAIRS), _BLOCKS)
    ordered = pairs.repartition(blocks, "customer_id_number").sortWithinPartitions(*pairs.columns)
    model = ALS(
        rank=config.rank, maxIter=config.iterations, regParam=config.regularization, alpha=config.alpha,
        implicitPrefs=True, userCol="customer_id_number", itemCol="product_type_number", ratingCol="strength",
        numUserBlocks=blocks, numItemBlocks=blocks, checkpointInterval=_CHECKPOINT, seed=config.seed,
    ).fit(ordered)  # fmt: skip
    pairs.unpersist()
    return _named(model.userFactors, customers, ALS_USERS), _named(model.itemFactors, types, ALS_ITEMS)


def _numbered(affinity: DataFrame, key: str) -> DataFrame:
    """Return the keys of a column with their numbers from 0 on, in order: Spark's ALS takes whole numbers only."""
    number = F.row_number().over(Window.orderBy(key)) - 1
    return affinity.select(key).distinct().withColumn(f"{key}_number", number).persist()


def _named(factors: DataFrame, numbered: DataFrame, table: Table) -> DataFrame:
    key = numbered.columns[0]
    rows = factors.join(numbered, factors["id"] == numbered[f"{key}_number"])
    return conform(rows.select(key, F.col("features").alias("factors")), table)
