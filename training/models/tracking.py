"""The registry of models: what was trained, what serves, and what served on an earlier night.

The only module that imports MLflow. A version is champion when its tag ``standing`` says so; that tag is written last,
so a crash before it leaves the old champion in charge. The aliases only mirror the newest night for people and tools.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from conf.errors import DataError
from training.models import artifacts
from training.models.artifacts import Meta, Model
from training.models.tabular import TRUSTED

log = logging.getLogger(__name__)
EXPERIMENT = "nbo"
FOLDER = "nbo_model"
CHAMPION, CHALLENGER, ROLLED_BACK = "champion", "challenger", "rolled back"
#: tag of a version that passed the gate and waits for approval; its value is how the decision begins
AWAITS = "awaits"
#: most values that MLflow takes at once
_MOST_METRICS = 1000


@dataclass(frozen=True)
class Version:
    """A registered version of a model; ``tags`` are what was written at its registration."""

    name: str
    number: str
    run_id: str
    tags: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Digest of the model's files."""
        return self.tags["sha256"]

    @property
    def trained_through(self) -> date:
        """Last day the model has seen, labels included."""
        return date.fromisoformat(self.tags["trained_through"])

    @property
    def standing(self) -> str:
        """``champion``, ``challenger`` or ``rolled back``."""
        return self.tags["standing"]


