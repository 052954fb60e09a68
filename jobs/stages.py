"""The stages of a night, in their order.

Every stage's code imports this module, so an edit here runs all of them again; what the DAGs need besides has modules
of its own.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The stages in the order a night runs them; each is a subcommand of ``nbo``."""

    INGEST = "ingest"
    VALIDATE = "validate"
    CATALOGUE = "catalogue"
    FEATURES = "features"
    TRAIN = "train"
    SCORE = "score"
    PUBLISH = "publish"
    SEGMENTS = "segments"
    MEASURE = "measure"
    REPORT = "report"


#: the option that makes a stage begin from scratch
AFRESH = {Stage.TRAIN: "--retrain", Stage.CATALOGUE: "--recluster"}
