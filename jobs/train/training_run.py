"""Trains some models for one night: fits, evaluates, lets the gate decide, registers, and promotes what serves."""

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
from jobs.lake.fingerprint import code_version
from jobs.lake.lake import Lake
from jobs.lake.night import peak_mb
from jobs.train.gate_evaluation import Companion, GateEvaluation, gate_evaluation
from jobs.train.log_study import log_study, study_facts
from jobs.train.model_comparison import TABLE, comparison, curve, curve_of
from jobs.train.model_pins import folder_of, local_folder
from jobs.train.training_results import TrainingResults
from training import registry
from training.contenders import Contenders, NotEnoughData
from training.evaluation.candidate_recall import recall_metrics
from training.evaluation.fitted import Evaluation
from training.evaluation.gate import GateDecision, decide, faults, stands_in, worse
from training.evaluation.leakage import leaking_sets, leaks
from training.models import artifacts
from training.models.artifacts import Model
from training.models.tracking import AWAITS, Registry, Run, Version
from training.spec import ModelSpec, loaded

if TYPE_CHECKING:
    from jobs.train.sets.stored_sets import StoredSets

log = logging.getLogger(__name__)
#: why a night trains no model of the weekly training; repeated, not tried again
WEEKLY = "only the weekly training trains it, and it has not run yet"
#: what a model is skipped for; the next one is trained all the same
SKIPS = (NotEnoughData, ConfigError)
#: how the decision on a model begins that passed the gate and waits for a person
HELD = "held for approval"


@dataclass(frozen=True)
class _Evaluated:
    """A model and how it does on the gate window: as it would serve, and by its own predictions."""

    model: Model
    evaluation: Evaluation
    own: Evaluation