class Registry:
    """Runs and models in one MLflow store."""

    def __init__(self, uri: str, folder: Path) -> None:
        """Open the store at ``uri``, and make it when it is not there.

        Args:
            uri: MLflow tracking URI, for example ``sqlite:////srv/nbo/mlflow.db``.
            folder: where runs keep their files when the store is a database.
        """
        _quiet()
        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(uri)
        self.client = MlflowClient(uri, uri)
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            place = None if uri.startswith("http") else folder.resolve().as_uri()
            self.experiment = self.client.create_experiment(EXPERIMENT, artifact_location=place)
        else:
            self.experiment = experiment.experiment_id

    # --- training

    @contextmanager
    def run(
        self,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        skips: tuple[type[Exception], ...] = (),
    ) -> Iterator[Run]:
        """Open a run that logs ``params`` now, and what its body logs; an error ends it as failed.

        One of ``skips`` ends it as finished, with the tag ``skipped`` that says why: a model for which there is too
        little data has not failed. Within another run it is a child of that.
        """
        with mlflow.start_run(experiment_id=self.experiment, run_name=name, tags=dict(tags), nested=True) as active:
            run = Run(self.client, active.info.run_id)
            run.params(params)
            try:
                yield run
            except skips as reason:
                self.client.set_tag(run.run_id, "skipped", str(reason)[:4000])
                mlflow.end_run("FINISHED")
                raise

    def register(self, run: Run, model: Model, folder: Path, tags: Mapping[str, str]) -> Version:
        """Register a model as a challenger.

        Args:
            run: the open run that trained it.
            model: the model.
            folder: its files; they are kept with MLflow's own form of the model.
            tags: of the version; ``sha256``, ``kind`` and ``standing`` are added.
        """
        meta = model.meta
        logged, sha256 = _log_model(model), artifacts.digest(model.to_bytes())
        self.client.log_artifacts(run.run_id, str(folder), _place(sha256))
        with _existing():
            self.client.create_registered_model(meta.name)
        written = {
            **tags,
            "sha256": sha256,
            "kind": meta.family,
            "standing": CHALLENGER,
        }
        made = self.client.create_model_version(
            meta.name,
            source=logged.model_uri,
            run_id=run.run_id,
            tags={key: value[:4000] for key, value in written.items()},
            model_id=logged.model_id,
        )
        self.client.set_registered_model_alias(meta.name, CHALLENGER, made.version)
        return _version(made, written)

    def promote(self, version: Version) -> Version:
        """Make ``version`` a champion: the tag first, which counts, then the alias, which mirrors it."""
        self.client.set_model_version_tag(version.name, version.number, "standing", CHAMPION)
        promoted = Version(version.name, version.number, version.run_id, {**version.tags, "standing": CHAMPION})
        self._alias(version.name)
        return promoted

    def awaiting(self, name: str) -> Version | None:
        """Return the newest challenger that passed the gate and waits for a person's approval, or None.

        What was trained no later than the champion that serves now is out of date and waits no more.
        """
        champions = self._champions(name)
        since = champions[-1].trained_through if champions else date.min
        return next(
            (
                version
                for version in reversed(self.versions(name))
                if version.standing == CHALLENGER and version.tags.get(AWAITS) and version.trained_through >= since
            ),
            None,
        )

    def approve(self, version: Version) -> Version:
        """Make a challenger champion that passed the gate and waited for it."""
        reason = version.tags["decision"].replace(version.tags[AWAITS], "promoted with approval", 1)
        self.client.set_model_version_tag(version.name, version.number, "decision", reason)
        promoted = self.promote(version)
        # last: whatever breaks off before, the version still waits and may be approved again
        self.client.delete_model_version_tag(version.name, version.number, AWAITS)
        return promoted

    def rollback(self, name: str) -> Version:
        """Take the newest champion of ``name`` out of service and return the one before it, which serves again.

        Raises:
            DataError: there is no earlier champion to go back to.
        """
        champions = self._champions(name)
        if len(champions) < 2:
            raise DataError(f"model {name} has {len(champions)} champion(s): there is none to go back to")
        newest, earlier = champions[-1], champions[-2]
        self.client.set_model_version_tag(name, newest.number, "standing", ROLLED_BACK)
        self._alias(name)
        return earlier

    # --- reading

    def champion(self, name: str, until: date) -> Version | None:
        """Return the newest champion that has seen no day after ``until``, or None."""
        return next(
            (champion for champion in reversed(self._champions(name)) if champion.trained_through <= until), None
        )

    def challenger(self, name: str, until: date) -> Version | None:
        """Return the newest version that stayed challenger and has seen no day after ``until``, or None."""
        return next(
            (
                version
                for version in reversed(self.versions(name))
                if version.standing == CHALLENGER and version.tags.get("decision") and version.trained_through <= until
            ),
            None,
        )

    def versions(self, name: str) -> list[Version]:
        """Return all versions of ``name`` by the last day they have seen, then by number."""
        registered = self.client.search_model_versions(f"name='{name}'", max_results=1000)
        complete = [_version(version, version.tags) for version in registered if "trained_through" in version.tags]
        return sorted(complete, key=lambda version: (version.trained_through, int(version.number)))

    def fetch(self, version: Version, folder: Path) -> None:
        """Put the files of ``version`` into ``folder``, from what its run keeps.

        Raises:
            DataError: the run keeps none.
        """
        with tempfile.TemporaryDirectory() as scratch:
            try:
                downloaded = Path(self.client.download_artifacts(version.run_id, _place(version.sha256), scratch))
            except (MlflowException, OSError) as error:
                raise DataError(
                    f"the files of model {version.name} version {version.number} are gone ({type(error).__name__}); "
                    f"roll back with `nbo rollback {version.name}`, or train again with `nbo train --retrain`"
                ) from None
            artifacts.save(folder, {file.name: file.read_bytes() for file in sorted(downloaded.iterdir())})

    def table(self, run_id: str, name: str) -> pd.DataFrame | None:
        """Return a table that a run keeps (:meth:`Run.table`), or None where it keeps none."""
        with tempfile.TemporaryDirectory() as scratch:
            try:
                file = self.client.download_artifacts(run_id, f"{name}.json", scratch)
            except (MlflowException, OSError):
                return None
            return pd.read_json(Path(file), orient="split", convert_dates=False)

    def _champions(self, name: str) -> list[Version]:
        return [version for version in self.versions(name) if version.standing == CHAMPION]

    def _alias(self, name: str) -> None:
        """Let the alias mirror the champion of the newest night."""
        champions = self._champions(name)
        if champions:
            self.client.set_registered_model_alias(name, CHAMPION, champions[-1].number)


