"""Stages of the funnel, words for a talk, and the contacts of an organisation put together, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from pyspark.sql import SparkSession, functions as F

from conf.settings.load import load
from conf.settings.schema import PriorRule
from training.characteristics.expert_prior import STAGES, prior_log_odds, prior_matrix
from training.characteristics.funnel import advice, of_organizations, stage


def test_stages_and_words(spark: SparkSession) -> None:
    rows = [
        ("new", True, None, 5, False, "Open with \"TEA\""),
        ("warm", False, 1.0, 30, False, "Build on \"TEA\", bought before"),
        ("wider", False, None, 3, True, "Extend to \"TEA\"; never bought"),
        ("late", False, 2.0, 21, False, "Win back with \"TEA\", bought before"),
        ("later", False, 9.0, 99, True, "Give \"TEA\" as a reason to come back; never bought"),
        ("fast", False, 3.0, 6, False, "Build on \"TEA\", bought before"),
    ]  # fmt: skip
    frame = spark.createDataFrame(rows, "customer_id string, is_cold boolean, overdue_ratio double, recency_days int, "
                                        "new boolean, text string")  # fmt: skip
    actual = frame.withColumn("stage", stage())
    result = actual.select("*", advice(F.lit("TEA"), F.col("new"), F.col("stage")).alias("found")).collect()
    assert [row["found"] for row in result] == [row["text"] for row in result]
    assert [row["stage"] for row in result] == ["first contact", "sale", "sale", "retention", "retention", "sale"]


def test_contacts_are_put_together_by_organisation(spark: SparkSession) -> None:
    ranked = spark.createDataFrame(
        [("a", "TEA", 0.5), ("b", "TEA", 0.2), ("a", "GIN", 0.6), ("c", "TEA", 0.9), ("alone", "TEA", 0.9)],
        "customer_id string, characteristic string, probability double",
    )
    customers = spark.createDataFrame(
        [("a", "o1"), ("b", "o1"), ("c", "o2"), ("alone", None)], "customer_id string, organization_id string"
    )
    result = of_organizations(ranked, customers).select("organization_id", "rank", "characteristic", "probability",
                                                       "contacts").collect()  # fmt: skip
    assert sorted(tuple(row) for row in result) == [
        ("o1", 1, "GIN", 0.6, 1),  # equal to TEA's 1 - 0.5 x 0.8: the alphabet decides
        ("o1", 2, "TEA", 0.6, 2),
        ("o2", 1, "TEA", 0.9, 1),
    ]


def test_rules_add_up_and_fade() -> None:
    rules = [
        PriorRule(stage="any", characteristic="TEA|GIN", log_odds=1.0),
        PriorRule(stage="retention", characteristic="GIN", log_odds=-3.0),
    ]
    matrix = prior_matrix(rules, ["GIN", "TEA", "TEABAG"])
    assert matrix.tolist() == [[1, 1, 0], [1, 1, 0], [-2, 1, 0]]
    result = prior_log_odds(matrix, pd.Series(["retention", None]), np.array([6.0, np.nan]))
    assert result.tolist() == [[-0.5, 0.25, 0], [1, 1, 0]]


def test_the_shipped_rules_are_read_and_wrong_ones_refused() -> None:
    assert {rule.stage for rule in load().models.prior.rules} <= {*STAGES, "any"}
    for wrong in ({"stage": "lead"}, {"characteristic": "("}, {"log_odds": 9}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            PriorRule(**({"stage": "any", "characteristic": "TEA", "log_odds": 1.0} | wrong))
