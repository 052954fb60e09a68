"""Stage ``train``: pins the champions of the night, and trains what has none.

A night's champion is the newest that has seen no later day. With ``retrain`` every model gets a challenger, which has
to beat the champion and its baseline on the same held-out window.
"""

from __future__ import annotations

from datetime import date

from conf.settings.schema import Settings
from jobs.inputs.newest_study import ARCHITECTURES, newest_study
from jobs.lake.fingerprint import code_of, settings_hash
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.night import publish
from jobs.lake.reads import settings_of
from jobs.stages import Stage
from jobs.train.model_comparison import comparisons, curves
from jobs.train.model_pins import open_registry, pins, still_pinned, versions
from jobs.train.study_tables import carried
from jobs.train.training_results import TrainingResults
from training import registry

#: days until a model that had not enough data is tried again; ``--retrain`` tries at once
RETRY_DAYS = 7


def run(settings: Settings, day: date, force: bool = False, retrain: bool = False, hold: bool = False) -> Manifest:
    """Publish the pins of ``day`` and the tables ``models/model_versions``, ``model_comparison`` and ``reliability``.

    ``facts["pins"]`` holds for each model ``uri`` (folder), ``sha256``, ``version``, ``kind``,
    ``standing``, ``trained_through``, ``metric``, ``value``, ``baseline_value`` and ``metrics``;
    ``facts["skipped"]`` says why a model is not there, ``facts["tried"]`` since which night,
    ``facts["leaking"]`` which inputs of which sets know later days (``leakage_check``), where sets were built,
    ``facts["awaiting"]`` which models passed the gate and wait for `nbo approve`: with ``hold``, all that do.

    Raises:
        DataError: the clean layer of ``day`` is not published, or the files of a champion are gone.
    """
    settings = settings_of(Stage.TRAIN, settings)
    clean = Lake(settings.lake).need(Stage.VALIDATE, day)
    models = open_registry(settings)

    def build(draft: Draft) -> None:
        missing = _missing_tables(draft.lake, day)
        wanted = [name for name in registry.served_names(settings.propensities) if name not in missing]
        tried = {} if retrain else _tried(settings, draft.lake, day)
        untrained = [name for name in wanted if retrain or (models.champion(name, day) is None and name not in tried)]
        results = TrainingResults()
        if untrained:
            from jobs.train.training_run import TrainingRun

            results = TrainingRun(settings, models, draft.lake, day, clean.content, hold).run(untrained, retrain)
            draft.facts["leaking"] = results.leaking
        tried |= {name: {"on": str(day), "why": why} for name, why in results.skipped.items()}
        serving = pins(settings, models, wanted, day)
        tried = {name: attempt for name, attempt in tried.items() if name in wanted and name not in serving}
        skipped = missing | {name: attempt["why"] for name, attempt in tried.items()}
        awaiting = [name for name in wanted if models.awaiting(name)]
        draft.facts |= {"pins": serving, "skipped": skipped, "tried": tried, "awaiting": awaiting}
        draft.facts[ARCHITECTURES] = results.architectures or newest_study(draft.lake, day)
        draft.arrow("models/model_versions", versions(models, wanted, day))
        draft.arrow("models/model_comparison", comparisons(models, wanted, day))
        draft.arrow("models/reliability", curves(models, wanted, day))
        for name, table in (carried(draft.lake, day) | results.studies).items():
            draft.arrow(f"models/{name}", table)

    return publish(
        settings,
        Stage.TRAIN,
        day,
        {"clean": clean.content},
        build,
        force=force or retrain,
        still_there=lambda manifest: still_pinned(settings, models, manifest, day),
    )


def _tried(settings: Settings, lake: Lake, day: date) -> dict[str, dict[str, str]]:
    """Return the models that had not enough data on one of the last nights, with that night and the reason."""
    last = day if lake.manifest(Stage.TRAIN, day) else lake.newest(Stage.TRAIN, day)
    if last is None:
        return {}
    manifest = lake.need(Stage.TRAIN, last)
    if (manifest.code_version, manifest.config_hash) != (code_of(Stage.TRAIN), settings_hash(settings, Stage.TRAIN)):
        return {}
    tried: dict[str, dict[str, str]] = manifest.facts.get("tried", {})
    return {
        name: attempt for name, attempt in tried.items() if (day - date.fromisoformat(attempt["on"])).days < RETRY_DAYS
    }


def _missing_tables(lake: Lake, day: date) -> dict[str, str]:
    """Return the models whose tables the source does not have, and which are missing."""
    reasons = {}
    for spec in registry.specs():
        missing = [table for table in spec.tables if not lake.has(f"clean/{table}", day)]
        if missing and spec.challenges is None:
            reasons[spec.name] = f"the source has no {', '.join(missing)}"
    return reasons
