"""Stage ``train``: pins the champions of the night, and trains what has none.

A night's champion is the newest that has seen no later day. With ``retrain`` every model gets a challenger, which has
to beat the champion and its baseline on the same held-out window.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from conf.errors import DataError
from conf.published import MODEL_VERSIONS
from conf.schema import Settings
from jobs.database_schema import arrow_schema
from jobs.lake import Draft, Lake, Manifest
from jobs.night import code_version, publish
from jobs.stages import Stage
from training import artifacts
from training.tracking import CHALLENGER, CHAMPION, Registry, Run, Version

if TYPE_CHECKING:
    from jobs.training_sets import TrainingSets
    from jobs.trials import Task, Trial
    from training.artifacts import Model
    from training.fitting import Judged
    from training.promotion import Decision
    from training.windows import Windows

log = logging.getLogger(__name__)
#: models of the pipeline and the tables of the clean layer without which there is none
MODELS: dict[str, tuple[str, ...]] = {
    "churn": (),
    "offer_ranker": (),
    "coupon_response": ("offers", "offer_products", "campaigns", "campaign_targets", "responses"),
    "coupon_scope": ("offers", "offer_products", "campaigns", "campaign_targets", "responses"),
    "characteristics": (),
}
#: the name under which a challenger is pinned beside a champion that is a baseline
CHALLENGER_OF = "{}:challenger"


def run(settings: Settings, day: date, force: bool = False, retrain: bool = False) -> Manifest:
    """Publish the pins of ``day`` and the table ``models/model_versions``.

    ``facts["pins"]`` holds for each model ``uri`` (folder), ``sha256``, ``version``, ``kind``,
    ``standing``, ``trained_through``, ``metric``, ``value``, ``baseline_value`` and ``metrics``;
    ``facts["skipped"]`` says why a model is not there.

    Raises:
        DataError: the clean layer of ``day`` is not published, or the files of a champion are gone.
    """
    clean = Lake(settings.lake).need(Stage.VALIDATE, day)
    registry = open_registry(settings)

    def build(draft: Draft) -> None:
        skipped = _missing_tables(draft.lake, day)
        wanted = [name for name in MODELS if name not in skipped]
        untrained = [name for name in wanted if retrain or registry.champion(name, day) is None]
        if untrained:
            skipped |= _Training(settings, registry, draft.lake, day, clean.content).run(untrained)
        pins = _pins(settings, registry, wanted, day)
        draft.facts |= {"pins": pins, "skipped": {name: skipped[name] for name in skipped if name not in pins}}
        draft.arrow("models/model_versions", _versions(registry, wanted, day))

    return publish(
        settings,
        Stage.TRAIN,
        day,
        {"clean": clean.content},
        build,
        force=force or retrain,
        still_there=lambda manifest: _still_pinned(settings, registry, manifest, day),
    )


def open_registry(settings: Settings) -> Registry:
    """Return the registry of the installation."""
    return Registry(settings.mlflow, Path(settings.home, "mlartifacts"))


class _Training:
    """Trains some models for one night."""

    def __init__(self, settings: Settings, registry: Registry, lake: Lake, day: date, data_version: str) -> None:
        self.settings, self.registry, self.lake, self.day = settings, registry, lake, day
        self.data_version = data_version

    def run(self, names: list[str]) -> dict[str, str]:
        """Train, register and promote; return why a model could not be trained."""
        windows = self._windows()
        if windows is None:
            models, days = self.settings.models, self.settings.horizon_days
            need = models.min_history_days + 3 * days
            return {name: f"too little history: {need} days of orders are needed" for name in names}
        from jobs.spark import session
        from jobs.training_sets import training_sets
        from jobs.trials import TASKS, NotEnoughData

        skipped = {}
        sets = {TASKS[name].set for name in names} | {"customers"}
        spark = session(self.settings, "train")
        with training_sets(self.settings, self.lake, spark, self.day, windows, sets) as ready:
            for name in names:
                try:
                    self._train(TASKS[name], ready)
                except NotEnoughData as reason:
                    log.warning("%s is not trained: %s", name, reason)
                    skipped[name] = str(reason)
        return skipped

    def _windows(self) -> Windows | None:
        import pyarrow.compute as pc

        from training.windows import windows

        days = self.lake.arrow("clean/order_lines", self.day, ["ordered_on"])["ordered_on"]
        first = pc.min(days).as_py()
        models = self.settings.models
        if first is None:
            return None
        return windows(self.day, self.settings.horizon_days, models.train_windows, first, models.min_history_days)

    def _train(self, task: Task, sets: TrainingSets) -> None:
        from training.promotion import decide, faults, leaks

        tags = {"model": task.name, "ds": str(self.day), "data_version": self.data_version}
        with self.registry.run(f"{task.name} {self.day}", {**task.params, **self._models()}, tags) as run:
            trial = task.trial(sets, self.settings.models)
            baseline, judged = trial.judge(trial.baseline.model), trial.judge(trial.challenger.model)
            meta = trial.challenger.model.meta
            horizon = timedelta(days=self.settings.horizon_days)
            days = sets.windows.all
            found = [
                *faults(judged.probability, judged.truth, meta.inputs, task.declared),
                *leaks(days, [d + timedelta(days=1) for d in days], [d + horizon for d in days], self.day),
            ]
            champion = self._champion(task.name, trial)
            decision = decide(
                judged.each, baseline.each, champion, found, self.settings.models.bootstrap_rounds,
                self.settings.models.seed,
            )  # fmt: skip
            log.info("%s: %s", task.name, decision.reason)
            run.metrics({**judged.metrics, task.metric.replace("@", "_at_"): decision.value})
            run.metrics({f"baseline_{name}": value for name, value in baseline.metrics.items()})
            run.curves(trial.challenger.curves)
            self._register(run, task, trial, decision, judged, baseline, champion is None)

    def _register(
        self,
        run: Run,
        task: Task,
        trial: Trial,
        decision: Decision,
        judged: Judged,
        baseline: Judged,
        first: bool,
    ) -> None:
        """Register the challenger, and the baseline where it has to serve; promote the one that serves."""
        family = trial.baseline.model.meta.family
        figures = {
            "metric": task.metric,
            "baseline": family,
            "baseline_value": repr(decision.baseline_value),
            "baseline_metrics": json.dumps(dict(baseline.metrics)),
            "trained_through": str(self.day),
            "data_version": self.data_version,
            "code_version": code_version(),
        }
        challenger = {
            **figures,
            "decision": decision.reason,
            "value": repr(decision.value),
            "low": repr(decision.low),
            "high": repr(decision.high),
            "metrics": json.dumps(dict(judged.metrics)),
        }
        version = self._save(run, trial.challenger.model, challenger)
        if decision.promote:
            self.registry.promote(version)
        elif first:
            reason = f"promoted: the first champion is the baseline; the challenger was {decision.reason}"
            tags = {
                **figures,
                "decision": reason,
                "value": repr(decision.baseline_value),
                "metrics": figures["baseline_metrics"],
                "is_baseline": "yes",
            }
            self.registry.promote(self._save(run, trial.baseline.model, tags))

    def _champion(self, name: str, trial: Trial) -> Any:
        """Return the standing champion's metric per customer on the gate window, or None."""
        version = self.registry.champion(name, self.day)
        if version is None:
            return None
        model = artifacts.load(local_folder(self.settings, self.registry, version), version.sha256)
        try:
            return trial.judge(model).each
        except DataError as error:
            log.warning("the champion of %s cannot be compared, the features have changed: %s", name, error)
            return None

    def _save(self, run: Run, model: Model, tags: Mapping[str, str]) -> Version:
        files = model.to_bytes()
        folder = _folder(self.settings, model.meta.name, artifacts.digest(files))
        artifacts.save(folder, files)
        return self.registry.register(run, model, folder, tags)

    def _models(self) -> dict[str, Any]:
        return {f"models.{name}": value for name, value in self.settings.models.model_dump().items()}


