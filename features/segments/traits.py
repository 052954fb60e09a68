"""The traits that segments rest on, standardised: logarithms of amounts and counts, mean 0, deviation 1.

n = customers, d = traits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, functions as F

#: trait -> its value from the columns of PROFILE, and whether its logarithm is clustered
TRAITS = {
    "recency": ("recency_days", True),
    "frequency": ("baskets_84", True),
    "spend": ("spend_84", True),
    "basket_value": ("coalesce(basket_value_84, spend_total / nullif(baskets_total, 0))", True),
    "discount": ("coalesce(discount_share_84, discount_share_365)", False),
    "private_brand": ("private_brand_share_84", False),
    "trend": ("trend_28", False),
}
#: columns of the standardised traits
STANDARDISED = [f"z_{trait}" for trait in TRAITS]


def moments(warm: DataFrame) -> tuple[list[float], list[float], int]:
    """Return mean and deviation of each trait as it is clustered, and the number of customers.

    Args:
        warm: a double for each of :data:`TRAITS`, null where it is unknown.
    """
    scaled = {trait: as_clustered(trait) for trait in TRAITS}
    row = warm.agg(
        F.count("*").alias("n"),
        *(F.avg(value).alias(f"mean_{trait}") for trait, value in scaled.items()),
        *(F.stddev_pop(value).alias(f"deviation_{trait}") for trait, value in scaled.items()),
    ).first()
    given = row.asDict() if row else {"n": 0}
    shift = [round(given[f"mean_{trait}"] or 0.0, 9) for trait in TRAITS]
    scale = [round(given[f"deviation_{trait}"] or 0.0, 9) or 1.0 for trait in TRAITS]
    return shift, scale, given["n"]


def standardised(shift: Sequence[float], scale: Sequence[float]) -> dict[str, Column]:
    """Return ``z_<trait>``: distances from the average in standard deviations, 0 where unknown."""
    return {
        f"z_{trait}": F.coalesce(F.round((as_clustered(trait) - F.lit(mean)) / F.lit(deviation), 6), F.lit(0.0))
        for trait, mean, deviation in zip(TRAITS, shift, scale, strict=True)
    }


def standardised_rows(warm: DataFrame, shift: Sequence[float], scale: Sequence[float], share: float) -> np.ndarray:
    """Collect the standardised traits on the driver, float32 (n, d), in the order of a hash of the keys.

    Args:
        warm: ``customer_id`` and a double for each of :data:`TRAITS`.
        shift: mean of each trait (:func:`moments`).
        scale: deviation of each trait.
        share: of the customers that are collected, 36 bytes each: those with the least hash of their key.
    """
    cells = standardised(shift, scale)
    hashed = F.xxhash64("customer_id").alias("place")
    rows = warm.select(hashed, *(cells[z].cast("float").alias(z) for z in STANDARDISED))
    if share < 1:
        rows = rows.where(F.col("place") <= int(-(2**63) + 2**64 * share))
    return _by_place(rows.toArrow())


def _by_place(rows: pa.Table) -> np.ndarray:
    """Return the traits (n, d) by rising hash, equal hashes by their traits: the same for any partitions."""
    place = rows.column("place").to_numpy()
    values = np.stack([rows.column(z).to_numpy() for z in STANDARDISED], axis=1).reshape(-1, len(STANDARDISED))
    order = np.argsort(place, kind="stable")
    if (np.diff(place[order]) == 0).any():
        order = np.lexsort((*values.T[::-1], place))
    return np.ascontiguousarray(np.nan_to_num(values[order]))


def as_clustered(trait: str) -> Column:
    """Return the trait as it is clustered: the logarithm of amounts and counts."""
    return F.log1p(F.greatest(trait, F.lit(0.0))) if TRAITS[trait][1] else F.col(trait)
