"""Best product types of each customer by latent factors: the blocks of scoring beside Spark's recommendForAllUsers."""

from __future__ import annotations

import tempfile

import numpy as np
import pandas as pd
from pyspark.ml.recommendation import ALS
from scipy import sparse
from timing import compare

from conf.load import load
from jobs.spark import session
from scoring.candidate_blocks import CandidateConfig, ranks_of

CUSTOMERS, TYPES, BEST = 100_000, 2_000, 30


def main() -> None:
    """Print the comparison."""
    with tempfile.TemporaryDirectory() as home:
        spark = session(load().model_copy(update={"home": home}), "bench")
        known = sparse.random(CUSTOMERS, TYPES, density=0.01, random_state=1).tocoo()
        pairs = pd.DataFrame({"user": known.row, "item": known.col, "rating": 1.0})
        als = ALS(rank=32, maxIter=2, implicitPrefs=True, userCol="user", itemCol="item", ratingCol="rating", seed=1)
        model = als.fit(spark.createDataFrame(pairs))
        users = model.userFactors.repartition(8).persist()
        users.count()
        factors = np.array(model.itemFactors.orderBy("id").toPandas()["features"].tolist())
        block = CandidateConfig().block

        def best(batches):  # type: ignore[no-untyped-def]
            for batch in batches:
                for start in range(0, len(batch), block):
                    part = batch.iloc[start : start + block]
                    scores = np.array(part["features"].tolist()) @ factors.T
                    yield pd.DataFrame(
                        {"user": part["id"], "best": list(ranks_of(scores, scores > -np.inf, BEST).argmin(1))}
                    )

        def ours() -> None:
            users.mapInPandas(best, "user long, best long").write.format("noop").mode("overwrite").save()

        def peer() -> None:
            model.recommendForAllUsers(BEST).write.format("noop").mode("overwrite").save()

        compare(
            f"{CUSTOMERS:,} customers x {TYPES:,} product types, best {BEST}", ours, {"recommendForAllUsers": peer}, 2
        )
        spark.stop()


if __name__ == "__main__":
    main()