def local_folder(settings: Settings, registry: Registry, version: Version) -> Path:
    """Return the folder of a version's files, fetched from the registry where it is not there.

    Raises:
        DataError: the registry has lost them.
    """
    folder = _folder(settings, version.name, version.sha256)
    if not folder.exists():
        registry.fetch(version, folder)
    return folder


def _folder(settings: Settings, name: str, sha256: str) -> Path:
    return Path(settings.home, "models", name, sha256[:16])


def _missing_tables(lake: Lake, day: date) -> dict[str, str]:
    found = {}
    for name, tables in MODELS.items():
        missing = [table for table in tables if not lake.has(f"clean/{table}", day)]
        if missing:
            found[name] = f"the source has no {', '.join(missing)}"
    return found


def _pins(settings: Settings, registry: Registry, names: list[str], day: date) -> dict[str, dict[str, Any]]:
    """Return what serves on ``day``, and the challenger where the champion is only a baseline."""
    pins = {}
    for key, version in _pinned(registry, names, day).items():
        folder = local_folder(settings, registry, version)
        tags = version.tags
        pins[key] = {
            "uri": str(folder),
            "sha256": version.sha256,
            "version": version.number,
            "kind": tags["kind"],
            "standing": version.standing,
            "decision": tags["decision"],
            "trained_through": tags["trained_through"],
            "metric": tags["metric"],
            "value": _number(tags, "value"),
            "baseline": tags["baseline"],
            "baseline_value": _number(tags, "baseline_value"),
            "metrics": _figures(tags, "metrics"),
            "baseline_metrics": _figures(tags, "baseline_metrics"),
        }
    return pins


