"""Stage ``train``: pins the champions of the night, and trains what has none.

A night's champion is the newest that has seen no later day. With ``retrain`` every model gets a challenger, which has
to beat the champion and its baseline on the same held-out window.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from conf.errors import ConfigError, DataError
from conf.settings.schema import Settings
from jobs.inputs.newest_study import ARCHITECTURES, newest_study
from jobs.lake.fingerprint import code_of, code_version, settings_hash
from jobs.lake.lake import Draft, Lake
from jobs.lake.manifest import Manifest
from jobs.lake.night import peak_mb, publish
from jobs.lake.reads import settings_of
from jobs.stages import Stage
from jobs.train.log_study import log_study, told
from jobs.train.model_comparison import TABLE, comparison, comparisons, curve, curve_of, curves
from jobs.train.model_pins import folder_of, local_folder, open_registry, pins, still_pinned, versions
from jobs.train.study_tables import carried
from training.models import artifacts
from training.models.tracking import AWAITS, Registry, Run, Version

if TYPE_CHECKING:
    import pyarrow as pa

    from jobs.train.gate_evaluation import Contest
    from jobs.train.training_sets import TrainingSets
    from jobs.train.trials import Task, Trial
    from training.evaluation.fitted import Judged
    from training.evaluation.gate import Decision
    from training.models.artifacts import Model

log = logging.getLogger(__name__)
#: models of the pipeline and the tables of the clean layer without which there is none
MODELS: dict[str, tuple[str, ...]] = {
    "churn": (),
    "own_rhythm": (),
    "value": (),
    "survival": (),
    "offer_ranker": (),
    "discovery_ranker": (),
    "coupon_response": ("offers", "offer_products", "campaigns", "campaign_targets", "responses"),
    "coupon_scope": ("offers", "offer_products", "campaigns", "campaign_targets", "responses"),
    "characteristics": (),
    "next_action": (),
}
#: why a night trains no model of the weekly training; told again, not tried again
WEEKLY = "only the weekly training trains it, and it has not run yet"
#: how the decision on a model begins that passed the gate and waits for a person
HELD = "held for approval"
#: days until a model that had not enough data is tried again; ``--retrain`` tries at once
RETRY_DAYS = 7


def run(settings: Settings, day: date, force: bool = False, retrain: bool = False, hold: bool = False) -> Manifest:
    """Publish the pins of ``day`` and the tables ``models/model_versions``, ``model_comparison`` and ``reliability``.

    ``facts["pins"]`` holds for each model ``uri`` (folder), ``sha256``, ``version``, ``kind``,
    ``standing``, ``trained_through``, ``metric``, ``value``, ``baseline_value`` and ``metrics``;
    ``facts["skipped"]`` says why a model is not there, ``facts["tried"]`` on which night that was found,
    ``facts["foreseen"]`` which inputs of which sets know later days (``leakage_check``), where sets were built,
    ``facts["awaiting"]`` which models passed the gate and wait for `nbo approve`: with ``hold``, all that do.

    Raises:
        DataError: the clean layer of ``day`` is not published, or the files of a champion are gone.
    """
    settings = settings_of(Stage.TRAIN, settings)
    clean = Lake(settings.lake).need(Stage.VALIDATE, day)
    registry = open_registry(settings)

    def build(draft: Draft) -> None:
        missing = _missing_tables(draft.lake, day)
        wanted = [name for name in model_names(settings) if name not in missing]
        tried = {} if retrain else _tried(settings, draft.lake, day)
        untrained = [name for name in wanted if retrain or (registry.champion(name, day) is None and name not in tried)]
        training = _Training(settings, registry, draft.lake, day, clean.content, hold)
        if untrained:
            failed = training.run(untrained, retrain)
            draft.facts["foreseen"] = training.foreseen
            tried |= {name: {"on": str(day), "why": why} for name, why in failed.items()}
        found = pins(settings, registry, wanted, day)
        tried = {name: each for name, each in tried.items() if name in wanted and name not in found}
        skipped = missing | {name: each["why"] for name, each in tried.items()}
        awaiting = [name for name in wanted if registry.awaiting(name)]
        draft.facts |= {"pins": found, "skipped": skipped, "tried": tried, "awaiting": awaiting}
        draft.facts[ARCHITECTURES] = training.architectures or newest_study(draft.lake, day)
        draft.arrow("models/model_versions", versions(registry, wanted, day))
        draft.arrow("models/model_comparison", comparisons(registry, wanted, day))
        draft.arrow("models/reliability", curves(registry, wanted, day))
        for name, table in (carried(draft.lake, day) | training.studies).items():
            draft.arrow(f"models/{name}", table)

    return publish(
        settings,
        Stage.TRAIN,
        day,
        {"clean": clean.content},
        build,
        force=force or retrain,
        still_there=lambda manifest: still_pinned(registry, manifest, day),
    )


def model_names(settings: Settings) -> list[str]:
    """Return the models of the pipeline, those of the configured propensities last."""
    return [*MODELS, *(each.model for each in settings.propensities.labels)]


@dataclass(frozen=True)
class _Fitted:
    """A model and how it does on the gate window: as it would serve, and by its own predictions."""

    model: Model
    judged: Judged
    own: Judged


class _Training:
    """Trains some models for one night."""

    def __init__(
        self, settings: Settings, registry: Registry, lake: Lake, day: date, data_version: str, hold: bool
    ) -> None:
        self.settings, self.registry, self.lake, self.day = settings, registry, lake, day
        self.data_version, self.hold = data_version, hold
        self.studies: dict[str, pa.Table] = {}
        self.foreseen: dict[str, list[str]] | None = None
        self.architectures: dict[str, Any] = {}

    def run(self, names: list[str], weekly: bool) -> dict[str, str]:
        """Train, register and promote; return why a model could not be trained.

        Args:
            names: models.
            weekly: train also what only the weekly training trains.
        """
        from jobs.train.training_sets import WITH, laid_out, training_sets

        windows = laid_out(self.settings, self.lake, self.day)
        if windows is None:
            models, days = self.settings.models, self.settings.horizon_days
            need = models.min_history_days + 3 * days
            return {name: f"too little history: {need} days of orders are needed" for name in names}
        from jobs.spark import session
        from jobs.train.propensity_trials import Frames, propensity_tasks
        from jobs.train.studies import studies
        from jobs.train.tasks import TASKS
        from jobs.train.trials import NotEnoughData

        frames = Frames(self.settings.propensities)
        known = TASKS | propensity_tasks(self.settings.propensities, frames)
        tasks = [
            task for name in names for task in known.values() if task.model == name and (weekly or not task.weekly)
        ]
        tasks.sort(key=lambda task: task.beside is not None)  # what serves beside another is decided first
        skipped = {name: WEEKLY for name in names if known[name].weekly and not weekly}
        if not tasks:
            return skipped
        sets = {task.set for task in tasks}
        sets |= {other for name in sets for other in WITH.get(name, ())}
        spark = session(self.settings, "train")
        with training_sets(self.settings, self.lake, spark, self.day, windows, sets) as ready:
            self.foreseen = dict(ready.changed)
            for task in tasks:
                try:
                    self._train(task, ready, weekly)
                except (NotEnoughData, ConfigError) as reason:
                    log.warning("%s is not trained: %s", task.name, reason)
                    if task.name == task.model:
                        skipped[task.name] = str(reason)
            self.studies = studies(self.settings, ready, frames, sets, self.day)
        return skipped

    def _train(self, task: Task, sets: TrainingSets, weekly: bool) -> None:
        from jobs.train.training_sets import WITH
        from training.evaluation.candidate_recall import recall_metrics
        from training.evaluation.gate import decide, faults, stands_in, worse
        from training.evaluation.leakage import foreseen, leaks

        tags = {
            "model": task.model,
            "ds": str(self.day),
            "data_version": self.data_version,
            "code_version": code_version(),
        }
        started = time.monotonic(), time.process_time()
        with self.registry.run(f"{task.name} {self.day}", self._models(), tags) as run:
            trial = (task.studied if weekly and task.studied else task.trial)(sets, self.settings.models)
            run.params(trial.challenger.params)
            run.metrics({"training_seconds": time.monotonic() - started[0],
                         "training_cpu_seconds": time.process_time() - started[1], "peak_mb": peak_mb()})  # fmt: skip
            champion, is_baseline = self._champion(task.model)
            held = self._contest(task, trial, champion)
            judged, meta, models = held.challenger, trial.challenger.model.meta, self.settings.models
            found = [
                *faults(held.own.probability, held.own.truth, meta.inputs, (*task.declared, *trial.declared)),
                *leaks(trial.split, self.day),
                *foreseen({task.set, *WITH.get(task.set, ())}, sets.changed, sets.windows.gate),
            ]
            guards = {name: other.guards for name, other in held.rivals.items()}
            found += worse(judged.guards, guards, models.bootstrap_rounds, models.seed)
            decision = decide(
                judged.each,
                {name: other.each for name, other in held.rivals.items()},
                held.further,
                found,
                models.bootstrap_rounds,
                models.seed,
            )
            best = held.rivals[decision.baseline]
            compared = held.methods(meta.family)
            table = comparison(compared, task.metric, models.bootstrap_rounds, models.seed, trial.recall)
            run.table(TABLE, table)
            if trial.study is not None:
                log_study(self.registry, run, task.name, tags, trial.study)
                self.architectures = told(trial.study, self.day)
            log.info("%s: %s", task.name, decision.reason)
            run.metrics({**judged.metrics, task.metric.replace("@", "_at_"): decision.value})
            run.metrics({f"baseline_{name}": value for name, value in best.metrics.items()})
            run.metrics({} if trial.recall is None else recall_metrics(trial.recall))
            run.curves(trial.challenger.curves)
            run.params({} if held.beside is None else {"judged_beside": held.beside.version})
            standing = None if held.champion is None else held.champion.each
            self._register(
                run,
                task,
                decision,
                _Fitted(trial.challenger.model, judged, held.own),
                _Fitted(held.models[decision.baseline], best, held.by_itself(decision.baseline)),
                stands_in(best.each, standing, is_baseline),
            )

    def _register(
        self, run: Run, task: Task, decision: Decision, challenger: _Fitted, baseline: _Fitted, falls_back: bool
    ) -> None:
        """Register the challenger, and the best baseline where it has to serve; promote the one that serves."""
        for each in (challenger, baseline):
            run.table(curve_of(artifacts.digest(each.model.to_bytes())), curve(each.own))
        figures = {
            "metric": task.metric,
            "baseline": decision.baseline,
            "baseline_value": repr(decision.baseline_value),
            "baseline_metrics": json.dumps(dict(baseline.judged.metrics)),
            "trained_through": str(self.day),
            "data_version": self.data_version,
            "code_version": code_version(),
        }
        tags = {
            **figures,
            "decision": decision.reason,
            "value": repr(decision.value),
            "low": repr(decision.low),
            "high": repr(decision.high),
            "metrics": json.dumps(dict(challenger.judged.metrics)),
        }
        held = decision.promote and self.hold
        if held:
            tags |= {"decision": decision.reason.replace("promoted", HELD, 1), AWAITS: HELD}
        if falls_back and (held or not decision.promote):
            # registered first: what is approved later is the newer one
            reason = f"promoted: {decision.baseline}, the best baseline; the challenger was {tags['decision']}"
            simple = {
                **figures,
                "decision": reason,
                "value": figures["baseline_value"],
                "metrics": figures["baseline_metrics"],
                "is_baseline": "yes",
            }
            self.registry.promote(self._save(run, baseline.model, simple))
        version = self._save(run, challenger.model, tags)
        if decision.promote and not held:
            self.registry.promote(version)

    def _contest(self, task: Task, trial: Trial, champion: Model | None) -> Contest:
        """Judge all that is held against each other, without the champion where it cannot be compared."""
        from jobs.train.gate_evaluation import Beside, contest

        served, _ = self._champion(task.beside) if task.beside else (None, False)
        if served is not None and (unknown := set(served.meta.inputs) - {*task.declared, *trial.declared}):
            log.warning("%s is judged alone: %s beside it takes %s", task.model, task.beside, sorted(unknown))
            served = None
        beside = None if served is None else Beside(served)
        try:
            return contest(trial, champion, beside)
        except DataError as error:
            if champion is None:
                raise
            log.warning("the champion of %s cannot be compared, the features have changed: %s", task.model, error)
            return contest(trial, None, beside)

    def _champion(self, name: str) -> tuple[Model | None, bool]:
        """Return the standing champion, or None, and whether it is a baseline."""
        version = self.registry.champion(name, self.day)
        if version is None:
            return None, False
        model = artifacts.load(local_folder(self.settings, self.registry, version), version.sha256)
        return model, bool(version.tags.get("is_baseline"))

    def _save(self, run: Run, model: Model, tags: Mapping[str, str]) -> Version:
        files = model.to_bytes()
        folder = folder_of(self.settings, model.meta.name, artifacts.digest(files))
        artifacts.save(folder, files)
        return self.registry.register(run, model, folder, tags)

    def _models(self) -> dict[str, Any]:
        return {f"models.{name}": value for name, value in self.settings.models.model_dump().items()}


def _tried(settings: Settings, lake: Lake, day: date) -> dict[str, dict[str, str]]:
    """Return the models that had not enough data on one of the last nights, with that night and the reason."""
    last = day if lake.manifest(Stage.TRAIN, day) else lake.newest(Stage.TRAIN, day)
    if last is None:
        return {}
    manifest = lake.need(Stage.TRAIN, last)
    if (manifest.code_version, manifest.config_hash) != (code_of(Stage.TRAIN), settings_hash(settings, Stage.TRAIN)):
        return {}
    tried: dict[str, dict[str, str]] = manifest.facts.get("tried", {})
    return {name: each for name, each in tried.items() if (day - date.fromisoformat(each["on"])).days < RETRY_DAYS}


def _missing_tables(lake: Lake, day: date) -> dict[str, str]:
    found = {}
    for name, tables in MODELS.items():
        missing = [table for table in tables if not lake.has(f"clean/{table}", day)]
        if missing:
            found[name] = f"the source has no {', '.join(missing)}"
    return found
