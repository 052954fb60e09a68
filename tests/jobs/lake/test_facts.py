from datetime import date

import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from jobs.lake.facts import FeatureFacts, ScoreFacts, ValidateFacts, check_names
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.stages import Stage
from scoring.sanity import summary

DAY = date(2017, 12, 3)


def test_facts_are_read_as_declared_and_else_by_default():
    manifest = Manifest("validate", str(DAY), "v", facts={"quarantined_rows": 3, "of_an_older_version": 1})

    assert ValidateFacts.of(manifest) == ValidateFacts(quarantined_rows=3)
    assert ValidateFacts.of(None).new_rows == {}


def test_an_undeclared_fact_is_not_published(tmp_path):
    lake = Lake(str(tmp_path))
    undeclared = pytest.raises(ValueError, match=r"stage features publishes undeclared facts \['itmes'\]")
    with undeclared, lake.draft(Stage.FEATURES, DAY) as draft:
        draft.facts["itmes"] = {}
        draft.commit(Manifest("features", str(DAY), ""))
    assert lake.manifest(Stage.FEATURES, DAY) is None


def test_facts_survive_the_manifest(tmp_path):
    lake = Lake(str(tmp_path))
    with lake.draft(Stage.FEATURES, DAY) as draft:
        draft.facts["items"] = {"made_on": "2017-12-01"}
        draft.commit(Manifest("features", str(DAY), ""))

    assert FeatureFacts.of(lake.need(Stage.FEATURES, DAY)).items["made_on"] == "2017-12-01"


def test_the_counts_of_a_night_are_declared():
    offers = pa.table(
        {"customer_id": ["1"], "is_discovery": [True], "offer_kind": ["coupon"], "candidate_source": ["own"]}
    )
    customers = pa.table(
        {
            "customer_id": ["1"], "is_cold": [False], "treatment": ["treated"], "contactable": [True],
            "blocked_by": pa.nulls(1, pa.string()),
        }
    )  # fmt: skip
    counted = summary(pads.dataset(offers), pads.dataset(customers), 1)

    check_names(Stage.SCORE, counted)
    assert ScoreFacts.of(Manifest("score", str(DAY), "", facts=counted)).customers == 1