def _pinned(registry: Registry, names: list[str], day: date) -> dict[str, Version]:
    found = {}
    for name in names:
        champion = registry.champion(name, day)
        if champion is None:
            continue
        found[name] = champion
        challenger = registry.challenger(name, day) if champion.tags.get("is_baseline") else None
        if challenger is not None and challenger.sha256 != champion.sha256:
            found[CHALLENGER_OF.format(name)] = challenger
    return found


def _still_pinned(settings: Settings, registry: Registry, manifest: Manifest, day: date) -> bool:
    """Tell whether the published pins are what would be pinned now, and their files lie where they should."""
    pins = manifest.facts.get("pins", {})
    now = _pinned(registry, [name for name in MODELS if name in pins], day)
    return {key: pin["sha256"] for key, pin in pins.items()} == {key: each.sha256 for key, each in now.items()} and all(
        Path(pin["uri"]).is_dir() for pin in pins.values()
    )


def _versions(registry: Registry, names: list[str], day: date) -> pa.Table:
    """Return the rows of ``MODEL_VERSIONS``: the champion and the latest challenger of each model."""
    rows = []
    for name in names:
        champion, challenger = registry.champion(name, day), registry.challenger(name, day)
        for version, standing in ((champion, CHAMPION), (challenger, CHALLENGER)):
            if version is None or (standing == CHALLENGER and champion and version.sha256 == champion.sha256):
                continue
            tags = version.tags
            rows.append(
                {
                    "ds": day,
                    "name": name,
                    "sha256": version.sha256,
                    "version": version.number,
                    "kind": tags["kind"],
                    "standing": standing,
                    "decision": tags["decision"],
                    "trained_through": version.trained_through,
                    "metric": tags["metric"],
                    "value": _number(tags, "value"),
                    "baseline": tags["baseline"],
                    "baseline_value": _number(tags, "baseline_value"),
                    "low": _number(tags, "low"),
                    "high": _number(tags, "high"),
                    "run_id": version.run_id,
                }
            )
    return pa.Table.from_pylist(rows, schema=arrow_schema(MODEL_VERSIONS))


def _number(tags: Mapping[str, str], name: str) -> float | None:
    """Return a figure of a version; None where it is missing or not a number."""
    value = float(tags.get(name, "nan"))
    return None if value != value else value


def _figures(tags: Mapping[str, str], name: str) -> dict[str, float]:
    return {key: value for key, value in json.loads(tags.get(name, "{}")).items() if value == value}
