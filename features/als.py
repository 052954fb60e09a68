"""Latent factors of customers and product types by implicit alternating least squares.

Reference: Hu, Koren and Volinsky (2008), "Collaborative Filtering for Implicit Feedback Datasets", ICDM.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, Window, functions as F

from conf.features import ALS_ITEMS, ALS_USERS
from features.schemas import conform


@dataclass(frozen=True)
class AlsConfig:
    """Everything that changes the factors.

    Confidence is ``1 + alpha * log(1 + min(baskets, cap))``. ``alpha`` stays low: where most purchases are repeats a
    high one drowns what the zeros tell. ``blocks`` is part of the result (it orders sums of floats), so it does not
    follow the number of cores.
    """

    rank: int = 32
    iterations: int = 8
    regularization: float = 0.1
    alpha: float = 1.0
    cap: int = 50
    blocks: int = 2
    seed: int = 20260101


def factorize(affinity: DataFrame, config: AlsConfig) -> tuple[DataFrame, DataFrame]:
    """Factorise the matrix of customers and product types.

    O(iterations x (pairs x rank^2 + (customers + types) x rank^3)); keys are numbered in one task each, O(n log n).

    Args:
        affinity: ``AFFINITY``.
        config: hyperparameters and seed.

    Returns:
        ``ALS_USERS`` (one row per customer of ``affinity``) and ``ALS_ITEMS`` (one row per product type of it).
    """
    users = _numbered(affinity, "customer_id").persist()
    items = _numbered(affinity, "product_type").persist()
    strength = F.log1p(F.least("baskets_total", F.lit(config.cap))).cast("float")
    ratings = (
        affinity.select("customer_id", "product_type", strength.alias("strength"))
        .join(users.withColumnRenamed("number", "user"), "customer_id")
        .join(items.withColumnRenamed("number", "item"), "product_type")
        .select("user", "item", "strength")
        .repartition(config.blocks, "user")
        .sortWithinPartitions("user", "item")
    )
    model = ALS(
        rank=config.rank,
        maxIter=config.iterations,
        regParam=config.regularization,
        alpha=config.alpha,
        implicitPrefs=True,
        numUserBlocks=config.blocks,
        numItemBlocks=config.blocks,
        userCol="user",
        itemCol="item",
        ratingCol="strength",
        checkpointInterval=-1,
        seed=config.seed,
    ).fit(ratings)
    return (
        conform(_named(model.userFactors, users), ALS_USERS),
        conform(_named(model.itemFactors, items), ALS_ITEMS),
    )


def _numbered(affinity: DataFrame, key: str) -> DataFrame:
    """Number the values of ``key`` in their order, as ALS asks for integers."""
    return affinity.select(key).distinct().withColumn("number", F.row_number().over(Window.orderBy(key)))


def _named(factors: DataFrame, keys: DataFrame) -> DataFrame:
    return factors.withColumnRenamed("features", "factors").join(keys, F.col("id") == F.col("number"))
