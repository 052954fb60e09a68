"""Customer segments by bisecting k-means on what customers do, with as many segments as separate best.

References: Steinbach, Karypis and Kumar (2000), "A Comparison of Document Clustering Techniques" (bisecting k-means);
Hruschka et al. (2006), "Evolving clusters for gene-expression data" (the simplified silhouette of a member).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pyspark.ml.clustering import BisectingKMeans, BisectingKMeansModel
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import Column, DataFrame, functions as F

from conf.features import SEGMENT_PROFILES, SEGMENTS
from features.schemas import conform, struct
from features.segment_names import names, portrait

log = logging.getLogger(__name__)
COLD, COLD_NAME = "cold", "New and cold"
COLD_PORTRAIT = "Fewer than two baskets so far: too little to tell them apart by."
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


@dataclass(frozen=True)
class SegmentConfig:
    """Everything that changes the segments.

    ``smallest_share`` is the share of the customers below which a segment is not cut further; ``partitions`` is part
    of the result (it orders sums of floats), so it does not follow the number of cores.
    """

    fewest: int = 3
    most: int = 6
    iterations: int = 10
    smallest_share: float = 0.05
    fewest_members: int = 10
    partitions: int = 1
    seed: int = 20260101


@dataclass(frozen=True)
class _Segment:
    """A segment that was found: means of the members, and their distance from the average customer."""

    prediction: int
    customers: int
    silhouette: float | None
    means: dict[str, float]
    centre: dict[str, float]


def segments(profile: DataFrame, config: SegmentConfig) -> tuple[DataFrame, DataFrame]:
    """Cut the customers into segments, name them, and say what sets each apart.

    Traits are standardised (amounts and counts as logarithms; one that is unknown is average) and clustered for each
    number of segments from ``fewest`` to ``most``; the best mean silhouette wins, the smaller number on a tie.
    O(n x traits x iterations) a level of the tree; the driver sees centres and means, never customers.

    Args:
        profile: ``PROFILE``; read twice. What is made of it stays cached until the results are written.
        config: range, iterations and seed.

    Returns:
        ``SEGMENTS`` (one row per customer; cold ones in the segment ``cold``) and ``SEGMENT_PROFILES`` (one row per
        segment with members). ``segment_1`` has the highest mean spend.
    """
    measured = profile.select(
        "customer_id",
        "is_cold",
        *(F.expr(value).cast("double").alias(trait) for trait, (value, _) in TRAITS.items()),
    )
    placed = _placed(_standardised(measured.where("not is_cold"), config), config)
    found = _found(placed)
    titles = {
        segment.prediction: (f"segment_{number}", name)
        for number, (segment, name) in enumerate(zip(found, names([s.centre for s in found]), strict=True), 1)
    }
    cold = measured.where("is_cold").withColumn("silhouette", F.lit(None).cast("double"))
    members = placed.select(
        "customer_id",
        _lookup({number: title[0] for number, title in titles.items()}).alias("segment_id"),
        _lookup({number: title[1] for number, title in titles.items()}).alias("segment_name"),
        "silhouette",
    ).union(cold.select("customer_id", F.lit(COLD), F.lit(COLD_NAME), "silhouette"))
    rows = [_row(segment, titles[segment.prediction], found) for segment in found] + _cold_rows(cold)
    described = profile.sparkSession.createDataFrame(rows, struct(SEGMENT_PROFILES))
    return conform(members, SEGMENTS), described


def _standardised(warm: DataFrame, config: SegmentConfig) -> DataFrame:
    """Add ``z_<trait>`` columns and the vector of them, in a fixed order of rows."""
    ordered = warm.repartition(config.partitions, "customer_id").sortWithinPartitions("customer_id").persist()
    scale = {
        trait: F.log1p(F.greatest(trait, F.lit(0.0))) if logarithm else F.col(trait)
        for trait, (_, logarithm) in TRAITS.items()
    }
    moments = ordered.agg(
        *(F.avg(value).alias(f"mean_{trait}") for trait, value in scale.items()),
        *(F.stddev_pop(value).alias(f"deviation_{trait}") for trait, value in scale.items()),
    ).first()
    given: dict[str, Any] = moments.asDict() if moments else {}
    z = {
        f"z_{trait}": F.coalesce(
            F.round((value - F.lit(given[f"mean_{trait}"])) / F.lit(given[f"deviation_{trait}"] or 1.0), 6),
            F.lit(0.0),
        )
        for trait, value in scale.items()
    }
    return VectorAssembler(inputCols=list(z), outputCol="features").transform(ordered.withColumns(z)).persist()


def _placed(standardised: DataFrame, config: SegmentConfig) -> DataFrame:
    """Add ``prediction`` and ``silhouette``; one segment without a silhouette where there is nothing to cut."""
    model = _best(standardised, config)
    if model is None:
        return standardised.withColumns({"prediction": F.lit(0), "silhouette": F.lit(None).cast("double")})
    squares = []
    for centre in model.clusterCenters():
        terms = [(F.col(f"z_{trait}") - F.lit(float(at))) ** 2 for trait, at in zip(TRAITS, centre, strict=True)]
        squares.append(F.sqrt(sum(terms[1:], terms[0])))
    own = F.element_at(F.array(*squares), F.col("prediction") + 1)
    others = [F.when(F.col("prediction") != number, square) for number, square in enumerate(squares)]
    nearest = F.least(*others)
    silhouette = F.coalesce(F.round((nearest - own) / F.greatest(nearest, own), 6), F.lit(0.0))
    return model.transform(standardised).withColumn("silhouette", silhouette)


def _best(standardised: DataFrame, config: SegmentConfig) -> BisectingKMeansModel | None:
    """Return the clustering with the best mean silhouette, or None where too few customers are known."""
    customers = standardised.count()
    judge = ClusteringEvaluator(distanceMeasure="squaredEuclidean")
    best: tuple[float, BisectingKMeansModel] | None = None
    for k in range(config.fewest, config.most + 1):
        if customers < k * config.fewest_members:
            break
        model = BisectingKMeans(
            k=k,
            maxIter=config.iterations,
            seed=config.seed,
            minDivisibleClusterSize=config.smallest_share,
        ).fit(standardised)
        if len(model.clusterCenters()) < 2:  # all customers alike
            break
        score = round(judge.evaluate(model.transform(standardised)), 6)
        log.info("%d segments: silhouette %.4f", k, score)
        if best is None or score > best[0]:
            best = score, model
    return best[1] if best else None


def _found(placed: DataFrame) -> list[_Segment]:
    """Return the segments that have members, by falling mean spend."""
    rows = (
        placed.groupBy("prediction")
        .agg(
            F.count("*").alias("customers"),
            F.avg("silhouette").alias("silhouette"),
            *(F.avg(trait).alias(trait) for trait in TRAITS),
            *(F.avg(f"z_{trait}").alias(f"z_{trait}") for trait in TRAITS),
        )
        .collect()
    )
    found = [
        _Segment(
            row["prediction"],
            row["customers"],
            None if row["silhouette"] is None else round(row["silhouette"], 6),
            {trait: round(row[trait] or 0.0, 6) for trait in TRAITS},
            {trait: round(row[f"z_{trait}"], 6) for trait in TRAITS},
        )
        for row in rows
    ]
    return sorted(found, key=lambda segment: (-segment.means["spend"], -segment.customers, segment.prediction))


def _row(segment: _Segment, title: tuple[str, str], found: list[_Segment]) -> tuple[Any, ...]:
    everyone = sum(other.customers for other in found)
    overall = {trait: sum(o.means[trait] * o.customers for o in found) / everyone for trait in TRAITS}
    means = segment.means
    return (
        *title,
        segment.customers,
        segment.silhouette,
        portrait(segment.centre, means, overall),
        *(means[trait] for trait in ("recency", "frequency", "spend", "discount")),
    )


def _cold_rows(cold: DataFrame) -> list[tuple[Any, ...]]:
    traits = ("recency", "frequency", "spend", "discount")
    row = cold.agg(F.count("*").alias("customers"), *(F.round(F.avg(t), 6).alias(t) for t in traits)).first()
    if row is None or not row["customers"]:
        return []
    return [(COLD, COLD_NAME, row["customers"], None, COLD_PORTRAIT, *(row[trait] for trait in traits))]


def _lookup(values: dict[int, str]) -> Column:
    if not values:  # all customers are cold
        return F.lit(None).cast("string")
    pairs = chain.from_iterable((F.lit(number), F.lit(value)) for number, value in values.items())
    return F.create_map(*pairs)[F.col("prediction")]
