"""What each stage reads: the module that runs it, and the settings that can change what it publishes."""

from __future__ import annotations

from dataclasses import dataclass

from conf.settings.load import PLACE
from conf.settings.schema import Settings
from conf.settings.sections import narrowed
from jobs.stages import Stage


@dataclass(frozen=True)
class StageReads:
    """``module`` has the stage's ``run``; ``settings`` are names of settings, dotted for a part of a section.

    Where a night runs (home, lake, Spark, ...) every stage may read; it decides on freshness only where it is declared.
    ``runs_models``: the stage runs what the models of ``training/registry.py`` declare by reference.
    """

    module: str
    settings: tuple[str, ...]
    runs_models: bool = False


READS = {
    Stage.INGEST: StageReads("jobs.ingest.ingest", ("source",)),
    Stage.VALIDATE: StageReads("jobs.validate.validate", ("policy.channel", "source")),
    Stage.CATALOGUE: StageReads("jobs.catalogue.build_catalogue", ("catalogue", "source.name")),
    Stage.FEATURES: StageReads(
        "jobs.features.build_features",
        ("models.seed", "policy.fits", "propensities", "source.life_stages", "source.timezone"),
    ),
    Stage.TRAIN: StageReads(
        "jobs.train.train_models",
        ("horizon_days", "models", "offers.product_types", "propensities", "source.timezone"),
        runs_models=True,
    ),
    Stage.SCORE: StageReads(
        "jobs.score.score_offers",
        (
            "decisions", "horizon_days", "models.churn_active_days", "models.seed", "offers", "policy", "propensities",
            "segments", "source.consent", "source.tables", "source.timezone",
        ),
        runs_models=True,
    ),
    Stage.PUBLISH: StageReads("jobs.publish.publish_scores", ("database",)),
    Stage.SEGMENTS: StageReads(
        "jobs.segments.write_segments",
        (
            "policy.channel", "policy.max_contacts", "segments", "source.currency", "source.name", "source.timezone",
            "source.title",
        ),
    ),
    Stage.MEASURE: StageReads(
        "jobs.measure.measure_outcomes",
        ("horizon_days", "models.bootstrap_rounds", "models.seed", "offers", "source.timezone"),
    ),
    Stage.REPORT: StageReads(
        "jobs.report.write_report",
        (
            "horizon_days", "models.churn_active_days", "models.value_days", "offers", "policy", "propensities",
            "source.consent", "source.currency", "source.name", "source.timezone", "source.title",
        ),
    ),
}  # fmt: skip


def settings_of(stage: Stage, settings: Settings) -> Settings:
    """Return the settings that ``stage`` declares, and where the night runs; reading others raises."""
    return narrowed(settings, {*PLACE, *READS[stage].settings})