class TrainingRun:
    """Trains some models for one night."""

    def __init__(
        self, settings: Settings, models: Registry, lake: Lake, day: date, data_version: str, hold: bool
    ) -> None:
        """Keep what every model of the training shares; with ``hold`` nothing is promoted, but waits for approval."""
        self.settings, self.registry, self.lake, self.day = settings, models, lake, day
        self.data_version, self.hold = data_version, hold
        self.results = TrainingResults()

    def run(self, names: list[str], weekly: bool) -> TrainingResults:
        """Train, register and promote.

        Args:
            names: models.
            weekly: train also what only the weekly training trains.
        """
        from jobs.train.sets.training_sets import laid_out, training_sets

        windows = laid_out(self.settings, self.lake, self.day)
        if windows is None:
            models, days = self.settings.models, self.settings.horizon_days
            need = models.min_history_days + 3 * days
            reason = f"too little history: {need} days of orders are needed"
            self.results.skipped = dict.fromkeys(names, reason)
            return self.results
        from jobs.spark import session
        from jobs.train.studies import studies
        from training.propensity.frames import WideFrames

        frames = WideFrames(self.settings.propensities)
        declared = registry.all_specs(self.settings.propensities, frames)
        specs = in_order(declared, names, weekly)
        weekly_only = {spec.name for spec in declared if spec.weekly and spec.challenges is None}
        self.results.skipped = {name: WEEKLY for name in names if name in weekly_only and not weekly}
        if not specs:
            return self.results
        sets = {name for spec in specs for name in spec.sets}
        spark = session(self.settings, "train")
        with training_sets(self.settings, self.lake, spark, self.day, windows, sets) as stored:
            self.results.leaking = dict(stored.leaking)
            for spec in specs:
                try:
                    self._train(spec, stored, weekly)
                except SKIPS as reason:
                    log.warning("%s is not trained: %s", spec.name, reason)
                    if spec.challenges is None:
                        self.results.skipped[spec.name] = str(reason)
            self.results.studies = studies(self.settings, stored, frames, sets, self.day)
        return self.results

    def _train(self, spec: ModelSpec, sets: StoredSets, weekly: bool) -> None:
        tags = {
            "model": spec.model,
            "ds": str(self.day),
            "data_version": self.data_version,
            "code_version": code_version(),
        }
        started = time.monotonic(), time.process_time()
        with self.registry.run(f"{spec.name} {self.day}", self._models(), tags, SKIPS) as run:
            fit = spec.weekly_contenders if weekly and spec.weekly_contenders else spec.contenders
            contenders: Contenders = loaded(fit)(sets, self.settings.models)
            run.params(contenders.challenger.params)
            run.metrics({"training_seconds": time.monotonic() - started[0],
                         "training_cpu_seconds": time.process_time() - started[1], "peak_mb": peak_mb()})  # fmt: skip
            champion, is_baseline = self._champion(spec.model)
            gate = self._gate_evaluation(spec, contenders, champion)
            decision = self._decision(spec, contenders, gate, sets)
            if contenders.study is not None:
                log_study(self.registry, run, spec.name, tags, contenders.study)
                self.results.architectures = study_facts(contenders.study, self.day)
            log.info("%s: %s", spec.name, decision.reason)
            self._log(run, spec, contenders, gate, decision)
            standing = None if gate.champion is None else gate.champion.by_customer
            best = gate.rivals[decision.baseline]
            self._register(
                run,
                spec,
                decision,
                _Evaluated(contenders.challenger.model, gate.challenger, gate.own),
                _Evaluated(gate.models[decision.baseline], best, gate.by_itself(decision.baseline)),
                stands_in(best.by_customer, standing, is_baseline),
            )

    def _decision(
        self, spec: ModelSpec, contenders: Contenders, gate: GateEvaluation, sets: StoredSets
    ) -> GateDecision:
        """Look for faults and leaks, and let the gate decide."""
        challenger, meta, models = gate.challenger, contenders.challenger.model.meta, self.settings.models
        declared = (*spec.inputs, *contenders.declared)
        reasons = [
            *faults(gate.own.probability, gate.own.truth, meta.inputs, declared),
            *leaks(contenders.split, self.day),
            *leaking_sets(set(spec.sets), sets.leaking, sets.windows.gate),
        ]
        guards = {name: rival.guards for name, rival in gate.rivals.items()}
        reasons += worse(challenger.guards, guards, models.bootstrap_rounds, models.seed)
        return decide(
            challenger.by_customer,
            {name: rival.by_customer for name, rival in gate.rivals.items()},
            gate.further,
            reasons,
            models.bootstrap_rounds,
            models.seed,
        )

    def _log(
        self, run: Run, spec: ModelSpec, contenders: Contenders, gate: GateEvaluation, decision: GateDecision
    ) -> None:
        """Keep with the run what the gate compared: the table, metrics, curves and the companion."""
        models, recall = self.settings.models, contenders.recall
        compared = gate.methods(contenders.challenger.model.meta.family)
        run.table(TABLE, comparison(compared, spec.metric, models.bootstrap_rounds, models.seed, recall))
        best = gate.rivals[decision.baseline]
        run.metrics({**gate.challenger.metrics, spec.metric.replace("@", "_at_"): decision.value})
        run.metrics({f"baseline_{name}": value for name, value in best.metrics.items()})
        run.metrics({} if recall is None else recall_metrics(recall))
        run.curves(contenders.challenger.curves)
        run.params({} if gate.companion is None else {"judged_beside": gate.companion.version})

    def _register(
        self,
        run: Run,
        spec: ModelSpec,
        decision: GateDecision,
        challenger: _Evaluated,
        baseline: _Evaluated,
        falls_back: bool,
    ) -> None:
        """Register the challenger, and the best baseline where it has to serve; promote the one that serves."""
        for evaluated in (challenger, baseline):
            run.table(curve_of(artifacts.digest(evaluated.model.to_bytes())), curve(evaluated.own))
        figures = {
            "metric": spec.metric,
            "baseline": decision.baseline,
            "baseline_value": repr(decision.baseline_value),
            "baseline_metrics": json.dumps(dict(baseline.evaluation.metrics)),
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
            "metrics": json.dumps(dict(challenger.evaluation.metrics)),
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

    def _gate_evaluation(self, spec: ModelSpec, contenders: Contenders, champion: Model | None) -> GateEvaluation:
        """Evaluate all contenders, without the champion where it cannot be compared."""
        served, _ = self._champion(spec.served_with) if spec.served_with else (None, False)
        if served is not None and (unknown := set(served.meta.inputs) - {*spec.inputs, *contenders.declared}):
            log.warning("%s is judged alone: %s beside it takes %s", spec.model, spec.served_with, sorted(unknown))
            served = None
        companion = None if served is None else Companion(served)
        try:
            return gate_evaluation(contenders, champion, companion)
        except DataError as error:
            if champion is None:
                raise
            log.warning("the champion of %s cannot be compared, the features have changed: %s", spec.model, error)
            return gate_evaluation(contenders, None, companion)

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


def in_order(declared: tuple[ModelSpec, ...], names: list[str], weekly: bool) -> list[ModelSpec]:
    """Return the models to train: by ``names``, in the order of the registry, those served with another last.

    Args:
        declared: all models.
        names: names in the registry of what is to be trained.
        weekly: whether the models of the weekly training are among them.
    """
    chosen = [spec for name in names for spec in declared if spec.model == name and (weekly or not spec.weekly)]
    return sorted(chosen, key=lambda spec: spec.served_with is not None)