@dataclass(frozen=True)
class Run:
    """An open MLflow run."""

    client: MlflowClient
    run_id: str

    def params(self, values: Mapping[str, Any]) -> None:
        """Log what a model was made with."""
        mlflow.log_params({key: str(value)[:500] for key, value in values.items()})

    def metrics(self, values: Mapping[str, float]) -> None:
        """Log final metrics; those that are not numbers are left out."""
        mlflow.log_metrics({key: float(value) for key, value in values.items() if np.isfinite(value)})

    def curves(self, values: Mapping[str, list[float]]) -> None:
        """Log a value per epoch of each metric: all at once, for a call costs more than a value."""
        now = int(time.time() * 1000)
        logged = [
            Metric(key, float(value), now, step)
            for key, points in values.items()
            for step, value in enumerate(points, 1)
            if np.isfinite(value)
        ]
        for start in range(0, len(logged), _MOST_METRICS):
            self.client.log_batch(self.run_id, logged[start : start + _MOST_METRICS])

    def table(self, name: str, rows: pd.DataFrame) -> None:
        """Keep a table with the run, as ``<name>.json``, which MLflow's pages show."""
        mlflow.log_table(rows, f"{name}.json")


def _place(sha256: str) -> str:
    """Return where a run keeps a model's files: it may keep two models, a challenger and its baseline."""
    return f"{FOLDER}/{sha256[:16]}"


def _log_model(model: Model) -> Any:
    """Log MLflow's own form of the model, with signature and a made-up example: no customer's row leaves the lake."""
    from mlflow.models import infer_signature

    meta, files = model.meta, model.to_bytes()
    content = files[meta.format.file]
    shared: dict[str, Any] = {
        "name": meta.name,
        "pip_requirements": [f"{name}=={version(name)}" for name in meta.format.packages],
    }
    if meta.kind == "keras":
        return _log_keras(meta, content, shared)
    example = pd.DataFrame(np.ones((2, len(meta.inputs))), columns=list(meta.inputs))
    shared["signature"] = infer_signature(example, model.predict(example))
    shared["input_example"] = example
    if meta.kind == "sklearn":
        import skops.io

        pipeline = skops.io.loads(content, trusted=TRUSTED)
        return mlflow.sklearn.log_model(pipeline, serialization_format="skops", skops_trusted_types=TRUSTED, **shared)
    if meta.kind != "lightgbm":
        with tempfile.TemporaryDirectory() as folder:
            for name, held in files.items():
                Path(folder, name).write_bytes(held)
            return mlflow.pyfunc.log_model(loader_module=artifacts.__name__, data_path=folder, **shared)
    import lightgbm

    return mlflow.lightgbm.log_model(lightgbm.Booster(model_str=content.decode()), **shared)


def _log_keras(meta: Meta, content: bytes, shared: dict[str, Any]) -> Any:
    import keras
    import mlflow.keras as flavor
    from mlflow.models import infer_signature

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, meta.format.file)
        path.write_bytes(content)
        network = keras.saving.load_model(path, compile=False)
    example = {name: np.ones((2, *size.shape[1:]), dtype=size.dtype) for name, size in network.input.items()}
    signature = infer_signature(example, np.asarray(network(example)))
    # this flavour writes an example before it makes the folder for it, so the example goes to the run
    mlflow.log_dict({name: value.tolist() for name, value in example.items()}, "input_example.json")
    return flavor.log_model(network, signature=signature, **shared)


def _version(registered: ModelVersion, tags: Mapping[str, str]) -> Version:
    return Version(registered.name, str(registered.version), str(registered.run_id), dict(tags))


@contextmanager
def _existing() -> Iterator[None]:
    """Ignore the error that says that the thing exists already."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _quiet() -> None:
    for noisy in ("mlflow", "alembic", "mlflow.store.db.utils", "mlflow.utils.environment"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
